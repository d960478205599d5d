"""One life of a Region's hosts: nothing is visible, sent or answered before it is committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from regionsim.faults.verdicts import DiskOutcome
from regionsim.kms.errors import KMSInternalException
from regionsim.kms.key import KeyState
from regionsim.kms.writes import PutKey, ServiceEvent
from regionsim.runtime.tasks import sleep
from regionsim.store.errors import StoreError
from tests.simulation.many_regions import EU, US, Play, play
from tests.simulation.one_region import HERE, HOME, SECOND, OneRegion, one_region


@one_region()
async def test_a_commit_that_fails_shows_nothing_and_answers_a_refusal(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    kms.break_disk()
    for operation, parameters in (
        ("CreateKey", {}),
        ("CreateAlias", {"AliasName": "alias/a", "TargetKeyId": key_id}),
        ("DisableKey", {"KeyId": key_id}),
        ("RotateKeyOnDemand", {"KeyId": key_id}),
    ):
        refusal = await kms.refusal("alice", operation, **parameters)
        assert isinstance(refusal, KMSInternalException), operation
        assert "disk" not in refusal.message
    assert len(list(kms.region.state.all_keys())) == 1
    assert kms.region.state.alias(HOME, "alias/a") is None
    assert kms.key(key_id).state is KeyState.ENABLED
    assert kms.key(key_id).version == 1
    assert len(kms.happened("key_changed")) == 1
    kms.mend_disk()
    await kms.reboot()
    assert [key.key_id for key in kms.region.state.all_keys()] == [key_id]
    assert kms.key(key_id).version == 1


@pytest.mark.parametrize("outcome", [DiskOutcome.FAIL, DiskOutcome.FULL])
def test_a_full_disk_is_a_refusal_and_its_trace_names_the_failure(tmp_path: Path, outcome: DiskOutcome) -> None:
    @one_region()
    async def test(kms: OneRegion) -> None:
        kms.break_disk(outcome)
        await kms.refusal("alice", "CreateKey")
        assert [event.fields["error"] for event in kms.happened("store_failed")] == ["StoreUnavailable"]

    test(tmp_path)


@one_region()
async def test_what_is_not_committed_yet_is_neither_visible_nor_answered(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    replied = kms.begin("alice", "DisableKey", KeyId=key_id)
    while not replied.done():
        is_visible = kms.key(key_id).state is KeyState.DISABLED
        assert is_visible == bool(kms.happened("key_changed", state="Disabled"))
        assert not is_visible or kms.happened("store.commit")[1:]
        await sleep(1_000)
    assert kms.key(key_id).state is KeyState.DISABLED
    await kms.reboot()
    assert kms.key(key_id).state is KeyState.DISABLED


def test_a_crash_before_the_commit_leaves_neither_change_nor_message(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        region = world.region(US)
        sent = region.counts.replication.frames_sent
        host = region._host
        key = world.key(US, key_id)
        committing = host.scope.spawn(
            host.commit(writes=(PutKey(key=key.with_regional(description="lost")),)), name="c"
        )
        await region.crash()
        assert committing.cancelled()
        await region.boot()
        await world.settled()
        assert region.counts.replication.frames_sent == sent
        # The crash came after the transaction was handed over: it may be there, whole, and then as that one version.
        found = world.key(US, key_id)
        assert (found.version, found.regional.description) in ((key.version, ""), (key.version + 1, "lost"))

    play(script, tmp_path)


@one_region()
async def test_a_version_that_skips_is_a_bug_that_stops_the_run(kms: OneRegion) -> None:
    key = kms.key(await kms.create_key())
    skipped = key.with_regional(description="a").with_regional(description="b")
    with pytest.raises(AssertionError):
        await kms.region._host.commit(writes=(PutKey(key=skipped),))
    assert kms.key(key.key_id) == key


@one_region()
async def test_a_closed_store_is_a_store_error(kms: OneRegion) -> None:
    key = kms.key(await kms.create_key())
    host = kms.region._host
    await host.store.close()
    with pytest.raises(StoreError):
        await host.commit(writes=(PutKey(key=key.with_regional(description="late")),))
    assert kms.key(key.key_id) == key
    await kms.region.crash()
    await kms.region.boot()


@one_region()
async def test_what_kms_does_by_itself_is_recorded_as_its_own_event(kms: OneRegion) -> None:
    key = kms.key(await kms.create_key())
    event = ServiceEvent(name="RotateKey", key_arn=key.arn, account=HOME, details={"keyId": key.key_id})
    await kms.region._host.commit(events=(event,))
    (record,) = await kms.records("RotateKey")
    assert record["eventType"] == "AwsServiceEvent"
    assert record["userIdentity"] == {"accountId": HOME, "invokedBy": "AWS Internal"}
    assert record["serviceEventDetails"] == {"keyId": key.key_id}
    assert record["awsRegion"] == HERE
    assert "requestID" not in record


@one_region()
async def test_two_incarnations_never_serve_at_once(kms: OneRegion) -> None:
    with pytest.raises(AssertionError, match="up already"):
        await kms.region.boot()
    await kms.region.crash()
    assert repr(kms.region) == f"<Region {HERE} down>"
    assert kms.region.unfinished_count == 0
    assert kms.region.unaudited_count == 0
    with pytest.raises(AssertionError, match="is down"):
        _ = kms.region.state
    with pytest.raises(AssertionError, match="is down"):
        await kms.call("alice", "ListKeys")
    await kms.region.boot()
    assert repr(kms.region) == f"<Region {HERE} up>"


@one_region()
async def test_a_caller_whose_region_crashes_hears_nothing(kms: OneRegion) -> None:
    replied = kms.begin("alice", "CreateKey")
    await sleep(1_000_000)
    await kms.reboot()
    await sleep(10 * SECOND)
    assert not replied.done()
    assert not kms.happened("answer")
