"""Identifiers: key ids, key material ids, account ids, alias names.

A key id is text in its AWS form everywhere; only the ciphertext header holds its 16 raw bytes (`key_id_bytes`).
Source: KMS Developer Guide, "Key identifiers (KeyId)"; botocore's model.
"""

from __future__ import annotations

import re
import uuid
from functools import lru_cache

_SINGLE_REGION = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MULTI_REGION = re.compile(r"mrk-[0-9a-f]{32}")
_MATERIAL = re.compile(r"[0-9a-f]{64}")
_ACCOUNT = re.compile(r"\d{12}")

ALIAS_PREFIX = "alias/"
AWS_ALIAS_PREFIX = "alias/aws/"


def new_key_id(sixteen_bytes: bytes, *, multi_region: bool) -> str:
    """A key id from 16 random bytes: a version 4 UUID, or `mrk-` and its 32 hexadecimal digits."""
    value = uuid.UUID(bytes=sixteen_bytes, version=4)
    return f"mrk-{value.hex}" if multi_region else str(value)


def new_uuid(sixteen_bytes: bytes) -> str:
    """A version 4 UUID as text from 16 random bytes (request ids, event ids)."""
    # As uuid.UUID(bytes=..., version=4) writes it; by hand in a third of the time, for each call has one.
    digits = sixteen_bytes.hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


@lru_cache(maxsize=16_384)
def is_key_id(text: str) -> bool:
    """True for a well-formed key id, single-Region or multi-Region."""
    return bool(_SINGLE_REGION.fullmatch(text) or _MULTI_REGION.fullmatch(text))


def is_multi_region_key_id(text: str) -> bool:
    """True for `mrk-` and 32 hexadecimal digits."""
    return bool(_MULTI_REGION.fullmatch(text))


def key_id_bytes(key_id: str) -> bytes:
    """The 16 bytes behind a key id. A UUID and an `mrk-` id with the same digits give the same bytes."""
    return bytes.fromhex(key_id.removeprefix("mrk-").replace("-", ""))


def is_material_id(text: str) -> bool:
    """True for 64 lower-case hexadecimal digits."""
    return bool(_MATERIAL.fullmatch(text))


def is_account_id(text: str) -> bool:
    """True for 12 digits."""
    return bool(_ACCOUNT.fullmatch(text))
