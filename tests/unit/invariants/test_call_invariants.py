"""Invariants about calls: audit and denials. Each fails when its property is broken, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from regionsim.faults.kinds import RegionCrash
from regionsim.invariants.denied_calls import DeniedNeverReachesHsm
from regionsim.region.audit import AuditTrail
from regionsim.region.audit_entry import AuditEntry
from regionsim.runtime.trace import Event
from tests.simulation.many_regions import US, Play
from tests.unit.invariants.broken_worlds import failed, findings_of


async def some_calls(world: Play) -> None:
    key_id = (await world.call(US, "CreateKey"))["KeyMetadata"]["KeyId"]
    await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x")
    await world.call(US, "GenerateDataKey", KeyId=key_id, KeySpec="AES_256")
    await world.call(US, "CreateAlias", AliasName="alias/a", TargetKeyId=key_id)
    await world.refused(US, "Encrypt", caller="mallory", KeyId=key_id, Plaintext=b"x")
    await world.refused(US, "DescribeKey", KeyId="alias/none")
    await world.refused(US, "MakeTea")


def test_a_complete_trail_is_counted(tmp_path: Path) -> None:
    finding = findings_of(some_calls, tmp_path)["audit_complete"]
    assert finding.passed
    assert finding.checked == 6, "what is no operation of KMS has no record"


def test_what_kms_does_by_itself_is_no_call(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, "eu-west-1")
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        await world.settled()

    finding = findings_of(script, tmp_path)["audit_complete"]
    assert finding.passed
    assert finding.checked == 3, "CreateKey, ReplicateKey, RotateKeyOnDemand"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("changes", {"op": "CreateKey", "result": "ok"}), ("other calls", {"op": "Encrypt", "result": "ok"})],
)
def test_an_answer_without_a_record_is_found(tmp_path: Path, kind: str, fields: dict[str, str]) -> None:
    async def script(world: Play) -> None:
        await some_calls(world)
        world.simulation.trace.emit(US, "answer", request="never recorded", **fields)

    findings = findings_of(script, tmp_path)
    assert failed(findings) == {"audit_complete"}
    assert kind in findings["audit_complete"].detail


def test_a_trail_that_forgets_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = AuditTrail.add

    def forgets_refusals(self: AuditTrail, entry: AuditEntry) -> None:
        if entry.error_code is None:
            kept(self, entry)

    monkeypatch.setattr(AuditTrail, "add", forgets_refusals)
    finding = findings_of(some_calls, tmp_path)["audit_complete"]
    assert finding.detail == f"{US}: 4 other calls were answered, 2 are in the trail, and crashes may have lost 0"


async def read_then_crash(world: Play, pause_s: float) -> None:
    await world.call(US, "CreateKey")
    for _ in range(3):
        await world.call(US, "ListKeys")
    await world.rest(pause_s)
    world.break_with(RegionCrash(region=US))
    await world.rest(1)
    world.heal()
    await world.until(lambda: world.region(US).is_up)


def test_a_crash_may_lose_what_was_answered_just_before(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        await read_then_crash(world, 0.01)

    finding = findings_of(script, tmp_path)["audit_complete"]
    assert finding.passed
    assert finding.checked == 1, "the reads are lost, the change is not"


def test_a_crash_may_not_lose_what_is_older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Half a second instead of 50 ms: too late for what is promised.
    monkeypatch.setattr("regionsim.region.audit.FLUSH_AFTER_NS", 500_000_000)

    async def script(world: Play) -> None:
        await read_then_crash(world, 0.2)

    finding = findings_of(script, tmp_path)["audit_complete"]
    assert finding.detail == f"{US}: 3 other calls were answered, 0 are in the trail, and crashes may have lost 0"


def test_a_region_that_is_down_at_the_end_is_not_read(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        await some_calls(world)
        world.break_with(RegionCrash(region=US))
        await world.rest(1)

    finding = findings_of(script, tmp_path)["audit_complete"]
    assert finding.passed
    assert finding.checked == 0


def test_denied_calls_that_asked_no_hsm_are_counted(tmp_path: Path) -> None:
    finding = findings_of(some_calls, tmp_path)["denied_never_reaches_hsm"]
    assert finding.passed
    assert finding.checked == 1


def event(kind: str, request: str, result: str = "", t_ns: int = 5) -> Event:
    return Event(t_ns, US, kind, {"op": "Encrypt", "request": request, "result": result})


@pytest.mark.parametrize("denial", ["AccessDeniedException", "ThrottlingException"])
def test_an_hsm_job_before_a_denial_is_found(denial: str) -> None:
    invariant = DeniedNeverReachesHsm()
    invariant.watch(event("hsm_request", "r1"))
    invariant.watch(event("answer", "r1", denial))
    assert invariant.finding.violated_at_ns == 5
    assert invariant.finding.detail == f"Encrypt in {US} was denied after an HSM job"


def test_a_job_of_another_call_or_another_refusal_is_none_of_its_business() -> None:
    invariant = DeniedNeverReachesHsm()
    invariant.watch(event("hsm_request", "r1"))
    invariant.watch(event("answer", "r2", "AccessDeniedException"))
    invariant.watch(event("answer", "r1", "InvalidCiphertextException"))
    invariant.watch(event("answer", "r1", "AccessDeniedException"))
    invariant.watch(event("key_changed", "r1"))
    assert invariant.finding.passed
    assert invariant.finding.checked == 2
