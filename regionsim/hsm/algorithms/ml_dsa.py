"""ML-DSA key pairs, hedged signatures with an empty context. Source: FIPS 204; KMS Developer Guide, "ML-DSA key spec".

A private key is kept as its seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA65PrivateKey, MLDSA87PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from regionsim.hsm.algorithms.key_pair import Draws, SigningPair
from regionsim.kms.key_specs import KeySpec
from regionsim.kms.signatures import MessageType

_SEED_BYTES = 32

_Private = MLDSA44PrivateKey | MLDSA65PrivateKey | MLDSA87PrivateKey
_KINDS: Mapping[KeySpec, type[_Private]] = MappingProxyType(
    {
        KeySpec.ML_DSA_44: MLDSA44PrivateKey,
        KeySpec.ML_DSA_65: MLDSA65PrivateKey,
        KeySpec.ML_DSA_87: MLDSA87PrivateKey,
    }
)


class MlDsaPair(SigningPair):
    """An ML-DSA key pair."""

    __slots__ = ("_private", "_public")

    def __init__(self, spec: KeySpec, private_key: bytes) -> None:
        """Errors: ValueError."""
        loaded = load_der_private_key(private_key, None)
        if not isinstance(loaded, _KINDS[spec]):
            raise ValueError(f"no {spec} key")
        self._private: _Private = loaded
        self._public = loaded.public_key()

    def public_key(self) -> bytes:
        return self._public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def secrets_for_scan(self) -> tuple[bytes, ...]:
        return (self._private.private_bytes_raw(),)

    def sign(self, algorithm: str, message_type: MessageType, message: bytes, draws: Draws) -> bytes:
        if message_type is MessageType.EXTERNAL_MU:
            return self._private.sign_mu(message)
        return self._private.sign(message)

    def is_signature(self, algorithm: str, message_type: MessageType, message: bytes, signature: bytes) -> bool:
        verify = self._public.verify_mu if message_type is MessageType.EXTERNAL_MU else self._public.verify
        try:
            verify(signature, message)
        except InvalidSignature:
            return False
        return True


def new_ml_dsa_key(spec: KeySpec, draws: Draws) -> bytes:
    """A new private key, PKCS #8 with the seed (RFC 9881)."""
    made = _KINDS[spec].from_seed_bytes(draws.stream.bytes(_SEED_BYTES))
    return made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
