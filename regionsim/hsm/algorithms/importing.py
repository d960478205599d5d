"""The algorithms by which key material comes into KMS: RSA-OAEP, and RSA-OAEP over AES key wrap with padding.

Both ends are here: the HSM's, which makes a wrapping key and unwraps under it, and the owner's, which wraps (scenarios
bring their own material).

Source: RFC 8017, 7.1 (the same hash for OAEP and its MGF1, no label); RFC 5649 (AES key wrap with padding); KMS
Developer Guide, "Encrypt the key material".
"""

from __future__ import annotations

from hashlib import shake_256
from itertools import count

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from regionsim.hsm.algorithms.key_pair import Draws
from regionsim.hsm.algorithms.key_pairs import new_private_key
from regionsim.hsm.confined import Confined
from regionsim.hsm.rsa_primes import EXPONENT, RsaPrimes, rsa_primes
from regionsim.kms.errors import InvalidCiphertextException
from regionsim.kms.key_specs import KeySpec
from regionsim.kms.wrapping import WrappingAlgorithm, WrappingKeySpec
from regionsim.runtime.entropy import Stream
from regionsim.runtime.loop import is_real_time

_HASHES: dict[str, type[HashAlgorithm]] = {"SHA_1": SHA1, "SHA_256": SHA256}
_AES_KEY_SIZES = frozenset({16, 24, 32})


class WrappingKey(Confined):
    """An RSA key under which owners wrap their material."""

    __slots__ = ("_primes", "_private")

    def __init__(self, primes: RsaPrimes) -> None:
        p, q = primes
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
        self._primes = primes
        # It was made by an HSM and comes out of an authenticated token: testing its primes again would cost 60 ms.
        self._private = numbers.private_key(unsafe_skip_rsa_key_validation=True)

    @classmethod
    def generate(cls, stream: Stream, modulus_bits: int) -> WrappingKey:
        """A new key: in virtual time the one that `stream` gives, in real time from the operating system's entropy."""
        if not is_real_time():
            return cls(rsa_primes(stream, modulus_bits))
        made = rsa.generate_private_key(EXPONENT, modulus_bits).private_numbers()
        return cls(RsaPrimes(max(made.p, made.q), min(made.p, made.q)))

    @classmethod
    def of(cls, raw: bytes) -> WrappingKey:
        """The key of which that is `raw`."""
        middle = len(raw) // 2
        return cls(RsaPrimes(int.from_bytes(raw[:middle]), int.from_bytes(raw[middle:])))

    @property
    def raw(self) -> bytes:
        """Both primes, each half as long as the modulus."""
        length = self._private.key_size // 16
        return self._primes.p.to_bytes(length) + self._primes.q.to_bytes(length)

    @property
    def public(self) -> bytes:
        """The public half: SubjectPublicKeyInfo in DER."""
        return self._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def unwrap(self, algorithm: WrappingAlgorithm, wrapped: bytes) -> bytes:
        """The material. Errors: InvalidCiphertextException when that is not material wrapped so under this key."""
        if not algorithm.is_two_steps:
            return self._opened(algorithm, wrapped)
        length = self._private.key_size // 8
        key = self._opened(algorithm, wrapped[:length])
        if len(key) not in _AES_KEY_SIZES:
            raise InvalidCiphertextException
        try:
            return aes_key_unwrap_with_padding(key, wrapped[length:])
        except InvalidUnwrap:
            # One refusal for all that does not fit, as everywhere: who probes learns nothing from the difference.
            raise InvalidCiphertextException from None

    def _opened(self, algorithm: WrappingAlgorithm, wrapped: bytes) -> bytes:
        try:
            return self._private.decrypt(wrapped, _padding(algorithm))
        except ValueError:
            # See above.
            raise InvalidCiphertextException from None


class Sm2WrappingKey(Confined):
    """An SM2 key under which owners in China Regions wrap their private keys."""

    __slots__ = ("_pair", "_private_key")

    def __init__(self, private_key: bytes) -> None:
        from regionsim.hsm.algorithms.sm2 import Sm2Pair  # for China only, and slow to load

        self._private_key = private_key
        self._pair = Sm2Pair(private_key)

    @property
    def raw(self) -> bytes:
        """The private key, PKCS #8."""
        return self._private_key

    @property
    def public(self) -> bytes:
        """The public half: SubjectPublicKeyInfo in DER."""
        return self._pair.public_key()

    def unwrap(self, algorithm: WrappingAlgorithm, wrapped: bytes) -> bytes:
        """The material. Errors: InvalidCiphertextException when that is not material wrapped under this key."""
        return self._pair.decrypt(algorithm.value, wrapped)


def new_wrapping_key(spec: WrappingKeySpec, draws: Draws) -> WrappingKey | Sm2WrappingKey:
    """A new wrapping key of that kind."""
    if spec is WrappingKeySpec.SM2:
        return Sm2WrappingKey(new_private_key(KeySpec.SM2, draws))
    return WrappingKey.generate(draws.stream, spec.modulus_bits)


def wrapping_key_of(spec: WrappingKeySpec, raw: bytes) -> WrappingKey | Sm2WrappingKey:
    """The wrapping key of that kind of which that is `raw`."""
    return Sm2WrappingKey(raw) if spec is WrappingKeySpec.SM2 else WrappingKey.of(raw)


def wrapped_by_owner(public: bytes, algorithm: WrappingAlgorithm, material: bytes, aes_key: bytes) -> bytes:
    """The material as its owner sends it; `aes_key` serves the algorithms of two steps, and as SM2's random numbers.

    Errors: ValueError when `public` is no key for that algorithm, or the material is too long for it.
    """
    if algorithm is WrappingAlgorithm.SM2PKE:
        from regionsim.hsm.algorithms.sm2 import sm2_encrypted  # see above

        numbers = count()
        return sm2_encrypted(public, material, lambda n: shake_256(aes_key + next(numbers).to_bytes(8)).digest(n))
    key = load_der_public_key(public)
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("this is no RSA public key")
    if not algorithm.is_two_steps:
        return key.encrypt(material, _padding(algorithm))
    return key.encrypt(aes_key, _padding(algorithm)) + aes_key_wrap_with_padding(aes_key, material)


def _padding(algorithm: WrappingAlgorithm) -> OAEP:
    hash_type = _HASHES[algorithm.hash_name]
    return OAEP(mgf=MGF1(hash_type()), algorithm=hash_type(), label=None)
