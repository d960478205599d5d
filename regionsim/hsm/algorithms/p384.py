"""Keys on P-384: the HSMs' own signatures and agreements between Regions.

Source: AWS KMS Cryptographic Details, "Cryptographic primitives" (ECDSA and ECDH on P-384).
"""

from __future__ import annotations

from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from regionsim.hsm.algorithms.symmetric import AES_KEY_BYTES
from regionsim.hsm.confined import Confined
from regionsim.kms.errors import InvalidCiphertextException
from regionsim.runtime.entropy import Stream

P384_SCALAR_BYTES = 48

_P384_ORDER = int(
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16
)
_ECDSA = ec.ECDSA(SHA384(), deterministic_signing=True)


class P384Key(Confined):
    """A private key on P-384, for signatures or for agreement (never for both)."""

    __slots__ = ("_private", "_scalar", "public")

    def __init__(self, scalar: bytes) -> None:
        """`scalar` is 48 bytes. Errors: InvalidCiphertextException when it is no private key."""
        value = int.from_bytes(scalar)
        if len(scalar) != P384_SCALAR_BYTES or not 0 < value < _P384_ORDER:
            raise InvalidCiphertextException
        self._scalar = scalar
        self._private = ec.derive_private_key(value, ec.SECP384R1())
        self.public = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        """The public half, 49 bytes (a compressed point)."""

    @classmethod
    def generate(cls, stream: Stream) -> Self:
        """A new key drawn from `stream` (FIPS 186-5 A.2.1: 64 bits more than needed, so the remainder has no bias)."""
        drawn = int.from_bytes(stream.bytes(P384_SCALAR_BYTES + 8))
        return cls((drawn % (_P384_ORDER - 1) + 1).to_bytes(P384_SCALAR_BYTES))

    @property
    def raw(self) -> bytes:
        """The private scalar, 48 bytes."""
        return self._scalar

    def sign(self, message: bytes) -> bytes:
        """The ECDSA signature with SHA-384 in DER; the same for the same message."""
        return self._private.sign(message, _ECDSA)

    def agree(self, peer_public: bytes, transcript: bytes) -> bytes:
        """The AES-256 key that both ends derive: ECDH, then the concatenation KDF of SP 800-56A over `transcript`.

        Errors: InvalidCiphertextException when `peer_public` is not a point of the curve.
        """
        shared = self._private.exchange(ec.ECDH(), _public_key(peer_public))
        return ConcatKDFHash(SHA384(), AES_KEY_BYTES, transcript).derive(shared)


def verify(public: bytes, signature: bytes, message: bytes) -> None:
    """Return when `signature` is that key's over `message`. Errors: InvalidCiphertextException."""
    try:
        _public_key(public).verify(signature, message, _ECDSA)
    except InvalidSignature:
        # The same refusal as for a broken ciphertext: whoever forges learns nothing from the difference.
        raise InvalidCiphertextException from None


def _public_key(public: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), public)
    except ValueError:
        # Bytes that are no point were never made by an HSM: refused like any other forgery.
        raise InvalidCiphertextException from None
