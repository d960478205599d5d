"""A disk that fails under a Region: nothing half done, nothing shown that is not stored, and then on as before."""

from __future__ import annotations

import pytest

from regionsim.faults.verdicts import DiskOutcome
from regionsim.kms.errors import KmsError
from regionsim.kms.key import KeyState
from regionsim.runtime import tasks
from tests.simulation.one_region import HOME, OneRegion, one_region

MILLISECOND = 1_000_000
BROKEN = [DiskOutcome.FAIL, DiskOutcome.FULL]


@pytest.mark.parametrize("outcome", BROKEN)
@one_region()
async def test_a_commit_that_fails_is_an_internal_failure_and_nothing_is_visible(
    kms: OneRegion, outcome: DiskOutcome
) -> None:
    key_id = await kms.create_key()
    known = kms.key(key_id)
    kms.break_disk(outcome)
    for operation, parameters in (
        ("DisableKey", {"KeyId": key_id}),
        ("CreateKey", {}),
        ("CreateAlias", {"AliasName": "alias/x", "TargetKeyId": key_id}),
        ("RotateKeyOnDemand", {"KeyId": key_id}),
    ):
        refusal = await kms.refusal("alice", operation, **parameters)
        assert (refusal.code, refusal.http_status, refusal.message) == ("KMSInternalException", 500, "")
    assert kms.key(key_id) == known
    assert [key.key_id for key in kms.region.state.all_keys()] == [key_id]
    assert kms.region.state.material_ids(key_id) == (known.shared.current_material_id,)
    assert kms.region.state.alias(HOME, "alias/x") is None
    kms.mend_disk()
    await kms.call("alice", "DisableKey", KeyId=key_id)
    assert kms.key(key_id).version == known.version + 1
    await kms.reboot()
    assert kms.key(key_id).state is KeyState.DISABLED
    assert len(list(kms.region.state.all_keys())) == 1


@pytest.mark.parametrize("outcome", BROKEN)
@one_region()
async def test_reads_and_cryptography_go_on_and_their_records_come_later(kms: OneRegion, outcome: DiskOutcome) -> None:
    key_id = await kms.create_key()
    kms.break_disk(outcome)
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"
    await tasks.sleep(300 * MILLISECOND)
    assert kms.region.unaudited_count == 2
    assert kms.happened("store_failed")
    kms.mend_disk()
    await tasks.sleep(150 * MILLISECOND)
    assert kms.region.unaudited_count == 0
    names = [entry.event_name for entry in await kms.stored_entries()]
    assert names == ["CreateKey", "Encrypt", "Decrypt"]


@one_region()
async def test_a_failed_change_is_recorded_as_a_refusal_once_the_disk_is_back(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    kms.break_disk()
    await kms.refusal("alice", "DisableKey", KeyId=key_id)
    kms.mend_disk()
    (record,) = await kms.records("DisableKey")
    assert record["errorCode"] == "KMSInternalException"
    assert record["responseElements"] is None


@one_region()
async def test_whoever_waited_for_the_same_key_goes_on(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    kms.break_disk(commits=1)
    first = kms.begin("alice", "DisableKey", KeyId=key_id)
    second = kms.begin("alice", "DisableKey", KeyId=key_id)
    refusal = await first
    assert isinstance(refusal, KmsError)
    assert refusal.code == "KMSInternalException"
    assert await second is None
    assert kms.key(key_id).state is KeyState.DISABLED


@one_region()
async def test_the_caller_is_told_nothing_of_files_and_sql(kms: OneRegion) -> None:
    kms.break_disk()
    refusal = await kms.refusal("alice", "CreateKey")
    assert refusal.__cause__ is None
    assert str(refusal) == "KMSInternalException"


@one_region()
async def test_a_write_torn_by_a_crash_was_never_answered_and_leaves_the_state_before(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    kms.break_disk(DiskOutcome.TORN)
    disabling = kms.begin("alice", "DisableKey", KeyId=key_id)
    await tasks.sleep(1_000)
    await kms.region.crash()
    kms.mend_disk()
    await kms.region.boot()
    assert not disabling.done()
    assert kms.key(key_id).state is KeyState.ENABLED
    assert await kms.region.store.integrity_check() == ()
    assert await kms.answer("alice", "Encrypt", KeyId=key_id, Plaintext=b"x") == "ok"
