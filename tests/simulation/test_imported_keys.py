"""Imported HMAC keys and key pairs: they work as KMS's own do, and take one material only."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from regionsim.hsm.rsa_primes import EXPONENT
from tests.simulation.importing import FOR_GOOD, OAEP, parameters, sent
from tests.simulation.one_region import OneRegion, one_region

TWO_STEPS = "RSA_AES_KEY_WRAP_SHA_256"


def pkcs8(key: Any) -> bytes:
    found: bytes = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return found


def public(key: Any) -> bytes:
    found: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found


RSA = rsa.generate_private_key(EXPONENT, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
P521 = ec.generate_private_key(ec.SECP521R1())
K1 = ec.generate_private_key(ec.SECP256K1())
ED = ed25519.Ed25519PrivateKey.generate()


async def empty(kms: OneRegion, spec: str, usage: str) -> str:
    return await kms.create_key("alice", Origin="EXTERNAL", KeySpec=spec, KeyUsage=usage)


async def bring_to(kms: OneRegion, key_id: str, material: bytes, algorithm: str, **more: Any) -> dict[str, Any]:
    given = sent(await parameters(kms, key_id, algorithm), material, algorithm)
    return await kms.call("alice", "ImportKeyMaterial", KeyId=key_id, **given, **FOR_GOOD, **more)


@one_region()
async def test_an_imported_hmac_key_makes_its_owner_s_macs(kms: OneRegion) -> None:
    key_id = await empty(kms, "HMAC_384", "GENERATE_VERIFY_MAC")
    assert await bring_to(kms, key_id, bytes(range(48)), OAEP) == {"KeyId": kms.arn(key_id)}
    made = await kms.call("alice", "GenerateMac", KeyId=key_id, Message=b"letter", MacAlgorithm="HMAC_SHA_384")
    assert made["Mac"] == hmac.digest(bytes(range(48)), b"letter", hashlib.sha384)


@pytest.mark.parametrize(
    ("spec", "key", "algorithm"),
    [
        ("RSA_2048", RSA, TWO_STEPS),
        ("RSA_2048", RSA, "RSA_AES_KEY_WRAP_SHA_1"),
        ("ECC_NIST_P256", P256, OAEP),
        ("ECC_NIST_P521", P521, TWO_STEPS),
        ("ECC_SECG_P256K1", K1, "RSAES_OAEP_SHA_1"),
        ("ECC_NIST_EDWARDS25519", ED, TWO_STEPS),
    ],
)
@one_region()
async def test_an_imported_key_pair_has_its_owner_s_public_key(
    kms: OneRegion, spec: str, key: Any, algorithm: str
) -> None:
    key_id = await empty(kms, spec, "SIGN_VERIFY")
    early = await kms.refusal("alice", "GetPublicKey", KeyId=key_id)
    assert early.message == f"{kms.arn(key_id)} is pending import."
    await bring_to(kms, key_id, pkcs8(key), algorithm)
    assert (await kms.call("alice", "GetPublicKey", KeyId=key_id))["PublicKey"] == public(key)
    metadata = (await kms.call("alice", "DescribeKey", KeyId=key_id))["KeyMetadata"]
    assert (metadata["KeyState"], "CurrentKeyMaterialId" in metadata) == ("Enabled", False)
    await kms.call("alice", "DeleteImportedKeyMaterial", KeyId=key_id)
    late = await kms.refusal("alice", "GetPublicKey", KeyId=key_id)
    assert late.message == early.message
    await bring_to(kms, key_id, pkcs8(key), algorithm)
    assert (await kms.call("alice", "GetPublicKey", KeyId=key_id))["PublicKey"] == public(key)


@pytest.mark.parametrize(
    ("spec", "usage", "material", "algorithm"),
    [
        ("HMAC_256", "GENERATE_VERIFY_MAC", bytes(31), OAEP),
        ("RSA_3072", "ENCRYPT_DECRYPT", pkcs8(RSA), TWO_STEPS),
        ("RSA_2048", "ENCRYPT_DECRYPT", b"no key", TWO_STEPS),
        ("ECC_NIST_P256", "SIGN_VERIFY", pkcs8(K1), OAEP),
        ("ECC_NIST_P384", "KEY_AGREEMENT", pkcs8(P521), TWO_STEPS),
    ],
)
@one_region()
async def test_material_of_another_kind_is_refused(
    kms: OneRegion, spec: str, usage: str, material: bytes, algorithm: str
) -> None:
    key_id = await empty(kms, spec, usage)
    given = sent(await parameters(kms, key_id, algorithm), material, algorithm)
    refusal = await kms.refusal("alice", "ImportKeyMaterial", KeyId=key_id, **given, **FOR_GOOD)
    assert refusal.code == "IncorrectKeyMaterialException"


@one_region()
async def test_such_a_key_takes_one_material_for_good_and_no_words_about_it(kms: OneRegion) -> None:
    key_id = await empty(kms, "HMAC_256", "GENERATE_VERIFY_MAC")
    await bring_to(kms, key_id, bytes(32), OAEP)
    given = sent(await parameters(kms, key_id), bytes([1]) * 32)
    other = await kms.refusal("alice", "ImportKeyMaterial", KeyId=key_id, **given, **FOR_GOOD)
    assert other.code == "IncorrectKeyMaterialException"
    for told in ({"ImportType": "NEW_KEY_MATERIAL"}, {"KeyMaterialDescription": "ours"}, {"KeyMaterialId": "0" * 64}):
        refusal = await kms.refusal("alice", "ImportKeyMaterial", KeyId=key_id, **given, **FOR_GOOD, **told)
        assert refusal.code == "ValidationException"
    assert await kms.answer("alice", "RotateKeyOnDemand", KeyId=key_id) == "UnsupportedOperationException: "


@pytest.mark.parametrize(
    ("spec", "usage", "algorithm", "wrapping"),
    [
        ("HMAC_256", "GENERATE_VERIFY_MAC", TWO_STEPS, "RSA_2048"),
        ("RSA_2048", "SIGN_VERIFY", OAEP, "RSA_4096"),
        ("ECC_NIST_P521", "SIGN_VERIFY", OAEP, "RSA_2048"),
    ],
)
@one_region()
async def test_what_does_not_wrap_such_a_key(
    kms: OneRegion, spec: str, usage: str, algorithm: str, wrapping: str
) -> None:
    key_id = await empty(kms, spec, usage)
    how = {"WrappingAlgorithm": algorithm, "WrappingKeySpec": wrapping}
    refusal = await kms.refusal("alice", "GetParametersForImport", KeyId=key_id, **how)
    assert refusal.code == "UnsupportedOperationException"


@pytest.mark.parametrize(("spec", "usage"), [("ML_DSA_44", "SIGN_VERIFY"), ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE")])
@one_region()
async def test_post_quantum_keys_are_not_imported(kms: OneRegion, spec: str, usage: str) -> None:
    refusal = await kms.refusal("alice", "CreateKey", Origin="EXTERNAL", KeySpec=spec, KeyUsage=usage)
    assert refusal.code == "UnsupportedOperationException"
