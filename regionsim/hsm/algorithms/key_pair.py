"""What a key pair inside an HSM can do, by what it is for. Each kind of key implements what its spec allows.

Algorithms are named as AWS names them; that the algorithm fits the spec, and the message the algorithm, was decided
before (`regionsim.kms`). Public keys are DER SubjectPublicKeyInfo (RFC 5280), private keys DER PKCS #8 (RFC 5958).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from regionsim.hsm.confined import Confined
from regionsim.kms.signatures import MessageType
from regionsim.names.dataclass import dataclass
from regionsim.runtime.entropy import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Where random numbers come from. `is_seeded`: everything drawn must repeat, so a library's own entropy is used
    only for what nobody can see to differ: paddings, hedged signatures, encapsulations."""

    stream: Stream
    is_seeded: bool


class KeyPair(Confined, ABC):
    """A private key with its public half."""

    __slots__ = ()

    @abstractmethod
    def public_key(self) -> bytes:
        """The public half, as everybody may have it."""

    @abstractmethod
    def secrets_for_scan(self) -> tuple[bytes, ...]:
        """The numbers that the private key is made of. For tests that search for leaks; for nothing else."""


class SigningPair(KeyPair):
    """For SIGN_VERIFY."""

    __slots__ = ()

    @abstractmethod
    def sign(self, algorithm: str, message_type: MessageType, message: bytes, draws: Draws) -> bytes:
        """The signature."""

    @abstractmethod
    def is_signature(self, algorithm: str, message_type: MessageType, message: bytes, signature: bytes) -> bool:
        """True when the signature is this key's over the message."""


class EncryptingPair(KeyPair):
    """For ENCRYPT_DECRYPT."""

    __slots__ = ()

    @abstractmethod
    def encrypt(self, algorithm: str, plaintext: bytes, draws: Draws) -> bytes:
        """The ciphertext."""

    @abstractmethod
    def decrypt(self, algorithm: str, ciphertext: bytes) -> bytes:
        """The plaintext. Errors: InvalidCiphertextException."""


class AgreeingPair(KeyPair):
    """For KEY_AGREEMENT."""

    __slots__ = ()

    @abstractmethod
    def agree(self, peer_public_key: bytes) -> bytes:
        """The raw shared secret: the x-coordinate. Errors: ValidationException when the peer's key is of no use."""


class Encapsulation(NamedTuple):
    """A shared secret and what carries it to the holder of the private key."""

    shared_secret: bytes
    ciphertext: bytes

    def __repr__(self) -> str:
        return "Encapsulation(withheld)"


class EncapsulatingPair(KeyPair):
    """For ENCAPSULATE_DECAPSULATE."""

    __slots__ = ()

    @abstractmethod
    def encapsulate(self) -> Encapsulation:
        """A new shared secret for the holder of the private key."""

    @abstractmethod
    def decapsulate(self, ciphertext: bytes) -> bytes:
        """The shared secret; another one, and no error, when the ciphertext was altered (implicit rejection)."""
