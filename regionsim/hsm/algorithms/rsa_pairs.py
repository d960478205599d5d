"""RSA key pairs: OAEP, PKCS #1 v1.5 signatures and PSS.

OAEP uses one hash for label and MGF1 and an empty label; a PSS salt is as long as the hash. Source: RFC 8017; KMS
Developer Guide, "RSA key specs".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from regionsim.hsm.algorithms.key_pair import Draws, EncryptingPair, SigningPair
from regionsim.hsm.rsa_primes import EXPONENT, rsa_primes
from regionsim.kms.errors import InvalidCiphertextException
from regionsim.kms.signatures import MessageType

_HASHES: Mapping[str, HashAlgorithm] = MappingProxyType(
    {"SHA_1": SHA1(), "SHA_256": SHA256(), "SHA_384": SHA384(), "SHA_512": SHA512()}
)


class RsaPair(SigningPair, EncryptingPair):
    """An RSA key pair; its usage says whether it signs or encrypts, never both."""

    __slots__ = ("_private", "_public")

    def __init__(self, private_key: bytes, *, is_ours: bool) -> None:
        """`is_ours`: the bytes come from our own token, which authenticates them; else OpenSSL tests the numbers, which
        takes a hundred times as long. Errors: ValueError."""
        loaded = load_der_private_key(private_key, None, unsafe_skip_rsa_key_validation=is_ours)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise ValueError("no RSA key")
        self._private = loaded
        self._public = loaded.public_key()

    @property
    def bits(self) -> int:
        """The size of the modulus."""
        return self._private.key_size

    @property
    def exponent(self) -> int:
        """The public exponent."""
        return self._public.public_numbers().e

    def public_key(self) -> bytes:
        return self._public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def secrets_for_scan(self) -> tuple[bytes, ...]:
        numbers = self._private.private_numbers()
        return tuple(number.to_bytes((number.bit_length() + 7) // 8) for number in (numbers.p, numbers.q, numbers.d))

    def private_key(self) -> bytes:
        """PKCS #8, in the one form that we keep."""
        return _pkcs8(self._private)

    def sign(self, algorithm: str, message_type: MessageType, message: bytes, draws: Draws) -> bytes:
        used = _hash_of(algorithm)
        return self._private.sign(message, _padding_of(algorithm, used), _given(message_type, used))

    def is_signature(self, algorithm: str, message_type: MessageType, message: bytes, signature: bytes) -> bool:
        used = _hash_of(algorithm)
        try:
            self._public.verify(signature, message, _padding_of(algorithm, used), _given(message_type, used))
        except InvalidSignature:
            return False
        return True

    def encrypt(self, algorithm: str, plaintext: bytes, draws: Draws) -> bytes:
        return self._public.encrypt(plaintext, _oaep(algorithm))

    def decrypt(self, algorithm: str, ciphertext: bytes) -> bytes:
        try:
            return self._private.decrypt(ciphertext, _oaep(algorithm))
        except ValueError:
            # One refusal without a cause: an oracle for the padding would open the ciphertext.
            raise InvalidCiphertextException from None


def new_rsa_key(bits: int, draws: Draws) -> bytes:
    """A new private key, PKCS #8."""
    if not draws.is_seeded:
        return _pkcs8(rsa.generate_private_key(EXPONENT, bits))
    p, q = rsa_primes(draws.stream, bits)
    d = rsa.rsa_recover_private_exponent(EXPONENT, p, q)
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(EXPONENT, p * q),
    )
    return _pkcs8(numbers.private_key(unsafe_skip_rsa_key_validation=True))


def _pkcs8(private: rsa.RSAPrivateKey) -> bytes:
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _hash_of(algorithm: str) -> HashAlgorithm:
    return _HASHES["SHA_" + algorithm.rpartition("_")[2]]


def _given(message_type: MessageType, used: HashAlgorithm) -> HashAlgorithm | utils.Prehashed:
    return utils.Prehashed(used) if message_type is MessageType.DIGEST else used


def _padding_of(algorithm: str, used: HashAlgorithm) -> padding.AsymmetricPadding:
    if algorithm.startswith("RSASSA_PSS_"):
        return padding.PSS(mgf=padding.MGF1(used), salt_length=used.digest_size)
    return padding.PKCS1v15()


def _oaep(algorithm: str) -> padding.OAEP:
    used = _hash_of(algorithm)
    return padding.OAEP(mgf=padding.MGF1(used), algorithm=used, label=None)
