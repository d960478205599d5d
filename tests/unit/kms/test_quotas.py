"""Request quotas: AWS's rates, the buckets that operations share, and what a bucket can never give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionsim.kms.errors import ThrottlingException
from regionsim.kms.key_specs import KeySpec
from regionsim.kms.model import model
from regionsim.kms.quotas import RequestQuota, TokenBucket, request_quota

SECOND = 1_000_000_000

# Typed from the KMS Developer Guide, "Request quotas", in requests a second.
RATES = {
    2000: "DescribeKey GetPublicKey ListResourceTags",
    1000: "GetKeyPolicy GetKeyRotationStatus",
    500: "ListAliases ListKeys",
    100: "ListGrants ListKeyPolicies ListKeyRotations ListRetirableGrants",
    50: "CreateGrant RetireGrant RevokeGrant",
    15: "DeleteAlias DeleteImportedKeyMaterial EnableKeyRotation ImportKeyMaterial PutKeyPolicy ScheduleKeyDeletion",
    10: "TagResource",
    1: "GetParametersForImport",
    5: "CancelKeyDeletion CreateAlias CreateKey DisableKey DisableKeyRotation EnableKey GetKeyLastUsage ReplicateKey "
    "RotateKeyOnDemand UntagResource UpdateAlias UpdateKeyDescription UpdatePrimaryRegion CreateCustomKeyStore "
    "ConnectCustomKeyStore DescribeCustomKeyStores DisconnectCustomKeyStore DeleteCustomKeyStore UpdateCustomKeyStore",
}
SYMMETRIC = "Decrypt Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateRandom ReEncrypt"


@pytest.mark.parametrize(
    ("rate", "operation"), [(rate, name) for rate, names in RATES.items() for name in names.split()]
)
def test_an_operation_has_the_guide_s_rate_of_its_own(rate: int, operation: str) -> None:
    assert request_quota(operation, "us-east-1", KeySpec.SYMMETRIC_DEFAULT) == RequestQuota(
        name=operation, per_second=rate
    )


@pytest.mark.parametrize(
    ("region", "rate"),
    [
        *((region, 100_000) for region in ("us-east-1", "us-west-2", "eu-west-1")),
        *(
            (region, 20_000)
            for region in (
                "us-east-2", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "eu-central-1", "eu-west-2",
            )
        ),
        ("sa-east-1", 10_000),
        ("eu-south-2", 10_000),
    ],
)  # fmt: skip
def test_symmetric_cryptography_shares_one_bucket_that_depends_on_the_region(region: str, rate: int) -> None:
    quotas = {request_quota(operation, region, KeySpec.SYMMETRIC_DEFAULT) for operation in SYMMETRIC.split()}
    quotas |= {request_quota(operation, region, KeySpec.HMAC_256) for operation in ("GenerateMac", "VerifyMac")}
    assert len(quotas) == 1
    assert quotas.pop().per_second == rate


@pytest.mark.parametrize(
    ("operations", "specs"),
    [
        ("Decrypt Encrypt ReEncrypt Sign Verify", (KeySpec.RSA_2048, KeySpec.RSA_3072, KeySpec.RSA_4096)),
        ("Sign Verify", (KeySpec.ML_DSA_44, KeySpec.ML_DSA_87)),
        ("Sign Verify DeriveSharedSecret", (KeySpec.ECC_NIST_P256, KeySpec.ECC_SECG_P256K1, KeySpec.SM2)),
    ],
)
def test_each_asymmetric_family_shares_a_thousand(operations: str, specs: tuple[KeySpec, ...]) -> None:
    quotas = {request_quota(operation, "us-east-1", spec) for operation in operations.split() for spec in specs}
    assert len(quotas) == 1
    assert quotas.pop().per_second == 1000


def test_the_families_do_not_share() -> None:
    specs = (KeySpec.SYMMETRIC_DEFAULT, KeySpec.RSA_2048, KeySpec.ECC_NIST_P256, KeySpec.ML_DSA_65)
    assert len({request_quota("Sign", "us-east-1", spec).name for spec in specs}) == 4


@pytest.mark.parametrize(
    ("pair", "rate"),
    [("RSA_2048", 20), ("RSA_3072", 4), ("RSA_4096", 1), ("SM2", 25), ("ECC_NIST_P256", 100), ("ECC_SECG_P256K1", 100)],
)
def test_data_key_pairs_are_counted_by_their_spec(pair: str, rate: int) -> None:
    quota = request_quota("GenerateDataKeyPair", "us-east-1", KeySpec.SYMMETRIC_DEFAULT, pair)
    assert quota.per_second == rate
    assert quota == request_quota("GenerateDataKeyPairWithoutPlaintext", "us-east-1", KeySpec.SYMMETRIC_DEFAULT, pair)


@pytest.mark.parametrize(("pair", "rate"), [("RSA_2048", 1), ("RSA_3072", 0.5), ("RSA_4096", 0.1), ("SM2", 25)])
def test_china_makes_fewer_rsa_pairs(pair: str, rate: float) -> None:
    assert request_quota("GenerateDataKeyPair", "cn-north-1", None, pair).per_second == rate


def test_every_operation_of_the_model_has_a_quota_for_every_spec() -> None:
    for operation in model().operations:
        for spec in (None, *KeySpec):
            assert request_quota(operation, "eu-west-3", spec).per_second > 0


def test_a_bucket_gives_a_second_s_worth_at_once_and_then_one_for_each_share_of_a_second() -> None:
    bucket = TokenBucket.full(RequestQuota(name="CreateKey", per_second=5), 0)
    for _ in range(5):
        bucket.take(0)
    with pytest.raises(ThrottlingException) as caught:
        bucket.take(0)
    assert caught.value.message == (
        "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
    )
    assert caught.value.http_status == 400
    bucket.take(SECOND // 5)
    with pytest.raises(ThrottlingException):
        bucket.take(SECOND // 5)


def test_a_quota_below_one_a_second_still_gives_one() -> None:
    bucket = TokenBucket.full(RequestQuota(name="slow", per_second=0.1), 0)
    bucket.take(0)
    with pytest.raises(ThrottlingException):
        bucket.take(9 * SECOND)
    bucket.take(10 * SECOND + 1)


def test_what_is_refused_costs_nothing() -> None:
    bucket = TokenBucket.full(RequestQuota(name="two", per_second=2), 0)
    with pytest.raises(ThrottlingException):
        bucket.take(0, cost=3)
    bucket.take(0, cost=2)


@given(
    rate=st.sampled_from([0.1, 0.5, 1.0, 4.0, 5.0, 15.0, 1000.0]),
    steps=st.lists(st.tuples(st.integers(-SECOND // 2, 2 * SECOND), st.integers(1, 3)), max_size=60),
)
def test_no_one_gets_more_than_the_rate_and_one_burst(rate: float, steps: list[tuple[int, int]]) -> None:
    """Also when the clock that is read goes back."""
    bucket = TokenBucket.full(RequestQuota(name="q", per_second=rate), 0)
    burst, given_out, now_ns, newest_ns = max(rate, 1.0), 0, 0, 0
    for step_ns, cost in steps:
        now_ns = max(now_ns + step_ns, 0)
        newest_ns = max(newest_ns, now_ns)
        try:
            bucket.take(now_ns, cost)
        except ThrottlingException:
            continue
        given_out += cost
        assert given_out <= burst + rate * newest_ns / SECOND + 1e-6


@given(rate=st.sampled_from([1.0, 5.0, 50.0]), count=st.integers(1, 100))
def test_a_caller_at_the_rate_is_never_throttled(rate: float, count: int) -> None:
    bucket = TokenBucket.full(RequestQuota(name="q", per_second=rate), 0)
    for number in range(count):
        bucket.take(int(number * SECOND / rate) + number)
