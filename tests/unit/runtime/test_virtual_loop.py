"""The virtual loop: exact time, FIFO order, and a loud end for whatever would go wrong in silence."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import threading

import pytest

from regionsim.runtime import tasks
from regionsim.runtime.loop import DeadlockError, LivelockError, VirtualLoop, run_virtual

DAY_NS = 86_400 * 10**9


def loop_now() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


# ------------------------------------------------------------------------------------------------------------- time


def test_time_starts_at_zero_and_jumps_to_the_next_timer():
    async def main():
        before = tasks.now_ns()
        await tasks.sleep(366 * DAY_NS)
        return before, tasks.now_ns()

    assert run_virtual(main()) == (0, 366 * DAY_NS)


@pytest.mark.parametrize("day", [195, 400, 40_000])
def test_a_millisecond_is_exact_however_late_it_is(day):
    """Stock asyncio hangs here: past 2**24 seconds its float time and its 1e-9 resolution never meet."""

    async def main():
        await tasks.sleep(day * DAY_NS)
        start = tasks.now_ns()
        await tasks.sleep(1_000_000)
        ours = tasks.now_ns() - start
        await asyncio.sleep(0.001)
        return ours, tasks.now_ns() - start - ours

    assert run_virtual(main()) == (1_000_000, 1_000_000)


def test_asyncio_deadlines_in_float_seconds_still_work_late():
    async def main():
        await tasks.sleep(400 * DAY_NS)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await tasks.future()
        return tasks.now_ns() - 400 * DAY_NS

    assert run_virtual(main()) == pytest.approx(500_000_000, abs=100)


def test_call_at_takes_the_loops_seconds():
    async def main():
        loop, reached = loop_now(), tasks.future()
        handle = loop.call_at(loop.time() + 2.5, reached.set_result, None)
        await reached
        return handle.when(), handle.when_ns, loop.now_ns

    assert run_virtual(main()) == (2.5, 2_500_000_000, 2_500_000_000)


# ------------------------------------------------------------------------------------------------------------ order


def test_equal_deadlines_run_in_the_order_of_their_posting():
    """Stock asyncio's heap compares deadlines only, and gives some other order from a handful of timers on."""

    async def main():
        order: list[int] = []
        for number in range(1000):
            tasks.call_later_ns(5_000, order.append, number)
        await tasks.sleep(5_001)
        return order

    assert run_virtual(main()) == list(range(1000))


def test_what_is_due_already_waits_behind_what_is_ready():
    async def main():
        loop, order = loop_now(), []
        loop.call_soon(order.append, "posted")
        loop.call_at_ns(loop.now_ns, order.append, "due now")
        loop.call_at_ns(loop.now_ns - 5, order.append, "overdue")
        await tasks.sleep(1)
        return order

    assert run_virtual(main()) == ["posted", "due now", "overdue"]


def test_all_of_an_instant_happens_before_time_moves():
    async def main():
        loop, seen = loop_now(), []

        def again(left: int) -> None:
            seen.append(loop.now_ns)
            if left:
                loop.call_soon(again, left - 1)

        loop.call_at_ns(10, again, 3)
        loop.call_at_ns(11, again, 0)
        await tasks.sleep(20)
        return seen

    assert run_virtual(main()) == [10, 10, 10, 10, 11]


async def ties() -> list[int]:
    order: list[int] = []
    for number in range(50):
        tasks.call_later_ns(1_000, order.append, number)
    tasks.call_later_ns(2_000, order.append, -1)
    await tasks.sleep(3_000)
    return order


def test_ties_are_shuffled_by_a_seed_and_repeat_with_it():
    first, again, other = (run_virtual(ties(), loop=VirtualLoop(shuffle=random.Random(seed))) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first != sorted(first)
    assert sorted(first) == [-1, *range(50)]
    assert first[-1] == -1, "only ties are shuffled: a later instant stays later"


def test_scheduling_is_fifo_unless_shuffled():
    assert run_virtual(ties()) == [*range(50), -1]


# ------------------------------------------------------------------------------------------------ timers and counting


def test_cancelled_timers_are_purged_from_the_heap():
    async def main():
        loop = loop_now()
        keep = [loop.call_at_ns(DAY_NS + number, lambda: None) for number in range(100)]
        for number in range(10_000):
            loop.call_at_ns(2 * DAY_NS + number, lambda: None).cancel()
        assert loop.timer_count < 300
        for handle in keep:
            handle.cancel()
            handle.cancel()
        await tasks.sleep(3 * DAY_NS)
        return loop.timer_count

    assert run_virtual(main()) == 0


def test_timers_that_are_all_cancelled_leave_an_empty_heap():
    async def main():
        loop = loop_now()
        handles = [loop.call_at_ns(DAY_NS + number, lambda: None) for number in range(65)]
        for handle in reversed(handles):
            handle.cancel()
        return loop.timer_count

    assert run_virtual(main()) == 0


def test_a_cancelled_timer_never_runs_and_keeps_no_time():
    async def main():
        loop, fired = loop_now(), []
        timers = [loop.call_at_ns(100, fired.append, number) for number in range(3)]
        timers[1].cancel()
        loop.call_at_ns(50, timers[2].cancel)
        soon = loop.call_soon(fired.append, "soon")
        soon.cancel()
        before = loop.event_count
        await tasks.sleep(200)
        return fired, loop.event_count - before

    # Counted: the canceller, the one timer that fired, the sleep's timer and its task's wake-up.
    assert run_virtual(main()) == ([0], 4)


def test_a_timer_cancelled_by_another_of_its_instant_does_not_run():
    async def main():
        loop, fired = loop_now(), []
        late: list[asyncio.TimerHandle] = []
        loop.call_at_ns(100, lambda: [handle.cancel() for handle in late])
        late.append(loop.call_at_ns(100, fired.append, "late"))
        await tasks.sleep(200)
        return fired

    assert run_virtual(main()) == []


def test_cancelled_sleeps_leave_nothing_behind():
    async def main():
        scope = tasks.Scope("node")
        for _ in range(500):
            task = scope.spawn(tasks.sleep(DAY_NS), name="sleeper")
            await tasks.sleep(0)
            task.cancel()
        await tasks.sleep(1)
        return loop_now().timer_count

    assert run_virtual(main()) < 200


# --------------------------------------------------------------------------------------------------- loud endings


async def fails(error: BaseException) -> None:
    await tasks.sleep(10)
    raise error


def test_a_task_exception_that_nobody_awaited_fails_the_run():
    async def main():
        asyncio.get_running_loop().create_task(fails(KeyError("lost")), name="orphan")
        await tasks.sleep(1_000)

    with pytest.raises(KeyError, match="lost") as caught:
        run_virtual(main())
    assert "raised in task 'orphan', which nobody awaited" in caught.value.__notes__


def test_a_lost_exception_is_not_swept_away_with_the_tasks_that_have_ended():
    async def fail() -> None:
        raise ValueError("lost early")

    async def nothing() -> None:
        pass

    async def main() -> None:
        loop = asyncio.get_running_loop()
        kept = loop.create_task(fail())
        for _ in range(2000):
            await loop.create_task(nothing())
        assert kept.done()
        assert len(loop._tasks) < 1000, "the loop lets go of tasks that have ended"

    with pytest.raises(ValueError, match="lost early"):
        run_virtual(main())


def test_every_lost_exception_is_told_the_first_is_raised():
    async def main():
        for name in ("first", "second"):
            asyncio.get_running_loop().create_task(fails(ValueError(name)), name=name)
        await tasks.sleep(1_000)

    with pytest.raises(ValueError, match="first") as caught:
        run_virtual(main())
    assert "lost as well: ValueError('second')" in caught.value.__notes__


def test_a_task_exception_that_somebody_awaited_later_is_not_lost():
    async def main():
        late = [asyncio.get_running_loop().create_task(fails(KeyError(number))) for number in range(200)]
        await tasks.sleep(1_000)
        for task in late:
            with pytest.raises(KeyError):
                await task
        return "fine"

    assert run_virtual(main()) == "fine"


def test_a_failure_during_the_clean_up_is_not_lost():
    async def stubborn():
        try:
            await tasks.future()
        finally:
            await tasks.sleep(5)
            raise OSError("in finally")

    async def main():
        asyncio.get_running_loop().create_task(stubborn())
        await tasks.sleep(1)

    with pytest.raises(OSError, match="in finally"):
        run_virtual(main())


def test_mains_own_exception_comes_before_lost_ones(caplog):
    async def main():
        asyncio.get_running_loop().create_task(fails(KeyError("side effect")))
        await tasks.sleep(100)
        raise RuntimeError("cause")

    with pytest.raises(RuntimeError, match="cause"):
        run_virtual(main())


def test_an_exception_in_a_callback_stops_the_run_where_it_is():
    async def main():
        loop_now().call_at_ns(5, int, "no number")
        await tasks.sleep(1_000)

    loop = VirtualLoop()
    with pytest.raises(ValueError, match="no number"):
        run_virtual(main(), loop=loop)
    assert loop.now_ns == 5


def test_a_future_exception_that_nobody_read_stops_the_run():
    async def main():
        tasks.future().set_exception(KeyError("unread"))
        gc.collect()
        await tasks.sleep(1)

    with pytest.raises(KeyError, match="unread") as caught:
        run_virtual(main())
    assert any("never retrieved" in note for note in caught.value.__notes__)


def test_the_first_of_several_failures_counts():
    async def main():
        loop_now().fail(KeyError("first"))
        loop_now().fail(KeyError("second"))
        await tasks.sleep(1)

    with pytest.raises(KeyError, match="first"):
        run_virtual(main())


def test_a_failure_without_exception_gets_one():
    async def main():
        loop_now().call_exception_handler({"message": "something odd"})
        await tasks.sleep(1)

    with pytest.raises(RuntimeError, match="something odd"):
        run_virtual(main())


def test_a_failure_after_the_end_is_logged(caplog):
    loop = VirtualLoop()
    loop.close()
    with caplog.at_level(logging.ERROR):
        loop.call_exception_handler({"message": "too late to stop anything"})
    assert "too late to stop anything" in caplog.text


def test_deadlock_names_the_tasks_and_where_they_wait():
    async def waits_for_a_word():
        await tasks.future()

    async def main():
        loop = asyncio.get_running_loop()
        waiting = loop.create_task(waits_for_a_word(), name="eu-west-1/replicator")
        await tasks.sleep(77)
        await waits_for_a_word()
        await waiting

    with pytest.raises(DeadlockError) as caught:
        run_virtual(main())
    message = str(caught.value)
    assert "deadlock at 77 ns" in message
    assert "2 tasks wait" in message
    assert "eu-west-1/replicator (waits in " in message
    assert "waits_for_a_word" in message


def test_a_deadlock_of_many_names_twenty():
    async def main():
        scope = tasks.Scope("region")
        for number in range(40):
            scope.spawn(asyncio.Event().wait(), name=f"w{number}")
        await tasks.future()

    with pytest.raises(DeadlockError, match=r"41 tasks wait: .*, and 21 more"):
        run_virtual(main())


def test_a_million_callbacks_at_one_instant_are_a_livelock():
    async def main():
        loop = loop_now()
        await tasks.sleep(9)

        def again() -> None:
            loop.call_soon(again)

        again()
        await tasks.sleep(1)

    loop = VirtualLoop()
    with pytest.raises(LivelockError, match=r"1000000 callbacks at 9 ns; next: .*again$"):
        run_virtual(main(), loop=loop)


def test_a_clean_up_that_gets_nowhere_fails_the_run_and_is_abandoned():
    async def holds_on():
        while True:
            try:
                await tasks.future()
            except asyncio.CancelledError:
                continue
            except GeneratorExit:
                return

    async def main():
        tasks.Scope("region").spawn(holds_on(), name="clinging")
        await tasks.sleep(1)

    loop = VirtualLoop()
    with pytest.raises(DeadlockError, match="region/clinging"):
        run_virtual(main(), loop=loop)
    assert loop.is_closed()


def test_a_failure_told_during_the_clean_up_fails_the_run():
    async def complains():
        try:
            await tasks.future()
        finally:
            loop_now().fail(OSError("told in finally"))
            await tasks.sleep(1)

    async def main():
        tasks.Scope("region").spawn(complains(), name="complaining")
        await tasks.sleep(1)

    with pytest.raises(OSError, match="told in finally"):
        run_virtual(main())


def test_a_livelock_names_the_spinning_task(monkeypatch):
    monkeypatch.setattr("regionsim.runtime.virtual_loop.LIVELOCK_CALLBACK_COUNT", 1_000)

    async def spin():
        while True:
            await tasks.sleep(0)

    async def main():
        asyncio.get_running_loop().create_task(spin(), name="spinner")
        await tasks.sleep(1)

    with pytest.raises(LivelockError, match="task 'spinner'"):
        run_virtual(main())


def test_many_callbacks_over_many_instants_are_no_livelock(monkeypatch):
    monkeypatch.setattr("regionsim.runtime.virtual_loop.LIVELOCK_CALLBACK_COUNT", 100)

    async def main():
        for _ in range(1_000):
            await tasks.sleep(1)
        return loop_now().event_count

    assert run_virtual(main()) > 2_000


# ------------------------------------------------------------------------------------------------------ other threads


def answer_from_a_thread(loop: VirtualLoop, callback) -> None:
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(callback,))
    thread.start()
    thread.join()


def test_a_threads_answer_waits_until_it_is_drained():
    async def main():
        loop, seen = loop_now(), []
        answer_from_a_thread(loop, lambda: seen.append(loop.now_ns))
        await tasks.sleep(10)
        assert seen == [], "its moment of arrival must not decide where it stands"
        before = loop.event_count
        assert loop.drain_threadsafe() == 1
        assert loop.drain_threadsafe() == 0
        return seen, loop.event_count - before, loop.now_ns

    assert run_virtual(main()) == ([10], 0, 10)


def test_draining_waits_for_an_answer_on_its_way():
    async def main():
        loop, answered = loop_now(), tasks.future()
        go = threading.Event()

        def answer() -> None:
            go.wait(5)
            loop.call_soon_threadsafe(answered.set_result, "late")

        thread = threading.Thread(target=answer)
        thread.start()
        go.set()
        assert loop.drain_threadsafe(wait_seconds=5) == 1
        thread.join()
        return await answered, loop.now_ns

    assert run_virtual(main()) == ("late", 0)


def test_a_cancelled_answer_is_dropped():
    async def main():
        loop, seen = loop_now(), []
        loop.call_soon_threadsafe(seen.append, 1).cancel()
        loop.drain_threadsafe()
        return seen

    assert run_virtual(main()) == []


def test_an_idle_loop_takes_a_threads_answer_instead_of_a_deadlock():
    async def main():
        answered = tasks.future()
        answer_from_a_thread(loop_now(), lambda: answered.set_result("just in time"))
        return await answered

    assert run_virtual(main()) == "just in time"


def test_threads_of_its_own_are_refused():
    async def main():
        await asyncio.to_thread(int)

    with pytest.raises(AssertionError, match="virtual time has no threads"):
        run_virtual(main())


# --------------------------------------------------------------------------------------------------------------- ends


def test_what_is_left_is_cancelled_in_the_order_of_its_creation():
    ended: list[str] = []

    async def waits(name: str):
        try:
            await tasks.future()
        finally:
            await tasks.sleep(5)
            ended.append(name)

    async def main():
        for name in "abcdef":
            asyncio.get_running_loop().create_task(waits(name))
        await tasks.sleep(1)
        return "done"

    loop = VirtualLoop()
    assert run_virtual(main(), loop=loop) == "done"
    assert ended == list("abcdef")
    assert loop.is_closed()


def test_async_generators_are_closed_at_the_end():
    closed = []

    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    kept = []

    async def main():
        kept.append(numbers())
        return await anext(kept[0])

    assert run_virtual(main()) == 1
    assert closed == [True]


def test_a_waiting_task_that_nobody_holds_is_not_collected():
    async def main():
        asyncio.get_running_loop().create_task(asyncio.Event().wait(), name="held by the loop alone")
        await tasks.sleep(1)
        gc.collect()
        return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    assert run_virtual(main()) == ["held by the loop alone"]


def test_unnamed_tasks_are_called_after_their_coroutine():
    async def some_work():
        current = asyncio.current_task()
        assert current is not None
        return current.get_name()

    async def main():
        return await asyncio.get_running_loop().create_task(some_work())

    assert run_virtual(main()).endswith("some_work")


def test_a_closed_loop_refuses_callbacks():
    loop = VirtualLoop()
    loop.close()
    for post in (lambda: loop.call_soon(int), lambda: loop.call_at_ns(1, int), lambda: loop.call_soon_threadsafe(int)):
        with pytest.raises(RuntimeError, match="closed"):
            post()


def test_asyncios_own_tools_work_on_it():
    async def main():
        async with asyncio.TaskGroup() as group:
            slow, fast = group.create_task(asyncio.sleep(2, "slow")), group.create_task(asyncio.sleep(1, "fast"))
        queue: asyncio.Queue[str] = asyncio.Queue()
        await queue.put(fast.result() + slow.result())
        return await asyncio.wait_for(queue.get(), 1), tasks.now_ns()

    assert run_virtual(main()) == ("fastslow", 2_000_000_000)
