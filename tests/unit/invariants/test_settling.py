"""Waiting for what Regions owe each other: long enough, not for ever, and not while a fault is on."""

from __future__ import annotations

from pathlib import Path

from regionsim.faults.kinds import LinkCut
from regionsim.invariants.settling import SETTLING_NS, outstanding_words, settle
from regionsim.runtime.tasks import now_ns
from tests.simulation.many_regions import EU, US, Play, play


def test_it_ends_as_soon_as_everything_is_across(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US)
        await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        began_ns = now_ns()
        assert outstanding_words(world.simulation) == f"{US} -> {EU}: 1 not acknowledged ({key_id})"
        await settle(world.simulation)
        assert world.simulation.is_settled
        assert outstanding_words(world.simulation) == ""
        assert 0 < now_ns() - began_ns < 5_000_000_000

    play(script, tmp_path)


def test_it_does_not_wait_while_a_fault_is_on(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        world.break_with(LinkCut(between=(US, EU)))
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        began_ns = now_ns()
        await settle(world.simulation)
        assert now_ns() == began_ns
        world.heal()

    play(script, tmp_path)


def test_it_gives_up_after_a_minute(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US)
        world.simulation.network.detach(EU)
        await world.refused(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        world.simulation.network.attach(EU, world.region(EU).receive)
        await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        world.simulation.network.detach(EU)
        began_ns = now_ns()
        await settle(world.simulation)
        assert now_ns() - began_ns == SETTLING_NS
        world.simulation.network.attach(EU, world.region(EU).receive)

    play(script, tmp_path)
