"""SM2 key pairs (China Regions): signatures over SM3, encryption, and the raw secret of ECDH on the SM2 curve.

Signatures are DER like ECDSA's, for the distinguishing id that AWS uses; a ciphertext is DER, its parts in the order
C1, C3, C2. Curve arithmetic and encryption are a library's, pure Python: some ten milliseconds each. It signs whole
messages only, so the two equations of a signature stand here.

Source: GB/T 32918.2 and .4; GM/T 0009 (DER); KMS Developer Guide, "Offline verification with SM2 key pairs".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SM3, Hash

from regionsim.hsm.algorithms.key_pair import AgreeingPair, Draws, EncryptingPair, SigningPair
from regionsim.kms.errors import InvalidCiphertextException, ValidationException
from regionsim.kms.signatures import MessageType

DISTINGUISHING_ID = b"1234567812345678"

_SCALAR_BYTES = 32
_HASH_BYTES = 32
# DER with values of one length in it, so all before the values never changes. OIDs 1.2.840.10045.2.1 (a key on a curve)
# and 1.2.156.10197.1.301 (SM2's curve).
_PUBLIC = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d03420004")
_PRIVATE = bytes.fromhex("308187020100301306072a8648ce3d020106082a811ccf5501822d046d306b0201010420")
_PUBLIC_IN_PRIVATE = bytes.fromhex("a14403420004")


Draw = Callable[[int], bytes]
"""Gives so many random bytes."""


class _Point(NamedTuple):
    x: int
    y: int

    @classmethod
    def read(cls, encoded: bytes) -> _Point:
        """Errors: ValueError when these are no coordinates of a point of the curve."""
        point = cls(int.from_bytes(encoded[:_SCALAR_BYTES]), int.from_bytes(encoded[_SCALAR_BYTES:]))
        field = _curve().fp.p
        is_short = len(encoded) != 2 * _SCALAR_BYTES
        if is_short or point.x >= field or point.y >= field or not _curve().ec.isvalid(tuple(point)):
            raise ValueError("no point of the SM2 curve")
        return point

    @property
    def encoded(self) -> bytes:
        return self.x.to_bytes(_SCALAR_BYTES) + self.y.to_bytes(_SCALAR_BYTES)


@asn1.sequence
class _Ciphertext:
    """C1 (a point), C3 (a hash), C2 (as long as the plaintext)."""

    x: int
    y: int
    hash: bytes
    hidden: bytes


class Sm2Pair(SigningPair, EncryptingPair, AgreeingPair):
    """A key pair on the SM2 curve; its usage says which of the three it does."""

    __slots__ = ("_public", "_secret")

    def __init__(self, private_key: bytes) -> None:
        """Errors: ValueError."""
        at = len(_PRIVATE)
        secret, rest = private_key[at : at + _SCALAR_BYTES], private_key[at + _SCALAR_BYTES :]
        if not private_key.startswith(_PRIVATE) or not rest.startswith(_PUBLIC_IN_PRIVATE):
            raise ValueError("no SM2 key")
        self._secret = int.from_bytes(secret)
        self._public = _Point.read(rest[len(_PUBLIC_IN_PRIVATE) :])
        if not 0 < self._secret < _order() - 1:
            raise ValueError("no SM2 key")

    def public_key(self) -> bytes:
        return _PUBLIC + self._public.encoded

    def secrets_for_scan(self) -> tuple[bytes, ...]:
        return (self._secret.to_bytes(_SCALAR_BYTES),)

    def tested_private_key(self) -> bytes:
        """PKCS #8, in the one form that we keep. Errors: ValueError when the halves do not belong together."""
        if _Point(*_curve().kG(self._secret)) != self._public:
            raise ValueError("no SM2 key")
        return _pkcs8(self._secret, self._public)

    def sign(self, algorithm: str, message_type: MessageType, message: bytes, draws: Draws) -> bytes:
        digest, order = self._digest(message_type, message), _order()
        while True:
            once = _scalar(draws, order - 1)
            r = (digest + _curve().kG(once)[0]) % order
            s = (once - r * self._secret) * pow(1 + self._secret, -1, order) % order
            if r and s and r + once != order:
                return encode_dss_signature(r, s)

    def is_signature(self, algorithm: str, message_type: MessageType, message: bytes, signature: bytes) -> bool:
        try:
            r, s = decode_dss_signature(signature)
        except ValueError:
            return False
        order, curve = _order(), _curve()
        both = (r + s) % order
        if not 0 < r < order or not 0 < s < order or not both:
            return False
        x, _ = curve.ec.add(curve.kG(s), curve.ec.mul(both, tuple(self._public)))
        return bool((self._digest(message_type, message) + x) % order == r)

    def encrypt(self, algorithm: str, plaintext: bytes, draws: Draws) -> bytes:
        return _encrypted(plaintext, self._public, draws.stream.bytes)

    def decrypt(self, algorithm: str, ciphertext: bytes) -> bytes:
        from gmalg.errors import GMError

        try:
            parts = asn1.decode_der(_Ciphertext, ciphertext)
            point = _Point.read(_Point(parts.x, parts.y).encoded)
            plaintext: bytes = _core(None).decrypt(tuple(point), parts.hidden, parts.hash, self._secret)
        except (ValueError, OverflowError, GMError):
            # One refusal without a cause, as for every ciphertext.
            raise InvalidCiphertextException from None
        return plaintext

    def agree(self, peer_public_key: bytes) -> bytes:
        try:
            peer = _read_public(peer_public_key)
        except ValueError:
            raise ValidationException from None  # AWS sends no text here (recorded, for other curves)
        x, _ = _curve().ec.mul(self._secret, tuple(peer))
        secret: bytes = x.to_bytes(_SCALAR_BYTES)
        return secret

    def _digest(self, message_type: MessageType, message: bytes) -> int:
        """SM3 of the signer's identity and the message, which a DIGEST is already."""
        if message_type is MessageType.DIGEST:
            return int.from_bytes(message)
        return int.from_bytes(_sm3(_core(None).entity_info(DISTINGUISHING_ID, tuple(self._public)) + message))


def _read_public(public_key: bytes) -> _Point:
    """Errors: ValueError."""
    if not public_key.startswith(_PUBLIC):
        raise ValueError("no SM2 public key")
    return _Point.read(public_key[len(_PUBLIC) :])


def sm2_encrypted(public_key: bytes, plaintext: bytes, draw: Draw) -> bytes:
    """What somebody outside encrypts for the holder of the private key. Errors: ValueError when it is no public key."""
    return _encrypted(plaintext, _read_public(public_key), draw)


def _encrypted(plaintext: bytes, public: _Point, draw: Draw) -> bytes:
    (x, y), hidden, checksum = _core(draw).encrypt(plaintext, tuple(public))
    return asn1.encode_der(_Ciphertext(x=x, y=y, hash=checksum, hidden=hidden))


def new_sm2_key(draws: Draws) -> bytes:
    """A new private key, PKCS #8."""
    secret = _scalar(draws, _order() - 2)
    return _pkcs8(secret, _Point(*_curve().kG(secret)))


def _scalar(draws: Draws, most: int) -> int:
    """A number from 1 to `most`, of more bits than needed, so that the remainder has no bias."""
    return int.from_bytes(draws.stream.bytes(_SCALAR_BYTES + 8)) % most + 1


def _pkcs8(secret: int, public: _Point) -> bytes:
    return _PRIVATE + secret.to_bytes(_SCALAR_BYTES) + _PUBLIC_IN_PRIVATE + public.encoded


def _sm3(message: bytes) -> bytes:
    digest = Hash(SM3())
    digest.update(message)
    return digest.finalize()


class _Sm3:
    """SM3 in the form that the library of the curve takes."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._hash = Hash(SM3())

    def update(self, message: bytes) -> None:
        self._hash.update(bytes(message))

    def value(self) -> bytes:
        return self._hash.finalize()

    def hash_length(self) -> int:
        return _HASH_BYTES


def _core(draw: Draw | None) -> Any:
    """The library's SM2; without `draw` for what needs no random number."""
    # Imported when it is first needed: few worlds have such a key, and each command would wait for the library.
    from gmalg.sm2 import SM2Core

    def bits(count: int) -> int:
        assert draw is not None, "decryption draws nothing"
        return int.from_bytes(draw((count + 7) // 8)) >> (-count % 8)

    return SM2Core(_curve(), _Sm3(), bits)


@cache
def _curve() -> Any:
    from gmalg.ellipticcurve import ECDLP

    return ECDLP(
        0xFFFFFFFE_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_00000000_FFFFFFFF_FFFFFFFF,
        0xFFFFFFFE_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_00000000_FFFFFFFF_FFFFFFFC,
        0x28E9FA9E_9D9F5E34_4D5A9E4B_CF6509A7_F39789F5_15AB8F92_DDBCBD41_4D940E93,
        (
            0x32C4AE2C_1F198119_5F990446_6A39C994_8FE30BBF_F2660BE1_715A4589_334C74C7,
            0xBC3736A2_F4F6779C_59BDCEE3_6B692153_D0A9877C_C62A4740_02DF32E5_2139F0A0,
        ),
        _order(),
    )


def _order() -> int:
    return 0xFFFFFFFE_FFFFFFFF_FFFFFFFF_FFFFFFFF_7203DF6B_21C6052B_53BBF409_39D54123
