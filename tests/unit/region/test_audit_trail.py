"""The audit trail: what is answered is committed within 100 ms, what a failing disk refuses waits and is tried again."""

from __future__ import annotations

import pytest

from regionsim.kms.hsm_jobs import MaterialRef
from regionsim.kms.writes import PutToken
from regionsim.region.audit import FLUSH_AFTER_NS, FLUSH_AT_LEAST_NS, TRIES_IN_A_ROW, segments
from regionsim.region.audit_entry import AuditEntry
from regionsim.region.wire import unpack_audit
from regionsim.runtime.tasks import now_ns, sleep
from regionsim.store.errors import StoreError
from tests.simulation.one_region import HERE, HOME, SECOND, OneRegion, one_region

MS = 1_000_000
WITHIN = 100 * MS


def entry(name: str, instant_ns: int = 0) -> AuditEntry:
    return AuditEntry(event_name=name, instant_ns=instant_ns, region=HERE, request_id="r", recipients=(HOME,))


def test_no_entries_are_no_segment() -> None:
    assert segments(()) == ()


def test_a_segment_tells_its_first_and_last_instant() -> None:
    (segment,) = segments((entry("a", 5), entry("b", 9)))
    assert (segment.first_ns, segment.last_ns, segment.record_count) == (5, 9, 2)
    assert [found.event_name for found in unpack_audit(segment.body)] == ["a", "b"]


@one_region()
async def test_a_read_is_answered_first_and_recorded_within_100_ms(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await sleep(WITHIN)
    before = len(await kms.stored_entries())
    await kms.call("alice", "DescribeKey", KeyId=key_id)
    assert kms.region.unaudited_count == 1
    assert len(await kms.stored_entries()) == before

    await sleep(WITHIN)

    assert kms.region.unaudited_count == 0
    assert [found.event_name for found in await kms.stored_entries()][before:] == ["DescribeKey"]


@one_region()
async def test_entries_of_one_window_share_a_transaction(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await sleep(WITHIN)
    for _ in range(20):
        await kms.call("alice", "DescribeKey", KeyId=key_id)
    began = len(kms.happened("store.commit"))
    await sleep(WITHIN)
    assert len(kms.happened("store.commit")) == began + 1
    assert len([found for found in await kms.stored_entries() if found.event_name == "DescribeKey"]) == 20


@one_region()
async def test_a_change_is_recorded_in_its_own_transaction(kms: OneRegion) -> None:
    await kms.create_key()
    assert [found.event_name for found in await kms.stored_entries()] == ["CreateKey"]
    assert kms.region.unaudited_count == 0


@one_region()
async def test_what_a_failing_disk_refuses_is_tried_again_until_it_is_there_once(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    kms.break_disk()
    await kms.call("alice", "DescribeKey", KeyId=key_id)
    await sleep(10 * FLUSH_AFTER_NS)
    assert len(kms.happened("store_failed")) >= 5
    assert kms.region.unaudited_count == 1
    kms.mend_disk()
    await kms.call("alice", "ListKeys")
    await sleep(WITHIN)
    assert [found.event_name for found in await kms.stored_entries()] == ["CreateKey", "DescribeKey", "ListKeys"]


@one_region()
async def test_a_flush_that_was_asked_for_and_failed_is_tried_again_too(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "DescribeKey", KeyId=key_id)
    kms.break_disk()
    # The commit is under way when the timer of the flush fires: nothing is left for that one to do.
    await sleep(FLUSH_AFTER_NS - 100_000)
    with pytest.raises(StoreError):
        await kms.region.flush_audit()
    kms.mend_disk()
    await sleep(WITHIN)
    assert [found.event_name for found in await kms.stored_entries()] == ["CreateKey", "DescribeKey"]


@one_region()
async def test_a_crash_loses_only_what_was_answered_within_the_window(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "DescribeKey", KeyId=key_id)
    await sleep(WITHIN)
    await kms.call("alice", "ListKeys")
    await kms.reboot()
    assert [found.event_name for found in await kms.stored_entries()] == ["CreateKey", "DescribeKey"]


@one_region()
async def test_a_good_end_loses_nothing(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "DescribeKey", KeyId=key_id)
    await kms.region.shut_down()
    await kms.region.boot()
    assert [found.event_name for found in await kms.stored_entries()] == ["CreateKey", "DescribeKey"]


@one_region()
async def test_a_refusal_is_recorded_with_its_error(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.refusal("bob", "DescribeKey", KeyId=key_id)
    (record,) = await kms.records("DescribeKey")
    assert record["errorCode"] == "AccessDenied"
    assert record["userIdentity"]["userName"] == "bob"
    assert record["resources"][0]["ARN"] == kms.arn(key_id)


@one_region()
async def test_a_call_that_is_no_operation_is_refused_and_not_recorded(kms: OneRegion) -> None:
    await kms.refusal("alice", "MakeTea")
    assert await kms.entries() == []
    assert kms.region.counts.refused == 1


@one_region()
async def test_a_token_wrapped_anew_in_use_is_kept(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    (material_id,) = kms.region.state.material_ids(key_id)
    old = kms.region.state.material(key_id, material_id)
    kms.region.fleet.rotate_domain_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    kms.break_disk()
    await sleep(2 * WITHIN)
    kms.mend_disk()
    await sleep(WITHIN)
    new = kms.region.state.material(key_id, material_id)
    assert new is not None
    assert new != old
    await kms.reboot()
    assert kms.region.state.material(key_id, material_id) == new
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"


@one_region()
async def test_of_two_tokens_for_one_material_the_newer_is_kept_also_after_a_failure(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    (material_id,) = kms.region.state.material_ids(key_id)
    trail = kms.region._host.trail

    def token(text: bytes) -> PutToken:
        return PutToken(material=MaterialRef(key_id=key_id, material_id=material_id, token=text))

    kms.break_disk()
    trail.add_token(token(b"older"))
    await sleep(FLUSH_AFTER_NS + 10)
    trail.add_token(token(b"newer"))  # while the older is on its way to a disk that refuses it
    await sleep(WITHIN)
    kms.mend_disk()
    began_ns = now_ns()
    await trail.flush()
    assert now_ns() - began_ns < MS
    await kms.reboot()
    kept = kms.region.state.material(key_id, material_id)
    assert kept is not None
    assert kept.token == b"newer"


@one_region()
async def test_a_disk_that_takes_nothing_for_long_is_asked_seldom_and_with_little(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    kms.break_disk()
    for _ in range(5):
        await kms.call("alice", "DescribeKey", KeyId=key_id)
    await sleep(100 * SECOND)
    assert TRIES_IN_A_ROW < len(kms.happened("store_failed")) < TRIES_IN_A_ROW + 10
    assert kms.region.unaudited_count == 5
    kms.mend_disk()
    await sleep(FLUSH_AT_LEAST_NS + WITHIN)
    assert [found.event_name for found in await kms.stored_entries()] == ["CreateKey", *["DescribeKey"] * 5]
    await kms.call("alice", "ListKeys")
    await sleep(WITHIN)
    assert len(await kms.stored_entries()) == 7
