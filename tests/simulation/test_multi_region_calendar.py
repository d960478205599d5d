"""Multi-Region keys by the calendar: rotations in order, replicas that are deleted, replicas that are lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from regionsim.faults.kinds import LinkCut, RegionCrash, RegionOutage
from regionsim.kms.errors import KmsError
from regionsim.kms.key import KeyState
from tests.simulation.many_regions import AP, EU, US, Play, play

DAY_S = 86_400


async def days(world: Play, count: float) -> None:
    await world.rest(count * DAY_S)


async def rotating(world: Play, primary: str, *replicas: str) -> str:
    key_id = await world.multi_region_key(primary, *replicas)
    await world.call(primary, "EnableKeyRotation", KeyId=key_id, RotationPeriodInDays=90)
    await world.settled()
    return key_id


def rotations(world: Play, key_id: str, *regions: str) -> list[int]:
    return [world.key(region, key_id).shared.rotation_count for region in regions]


def test_the_setting_is_shared_and_only_the_primary_takes_it(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await rotating(world, US, EU)
        status = [await world.call(region, "GetKeyRotationStatus", KeyId=key_id) for region in (US, EU)]
        assert status[0]["NextRotationDate"] == status[1]["NextRotationDate"]
        for operation in ("EnableKeyRotation", "DisableKeyRotation"):
            refusal = await world.refused(EU, operation, KeyId=key_id)
            arn = f"arn:aws:kms:{EU}:111122223333:key/{key_id}"
            assert str(refusal) == f"UnsupportedOperationException: {arn} is not a multi-region primary key."

    play(script, tmp_path)


def test_every_region_has_the_material_before_any_uses_it(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await rotating(world, US, EU, AP)
        await days(world, 90.01)
        assert rotations(world, key_id, US, EU, AP) == [1, 1, 1]
        installed = [event.t_ns for event in world.happened("rotation_installed")]
        assert len(installed) == 2
        assert max(installed) < world.happened("rotation_completed", US)[0].t_ns
        blob = (await world.call(AP, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
        opened = await world.call(EU, "Decrypt", CiphertextBlob=blob)
        assert opened["KeyMaterialId"] == world.key(US, key_id).shared.current_material_id

    play(script, tmp_path)


def test_the_new_primary_keeps_the_calendar_after_a_move(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await rotating(world, US, EU)
        await days(world, 50)
        await world.call(US, "UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion=EU)
        await world.settled()
        await days(world, 41)
        assert rotations(world, key_id, US, EU) == [1, 1]
        assert [event.region for event in world.happened("rotation_started")] == [EU]

    play(script, tmp_path)


def test_a_rotation_that_falls_due_while_one_is_open_comes_after_it(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await rotating(world, US, EU)
        await days(world, 89.9)
        world.break_with(LinkCut(between=(US, EU)))
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        await days(world, 0.5)
        status = await world.call(US, "GetKeyRotationStatus", KeyId=key_id)
        assert "OnDemandRotationStartDate" in status
        assert rotations(world, key_id, US, EU) == [0, 0]
        world.heal()
        await world.settled()
        await days(world, 0.1)
        assert rotations(world, key_id, US, EU) == [2, 2]
        assert "OnDemandRotationStartDate" not in await world.call(US, "GetKeyRotationStatus", KeyId=key_id)

    play(script, tmp_path)


@pytest.mark.parametrize("fault", [RegionOutage(region=AP), RegionCrash(region=AP), LinkCut(between=(US, AP))])
def test_a_replica_out_of_reach_for_a_day_is_lost_and_the_rotation_goes_on(tmp_path: Path, fault: object) -> None:
    async def script(world: Play) -> None:
        key_id = await rotating(world, US, EU, AP)
        await days(world, 89.5)
        world.break_with(fault)
        await days(world, 1.4)
        assert rotations(world, key_id, US, EU) == [0, 0], "not yet: 24 hours from when it was begun"
        await days(world, 0.2)
        assert rotations(world, key_id, US, EU) == [1, 1]
        (lost,) = world.happened("replica_lost")
        assert (lost.region, lost.fields["key"]) == (US, key_id)
        assert world.key(US, key_id).shared.replica(AP).is_lost

        world.heal()
        await world.settled()

        assert rotations(world, key_id, US, EU, AP) == [1, 1, 1]
        assert not world.key(US, key_id).shared.replica(AP).is_lost
        assert len(world.happened("replica_caught_up", US)) == 1
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        await world.settled()
        assert rotations(world, key_id, US, EU, AP) == [2, 2, 2]

    play(script, tmp_path)


def test_a_primary_that_was_down_gives_replicas_time_to_answer_before_it_gives_them_up(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await rotating(world, US, EU)
        await days(world, 89.9)
        world.break_with(LinkCut(between=(US, EU)), "cut")
        await days(world, 0.2)
        world.break_with(RegionCrash(region=US), "crash")
        world.heal("cut")
        await days(world, 5)
        world.heal("crash")
        await world.settled()
        await days(world, 0.2)
        assert rotations(world, key_id, US, EU) == [1, 1]
        assert not world.happened("replica_lost")

    play(script, tmp_path)


def test_a_lost_replica_serves_no_ciphertext_of_material_that_it_has_not_caught_up_on(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await rotating(world, US, EU)
        old = (await world.call(EU, "Encrypt", KeyId=key_id, Plaintext=b"old"))["CiphertextBlob"]
        await days(world, 89.9)
        world.break_with(LinkCut(between=(US, EU)))
        await days(world, 2)
        new = (await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"new"))["CiphertextBlob"]
        assert (await world.call(EU, "Decrypt", CiphertextBlob=old))["Plaintext"] == b"old"
        for index in range(3):
            world.region(US).fleet.go_offline(index)
        world.heal()
        await world.rest(10)
        assert world.region(EU).state.missing_material_ids(world.key(EU, key_id)), "EU knows what it lacks"
        refusals = [
            await world.refused(EU, "Decrypt", CiphertextBlob=new),
            await world.refused(EU, "Encrypt", KeyId=key_id, Plaintext=b"x"),
        ]
        assert {refusal.code for refusal in refusals} == {"KeyUnavailableException"}
        assert (await world.call(EU, "Decrypt", CiphertextBlob=old))["Plaintext"] == b"old"
        assert (await world.refused(US, "UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion=EU)).code == (
            "KMSInvalidStateException"
        )
        for index in range(3):
            world.region(US).fleet.come_online(index)
        await world.settled()
        assert (await world.call(EU, "Decrypt", CiphertextBlob=new))["Plaintext"] == b"new"

    play(script, tmp_path)


def test_an_operator_can_say_that_a_region_is_lost(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        keys = [await rotating(world, US, EU, AP) for _ in range(2)]
        single = (await world.call(US, "CreateKey"))["KeyMetadata"]["KeyId"]
        world.break_with(RegionOutage(region=AP))
        await world.call(US, "RotateKeyOnDemand", KeyId=keys[0])
        await world.rest(60)
        assert rotations(world, keys[0], US, EU) == [0, 0]
        await world.region(US).declare_lost(AP)
        await world.rest(5)
        assert rotations(world, keys[0], US, EU) == [1, 1]
        await world.call(US, "RotateKeyOnDemand", KeyId=keys[1])
        await world.rest(5)
        assert rotations(world, keys[1], US, EU) == [1, 1], "nor do later ones wait"
        assert world.key(US, single).shared.shared_version == 1
        world.heal()
        await world.settled()
        assert rotations(world, keys[1], US, EU, AP) == [1, 1, 1]

    play(script, tmp_path)


def test_a_replica_is_deleted_alone_and_can_be_made_again(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU, AP)
        blob = (await world.call(EU, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
        answer = await world.call(EU, "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
        assert answer["KeyState"] == "PendingDeletion"
        refusal = await world.refused(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        assert refusal.code == "AlreadyExistsException", "a related key that is pending deletion is in the way"
        await days(world, 7.01)
        await world.settled()
        assert world.region(EU).state.key(key_id) is None
        assert world.key(US, key_id).shared.replica_regions == (AP,)
        assert world.key(AP, key_id).shared.replica_regions == (AP,)
        assert (await world.call(AP, "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"

        await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        await world.settled()
        assert (await world.call(EU, "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"
        assert world.key(US, key_id).shared.replica_regions == (AP, EU)

    play(script, tmp_path)


def test_a_primary_waits_for_its_replicas_end_and_then_for_its_own(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU, AP)
        answer = await world.call(US, "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
        arn = f"arn:aws:kms:{US}:111122223333:key/{key_id}"
        assert answer == {"KeyId": arn, "KeyState": "PendingReplicaDeletion", "PendingWindowInDays": 7}
        metadata = (await world.call(US, "DescribeKey", KeyId=key_id))["KeyMetadata"]
        assert metadata["PendingDeletionWindowInDays"] == 7
        assert "DeletionDate" not in metadata
        refusal = await world.refused(US, "Encrypt", KeyId=key_id, Plaintext=b"x")
        assert str(refusal) == f"KMSInvalidStateException: {arn} is pending replica deletion."
        assert (
            await world.refused(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=AP)
        ).code == "KMSInvalidStateException"
        assert await world.call(EU, "Encrypt", KeyId=key_id, Plaintext=b"x"), "replicas are in use"

        await days(world, 100)
        assert world.key(US, key_id).state is KeyState.PENDING_REPLICA_DELETION, "it may last for ever"
        for region in (EU, AP):
            await world.call(region, "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
        await days(world, 7.01)
        await world.settled()
        metadata = (await world.call(US, "DescribeKey", KeyId=key_id))["KeyMetadata"]
        assert metadata["KeyState"] == "PendingDeletion"
        assert "DeletionDate" in metadata
        await days(world, 6.9)
        assert world.key(US, key_id).state is KeyState.PENDING_DELETION
        await days(world, 0.2)
        assert all(world.region(region).state.key(key_id) is None for region in (US, EU, AP))

    play(script, tmp_path)


@pytest.mark.parametrize("when", ["waiting for replicas", "waiting itself"])
def test_the_deletion_of_a_primary_can_be_cancelled_at_any_time(tmp_path: Path, when: str) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        await world.call(US, "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
        if when == "waiting itself":
            await world.call(EU, "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
            await days(world, 10)
            assert world.key(US, key_id).state is KeyState.PENDING_DELETION
        await world.call(US, "CancelKeyDeletion", KeyId=key_id)
        assert world.key(US, key_id).state is KeyState.DISABLED
        await days(world, 60)
        await world.call(US, "EnableKey", KeyId=key_id)
        await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x")

    play(script, tmp_path)


def test_a_replica_deleted_behind_a_cut_link_is_gone_from_the_set_once_that_is_mended(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await rotating(world, US, EU, AP)
        await world.call(EU, "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
        world.break_with(LinkCut(between=(US, EU)))
        await days(world, 8)
        assert world.region(EU).state.key(key_id) is None
        assert world.key(US, key_id).shared.replica_regions == (EU, AP), "nobody has told it"
        world.heal()
        await world.settled()
        assert world.key(US, key_id).shared.replica_regions == (AP,)
        await days(world, 90)
        assert rotations(world, key_id, US, AP) == [1, 1]

    play(script, tmp_path)


def test_a_rotation_waits_no_longer_for_a_replica_that_is_deleted(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU, AP)
        await world.call(EU, "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
        await days(world, 6.97)
        for index in range(3):
            world.region(EU).fleet.go_offline(index)
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        await days(world, 0.02)
        assert rotations(world, key_id, US, AP) == [0, 0]
        await days(world, 0.02)
        assert rotations(world, key_id, US, AP) == [1, 1]
        for index in range(3):
            world.region(EU).fleet.come_online(index)

    play(script, tmp_path)


def test_crashes_around_a_deletion_lose_nothing_of_it(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU, AP)
        await world.call(EU, "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
        world.break_with(RegionCrash(region=US), "primary")
        await days(world, 7.01)
        assert world.region(EU).state.key(key_id) is None
        world.break_with(RegionCrash(region=EU), "replica")
        await world.rest(10)
        world.heal("primary")
        world.heal("replica")
        await world.settled()
        assert world.key(US, key_id).shared.replica_regions == (AP,)
        assert world.region(EU).state.tombstone(key_id) is not None

    play(script, tmp_path)


def test_nothing_but_the_calendar_makes_the_difference_to_a_caller(tmp_path: Path) -> None:
    """Calls go on through a rotation: there is no instant at which one is refused."""

    async def script(world: Play) -> None:
        key_id = await rotating(world, US, EU)
        blob = (await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
        await world.rest(90 * DAY_S - 5)
        refused: list[KmsError] = []
        for _ in range(200):
            for region in (US, EU):
                try:
                    fresh = (await world.call(region, "Encrypt", KeyId=key_id, Plaintext=b"y"))["CiphertextBlob"]
                    await world.call(EU, "Decrypt", CiphertextBlob=fresh)
                    await world.call(US, "Decrypt", CiphertextBlob=blob)
                except KmsError as refusal:
                    refused.append(refusal)
        await world.settled()
        assert rotations(world, key_id, US, EU) == [1, 1]
        assert refused == []

    play(script, tmp_path)
