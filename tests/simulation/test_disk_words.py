"""The faults of disks by their words: slow, failing, full, torn; in virtual time and in real time."""

from __future__ import annotations

import pytest

from regionsim.faults.kinds import DiskErrors, DiskFull, DiskSlow, DiskTornWrite, RegionCrash
from regionsim.kms.errors import KMSInternalException
from regionsim.runtime.tasks import now_ns
from tests.simulation.many_regions import EU, US, play

MS = 1_000_000


def test_a_slow_disk_holds_up_changes_and_no_cryptography(tmp_path):
    async def script(world):
        key_id = (await world.call(US, "CreateKey"))["KeyMetadata"]["KeyId"]
        world.break_with(DiskSlow(region=US, latency_ns=500 * MS))
        began_ns = now_ns()
        await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x")
        assert now_ns() - began_ns < 50 * MS
        await world.call(US, "DisableKey", KeyId=key_id)
        assert 500 * MS < now_ns() - began_ns < 1_600 * MS  # the audit batch may be before it
        await world.call(EU, "CreateKey")
        world.heal()
        await world.rest(2)
        began_ns = now_ns()
        await world.call(US, "EnableKey", KeyId=key_id)
        assert now_ns() - began_ns < 50 * MS

    play(script, tmp_path, regions=(US, EU))


@pytest.mark.parametrize("fault", [DiskFull(region=US), DiskErrors(region=US, probability=1.0)])
def test_a_disk_that_takes_nothing_refuses_changes_until_it_does(tmp_path, fault):
    async def script(world):
        key_id = (await world.call(US, "CreateKey"))["KeyMetadata"]["KeyId"]
        world.break_with(fault)
        refusal = await world.refused(US, "DisableKey", KeyId=key_id)
        assert isinstance(refusal, KMSInternalException)
        assert world.key(US, key_id).state == "Enabled"
        assert (await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
        await world.rest(1)
        world.heal()
        await world.call(US, "DisableKey", KeyId=key_id)
        assert world.simulation.fault_tally.idle == ()

    play(script, tmp_path, regions=(US, EU))


def test_a_disk_that_fails_now_and_then(tmp_path):
    async def script(world):
        world.break_with(DiskErrors(region=US, probability=0.5))
        made = 0
        for _ in range(40):
            try:
                await world.call(US, "CreateKey")
            except KMSInternalException:
                continue
            made += 1
        assert 5 < made < 35
        world.heal()

    play(script, tmp_path, regions=(US, EU))


def test_a_torn_write_loses_nothing_that_was_answered(tmp_path):
    async def script(world):
        world.break_with(DiskTornWrite(region=US), "torn")
        keys = [(await world.call(US, "CreateKey"))["KeyMetadata"]["KeyId"] for _ in range(5)]
        world.break_with(RegionCrash(region=US), "crash")
        await world.rest(1)
        world.heal("crash")
        await world.settled()
        assert [world.key(US, key_id).key_id for key_id in keys] == keys
        world.heal("torn")
        assert world.simulation.fault_tally.idle == ()

    play(script, tmp_path, regions=(US, EU))


def test_a_disk_that_nobody_uses_meets_no_fault(tmp_path):
    async def script(world):
        await world.rest(1)  # what the boot has to write is written
        world.break_with(DiskFull(region=EU))
        await world.call(US, "CreateKey")
        assert world.simulation.fault_tally.idle == ("fault",)
        world.heal()

    play(script, tmp_path, regions=(US, EU))


def test_a_crash_with_a_full_disk_loses_the_records_that_waited_for_it_and_no_change(tmp_path):
    async def script(world):
        key_id = (await world.call(US, "CreateKey"))["KeyMetadata"]["KeyId"]
        await world.call(US, "DescribeKey", KeyId=key_id)
        await world.rest(1)
        world.break_with(DiskFull(region=US), "full")
        for _ in range(5):
            await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x")
            await world.refused(US, "DisableKey", KeyId=key_id)
            await world.rest(10)
        world.break_with(RegionCrash(region=US), "crash")
        await world.rest(1)
        world.heal("all")
        await world.settled()
        assert world.key(US, key_id).state == "Enabled"
        (crash,) = world.happened("region_crashed", US)
        assert crash.fields["unaudited"] == 10

    play(script, tmp_path, regions=(US, EU))
