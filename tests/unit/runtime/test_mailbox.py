"""Mailboxes: bounded, in order, fair, and no item is lost with a taker that was cancelled."""

from __future__ import annotations

import asyncio

import pytest

from regionsim.runtime import tasks
from regionsim.runtime.loop import run_virtual
from regionsim.runtime.mailbox import Mailbox, MailboxClosed
from regionsim.runtime.tasks import Scope


def test_items_come_out_in_the_order_of_their_arrival():
    async def main():
        box: Mailbox[int] = Mailbox(10)
        assert all(box.put(number) for number in range(5))
        assert len(box) == 5
        return [await box.take() for _ in range(5)], len(box)

    assert run_virtual(main()) == ([0, 1, 2, 3, 4], 0)


def test_a_full_mailbox_takes_nothing_and_says_so():
    async def main():
        box: Mailbox[int] = Mailbox(2)
        taken = [box.put(number) for number in range(3)]
        assert repr(box) == "<Mailbox 2/2>"
        return taken, await box.drain()

    assert run_virtual(main()) == ([True, True, False], [0, 1])


def test_a_taker_waits_and_is_woken():
    async def main():
        box: Mailbox[str] = Mailbox(2)
        tasks.call_later_ns(30, box.put, "late")
        return await box.take(), tasks.now_ns()

    assert run_virtual(main()) == ("late", 30)


def test_draining_gives_all_that_came_up_to_a_limit():
    async def main():
        box: Mailbox[int] = Mailbox(1_000)
        tasks.call_later_ns(5, lambda: [box.put(number) for number in range(600)])
        return [(len(batch), batch[0]) for batch in [await box.drain(), await box.drain(), await box.drain(500)]]

    assert run_virtual(main()) == [(256, 0), (256, 256), (88, 512)]


def test_a_busy_actor_starves_nobody():
    async def main():
        box: Mailbox[int] = Mailbox(10)
        box.put(0)
        turns: list[int] = []

        async def other():
            for turn in range(3):
                turns.append(turn)
                await tasks.sleep(0)

        Scope("node").spawn(other(), name="other")
        for number in range(5):
            for item in await box.drain():
                box.put(item + 1)
            assert len(turns) >= min(number, 3)
        return turns

    assert run_virtual(main()) == [0, 1, 2]


def test_takers_are_served_in_the_order_of_their_waiting():
    async def main():
        box: Mailbox[int] = Mailbox(10)
        served: list[tuple[str, int]] = []

        async def taker(name: str):
            served.append((name, await box.take()))

        scope = Scope("node")
        for name in "abc":
            scope.spawn(taker(name), name=name)
        await tasks.sleep(1)
        for number in range(3):
            box.put(number)
        await tasks.sleep(1)
        return served

    assert run_virtual(main()) == [("a", 0), ("b", 1), ("c", 2)]


def test_a_taker_cancelled_while_waiting_loses_no_item():
    async def main():
        box: Mailbox[int] = Mailbox(10)
        scope = Scope("node")
        first, second = scope.spawn(box.take(), name="first"), scope.spawn(box.take(), name="second")
        await tasks.sleep(1)
        first.cancel()
        box.put(7)
        return await second, first.cancelled(), len(box)

    assert run_virtual(main()) == (7, True, 0)


def test_a_taker_cancelled_after_it_was_woken_passes_the_word_on():
    async def main():
        box: Mailbox[int] = Mailbox(10)
        scope = Scope("node")
        first, second = scope.spawn(box.take(), name="first"), scope.spawn(box.take(), name="second")
        await tasks.sleep(1)
        box.put(7)
        first.cancel()
        return await second, first.cancelled()

    assert run_virtual(main()) == (7, True)


@pytest.mark.parametrize("is_gone_before", [True, False])
def test_a_lone_taker_cancelled_leaves_the_mailbox_usable(is_gone_before):
    async def main():
        box: Mailbox[int] = Mailbox(10)
        lone = Scope("node").spawn(box.take(), name="lone")
        await tasks.sleep(1)
        lone.cancel()
        if is_gone_before:
            await tasks.sleep(1)
        box.put(1)
        await tasks.sleep(1)
        assert lone.cancelled()
        return await box.take()

    assert run_virtual(main()) == 1


def test_one_who_waits_is_woken_by_what_another_left():
    async def main():
        box: Mailbox[int] = Mailbox(10)
        scope = Scope("node")
        got: list[object] = []

        async def drains(limit: int):
            got.append(await box.drain(limit))

        async def takes():
            got.append(await box.take())

        scope.spawn(drains(2), name="drains")
        await tasks.sleep(1)
        tasks.call_later_ns(1, lambda: [box.put(number) for number in range(4)])
        await tasks.sleep(0)
        scope.spawn(takes(), name="takes")
        scope.spawn(takes(), name="takes too")
        await tasks.sleep(5)
        return got

    assert run_virtual(main()) == [[0, 1], 2, 3]


def test_an_item_taken_by_another_sends_the_woken_back_to_wait():
    async def main():
        box: Mailbox[str] = Mailbox(10)
        waiting = Scope("node").spawn(box.take(), name="waiting")
        await tasks.sleep(1)
        box.put("first")
        quick = await box.take()
        await tasks.sleep(1)
        assert not waiting.done()
        box.put("second")
        return quick, await waiting

    assert run_virtual(main()) == ("first", "second")


def test_closing_gives_what_is_left_and_then_the_word():
    async def main():
        box: Mailbox[int] = Mailbox(10)
        box.put(1)
        box.close()
        assert box.is_closed
        assert repr(box) == "<Mailbox 1/10 closed>"
        assert not box.put(2)
        assert await box.take() == 1
        with pytest.raises(MailboxClosed):
            await box.take()
        with pytest.raises(MailboxClosed):
            await box.drain()

    run_virtual(main())


def test_closing_tells_all_who_wait():
    async def main():
        box: Mailbox[int] = Mailbox(10)
        scope = Scope("node")
        told: list[str] = []

        async def waits(name: str, give):
            try:
                await give()
            except MailboxClosed:
                told.append(name)

        scope.spawn(waits("taker", box.take), name="taker")
        scope.spawn(waits("drainer", box.drain), name="drainer")
        await tasks.sleep(1)
        box.close()
        await tasks.sleep(1)
        return told

    assert run_virtual(main()) == ["taker", "drainer"]


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_mailbox_for_nothing_is_a_bug(capacity):
    with pytest.raises(AssertionError, match="at least one"):
        Mailbox(capacity)


async def test_it_works_on_a_real_loop_too():
    box: Mailbox[int] = Mailbox(10)
    asyncio.get_running_loop().call_later(0.001, box.put, 5)
    assert await box.drain() == [5]
    with pytest.raises(AssertionError, match="never end"):
        await box.drain(0)
