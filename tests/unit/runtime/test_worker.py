"""The thread beside a real loop: order, outcomes, and its end."""

import asyncio
import threading

import pytest

from regionsim.runtime.loop import run_real_time
from regionsim.runtime.worker import Worker


def test_what_is_given_is_done_in_order_by_one_thread_and_told_on_the_loop():
    told = []

    async def main():
        worker = Worker("apart")
        over = asyncio.get_running_loop().create_future()

        def hear(number, outcome):
            told.append((number, *outcome(), threading.current_thread() is threading.main_thread()))
            if number == 99:
                over.set_result(None)

        for number in range(100):
            worker.give(
                lambda number=number: (number, threading.current_thread().name),
                lambda outcome, number=number: hear(number, outcome),
            )
        assert not told  # nothing is told in the middle of what the loop does
        await over
        worker.end()

    run_real_time(main())
    assert told == [(number, number, "apart", True) for number in range(100)]


def test_what_it_raises_is_raised_where_it_is_asked_for():
    async def main():
        worker = Worker("apart")
        over = asyncio.get_running_loop().create_future()
        worker.give(lambda: 1 // 0, over.set_result)
        outcome = await over
        worker.give(lambda: 7, over.get_loop().create_future().set_result)  # it goes on
        worker.end()
        with pytest.raises(ZeroDivisionError):
            outcome()

    run_real_time(main())


def test_its_end_waits_for_what_was_given_and_needs_no_beginning():
    done = []

    async def main():
        Worker("never begun").end()
        worker = Worker("apart")
        for number in range(20):
            worker.give(lambda number=number: done.append(number), lambda outcome: None)
        worker.end()
        worker.end()
        assert done == list(range(20))

    run_real_time(main())
