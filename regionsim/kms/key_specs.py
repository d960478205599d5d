"""Key specs, usages and algorithms: one literal table.

Source: botocore's model, KeySpec; KMS Developer Guide, "Key spec reference".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from regionsim.names.dataclass import dataclass

CHINA = "aws-cn"
"""The partition whose Regions have SM2 and SM4."""


class KeyUsage(StrEnum):
    """What a KMS key may be used for."""

    ENCRYPT_DECRYPT = "ENCRYPT_DECRYPT"
    SIGN_VERIFY = "SIGN_VERIFY"
    GENERATE_VERIFY_MAC = "GENERATE_VERIFY_MAC"
    KEY_AGREEMENT = "KEY_AGREEMENT"
    ENCAPSULATE_DECAPSULATE = "ENCAPSULATE_DECAPSULATE"


class KeySpec(StrEnum):
    """The kind of key material."""

    SYMMETRIC_DEFAULT = "SYMMETRIC_DEFAULT"
    RSA_2048 = "RSA_2048"
    RSA_3072 = "RSA_3072"
    RSA_4096 = "RSA_4096"
    ECC_NIST_P256 = "ECC_NIST_P256"
    ECC_NIST_P384 = "ECC_NIST_P384"
    ECC_NIST_P521 = "ECC_NIST_P521"
    ECC_SECG_P256K1 = "ECC_SECG_P256K1"
    ECC_NIST_EDWARDS25519 = "ECC_NIST_EDWARDS25519"
    HMAC_224 = "HMAC_224"
    HMAC_256 = "HMAC_256"
    HMAC_384 = "HMAC_384"
    HMAC_512 = "HMAC_512"
    SM2 = "SM2"
    ML_DSA_44 = "ML_DSA_44"
    ML_DSA_65 = "ML_DSA_65"
    ML_DSA_87 = "ML_DSA_87"
    ML_KEM_512 = "ML_KEM_512"
    ML_KEM_768 = "ML_KEM_768"
    ML_KEM_1024 = "ML_KEM_1024"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one usage of one spec means: its algorithms in the order AWS returns them."""

    usage: KeyUsage
    algorithms: tuple[str, ...]


_OAEP = ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
_RSA_SIGNING = (
    "RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512",
    "RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512",
)  # fmt: skip


def _encrypting(*algorithms: str) -> Use:
    return Use(usage=KeyUsage.ENCRYPT_DECRYPT, algorithms=algorithms)


def _signing(*algorithms: str) -> Use:
    return Use(usage=KeyUsage.SIGN_VERIFY, algorithms=algorithms)


_RSA = (_encrypting(*_OAEP), _signing(*_RSA_SIGNING))
_ECDH = Use(usage=KeyUsage.KEY_AGREEMENT, algorithms=("ECDH",))
_ML_KEM = (Use(usage=KeyUsage.ENCAPSULATE_DECAPSULATE, algorithms=("ML_KEM",)),)


def _mac(algorithm: str) -> tuple[Use, ...]:
    return (Use(usage=KeyUsage.GENERATE_VERIFY_MAC, algorithms=(algorithm,)),)


USES = MappingProxyType(
    {
        KeySpec.SYMMETRIC_DEFAULT: (_encrypting("SYMMETRIC_DEFAULT"),),
        KeySpec.RSA_2048: _RSA,
        KeySpec.RSA_3072: _RSA,
        KeySpec.RSA_4096: _RSA,
        KeySpec.ECC_NIST_P256: (_signing("ECDSA_SHA_256"), _ECDH),
        KeySpec.ECC_NIST_P384: (_signing("ECDSA_SHA_384"), _ECDH),
        KeySpec.ECC_NIST_P521: (_signing("ECDSA_SHA_512"), _ECDH),
        KeySpec.ECC_SECG_P256K1: (_signing("ECDSA_SHA_256"),),
        KeySpec.ECC_NIST_EDWARDS25519: (_signing("ED25519_SHA_512", "ED25519_PH_SHA_512"),),
        KeySpec.HMAC_224: _mac("HMAC_SHA_224"),
        KeySpec.HMAC_256: _mac("HMAC_SHA_256"),
        KeySpec.HMAC_384: _mac("HMAC_SHA_384"),
        KeySpec.HMAC_512: _mac("HMAC_SHA_512"),
        KeySpec.SM2: (_encrypting("SM2PKE"), _signing("SM2DSA"), _ECDH),
        KeySpec.ML_DSA_44: (_signing("ML_DSA_SHAKE_256"),),
        KeySpec.ML_DSA_65: (_signing("ML_DSA_SHAKE_256"),),
        KeySpec.ML_DSA_87: (_signing("ML_DSA_SHAKE_256"),),
        KeySpec.ML_KEM_512: _ML_KEM,
        KeySpec.ML_KEM_768: _ML_KEM,
        KeySpec.ML_KEM_1024: _ML_KEM,
    }
)
"""Spec -> its usages, each with its algorithms."""

CHINA_ONLY = frozenset({KeySpec.SM2})
NOT_IN_CHINA = frozenset({KeySpec.ML_KEM_512, KeySpec.ML_KEM_768, KeySpec.ML_KEM_1024})
"""Source: botocore's model, CreateKey, KeySpec."""

SYMMETRIC_ALGORITHM = "SYMMETRIC_DEFAULT"

_OAEP_BYTES: Mapping[KeySpec, int] = MappingProxyType(
    {KeySpec.RSA_2048: 256, KeySpec.RSA_3072: 384, KeySpec.RSA_4096: 512}
)
_OAEP_OVERHEAD: Mapping[str, int] = MappingProxyType({"RSAES_OAEP_SHA_1": 42, "RSAES_OAEP_SHA_256": 66})
_MOST_SM2_BYTES = 1024


def most_plaintext_bytes(spec: KeySpec, algorithm: str) -> int:
    """How much one encryption with a key pair takes. Source: botocore's model, Encrypt; SM2's limit, too."""
    return _MOST_SM2_BYTES if spec is KeySpec.SM2 else _OAEP_BYTES[spec] - _OAEP_OVERHEAD[algorithm]


ENCAPSULATION_BYTES: Mapping[KeySpec, int] = MappingProxyType(
    {KeySpec.ML_KEM_512: 768, KeySpec.ML_KEM_768: 1088, KeySpec.ML_KEM_1024: 1568}
)
"""How long an encapsulated secret is. Source: botocore's model, Encapsulate."""


def is_offered(spec: KeySpec, partition: str) -> bool:
    """True when Regions of that partition have the spec."""
    return spec not in (NOT_IN_CHINA if partition == CHINA else CHINA_ONLY)


def is_symmetric(spec: KeySpec) -> bool:
    """True for the spec of symmetric encryption keys, the only ones with an encryption context, data keys, rotation and
    key material ids that callers see."""
    return spec is KeySpec.SYMMETRIC_DEFAULT


def is_mac(spec: KeySpec) -> bool:
    """True for HMAC keys."""
    return USES[spec][0].usage is KeyUsage.GENERATE_VERIFY_MAC


@lru_cache
def use_of(spec: KeySpec, usage: KeyUsage) -> Use | None:
    """The use of `spec` for `usage`, or None when the two are not compatible."""
    return next((use for use in USES[spec] if use.usage is usage), None)


PAIR_SPECS = frozenset(spec for spec in KeySpec if not is_symmetric(spec) and not is_mac(spec))
"""The specs of key pairs."""
