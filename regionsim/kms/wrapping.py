"""How key material may be wrapped on its way into KMS: key spec x algorithm x wrapping key, and the import token.

    token   "RSIT" 1 | key id:16 | algorithm:1 | wrapping key spec:1 | valid to, ns:8 | the HSMs' token

The front of a token can be read by anyone, and is authenticated with the rest by the HSMs: who alters it, or takes it
to another key, has no token.

Source: KMS API Reference, GetParametersForImport; KMS Developer Guide, "Select a wrapping algorithm"; the layout of the
token is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType

from regionsim.kms.key_specs import CHINA, KeySpec
from regionsim.names.dataclass import dataclass

BAD_TOKEN = "The import token is not valid for this KMS key."
"""UNVERIFIED (ours), as are the other texts about imports that are not said to be observed."""

_MAGIC = b"RSIT\x01"
_FRONT_BYTES = len(_MAGIC) + 16 + 1 + 1 + 8


class WrappingAlgorithm(StrEnum):
    """How the material is encrypted under the wrapping key (`AlgorithmSpec` in the model)."""

    RSAES_PKCS1_V1_5 = "RSAES_PKCS1_V1_5"
    RSAES_OAEP_SHA_1 = "RSAES_OAEP_SHA_1"
    RSAES_OAEP_SHA_256 = "RSAES_OAEP_SHA_256"
    RSA_AES_KEY_WRAP_SHA_1 = "RSA_AES_KEY_WRAP_SHA_1"
    RSA_AES_KEY_WRAP_SHA_256 = "RSA_AES_KEY_WRAP_SHA_256"
    SM2PKE = "SM2PKE"

    @property
    def is_offered(self) -> bool:
        """True for what KMS takes at all: PKCS #1 v1.5 is refused since 2023."""
        return self is not WrappingAlgorithm.RSAES_PKCS1_V1_5

    @property
    def is_two_steps(self) -> bool:
        """True when the material is under an AES key, and only that under the wrapping key."""
        return self.value.startswith("RSA_AES_KEY_WRAP")

    @property
    def hash_name(self) -> str:
        """The hash of its OAEP."""
        return "SHA_1" if self.value.endswith("SHA_1") else "SHA_256"


class WrappingKeySpec(StrEnum):
    """The kind of wrapping key."""

    RSA_2048 = "RSA_2048"
    RSA_3072 = "RSA_3072"
    RSA_4096 = "RSA_4096"
    SM2 = "SM2"

    @property
    def modulus_bits(self) -> int:
        """The size of an RSA key."""
        return int(self.value.removeprefix("RSA_"))


_OAEP = frozenset({WrappingAlgorithm.RSAES_OAEP_SHA_1, WrappingAlgorithm.RSAES_OAEP_SHA_256})
_TWO_STEPS = frozenset({WrappingAlgorithm.RSA_AES_KEY_WRAP_SHA_1, WrappingAlgorithm.RSA_AES_KEY_WRAP_SHA_256})
_ECC = _OAEP | _TWO_STEPS

_ALGORITHMS: Mapping[str, frozenset[WrappingAlgorithm]] = MappingProxyType(
    {"SYMMETRIC": _OAEP, "HMAC": _OAEP, "RSA": _TWO_STEPS, "ECC": _ECC, "SM2": _OAEP}
)
"""By the first word of the key spec, under RSA keys; what is not here (ML-DSA, ML-KEM) cannot be imported."""

_UNDER_SM2 = frozenset({"RSA", "ECC", "SM2"})
"""What can be wrapped under an SM2 key: private keys, in China Regions."""


def is_importable(spec: KeySpec) -> bool:
    """True when keys of that spec can be made without material."""
    return spec.partition("_")[0] in _ALGORITHMS


def fits(spec: KeySpec, algorithm: WrappingAlgorithm, wrapping_spec: WrappingKeySpec, partition: str = "aws") -> bool:
    """True when material of `spec` can come into KMS that way, in a Region of that partition."""
    if wrapping_spec is WrappingKeySpec.SM2:
        is_private_key = spec.partition("_")[0] in _UNDER_SM2
        return is_private_key and algorithm is WrappingAlgorithm.SM2PKE and partition == CHINA
    if spec is KeySpec.ECC_NIST_P521 and algorithm in _OAEP and wrapping_spec is WrappingKeySpec.RSA_2048:
        return False  # longer than what such a key encrypts
    return algorithm in _ALGORITHMS.get(spec.partition("_")[0], ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportToken:
    """An import token taken apart; `sealed` is for the HSMs."""

    key_id_bytes: bytes
    algorithm: WrappingAlgorithm
    wrapping_spec: WrappingKeySpec
    valid_to_ns: int
    sealed: bytes = field(repr=False)

    def names(self) -> tuple[str, ...]:
        """What the HSMs authenticate with `sealed`."""
        return self.key_id_bytes.hex(), self.algorithm.value, self.wrapping_spec.value, str(self.valid_to_ns)

    def packed(self) -> bytes:
        """The token as callers have it."""
        return b"".join(
            (
                _MAGIC,
                self.key_id_bytes,
                bytes((_ALGORITHM_LIST.index(self.algorithm), _SPEC_LIST.index(self.wrapping_spec))),
                self.valid_to_ns.to_bytes(8),
                self.sealed,
            )
        )


_ALGORITHM_LIST = tuple(WrappingAlgorithm)
_SPEC_LIST = tuple(WrappingKeySpec)


def read_token(token: bytes) -> ImportToken | None:
    """The token taken apart; None for bytes that are none."""
    if not token.startswith(_MAGIC) or len(token) <= _FRONT_BYTES:
        return None
    key_id_end = len(_MAGIC) + 16
    algorithm, spec = token[key_id_end], token[key_id_end + 1]
    if algorithm >= len(_ALGORITHM_LIST) or spec >= len(_SPEC_LIST):
        return None
    return ImportToken(
        key_id_bytes=token[len(_MAGIC) : key_id_end],
        algorithm=_ALGORITHM_LIST[algorithm],
        wrapping_spec=_SPEC_LIST[spec],
        valid_to_ns=int.from_bytes(token[key_id_end + 2 : _FRONT_BYTES]),
        sealed=token[_FRONT_BYTES:],
    )
