"""Ed25519 key pairs: pure for whole messages, Ed25519ph for digests.

With ED25519_PH_SHA_512 what the caller sends is hashed once more, as the pre-hash of the standard: AWS says so.
Source: FIPS 186-5, 7.6 and 7.8; RFC 8032; botocore's model, Sign, MessageType.
"""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from regionsim.hsm.algorithms.key_pair import Draws, SigningPair
from regionsim.kms.signatures import MessageType

_SEED_BYTES = 32
_SIGNATURE_BYTES = 64
_PRE_HASHED = "ED25519_PH_SHA_512"


class Ed25519Pair(SigningPair):
    """An Ed25519 key pair."""

    __slots__ = ("_private", "_public")

    def __init__(self, private_key: bytes) -> None:
        """Errors: ValueError."""
        loaded = load_der_private_key(private_key, None)
        if not isinstance(loaded, Ed25519PrivateKey):
            raise ValueError("no Ed25519 key")
        self._private = loaded
        self._public = loaded.public_key()

    def public_key(self) -> bytes:
        return self._public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def secrets_for_scan(self) -> tuple[bytes, ...]:
        return (self._private.private_bytes_raw(),)

    def private_key(self) -> bytes:
        """PKCS #8, in the one form that we keep."""
        return _pkcs8(self._private)

    def sign(self, algorithm: str, message_type: MessageType, message: bytes, draws: Draws) -> bytes:
        if algorithm != _PRE_HASHED:
            return self._private.sign(message)
        sodium, state = _pre_hashed(message)
        secret_and_public = self._private.private_bytes_raw() + self._public.public_bytes_raw()
        signature: bytes = sodium.crypto_sign_ed25519ph_final_create(state, secret_and_public)
        return signature

    def is_signature(self, algorithm: str, message_type: MessageType, message: bytes, signature: bytes) -> bool:
        if len(signature) != _SIGNATURE_BYTES:
            return False
        if algorithm != _PRE_HASHED:
            try:
                self._public.verify(signature, message)
            except InvalidSignature:
                return False
            return True
        sodium, state = _pre_hashed(message)
        from nacl.exceptions import BadSignatureError

        try:
            sodium.crypto_sign_ed25519ph_final_verify(state, signature, self._public.public_bytes_raw())
        except BadSignatureError:
            return False
        return True


def new_ed25519_key(draws: Draws) -> bytes:
    """A new private key, PKCS #8."""
    return _pkcs8(Ed25519PrivateKey.from_private_bytes(draws.stream.bytes(_SEED_BYTES)))


def _pkcs8(private: Ed25519PrivateKey) -> bytes:
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _pre_hashed(message: bytes) -> tuple[Any, Any]:
    """libsodium, and its state with the message taken in."""
    # Imported when it is first needed: few worlds have such a key, and each command would wait for the library.
    from nacl import bindings as sodium

    state = sodium.crypto_sign_ed25519ph_state()
    sodium.crypto_sign_ed25519ph_update(state, message)
    return sodium, state
