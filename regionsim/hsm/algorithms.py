"""The algorithms of the HSMs, as functions over bytes. The only module that imports `cryptography`.

Source: AWS KMS Cryptographic Details, "Cryptographic primitives" (AES-256-GCM; SP 800-108 counter mode with
HMAC-SHA-256; ECDSA and ECDH on P-384).
"""

from __future__ import annotations

from typing import Self

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, Hash
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from regionsim.hsm.confined import Confined
from regionsim.kms.errors import InvalidCiphertextException
from regionsim.runtime.entropy import Stream

AES_KEY_BYTES = 32
GCM_NONCE_BYTES = 12
P384_SCALAR_BYTES = 48

DATA_KEY_LABEL = b"regionsim data key"
"""SP 800-108 label of the keys that ciphertext blobs are encrypted under."""

_MATERIAL_ID_LABEL = b"regionsim key material id\0"
_P384_ORDER = int(
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16
)
_ONE_KEY_BITS = (AES_KEY_BYTES * 8).to_bytes(4)
_ECDSA = ec.ECDSA(SHA384(), deterministic_signing=True)


class DataKeys(Confined):
    """Seals and unseals ciphertexts, each under an AES-256 key of its own: derived from a backing key and a nonce.

    SP 800-108 in counter mode with HMAC-SHA-256; 256 bits are one block. All that does not depend on the nonce is
    hashed once here: deriving a key costs a third of what a fresh KDF object does.
    """

    __slots__ = ("_template",)

    def __init__(self, backing_key: bytes) -> None:
        self._template = HMAC(backing_key, SHA256())
        self._template.update((1).to_bytes(4) + DATA_KEY_LABEL + b"\0")

    def derive(self, nonce: bytes) -> bytes:
        """The key for `nonce`, 32 bytes."""
        block = self._template.copy()
        block.update(nonce + _ONE_KEY_BITS)
        return block.finalize()

    def seal(self, nonce: bytes, iv: bytes, plaintext: bytes, associated: bytes) -> bytes:
        """The ciphertext, 16 bytes longer than `plaintext`; `nonce` must be fresh."""
        return AESGCM(self.derive(nonce)).encrypt(iv, plaintext, associated)

    def unseal(self, nonce: bytes, iv: bytes, sealed: bytes, associated: bytes) -> bytes:
        """The plaintext. Errors: InvalidCiphertextException."""
        try:
            return AESGCM(self.derive(nonce)).decrypt(iv, sealed, associated)
        except InvalidTag:
            # One refusal without a cause: which of key, context and bytes was wrong must not be told apart.
            raise InvalidCiphertextException from None


def seal_plainly(backing_key: bytes, nonce: bytes, iv: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """What `DataKeys.seal` gives, with fresh objects at each step as anybody would write it.

    Nothing is served by it: `bench` measures it as what the cryptography alone costs.
    """
    derived = KBKDFHMAC(
        algorithm=SHA256(),
        mode=Mode.CounterMode,
        length=AES_KEY_BYTES,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=DATA_KEY_LABEL,
        context=nonce,
        fixed=None,
    )
    return AESGCM(derived.derive(backing_key)).encrypt(iv, plaintext, associated)


class AeadKey(Confined):
    """An AES-256-GCM key that is used more than once."""

    __slots__ = ("_aes", "_key")

    def __init__(self, key: bytes) -> None:
        assert len(key) == AES_KEY_BYTES, "AES-256"
        self._key = key
        self._aes = AESGCM(key)

    @property
    def raw(self) -> bytes:
        """The key bytes."""
        return self._key

    def seal(self, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
        """The ciphertext, 16 bytes longer than `plaintext`; `nonce` must be fresh."""
        return self._aes.encrypt(nonce, plaintext, associated)

    def unseal(self, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
        """The plaintext. Errors: InvalidCiphertextException."""
        try:
            return self._aes.decrypt(nonce, sealed, associated)
        except (InvalidTag, ValueError):
            # One refusal without a cause: which of key, context and bytes was wrong must not be told apart.
            raise InvalidCiphertextException from None


def material_id_of(key_id: str, backing_key: bytes) -> str:
    """The public name of a backing key: 64 hexadecimal digits that tell nothing of it and fit no other bytes.

    Source: ours; AWS shows ids of this shape and keeps their making to itself.
    """
    digest = Hash(SHA256())
    digest.update(_MATERIAL_ID_LABEL + length_prefixed(key_id) + backing_key)
    return digest.finalize().hex()


def length_prefixed(*names: str) -> bytes:
    """The names as bytes, each behind its length in 4 bytes, so that no two sequences share their bytes."""
    # Names may come off a link: text that has no UTF-8 form must end as a wrong name, not as another exception.
    encoded = [name.encode(errors="surrogatepass") for name in names]
    return b"".join(len(name).to_bytes(4) + name for name in encoded)


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
