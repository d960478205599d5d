"""Rotation by the calendar in one Region: when it happens, when it does not, what callers are told of it."""

from __future__ import annotations

import pytest

from regionsim.kms.key import KeyState
from regionsim.runtime.clock import NS_PER_DAY
from tests.simulation.one_region import SECOND, START_NS, OneRegion, one_region

DAY_S = 86_400


async def days(kms: OneRegion, count: float) -> None:
    await kms.sleep_seconds(count * DAY_S)


async def rotating_key(kms: OneRegion, period: int = 90) -> str:
    key_id = await kms.create_key()
    await kms.call("alice", "EnableKeyRotation", KeyId=key_id, RotationPeriodInDays=period)
    return key_id


def rotations(kms: OneRegion, key_id: str) -> int:
    return kms.key(key_id).shared.rotation_count


@one_region()
async def test_a_new_key_is_not_rotated_by_itself(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    assert await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id) == {
        "KeyId": kms.arn(key_id),
        "KeyRotationEnabled": False,
    }
    await days(kms, 800)
    assert rotations(kms, key_id) == 0


@one_region()
async def test_the_first_rotation_is_one_period_after_it_was_enabled_and_the_next_ones_each_a_period_later(
    kms: OneRegion,
) -> None:
    key_id = await rotating_key(kms, 90)
    status = await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id)
    enabled_at = status["NextRotationDate"] - 90 * DAY_S
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 90)
    assert enabled_at == pytest.approx(START_NS / SECOND, abs=5)

    await days(kms, 89.99)
    assert rotations(kms, key_id) == 0
    for count in (1, 2, 3):
        await days(kms, 0.02 if count == 1 else 90)
        assert rotations(kms, key_id) == count
        status = await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id)
        assert status["NextRotationDate"] == pytest.approx(enabled_at + 90 * DAY_S * (count + 1))


@one_region()
async def test_without_a_period_it_is_a_year_and_called_again_it_begins_anew(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "EnableKeyRotation", KeyId=key_id)
    assert (await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id))["RotationPeriodInDays"] == 365
    await days(kms, 80)
    await kms.call("alice", "EnableKeyRotation", KeyId=key_id, RotationPeriodInDays=100)
    await days(kms, 99)
    assert rotations(kms, key_id) == 0
    await days(kms, 1.1)
    assert rotations(kms, key_id) == 1


@pytest.mark.parametrize(
    ("period", "said"), [(89, "greater than or equal to 90"), (2561, "less than or equal to 2560")]
)
@one_region()
async def test_a_period_is_from_90_to_2560_days(kms: OneRegion, period: int, said: str) -> None:
    key_id = await kms.create_key()
    refusal = await kms.refusal("alice", "EnableKeyRotation", KeyId=key_id, RotationPeriodInDays=period)
    assert (refusal.code, said in refusal.message) == ("ValidationException", True)


@one_region()
async def test_old_material_decrypts_and_new_material_encrypts(kms: OneRegion) -> None:
    key_id = await rotating_key(kms)
    blobs = []
    for _ in range(3):
        blobs.append((await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"])
        await days(kms, 91)
    opened = [await kms.call("alice", "Decrypt", CiphertextBlob=blob) for blob in blobs]
    materials = [answer["KeyMaterialId"] for answer in opened]
    assert [answer["Plaintext"] for answer in opened] == [b"x"] * 3
    assert materials == [known.material_id for known in kms.key(key_id).shared.materials[:3]]
    assert len(set(materials)) == 3


@one_region()
async def test_disabling_rotation_stops_it_and_keeps_the_material(kms: OneRegion) -> None:
    key_id = await rotating_key(kms)
    current = kms.key(key_id).shared.current_material_id
    await days(kms, 89)
    await kms.call("alice", "DisableKeyRotation", KeyId=key_id)
    await days(kms, 400)
    assert kms.key(key_id).shared.current_material_id == current
    assert (await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id))["KeyRotationEnabled"] is False


@one_region()
async def test_a_disabled_key_is_not_rotated_and_catches_up_when_it_is_enabled(kms: OneRegion) -> None:
    key_id = await rotating_key(kms)
    await days(kms, 10)
    await kms.call("alice", "DisableKey", KeyId=key_id)
    for operation in ("EnableKeyRotation", "DisableKeyRotation"):
        assert (
            await kms.answer("alice", operation, KeyId=key_id) == f"DisabledException: {kms.arn(key_id)} is disabled."
        )
    await days(kms, 400)
    status = await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id)
    assert (status["KeyRotationEnabled"], rotations(kms, key_id)) == (True, 0)

    await kms.call("alice", "EnableKey", KeyId=key_id)
    await kms.sleep_seconds(5)

    assert rotations(kms, key_id) == 1, "once, however many dates were missed"
    status = await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id)
    assert status["NextRotationDate"] == pytest.approx(START_NS / SECOND + (10 + 400 + 90) * DAY_S, abs=60)


@one_region()
async def test_a_key_disabled_between_two_dates_keeps_its_calendar(kms: OneRegion) -> None:
    key_id = await rotating_key(kms)
    before = await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id)
    await kms.call("alice", "DisableKey", KeyId=key_id)
    await days(kms, 50)
    await kms.call("alice", "EnableKey", KeyId=key_id)
    assert await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id) == before
    assert rotations(kms, key_id) == 0
    await days(kms, 41)
    assert rotations(kms, key_id) == 1


@one_region()
async def test_a_key_pending_deletion_says_that_it_is_not_rotated_and_has_its_calendar_back_when_that_is_cancelled(
    kms: OneRegion,
) -> None:
    key_id = await rotating_key(kms)
    await days(kms, 80)
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id)
    assert await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id) == {
        "KeyId": kms.arn(key_id),
        "KeyRotationEnabled": False,
    }
    assert await kms.answer("alice", "EnableKeyRotation", KeyId=key_id) == (
        f"KMSInvalidStateException: {kms.arn(key_id)} is pending deletion."
    )
    await days(kms, 20)
    assert rotations(kms, key_id) == 0
    await kms.call("alice", "CancelKeyDeletion", KeyId=key_id)
    assert (await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id))["KeyRotationEnabled"] is True
    await days(kms, 1)
    assert rotations(kms, key_id) == 0, "it is still Disabled"
    await kms.call("alice", "EnableKey", KeyId=key_id)
    await kms.sleep_seconds(5)
    assert rotations(kms, key_id) == 1


@one_region()
async def test_a_rotation_on_demand_moves_no_date_and_does_not_come_shortly_before_one(kms: OneRegion) -> None:
    key_id = await rotating_key(kms)
    date = (await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id))["NextRotationDate"]
    await days(kms, 89)
    await kms.call("alice", "RotateKeyOnDemand", KeyId=key_id)
    assert (await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id))["NextRotationDate"] == date
    await kms.sleep_seconds(DAY_S - 15 * 60)
    refusal = await kms.refusal("alice", "RotateKeyOnDemand", KeyId=key_id)
    assert refusal.code == "ConflictException"
    await kms.sleep_seconds(20 * 60)
    assert rotations(kms, key_id) == 2
    await kms.call("alice", "RotateKeyOnDemand", KeyId=key_id)
    assert rotations(kms, key_id) == 3


@one_region()
async def test_rotations_are_listed_with_date_and_type_page_by_page(kms: OneRegion) -> None:
    key_id = await rotating_key(kms)
    await days(kms, 91)
    await kms.call("alice", "RotateKeyOnDemand", KeyId=key_id)
    first, second, third = kms.key(key_id).shared.materials

    listed = await kms.call("alice", "ListKeyRotations", KeyId=key_id)
    assert [
        (entry["KeyMaterialId"], entry["RotationType"], entry["KeyMaterialState"]) for entry in listed["Rotations"]
    ] == [
        (second.material_id, "AUTOMATIC", "NON_CURRENT"),
        (third.material_id, "ON_DEMAND", "CURRENT"),
    ]
    assert listed["Truncated"] is False
    assert listed["Rotations"][0]["RotationDate"] == pytest.approx(START_NS / SECOND + 90 * DAY_S, abs=10)

    found, marker = [], None
    while True:
        page = await kms.call(
            "alice",
            "ListKeyRotations",
            KeyId=key_id,
            IncludeKeyMaterial="ALL_KEY_MATERIAL",
            Limit=1,
            **({"Marker": marker} if marker else {}),
        )
        found += page["Rotations"]
        marker = page.get("NextMarker")
        if not page["Truncated"]:
            break
    assert [entry["KeyMaterialId"] for entry in found] == [first.material_id, second.material_id, third.material_id]
    assert not {"RotationDate", "RotationType"} & found[0].keys(), "the first material came by no rotation"


@one_region()
async def test_a_rotation_is_recorded_as_the_service_s_own_doing(kms: OneRegion) -> None:
    key_id = await rotating_key(kms)
    await days(kms, 91)
    (record,) = await kms.records("RotateKey")
    first, second = kms.key(key_id).shared.materials
    assert record["eventType"] == "AwsServiceEvent"
    assert record["userIdentity"]["invokedBy"] == "AWS Internal"
    assert record["serviceEventDetails"] == {
        "keyId": key_id,
        "keyOrigin": "AWS_KMS",
        "rotationType": "AUTOMATIC",
        "previousKeyMaterialId": first.material_id,
        "currentKeyMaterialId": second.material_id,
    }


@one_region()
async def test_hosts_that_were_down_on_the_date_rotate_when_they_are_up_again(kms: OneRegion) -> None:
    key_id = await rotating_key(kms)
    await days(kms, 89)
    await kms.region.crash()
    await days(kms, 3)
    await kms.region.boot()
    await kms.sleep_seconds(5)
    assert rotations(kms, key_id) == 1


@one_region()
async def test_without_an_hsm_it_is_tried_until_one_serves(kms: OneRegion) -> None:
    key_id = await rotating_key(kms)
    await days(kms, 89.5)
    for index in range(3):
        kms.region.fleet.go_offline(index)
    await days(kms, 1)
    assert rotations(kms, key_id) == 0
    for index in range(3):
        kms.region.fleet.come_online(index)
    await days(kms, 0.1)
    assert rotations(kms, key_id) == 1


@one_region()
async def test_a_disk_that_fails_puts_a_rotation_off(kms: OneRegion) -> None:
    key_id = await rotating_key(kms)
    await days(kms, 89.5)
    kms.break_disk()
    await days(kms, 0.6)
    assert rotations(kms, key_id) == 0
    kms.mend_disk()
    await days(kms, 0.1)
    assert rotations(kms, key_id) == 1


@one_region(directory=None)
async def test_a_period_can_be_a_condition_of_the_permission(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    kms.give(
        "bob",
        {
            "Effect": "Allow",
            "Action": "kms:EnableKeyRotation",
            "Resource": "*",
            "Condition": {"NumericLessThanEquals": {"kms:RotationPeriodInDays": "180"}},
        },
    )
    assert await kms.answer("bob", "EnableKeyRotation", KeyId=key_id, RotationPeriodInDays=180) == "ok"
    assert "AccessDenied" in await kms.answer("bob", "EnableKeyRotation", KeyId=key_id, RotationPeriodInDays=181)
    assert "AccessDenied" in await kms.answer("bob", "EnableKeyRotation", KeyId=key_id), "the default counts, too"


@one_region()
async def test_many_rotations_of_one_day_are_all_done(kms: OneRegion) -> None:
    keys = [await rotating_key(kms) for _ in range(100)]
    await days(kms, 91)
    assert {rotations(kms, key_id) for key_id in keys} == {1}
    assert kms.key(keys[0]).state is KeyState.ENABLED
    due = [event.t_ns for event in kms.happened("due", what="rotation")]
    assert due == sorted(due)
    assert due[0] // NS_PER_DAY == 90
