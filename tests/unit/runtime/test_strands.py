"""Strands and signals: what runs without a task, how it is woken, cancelled and told of."""

from __future__ import annotations

import asyncio

import pytest

from regionsim.runtime import tasks
from regionsim.runtime.loop import DeadlockError, VirtualLoop, run_real_time, run_virtual
from regionsim.runtime.strands import Signal
from regionsim.runtime.tasks import Fenced, Scope


class Diary:
    """What a coroutine has come to."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def wait(self, awaited, name: str = "") -> None:
        try:
            self.lines.append(f"{name}{await awaited}")
        except asyncio.CancelledError:
            self.lines.append(f"{name}cancelled at {tasks.now_ns()}")
            raise
        finally:
            self.lines.append(f"{name}over")


# ----------------------------------------------------------------------------------------------------------- strands


def test_a_strand_runs_at_once_and_goes_on_within_the_callback_that_ends_its_wait():
    async def main():
        scope, diary, signal = Scope("node"), Diary(), Signal[str]()
        scope.begin(diary.wait(signal), name="one")
        diary.lines.append("begun")
        signal.give("word")
        diary.lines.append("given")
        return diary.lines

    assert run_virtual(main()) == ["begun", "word", "over", "given"]
    assert run_real_time(main()) == ["begun", "word", "over", "given"]


def test_a_strand_costs_the_loop_one_callback_a_sleep():
    async def nap() -> None:
        await tasks.sleep(5)
        await tasks.sleep(5)

    async def main():
        loop, scope = asyncio.get_running_loop(), Scope("node")
        before = loop.event_count
        scope.begin(nap(), name="nap")
        await tasks.sleep(20)
        return loop.event_count - before

    assert run_virtual(main()) == 2 + 2, "two timers of the strand, and ours with its wake-up"


@pytest.mark.parametrize("run", [run_virtual, run_real_time])
def test_a_strand_awaits_futures_and_turns_as_a_task_does(run):
    async def steps(future, order) -> None:
        await tasks.sleep(0)
        order.append("after a turn")
        order.append(await future)

    async def main():
        scope, future, order = Scope("node"), tasks.future(), []
        scope.begin(steps(future, order), name="steps")
        order.append("begun")
        await tasks.sleep(0)
        future.set_result("value")
        order.append("set")
        await tasks.sleep(0)
        return order

    assert run(main()) == ["begun", "after a turn", "set", "value"]


@pytest.mark.parametrize("run", [run_virtual, run_real_time])
def test_a_task_awaits_a_signal_and_is_woken_by_its_loop(run):
    async def main():
        scope, diary, signal = Scope("node"), Diary(), Signal[str]()
        task = scope.spawn(diary.wait(signal), name="task")
        await tasks.sleep(0)
        signal.give("word")
        diary.lines.append("given")
        await task
        return diary.lines

    assert run(main()) == ["given", "word", "over"]


def test_a_signal_happens_once_and_may_have_happened_before_anybody_waits():
    async def main():
        signal = Signal[int]()
        signal.give(1)
        signal.give(2)
        assert not signal.cancel()
        return await signal, signal.done(), signal.cancelled()

    assert run_virtual(main()) == (1, True, False)


# ------------------------------------------------------------------------------------------------------ cancellation


@pytest.mark.parametrize("is_strand", [True, False])
def test_a_cancelled_signal_ends_the_wait_a_little_later(is_strand):
    async def main():
        scope, diary, signal = Scope("node"), Diary(), Signal[str]()
        (scope.begin if is_strand else scope.spawn)(diary.wait(signal), name="one")
        await tasks.sleep(0)
        assert signal.cancel()
        assert not signal.cancel()
        signal.give("too late")
        diary.lines.append("cancelled it")
        await tasks.sleep(0)
        return diary.lines

    assert run_virtual(main()) == ["cancelled it", "cancelled at 0", "over"]


def test_a_cancelled_task_waits_for_its_signal_no_more():
    async def main():
        scope, diary, signal = Scope("node"), Diary(), Signal[str]()
        task = scope.spawn(diary.wait(signal), name="one")
        await tasks.sleep(0)
        task.cancel()
        await tasks.sleep(0)
        await tasks.sleep(0)
        return diary.lines, task.cancelled(), signal.cancelled()

    assert run_virtual(main()) == (["cancelled at 0", "over"], True, True)


@pytest.mark.parametrize("awaited", [lambda: tasks.sleep(1000), tasks.future, Signal, lambda: tasks.sleep(0)])
def test_a_fence_ends_strands_whatever_they_wait_for(awaited):
    async def main():
        scope, diary = Scope("node"), Diary()
        scope.begin(diary.wait(awaited()), name="one")
        assert scope.task_count == 1
        scope.fence()
        diary.lines.append("fenced")
        await scope.closed()
        assert scope.task_count == 0
        return diary.lines

    assert run_virtual(main()) == ["fenced", "cancelled at 0", "over"]


def test_a_strand_that_fences_its_own_scope_is_cancelled_at_its_next_wait():
    async def suicide(scope: Scope, diary: Diary) -> None:
        scope.fence()
        await diary.wait(tasks.sleep(1000))

    async def main():
        early, late, diary = Scope("early"), Scope("late"), Diary()
        early.begin(suicide(early, diary), name="before the first wait")

        async def wait_first() -> None:
            await tasks.sleep(5)
            await suicide(late, diary)

        late.begin(wait_first(), name="after it")
        await tasks.sleep(10)
        await early.closed()
        await late.closed()
        return diary.lines

    assert run_virtual(main()) == ["cancelled at 0", "over", "cancelled at 5", "over"]


def test_a_fenced_scope_begins_nothing():
    async def main():
        scope, diary = Scope("node"), Diary()
        scope.fence()
        with pytest.raises(Fenced):
            scope.begin(diary.wait(Signal()), name="late")
        return diary.lines

    assert run_virtual(main()) == []


# ----------------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize("waits", [True, False])
def test_the_failure_of_a_strand_stops_a_virtual_run(waits):
    async def fail() -> None:
        if waits:
            await tasks.sleep(5)
        raise ValueError("broken")

    async def main():
        Scope("node").begin(fail(), name="bad")
        await tasks.sleep(1000)

    with pytest.raises(ValueError, match="broken") as caught:
        run_virtual(main())
    assert caught.value.__notes__ == ["raised in task 'node/bad'"]


def test_the_failure_of_a_strand_on_a_real_loop_goes_to_the_scope():
    failures: list[BaseException] = []

    async def fail() -> None:
        await tasks.sleep(0)
        raise ValueError("broken")

    async def main():
        Scope("node", on_failure=failures.append).begin(fail(), name="bad")
        await tasks.sleep(1_000_000)

    run_real_time(main())
    assert [str(failure) for failure in failures] == ["broken"]


def test_a_strand_refused_by_the_fence_has_not_failed():
    async def act(scope: Scope, effect) -> None:
        await tasks.sleep(5)
        scope.fence()
        effect()

    async def main():
        scope = Scope("node")
        scope.begin(act(scope, scope.guard(lambda: None)), name="late")
        await tasks.sleep(10)
        await scope.closed()
        return True

    assert run_virtual(main())


def test_a_deadlock_names_the_strands_that_wait():
    async def main():
        Scope("node").begin(Diary().wait(Signal()), name="forgotten")
        await tasks.future()

    with pytest.raises(DeadlockError, match=r"2 tasks wait: .*forgotten \(waits in Diary.wait, line"):
        run_virtual(main())


def test_the_end_of_a_run_ends_its_strands_and_waits_for_their_clean_up():
    lines: list[str] = []

    async def tidy() -> None:
        try:
            await Signal[None]()
        finally:
            await tasks.sleep(7)
            lines.append(f"tidied at {tasks.now_ns()}")

    async def main():
        Scope("node").begin(tidy(), name="tidy")

    loop = VirtualLoop()
    run_virtual(main(), loop=loop)
    assert lines == ["tidied at 7"]
    assert not loop.strands
