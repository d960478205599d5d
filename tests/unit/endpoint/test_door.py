"""The door of a live Region: calls that come together, and what becomes of them when the Region dies under them."""

import asyncio
from collections.abc import Awaitable, Callable

from regionsim.endpoint.http import Hangup, Stalled
from regionsim.endpoint.settings import ServeSettings
from regionsim.endpoint.world import LiveWorld
from regionsim.faults.vocabulary import parse_fault
from regionsim.kms.plan import Call
from regionsim.runtime.loop import run_real_time
from regionsim.runtime.tasks import Scope, now_ns

REGION = "us-east-1"


class Callers:
    """Callers on connections of their own, who come in one turn of the loop, and what they hear."""

    def __init__(self, world: LiveWorld) -> None:
        self.world = world
        self.heard: list[str] = []
        self.problems: list[object] = []
        self.scope = Scope("callers")
        asyncio.get_running_loop().set_exception_handler(lambda _, told: self.problems.append(told))

    def come(self, count: int, operation: str = "ListKeys") -> None:
        for number in range(count):
            self.scope.begin(self._ask(operation, number), name="caller")

    async def _ask(self, operation: str, number: int) -> None:
        caller = self.world.keyring.signer("test", None, REGION).principal
        call = Call(operation=operation, parameters={}, caller=caller, request_id=f"{number}")
        try:
            reply = await self.world.door.ask(REGION, call, connected_ns=now_ns())
        except (Hangup, Stalled) as met:
            self.heard.append(type(met).__name__)
        else:
            self.heard.append(f"{number}: {sorted(reply)}" if isinstance(reply, dict) else type(reply).__name__)

    async def have_heard(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.heard) < count:
                await asyncio.sleep(0.001)
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(self.heard) == count
        assert self.problems == []


def in_a_live_world(test: Callable[[LiveWorld, Callers], Awaitable[None]]) -> Callable[[], None]:
    async def main() -> None:
        world = LiveWorld(ServeSettings(regions=(REGION,), port=0), print)
        await world.start()
        try:
            await test(world, Callers(world))
        finally:
            await world.stop()

    def run() -> None:
        run_real_time(main())

    return run


@in_a_live_world
async def test_calls_of_one_turn_are_all_answered_in_their_order(world: LiveWorld, callers: Callers) -> None:
    callers.come(5)
    assert callers.heard == []
    await callers.have_heard(5)
    assert callers.heard == [f"{number}: ['Keys', 'Truncated']" for number in range(5)]


@in_a_live_world
async def test_a_region_that_crashes_before_it_has_been_asked_hangs_up_on_all(
    world: LiveWorld, callers: Callers
) -> None:
    region = world.simulation.regions[REGION]
    callers.come(3)
    callers.scope.begin(region.crash(), name="crash")
    assert callers.heard == ["Hangup"] * 3, "in the same turn of the loop"
    await callers.have_heard(3)
    assert region.counts.requests == 0
    await region.boot()
    callers.come(1)
    await callers.have_heard(4)
    assert callers.heard[-1] == "0: ['Keys', 'Truncated']"


@in_a_live_world
async def test_a_fault_that_begins_before_they_are_answered_keeps_the_answers(
    world: LiveWorld, callers: Callers
) -> None:
    callers.come(3)
    await world.begin_fault(parse_fault({"region_outage": {"region": REGION, "mode": "hang"}}))
    await callers.have_heard(3)
    assert callers.heard == ["Stalled"] * 3


@in_a_live_world
async def test_a_closed_door_lets_nobody_in(world: LiveWorld, callers: Callers) -> None:
    """Else who asks while the world is emptied gives its last flush something to do for ever."""
    door = world.door
    door.close()
    requests = world.simulation.regions[REGION].counts.requests
    callers.come(3)
    await callers.have_heard(3)
    assert callers.heard == ["Hangup"] * 3
    assert world.simulation.regions[REGION].counts.requests == requests


@in_a_live_world
async def test_a_region_that_went_down_unheard_hangs_up(world: LiveWorld, callers: Callers) -> None:
    region = world.simulation.regions[REGION]
    callers.come(2)
    callers.scope.begin(region.shut_down(), name="shut down")
    await callers.have_heard(2)
    assert callers.heard == ["Hangup"] * 2
    await region.boot()


@in_a_live_world
async def test_who_is_asking_when_the_world_ends_is_hung_up_on(world: LiveWorld, callers: Callers) -> None:
    callers.come(2)
    world.door.close()
    await callers.have_heard(2)
    assert callers.heard == ["Hangup"] * 2
