"""An HSM's thread: what it is given is computed in order, told in bunches, and one kind waits for no other."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from regionsim.hsm import worker as worker_module
from regionsim.hsm.worker import Worker
from regionsim.runtime.loop import run_real_time


class Told:
    """What the loop has heard, and in how many callbacks of its own."""

    def __init__(self) -> None:
        self.items: list[tuple[str, str]] = []
        self.bunches: list[list[str]] = []
        self._turn = -1
        self._turns = 0

    def hear(self, item: str, result: str) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.items.append((item, result))
        if self._turn != self._turns:
            self._turn = self._turns
            self.bunches.append([])
        self.bunches[-1].append(item)

    async def have_heard(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.items) < count:
                await asyncio.sleep(0)
                self._turns += 1


def with_worker(test: Callable[[Worker[str, str], Told], Awaitable[None]]) -> Callable[[], None]:
    async def main() -> None:
        told = Told()
        worker: Worker[str, str] = Worker("hsm-test", told.hear)
        try:
            await test(worker, told)
        finally:
            worker.close()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("hsm-test")]

    def run() -> None:
        run_real_time(main())

    return run


def on_thread(result: str) -> Callable[[], str]:
    def compute() -> str:
        assert threading.current_thread().name.startswith("hsm-test")
        return result

    return compute


def until(released: threading.Event) -> Callable[[], str]:
    def compute() -> str:
        assert released.wait(10)
        return "released"

    return compute


@with_worker
async def test_everything_is_told_once_and_in_order(worker: Worker[str, str], told: Told) -> None:
    expected = []
    for number in range(500):
        worker.give(f"{number}", number % 3, on_thread(f"made {number}"))
        expected.append((f"{number}", f"made {number}"))
        if number % 50 == 0:
            await asyncio.sleep(0.001)
    await told.have_heard(500)
    assert told.items == expected


@with_worker
async def test_what_is_given_while_it_works_is_told_together(worker: Worker[str, str], told: Told) -> None:
    released = threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_module, "TOLD_AFTER_NS", 60_000_000_000)
        worker.give("a", "kind", until(released))
        for item in "bcd":
            worker.give(item, "kind", on_thread(item))
        released.set()
        await told.have_heard(4)
    assert told.bunches == [["a", "b", "c", "d"]]


@with_worker
async def test_a_result_does_not_wait_for_one_of_another_kind(worker: Worker[str, str], told: Told) -> None:
    both_are_given, quick_is_told = threading.Event(), threading.Event()
    worker.give("quick", "quick", until(both_are_given))
    worker.give("slow", "slow", until(quick_is_told))
    both_are_given.set()
    await told.have_heard(1)
    assert told.items == [("quick", "released")]
    quick_is_told.set()
    await told.have_heard(2)


@with_worker
async def test_it_tells_after_a_while_though_it_has_more_to_do(worker: Worker[str, str], told: Told) -> None:
    def slow() -> str:
        time.sleep(1.5e-9 * worker_module.TOLD_AFTER_NS)
        return "made"

    for item in "abcdef":
        worker.give(item, "kind", slow)
    await told.have_heard(6)
    assert told.bunches == [[item] for item in "abcdef"]


@with_worker
async def test_what_has_not_begun_is_forgotten_and_what_comes_after_is_not(
    worker: Worker[str, str], told: Told
) -> None:
    released, begun = threading.Event(), threading.Event()

    def first() -> str:
        begun.set()
        return until(released)()

    worker.give("begun", "kind", first)
    worker.give("waiting", "kind", on_thread("waiting"))
    assert begun.wait(10)
    worker.forget()
    worker.give("after", "kind", on_thread("after"))
    released.set()
    await told.have_heard(2)
    await asyncio.sleep(0.01)
    assert [item for item, _ in told.items] == ["begun", "after"]


@with_worker
async def test_it_serves_again_after_it_was_closed(worker: Worker[str, str], told: Told) -> None:
    worker.give("a", "kind", on_thread("a"))
    worker.close()
    worker.give("b", "kind", on_thread("b"))
    await told.have_heard(2)
    assert [item for item, _ in told.items] == ["a", "b"]
