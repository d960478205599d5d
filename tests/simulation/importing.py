"""The owner's side of imported key material, for tests: wrap it and bring it to a Region."""

from __future__ import annotations

from typing import Any

from regionsim.hsm.algorithms.importing import wrapped_by_owner
from regionsim.kms.wrapping import WrappingAlgorithm
from tests.simulation.one_region import START_NS, OneRegion

OAEP = "RSAES_OAEP_SHA_256"
FIRST, SECOND, THIRD = (bytes([digit]) * 32 for digit in b"123")
FOR_GOOD = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
AES_KEY = bytes(range(32))


def in_days(days: float) -> float:
    """Epoch seconds, so long after the start of the world."""
    return START_NS / 1_000_000_000 + days * 86_400


async def parameters(
    kms: OneRegion, key_id: str, algorithm: str = OAEP, *, spec: str = "RSA_2048", at: str | None = None
) -> dict[str, Any]:
    """The answer of GetParametersForImport."""
    return await kms.call(
        "alice", "GetParametersForImport", at=at, KeyId=key_id, WrappingAlgorithm=algorithm, WrappingKeySpec=spec
    )


def sent(given: dict[str, Any], material: bytes, algorithm: str = OAEP) -> dict[str, Any]:
    """Token and wrapped material, as ImportKeyMaterial takes them."""
    wrapped = wrapped_by_owner(given["PublicKey"], WrappingAlgorithm(algorithm), material, AES_KEY)
    return {"ImportToken": given["ImportToken"], "EncryptedKeyMaterial": wrapped}


async def bring(
    kms: OneRegion,
    key_id: str,
    material: bytes = FIRST,
    *,
    at: str | None = None,
    days: float | None = None,
    **more: Any,
) -> str:
    """Import `material`, for so many days from the start of the world (None: for good); its material id."""
    expiry = FOR_GOOD if days is None else {"ValidTo": in_days(days)}
    given = sent(await parameters(kms, key_id, at=at), material)
    answer = await kms.call("alice", "ImportKeyMaterial", at=at, KeyId=key_id, **given, **expiry, **more)
    material_id: str = answer["KeyMaterialId"]
    return material_id


async def external_key(kms: OneRegion, material: bytes | None = FIRST, **more: Any) -> str:
    """A key of imported material, with its first one unless `material` is None."""
    key_id = await kms.create_key("alice", Origin="EXTERNAL", **more)
    if material is not None:
        await bring(kms, key_id, material)
    return key_id
