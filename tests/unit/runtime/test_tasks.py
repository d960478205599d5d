"""The primitives of node code, and the scope that a crash takes away."""

from __future__ import annotations

import asyncio
import time

import pytest

from regionsim.runtime import tasks
from regionsim.runtime.loop import VirtualLoop, run_real_time, run_virtual
from regionsim.runtime.tasks import Fenced, Scope

MS = 1_000_000


async def forever() -> None:
    await tasks.future()


# ------------------------------------------------------------------------------------------------------ primitives


@pytest.mark.parametrize("duration_ns", [0, -5])
def test_a_sleep_of_nothing_gives_the_others_a_turn(duration_ns):
    async def main():
        order: list[str] = []
        asyncio.get_running_loop().call_soon(order.append, "other")
        await tasks.sleep(duration_ns)
        order.append("me")
        return order, tasks.now_ns()

    assert run_virtual(main()) == (["other", "me"], 0)


def test_a_timer_can_be_cancelled_on_either_loop():
    async def main():
        fired: list[str] = []
        tasks.call_later_ns(1 * MS, fired.append, "kept")
        tasks.call_later_ns(1 * MS, fired.append, "dropped").cancel()
        await tasks.sleep(5 * MS)
        return fired

    assert run_virtual(main()) == ["kept"]
    assert run_real_time(main()) == ["kept"]


def test_the_primitives_keep_real_time_too():
    async def main():
        start = tasks.now_ns()
        await tasks.sleep(10 * MS)
        await tasks.sleep(0)
        return tasks.now_ns() - start

    began = time.monotonic_ns()
    slept = run_real_time(main())
    assert 9 * MS <= slept <= time.monotonic_ns() - began


def test_a_sleep_that_is_woken_and_cancelled_at_once_is_cancelled():
    async def main():
        scope = Scope("node")
        sleeper = scope.spawn(tasks.sleep(10), name="sleeper")
        tasks.call_later_ns(10, sleeper.cancel)
        await tasks.sleep(10)
        await tasks.sleep(0)
        return sleeper.cancelled()

    assert run_virtual(main()) is True


# ----------------------------------------------------------------------------------------------------------- scope


def test_spawned_tasks_are_named_and_give_their_results():
    async def work():
        await tasks.sleep(5)
        return "result"

    async def main():
        scope = Scope("eu-west-1")
        task = scope.spawn(work(), name="replicator")
        assert task.get_name() == "eu-west-1/replicator"
        assert repr(scope) == "<Scope eu-west-1 alive tasks=1 timers=0>"
        return await task

    assert run_virtual(main()) == "result"


def test_a_fence_comes_before_the_cancellation_so_that_no_finally_writes():
    disk: list[str] = []

    async def main():
        scope = Scope("node")
        write = scope.guard(disk.append)

        async def works():
            try:
                write("begun")
                await tasks.future()
            except asyncio.CancelledError:
                write("in except")
            finally:
                write("in finally")

        async def recovers():
            try:
                await tasks.future()
            finally:
                try:
                    write("recovering")
                except Exception:  # noqa: BLE001 - what careless code does
                    disk.append("recovered")

        both = [scope.spawn(works(), name="works"), scope.spawn(recovers(), name="recovers")]
        await tasks.sleep(5)
        scope.fence()
        assert scope.is_fenced
        await scope.closed()
        return [type(task.exception()) for task in both]

    assert run_virtual(main()) == [Fenced, Fenced]
    assert disk == ["begun"]


def test_a_task_that_ignores_its_cancellation_is_still_fenced():
    disk: list[str] = []

    async def main():
        scope = Scope("node")

        async def stubborn():
            while True:
                try:
                    await tasks.sleep(10)
                except asyncio.CancelledError:
                    continue
                scope.check()
                disk.append("written")

        scope.spawn(stubborn(), name="stubborn")
        await tasks.sleep(25)
        scope.fence()
        await scope.closed()
        return tasks.now_ns()

    assert run_virtual(main()) == 35
    assert disk == ["written", "written"]


def test_a_dead_scope_starts_nothing():
    async def main():
        scope = Scope("node")
        scope.fence()
        with pytest.raises(Fenced):
            scope.spawn(forever(), name="late")
        with pytest.raises(Fenced):
            scope.call_later_ns(1, print)
        with pytest.raises(Fenced, match="node"):
            scope.check()
        await scope.closed()

    run_virtual(main())


def test_a_fence_ends_one_incarnation_and_not_the_next():
    async def main():
        first, second = Scope("node#1"), Scope("node#2")
        first.spawn(forever(), name="a")
        survivor = second.spawn(tasks.sleep(50), name="a")
        first.fence()
        await first.closed()
        second.check()
        await survivor
        return tasks.now_ns()

    assert run_virtual(main()) == 50


def test_timers_die_with_their_scope():
    fired: list[str] = []

    async def main():
        scope = Scope("node")
        scope.call_later_ns(10, fired.append, "before")
        scope.call_later_ns(20, fired.append, "at the end")
        dropped = scope.call_later_ns(5, fired.append, "dropped")
        dropped.cancel()
        dropped.cancel()
        await tasks.sleep(15)
        assert scope.timer_count == 1
        scope.fence()
        assert scope.timer_count == 0
        await tasks.sleep(50)

    run_virtual(main())
    assert fired == ["before"]


def test_a_timer_that_ends_its_own_scope_and_acts_is_refused_in_silence():
    async def main():
        scope = Scope("node")

        def crash() -> None:
            scope.fence()
            scope.check()

        scope.call_later_ns(5, crash)
        await tasks.sleep(10)
        return scope.is_fenced

    assert run_virtual(main()) is True


def test_a_timer_refused_by_anothers_fence_is_a_bug():
    async def main():
        dead, alive = Scope("dead"), Scope("alive")
        dead.fence()
        alive.call_later_ns(5, dead.check)
        await tasks.sleep(10)

    with pytest.raises(Fenced, match="dead"):
        run_virtual(main())


def test_finished_tasks_and_timers_are_dropped():
    async def main():
        scope = Scope("node")
        for _ in range(1_000):
            scope.spawn(tasks.sleep(1), name="short")
            scope.call_later_ns(1, int)
            scope.call_later_ns(10**12, int).cancel()
        assert (scope.task_count, scope.timer_count) == (1_000, 1_000)
        await tasks.sleep(5)
        return scope.task_count, scope.timer_count

    assert run_virtual(main()) == (0, 0)


def test_tasks_are_cancelled_oldest_first_and_all_waiters_told():
    ended: list[int] = []

    async def main():
        scope = Scope("node")

        async def works(number: int):
            try:
                await tasks.future()
            finally:
                ended.append(number)

        for number in range(20):
            scope.spawn(works(number), name=str(number))
        await tasks.sleep(1)
        scope.fence()
        outside = Scope("outside")
        watchers = [outside.spawn(scope.closed(), name=f"w{n}") for n in range(3)]
        watchers[1].cancel()
        await watchers[0]
        await watchers[2]
        return watchers[1].cancelled()

    assert run_virtual(main()) is True
    assert ended == list(range(20))


def test_a_watcher_that_was_cancelled_is_passed_over():
    async def main():
        scope, outside = Scope("node"), Scope("outside")

        async def lingers():
            try:
                await tasks.future()
            finally:
                await tasks.sleep(100)

        scope.spawn(lingers(), name="lingers")
        await tasks.sleep(1)
        scope.fence()
        watcher = outside.spawn(scope.closed(), name="watcher")
        await tasks.sleep(1)
        watcher.cancel()
        await scope.closed()
        return tasks.now_ns()

    assert run_virtual(main()) == 101


def test_a_scope_must_be_fenced_before_it_is_awaited_and_not_from_inside():
    async def main():
        scope = Scope("node")
        with pytest.raises(AssertionError, match="alive"):
            await scope.closed()

        async def inside():
            scope.fence()
            await scope.closed()

        scope.spawn(inside(), name="inside")
        await tasks.sleep(1)

    with pytest.raises(AssertionError, match="cannot wait for its own end"):
        run_virtual(main())


# -------------------------------------------------------------------------------------------------------- failures


async def breaks() -> None:
    await tasks.sleep(10)
    raise KeyError("a bug")


def test_a_failing_task_stops_a_virtual_run_at_once():
    async def main():
        Scope("node").spawn(breaks(), name="timers")
        await tasks.sleep(1_000)

    loop = VirtualLoop()
    stopped_at: list[int] = []

    async def watched():
        try:
            await main()
        finally:
            stopped_at.append(tasks.now_ns())

    with pytest.raises(KeyError, match="a bug") as caught:
        run_virtual(watched(), loop=loop)
    assert stopped_at == [10]
    assert "raised in task 'node/timers'" in caught.value.__notes__


def test_a_refusal_without_a_fence_of_its_own_is_a_failure():
    async def main():
        dead = Scope("dead")
        dead.fence()

        async def writes():
            dead.check()

        Scope("alive").spawn(writes(), name="writer")
        await tasks.sleep(1)

    with pytest.raises(Fenced, match="dead"):
        run_virtual(main())


def test_a_bug_in_the_clean_up_of_the_dead_is_still_a_failure():
    async def main():
        scope = Scope("node")

        async def works():
            try:
                await tasks.future()
            finally:
                raise KeyError("in finally")

        scope.spawn(works(), name="works")
        await tasks.sleep(1)
        scope.fence()
        await tasks.sleep(1)

    with pytest.raises(KeyError, match="in finally"):
        run_virtual(main())


def test_on_a_real_loop_a_failure_goes_to_the_scopes_callback():
    failures: list[BaseException] = []

    async def breaks_at_once():
        raise KeyError("a bug")

    async def main():
        scope = Scope("node", on_failure=failures.append)
        scope.spawn(breaks_at_once(), name="timers")
        await tasks.sleep(MS)

    run_real_time(main())
    assert [repr(error) for error in failures] == ["KeyError('a bug')"]


def test_on_a_real_loop_a_failure_goes_to_the_loops_handler_by_default():
    seen: list[dict[str, object]] = []

    async def breaks_at_once():
        raise KeyError("a bug")

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
        Scope("node").spawn(breaks_at_once(), name="timers")
        await tasks.sleep(MS)

    run_real_time(main())
    assert [context["message"] for context in seen] == ["a task of scope node failed"]
    assert isinstance(seen[0]["exception"], KeyError)


def test_a_fenced_task_on_a_real_loop_is_no_failure():
    failures: list[BaseException] = []

    async def main():
        scope = Scope("node", on_failure=failures.append)

        async def works():
            try:
                await tasks.future()
            finally:
                scope.check()

        scope.spawn(works(), name="works")
        await tasks.sleep(MS)
        scope.fence()
        await scope.closed()

    run_real_time(main())
    assert failures == []
