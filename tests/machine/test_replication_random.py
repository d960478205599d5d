"""Long random histories of one key in four Regions: rotations, replicas made, lost and deleted, primary moves, every kind of harm in between."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regionsim.kms.key import KeyState
from tests.machine.fake_wire import Node, World, assert_converged, multi_region_key, violations

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2", "sa-east-1")

actions = st.tuples(
    st.sampled_from(
        (
            *("deliver", "deliver", "deliver", "lose", "double", "crash", "resend"),
            *("rotate", "move", "replicate", "delete", "give up"),
        )
    ),
    st.integers(0, 30),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(actions, max_size=60))
def test_random_histories_are_safe_and_converge(history: list[tuple[str, int]]) -> None:
    nodes = {**multi_region_key(REGIONS[0], REGIONS[1]).nodes, REGIONS[2]: Node(), REGIONS[3]: Node()}
    world = replace(multi_region_key(REGIONS[0], REGIONS[1]), nodes=nodes)
    for step_number, (action, number) in enumerate(history):
        world = _act(world, action, number, step_number)
        found = list(violations(world))
        assert not found, f"{found[0]} after {world.history}"
    assert_converged(world.settled(limit=3000))


def _act(world: World, action: str, number: int, step_number: int) -> World:
    match action:
        case "deliver" | "lose" | "double" if world.wire:
            act = {"deliver": world.deliver, "lose": world.lose, "double": world.double}[action]
            return act(number % len(world.wire))
        case "crash":
            return world.crash(REGIONS[number % 4])
        case "resend":
            return world.resend(REGIONS[number % 4])
        case "delete":
            return _delete_a_replica(world, number)
        case "rotate" | "move" | "replicate" | "give up":
            return _change(world, action, number, step_number)
        case _:
            return world


def _change(world: World, action: str, number: int, step_number: int) -> World:
    """What the operations would let happen: at an Enabled primary only."""
    for region, node in world.nodes.items():
        key = node.key
        if key is None or not key.is_primary or key.state is not KeyState.ENABLED:
            continue
        replicas = tuple(replica.region for replica in key.shared.replicas if not replica.is_lost)
        absent = [other for other in REGIONS if other not in key.shared.regions]
        if action == "give up":
            return world.give_up(region)
        if action == "rotate" and key.shared.pending_material is None:
            return world.rotate(region, f"m{step_number + 2}")
        if action == "replicate" and absent:
            return world.replicate(region, absent[number % len(absent)])
        ready = [
            other for other in replicas if _is_enabled(world.nodes[other]) and world.is_synchronized(region, other)
        ]
        if action == "move" and ready:
            return world.move(region, ready[number % len(ready)])
    return world


def _delete_a_replica(world: World, number: int) -> World:
    ready = [
        region
        for region, node in world.nodes.items()
        if node.key is not None and node.key.is_replica and node.key.state is KeyState.ENABLED
    ]
    return world.delete(ready[number % len(ready)]) if ready else world


def _is_enabled(node: Node) -> bool:
    return node.key is not None and node.key.state is KeyState.ENABLED
