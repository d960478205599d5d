"""A simulation: faults switched on and off, crashes faster than boots, what callers and pictures see of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from regionsim.faults.kinds import LinkCut, OutageMode, RegionCrash, RegionOutage
from regionsim.faults.mistakes import FaultError
from regionsim.invariants.watch import Watch
from regionsim.kms.errors import KmsError
from regionsim.kms.plan import Call
from regionsim.names.mistakes import ConfigError
from regionsim.region.region import Reply
from regionsim.runtime.loop import run_virtual
from regionsim.runtime.tasks import now_ns, sleep
from regionsim.runtime.virtual_loop import NS_PER_SECOND
from regionsim.simulation.ground import virtual_ground
from regionsim.simulation.simulation import Simulation
from regionsim.simulation.world import World
from regionsim.store.connection import open_connections
from tests.simulation.many_regions import ACCOUNT, AP, EU, START_NS, US, Play, directory, play


def test_a_fault_has_a_name_and_its_beginning_and_end_are_traced(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        name = world.simulation.begin_fault(LinkCut(between=(US, EU)))
        assert name
        with pytest.raises(FaultError):
            world.simulation.begin_fault(LinkCut(between=(US, AP)), name)
        world.simulation.end_fault(name)
        with pytest.raises(FaultError):
            world.simulation.end_fault(name)
        kinds = [(event.kind, event.fields["name"]) for event in world.events if event.kind.startswith("fault_")]
        assert kinds == [("fault_begins", name), ("fault_ends", name)]

    play(script, tmp_path)


def test_healing_all_ends_every_fault_and_boots_what_was_down(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        world.break_with(RegionCrash(region=US), "one")
        world.break_with(RegionCrash(region=US), "two")
        world.break_with(RegionOutage(region=EU), "three")
        await world.rest(1)
        assert not world.simulation.is_settled
        world.heal("all")
        await world.settled(within_s=1)
        assert len(world.happened("region_booted", US)) == 2
        assert len(world.happened("region_crashed", US)) == 1

    play(script, tmp_path)


def test_a_region_stays_down_until_its_last_crash_is_healed(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        world.break_with(RegionCrash(region=US), "one")
        world.break_with(RegionCrash(region=US), "two")
        await world.rest(1)
        world.heal("one")
        await world.rest(1)
        assert not world.region(US).is_up
        world.heal("two")
        await world.rest(1)
        assert world.region(US).is_up

    play(script, tmp_path)


def test_crashes_and_boots_that_come_faster_than_they_end_happen_one_after_the_other(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = (await world.call(US, "CreateKey"))["KeyMetadata"]["KeyId"]
        for _ in range(5):
            world.break_with(RegionCrash(region=US))
            world.heal()
        await world.rest(5)
        lives = [event.kind for event in world.events if event.kind in ("region_crashed", "region_booted")]
        assert lives[3:] == ["region_crashed", "region_booted"] * 5
        assert world.region(US).is_up
        assert world.key(US, key_id).key_id == key_id

    play(script, tmp_path)


def test_time_in_which_a_region_cannot_be_reached_is_counted_once(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        world.break_with(RegionOutage(region=US), "first")
        await world.rest(10)
        world.break_with(RegionOutage(region=US, mode=OutageMode.REFUSE), "second")
        await world.rest(10)
        assert world.simulation.unavailable_ns(US) == 20 * NS_PER_SECOND
        world.heal("first")
        await world.rest(10)
        world.heal("second")
        await world.rest(10)
        assert world.simulation.unavailable_ns(US) == 30 * NS_PER_SECOND
        assert world.simulation.unavailable_ns(EU) == 0

    play(script, tmp_path)


def knock(world: Play, replies: list[Reply], refused: list[str]) -> None:
    simulation = world.simulation
    caller = simulation.world.directory.principal(ACCOUNT, "alice")
    call = Call(operation="ListKeys", parameters={}, caller=caller, request_id="r")
    stream = simulation.entropy.stream("test")
    simulation.knock(EU, US, call, stream, replies.append, lambda: refused.append(US), lambda: None)


def test_a_knock_at_a_region_that_is_there_is_answered(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        replies, refused = list[Reply](), list[str]()
        knock(world, replies, refused)
        await world.rest(1)
        assert len(replies) == 1
        assert not isinstance(replies[0], KmsError)
        assert not refused

    play(script, tmp_path)


def test_a_knock_draws_the_same_whatever_happens(tmp_path: Path) -> None:
    async def script(world: Play) -> tuple[float, float]:
        stream = world.simulation.entropy.stream("test")
        knock(world, [], [])
        healthy = stream.random()
        world.break_with(RegionOutage(region=US))
        knock(world, [], [])
        return healthy, stream.random()

    async def other(world: Play) -> tuple[float, float]:
        stream = world.simulation.entropy.stream("test")
        world.break_with(RegionCrash(region=US))
        knock(world, [], [])
        healthy = stream.random()
        knock(world, [], [])
        return healthy, stream.random()

    assert play(script, tmp_path / "one")[0] == play(other, tmp_path / "two")[0]


def test_a_region_that_boots_hears_no_knock(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        replies, refused = list[Reply](), list[str]()
        await world.region(US).crash()  # no fault is on: its hosts are just not there yet
        knock(world, replies, refused)
        await world.rest(1)
        assert (replies, refused) == ([], [])
        await world.region(US).boot()

    play(script, tmp_path)


def test_a_snapshot_is_frozen_and_tells_the_world(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        await world.refused(US, "DescribeKey", caller="mallory", KeyId=key_id)
        world.break_with(RegionCrash(region=AP), "down")
        world.break_with(RegionOutage(region=EU), "out")
        await world.rest(2)
        before = world.simulation.snapshot()
        await world.call(US, "DisableKey", KeyId=key_id)
        world.heal("all")
        await world.settled()
        after = world.simulation.snapshot()

        us, eu, ap = (before.regions[name] for name in (US, EU, AP))
        assert list(before.regions) == [US, EU, AP]
        assert us.keys[key_id].state == "Enabled"
        assert us.held[key_id] == frozenset(us.keys[key_id].shared.materials[0].material_id.split())
        assert (us.requests, us.refused, us.denied, us.throttled) == (3, 1, 1, 0)
        assert us.hsm_jobs > 0
        assert us.hsm_queue_length == 0
        assert (eu.is_up, eu.is_reachable, eu.unavailable_ns) == (True, False, 2 * NS_PER_SECOND)
        assert (ap.is_up, ap.keys, ap.held, ap.unfinished_count) == (False, {}, {}, 0)
        assert not before.is_settled
        assert after.is_settled
        assert after.regions[US].keys[key_id].state == "Disabled"
        assert after.at_ns > before.at_ns > START_NS
        with pytest.raises(AttributeError):
            before.regions[US].requests = 0  # type: ignore[misc]

    play(script, tmp_path)


def test_a_world_ends_in_good_order_with_a_region_down_and_forgets_its_keys(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        await world.multi_region_key(US, EU)
        world.break_with(RegionCrash(region=US))
        await world.rest(1)
        world.simulation.close_hsms()
        assert not list(world.region(EU).fleet.secrets_for_scan())
        assert not world.region(EU).fleet.is_serving

    play(script, tmp_path)


def test_a_folder_with_keys_in_regions_that_are_not_started_is_refused(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        await world.multi_region_key(US, EU)

    async def smaller() -> None:
        ground = virtual_ground(seed=7, start_at_ns=START_NS, folder=tmp_path)
        world = World(regions=(US, AP), directory=directory(), start_at_ns=START_NS)
        simulation = Simulation(world, ground)
        with pytest.raises(ConfigError, match=f"{US} has multi-Region keys shared with {EU}; start"):
            await simulation.start()
        assert not simulation.regions[US].is_up
        assert not open_connections()

    play(script, tmp_path)
    run_virtual(smaller())


@pytest.mark.parametrize("kind", ["crash", "boot"])
def test_a_run_may_end_in_the_middle_of_a_crash_or_a_boot(tmp_path: Path, kind: str) -> None:
    async def script(world: Play) -> None:
        await world.multi_region_key(US, EU)
        world.break_with(RegionCrash(region=US))
        if kind == "boot":
            await world.rest(1)
            world.heal()

    play(script, tmp_path)


def test_a_simulation_that_stops_while_a_region_boots_leaves_no_file_open(tmp_path: Path) -> None:
    async def main() -> None:
        ground = virtual_ground(seed=7, start_at_ns=START_NS, folder=tmp_path)
        simulation = Simulation(World(regions=(US,), directory=directory(), start_at_ns=START_NS), ground)
        await simulation.start()
        simulation.begin_fault(RegionCrash(region=US), "crash")
        simulation.end_fault("crash")
        await sleep(1)
        await simulation.stop()
        assert not open_connections()

    run_virtual(main())


async def begin_and_end(folder: Path, operation: str, after_ns: int | None) -> int:
    """Begin a change that needs two Regions, end the world `after_ns` later (None: when it is answered), begin again.

    How long the change took, or `after_ns`.
    """
    ground = virtual_ground(seed=7, start_at_ns=START_NS, folder=folder)
    world = World(regions=(US, EU), directory=directory(), start_at_ns=START_NS, has_quotas=False)
    simulation = Simulation(world, ground)
    running = Play(simulation=simulation, watch=Watch(simulation))
    await simulation.start()
    is_move = operation == "UpdatePrimaryRegion"
    key_id = await running.multi_region_key(US, *([EU] if is_move else []))
    call = Call(
        operation=operation,
        parameters={"KeyId": key_id, "PrimaryRegion" if is_move else "ReplicaRegion": EU},
        caller=directory().principal(ACCOUNT, "alice"),
        request_id="r",
    )
    answered_at_ns: list[int] = []
    began_ns = now_ns()
    running.region(US).accept(call, lambda reply: answered_at_ns.append(now_ns()))
    if after_ns is None:
        await running.until(lambda: bool(answered_at_ns))
    else:
        await sleep(after_ns)
    await simulation.stop()
    assert not open_connections()
    for region in simulation.regions.values():
        await region.boot()
    await running.settled()
    assert running.key(US, key_id).state == "Enabled"
    assert not answered_at_ns or running.key(US, key_id).version > 1
    await simulation.stop()
    return answered_at_ns[0] - began_ns if answered_at_ns else after_ns or 0


@pytest.mark.parametrize("operation", ["ReplicateKey", "UpdatePrimaryRegion"])
def test_a_world_may_end_at_any_moment_of_a_change_and_what_was_committed_goes_on_later(
    tmp_path: Path, operation: str
) -> None:
    def ended(name: str, after_ns: int | None) -> int:
        folder = tmp_path / name
        folder.mkdir()
        return run_virtual(begin_and_end(folder, operation, after_ns))

    whole_ns = ended("whole", None)
    moments = [whole_ns * part // 8 for part in range(9)] + [whole_ns - 60_000 * step for step in range(1, 9)]
    for moment_ns in moments:
        ended(str(moment_ns), moment_ns)
