"""Admission: each account and quota has its own bucket, and a Region counts what it throttles."""

from __future__ import annotations

import pytest

from regionsim.faults.verdicts import DoorRule
from regionsim.kms.errors import KMSInternalException, ThrottlingException
from regionsim.kms.model import model
from regionsim.kms.operations.registry import REGISTRY, operation_named
from regionsim.kms.planes import DATA_PLANE
from regionsim.kms.quotas import request_quota
from regionsim.region.admission import Admission
from regionsim.runtime.tasks import sleep
from tests.simulation.one_region import HOME, SECOND, OneRegion, one_region

US = "us-east-1"
FIVE = "CreateKey"
TEN = "TagResource"


def admission(*, has_quotas: bool = True, rule: DoorRule | None = None, met: list[str] | None = None) -> Admission:
    made = Admission(US, has_quotas=has_quotas, on_fault_met=[].extend if met is None else met.extend)
    if rule is not None:
        made.rule = rule
    return made


def admitted(door: Admission, operation: str, now_ns: int, tries: int) -> int:
    """How many of so many calls at one instant get in."""
    count = 0
    for _ in range(tries):
        try:
            door.admit(HOME, operation, now_ns)
        except ThrottlingException as refusal:
            assert str(refusal).endswith(
                "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
            )
        else:
            count += 1
    return count


def test_a_second_of_requests_passes_and_then_none_until_it_refills() -> None:
    door = admission()
    assert admitted(door, FIVE, 0, 6) == 5
    assert admitted(door, FIVE, SECOND // 5 - 1, 1) == 0
    assert admitted(door, FIVE, SECOND // 5, 1) == 1


def test_accounts_and_quotas_do_not_share_buckets() -> None:
    door = admission()
    door.admit(HOME, FIVE, 0, cost=5)
    with pytest.raises(ThrottlingException):
        door.admit(HOME, FIVE, 0)
    door.admit("444455556666", FIVE, 0)
    door.admit(HOME, TEN, 0)


def test_a_request_that_is_refused_costs_nothing() -> None:
    door = admission()
    with pytest.raises(ThrottlingException):
        door.admit(HOME, FIVE, 0, cost=6)
    door.admit(HOME, FIVE, 0, cost=5)


def test_where_nothing_is_counted_everybody_gets_in() -> None:
    door = admission(has_quotas=False)
    assert not door.counts_requests
    assert admitted(door, FIVE, 0, 100) == 100


@pytest.mark.parametrize(("factor", "at_once", "per_10_s"), [(1.0, 5, 50), (0.4, 2, 20), (0.1, 1, 5), (0.0, 0, 0)])
@pytest.mark.parametrize("has_quotas", [True, False])
def test_a_throttled_region_takes_its_share_of_each_quota(has_quotas, factor, at_once, per_10_s) -> None:
    met: list[str] = []
    rule = DoorRule(throttled_by=("storm",), quota_factor=factor)
    door = admission(has_quotas=has_quotas, rule=rule, met=met)
    assert admitted(door, FIVE, 0, 10) == at_once
    ticks = sum(admitted(door, FIVE, tenth * SECOND // 10, 1) for tenth in range(1, 101))
    assert ticks == per_10_s
    assert set(met) == {"storm"}
    door.rule = DoorRule()
    assert admitted(door, FIVE, 100 * SECOND, 10) == (5 if has_quotas else 10)


def test_without_a_control_plane_keys_can_be_used_and_nothing_else() -> None:
    met: list[str] = []
    door = admission(met=met)
    for operation in REGISTRY:
        door.require_plane(operation)
    door.rule = DoorRule(control_plane_out_by=("broken",))
    refused = set()
    for operation in REGISTRY:
        try:
            door.require_plane(operation)
        except KMSInternalException as refusal:
            assert refusal.http_status == 500
            refused.add(operation)
    assert refused == set(REGISTRY) - DATA_PLANE
    assert met == ["broken"] * len(refused)
    assert {
        "CreateKey",
        "ReplicateKey",
        "DescribeKey",
        "ListKeys",
        "PutKeyPolicy",
        "CreateGrant",
        "TagResource",
    } < refused


def test_the_data_plane_is_what_makes_no_change_and_uses_a_key_or_random_numbers() -> None:
    assert set(model().operations) >= DATA_PLANE
    for name in DATA_PLANE & set(REGISTRY):
        operation = operation_named(name)
        assert not operation.is_mutation, name
        assert operation.job_type is not None, name


@one_region(has_quotas=True)
async def test_a_throttled_call_is_counted_recorded_and_does_nothing(kms: OneRegion) -> None:
    rate = int(request_quota("CreateKey", "us-east-1").per_second)
    waiting = [kms.begin("alice", "CreateKey") for _ in range(rate + 3)]
    await sleep(SECOND)

    refusals = [replied.result() for replied in waiting if isinstance(replied.result(), ThrottlingException)]
    assert len(refusals) == 3
    assert kms.region.counts.throttled == 3
    assert kms.region.counts.refused == 3
    assert kms.region.counts.denied == 0
    assert len(list(kms.region.state.all_keys())) == rate
    throttled = [record for record in await kms.records("CreateKey") if record.get("errorCode")]
    assert [record["errorCode"] for record in throttled] == ["ThrottlingException"] * 3
    assert kms.region.counts.hsm_requests == rate


@one_region(has_quotas=True)
async def test_a_crash_forgets_what_was_used_up(kms: OneRegion) -> None:
    rate = int(request_quota("CreateKey", "us-east-1").per_second)
    for _ in range(rate):
        kms.begin("alice", "CreateKey")
    await kms.reboot()
    assert await kms.answer("alice", "CreateKey") == "ok"
