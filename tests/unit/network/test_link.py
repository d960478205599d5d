"""One direction of a link in virtual time."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from regionsim.faults.verdicts import LinkRule
from regionsim.network.envelope import Envelope
from regionsim.network.link import OVER_CAPACITY, Link, LinkSettings, jitter
from regionsim.runtime.entropy import OsEntropy, SeededEntropy
from regionsim.runtime.loop import VirtualLoop, run_real_time, run_virtual
from regionsim.runtime.tasks import Cancellable, call_later_ns, now_ns, sleep

MS = 1_000_000
OPEN = LinkRule()


def envelope(number: int, body: bytes = b"body") -> Envelope:
    return Envelope(id=number, sender="us-east-1", receiver="eu-west-1", body=body)


class Bench:
    """A link whose ends write down what happens."""

    def __init__(
        self, settings: LinkSettings, *, seed: int = 7, receive: Callable[[Envelope], str] | None = None
    ) -> None:
        self.arrivals: list[tuple[int, int]] = []
        self.drops: list[tuple[int, str]] = []
        self.receive = receive
        self.link = Link(settings, SeededEntropy(seed).stream("link"), self._arrived, self._dropped)

    @property
    def order(self) -> list[int]:
        return [number for _, number in self.arrivals]

    def _arrived(self, arrived: Envelope) -> str:
        self.arrivals.append((now_ns(), arrived.id))
        return self.receive(arrived) if self.receive else ""

    def _dropped(self, dropped: Envelope, reason: str) -> None:
        self.drops.append((dropped.id, reason))

    def play(self, count: int, *, gap_ns: int = 0, rule: LinkRule | None = None) -> None:
        """Send `count` envelopes, `gap_ns` apart, and let all of them arrive."""

        async def main() -> None:
            for number in range(count):
                self.link.send(envelope(number), self.link.settings.rule if rule is None else rule)
                if gap_ns:
                    await sleep(gap_ns)
            await sleep(3_600_000 * MS)

        run_virtual(main())


def test_without_noise_an_envelope_arrives_after_the_delay() -> None:
    bench = Bench(LinkSettings(delay_ns=35 * MS))
    bench.play(2, gap_ns=1)
    assert bench.arrivals == [(35 * MS, 0), (35 * MS + 1, 1)]
    assert (bench.link.counts.sent, bench.link.counts.delivered, bench.link.counts.sent_bytes) == (2, 2, 8)


def test_a_fault_s_delay_comes_on_top() -> None:
    bench = Bench(LinkSettings(delay_ns=35 * MS))
    bench.play(1, rule=LinkRule(delay_ns=5 * MS))
    assert bench.arrivals == [(40 * MS, 0)]


def test_jitter_has_its_mean_and_only_ever_delays() -> None:
    bench = Bench(LinkSettings(delay_ns=35 * MS, jitter_ns=300_000))
    bench.play(4000, gap_ns=10 * MS)  # too far apart for the order to hold anyone back
    late = [at - 35 * MS - number * 10 * MS for at, number in bench.arrivals]
    assert min(late) >= 0
    assert 285_000 < sum(late) / len(late) < 315_000
    assert max(late) > 5 * 300_000


def test_jitter_from_a_draw() -> None:
    assert jitter(300_000, 0.0) == 0
    assert jitter(1_000_000, 0.5) == 693_147
    assert jitter(300_000, 1 - 2**-53) < 40 * 300_000


def test_a_link_keeps_order_however_large_the_jitter() -> None:
    bench = Bench(LinkSettings(delay_ns=MS, jitter_ns=100 * MS))
    bench.play(500, gap_ns=MS)
    assert bench.order == list(range(500))


def test_loss_is_as_asked() -> None:
    bench = Bench(LinkSettings(delay_ns=MS, rule=LinkRule(loss=0.05), capacity=20_000))
    bench.play(10_000)
    assert 430 < len(bench.drops) < 570  # five per cent, give or take three standard deviations
    assert len(bench.arrivals) + len(bench.drops) == 10_000
    assert {reason for _, reason in bench.drops} == {"loss"}
    assert bench.link.counts.drops == {"loss": len(bench.drops)}


def test_duplicates_arrive_later_and_count_once() -> None:
    bench = Bench(LinkSettings(delay_ns=10 * MS, rule=LinkRule(duplicate=0.2)))
    bench.play(2000, gap_ns=MS)
    counts = bench.link.counts
    assert 340 < counts.duplicated < 460
    assert counts.delivered == 2000 + counts.duplicated
    firsts = list(dict.fromkeys(bench.order))
    assert firsts == list(range(2000))  # the second copies stand outside the order


def test_reordered_envelopes_are_overtaken_and_hold_nobody_back() -> None:
    bench = Bench(LinkSettings(delay_ns=10 * MS, rule=LinkRule(reorder=0.1)))
    bench.play(1000, gap_ns=MS)
    late = {number for at, number in bench.arrivals if at != 10 * MS + number * MS}
    assert 70 < len(late) < 130
    in_order = [number for number in bench.order if number not in late]
    assert in_order == sorted(in_order)
    assert bench.order != sorted(bench.order)
    assert sorted(bench.order) == list(range(1000))


def test_bandwidth_makes_envelopes_leave_one_after_the_other() -> None:
    bench = Bench(LinkSettings(delay_ns=MS, bandwidth_bytes_per_s=1000))  # four bytes take 4 ms
    bench.play(3)
    assert bench.arrivals == [(5 * MS, 0), (9 * MS, 1), (13 * MS, 2)]


def test_a_rule_s_jitter_and_bandwidth_come_on_top() -> None:
    narrow = Bench(LinkSettings(delay_ns=MS, bandwidth_bytes_per_s=10_000))
    narrow.play(3, rule=LinkRule(bandwidth_bytes_per_s=1000))
    assert narrow.arrivals == [(5 * MS, 0), (9 * MS, 1), (13 * MS, 2)]
    calm, noisy = Bench(LinkSettings(delay_ns=MS)), Bench(LinkSettings(delay_ns=MS, jitter_ns=MS))
    calm.play(50, gap_ns=MS, rule=LinkRule(jitter_ns=3 * MS))
    noisy.play(50, gap_ns=MS, rule=LinkRule(jitter_ns=2 * MS))
    assert calm.arrivals == noisy.arrivals  # one draw for the sum of both


def test_what_waits_before_a_narrow_place_leaves_once_that_is_gone() -> None:
    bench = Bench(LinkSettings(delay_ns=10 * MS))
    slow = LinkRule(bandwidth_bytes_per_s=1)  # four bytes take four seconds

    async def main() -> None:
        for number in range(3):
            bench.link.send(envelope(number), slow)
        await sleep(6_000 * MS)
        bench.link.send(envelope(3), OPEN)
        await sleep(3_600_000 * MS)

    run_virtual(main())
    assert bench.arrivals == [(4_010 * MS, 0), (6_010 * MS, 1), (6_010 * MS, 2), (6_010 * MS, 3)]
    assert bench.link.counts.in_flight == 0


def test_a_full_link_loses_what_comes_next() -> None:
    bench = Bench(LinkSettings(delay_ns=MS, capacity=3))
    bench.play(5)
    assert bench.order == [0, 1, 2]
    assert bench.drops == [(3, OVER_CAPACITY), (4, OVER_CAPACITY)]
    later = Bench(LinkSettings(delay_ns=MS, capacity=3))
    later.play(5, gap_ns=MS)
    assert later.order == [0, 1, 2, 3, 4]


def test_what_the_receiver_does_not_take_is_a_drop() -> None:
    bench = Bench(LinkSettings(delay_ns=MS), receive=lambda arrived: "detached" if arrived.id == 1 else "")
    bench.play(3)
    counts = bench.link.counts
    assert bench.drops == [(1, "detached")]
    assert (counts.sent, counts.delivered, counts.dropped, counts.in_flight) == (3, 2, 1, 0)


def test_one_timer_however_many_envelopes() -> None:
    loop = VirtualLoop()
    bench = Bench(LinkSettings(delay_ns=50 * MS, jitter_ns=MS))

    async def main() -> list[int]:
        timers = []
        for number in range(1000):
            bench.link.send(envelope(number), OPEN)
            timers.append(loop.timer_count)
        await sleep(50 * MS)
        timers.append(loop.timer_count)
        await sleep(1000 * MS)
        timers.append(loop.timer_count)
        return timers

    assert set(run_virtual(main(), loop=loop)) == {0, 1}
    assert bench.order == list(range(1000))


def test_equal_arrivals_are_handed_over_by_one_callback() -> None:
    loop = VirtualLoop()
    bench = Bench(LinkSettings(delay_ns=MS))

    async def main() -> int:
        for number in range(100):
            bench.link.send(envelope(number), OPEN)
        before = loop.event_count
        await sleep(MS)
        return loop.event_count - before

    assert run_virtual(main(), loop=loop) <= 4  # the hand-over, the end of the sleep, and waking from it
    assert len(bench.arrivals) == 100


def test_an_earlier_arrival_moves_the_timer_forward() -> None:
    bench = Bench(LinkSettings(delay_ns=10 * MS))

    async def main() -> None:
        bench.link.send(envelope(0), LinkRule(reorder=1.0))  # held back for longer than the next one takes
        await sleep(1)
        bench.link.send(envelope(1), OPEN)
        await sleep(100 * MS)

    run_virtual(main())
    assert bench.arrivals[0] == (10 * MS + 1, 1)
    assert bench.order == [1, 0]


def test_a_receiver_may_send_on_the_same_link() -> None:
    def answer(arrived: Envelope) -> str:
        if arrived.id < 3:
            bench.link.send(envelope(arrived.id + 1), OPEN)
        return ""

    bench = Bench(LinkSettings(delay_ns=MS), receive=answer)
    bench.play(1)
    assert bench.arrivals == [(MS, 0), (2 * MS, 1), (3 * MS, 2), (4 * MS, 3)]


def test_a_receiver_s_bug_does_not_strand_the_rest() -> None:
    def fail_once(arrived: Envelope) -> str:
        assert arrived.id != 0, "a bug"
        return ""

    loop = VirtualLoop()
    bench = Bench(LinkSettings(delay_ns=MS), receive=fail_once)

    async def main() -> None:
        bench.link.send(envelope(0), OPEN)
        bench.link.send(envelope(1), OPEN)
        await sleep(2 * MS)

    task = loop.create_task(main())
    with pytest.raises(AssertionError, match="a bug"):
        loop.run_until_complete(task)
    loop.run_until_complete(task)
    assert bench.order == [0, 1]
    loop.close()


def test_closing_forgets_what_is_on_the_way() -> None:
    bench = Bench(LinkSettings(delay_ns=MS))

    async def main() -> None:
        bench.link.close()
        bench.link.send(envelope(0), OPEN)
        assert len(bench.link) == 1
        bench.link.close()
        assert len(bench.link) == 0
        await sleep(10 * MS)

    run_virtual(main())
    assert bench.arrivals == []


def test_a_drop_takes_the_same_draws_as_a_delivery() -> None:
    """The luck of all other envelopes is the same with and without faults that drop some."""
    settings = LinkSettings(delay_ns=MS, jitter_ns=MS, rule=LinkRule(loss=0.1, duplicate=0.1, reorder=0.1))
    calm, stormy = Bench(settings), Bench(settings)

    async def play(bench: Bench, *, cut: range) -> None:
        for number in range(300):
            rule = LinkRule(cut_by="link_cut") if number in cut else settings.rule
            bench.link.send(envelope(number), rule)
            await sleep(1000 * MS)

    run_virtual(play(calm, cut=range(0)))
    run_virtual(play(stormy, cut=range(100, 200)))
    assert [a for a in calm.arrivals if a[1] not in range(100, 200)] == stormy.arrivals
    assert len(stormy.drops) > 100


def test_the_same_seed_gives_the_same_arrivals_and_another_does_not() -> None:
    settings = LinkSettings(delay_ns=MS, jitter_ns=MS, rule=LinkRule(loss=0.1, duplicate=0.1, reorder=0.1))
    benches = [Bench(settings, seed=seed) for seed in (7, 7, 8)]
    for bench in benches:
        bench.play(200, gap_ns=MS)
    assert benches[0].arrivals == benches[1].arrivals
    assert benches[0].drops == benches[1].drops
    assert benches[0].arrivals != benches[2].arrivals


@pytest.mark.parametrize("wrong", [{"delay_ns": -1}, {"jitter_ns": -1}, {"bandwidth_bytes_per_s": 0}, {"capacity": 0}])
def test_settings_that_make_no_sense(wrong: dict[str, int]) -> None:
    with pytest.raises(AssertionError):
        replace(LinkSettings(delay_ns=0), **wrong)  # type: ignore[arg-type]


def test_a_real_loop_is_not_kept_busy_until_an_envelope_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its timers count milliseconds and fire up to one too early: who asked anew at once would spin until it is over."""
    asked: list[int] = []

    def counted(delay_ns: int, callback: Callable[[], object]) -> Cancellable:
        asked.append(delay_ns)
        return call_later_ns(delay_ns, callback)

    async def main() -> list[int]:
        arrived: list[int] = []
        link = Link(
            LinkSettings(delay_ns=5_400_000),
            OsEntropy().stream("link"),
            lambda one: arrived.append(one.id) or "",
            print,
        )
        monkeypatch.setattr("regionsim.network.link.call_later_ns", counted)
        for number in range(20):
            sent_at_ns = now_ns()
            link.send(envelope(number), OPEN)
            while len(arrived) <= number:
                await sleep(200_000)
            assert now_ns() - sent_at_ns >= 5_400_000
        link.close()
        return arrived

    assert run_real_time(main()) == list(range(20))
    assert len(asked) <= 60
