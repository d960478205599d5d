"""Sign, Verify and GetPublicKey through a Region, with a key pair of each kind that is quick to make."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.simulation.one_region import OneRegion, one_region

DRY_RUN = "DryRunOperationException: The request would have succeeded, but the DryRun option is set."
KINDS = [
    ("RSA_2048", "RSASSA_PSS_SHA_384"),
    ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_512"),
    ("ECC_NIST_P256", "ECDSA_SHA_256"),
    ("ECC_NIST_P384", "ECDSA_SHA_384"),
    ("ECC_NIST_P521", "ECDSA_SHA_512"),
    ("ECC_SECG_P256K1", "ECDSA_SHA_256"),
    ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"),
    ("ML_DSA_44", "ML_DSA_SHAKE_256"),
    ("ML_DSA_65", "ML_DSA_SHAKE_256"),
    ("ML_DSA_87", "ML_DSA_SHAKE_256"),
]


async def signing_key(kms: OneRegion, spec: str = "ECC_NIST_P256", **others: Any) -> str:
    return await kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY", **others)


@pytest.mark.parametrize(("spec", "algorithm"), KINDS)
@one_region()
async def test_what_a_key_signs_it_verifies_and_nothing_else(kms: OneRegion, spec: str, algorithm: str) -> None:
    key_id = await signing_key(kms, spec)
    asked = {"KeyId": key_id, "Message": b"m" * 4096, "SigningAlgorithm": algorithm}
    signed = await kms.call("alice", "Sign", **asked)
    assert signed == {"KeyId": kms.arn(key_id), "Signature": signed["Signature"], "SigningAlgorithm": algorithm}
    verified = await kms.call("alice", "Verify", **asked, Signature=signed["Signature"])
    assert verified == {"KeyId": kms.arn(key_id), "SignatureValid": True, "SigningAlgorithm": algorithm}
    other = {**asked, "Message": b"n"}
    assert await kms.answer("alice", "Verify", **other, Signature=signed["Signature"]) == (
        "KMSInvalidSignatureException: "
    )
    assert await kms.answer("alice", "Verify", **asked, Signature=b"x") == "KMSInvalidSignatureException: "


@one_region()
async def test_anybody_verifies_with_the_public_key(kms: OneRegion) -> None:
    key_id = await signing_key(kms)
    shown = await kms.call("alice", "GetPublicKey", KeyId=key_id)
    assert shown == {
        "KeyId": kms.arn(key_id),
        "PublicKey": shown["PublicKey"],
        "CustomerMasterKeySpec": "ECC_NIST_P256",
        "KeySpec": "ECC_NIST_P256",
        "KeyUsage": "SIGN_VERIFY",
        "SigningAlgorithms": ["ECDSA_SHA_256"],
    }
    signed = await kms.call("alice", "Sign", KeyId=key_id, Message=b"m", SigningAlgorithm="ECDSA_SHA_256")
    public = load_der_public_key(shown["PublicKey"])
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signed["Signature"], b"m", ec.ECDSA(SHA256()))


@one_region()
async def test_a_message_and_its_digest_are_the_same_message(kms: OneRegion) -> None:
    key_id = await signing_key(kms)
    algorithm = {"KeyId": key_id, "SigningAlgorithm": "ECDSA_SHA_256"}
    digest = hashlib.sha256(b"m").digest()
    signature = (await kms.call("alice", "Sign", **algorithm, Message=b"m", MessageType="RAW"))["Signature"]
    as_digest = {**algorithm, "Message": digest, "MessageType": "DIGEST", "Signature": signature}
    assert await kms.answer("alice", "Verify", **as_digest) == "ok"
    hashed_twice = {**algorithm, "Message": digest, "Signature": signature}
    assert await kms.answer("alice", "Verify", **hashed_twice) == "KMSInvalidSignatureException: "


@pytest.mark.parametrize(
    ("spec", "algorithm", "message_type", "length", "said"),
    [
        ("ECC_NIST_P256", "ECDSA_SHA_256", "DIGEST", 31, "Digest is invalid length for algorithm ECDSA_SHA_256."),
        ("ECC_NIST_P384", "ECDSA_SHA_384", "DIGEST", 32, "Digest is invalid length for algorithm ECDSA_SHA_384."),
        ("ECC_NIST_P521", "ECDSA_SHA_512", "DIGEST", 65, "Digest is invalid length for algorithm ECDSA_SHA_512."),
        ("ML_DSA_44", "ML_DSA_SHAKE_256", "EXTERNAL_MU", 63, "Digest is invalid length for algorithm ML_DSA_SHAKE_256."),
        ("ML_DSA_44", "ML_DSA_SHAKE_256", "EXTERNAL_MU", 64, None),
        ("ML_DSA_44", "ML_DSA_SHAKE_256", "DIGEST", 64, "MessageType DIGEST is not valid for algorithm ML_DSA_SHAKE_256."),
        ("ECC_NIST_P256", "ECDSA_SHA_256", "EXTERNAL_MU", 64, "MessageType EXTERNAL_MU is not valid for algorithm ECDSA_SHA_256."),
        ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512", "DIGEST", 64, "MessageType DIGEST is not valid for algorithm ED25519_SHA_512."),
        ("ECC_NIST_EDWARDS25519", "ED25519_PH_SHA_512", "RAW", 64, "MessageType RAW is not valid for algorithm ED25519_PH_SHA_512."),
        ("ECC_NIST_EDWARDS25519", "ED25519_PH_SHA_512", "DIGEST", 63, "Digest is invalid length for algorithm ED25519_PH_SHA_512."),
        ("ECC_NIST_EDWARDS25519", "ED25519_PH_SHA_512", "DIGEST", 64, None),
    ],
)  # fmt: skip
@one_region()
async def test_each_algorithm_takes_its_own_message_types_and_lengths(
    kms: OneRegion, spec: str, algorithm: str, message_type: str, length: int, said: str | None
) -> None:
    asked = {"KeyId": await signing_key(kms, spec), "Message": b"m" * length, "MessageType": message_type}
    wanted = "ok" if said is None else f"ValidationException: {said}"
    assert await kms.answer("alice", "Sign", **asked, SigningAlgorithm=algorithm) == wanted
    if said is not None:
        assert await kms.answer("alice", "Verify", **asked, SigningAlgorithm=algorithm, Signature=b"s") == wanted


@one_region()
async def test_a_signing_key_is_for_its_algorithms_and_for_nothing_else(kms: OneRegion) -> None:
    key_id, agreeing = await signing_key(kms), await kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")
    say, message = kms.answer, {"Message": b"m"}
    assert await say("alice", "Sign", KeyId=key_id, **message, SigningAlgorithm="ECDSA_SHA_384") == (
        "InvalidKeyUsageException: Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256."
    )
    assert await say("alice", "Sign", KeyId=agreeing, **message, SigningAlgorithm="ECDSA_SHA_256") == (
        f"InvalidKeyUsageException: {kms.arn(agreeing)} key usage is KEY_AGREEMENT which is not valid for Sign."
    )
    for operation, parameters in (
        ("Encrypt", {"Plaintext": b"x"}),
        ("GenerateDataKey", {"KeySpec": "AES_256"}),
        ("GenerateDataKeyPair", {"KeyPairSpec": "ECC_NIST_P256"}),
    ):
        assert await say("alice", operation, KeyId=key_id, **parameters) == (
            f"InvalidKeyUsageException: {kms.arn(key_id)} key usage is SIGN_VERIFY which is not valid for {operation}."
        )
    assert await say("alice", "RotateKeyOnDemand", KeyId=key_id) == "UnsupportedOperationException: "
    status = {"KeyId": kms.arn(key_id), "KeyRotationEnabled": False}
    assert await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id) == status


@one_region()
async def test_a_usage_that_does_not_go_with_the_spec_is_told_in_aws_s_words(kms: OneRegion) -> None:
    for spec, usage in (
        ("RSA_2048", "KEY_AGREEMENT"),
        ("ECC_SECG_P256K1", "KEY_AGREEMENT"),
        ("HMAC_256", "SIGN_VERIFY"),
    ):
        assert await kms.answer("alice", "CreateKey", KeySpec=spec, KeyUsage=usage) == (
            f"ValidationException: KeyUsage {usage} is not compatible with KeySpec {spec}"
        )


@one_region()
async def test_a_dry_run_of_verify_says_what_verify_would(kms: OneRegion) -> None:
    asked = {"KeyId": await signing_key(kms), "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = (await kms.call("alice", "Sign", **asked))["Signature"]
    assert await kms.answer("alice", "Sign", **asked, DryRun=True) == DRY_RUN
    assert await kms.answer("alice", "Verify", **asked, Signature=signature, DryRun=True) == DRY_RUN
    assert await kms.answer("alice", "Verify", **asked, Signature=b"x", DryRun=True) == "KMSInvalidSignatureException: "


@one_region()
async def test_a_public_key_can_be_had_of_a_disabled_key_but_of_no_symmetric_one(kms: OneRegion) -> None:
    key_id, symmetric = await signing_key(kms), await kms.create_key()
    await kms.call("alice", "DisableKey", KeyId=key_id)
    assert await kms.answer("alice", "GetPublicKey", KeyId=key_id) == "ok"
    assert (await kms.answer("alice", "GetPublicKey", KeyId=symmetric)).startswith("UnsupportedOperationException: ")


@one_region()
async def test_conditions_see_algorithm_and_message_type(kms: OneRegion) -> None:
    key_id = await signing_key(kms)
    condition = {"StringEquals": {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "DIGEST"}}
    kms.give("bob", {"Effect": "Allow", "Action": "kms:Sign", "Resource": "*", "Condition": condition})
    asked = {"KeyId": key_id, "Message": b"m" * 32, "SigningAlgorithm": "ECDSA_SHA_256"}
    assert await kms.answer("bob", "Sign", **asked, MessageType="DIGEST") == "ok"
    assert (await kms.answer("bob", "Sign", **asked)).startswith("AccessDeniedException")


@one_region()
async def test_the_trail_shows_how_was_signed_and_neither_message_nor_signature(kms: OneRegion) -> None:
    key_id = await signing_key(kms)
    asked = {"KeyId": key_id, "Message": b"a secret message", "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = (await kms.call("alice", "Sign", **asked, MessageType="RAW"))["Signature"]
    await kms.call("alice", "Verify", **asked, Signature=signature)
    (signed,), (verified,) = await kms.records("Sign"), await kms.records("Verify")
    wanted = {"messageType": "RAW", "keyId": key_id, "signingAlgorithm": "ECDSA_SHA_256"}
    assert signed["requestParameters"] == verified["requestParameters"] == wanted  # RAW also where nobody says so
    assert signed["responseElements"] is verified["responseElements"] is None


@one_region(regions=("us-east-1", "eu-west-1"))
async def test_a_replica_verifies_what_its_primary_signed_and_has_its_public_key(kms: OneRegion) -> None:
    for spec, algorithm in (("ECC_NIST_P256", "ECDSA_SHA_256"), ("ML_DSA_44", "ML_DSA_SHAKE_256")):
        key_id = await signing_key(kms, spec, MultiRegion=True)
        await kms.call("alice", "ReplicateKey", KeyId=key_id, ReplicaRegion="eu-west-1")
        await kms.sleep_seconds(10)
        asked = {"KeyId": key_id, "Message": b"m", "SigningAlgorithm": algorithm}
        signature = (await kms.call("alice", "Sign", **asked))["Signature"]
        verified = await kms.call("alice", "Verify", at="eu-west-1", **asked, Signature=signature)
        assert verified["KeyId"] == kms.arn(key_id, "eu-west-1")
        here, there = [
            (await kms.call("alice", "GetPublicKey", at=region, KeyId=key_id))["PublicKey"]
            for region in ("us-east-1", "eu-west-1")
        ]
        assert here == there


@one_region()
async def test_key_pairs_outlive_a_crash_and_the_rotation_of_the_domain_key(kms: OneRegion) -> None:
    asked = {"KeyId": await signing_key(kms), "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = (await kms.call("alice", "Sign", **asked))["Signature"]
    kms.region.fleet.rotate_domain_key()
    await kms.reboot()
    assert await kms.answer("alice", "Verify", **asked, Signature=signature) == "ok"
    for hsm in kms.region.fleet.hsms[1:]:
        hsm.zeroise()
    assert await kms.answer("alice", "Verify", **asked, Signature=signature) == "ok"
