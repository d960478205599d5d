"""Key pairs for encryption and agreement, encapsulation, and data key pairs, through a Region."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from tests.simulation.one_region import OneRegion, one_region

DRY_RUN = "DryRunOperationException: The request would have succeeded, but the DryRun option is set."
RSA_KEY = {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"}
OAEP = {"EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}

# ------------------------------------------------------------------------------------------------------- encryption


@one_region()
async def test_an_rsa_ciphertext_is_as_long_as_the_modulus_and_opens_with_the_key_s_name(kms: OneRegion) -> None:
    key_id = await kms.create_key(**RSA_KEY)
    encrypted = await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order 4711", **OAEP)
    blob = encrypted["CiphertextBlob"]
    assert encrypted == {"CiphertextBlob": blob, "KeyId": kms.arn(key_id), **OAEP}
    assert len(blob) == 256
    decrypted = await kms.call("alice", "Decrypt", KeyId=key_id, CiphertextBlob=blob, **OAEP)
    assert decrypted == {"KeyId": kms.arn(key_id), "Plaintext": b"order 4711", **OAEP}
    say, other = kms.answer, {"EncryptionAlgorithm": "RSAES_OAEP_SHA_1"}
    assert await say("alice", "Decrypt", CiphertextBlob=blob, **OAEP) == "InvalidCiphertextException: "
    assert await say("alice", "Decrypt", KeyId=key_id, CiphertextBlob=blob, **other) == "InvalidCiphertextException: "
    assert await say("alice", "Decrypt", KeyId=key_id, CiphertextBlob=blob) == (
        "InvalidKeyUsageException: Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."
    )
    public = load_der_public_key((await kms.call("alice", "GetPublicKey", KeyId=key_id))["PublicKey"])
    assert isinstance(public, rsa.RSAPublicKey)
    outside = public.encrypt(b"from outside", padding.OAEP(padding.MGF1(SHA1()), SHA1(), None))
    opened = await kms.call("alice", "Decrypt", KeyId=key_id, CiphertextBlob=outside, **other)
    assert opened["Plaintext"] == b"from outside"


@one_region()
async def test_what_does_not_fit_into_the_modulus_is_told_with_its_limit(kms: OneRegion) -> None:
    key_id = await kms.create_key(**RSA_KEY)
    for algorithm, most in (("RSAES_OAEP_SHA_1", 214), ("RSAES_OAEP_SHA_256", 190)):
        asked = {"KeyId": key_id, "EncryptionAlgorithm": algorithm}
        assert await kms.answer("alice", "Encrypt", **asked, Plaintext=bytes(most)) == "ok"
        assert await kms.answer("alice", "Encrypt", **asked, Plaintext=bytes(most + 1)) == (
            f"ValidationException: Algorithm {algorithm} and key spec RSA_2048 cannot encrypt data larger than {most} bytes."
        )


@one_region()
async def test_key_pairs_take_no_encryption_context(kms: OneRegion) -> None:
    key_id = await kms.create_key(**RSA_KEY)
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x", **OAEP))["CiphertextBlob"]
    context = {"EncryptionContext": {"a": "b"}}
    said = "ValidationException: EncryptionContext is not supported for key spec RSA_2048."
    assert await kms.answer("alice", "Encrypt", KeyId=key_id, Plaintext=b"x", **OAEP, **context) == said
    assert await kms.answer("alice", "Decrypt", KeyId=key_id, CiphertextBlob=blob, **OAEP, **context) == said


@one_region()
async def test_reencrypt_goes_from_a_key_pair_to_a_symmetric_key_and_back(kms: OneRegion) -> None:
    pair, symmetric = await kms.create_key(**RSA_KEY), await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=pair, Plaintext=b"moved", **OAEP))["CiphertextBlob"]
    context = {"a": "b"}
    there = await kms.call(
        "alice",
        "ReEncrypt",
        CiphertextBlob=blob,
        SourceKeyId=pair,
        SourceEncryptionAlgorithm="RSAES_OAEP_SHA_256",
        DestinationKeyId=symmetric,
        DestinationEncryptionContext=context,
    )
    material_id = kms.key(symmetric).shared.current_material_id
    assert there["DestinationKeyMaterialId"] == material_id
    assert "SourceKeyMaterialId" not in there
    opened = await kms.call("alice", "Decrypt", CiphertextBlob=there["CiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == b"moved"
    back = await kms.call(
        "alice",
        "ReEncrypt",
        CiphertextBlob=there["CiphertextBlob"],
        SourceEncryptionContext=context,
        DestinationKeyId=pair,
        DestinationEncryptionAlgorithm="RSAES_OAEP_SHA_1",
    )
    assert (back["SourceKeyMaterialId"], "DestinationKeyMaterialId" in back) == (material_id, False)
    opened = await kms.call(
        "alice", "Decrypt", KeyId=pair, CiphertextBlob=back["CiphertextBlob"], EncryptionAlgorithm="RSAES_OAEP_SHA_1"
    )
    assert opened["Plaintext"] == b"moved"
    records = await kms.records("ReEncrypt")
    assert [record.get("additionalEventData") for record in records] == [
        {"destinationKeyMaterialId": material_id},
        {"sourceKeyMaterialId": material_id},
    ]


@one_region()
async def test_reencrypt_says_when_the_plaintext_is_too_long_for_the_destination(kms: OneRegion) -> None:
    pair, symmetric = await kms.create_key(**RSA_KEY), await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=symmetric, Plaintext=bytes(191)))["CiphertextBlob"]
    said = await kms.answer(
        "alice",
        "ReEncrypt",
        CiphertextBlob=blob,
        DestinationKeyId=pair,
        DestinationEncryptionAlgorithm="RSAES_OAEP_SHA_256",
    )
    assert said.endswith("RSA_2048 cannot encrypt data larger than 190 bytes.")


@one_region()
async def test_a_symmetric_blob_with_a_key_pair_s_name_is_of_another_key(kms: OneRegion) -> None:
    pair, symmetric = await kms.create_key(**RSA_KEY), await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=symmetric, Plaintext=b"x"))["CiphertextBlob"]
    said = await kms.answer("alice", "Decrypt", CiphertextBlob=blob, KeyId=pair, **OAEP)
    assert said.startswith("IncorrectKeyException: ")


@one_region()
async def test_data_keys_come_from_symmetric_keys_only(kms: OneRegion) -> None:
    pair = await kms.create_key(**RSA_KEY)
    said = "InvalidKeyUsageException: Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."
    assert await kms.answer("alice", "GenerateDataKey", KeyId=pair, KeySpec="AES_256") == said
    assert await kms.answer("alice", "GenerateDataKeyPair", KeyId=pair, KeyPairSpec="ECC_NIST_P256") == said


# ---------------------------------------------------------------------------------------------------- data key pairs


@pytest.mark.parametrize(
    "spec",
    ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519",
     "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"],
)  # fmt: skip
@one_region()
async def test_a_data_key_pair_belongs_together_and_its_private_half_is_wrapped(kms: OneRegion, spec: str) -> None:
    key_id = await kms.create_key()
    asked: dict[str, Any] = {"KeyId": key_id, "KeyPairSpec": spec, "EncryptionContext": {"a": "b"}}
    made = await kms.call("alice", "GenerateDataKeyPair", **asked)
    private, blob = made["PrivateKeyPlaintext"], made["PrivateKeyCiphertextBlob"]
    assert made == {
        "PrivateKeyCiphertextBlob": blob,
        "PrivateKeyPlaintext": private,
        "PublicKey": made["PublicKey"],
        "KeyId": kms.arn(key_id),
        "KeyPairSpec": spec,
        "KeyMaterialId": kms.key(key_id).shared.current_material_id,
    }
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob, EncryptionContext={"a": "b"}))[
        "Plaintext"
    ] == private
    assert await kms.answer("alice", "Decrypt", CiphertextBlob=blob) == "InvalidCiphertextException: "
    if spec != "ML_KEM_512":
        public: Any = load_der_private_key(private, None).public_key()  # type: ignore[union-attr]
        assert public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == made["PublicKey"]
    without = await kms.call("alice", "GenerateDataKeyPairWithoutPlaintext", **asked)
    assert without.keys() == made.keys() - {"PrivateKeyPlaintext"}
    assert without["PublicKey"] != made["PublicKey"]
    assert await kms.answer("alice", "GenerateDataKeyPair", **asked, DryRun=True) == DRY_RUN


@one_region()
async def test_a_private_key_is_in_no_record_no_event_and_no_file(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    made = await kms.call("alice", "GenerateDataKeyPair", KeyId=key_id, KeyPairSpec="ECC_NIST_P256")
    private: bytes = made["PrivateKeyPlaintext"]
    secret = private[36:68]
    (record,) = await kms.records("GenerateDataKeyPair")
    assert record["requestParameters"] == {"keyPairSpec": "ECC_NIST_P256", "keyId": key_id}
    assert record["additionalEventData"] == {"keyMaterialId": kms.key(key_id).shared.current_material_id}
    told = repr(record) + "".join(repr(event.fields) for event in kms.events)
    for form in (private.hex(), secret.hex(), repr(secret)[2:-1]):
        assert form not in told


@one_region()
async def test_the_spec_of_a_data_key_pair_can_be_a_condition(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    condition = {"StringEquals": {"kms:DataKeyPairSpec": "ECC_NIST_P256"}}
    kms.give("bob", {"Effect": "Allow", "Action": "kms:GenerateDataKeyPair", "Resource": "*", "Condition": condition})
    assert await kms.answer("bob", "GenerateDataKeyPair", KeyId=key_id, KeyPairSpec="ECC_NIST_P256") == "ok"
    said = await kms.answer("bob", "GenerateDataKeyPair", KeyId=key_id, KeyPairSpec="ECC_NIST_P384")
    assert said.startswith("AccessDeniedException")


# ------------------------------------------------------------------------------------------ agreement, encapsulation


@pytest.mark.parametrize(
    ("spec", "curve"),
    [("ECC_NIST_P256", ec.SECP256R1()), ("ECC_NIST_P384", ec.SECP384R1()), ("ECC_NIST_P521", ec.SECP521R1())],
)
@one_region()
async def test_a_peer_outside_derives_the_same_secret(kms: OneRegion, spec: str, curve: Any) -> None:
    key_id = await kms.create_key(KeySpec=spec, KeyUsage="KEY_AGREEMENT")
    peer = ec.generate_private_key(curve)
    peer_public = peer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    asked = {"KeyId": key_id, "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer_public}
    derived = await kms.call("alice", "DeriveSharedSecret", **asked)
    shown = await kms.call("alice", "GetPublicKey", KeyId=key_id)
    ours: Any = load_der_public_key(shown["PublicKey"])
    assert derived == {
        "KeyId": kms.arn(key_id),
        "SharedSecret": peer.exchange(ec.ECDH(), ours),
        "KeyAgreementAlgorithm": "ECDH",
        "KeyOrigin": "AWS_KMS",
    }
    assert (shown["KeyUsage"], shown["KeyAgreementAlgorithms"]) == ("KEY_AGREEMENT", ["ECDH"])
    assert await kms.answer("alice", "DeriveSharedSecret", **asked, DryRun=True) == DRY_RUN
    assert await kms.answer("alice", "DeriveSharedSecret", **{**asked, "PublicKey": b"x"}) == "ValidationException: "
    condition = {"StringEquals": {"kms:KeyAgreementAlgorithm": "ECDH"}}
    kms.give("bob", {"Effect": "Allow", "Action": "kms:DeriveSharedSecret", "Resource": "*", "Condition": condition})
    assert await kms.answer("bob", "DeriveSharedSecret", **asked) == "ok"
    (record, *_) = await kms.records("DeriveSharedSecret")
    assert record["requestParameters"] == {"keyAgreementAlgorithm": "ECDH", "keyId": key_id}


@pytest.mark.parametrize("spec", ["ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"])
@one_region()
async def test_a_secret_comes_out_of_its_capsule(kms: OneRegion, spec: str) -> None:
    key_id = await kms.create_key(KeySpec=spec, KeyUsage="ENCAPSULATE_DECAPSULATE")
    asked = {"KeyId": key_id, "EncapsulationAlgorithm": "ML_KEM"}
    made = await kms.call("alice", "Encapsulate", **asked)
    capsule, secret = made["SharedSecretCiphertextBlob"], made["SharedSecret"]
    assert made == {
        "KeyId": kms.arn(key_id),
        "SharedSecret": secret,
        "SharedSecretCiphertextBlob": capsule,
        "EncapsulationAlgorithm": "ML_KEM",
    }
    opened = await kms.call("alice", "Decapsulate", **asked, SharedSecretCiphertextBlob=capsule)
    assert opened == {"KeyId": kms.arn(key_id), "SharedSecret": secret, "EncapsulationAlgorithm": "ML_KEM"}
    altered = await kms.call("alice", "Decapsulate", **asked, SharedSecretCiphertextBlob=capsule[:-1] + b"\0")
    assert len(altered["SharedSecret"]) == 32
    for wrong in (capsule[:-1], capsule + b"\0", b"x"):
        said = await kms.answer("alice", "Decapsulate", **asked, SharedSecretCiphertextBlob=wrong)
        assert said == "InvalidCiphertextException: "
    assert await kms.answer("alice", "Encapsulate", **asked, DryRun=True) == DRY_RUN
    dry = {**asked, "SharedSecretCiphertextBlob": capsule, "DryRun": True}
    assert await kms.answer("alice", "Decapsulate", **dry) == DRY_RUN
    shown = await kms.call("alice", "GetPublicKey", KeyId=key_id)
    assert shown["EncapsulationAlgorithms"] == ["ML_KEM"]
    records = await kms.records()
    told = repr(records) + "".join(repr(event.fields) for event in kms.events)
    assert secret.hex() not in told
    assert repr(secret)[2:-1] not in told


@one_region()
async def test_whoever_has_the_public_key_can_encapsulate_outside(kms: OneRegion) -> None:
    key_id = await kms.create_key(KeySpec="ML_KEM_768", KeyUsage="ENCAPSULATE_DECAPSULATE")
    public = load_der_public_key((await kms.call("alice", "GetPublicKey", KeyId=key_id))["PublicKey"])
    assert isinstance(public, mlkem.MLKEM768PublicKey)
    secret, capsule = public.encapsulate()
    asked = {"KeyId": key_id, "EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": capsule}
    assert (await kms.call("alice", "Decapsulate", **asked))["SharedSecret"] == secret


@one_region()
async def test_a_usage_of_key_pairs_is_for_its_operations_only(kms: OneRegion) -> None:
    agreeing = await kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")
    kem = await kms.create_key(KeySpec="ML_KEM_768", KeyUsage="ENCAPSULATE_DECAPSULATE")
    say, arn = kms.answer, kms.arn
    assert await say("alice", "Encapsulate", KeyId=agreeing, EncapsulationAlgorithm="ML_KEM") == (
        f"InvalidKeyUsageException: {arn(agreeing)} key usage is KEY_AGREEMENT which is not valid for Encapsulate."
    )
    derive = {"KeyAgreementAlgorithm": "ECDH", "PublicKey": b"x"}
    assert await say("alice", "DeriveSharedSecret", KeyId=kem, **derive) == (
        f"InvalidKeyUsageException: {arn(kem)} key usage is ENCAPSULATE_DECAPSULATE which is not valid for "
        "DeriveSharedSecret."
    )
    for key_id in (agreeing, kem):
        assert await say("alice", "RotateKeyOnDemand", KeyId=key_id) == "UnsupportedOperationException: "
    bob = "arn:aws:iam::111122223333:user/bob"
    await kms.call("alice", "CreateGrant", KeyId=kem, GranteePrincipal=bob, Operations=["Encapsulate", "GetPublicKey"])
    assert await say("bob", "Encapsulate", KeyId=kem, EncapsulationAlgorithm="ML_KEM") == "ok"
    said = await say("alice", "CreateGrant", KeyId=kem, GranteePrincipal=bob, Operations=["Sign"])
    assert said.startswith("ValidationException")


# ------------------------------------------------------------------------------------------------- China and partitions


@one_region(regions=("cn-north-1", "us-east-1"))
async def test_a_symmetric_key_in_china_is_sm4_of_128_bits_and_elsewhere_aes(kms: OneRegion) -> None:
    mei = "arn:aws-cn:iam::111122223333:user/alice"
    china = (await kms.call(mei, "CreateKey"))["KeyMetadata"]["KeyId"]
    await kms.call("alice", "CreateKey", at="us-east-1")
    lengths = {
        region: {len(secret) for hsm in kms.simulation.regions[region].fleet.hsms for secret in hsm.secrets_for_scan()}
        for region in ("cn-north-1", "us-east-1")
    }
    assert (16 in lengths["cn-north-1"], 16 in lengths["us-east-1"]) == (True, False)
    asked = {"KeyId": china, "Plaintext": b"order 4711", "EncryptionContext": {"a": "b"}}
    blob = (await kms.call(mei, "Encrypt", **asked))["CiphertextBlob"]
    assert len(blob) == 152 + 10
    opened = await kms.call(mei, "Decrypt", CiphertextBlob=blob, EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == b"order 4711"
    assert await kms.answer(mei, "Decrypt", CiphertextBlob=blob) == "InvalidCiphertextException: "
    altered = blob[:-1] + bytes([blob[-1] ^ 1])
    said = await kms.answer(mei, "Decrypt", CiphertextBlob=altered, EncryptionContext={"a": "b"})
    assert said == "InvalidCiphertextException: "


@one_region(regions=("cn-north-1", "us-east-1"))
async def test_sm2_is_in_china_only_and_ml_kem_everywhere_else(kms: OneRegion) -> None:
    mei, sm2 = "arn:aws-cn:iam::111122223333:user/alice", {"KeySpec": "SM2", "KeyUsage": "ENCRYPT_DECRYPT"}
    kem = {"KeySpec": "ML_KEM_512", "KeyUsage": "ENCAPSULATE_DECAPSULATE"}
    assert (await kms.refusal("alice", "CreateKey", at="us-east-1", **sm2)).code == "UnsupportedOperationException"
    assert (await kms.refusal(mei, "CreateKey", **kem)).code == "UnsupportedOperationException"
    key_id = (await kms.call(mei, "CreateKey", **sm2))["KeyMetadata"]["KeyId"]
    asked = {"KeyId": key_id, "EncryptionAlgorithm": "SM2PKE"}
    blob = (await kms.call(mei, "Encrypt", **asked, Plaintext=bytes(1024)))["CiphertextBlob"]
    assert (await kms.call(mei, "Decrypt", **asked, CiphertextBlob=blob))["Plaintext"] == bytes(1024)
    assert await kms.answer(mei, "Encrypt", **asked, Plaintext=bytes(1025)) == (
        "ValidationException: Algorithm SM2PKE and key spec SM2 cannot encrypt data larger than 1024 bytes."
    )
    symmetric = (await kms.call(mei, "CreateKey"))["KeyMetadata"]["KeyId"]
    assert await kms.answer(mei, "GenerateDataKeyPair", KeyId=symmetric, KeyPairSpec="SM2") == "ok"
    said = await kms.answer(mei, "GenerateDataKeyPair", KeyId=symmetric, KeyPairSpec="ML_KEM_512")
    assert said.startswith("UnsupportedOperationException")
