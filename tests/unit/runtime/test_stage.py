"""Stages: what comes in one turn of the loop is done together, in order, and nothing is lost."""

import asyncio

import pytest

from regionsim.runtime.loop import run_virtual
from regionsim.runtime.stage import Stage


def test_what_comes_in_one_turn_is_done_after_all_of_it_has_come_and_in_order():
    done: list[str] = []

    async def main() -> None:
        second: Stage[str] = Stage(lambda item: done.append(f"second {item}"))

        def work(item: str) -> None:
            done.append(f"first {item}")
            second.add(item)

        first: Stage[str] = Stage(work)
        for item in "abc":
            first.add(item)
        assert done == []
        assert len(first) == 3
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    run_virtual(main())
    assert done == [f"{stage} {item}" for stage in ("first", "second") for item in "abc"]


def test_what_comes_while_it_works_waits_for_the_next_turn():
    turns: list[list[str]] = []

    async def main() -> None:
        def work(item: str) -> None:
            turns[-1].append(item)
            if len(item) < 3:
                stage.add(item + "'")

        stage: Stage[str] = Stage(work)
        stage.add("a")
        stage.add("b")
        for _ in range(4):
            turns.append([])
            await asyncio.sleep(0)

    run_virtual(main())
    assert turns == [["a", "b"], ["a'", "b'"], ["a''", "b''"], []]


def test_it_may_be_run_before_its_turn_and_then_has_nothing_left():
    done: list[int] = []

    async def main() -> None:
        stage: Stage[int] = Stage(done.append)
        stage.add(1)
        stage.run()
        assert done == [1]
        assert not stage
        stage.add(2)
        await asyncio.sleep(0)

    run_virtual(main())
    assert done == [1, 2]


def test_who_stands_behind_an_item_that_fails_is_served_all_the_same():
    done: list[int] = []
    failed: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: failed.append(str(told["exception"])))

        def work(item: int) -> None:
            if item == 2:
                raise ValueError("two")
            done.append(item)

        stage: Stage[int] = Stage(work)
        for item in (1, 2, 3, 4):
            stage.add(item)
        await asyncio.sleep(0.001)

    asyncio.run(main())
    assert done == [1, 3, 4]
    assert failed == ["two"]


@pytest.mark.parametrize("count", [1, 64])
def test_one_callback_of_the_loop_serves_all(count: int):
    class Counting(asyncio.SelectorEventLoop):
        calls = 0

        def call_soon(self, callback, *args, context=None):  # type: ignore[no-untyped-def]
            self.calls += callback == stage.run
            return super().call_soon(callback, *args, context=context)

    done: list[int] = []
    stage: Stage[int] = Stage(done.append)

    async def main() -> int:
        for item in range(count):
            stage.add(item)
        await asyncio.sleep(0)
        return asyncio.get_running_loop().calls  # type: ignore[attr-defined]

    with asyncio.Runner(loop_factory=Counting) as runner:
        assert runner.run(main()) == 1
    assert done == list(range(count))
