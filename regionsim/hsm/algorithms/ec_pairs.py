"""Key pairs on the NIST curves and secp256k1: ECDSA in DER, and the raw secret of ECDH.

Source: FIPS 186-5; RFC 3279, 2.2.3; SP 800-56A (the curves' cofactor is 1); KMS Developer Guide, "ECC key specs".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from regionsim.hsm.algorithms.key_pair import AgreeingPair, Draws, SigningPair
from regionsim.kms.errors import ValidationException
from regionsim.kms.key_specs import KeySpec
from regionsim.kms.signatures import MessageType


class _Curve(NamedTuple):
    curve: ec.EllipticCurve
    hash: HashAlgorithm


_CURVES: Mapping[KeySpec, _Curve] = MappingProxyType(
    {
        KeySpec.ECC_NIST_P256: _Curve(ec.SECP256R1(), SHA256()),
        KeySpec.ECC_NIST_P384: _Curve(ec.SECP384R1(), SHA384()),
        KeySpec.ECC_NIST_P521: _Curve(ec.SECP521R1(), SHA512()),
        KeySpec.ECC_SECG_P256K1: _Curve(ec.SECP256K1(), SHA256()),
    }
)


class EcPair(SigningPair, AgreeingPair):
    """A key pair on one of the curves; its usage says whether it signs or agrees, never both."""

    __slots__ = ("_hash", "_private", "_public")

    def __init__(self, spec: KeySpec, private_key: bytes) -> None:
        """Errors: ValueError."""
        loaded = load_der_private_key(private_key, None)
        curve, self._hash = _CURVES[spec]
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.curve.name != curve.name:
            raise ValueError(f"no key on {curve.name}")
        self._private = loaded
        self._public = loaded.public_key()

    def public_key(self) -> bytes:
        return self._public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def secrets_for_scan(self) -> tuple[bytes, ...]:
        return (self._private.private_numbers().private_value.to_bytes((self._private.key_size + 7) // 8),)

    def private_key(self) -> bytes:
        """PKCS #8, in the one form that we keep."""
        return _pkcs8(self._private)

    def sign(self, algorithm: str, message_type: MessageType, message: bytes, draws: Draws) -> bytes:
        # What a seed gives must repeat, down to the length of a signature; otherwise ECDSA is AWS's: random.
        is_digest = message_type is MessageType.DIGEST
        return self._private.sign(message, _ecdsa(type(self._hash), is_digest=is_digest, is_repeated=draws.is_seeded))

    def is_signature(self, algorithm: str, message_type: MessageType, message: bytes, signature: bytes) -> bool:
        try:
            is_digest = message_type is MessageType.DIGEST
            self._public.verify(signature, message, _ecdsa(type(self._hash), is_digest=is_digest, is_repeated=False))
        except InvalidSignature:
            return False
        return True

    def agree(self, peer_public_key: bytes) -> bytes:
        try:
            peer = load_der_public_key(peer_public_key)
        except (ValueError, UnsupportedAlgorithm):
            raise ValidationException from None  # AWS sends no text here (recorded)
        if not isinstance(peer, ec.EllipticCurvePublicKey) or peer.curve.name != self._private.curve.name:
            raise ValidationException
        return self._private.exchange(ec.ECDH(), peer)


@cache
def _ecdsa(kind: type[HashAlgorithm], *, is_digest: bool, is_repeated: bool) -> ec.ECDSA:
    return ec.ECDSA(utils.Prehashed(kind()) if is_digest else kind(), deterministic_signing=is_repeated)


def new_ec_key(spec: KeySpec, draws: Draws) -> bytes:
    """A new private key, PKCS #8 (FIPS 186-5 A.2.1: 64 bits more than needed, so the remainder has no bias)."""
    curve, _ = _CURVES[spec]
    order = curve.group_order
    drawn = int.from_bytes(draws.stream.bytes((order.bit_length() + 7) // 8 + 8))
    return _pkcs8(ec.derive_private_key(drawn % (order - 1) + 1, curve))


def _pkcs8(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
