"""The virtual loop against a sorted list; the mailbox against a plain queue; pacing against none."""

from __future__ import annotations

import math
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from regionsim.runtime import tasks
from regionsim.runtime.loop import PacedRun, VirtualLoop, run_virtual
from regionsim.runtime.mailbox import Mailbox

timers = st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=200)


@given(timers)
def test_timers_fire_by_instant_then_by_posting_and_never_when_cancelled(planned):
    async def main():
        fired: list[tuple[int, int]] = []
        handles = [
            tasks.call_later_ns(delay_ns, lambda number=number: fired.append((tasks.now_ns(), number)))
            for number, (delay_ns, _) in enumerate(planned)
        ]
        for handle, (_, is_cancelled) in zip(handles, planned, strict=True):
            if is_cancelled:
                handle.cancel()
        await tasks.sleep(30)
        return fired

    expected = [(delay_ns, number) for number, (delay_ns, is_cancelled) in enumerate(planned) if not is_cancelled]
    assert run_virtual(main()) == sorted(expected)


@given(st.lists(st.one_of(st.just("drain"), st.just("take"), st.integers()), max_size=60), st.integers(1, 8))
def test_a_mailbox_is_a_bounded_queue(actions, capacity):
    async def main():
        box: Mailbox[int] = Mailbox(capacity)
        model: deque[int] = deque()
        for action in actions:
            if isinstance(action, int):
                has_room = len(model) < capacity
                assert box.put(action) is has_room
                if has_room:
                    model.append(action)
            elif model and action == "take":
                assert await box.take() == model.popleft()
            elif model:
                assert await box.drain(3) == [model.popleft() for _ in range(min(3, len(model)))]
            assert len(box) == len(model)

    run_virtual(main())


async def told(loop: VirtualLoop, sleeps: list[list[int]], board: list[tuple[int, str]]) -> None:
    async def work(name: str, naps: list[int]) -> None:
        for nap_ns in naps:
            await tasks.sleep(nap_ns)
            board.append((loop.now_ns, name))

    scope = tasks.Scope("world")
    for task in [scope.spawn(work(f"w{number}", naps), name=f"w{number}") for number, naps in enumerate(sleeps)]:
        await task


paces = st.lists(st.sampled_from(["step", "until", "slow", "fast", "pause", "resume", "inject"]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 50), max_size=10), min_size=1, max_size=5), paces)
def test_whatever_is_done_to_its_pace_a_run_tells_the_same(sleeps, changes):
    loop = VirtualLoop()
    board: list[tuple[int, str]] = []
    run = PacedRun(told(loop, sleeps, board), rate=0, loop=loop)
    for number, change in enumerate(changes):
        match change:
            case "step":
                run.step()
            case "until":
                run.run_until(run.now_ns + 20)
            case "slow":
                run.set_rate(1e-6)
            case "fast":
                run.set_rate(0.01)
            case "inject":
                run.inject(
                    lambda number=number: board.append((loop.now_ns, f"input {number}")), label=f"input {number}"
                )
            case "pause":
                run.pause()
            case _:
                run.resume()
    run.set_rate(math.inf)
    run.join(10)

    replay = VirtualLoop()
    expected: list[tuple[int, str]] = []
    for when_ns, label in run.injected:
        replay.call_at_ns(when_ns, expected.append, (when_ns, label))
    run_virtual(told(replay, sleeps, expected), loop=replay)
    assert board == expected
    assert loop.event_count == replay.event_count
