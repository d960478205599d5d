"""Keys that are scheduled for deletion in one Region: the waiting period, its end, and what is left."""

from __future__ import annotations

import sqlite3

import pytest

from regionsim.runtime.clock import NS_PER_DAY
from tests.simulation.one_region import SECOND, START_NS, OneRegion, one_region

DAY_S = 86_400


async def days(kms: OneRegion, count: float) -> None:
    await kms.sleep_seconds(count * DAY_S)


@one_region()
async def test_the_answer_says_when_and_the_key_is_out_of_use(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    answer = await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    assert answer == {
        "KeyId": kms.arn(key_id),
        "KeyState": "PendingDeletion",
        "PendingWindowInDays": 7,
        "DeletionDate": answer["DeletionDate"],
    }
    assert answer["DeletionDate"] == pytest.approx(START_NS / SECOND + 7 * DAY_S, abs=5)
    metadata = (await kms.call("alice", "DescribeKey", KeyId=key_id))["KeyMetadata"]
    assert (metadata["KeyState"], metadata["Enabled"]) == ("PendingDeletion", False)
    assert metadata["DeletionDate"] == answer["DeletionDate"]
    refused = await kms.answer("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    assert refused == f"KMSInvalidStateException: {kms.arn(key_id)} is pending deletion."
    again = await kms.answer("alice", "ScheduleKeyDeletion", KeyId=key_id)
    assert again == f"KMSInvalidStateException: {kms.arn(key_id)} is pending deletion."


@one_region()
async def test_without_a_window_it_is_30_days(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    assert (await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id))["PendingWindowInDays"] == 30
    await days(kms, 29.9)
    assert kms.region.state.key(key_id) is not None
    await days(kms, 0.2)
    assert kms.region.state.key(key_id) is None


@pytest.mark.parametrize("window", [0, 1, 6, 31, 365, 366])
@one_region()
async def test_a_window_is_from_7_to_30_days(kms: OneRegion, window: int) -> None:
    key_id = await kms.create_key()
    refusal = await kms.refusal("alice", "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=window)
    assert refusal.code == "ValidationException"
    assert kms.key(key_id).regional.deletion_at_ns is None


@one_region()
async def test_when_the_window_ends_everything_of_the_key_is_gone(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "CreateAlias", AliasName="alias/doomed", TargetKeyId=key_id)
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    (material_id,) = kms.region.state.material_ids(key_id)
    material = kms.region.state.material(key_id, material_id)
    assert material is not None
    raw = kms.region.fleet.hsms[0]._operational_memory()._unwrap(material).raw
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    await days(kms, 7.01)

    said = await kms.answer("alice", "DescribeKey", KeyId=key_id)
    assert said == f"NotFoundException: Key '{kms.arn(key_id)}' does not exist"
    assert (await kms.answer("alice", "DescribeKey", KeyId="alias/doomed")).startswith("NotFoundException")
    assert (await kms.answer("alice", "Decrypt", CiphertextBlob=blob)).startswith(
        "AccessDeniedException: The ciphertext"
    )
    assert (await kms.answer("alice", "CancelKeyDeletion", KeyId=key_id)).startswith("NotFoundException")
    assert (await kms.call("alice", "ListKeys"))["Keys"] == []
    assert raw not in set(kms.region.fleet.secrets_for_scan()), "no HSM has it at hand"
    with sqlite3.connect(kms.simulation.folder / f"{kms.region.name}.sqlite") as file:
        assert file.execute("SELECT count(*) FROM keys").fetchone() == (0,)
        assert file.execute("SELECT count(*) FROM tokens").fetchone() == (0,)
        assert file.execute("SELECT count(*) FROM tombstones").fetchone() == (0,), "it was of one Region only"
    await kms.call("alice", "CreateAlias", AliasName="alias/doomed", TargetKeyId=await kms.create_key())


@one_region()
async def test_cancelled_it_is_disabled_and_stays(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    await days(kms, 6.9)
    assert await kms.call("alice", "CancelKeyDeletion", KeyId=key_id) == {"KeyId": kms.arn(key_id)}
    metadata = (await kms.call("alice", "DescribeKey", KeyId=key_id))["KeyMetadata"]
    assert metadata["KeyState"] == "Disabled"
    assert not {"DeletionDate", "PendingDeletionWindowInDays"} & metadata.keys()
    await days(kms, 30)
    await kms.call("alice", "EnableKey", KeyId=key_id)
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    again = await kms.answer("alice", "CancelKeyDeletion", KeyId=key_id)
    assert again == f"KMSInvalidStateException: {kms.arn(key_id)} is not pending deletion."


@one_region()
async def test_cancelled_and_scheduled_again_the_new_date_counts(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    await days(kms, 5)
    await kms.call("alice", "CancelKeyDeletion", KeyId=key_id)
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    await days(kms, 6.9)
    assert kms.region.state.key(key_id) is not None
    await days(kms, 0.2)
    assert kms.region.state.key(key_id) is None


@one_region()
async def test_the_end_is_recorded_as_the_service_s_own_doing(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=8)
    (scheduled,) = await kms.records("ScheduleKeyDeletion")
    assert scheduled["requestParameters"] == {"keyId": key_id, "pendingWindowInDays": 8}
    assert scheduled["responseElements"]["keyState"] == "PendingDeletion"
    await days(kms, 8.01)
    (record,) = await kms.records("DeleteKey")
    assert (record["eventType"], record["readOnly"]) == ("AwsServiceEvent", False)
    assert record["resources"][0]["ARN"] == kms.arn(key_id)
    assert record["eventTime"] == "2026-01-09T00:00:00Z"


@one_region()
async def test_hosts_that_were_down_at_the_end_delete_when_they_are_up_again(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    await kms.region.crash()
    await days(kms, 10)
    await kms.region.boot()
    await kms.sleep_seconds(1)
    assert kms.region.state.key(key_id) is None


@one_region()
async def test_a_rotation_due_before_the_end_comes_before_it(kms: OneRegion) -> None:
    """A jump of a year is no reason to lose the order."""
    rotating, doomed = await kms.create_key(), await kms.create_key()
    for key_id in (rotating, doomed):
        await kms.call("alice", "EnableKeyRotation", KeyId=key_id, RotationPeriodInDays=100)
    await days(kms, 90)
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=doomed, PendingWindowInDays=30)
    fired = await kms.simulation.advance(365 * NS_PER_DAY)
    whats = [(item.what, item.subject == doomed) for item in fired if item.what != "domain_key"]
    assert whats == [
        ("rotation", False),
        ("deletion", True),
        ("rotation", False),
        ("rotation", False),
        ("rotation", False),
    ]
    assert [item.due_at_ns for item in fired] == sorted(item.due_at_ns for item in fired)


@one_region()
async def test_the_window_can_be_a_condition_of_the_permission(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    kms.give(
        "bob",
        {
            "Effect": "Allow",
            "Action": "kms:ScheduleKeyDeletion",
            "Resource": "*",
            "Condition": {"NumericGreaterThanEquals": {"kms:ScheduleKeyDeletionPendingWindowInDays": "20"}},
        },
    )
    assert "AccessDenied" in await kms.answer("bob", "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=19)
    assert await kms.answer("bob", "ScheduleKeyDeletion", KeyId=key_id) == "ok", "the default counts: 30"
