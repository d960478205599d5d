"""Regions on a network in virtual time: who hears what, and what faults take away."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from regionsim.faults.active import ActiveFaults
from regionsim.faults.kinds import Fault, LinkCut, LinkLoss, RegionCrash, RegionOutage
from regionsim.names.mistakes import ConfigError
from regionsim.network.envelope import Envelope
from regionsim.network.network import DEFAULT_JITTER_NS, Latencies, Network
from regionsim.runtime.entropy import SeededEntropy
from regionsim.runtime.loop import run_virtual
from regionsim.runtime.tasks import now_ns, sleep
from regionsim.runtime.trace import Event, Trace

US, EU, AP = "us-east-1", "eu-west-1", "ap-southeast-2"
MS = 1_000_000
SECRET = b"nobody may read this"


class World:
    """Three Regions that write down what they hear."""

    def __init__(self, *, seed: int = 7, latencies: Latencies = "aws", jitter_ns: int = 0, loss: float = 0.0) -> None:
        self.trace = Trace(now_ns)
        self.events: list[Event] = []
        self.trace.add_sink(self.events.append)
        self.active = ActiveFaults()
        self.entropy = SeededEntropy(seed)
        self.network = Network(
            [US, EU, AP],
            latencies=latencies,
            jitter_ns=jitter_ns,
            loss=loss,
            entropy=self.entropy,
            trace=self.trace,
            faults=lambda: self.active,
        )
        self.heard: list[tuple[int, str, int]] = []
        self.sent_count = 0
        for region in (US, EU, AP):
            self.network.attach(region, self.listener(region))

    def listener(self, region: str) -> Callable[[Envelope], None]:
        def hear(envelope: Envelope) -> None:
            assert envelope.receiver == region
            self.heard.append((now_ns(), region, envelope.id))

        return hear

    def send(self, sender: str, receiver: str) -> int:
        self.sent_count += 1
        self.network.send(Envelope(id=self.sent_count, sender=sender, receiver=receiver, body=SECRET))
        return self.sent_count

    def fault(self, name: str, fault: Fault) -> None:
        self.active = self.active.add(name, fault)

    def heal(self, name: str) -> None:
        self.active = self.active.heal(name)

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        run_virtual(main)

    @property
    def heard_ids(self) -> list[int]:
        return [number for _, _, number in self.heard]

    @property
    def drops(self) -> list[tuple[object, ...]]:
        return [(e.region, *e.fields.values()) for e in self.events if e.kind == "link_drop"]


def test_envelopes_take_half_a_round_trip() -> None:
    world = World()

    async def main() -> None:
        world.send(US, EU)
        world.send(US, AP)
        world.send(EU, US)
        assert world.network.in_flight_count == 3
        await sleep(1000 * MS)

    world.run(main())
    assert world.heard == [(35_250_000, EU, 1), (35_250_000, US, 3), (98_950_000, AP, 2)]
    assert world.network.in_flight_count == 0
    assert world.trace.count == 0  # deliveries are counted, not traced


def test_counts_are_per_direction() -> None:
    world = World()

    async def main() -> None:
        world.send(US, EU)
        world.send(US, EU)
        world.send(EU, US)
        await sleep(1000 * MS)
        world.send(EU, AP)

    world.run(main())
    counts = world.network.counts()
    assert list(counts) == list(permutations([US, EU, AP], 2))
    assert (counts[US, EU].sent, counts[US, EU].delivered, counts[US, EU].sent_bytes) == (2, 2, 2 * len(SECRET))
    assert (counts[EU, US].sent, counts[EU, US].in_flight) == (1, 0)
    assert (counts[EU, AP].sent, counts[EU, AP].delivered, counts[EU, AP].in_flight) == (1, 0, 1)
    assert counts[AP, US].sent == 0


@pytest.mark.parametrize(
    ("fault", "word"), [(RegionOutage(region=EU), "region_outage"), (RegionCrash(region=EU), "region_crash")]
)
def test_an_unreachable_region_neither_sends_nor_hears(fault: Fault, word: str) -> None:
    world = World()

    async def main() -> None:
        world.send(US, EU)  # 1: on the way when the fault begins
        await sleep(10 * MS)
        world.fault("storm", fault)
        world.send(EU, US)  # 2: dropped as it is sent
        world.send(US, AP)  # 3: no concern of theirs
        await sleep(200 * MS)
        world.send(US, EU)  # 4: arrives after the heal
        await sleep(10 * MS)
        world.heal("storm")
        world.send(EU, US)  # 5
        await sleep(1000 * MS)

    world.run(main())
    assert sorted(world.heard_ids) == [3, 4, 5]
    assert world.drops == [(EU, EU, US, 2, word), (US, US, EU, 1, word)]
    counts = world.network.counts()
    assert counts[US, EU].drops == counts[EU, US].drops == {word: 1}


def test_cut_and_heal() -> None:
    world = World()

    async def main() -> None:
        world.send(US, EU)  # 1: past the cut already
        world.fault("backhoe", LinkCut(between=(EU, US)))
        world.send(US, EU)  # 2
        world.send(EU, US)  # 3
        world.send(EU, AP)  # 4: the long way round is open
        await sleep(1000 * MS)
        world.heal("backhoe")
        world.send(US, EU)  # 5
        await sleep(1000 * MS)

    world.run(main())
    assert world.heard_ids == [1, 4, 5]
    assert world.drops == [(US, US, EU, 2, "link_cut"), (EU, EU, US, 3, "link_cut")]


def test_the_network_s_own_loss_and_a_fault_s_add_up() -> None:
    world = World(loss=0.1)

    async def main() -> None:
        for number in range(10_000):
            if number == 5000:
                world.fault("storm", LinkLoss(between=(US, EU), probability=0.3))
            world.send(US, EU)
            await sleep(MS)

    world.run(main())
    lost = [drop[3] for drop in world.drops]
    assert 435 < sum(1 for number in lost if isinstance(number, int) and number <= 5000) < 565
    assert 1745 < sum(1 for number in lost if isinstance(number, int) and number > 5000) < 1955  # 0.37 of them


def test_a_loss_fault_only_ever_takes_more_and_leaves_other_links_alone() -> None:
    def play(*, storm: bool) -> World:
        world = World(loss=0.2, jitter_ns=MS)

        async def main() -> None:
            if storm:
                world.fault("storm", LinkLoss(between=(US, EU), probability=0.2))
            for _ in range(300):
                world.send(US, EU)
                world.send(AP, US)
                await sleep(1000 * MS)

        world.run(main())
        return world

    calm, stormy = play(storm=False), play(storm=True)
    assert set(stormy.heard) < set(calm.heard)
    assert [h for h in stormy.heard if h[1] == US] == [h for h in calm.heard if h[1] == US]


def test_a_detached_region_hears_nothing_until_it_is_attached_again() -> None:
    world = World()

    async def main() -> None:
        world.network.detach(EU)
        world.send(US, EU)
        await sleep(100 * MS)
        world.network.attach(EU, world.listener(EU))
        world.send(US, EU)
        await sleep(100 * MS)

    world.run(main())
    assert world.heard_ids == [2]
    assert world.drops == [(US, US, EU, 1, "detached")]


def test_taps_see_every_body_that_is_sent_lost_ones_too() -> None:
    world = World()
    seen: list[Envelope] = []
    world.network.tap(seen.append)

    async def main() -> None:
        world.send(US, EU)
        world.fault("storm", RegionOutage(region=US))
        world.send(US, EU)
        await sleep(100 * MS)

    world.run(main())
    assert [(envelope.id, envelope.body) for envelope in seen] == [(1, SECRET), (2, SECRET)]


def test_a_body_never_reaches_a_repr_or_the_trace() -> None:
    envelope = Envelope(id=1, sender=US, receiver=EU, body=SECRET)
    assert repr(envelope) == "Envelope(id=1, sender='us-east-1', receiver='eu-west-1')"
    world = World(loss=1.0)

    async def main() -> None:
        world.send(US, EU)

    world.run(main())
    (event,) = world.events
    assert event.fields == {"from": US, "to": EU, "envelope": 1, "reason": "loss"}


def test_the_same_seed_gives_the_same_trace_and_another_does_not() -> None:
    def play(seed: int) -> World:
        world = World(seed=seed, loss=0.2, jitter_ns=5 * MS)

        async def main() -> None:
            for _ in range(200):
                for sender, receiver in permutations([US, EU, AP], 2):
                    world.send(sender, receiver)
                await sleep(MS)
            await sleep(1000 * MS)

        world.run(main())
        return world

    first, second, other = play(7), play(7), play(8)
    assert (first.trace.digest, first.heard) == (second.trace.digest, second.heard)
    assert first.trace.digest != other.trace.digest


def test_links_have_streams_of_their_own() -> None:
    """What one link carries does not change another's luck."""

    def play(extra: int) -> list[tuple[int, str, int]]:
        world = World(jitter_ns=5 * MS, loss=0.2)

        async def main() -> None:
            for _ in range(50):
                world.send(US, EU)
                world.sent_count += extra  # the same numbers whether or not others are sent
                for _ in range(extra):
                    world.network.send(Envelope(id=0, sender=EU, receiver=AP, body=b""))
                world.sent_count -= extra
                await sleep(MS)
            await sleep(1000 * MS)

        world.run(main())
        return [heard for heard in world.heard if heard[1] == EU]

    assert play(0) == play(3) != []


def test_settings_of_one_direction_can_be_changed() -> None:
    world = World()
    slow = replace(world.network.link_settings(US, EU), delay_ns=500 * MS)

    async def main() -> None:
        world.send(US, EU)
        world.network.set_link(US, EU, slow)
        world.send(US, EU)
        world.network.set_link(EU, US, replace(slow, rule=replace(slow.rule, loss=1.0)))
        world.send(EU, US)
        await sleep(1000 * MS)

    world.run(main())
    assert world.heard == [(35_250_000, EU, 1), (500 * MS, EU, 2)]
    assert world.network.link_settings(US, EU) == slow


def test_closing_leaves_no_timer() -> None:
    world = World()

    async def main() -> None:
        world.send(US, EU)
        world.send(EU, AP)
        world.network.close()
        assert world.network.in_flight_count == 0
        await sleep(1000 * MS)

    world.run(main())
    assert world.heard == []


def test_own_latencies_count_both_ways_unless_both_are_given() -> None:
    world = World(latencies={(US, EU): 5 * MS, (US, AP): 7 * MS, (AP, US): 8 * MS, (EU, AP): 9 * MS})

    async def main() -> None:
        for sender, receiver in permutations([US, EU, AP], 2):
            world.send(sender, receiver)
        await sleep(100 * MS)

    world.run(main())
    assert world.heard == [
        (5 * MS, EU, 1),
        (5 * MS, US, 3),
        (7 * MS, AP, 2),
        (8 * MS, US, 5),
        (9 * MS, AP, 4),
        (9 * MS, EU, 6),
    ]
    assert world.network.one_way_latency_ns(US, US, world.entropy.stream("caller")) == 125_000


def test_a_pair_without_a_latency_is_a_mistake_with_advice() -> None:
    with pytest.raises(ConfigError, match="no latency between 'us-east-1' and 'ap-southeast-2'; give one"):
        World(latencies={(US, EU): MS})


def test_callers_take_latency_and_jitter_and_never_lose() -> None:
    world = World(loss=1.0, jitter_ns=DEFAULT_JITTER_NS)
    world.fault("backhoe", LinkCut(between=(US, EU)))
    stream = world.entropy.stream("caller")
    taken = [world.network.one_way_latency_ns(US, EU, stream) - 35_250_000 for _ in range(4000)]
    assert min(taken) >= 0
    assert 0.95 * DEFAULT_JITTER_NS < sum(taken) / len(taken) < 1.05 * DEFAULT_JITTER_NS
    assert 125_000 <= world.network.one_way_latency_ns(EU, EU, stream) < 10 * MS
    assert world.network.one_way_latency_ns("sa-east-1", EU, stream) > 91 * MS  # a caller may run anywhere


def test_who_may_attach() -> None:
    world = World()
    with pytest.raises(AssertionError, match="sa-east-1 is not on this network"):
        world.network.attach("sa-east-1", print)
    with pytest.raises(AssertionError, match="us-east-1 is attached already"):
        world.network.attach(US, print)
    world.network.detach(US)
    with pytest.raises(AssertionError, match="us-east-1 is not attached"):
        world.network.detach(US)
