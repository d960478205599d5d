"""A Region without a control plane, and one that throttles: what goes on, and what does not."""

from __future__ import annotations

import pytest

from regionsim.faults.kinds import ControlPlaneOutage, Throttle
from regionsim.kms.errors import KMSInternalException, ThrottlingException
from tests.simulation.many_regions import EU, US, play


def test_without_a_control_plane_keys_are_used_rotated_and_replicated_and_not_changed(tmp_path):
    async def script(world):
        key_id = await world.multi_region_key(US, EU)
        await world.call(US, "EnableKeyRotation", KeyId=key_id, RotationPeriodInDays=90)
        world.break_with(ControlPlaneOutage(region=US))
        blob = (await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
        assert (await world.call(EU, "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"
        for operation in ("DescribeKey", "DisableKey", "GetKeyPolicy"):
            assert isinstance(await world.refused(US, operation, KeyId=key_id), KMSInternalException)
            assert operation == "DisableKey" or await world.call(EU, operation, KeyId=key_id)
        assert (await world.refused(US, "CreateKey", Nonsense=1)).code == "KMSInternalException"  # nobody reads it
        assert world.simulation.fault_tally.idle == ()
        await world.rest(91 * 86_400)
        assert world.key(EU, key_id).shared.rotation_count == 1  # what falls due is no call
        world.heal()
        assert (await world.call(US, "DescribeKey", KeyId=key_id))["KeyMetadata"]["KeyState"] == "Enabled"

    play(script, tmp_path, regions=(US, EU))


@pytest.mark.parametrize("operation", ["ReplicateKey", "UpdatePrimaryRegion"])
def test_a_call_that_needs_another_region_s_control_plane_fails_and_changes_nothing(tmp_path, operation):
    async def script(world):
        key_id = await world.multi_region_key(US, *(() if operation == "ReplicateKey" else (EU,)))
        before = world.key(US, key_id)
        parameter = {"ReplicateKey": "ReplicaRegion", "UpdatePrimaryRegion": "PrimaryRegion"}[operation]
        world.break_with(ControlPlaneOutage(region=EU))
        refusal = await world.refused(US, operation, KeyId=key_id, **{parameter: EU})
        assert isinstance(refusal, KMSInternalException)
        assert world.key(US, key_id) == before
        world.heal()
        await world.call(US, operation, KeyId=key_id, **{parameter: EU})
        await world.settled()

    play(script, tmp_path, regions=(US, EU))


def test_a_throttled_region_refuses_what_is_over_its_share_and_no_other_region_does(tmp_path):
    async def script(world):
        world.break_with(Throttle(region=US, factor=0.0))
        refusal = await world.refused(US, "GenerateRandom", NumberOfBytes=1)
        assert isinstance(refusal, ThrottlingException)
        assert refusal.http_status == 400
        await world.call(EU, "GenerateRandom", NumberOfBytes=1)
        assert world.region(US).counts.throttled == 1
        world.heal()
        await world.call(US, "GenerateRandom", NumberOfBytes=1)

    play(script, tmp_path, regions=(US, EU))


def test_two_throttles_are_the_product_of_both(tmp_path):
    async def script(world):
        world.break_with(Throttle(region=US, factor=0.5), "one")
        world.break_with(Throttle(region=US, factor=0.8), "other")
        results = [await world.refused(US, "CreateAlias") for _ in range(4)]
        throttled = [refusal.code for refusal in results].count("ThrottlingException")
        assert throttled == 0  # what is not well-formed is refused before it is counted
        made = 0
        for _ in range(5):
            try:
                await world.call(US, "CreateKey")
            except ThrottlingException:
                continue
            made += 1
        assert made == 2  # of five a second
        assert world.simulation.fault_tally.idle == ()
        world.heal("all")

    play(script, tmp_path, regions=(US, EU), hsm_profile="host")
