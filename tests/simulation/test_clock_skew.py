"""A Region that reads a wrong time: what it writes and what falls due goes by its clock, what it waits for does not."""

from __future__ import annotations

import pytest

from regionsim.faults.kinds import ClockSkew, Throttle
from regionsim.kms.errors import ThrottlingException
from regionsim.runtime.clock import NS_PER_DAY, NS_PER_HOUR
from tests.simulation.many_regions import EU, START_NS, US, play

DAY_S = 86_400


def test_a_region_writes_the_time_that_it_reads_and_others_read_their_own(tmp_path):
    async def script(world):
        world.break_with(ClockSkew(region=US, skew_ns=-NS_PER_HOUR))
        early = (await world.call(US, "CreateKey"))["KeyMetadata"]["KeyId"]
        right = (await world.call(EU, "CreateKey"))["KeyMetadata"]["KeyId"]
        assert world.key(US, early).regional.created_at_ns < START_NS - NS_PER_HOUR + 10**9
        assert START_NS <= world.key(EU, right).regional.created_at_ns < START_NS + 10**9
        assert world.simulation.fault_tally.idle == ()
        world.heal()
        later = (await world.call(US, "CreateKey"))["KeyMetadata"]["KeyId"]
        assert world.key(US, later).regional.created_at_ns >= START_NS

    play(script, tmp_path, regions=(US, EU))


@pytest.mark.parametrize(("skew_ns", "rotations"), [(2 * NS_PER_DAY, 1), (-2 * NS_PER_DAY, 0)])
def test_what_falls_due_does_so_by_the_primary_s_clock(tmp_path, skew_ns, rotations):
    async def script(world):
        key_id = await world.multi_region_key(US, EU)
        await world.call(US, "EnableKeyRotation", KeyId=key_id, RotationPeriodInDays=90)
        await world.rest(89 * DAY_S)
        world.break_with(ClockSkew(region=US, skew_ns=skew_ns))
        await world.rest(1.5 * DAY_S)
        assert world.key(EU, key_id).shared.rotation_count == rotations
        world.heal()
        await world.rest(DAY_S)
        assert world.key(US, key_id).shared.rotation_count == 1
        blob = (await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
        assert (await world.call(EU, "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"

    play(script, tmp_path, regions=(US, EU))


@pytest.mark.parametrize("days", [40, -40, 400])
def test_no_jump_of_the_clock_loses_a_key(tmp_path, days):
    """Domain keys are kept for 30 days, by the same clock as tokens are wrapped anew."""

    async def script(world):
        key_id = await world.multi_region_key(US, EU)
        await world.rest(35 * DAY_S)
        blob = (await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
        for _ in range(2):
            world.break_with(ClockSkew(region=US, skew_ns=days * NS_PER_DAY))
            await world.rest(3 * DAY_S)
            assert (await world.call(US, "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"
            await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
            await world.rest(60)
            world.heal()
            await world.rest(3 * DAY_S)
            assert (await world.call(US, "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"
        new = (await world.call(EU, "Encrypt", KeyId=key_id, Plaintext=b"y"))["CiphertextBlob"]
        assert (await world.call(US, "Decrypt", CiphertextBlob=new))["Plaintext"] == b"y"
        await world.settled()

    play(script, tmp_path, regions=(US, EU))


def test_a_clock_that_is_days_behind_for_months_loses_no_key(tmp_path):
    async def script(world):
        key_id = await world.multi_region_key(US, EU)
        blob = (await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
        world.break_with(ClockSkew(region=US, skew_ns=-5 * NS_PER_DAY))
        for _ in range(5):
            await world.call(US, "CreateKey")
            await world.rest(14 * DAY_S + 3600)
        assert (await world.call(US, "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"
        world.heal()
        await world.rest(1)

    play(script, tmp_path, regions=(US, EU), hsm_profile="host")


def test_quotas_go_by_durations(tmp_path):
    async def script(world):
        world.break_with(Throttle(region=US, factor=1.0), "quotas")
        for _ in range(5):
            await world.call(US, "CreateKey")
        world.break_with(ClockSkew(region=US, skew_ns=NS_PER_DAY), "skew")
        assert isinstance(await world.refused(US, "CreateKey"), ThrottlingException)
        world.heal("skew")
        await world.rest(1)
        await world.call(US, "CreateKey")
        world.heal("quotas")

    play(script, tmp_path, regions=(US, EU), hsm_profile="host")
