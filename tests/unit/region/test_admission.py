"""Admission: each account and quota has its own bucket, and a Region counts what it throttles."""

from __future__ import annotations

import pytest

from regionsim.kms.errors import ThrottlingException
from regionsim.kms.quotas import RequestQuota, request_quota
from regionsim.region.admission import Admission
from regionsim.runtime.tasks import sleep
from tests.simulation.one_region import HOME, SECOND, OneRegion, one_region

FIVE = RequestQuota(name="five", per_second=5)
TWO = RequestQuota(name="two", per_second=2)


def test_a_second_of_requests_passes_and_then_none_until_it_refills() -> None:
    admission = Admission()
    for _ in range(5):
        admission.admit(HOME, FIVE, 0)
    with pytest.raises(ThrottlingException):
        admission.admit(HOME, FIVE, 0)
    with pytest.raises(ThrottlingException):
        admission.admit(HOME, FIVE, SECOND // 5 - 1)
    admission.admit(HOME, FIVE, SECOND // 5)


def test_accounts_and_quotas_do_not_share_buckets() -> None:
    admission = Admission()
    admission.admit(HOME, TWO, 0, cost=2)
    with pytest.raises(ThrottlingException):
        admission.admit(HOME, TWO, 0)
    admission.admit("444455556666", TWO, 0)
    admission.admit(HOME, FIVE, 0)


def test_a_request_that_is_refused_costs_nothing() -> None:
    admission = Admission()
    with pytest.raises(ThrottlingException):
        admission.admit(HOME, TWO, 0, cost=3)
    admission.admit(HOME, TWO, 0, cost=2)


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
