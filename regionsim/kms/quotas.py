"""Quotas: how often an account may call (per second, per Region) and how much it may have.

A request quota is a token bucket that holds one second of its rate; operations may share one. Which bucket a
cryptographic operation draws from depends on the kind of key. The caller's account pays.

Source: KMS Developer Guide, "Request quotas" and "Resource quotas", newest values.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from regionsim.kms.errors import ThrottlingException
from regionsim.kms.key_specs import KeySpec
from regionsim.names.dataclass import dataclass

KEYS_PER_ACCOUNT = 100_000
ALIASES_PER_KEY = 50
TAGS_PER_KEY = 50
ON_DEMAND_ROTATIONS_PER_KEY = 25
POLICY_BYTES = 32_768

THROTTLED = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."

_SYMMETRIC = "Cryptographic operations (symmetric)"
_RSA = "Cryptographic operations (RSA)"
_ECC = "Cryptographic operations (ECC)"
_ML = "Cryptographic operations (ML-DSA)"

_SYMMETRIC_RATE = 10_000
_SYMMETRIC_RATE_OF_REGION: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(("us-east-1", "us-west-2", "eu-west-1"), 100_000)
    | dict.fromkeys(
        ("us-east-2", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "eu-central-1", "eu-west-2"), 20_000
    )
)

_CRYPTOGRAPHIC = frozenset(
    {
        "Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "GenerateRandom",
        "ReEncrypt", "VerifyMac", "Sign", "Verify", "DeriveSharedSecret", "Encapsulate", "Decapsulate",
    }
)  # fmt: skip
"""Encapsulate and Decapsulate are not in the guide's table yet; they count with ML-DSA (ours)."""

_BUCKET_OF_SPEC: Mapping[str, str] = MappingProxyType(
    {"SYMMETRIC": _SYMMETRIC, "HMAC": _SYMMETRIC, "RSA": _RSA, "ECC": _ECC, "SM2": _ECC, "ML": _ML}
)

_PAIR_OPERATIONS = ("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext")
_PAIR_RATES: Mapping[str, float] = MappingProxyType({"RSA_2048": 20, "RSA_3072": 4, "RSA_4096": 1, "SM2": 25})
_PAIR_RATES_IN_CHINA: Mapping[str, float] = MappingProxyType({"RSA_2048": 1, "RSA_3072": 0.5, "RSA_4096": 0.1})
_PAIR_RATE_ECC = 100
"""Of ML-KEM, too: the guide's table does not have it yet (ours)."""

_RATES: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(("DescribeKey", "GetPublicKey", "ListResourceTags"), 2000)
    | dict.fromkeys(("GetKeyPolicy", "GetKeyRotationStatus"), 1000)
    | dict.fromkeys(("ListAliases", "ListKeys"), 500)
    | dict.fromkeys(("ListGrants", "ListKeyPolicies", "ListKeyRotations", "ListRetirableGrants"), 100)
    | dict.fromkeys(("CreateGrant", "RetireGrant", "RevokeGrant"), 50)
    | dict.fromkeys(
        (
            "DeleteAlias", "DeleteImportedKeyMaterial", "EnableKeyRotation", "ImportKeyMaterial", "PutKeyPolicy",
            "ScheduleKeyDeletion",
        ),
        15,
    )
    | {"TagResource": 10, "GetParametersForImport": 1}
)  # fmt: skip
_OTHER_RATE = 5
"""CreateKey, EnableKey, ReplicateKey and the rest of the control plane."""

_RSA_RATE = 1000
_KEY_STORE_RATE = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestQuota:
    """One bucket: its name and how many requests a second fill it."""

    name: str
    per_second: float


@lru_cache(maxsize=4096)
def request_quota(
    operation: str, region: str, spec: KeySpec | None = None, pair_spec: str | None = None
) -> RequestQuota:
    """The bucket that a call draws from.

    `spec` is the key's (None when the call names no key that exists: then the symmetric bucket pays for cryptography).
    `pair_spec` is the KeyPairSpec of GenerateDataKeyPair.
    """
    if operation in _CRYPTOGRAPHIC:
        bucket = _SYMMETRIC if spec is None else _BUCKET_OF_SPEC[spec.partition("_")[0]]
        rate = _SYMMETRIC_RATE_OF_REGION.get(region, _SYMMETRIC_RATE) if bucket is _SYMMETRIC else _RSA_RATE
        return RequestQuota(name=bucket, per_second=rate)
    if operation in _PAIR_OPERATIONS:
        pair = pair_spec or "RSA_2048"
        usual = _PAIR_RATES.get(pair, _PAIR_RATE_ECC)
        per_second = _PAIR_RATES_IN_CHINA.get(pair, usual) if region.startswith("cn-") else usual
        return RequestQuota(name=f"GenerateDataKeyPair ({pair})", per_second=per_second)
    return RequestQuota(name=operation, per_second=_RATES.get(operation, _OTHER_RATE))


def key_store_quota(store_id: str, operation: str) -> RequestQuota | None:
    """The bucket of a custom key store, from which cryptography with its keys draws besides; None for the rest."""
    if operation not in _CRYPTOGRAPHIC:
        return None
    return RequestQuota(name=f"custom key store {store_id}", per_second=_KEY_STORE_RATE)


@dataclass(slots=True, kw_only=True)
class TokenBucket:
    """How much of one quota is left. Holds one second of it (one request at least), refilled continuously."""

    quota: RequestQuota
    tokens: float
    filled_at_ns: int

    @classmethod
    def full(cls, quota: RequestQuota, now_ns: int) -> TokenBucket:
        return cls(quota=quota, tokens=max(quota.per_second, 1.0), filled_at_ns=now_ns)

    def take(self, now_ns: int, cost: int = 1, *, factor: float = 1.0) -> None:
        """Use `cost` requests; the quota is `factor` of what it is.

        Errors: ThrottlingException when they are not left (then none are used).
        """
        elapsed_ns = max(now_ns - self.filled_at_ns, 0)
        per_second = self.quota.per_second * factor
        self.tokens = min(max(per_second, 1.0), self.tokens + elapsed_ns * per_second / 1_000_000_000)
        self.filled_at_ns = max(now_ns, self.filled_at_ns)
        if self.tokens < cost:
            raise ThrottlingException(THROTTLED)
        self.tokens -= cost
