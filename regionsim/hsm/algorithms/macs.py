"""HMAC keys. Source: RFC 2104; botocore's model, MacAlgorithmSpec."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC

from regionsim.hsm.confined import Confined
from regionsim.kms.key_specs import KeySpec

_HASH: Mapping[KeySpec, type[HashAlgorithm]] = MappingProxyType(
    {
        KeySpec.HMAC_224: SHA224,
        KeySpec.HMAC_256: SHA256,
        KeySpec.HMAC_384: SHA384,
        KeySpec.HMAC_512: SHA512,
    }
)


class MacKey(Confined):
    """An HMAC key; what depends on the key alone is hashed once."""

    __slots__ = ("_template",)

    def __init__(self, spec: KeySpec, key: bytes) -> None:
        self._template = HMAC(key, _HASH[spec]())

    def mac(self, message: bytes) -> bytes:
        """The whole MAC of the message, as long as the hash."""
        return self._of(message).finalize()

    def is_mac(self, message: bytes, mac: bytes) -> bool:
        """True when `mac` is the message's; compared in constant time."""
        try:
            self._of(message).verify(mac)
        except InvalidSignature:
            return False
        return True

    def _of(self, message: bytes) -> HMAC:
        hashed = self._template.copy()
        hashed.update(message)
        return hashed


def mac_key_bytes(spec: KeySpec) -> int:
    """How long a key of that spec is: as its hash."""
    return _HASH[spec]().digest_size
