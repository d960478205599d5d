"""Symmetric keys: what ciphertexts are sealed under, what the HSMs wrap with, and the public names of backing keys.

Source: AWS KMS Cryptographic Details, "Cryptographic primitives" (AES-256-GCM; SP 800-108 counter mode with
HMAC-SHA-256).
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.base import Cipher
from cryptography.hazmat.primitives.ciphers.modes import GCM
from cryptography.hazmat.primitives.hashes import SHA256, SM3, Hash, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode

from regionsim.hsm.confined import Confined
from regionsim.kms.errors import InvalidCiphertextException

AES_KEY_BYTES = 32
SM4_KEY_BYTES = 16
GCM_NONCE_BYTES = 12

DATA_KEY_LABEL = b"regionsim data key"
"""SP 800-108 label of the keys that ciphertext blobs are encrypted under."""

_MATERIAL_ID_LABEL = b"regionsim key material id\0"
_ONE_KEY_BITS = (AES_KEY_BYTES * 8).to_bytes(4)
_ONE_SM4_KEY_BITS = (SM4_KEY_BYTES * 8).to_bytes(4)
_GCM_TAG_BYTES = 16


class DataKeys(Confined):
    """Seals and unseals ciphertexts, each under an AES-256 key of its own: derived from a backing key and a nonce.

    SP 800-108 in counter mode with HMAC-SHA-256; 256 bits are one block. All that does not depend on the nonce is
    hashed once here: deriving a key costs a third of what a fresh KDF object does.
    """

    __slots__ = ("_template",)

    def __init__(self, backing_key: bytes) -> None:
        self._template = HMAC(backing_key, self._hash())
        self._template.update((1).to_bytes(4) + DATA_KEY_LABEL + b"\0")

    def _hash(self) -> HashAlgorithm:
        return SHA256()

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


class Sm4DataKeys(DataKeys):
    """The same with SM4-GCM keys of 128 bits and HMAC-SM3: what SYMMETRIC_DEFAULT is in China Regions."""

    __slots__ = ()

    def _hash(self) -> HashAlgorithm:
        return SM3()

    def derive(self, nonce: bytes) -> bytes:
        """The key for `nonce`, 16 bytes."""
        block = self._template.copy()
        block.update(nonce + _ONE_SM4_KEY_BITS)
        return block.finalize()[:SM4_KEY_BYTES]

    def seal(self, nonce: bytes, iv: bytes, plaintext: bytes, associated: bytes) -> bytes:
        sealing = Cipher(SM4(self.derive(nonce)), GCM(iv)).encryptor()
        sealing.authenticate_additional_data(associated)
        return sealing.update(plaintext) + sealing.finalize() + sealing.tag

    def unseal(self, nonce: bytes, iv: bytes, sealed: bytes, associated: bytes) -> bytes:
        hidden, tag = sealed[:-_GCM_TAG_BYTES], sealed[-_GCM_TAG_BYTES:]
        try:
            unsealing = Cipher(SM4(self.derive(nonce)), GCM(iv, tag)).decryptor()
            unsealing.authenticate_additional_data(associated)
            return unsealing.update(hidden) + unsealing.finalize()
        except (InvalidTag, ValueError):
            # One refusal without a cause, as above.
            raise InvalidCiphertextException from None


def data_keys_of(backing_key: bytes) -> DataKeys:
    """What seals under a symmetric backing key: AES for 256 bits, SM4 for 128."""
    return Sm4DataKeys(backing_key) if len(backing_key) == SM4_KEY_BYTES else DataKeys(backing_key)


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
    joined = b""
    for name in names:
        encoded = name.encode(errors="surrogatepass")
        joined += len(encoded).to_bytes(4) + encoded
    return joined
