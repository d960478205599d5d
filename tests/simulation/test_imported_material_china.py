"""Imported material in China Regions: private keys wrapped under SM2 keys, symmetric keys of 128 bits."""

from __future__ import annotations

from typing import Any

import pytest

from regionsim.hsm.algorithms.importing import wrapped_by_owner
from regionsim.hsm.algorithms.key_pairs import key_pair
from regionsim.kms.key_specs import KeySpec
from regionsim.kms.wrapping import WrappingAlgorithm
from tests.simulation.importing import AES_KEY, FOR_GOOD
from tests.simulation.one_region import OneRegion, one_region
from tests.unit.hsm.pairs import private_key

MEI = "arn:aws-cn:iam::111122223333:user/alice"
SM2 = {"WrappingAlgorithm": "SM2PKE", "WrappingKeySpec": "SM2"}
RSA = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
CHINA = ("cn-north-1",)


async def waiting_key(kms: OneRegion, spec: str, usage: str) -> str:
    answer = await kms.call(MEI, "CreateKey", KeySpec=spec, KeyUsage=usage, Origin="EXTERNAL")
    key_id: str = answer["KeyMetadata"]["KeyId"]
    return key_id


async def bundle(kms: OneRegion, key_id: str, material: bytes, wrapping: dict[str, str]) -> dict[str, Any]:
    given = await kms.call(MEI, "GetParametersForImport", KeyId=key_id, **wrapping)
    algorithm = WrappingAlgorithm(wrapping["WrappingAlgorithm"])
    wrapped = wrapped_by_owner(given["PublicKey"], algorithm, material, AES_KEY)
    return {"KeyId": key_id, "ImportToken": given["ImportToken"], "EncryptedKeyMaterial": wrapped, **FOR_GOOD}


@pytest.mark.parametrize(
    ("spec", "wrapping"),
    [("RSA_2048", SM2), ("ECC_NIST_P256", SM2), ("SM2", SM2), ("SM2", RSA)],
    ids=["rsa", "curve", "sm2", "sm2-under-rsa"],
)
@one_region(regions=CHINA)
async def test_a_private_key_comes_in_and_is_the_owner_s(kms: OneRegion, spec: str, wrapping: dict[str, str]) -> None:
    key_id, material = await waiting_key(kms, spec, "SIGN_VERIFY"), private_key(KeySpec(spec))
    await kms.call(MEI, "ImportKeyMaterial", **await bundle(kms, key_id, material, wrapping))
    shown = await kms.call(MEI, "GetPublicKey", KeyId=key_id)
    assert shown["PublicKey"] == key_pair(KeySpec(spec), material).public_key()
    other = await bundle(kms, key_id, material[:-1], wrapping)
    assert (await kms.refusal(MEI, "ImportKeyMaterial", **other)).code == "IncorrectKeyMaterialException"
    spoilt = await bundle(kms, key_id, material, wrapping)
    spoilt["EncryptedKeyMaterial"] = spoilt["EncryptedKeyMaterial"][:-1] + b"\0\0"
    assert (await kms.refusal(MEI, "ImportKeyMaterial", **spoilt)).code == "InvalidCiphertextException"


@one_region(regions=CHINA)
async def test_a_symmetric_key_has_128_bits_and_comes_under_rsa_only(kms: OneRegion) -> None:
    key_id = await waiting_key(kms, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    long = await bundle(kms, key_id, bytes(32), RSA)
    assert (await kms.refusal(MEI, "ImportKeyMaterial", **long)).message == (
        "The key material is not a 128-bit symmetric key."
    )
    await kms.call(MEI, "ImportKeyMaterial", **await bundle(kms, key_id, b"k" * 16, RSA))
    blob = (await kms.call(MEI, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    assert (await kms.call(MEI, "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"
    refusal = await kms.refusal(MEI, "GetParametersForImport", KeyId=key_id, **SM2)
    assert refusal.code == "UnsupportedOperationException"


@one_region()
async def test_nothing_is_wrapped_under_sm2_elsewhere(kms: OneRegion) -> None:
    key_id = await kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", Origin="EXTERNAL")
    refusal = await kms.refusal("alice", "GetParametersForImport", KeyId=key_id, **SM2)
    assert refusal.code == "UnsupportedOperationException"
