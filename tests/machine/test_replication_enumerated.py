"""Every interleaving of small worlds: one change, two or three Regions, a bounded number of losses, doublings and crashes.

Safety is checked in every world that can be reached, convergence from every one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from regionsim.kms.key import KeyState
from tests.machine.fake_wire import Node, World, assert_converged, multi_region_key, violations

A, B, C = "us-east-1", "eu-west-1", "ap-southeast-2"


def successors(world: World, harms: int) -> Iterator[tuple[World, int]]:
    """Every world one action away, with the harms that are left."""
    for index in range(len(world.wire)):
        yield world.deliver(index), harms
        if harms:
            yield world.lose(index), harms - 1
            yield world.double(index), harms - 1
    if harms:
        for region in world.nodes:
            yield world.crash(region), harms - 1


def explore(start: World, *, harms: int, worlds_at_most: int = 60_000) -> int:
    """Visit every reachable world; the number of worlds visited."""
    seen: set[tuple[object, ...]] = set()
    todo = [(start, harms)]
    while todo:
        world, left = todo.pop()
        mark = (*world.fingerprint(), left)
        if mark in seen:
            continue
        seen.add(mark)
        assert len(seen) <= worlds_at_most, "the world is too large to be enumerated"
        found = list(violations(world))
        assert not found, f"{found[0]} after {world.history}"
        assert_converged(world.settled())
        todo.extend(successors(world, left))
    return len(seen)


@pytest.mark.parametrize(
    ("name", "start", "harms"),
    [
        ("rotation with one replica", multi_region_key(A, B).rotate(A, "m2"), 3),
        ("rotation with two replicas", multi_region_key(A, B, C).rotate(A, "m2"), 1),
        ("primary move", multi_region_key(A, B).move(A, B), 3),
        ("primary move with a bystander", multi_region_key(A, B, C).move(A, B), 2),
        ("primary move during a rotation", multi_region_key(A, B).rotate(A, "m2").move(A, B), 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_interleaving_is_safe_and_converges(name: str, start: World, harms: int) -> None:
    assert explore(start, harms=harms) > 20


@pytest.mark.slow
def test_a_rotation_of_three_regions_survives_any_two_harms() -> None:
    assert explore(multi_region_key(A, B, C).rotate(A, "m2"), harms=2) > 30_000


def test_a_replica_is_created_under_every_interleaving() -> None:
    start = _world_without_replica().replicate(A, B)

    assert explore(start, harms=2) > 20


def test_a_replica_created_during_a_rotation_gets_both_materials() -> None:
    world = _world_with_empty(C, multi_region_key(A, B)).rotate(A, "m2").replicate(A, C).settled()

    assert_converged(world)
    assert world.nodes[C].held == {"m1", "m2"}


def test_nobody_uses_new_material_before_everybody_holds_it() -> None:
    world = multi_region_key(A, B, C).rotate(A, "m2")
    while world.wire:
        # C hears nothing: all that is for it is lost.
        world = world.lose(0) if world.wire[0].receiver == C else world.deliver(0)

    for region in (A, B, C):
        key = world.nodes[region].key
        assert key is not None
        assert key.shared.current_material_id == "m1", f"{region} rotated without {C}"
    rotated = world.settled().nodes[C].key
    assert rotated is not None
    assert rotated.shared.current_material_id == "m2"


def test_both_ends_of_a_move_are_updating_and_nobody_is_primary_while_the_role_travels() -> None:
    world = multi_region_key(A, B).move(A, B)

    assert world.nodes[A].key is not None
    assert world.nodes[A].key.state is KeyState.UPDATING
    assert not any(node.key is not None and node.key.is_primary for node in world.nodes.values())

    taken = world.deliver(0)

    assert taken.nodes[B].key is not None
    assert taken.nodes[B].key.is_primary
    assert taken.nodes[B].key.state is KeyState.UPDATING


def _world_without_replica() -> World:
    return _world_with_empty(B, multi_region_key(A))


def _world_with_empty(region: str, world: World) -> World:
    return replace(world, nodes={**world.nodes, region: Node()})
