"""Every interleaving of small worlds: one change, two or three Regions, a bounded number of losses, doublings and crashes.

Safety is checked in every world that can be reached, convergence from every one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from regionsim.kms.key import KeyState
from regionsim.kms.messages import Synchronize, Synchronized
from tests.machine.fake_wire import Delivered, Node, World, assert_converged, multi_region_key, violations

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


def explore(start: World, *, harms: int, worlds_at_most: int = 60_000, deleting: tuple[str, ...] = ()) -> int:
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
        assert_converged(world.settled(), deleting=deleting)
        todo.extend(successors(world, left))
    return len(seen)


def rotation_held_by_one_of_two() -> World:
    """B has the new material, C has heard of nothing: what is for it is still under way."""
    world = multi_region_key(A, B, C).rotate(A, "m2")
    while "m2" not in world.nodes[B].held:
        index = next(
            place for place, under_way in enumerate(world.wire) if C not in (under_way.receiver, under_way.sender)
        )
        world = world.deliver(index)
    return world


@pytest.mark.parametrize(
    ("name", "start", "harms"),
    [
        ("rotation with one replica", multi_region_key(A, B).rotate(A, "m2"), 3),
        ("rotation with two replicas", multi_region_key(A, B, C).rotate(A, "m2"), 1),
        ("primary move", multi_region_key(A, B).move(A, B), 3),
        ("primary move with a bystander", multi_region_key(A, B, C).move(A, B), 2),
        ("primary move during a rotation", rotation_held_by_one_of_two().move(A, B), 0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_interleaving_is_safe_and_converges(name: str, start: World, harms: int) -> None:
    assert explore(start, harms=harms) > 20


@pytest.mark.parametrize(
    ("name", "start", "harms"),
    [
        ("of two", multi_region_key(A, B).delete(B), 3),
        ("of three", multi_region_key(A, B, C).delete(B), 2),
        ("and a rotation", multi_region_key(A, B, C).rotate(A, "m2").delete(B), 0),
        ("while the primary moves", multi_region_key(A, B, C).move(A, C).delete(B), 0),
        ("when the primary has moved", multi_region_key(A, B, C).move(A, C).settled().delete(B), 2),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_replica_is_deleted_under_every_interleaving(name: str, start: World, harms: int) -> None:
    assert explore(start, harms=harms) > 5
    gone = start.settled()
    assert gone.nodes[B].key is None
    assert gone.nodes[B].tombstone is not None


@pytest.mark.slow
@pytest.mark.parametrize("change", ["rotation", "move"])
def test_a_replica_is_deleted_under_every_interleaving_with_another_change(change: str) -> None:
    start = multi_region_key(A, B, C)
    start = start.rotate(A, "m2") if change == "rotation" else start.move(A, C)

    assert explore(start.delete(B), harms=1) > 1_000


def test_a_deleted_replica_finds_a_primary_that_moved_before_it_heard_of_it() -> None:
    """B is cut off while the primary moves from A to C; A then deletes its own replica, too."""
    moved = multi_region_key(A, B, C).move(A, C)
    while moved.wire:
        moved = moved.lose(0) if B in (moved.wire[0].receiver, moved.wire[0].sender) else moved.deliver(0)
    alone = moved.delete(B)
    assert [announcement.destination for announcement in alone.nodes[B].outbox] == [A]

    for world in (alone, alone.delete(A)):
        gone = world.settled()
        assert_converged(gone)
        assert gone.nodes[B].key is None
        primary = gone.nodes[C].key
        assert primary is not None
        assert B not in primary.shared.regions


def test_an_old_message_brings_no_deleted_replica_back() -> None:
    """The request that made the replica arrives a second time, long after that was deleted."""
    begun = _world_without_replica().replicate(A, B)
    late = begun.wire[0]
    gone = begun.settled().delete(B).settled()

    haunted = replace(gone, wire=(late,)).deliver(0)
    assert haunted.nodes[B].key is None

    again = replace(gone.replicate(A, B).settled(), wire=(late,)).settled()
    assert_converged(again)
    assert again.nodes[B].key is not None


def test_old_news_of_a_deletion_removes_no_replica_made_since() -> None:
    deleted = multi_region_key(A, B).delete(B)
    late = deleted.wire[0]
    again = deleted.settled().replicate(A, B).settled()

    told = replace(again, wire=(late,)).settled()

    assert_converged(told)
    assert told.nodes[B].key is not None


def test_a_word_of_an_earlier_replica_is_not_heard() -> None:
    """An acknowledgement of the first life of B is delivered in its second: B may not hold what it names."""
    before = multi_region_key(A, B).rotate(A, "m2")
    said = None
    while before.wire:
        arriving = before.wire[0]
        if arriving.sender == B and "m2" in getattr(arriving.message, "material_ids", ()):
            said = arriving
        before = before.deliver(0)
    assert said is not None
    second = before.settled().delete(B).settled().replicate(A, B)

    told = replace(second, wire=(said,)).deliver(0)

    assert told.nodes[A].peers == second.nodes[A].peers
    assert told.nodes[A].outbox == second.nodes[A].outbox
    assert_converged(told.settled())


def test_an_old_word_of_the_new_primary_ends_no_move() -> None:
    """A has the role again soon after it gave it away; what it said when it gave it away comes a second time."""
    given = multi_region_key(A, B).move(A, B)
    late = given.wire[0]
    back = given.settled().move(B, A)
    assert back.nodes[B].key is not None
    assert back.nodes[B].key.state is KeyState.UPDATING

    told = replace(back, wire=(late, *back.wire)).deliver(0)

    assert told.nodes[B].key is not None
    assert told.nodes[B].key.state is KeyState.UPDATING
    assert_converged(told.settled())


def test_an_old_primary_does_not_vouch_for_the_version_that_gives_its_role_away() -> None:
    """Else its word, given before the new primary has spoken, would let that fall silent."""
    moved = multi_region_key(A, B).move(A, B)
    stale = Delivered(B, A, Synchronize(shared=multi_region_key(A, B).nodes[A].key.shared))  # type: ignore[union-attr]

    replied = replace(moved, wire=(stale,)).deliver(0).wire[-1]

    assert isinstance(replied.message, Synchronized)
    assert moved.nodes[A].key is not None
    assert replied.message.shared_version < moved.nodes[A].key.shared.shared_version


def test_the_last_replica_s_end_begins_the_primary_s_waiting_period() -> None:
    waiting = multi_region_key(A, B, C).delete(A)
    primary = waiting.nodes[A].key
    assert primary is not None
    assert (primary.state, primary.regional.deletion_at_ns) == (KeyState.PENDING_REPLICA_DELETION, None)

    one_left = waiting.delete(B).settled().nodes[A].key
    assert one_left is not None
    assert one_left.state is KeyState.PENDING_REPLICA_DELETION

    assert explore(waiting.delete(B).delete(C), harms=1, deleting=(A,)) > 20
    last = waiting.delete(B).delete(C).settled().nodes[A].key
    assert last is not None
    assert last.state is KeyState.PENDING_DELETION
    assert last.regional.deletion_at_ns is not None


def test_a_rotation_goes_on_without_a_lost_replica_which_then_catches_up() -> None:
    world = multi_region_key(A, B, C).rotate(A, "m2")
    while world.wire:
        world = world.lose(0) if C in (world.wire[0].receiver, world.wire[0].sender) else world.deliver(0)

    given_up = world.give_up(A)

    primary = given_up.nodes[A].key
    assert primary is not None
    assert primary.shared.current_material_id == "m2"
    assert [replica.region for replica in primary.shared.replicas if replica.is_lost] == [C]
    assert explore(given_up, harms=1) > 20
    assert "m2" in given_up.settled().nodes[C].held


def test_nobody_is_lost_who_holds_the_material() -> None:
    done = multi_region_key(A, B).rotate(A, "m2").settled()

    assert done.give_up(A).nodes == done.nodes


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
