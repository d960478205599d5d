"""Invariants about calls: audit and denials. Each fails when its property is broken, and only then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from regionsim.faults.kinds import RegionCrash
from regionsim.invariants.denied_calls import DeniedNeverReachesHsm
from regionsim.kms.hsm_jobs import GenerateRandom
from regionsim.region.audit import AuditTrail
from regionsim.region.audit_entry import AuditEntry
from regionsim.region.wire import unpack_audit
from regionsim.runtime.trace import Event
from tests.simulation.many_regions import US, Play
from tests.unit.invariants.broken_worlds import failed, findings_of

NEVER = "ffffffff-0000-4000-8000-000000000000"


async def newest_entry(world: Play) -> AuditEntry:
    await world.region(US).flush_audit()
    return unpack_audit((await world.region(US).store.read_audit())[-1].body)[-1]


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


@pytest.mark.parametrize("fields", [{"op": "CreateKey", "result": "ok"}, {"op": "Encrypt", "result": "ok"}])
def test_an_answer_without_a_record_is_found(tmp_path: Path, fields: dict[str, str]) -> None:
    async def script(world: Play) -> None:
        await some_calls(world)
        world.simulation.trace.emit(US, "answer", request=NEVER, **fields)

    findings = findings_of(script, tmp_path)
    assert failed(findings) == {"audit_complete"}
    what = "1 of 7 answered calls are not in the trail"
    assert findings["audit_complete"].detail == f"{US}: {what}, the first is request {NEVER}"


def test_a_record_of_a_call_that_nobody_made_is_found(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        await some_calls(world)
        trail = world.region(US)._host.trail
        trail.add(replace(await newest_entry(world), request_id=NEVER))

    finding = findings_of(script, tmp_path)["audit_complete"]
    assert f"1 records are of calls that nobody had an answer to, the first is request {NEVER}" in finding.detail


def test_a_record_in_place_of_another_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many records as answers, yet every second one tells of the call before."""
    kept, entries = AuditTrail.add, list[AuditEntry]()

    def doubles(self: AuditTrail, entry: AuditEntry) -> None:
        entries.append(entry)
        kept(self, entries[(len(entries) - 1) // 2 * 2])

    monkeypatch.setattr(AuditTrail, "add", doubles)
    findings = findings_of(some_calls, tmp_path)
    assert failed(findings) == {"audit_complete"}
    assert "answered calls are not in the trail" in findings["audit_complete"].detail


def test_a_record_that_is_there_twice_is_found(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        await some_calls(world)
        world.region(US)._host.trail.add(await newest_entry(world))

    finding = findings_of(script, tmp_path)["audit_complete"]
    assert "1 calls are in the trail more than once" in finding.detail


def test_a_call_in_flight_at_a_crash_may_have_its_record(tmp_path: Path) -> None:
    """The hosts crash as the store has committed and nobody has heard of it yet."""

    async def script(world: Play) -> None:
        await some_calls(world)
        entry = replace(await newest_entry(world), request_id=NEVER)
        world.simulation.trace.emit(US, "call", op="CreateKey", by="alice", request=NEVER)
        world.region(US)._host.trail.add(entry)
        await world.rest(0.2)
        world.break_with(RegionCrash(region=US))
        await world.rest(1)
        world.heal()
        await world.until(lambda: world.region(US).is_up)

    finding = findings_of(script, tmp_path)["audit_complete"]
    assert finding.passed
    assert finding.checked == 7


def test_more_records_than_are_read_at_once_are_all_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regionsim.invariants.audit_complete._SEGMENTS_AT_ONCE", 2)

    async def script(world: Play) -> None:
        for _ in range(5):
            await world.call(US, "CreateKey")

    finding = findings_of(script, tmp_path)["audit_complete"]
    assert (finding.passed, finding.checked) == (True, 5)


def test_a_trail_that_forgets_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = AuditTrail.add

    def forgets_refusals(self: AuditTrail, entry: AuditEntry) -> None:
        if entry.error_code is None:
            kept(self, entry)

    monkeypatch.setattr(AuditTrail, "add", forgets_refusals)
    finding = findings_of(some_calls, tmp_path)["audit_complete"]
    assert finding.detail.startswith(f"{US}: 2 of 6 answered calls are not in the trail")


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
    assert finding.detail.startswith(f"{US}: 3 of 4 answered calls are not in the trail")


def test_a_region_that_is_down_at_the_end_is_not_read(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        await some_calls(world)
        world.break_with(RegionCrash(region=US))
        await world.rest(1)

    finding = findings_of(script, tmp_path)["audit_complete"]
    assert finding.passed is None
    assert (finding.checked, finding.detail) == (0, f"not read: {US} (down)")


def test_denied_calls_that_asked_no_hsm_are_counted(tmp_path: Path) -> None:
    finding = findings_of(some_calls, tmp_path)["denied_never_reaches_hsm"]
    assert finding.passed
    assert finding.checked == 1


def seen(*happenings: tuple[str, dict[str, str | None]]) -> DeniedNeverReachesHsm:
    """The invariant, after these events in one Region with two HSMs."""
    invariant = DeniedNeverReachesHsm([US], 2)
    for t_ns, (kind, fields) in enumerate(happenings, start=1):
        invariant.watch(Event(t_ns, US, kind, {"op": "Encrypt", "job": "Encrypt", "outcome": "ok", **fields}))
    return invariant


def asks(request: str | None, job: str = "Encrypt") -> tuple[str, dict[str, str | None]]:
    return "hsm_request", {"request": request, "job": job}


def answers(request: str, result: str = "ok") -> tuple[str, dict[str, str | None]]:
    return "answer", {"request": request, "result": result}


def does(outcome: str = "ok", job: str = "Encrypt") -> tuple[str, dict[str, str | None]]:
    return "hsm_job", {"outcome": outcome, "job": job}


DENIED = "AccessDeniedException"
CRASH: tuple[str, dict[str, str | None]] = ("region_crashed", {})


@pytest.mark.parametrize("denial", [DENIED, "ThrottlingException"])
def test_an_hsm_job_before_a_denial_is_found(denial: str) -> None:
    finding = seen(asks("r1"), does(), answers("r1", denial)).finding
    assert finding.violated_at_ns == 3
    assert finding.detail == f"Encrypt in {US} was denied after an HSM job"


def test_a_job_of_another_call_or_another_refusal_is_none_of_its_business() -> None:
    refused = answers("r1", "InvalidCiphertextException")
    finding = seen(asks("r1"), answers("r2", DENIED), refused, answers("r1", DENIED)).finding
    assert finding.passed
    assert finding.checked == 2


def test_a_crash_ends_the_calls_that_had_asked() -> None:
    invariant = seen(asks("r1"), CRASH, answers("r1", DENIED))
    assert invariant.finding.passed
    assert not invariant._asked[US].requests


def test_a_job_that_nobody_asked_for_is_found() -> None:
    finding = seen(asks("r1"), does(), does()).finding
    assert finding.violated_at_ns == 3
    assert finding.detail == f"an HSM of {US} did a Encrypt that no call had asked for"
    assert seen(asks("r1"), does(job="Decrypt")).finding.passed is False


def test_a_job_without_a_call_is_found_unless_it_belongs_to_replication() -> None:
    assert seen(asks(None, "WrapMaterials"), does(job="WrapMaterials")).finding.passed is None
    finding = seen(asks(None)).finding
    assert finding.detail == f"{US} asked its HSMs for Encrypt without a call"


def test_a_job_that_failed_leaves_no_room_for_another() -> None:
    failed_there = ("hsm_failed", {"job": "Encrypt"})
    never_begun = seen(asks("r1"), failed_there)
    assert never_begun.finding.passed is None
    begun = seen(asks("r1"), does("KMSInternalException"), failed_there)
    assert begun.finding.passed is None
    for invariant in (never_begun, begun):
        invariant.watch(Event(9, US, "hsm_job", {"job": "Encrypt", "outcome": "ok"}))
        assert invariant.finding.passed is False


def test_after_a_crash_each_hsm_may_end_the_job_that_it_had_begun() -> None:
    begun = [asks(f"r{number}") for number in range(5)]
    assert seen(*begun, CRASH, does(), does()).finding.passed is None
    assert seen(*begun, CRASH, does(), does(), does()).finding.passed is False


def test_a_job_past_the_place_that_tells_of_it_is_found(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        await some_calls(world)
        await world.region(US).fleet.perform(GenerateRandom(byte_count=32))

    findings = findings_of(script, tmp_path)
    assert failed(findings) == {"denied_never_reaches_hsm"}
    assert "did a GenerateRandom that no call" in findings["denied_never_reaches_hsm"].detail
