"""A paced run: the same events in the same order as flat out, whatever is done to its pace."""

from __future__ import annotations

import asyncio
import math
import threading
import time

import pytest

from regionsim.runtime import tasks
from regionsim.runtime.entropy import SeededEntropy
from regionsim.runtime.loop import DeadlockError, PacedRun, VirtualLoop, run_virtual
from regionsim.runtime.trace import Trace

MS = 1_000_000


class World:
    """A small simulation: tasks that sleep for drawn times, wake each other, and note everything they do."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.trace = Trace(lambda: self.loop.now_ns)
        self.board: list[str] = []

    async def main(self) -> str:
        scope = tasks.Scope("world")
        entropy = SeededEntropy(7)
        workers = [scope.spawn(self.work(entropy.stream(f"w{n}"), n), name=f"w{n}") for n in range(5)]
        for worker in workers:
            await worker
        return self.trace.digest

    async def work(self, stream, number: int) -> None:
        for turn in range(40):
            await tasks.sleep(stream.below(10) * MS)
            self.trace.emit("", "turn", worker=number, turn=turn, board=len(self.board))
            tasks.call_later_ns(stream.below(4) * MS, self.trace.emit, "", "echo")

    def write(self, text: str) -> None:
        self.board.append(text)
        self.trace.emit("", "input", text=text)


def flat_out(injected=()) -> tuple[str, int]:
    """The digest and event count of the world run flat out, with live input replayed."""
    world = World()
    for when_ns, label in injected:
        world.loop.call_at_ns(when_ns, world.write, label)
    return run_virtual(world.main(), loop=world.loop), world.loop.event_count


def test_flat_out_in_a_thread_equals_flat_out():
    world = World()
    run = PacedRun(world.main(), rate=math.inf, loop=world.loop)
    assert (run.join(10), world.loop.event_count) == flat_out()
    assert run.is_finished


def test_rate_changes_pauses_and_steps_change_nothing_but_the_pace():
    world = World()
    run = PacedRun(world.main(), rate=0, loop=world.loop)
    for _ in range(20):
        run.step()
    run.set_rate(2.0)
    for rate in (0.5, 3.0, 0.0, 50.0, 1.0):
        time.sleep(0.003)
        run.set_rate(rate)
    run.pause()
    run.resume()
    run.run_until(100 * MS)
    run.step()
    run.set_rate(math.inf)
    assert (run.join(10), world.loop.event_count) == flat_out()


def test_live_input_is_recorded_and_replays():
    world = World()
    run = PacedRun(world.main(), rate=0, loop=world.loop)
    run.step()
    assert run.inject(lambda: world.write("one"), label="one")
    assert run.inject(lambda: world.write("two"), label="two")
    run.step()
    run.run_until(60 * MS)
    run.inject(lambda: world.write("three"), label="three")
    run.set_rate(0.9)
    time.sleep(0.01)
    run.inject(lambda: world.write("four"), label="four")
    run.set_rate(math.inf)
    digest = run.join(10)
    assert [label for _, label in run.injected] == ["one", "two", "three", "four"]
    assert world.board == ["one", "two", "three", "four"]
    assert [when_ns for when_ns, _ in run.injected] == sorted(when_ns for when_ns, _ in run.injected)
    assert run.injected[2][0] >= 60 * MS
    assert digest != flat_out()[0]
    assert (digest, world.loop.event_count) == flat_out(run.injected)


def test_live_input_during_a_flat_out_run_replays():
    world = World()
    started = threading.Event()
    world.loop.call_at_ns(20 * MS - 1, started.wait, 10)
    run = PacedRun(world.main(), rate=math.inf, loop=world.loop)
    run.inject(lambda: world.write("live"), label="live")
    started.set()
    digest = run.join(10)
    expected = World()
    expected.loop.call_at_ns(20 * MS - 1, started.wait, 10)
    for when_ns, label in run.injected:
        expected.loop.call_at_ns(when_ns, expected.write, label)
    assert digest == run_virtual(expected.main(), loop=expected.loop)
    assert world.board == ["live"]


def test_live_input_works_while_paused_and_keeps_the_timers_waiting():
    seen = []

    async def main():
        await tasks.sleep(10 * MS)
        seen.append("timer")

    run = PacedRun(main(), rate=0)
    ran = threading.Event()

    def note() -> None:
        seen.append(tasks.now_ns())
        ran.set()

    run.inject(note)
    assert ran.wait(5)
    assert seen == [1]
    assert run.injected == [(1, note.__qualname__)]
    run.resume()
    run.join(5)
    assert seen == [1, "timer"]


def test_a_step_is_one_instant_with_all_that_belongs_to_it():
    seen = []

    async def main():
        for number in range(4):
            tasks.call_later_ns(5 * MS, seen.append, number)
        tasks.call_later_ns(6 * MS, seen.append, "next")
        await tasks.sleep(7 * MS)

    run = PacedRun(main(), rate=0)
    assert run.step() == 5 * MS
    assert seen == [0, 1, 2, 3]
    assert run.step() == 6 * MS
    assert run.step() == 7 * MS
    assert run.step() == 7 * MS, "nothing is left to step"
    assert run.join(5) is None


def test_run_until_stands_between_events():
    async def main():
        await tasks.sleep(10 * MS)
        await tasks.sleep(10 * MS)
        return tasks.now_ns()

    run = PacedRun(main(), rate=0)
    assert run.run_until(10 * MS) == 10 * MS
    assert run.run_until(15 * MS) == 15 * MS
    assert run.now_ns == 15 * MS
    assert run.rate == 0
    assert run.run_until(99 * MS) == 20 * MS
    assert run.join(5) == 20 * MS


def test_the_rate_is_virtual_seconds_per_second():
    async def main():
        await tasks.sleep(3_000 * MS)

    began = time.monotonic()
    PacedRun(main(), rate=60).join(30)
    assert 0.045 <= time.monotonic() - began < 1.5, "unpaced it is 0 s, at rate 1 it is 3 s"


def test_the_position_never_moves_back():
    async def main():
        for _ in range(200):
            await tasks.sleep(MS)

    run = PacedRun(main(), rate=2)
    seen = [0]
    for rate in (2, math.inf, 3, 0, 5, 2):
        run.set_rate(rate)
        until = time.monotonic() + 0.002
        while time.monotonic() < until:
            seen.append(run.now_ns)
    run.set_rate(math.inf)
    run.join(5)
    seen.append(run.now_ns)
    assert seen == sorted(seen)
    assert seen[-1] == 200 * MS


def test_virtual_time_flows_between_events_and_stands_still_when_paused():
    async def main():
        await tasks.sleep(3_600_000 * MS)

    run = PacedRun(main(), rate=10)
    time.sleep(0.02)
    flowing = run.now_ns
    assert 200 * MS <= flowing < 60_000 * MS
    run.pause()
    paused_at = run.now_ns
    time.sleep(0.01)
    assert run.now_ns == paused_at >= flowing
    run.resume()
    assert run.rate == 10
    time.sleep(0.01)
    assert run.now_ns > paused_at
    run.stop()
    with pytest.raises(asyncio.CancelledError):
        run.join(5)


def test_a_run_that_fell_behind_does_not_race_to_catch_up():
    instants = []

    async def main():
        time.sleep(0.4)
        for _ in range(3):
            await tasks.sleep(20 * MS)
            instants.append(time.monotonic())

    PacedRun(main(), rate=1).join(5)
    assert instants[2] - instants[0] >= 0.03


def test_exceptions_come_out_of_join():
    async def main():
        await tasks.sleep(MS)
        raise KeyError("from the run")

    run = PacedRun(main(), rate=math.inf)
    with pytest.raises(KeyError, match="from the run"):
        run.join(5)
    assert not run.inject(lambda: None), "the run is over"
    assert run.step() == MS


def test_join_says_when_time_is_up():
    async def main():
        await tasks.sleep(MS)

    run = PacedRun(main(), rate=0)
    with pytest.raises(TimeoutError, match="has not ended"):
        run.join(0.01)
    run.resume()
    assert run.rate == 1.0
    run.join(5)


def test_a_paced_deadlock_is_a_deadlock():
    async def main():
        await tasks.future()

    with pytest.raises(DeadlockError):
        PacedRun(main(), rate=1).join(5)


@pytest.mark.parametrize("rate", [1.0, 0.0, math.inf])
def test_a_run_that_waits_for_input_gets_it(rate):
    answer: list[asyncio.Future[str]] = []

    async def main():
        answer.append(tasks.future())
        return await answer[0]

    run = PacedRun(main(), rate=rate, waits_for_input=True)
    run.step()
    assert run.inject(lambda: answer[0].set_result("a word"))
    assert run.join(5) == "a word"


def test_stop_cancels_a_paused_run_and_lets_it_clean_up():
    cleaned = []

    async def main():
        try:
            await tasks.sleep(1_000 * MS)
        finally:
            await tasks.sleep(10 * MS)
            cleaned.append(tasks.now_ns())

    run = PacedRun(main(), rate=0)
    run.stop()
    with pytest.raises(asyncio.CancelledError):
        run.join(5)
    assert cleaned == [10 * MS]


def test_a_run_cannot_wait_for_itself():
    box: list[PacedRun[None]] = []

    async def main():
        await tasks.sleep(MS)
        box[0].step()

    box.append(PacedRun(main(), rate=0))
    box[0].resume()
    with pytest.raises(AssertionError, match="wait for itself"):
        box[0].join(5)


@pytest.mark.parametrize("rate", [-1, math.nan])
def test_a_rate_is_not_negative(rate):
    async def main():
        await tasks.sleep(MS)

    coroutine = main()
    with pytest.raises(ValueError, match="0 or more"):
        PacedRun(coroutine, rate=rate)
    coroutine.close()
