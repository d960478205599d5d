"""Disks that fail under whole Regions: nothing acknowledged is lost, refusals say so, and afterwards all goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from regionsim.faults.kinds import RegionCrash
from regionsim.faults.verdicts import DiskRule
from regionsim.invariants.watch import Watch
from regionsim.kms.errors import KMSInternalException
from regionsim.region import audit
from regionsim.runtime.entropy import SeededEntropy
from regionsim.runtime.loop import run_virtual
from regionsim.runtime.tasks import Scope, sleep
from regionsim.runtime.virtual_loop import NS_PER_SECOND
from regionsim.simulation.ground import virtual_ground
from regionsim.simulation.lives import BOOT_AGAIN_AT_MOST_NS
from regionsim.simulation.simulation import Simulation
from regionsim.simulation.world import World
from regionsim.store.connection import open_connections
from regionsim.store.disk import Disk, SimulatedDisk
from tests.simulation.many_regions import ACCOUNT, AP, EU, START_NS, US, Play, directory, play

T = TypeVar("T")

ERROR, FULL = DiskRule(error=1.0), DiskRule(is_full=True)
SLOW = DiskRule(slow_ns=400_000_000)


@dataclass
class Disks:
    """What is wrong with each Region's disk."""

    rules: dict[str, DiskRule] = field(default_factory=dict)

    def rule(self, region: str) -> DiskRule:
        return self.rules.get(region, DiskRule())

    def mend(self) -> None:
        self.rules.clear()


def broken(script: Callable[[Play, Disks], Awaitable[T]], folder: Path, regions: tuple[str, ...] = (US, EU)) -> T:
    """Run `script` in a world whose disks it may break; every invariant holds at the end."""
    disks = Disks()

    async def main(world: Play) -> T:
        return await script(world, disks)

    return play(main, folder, regions=regions, disk_rule=disks.rule)[0]


async def fails(world: Play, region: str, operation: str, **parameters: Any) -> None:
    """The call must be refused as AWS refuses what went wrong on its side."""
    assert isinstance(await world.refused(region, operation, **parameters), KMSInternalException)


@pytest.mark.parametrize("rule", [ERROR, FULL], ids=["error", "full"])
def test_changes_are_refused_while_the_disk_takes_none_and_go_on_afterwards(tmp_path: Path, rule: DiskRule) -> None:
    async def script(world: Play, disks: Disks) -> None:
        key_id = await world.multi_region_key(US, EU)
        disks.rules[US] = rule
        await fails(world, US, "DisableKey", KeyId=key_id)
        await fails(world, US, "CreateKey")
        blob = (await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
        assert (await world.call(EU, "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"
        await world.rest(5)
        assert world.key(US, key_id).state == "Enabled"
        disks.mend()
        await world.call(US, "DisableKey", KeyId=key_id)
        await world.settled()
        assert world.key(US, key_id).state == "Disabled"

    broken(script, tmp_path)


@pytest.mark.parametrize("rule", [ERROR, FULL], ids=["error", "full"])
def test_a_replica_whose_disk_fails_gets_everything_once_it_works(tmp_path: Path, rule: DiskRule) -> None:
    async def script(world: Play, disks: Disks) -> None:
        key_id = await world.multi_region_key(US, EU)
        disks.rules[EU] = rule
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        await world.rest(10)
        assert not world.simulation.is_settled
        disks.mend()
        await world.settled()
        assert world.key(EU, key_id).shared == world.key(US, key_id).shared

    broken(script, tmp_path)


def test_a_disk_that_fails_now_and_then_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    async def script(world: Play, disks: Disks) -> None:
        disks.rules = {US: DiskRule(error=0.3), EU: DiskRule(error=0.3)}
        acknowledged, refusals = [], 0
        for turn in range(60):
            try:
                acknowledged.append((await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"])
                await world.call(US, "ReplicateKey", KeyId=acknowledged[-1], ReplicaRegion=EU)
            except KMSInternalException:
                refusals += 1
            if turn % 20 == 19:
                world.break_with(RegionCrash(region=US))
                await world.rest(1)
                world.heal()
                await world.until(lambda: world.region(US).is_up)
        disks.mend()
        await world.settled()
        assert refusals > 5
        assert len(acknowledged) > 30
        for key_id in acknowledged:
            assert world.key(US, key_id).state == "Enabled"

    broken(script, tmp_path)


def test_a_region_whose_disk_cannot_be_read_boots_when_it_can(tmp_path: Path) -> None:
    async def script(world: Play, disks: Disks) -> None:
        key_id = await world.multi_region_key(US, EU)
        world.break_with(RegionCrash(region=US))
        await world.rest(1)
        disks.rules[US] = ERROR
        world.heal()
        await world.rest(100)
        waits = [event.fields["again_after_ns"] for event in world.happened("boot_failed", US)]
        assert waits == [NS_PER_SECOND // 2 * 2**n for n in range(6)] + [BOOT_AGAIN_AT_MOST_NS] * (len(waits) - 6)
        assert len(waits) > 6
        assert not world.region(US).is_up
        disks.mend()
        await world.until(lambda: world.region(US).is_up, BOOT_AGAIN_AT_MOST_NS / NS_PER_SECOND + 1)
        await world.settled()
        assert (await world.call(US, "DescribeKey", KeyId=key_id))["KeyMetadata"]["KeyState"] == "Enabled"
        assert len(world.happened("region_booted", US)) == 2

    broken(script, tmp_path)


def test_a_crash_ends_the_tries_to_boot_and_its_healing_begins_them_anew(tmp_path: Path) -> None:
    async def script(world: Play, disks: Disks) -> None:
        disks.rules[US] = ERROR
        for _ in range(3):  # faster than a boot fails
            world.break_with(RegionCrash(region=US))
            world.heal()
        world.break_with(RegionCrash(region=US))
        await world.rest(10)
        failed = len(world.happened("boot_failed", US))
        await world.rest(60)
        assert len(world.happened("boot_failed", US)) == failed <= 3
        disks.mend()
        await world.rest(60)
        assert not world.region(US).is_up
        world.heal()
        await world.rest(1)
        assert world.region(US).is_up

    broken(script, tmp_path)


@pytest.mark.parametrize("moment_ns", [1, 100_000, NS_PER_SECOND])
def test_a_world_may_end_while_a_region_cannot_boot(tmp_path: Path, moment_ns: int) -> None:
    async def main() -> None:
        disks = Disks()
        world = await started(tmp_path, disks)
        world.break_with(RegionCrash(region=US))
        await world.rest(1)
        disks.rules[US] = ERROR
        world.heal()
        await sleep(moment_ns)
        await world.watch.conclude()
        await world.simulation.stop()
        assert not open_connections()
        assert not world.region(US).is_up

    run_virtual(main())


async def started(folder: Path, disks: Disks, new_disk: Callable[[str], Disk] | None = None) -> Play:
    ground = virtual_ground(seed=7, start_at_ns=START_NS, folder=folder, disk_rule=disks.rule)
    if new_disk is not None:
        ground = replace(ground, new_disk=new_disk)
    world = World(regions=(US, EU, AP), directory=directory(), start_at_ns=START_NS, has_quotas=False)
    simulation = Simulation(world, ground)
    running = Play(simulation=simulation, watch=Watch(simulation))
    simulation.trace.add_sink(running.events.append)
    await simulation.start()
    return running


@pytest.mark.parametrize("rule", [ERROR, FULL], ids=["error", "full"])
def test_a_disk_that_fails_at_the_very_end_keeps_no_file_open_and_is_told_of(tmp_path: Path, rule: DiskRule) -> None:
    async def main() -> None:
        disks = Disks()
        world = await started(tmp_path, disks)
        key_id = await world.multi_region_key(US, EU, AP)
        await world.rest(1)
        disks.rules[US] = rule
        for region in (US, EU, AP):
            await world.call(region, "DescribeKey", KeyId=key_id)
        await world.simulation.stop()
        assert not open_connections()
        assert not any(region.is_up for region in world.simulation.regions.values())
        (lost,) = world.happened("audit_lost")
        assert (lost.region, lost.fields["entries"]) == (US, 1)

    run_virtual(main())


def test_what_is_on_its_way_to_a_failing_disk_at_the_very_end_is_told_of_too(tmp_path: Path) -> None:
    async def main() -> None:
        disks = Disks()
        world = await started(tmp_path, disks)
        await world.call(US, "ListKeys")
        disks.rules[US] = replace(SLOW, is_full=True)
        await world.rest(0.1)  # the flush is under way, and will fail
        await world.simulation.stop()
        (lost,) = world.happened("audit_lost")
        assert lost.fields["entries"] == 1

    run_virtual(main())


def test_a_bug_at_the_end_of_one_region_leaves_no_other_open(tmp_path: Path) -> None:
    async def main() -> None:
        world = await started(tmp_path, Disks())
        world.region(US)._host.trail.add("no audit entry")  # type: ignore[arg-type]
        with pytest.raises(AttributeError):
            await world.simulation.stop()
        assert not open_connections()
        assert not any(region.is_up for region in world.simulation.regions.values())

    run_virtual(main())


def test_a_start_on_a_disk_that_fails_leaves_nothing_open(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(Exception, match="disk I/O error"):
            await started(tmp_path, Disks({EU: ERROR}))
        assert not open_connections()

    run_virtual(main())


def test_a_slow_disk_delays_and_loses_nothing_but_the_unflushed_window(tmp_path: Path) -> None:
    async def script(world: Play, disks: Disks) -> None:
        key_id = await world.multi_region_key(US, EU)
        disks.rules[US] = SLOW
        await world.call(US, "DisableKey", KeyId=key_id)
        await world.call(US, "CreateAlias", AliasName="alias/slow", TargetKeyId=key_id)
        world.break_with(RegionCrash(region=US))
        await world.rest(1)
        disks.mend()
        world.heal()
        await world.settled()
        assert world.key(US, key_id).state == "Disabled"
        assert world.region(US).state.alias(ACCOUNT, "alias/slow") is not None

    broken(script, tmp_path)


def test_a_stalled_disk_answers_nothing_until_it_goes_on(tmp_path: Path) -> None:
    disks: dict[str, SimulatedDisk] = {}

    async def main() -> None:
        entropy = SeededEntropy(7)

        def new_disk(region: str) -> Disk:
            return disks.setdefault(region, SimulatedDisk(entropy.stream(f"disk/{region}")))

        world = await started(tmp_path, Disks(), new_disk)
        key_id = await world.multi_region_key(US, EU)
        disks[US].stall()
        scope = Scope("test")
        disabling = scope.spawn(world.call(US, "DisableKey", KeyId=key_id), name="disable")
        await world.rest(30)
        assert not disabling.done()
        assert world.key(US, key_id).state == "Enabled"
        assert (await world.call(US, "DescribeKey", KeyId=key_id))["KeyMetadata"]["KeyState"] == "Enabled"
        disks[US].resume()
        await disabling
        assert world.key(US, key_id).state == "Disabled"
        disks[EU].stall()
        await world.call(US, "EnableKey", KeyId=key_id)
        await world.region(EU).crash()
        await world.region(EU).boot()
        await world.settled()
        await world.simulation.stop()
        scope.fence()
        await scope.closed()

    run_virtual(main())


def test_a_write_torn_by_a_crash_was_never_acknowledged(tmp_path: Path) -> None:
    async def script(world: Play, disks: Disks) -> None:
        key_id = await world.multi_region_key(US, EU)
        await world.call(US, "DisableKey", KeyId=key_id)
        disks.rules[US] = replace(SLOW, torn=1.0)
        scope = Scope("test")
        enabling = scope.spawn(world.call(US, "EnableKey", KeyId=key_id), name="enable")
        await world.rest(0.2)
        world.break_with(RegionCrash(region=US))
        await world.rest(1)
        disks.mend()
        world.heal()
        await world.settled()
        assert not enabling.done()
        assert world.key(US, key_id).state == "Disabled"
        assert await world.region(US).store.integrity_check() == ()
        scope.fence()
        await scope.closed()

    broken(script, tmp_path)


def test_a_trail_that_is_full_turns_calls_away_until_it_can_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MAX_WAITING", 50)

    async def script(world: Play, disks: Disks) -> None:
        key_id = await world.multi_region_key(US, EU)
        await world.rest(1)
        disks.rules[US] = FULL
        for _ in range(50):
            await world.call(US, "DescribeKey", KeyId=key_id)
        assert world.region(US).unaudited_count == 50
        for operation in ("DescribeKey", "Encrypt", "DisableKey"):
            await fails(world, US, operation, KeyId=key_id)
        await world.call(EU, "DescribeKey", KeyId=key_id)
        await world.rest(5)
        await fails(world, US, "ListKeys")
        assert world.region(US).unaudited_count == 50, "whether it waits or is on its way"
        assert len(world.happened("turned_away", US)) == 4
        disks.mend()
        await world.rest(60)  # it asks less and less often, at least once a minute
        assert world.region(US).unaudited_count == 0
        await world.call(US, "DescribeKey", KeyId=key_id)

    broken(script, tmp_path)


def test_entries_on_their_way_to_a_slow_disk_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MAX_WAITING", 50)

    async def script(world: Play, disks: Disks) -> None:
        disks.rules[US] = DiskRule(slow_ns=60 * NS_PER_SECOND)
        for _ in range(50):
            await world.call(US, "ListKeys")
            await world.rest(0.02)
        await fails(world, US, "ListKeys")
        disks.mend()
        await world.rest(300)
        await world.call(US, "ListKeys")

    broken(script, tmp_path)


def test_crash_boot_and_crash_again_by_anybody_come_one_after_the_other(tmp_path: Path) -> None:
    async def script(world: Play, disks: Disks) -> None:
        key_id = await world.multi_region_key(US, EU)
        region, scope = world.region(US), Scope("test")
        lives = [scope.spawn(region.live(is_up=is_up), name="live") for is_up in (False, True, False, False, True)]
        lives.append(scope.spawn(region.crash(), name="crash"))  # while it boots
        lives.append(scope.spawn(region.boot(), name="boot"))
        for life in lives:
            await life
        assert region.is_up
        kinds = [event.kind for event in world.events if event.kind in ("region_crashed", "region_booted")]
        assert kinds[-6:] == ["region_crashed", "region_booted"] * 3
        assert world.key(US, key_id).state == "Enabled"
        scope.fence()

    broken(script, tmp_path)


def test_a_boot_that_is_cancelled_leaves_no_file_open(tmp_path: Path) -> None:
    async def script(world: Play, disks: Disks) -> None:
        region = world.region(US)
        for moment_ns in range(1, 400_000, 40_000):
            await region.crash()
            before = open_connections()
            scope = Scope("test")
            scope.spawn(region.boot(), name="boot")
            await world.rest(moment_ns / NS_PER_SECOND)
            scope.fence()
            await scope.closed()
            if not region.is_up:
                assert open_connections() == before
                await region.boot()

    broken(script, tmp_path)
