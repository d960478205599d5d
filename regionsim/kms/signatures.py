"""What a message to be signed may be: as it is, as its digest, or as ML-DSA's representative mu.

Source: botocore's model, Sign, MessageType; the text about a digest's length observed, that about a message type that
the algorithm does not take is UNVERIFIED (ours). That ML-DSA takes no DIGEST is ours: its standard has none here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from regionsim.kms.errors import ValidationException


class MessageType(StrEnum):
    """What the caller sends to be signed."""

    RAW = "RAW"
    DIGEST = "DIGEST"
    EXTERNAL_MU = "EXTERNAL_MU"


_RAW_OR_DIGEST = frozenset({MessageType.RAW, MessageType.DIGEST})
_TYPES: Mapping[str, frozenset[MessageType]] = MappingProxyType(
    {
        "ED25519_SHA_512": frozenset({MessageType.RAW}),
        "ED25519_PH_SHA_512": frozenset({MessageType.DIGEST}),
        "ML_DSA_SHAKE_256": frozenset({MessageType.RAW, MessageType.EXTERNAL_MU}),
    }
)
_DIGEST_BYTES: Mapping[str, int] = MappingProxyType({"SM2DSA": 32, "ML_DSA_SHAKE_256": 64})
_BYTES_OF_HASH: Mapping[str, int] = MappingProxyType({"256": 32, "384": 48, "512": 64})


def digest_bytes(algorithm: str) -> int:
    """How long a digest (or mu) for that signing algorithm is."""
    return _DIGEST_BYTES.get(algorithm) or _BYTES_OF_HASH[algorithm.rpartition("_")[2]]


def require_message(algorithm: str, message_type: MessageType, message: bytes) -> None:
    """Errors: ValidationException when the algorithm does not take such a message."""
    if message_type not in _TYPES.get(algorithm, _RAW_OR_DIGEST):
        raise ValidationException(f"MessageType {message_type} is not valid for algorithm {algorithm}.")
    if message_type is not MessageType.RAW and len(message) != digest_bytes(algorithm):
        raise ValidationException(f"Digest is invalid length for algorithm {algorithm}.")
