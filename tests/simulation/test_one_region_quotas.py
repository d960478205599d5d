"""Request quotas at the door of a Region, in virtual time."""

from __future__ import annotations

import pytest

from regionsim.kms.errors import KmsError
from regionsim.runtime import tasks
from tests.simulation.one_region import SECOND, OneRegion, one_region

THROTTLED = (
    "ThrottlingException: You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
)


async def accepted(kms: OneRegion, by: str, operation: str, count: int, **parameters: object) -> int:
    """How many of `count` calls at one instant are not throttled."""
    begun = [kms.begin(by, operation, **parameters) for _ in range(count)]
    return [getattr(await one, "code", "ok") for one in begun].count("ok")


@one_region(has_quotas=True, profile="host")
async def test_the_sixth_create_key_in_a_second_is_one_too_many(kms: OneRegion) -> None:
    begun = [kms.begin("alice", "CreateKey") for _ in range(6)]
    codes = [getattr(await one, "code", "ok") for one in begun]
    assert codes == ["ok"] * 5 + ["ThrottlingException"]
    refusal = await begun[-1]
    assert isinstance(refusal, KmsError)
    assert f"{refusal.code}: {refusal.message}" == THROTTLED
    assert refusal.http_status == 400
    assert len(list(kms.region.state.all_keys())) == 5
    assert kms.region.counts.throttled == 1
    (record,) = [r for r in await kms.records("CreateKey") if "errorCode" in r]
    assert record["errorCode"] == "ThrottlingException"


@one_region(has_quotas=True, profile="host")
async def test_accounts_do_not_share_and_users_of_one_do(kms: OneRegion) -> None:
    assert await accepted(kms, "alice", "CreateKey", 5) == 5
    assert await kms.answer("zoe", "CreateKey") == "ok"
    kms.give("bob", {"Effect": "Allow", "Action": "kms:*", "Resource": "*"})
    assert await accepted(kms, "bob", "CreateKey", 5) == 0


@one_region(has_quotas=True, profile="host")
async def test_after_a_second_there_are_five_again_and_not_ten_after_two(kms: OneRegion) -> None:
    assert await accepted(kms, "alice", "CreateKey", 9) == 5
    await tasks.sleep(SECOND)
    assert await accepted(kms, "alice", "CreateKey", 9) == 5
    await tasks.sleep(10 * SECOND)
    assert await accepted(kms, "alice", "CreateKey", 9) == 5


@one_region(has_quotas=True, profile="host")
async def test_operations_do_not_share_but_symmetric_cryptography_does(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    assert await accepted(kms, "alice", "DisableKey", 6, KeyId=key_id) == 5
    assert await accepted(kms, "alice", "EnableKey", 6, KeyId=key_id) == 5
    assert await accepted(kms, "alice", "GetKeyPolicy", 1001, KeyId=key_id) == 1000
    assert await accepted(kms, "alice", "DescribeKey", 2001, KeyId=key_id) == 2000


@pytest.mark.slow
@one_region(has_quotas=True, profile="host", regions=("eu-west-3",))
async def test_encrypt_and_generate_random_drink_from_one_bucket(kms: OneRegion) -> None:
    for _ in range(10_000):
        kms.begin("alice", "GenerateRandom", NumberOfBytes=1)
    await tasks.sleep(1)
    assert await kms.answer("alice", "GenerateRandom", NumberOfBytes=1) == THROTTLED


@one_region(has_quotas=True, profile="host")
async def test_a_denied_call_counts_and_a_malformed_one_does_not(kms: OneRegion) -> None:
    for _ in range(9):
        assert (await kms.refusal("bob", "EnableKey")).code == "ValidationException"
    codes = [(await kms.refusal("bob", "CreateKey")).code for _ in range(6)]
    assert codes == ["AccessDeniedException"] * 5 + ["ThrottlingException"]


@one_region(has_quotas=True, profile="host")
async def test_a_throttled_call_reaches_neither_policy_nor_hsm(kms: OneRegion) -> None:
    await accepted(kms, "alice", "CreateKey", 5)
    asked, denied = kms.region.counts.hsm_requests, kms.region.counts.denied
    assert await kms.answer("bob", "CreateKey") == THROTTLED
    assert await kms.answer("alice", "CreateKey") == THROTTLED
    assert (kms.region.counts.hsm_requests, kms.region.counts.denied) == (asked, denied)


@one_region(has_quotas=False)
async def test_quotas_can_be_off(kms: OneRegion) -> None:
    assert await accepted(kms, "alice", "CreateKey", 20) == 20


@one_region(has_quotas=True, profile="host")
async def test_a_crash_forgets_what_was_used(kms: OneRegion) -> None:
    """Buckets are in the hosts' memory."""
    await accepted(kms, "alice", "CreateKey", 5)
    await kms.reboot()
    assert await kms.answer("alice", "CreateKey") == "ok"
