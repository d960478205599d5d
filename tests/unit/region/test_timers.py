"""The scheduler of a Region: order, replacement, retries, how many at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hypothesis import given
from hypothesis import strategies as st

from regionsim.region.timers import ERRANDS_AT_ONCE, RETRY_AFTER_NS, RETRY_AT_MOST_NS, Fired, Timers
from regionsim.runtime.clock import Clock
from regionsim.runtime.loop import run_virtual
from regionsim.runtime.tasks import Scope, now_ns, sleep

EPOCH_NS = 1_000_000_000_000


class Bench:
    """Timers, and what they did: (virtual ns, subject)."""

    def __init__(self) -> None:
        self.scope = Scope("test")
        self.clock = Clock(EPOCH_NS)
        self.fired: list[Fired] = []
        self.done: list[tuple[int, str]] = []
        self.timers = Timers("us-east-1", self.scope, self.clock, self.fired.append)

    async def note(self, subject: str) -> bool:
        self.done.append((now_ns(), subject))
        return True

    def set(self, subject: str, at_ns: int, errand: Callable[[str], Awaitable[bool]] | None = None) -> None:
        self.timers.set("thing", subject, EPOCH_NS + at_ns, errand or self.note)


def run(script: Callable[[Bench], Awaitable[None]]) -> Bench:
    async def main() -> Bench:
        bench = Bench()
        await script(bench)
        bench.scope.fence()
        await bench.scope.closed()
        return bench

    return run_virtual(main())


@given(st.lists(st.integers(0, 50), max_size=20))
def test_errands_run_at_their_instants_in_their_order(instants: list[int]) -> None:
    async def script(bench: Bench) -> None:
        for number, at_ns in enumerate(instants):
            bench.set(f"{number:02}", at_ns)
        await sleep(100)

    done = run(script).done
    assert done == sorted((at_ns, f"{number:02}") for number, at_ns in enumerate(instants))


def test_what_is_past_runs_at_once() -> None:
    async def script(bench: Bench) -> None:
        await sleep(1_000)
        bench.set("late", 10)
        await sleep(1)

    assert run(script).done == [(1_000, "late")]


def test_set_again_it_runs_once_at_the_new_instant() -> None:
    async def script(bench: Bench) -> None:
        bench.set("a", 10)
        bench.set("a", 30)
        bench.set("b", 40)
        bench.set("b", 20)
        await sleep(100)

    bench = run(script)
    assert bench.done == [(20, "b"), (30, "a")]
    assert [fired.due_at_ns - EPOCH_NS for fired in bench.fired] == [20, 30]


def test_dropped_it_never_runs() -> None:
    async def script(bench: Bench) -> None:
        bench.set("a", 10)
        bench.set("b", 10)
        bench.timers.drop("thing", "a")
        bench.timers.drop("thing", "nothing")
        await sleep(100)
        assert bench.timers.next_due_at_ns is None

    assert run(script).done == [(10, "b")]


def test_one_that_cannot_be_done_is_tried_ever_more_rarely_and_told_of_once() -> None:
    async def script(bench: Bench) -> None:
        async def fails(subject: str) -> bool:
            bench.done.append((now_ns(), subject))
            return len(bench.done) == 9

        bench.set("a", 10, fails)
        await sleep(3 * 3_600 * 10**9)
        assert bench.timers.next_due_at_ns is None

    bench = run(script)
    pauses = [later - earlier for (earlier, _), (later, _) in zip(bench.done, bench.done[1:], strict=False)]
    assert pauses == [min(RETRY_AFTER_NS * 2**n, RETRY_AT_MOST_NS) for n in range(8)]
    assert len(bench.fired) == 1


def test_an_errand_that_sets_itself_anew_is_not_forgotten() -> None:
    async def script(bench: Bench) -> None:
        async def daily(subject: str) -> bool:
            bench.done.append((now_ns(), subject))
            bench.set("a", now_ns() + 10, daily)
            return True

        bench.set("a", 10, daily)
        await sleep(35)

    assert run(script).done == [(10, "a"), (20, "a"), (30, "a")]


def test_only_so_many_run_at_once_and_the_others_follow_in_order() -> None:
    running, most = 0, 0

    async def script(bench: Bench) -> None:
        async def slow(subject: str) -> bool:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await sleep(5)
            running -= 1
            bench.done.append((now_ns(), subject))
            return True

        for number in range(ERRANDS_AT_ONCE * 2 + 1):
            bench.set(f"{number:03}", 10, slow)
        await sleep(11)
        assert not bench.timers.is_idle
        await sleep(100)
        assert bench.timers.is_idle

    done = run(script).done
    assert most == ERRANDS_AT_ONCE
    assert [subject for _, subject in done] == sorted(subject for _, subject in done)


def test_dropped_while_it_waits_for_its_turn_it_does_not_run() -> None:
    async def script(bench: Bench) -> None:
        async def slow(subject: str) -> bool:
            await sleep(5)
            bench.done.append((now_ns(), subject))
            return True

        for number in range(ERRANDS_AT_ONCE + 1):
            bench.set(f"{number:03}", 10, slow)
        await sleep(11)
        bench.timers.drop("thing", f"{ERRANDS_AT_ONCE:03}")
        await sleep(100)

    assert len(run(script).done) == ERRANDS_AT_ONCE


def test_a_clock_that_is_moved_is_looked_at_when_it_is_said() -> None:
    async def script(bench: Bench) -> None:
        bench.set("a", 1_000)
        bench.clock.set_skew(990)
        bench.timers.wake()
        await sleep(20)

    assert run(script).done == [(10, "a")]


def test_nothing_runs_once_the_hosts_are_dead() -> None:
    async def script(bench: Bench) -> None:
        bench.set("a", 10)
        bench.scope.fence()
        await sleep(20)

    assert run(script).done == []
