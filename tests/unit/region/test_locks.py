"""Locks: first come, first served; no two mutations wait for each other; a cancelled waiter passes its turn on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionsim.region.locks import Locks
from regionsim.runtime.loop import run_virtual
from regionsim.runtime.tasks import Scope, sleep


def on_a_loop(test: Callable[[Locks, Scope], Awaitable[None]]) -> None:
    async def main() -> None:
        scope = Scope("test")
        await test(Locks(), scope)
        scope.fence()
        await scope.closed()

    run_virtual(main())


async def hold_for(locks: Locks, names: list[str], duration_ns: int, log: list[str], who: str) -> None:
    async with locks.hold(names):
        log.append(f"{who} in")
        await sleep(duration_ns)
        log.append(f"{who} out")


def test_waiters_get_a_lock_in_the_order_in_which_they_asked() -> None:
    async def test(locks: Locks, scope: Scope) -> None:
        log: list[str] = []
        tasks = [scope.spawn(hold_for(locks, ["key"], 10 - who, log, str(who)), name="w") for who in range(4)]
        for task in tasks:
            await task
        assert log == [f"{who} {what}" for who in range(4) for what in ("in", "out")]
        assert not locks.is_held("key")

    on_a_loop(test)


def test_different_names_do_not_wait_for_each_other() -> None:
    async def test(locks: Locks, scope: Scope) -> None:
        log: list[str] = []
        tasks = [scope.spawn(hold_for(locks, [name], 10, log, name), name=name) for name in "ab"]
        for task in tasks:
            await task
        assert log == ["a in", "b in", "a out", "b out"]

    on_a_loop(test)


def test_a_name_given_twice_is_taken_once() -> None:
    async def test(locks: Locks, scope: Scope) -> None:
        async with locks.hold(["a", "b", "a"]):
            assert locks.is_held("a")
            assert locks.is_held("b")
        assert not locks.is_held("a")
        assert not locks.is_held("b")

    on_a_loop(test)


@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4), min_size=2, max_size=12), st.data())
def test_no_acquisitions_deadlock_and_none_overlap(wishes: list[list[str]], data: st.DataObject) -> None:
    durations = data.draw(st.lists(st.integers(0, 3), min_size=len(wishes), max_size=len(wishes)))
    holders: dict[str, int] = {}

    async def worker(locks: Locks, who: int) -> None:
        async with locks.hold(wishes[who]):
            for name in set(wishes[who]):
                assert name not in holders, f"{name} is held twice"
                holders[name] = who
            await sleep(durations[who])
            for name in set(wishes[who]):
                del holders[name]

    async def test(locks: Locks, scope: Scope) -> None:
        for task in [scope.spawn(worker(locks, who), name=str(who)) for who in range(len(wishes))]:
            await task  # a deadlock ends the virtual run with DeadlockError
        assert not any(locks.is_held(name) for name in "abcd")

    on_a_loop(test)


@pytest.mark.parametrize("given_first", [False, True], ids=["while waiting", "after the turn was given"])
def test_a_cancelled_waiter_passes_its_turn_on(given_first: bool) -> None:
    async def test(locks: Locks, scope: Scope) -> None:
        log: list[str] = []
        first = scope.spawn(hold_for(locks, ["key"], 10, log, "first"), name="first")
        second = scope.spawn(hold_for(locks, ["key"], 10, log, "second"), name="second")
        third = scope.spawn(hold_for(locks, ["key"], 10, log, "third"), name="third")
        if given_first:
            # Cancelled in the very turn of the loop in which the lock is handed to it.
            first.add_done_callback(lambda _: second.cancel())
        else:
            await sleep(5)
            second.cancel()
        await third
        assert "second in" not in log or given_first
        assert log[-2:] == ["third in", "third out"]
        assert not locks.is_held("key")
        with pytest.raises(asyncio.CancelledError):
            await second

    on_a_loop(test)


def test_the_turn_that_is_cancelled_between_gift_and_taking_is_not_lost() -> None:
    async def test(locks: Locks, scope: Scope) -> None:
        log: list[str] = []
        holding = locks.hold(["key"])
        await holding.__aenter__()
        second = scope.spawn(hold_for(locks, ["key"], 1, log, "second"), name="second")
        third = scope.spawn(hold_for(locks, ["key"], 1, log, "third"), name="third")
        await sleep(1)
        await holding.__aexit__(None, None, None)  # gives the turn to the second, which has not run yet
        second.cancel()
        await third
        assert log == ["third in", "third out"]
        assert not locks.is_held("key")

    on_a_loop(test)


def test_a_cancelled_waiter_for_the_second_name_lets_go_of_the_first() -> None:
    async def test(locks: Locks, scope: Scope) -> None:
        log: list[str] = []
        scope.spawn(hold_for(locks, ["b"], 100, log, "b"), name="b")
        both = scope.spawn(hold_for(locks, ["a", "b"], 1, log, "both"), name="both")
        await sleep(1)
        assert locks.is_held("a")
        both.cancel()
        await sleep(1)
        assert not locks.is_held("a")
        await hold_for(locks, ["b"], 1, log, "after")
        assert log == ["b in", "b out", "after in", "after out"]

    on_a_loop(test)


def test_an_error_inside_lets_go() -> None:
    async def test(locks: Locks, scope: Scope) -> None:
        with pytest.raises(RuntimeError):
            async with locks.hold(["key"]):
                raise RuntimeError
        assert not locks.is_held("key")

    on_a_loop(test)
