"""The bytes of backing keys by key spec: drawn here, or brought by their owner.

Symmetric keys are 256 bits (128 in China Regions), HMAC keys as long as their hash, key pairs PKCS #8.
Source: KMS Developer Guide, "Key spec reference" and "Requirements for imported key material".
"""

from __future__ import annotations

from regionsim.hsm.algorithms.key_pair import Draws
from regionsim.hsm.algorithms.key_pairs import imported_private_key, new_private_key
from regionsim.hsm.algorithms.macs import mac_key_bytes
from regionsim.hsm.algorithms.symmetric import AES_KEY_BYTES, SM4_KEY_BYTES
from regionsim.kms.errors import IncorrectKeyMaterialException
from regionsim.kms.key_specs import CHINA, KeySpec, is_mac, is_symmetric


def new_raw(spec: KeySpec, partition: str, draws: Draws) -> bytes:
    """New secret bytes for a key of that spec."""
    length = _fixed_bytes(spec, partition)
    return new_private_key(spec, draws) if length is None else draws.stream.bytes(length)


def imported_raw(spec: KeySpec, partition: str, material: bytes) -> bytes:
    """The bytes of a backing key that an owner brings. Errors: IncorrectKeyMaterialException for what is none."""
    length = _fixed_bytes(spec, partition)
    if length is None:
        try:
            return imported_private_key(spec, material)
        except ValueError:
            raise IncorrectKeyMaterialException(f"The key material is not a private key of {spec}.") from None
    if len(material) != length:
        kind = "symmetric" if is_symmetric(spec) else "HMAC"
        raise IncorrectKeyMaterialException(f"The key material is not a {length * 8}-bit {kind} key.")
    return material


def _fixed_bytes(spec: KeySpec, partition: str) -> int | None:
    """How long a key of that spec is; None for key pairs."""
    if is_symmetric(spec):
        return SM4_KEY_BYTES if partition == CHINA else AES_KEY_BYTES
    return mac_key_bytes(spec) if is_mac(spec) else None
