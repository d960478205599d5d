"""A virtual run in a thread of its own, let through time at a rate.

Theory of operation. The loop asks a gate before each move of its clock; all that pacing does is to make it wait
there. So a rate, a pause or a step decides when an instant runs by the wall clock, never which one comes next: the
order of events is that of the flat-out run.

Live input (`inject`) enters at the gate too, between instants: at the instant that the pace has reached, at least a
nanosecond after what has run, and before the timers of its own instant. That makes it replayable: a flat-out run that
sets `call_at_ns(t, fn)` for each entry of `injected` before anything else runs the same events.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from regionsim.runtime.virtual_loop import VirtualLoop, run_virtual

T = TypeVar("T")

_MAX_LAG_NS = 250_000_000
"""A run that is later than this by the wall clock goes on from where it is instead of racing to catch up."""

_MAX_WAIT_SECONDS = 3_600.0


class PacedRun(Generic[T]):
    """A running `main`: `rate` virtual seconds per wall second; 0 pauses, `math.inf` runs flat out.

    The thread starts at once, or by `start`. All methods may be called from any thread; those that wait (`step`,
    `run_until`, `join`) not from the run itself. With `waits_for_input` a run in which nothing is left to happen waits
    for an `inject` instead of ending as a deadlock.
    """

    def __init__(
        self,
        main: Coroutine[Any, Any, T],
        *,
        rate: float = 1.0,
        loop: VirtualLoop | None = None,
        waits_for_input: bool = False,
        starts_at_once: bool = True,
    ) -> None:
        _check_rate(rate)
        self.loop = loop if loop is not None else VirtualLoop()
        self.injected: list[tuple[int, str]] = []
        """What came in live: (virtual ns, label), in the order in which it ran."""
        self._condition = threading.Condition()
        self._rate = rate
        self._rate_to_resume = rate if rate > 0 else 1.0
        self._waits_for_input = waits_for_input
        self._anchor_wall_ns = time.monotonic_ns()
        self._anchor_virtual_ns = self.loop.now_ns
        self._reached_ns = self.loop.now_ns
        self._flat_out_until_ns = -1
        self._step_count = 0
        self._next_ns: int | None = None
        self._is_at_gate = False
        self._is_stopped = False
        self._is_finished = False
        self._inbox: deque[tuple[Callable[[], object], str]] = deque()
        self._peeks: deque[Callable[[], object]] = deque()
        self._result: list[T] = []
        self._error: BaseException | None = None
        self.loop.gate = self._pass_gate
        self._thread = threading.Thread(target=self._run, args=(main,), name="regionsim-paced", daemon=True)
        if starts_at_once:
            self.start()

    def start(self) -> None:
        """Begin, when it was not to begin at once."""
        self._thread.start()

    # ---------------------------------------------------------------------------------------------------- from outside

    @property
    def rate(self) -> float:
        """Virtual seconds per wall second, 0 while paused."""
        return self._rate

    @property
    def is_finished(self) -> bool:
        """True once `main` has ended, however it did."""
        return self._is_finished

    @property
    def now_ns(self) -> int:
        """The virtual instant that the pace has reached; it moves between events too."""
        with self._condition:
            return self._position()

    def set_rate(self, rate: float) -> None:
        """Go on at `rate` from here."""
        _check_rate(rate)
        with self._condition:
            self._set_rate(rate)
            self._condition.notify_all()

    def pause(self) -> None:
        """Stop before the next instant; the one being run is finished."""
        self.set_rate(0)

    def resume(self) -> None:
        """Go on at the rate before the pause."""
        self.set_rate(self._rate_to_resume)

    def step(self) -> int:
        """Pause, run exactly one more instant, wait for it; returns the instant reached.

        It waits for real time if an instant's work takes it, and returns at once when there is nothing left to run.
        """
        with self._condition:
            self._set_rate(0)
            self._wait_until_held()
            if not self._is_finished and self._next_ns is not None:
                self._step_count += 1
                self._condition.notify_all()
                self._wait_until_held()
            return self._position()

    def run_until(self, when_ns: int) -> int:
        """Run flat out through the instant `when_ns` and pause; returns the instant reached (less if `main` ended)."""
        with self._condition:
            self._set_rate(0)
            self._flat_out_until_ns = when_ns
            self._condition.notify_all()
            self._wait_until_held()
            if not self._is_finished:
                self._anchor_virtual_ns = max(when_ns, self.loop.now_ns)
            return self._position()

    def inject(self, fn: Callable[[], object], *, label: str = "") -> bool:
        """Run `fn` on the loop at the instant that the pace has reached, also while paused; False when the run is over.

        `injected` says when it ran, under `label` (default: the function's name); a run that ends first never runs it.
        """
        with self._condition:
            if self._is_finished:
                return False
            self._inbox.append((fn, label or getattr(fn, "__qualname__", type(fn).__name__)))
            self._condition.notify_all()
            return True

    def peek(self, look: Callable[[], object]) -> None:
        """Call `look` in the run's thread between two instants, once; it must change nothing.

        Nothing waits for it, nothing of it is recorded, and the clock does not move: the run is the same without it.
        Once the run is over, `look` is called at once, by whoever asks.
        """
        with self._condition:
            if not self._is_finished:
                self._peeks.append(look)
                self._condition.notify_all()
                return
        look()

    @property
    def is_stopped(self) -> bool:
        """True once `stop` was asked for."""
        return self._is_stopped

    def stop(self) -> None:
        """End the run before its next instant: its tasks are cancelled, `join` raises CancelledError."""
        with self._condition:
            self._is_stopped = True
            self._condition.notify_all()

    def join(self, timeout_seconds: float | None = None) -> T:
        """Wait for the end; returns what `main` returned or raises what it raised. Errors: TimeoutError."""
        if not self.wait_for_end(timeout_seconds):
            raise TimeoutError(f"the run is at {self.now_ns} ns and has not ended")
        if self._error is not None:
            raise self._error
        return self._result[0]

    def wait_for_end(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the end, however it comes; False when it has not come in time. May be interrupted and repeated."""
        # On the condition first: an interrupted Thread.join takes the thread for ended on Python 3.11 (bpo-45274).
        with self._condition:
            if not self._condition.wait_for(lambda: self._is_finished, timeout_seconds):
                return False
        self._thread.join()
        return True

    # --------------------------------------------------------------------------------------------------- in the thread

    def _run(self, main: Coroutine[Any, Any, T]) -> None:
        try:
            self._result.append(run_virtual(main, loop=self.loop))
        except BaseException as error:  # noqa: BLE001 - carried to join()
            self._error = error
        finally:
            with self._condition:
                self._is_finished = True
                self._condition.notify_all()
            self._let_peek()

    def _pass_gate(self, next_ns: int | None) -> int | None:
        """The loop's gate: returns when, and how far, time may move."""
        self._let_peek()
        if self._rate == math.inf and next_ns is not None and not self._inbox and not self._is_stopped:
            # Nothing to wait for and nobody to tell. A change made at this moment counts from the next instant.
            return next_ns
        with self._condition:
            self._next_ns = next_ns
            self._is_at_gate = True
            try:
                return self._wait_for_turn(next_ns)
            finally:
                self._is_at_gate = False

    def _wait_for_turn(self, next_ns: int | None) -> int | None:
        while True:
            if self._is_stopped:
                raise asyncio.CancelledError("the run was stopped")
            if self._inbox:
                return self._let_in(next_ns)
            if next_ns is None:
                if not self._waits_for_input:
                    return None
            elif self._may_pass(next_ns):
                return next_ns
            self._let_peek()
            self._condition.notify_all()  # for those who wait until the run is held
            self._condition.wait(self._seconds_to(next_ns))

    def _let_peek(self) -> None:
        while self._peeks:
            self._peeks.popleft()()

    def _may_pass(self, next_ns: int) -> bool:
        if self._step_count:
            self._step_count -= 1
            return True
        if next_ns <= self._flat_out_until_ns or self._rate == math.inf:
            return True
        if self._rate == 0:
            return False
        ahead_ns = self._unbounded_position() - next_ns
        if ahead_ns > self._rate * _MAX_LAG_NS:
            self._anchor_wall_ns, self._anchor_virtual_ns = time.monotonic_ns(), next_ns
        return ahead_ns >= 0

    def _seconds_to(self, next_ns: int | None) -> float:
        if next_ns is None or self._rate in (0, math.inf):
            return _MAX_WAIT_SECONDS
        return min(_MAX_WAIT_SECONDS, (next_ns - self._unbounded_position()) / self._rate / 1e9 + 1e-5)

    def _let_in(self, next_ns: int | None) -> int:
        """Post what waits in the inbox; returns the instant at which it runs."""
        instant_ns = max(self._position(), self.loop.now_ns + 1)
        while self._inbox:
            fn, label = self._inbox.popleft()
            self.injected.append((instant_ns, label))
            self.loop.call_soon(fn)
        assert next_ns is None or instant_ns <= next_ns, "live input never overtakes a timer"
        return instant_ns

    # ------------------------------------------------------------------------------------- under the condition's lock

    def _set_rate(self, rate: float) -> None:
        position_ns = self._position()
        if rate > 0:
            self._flat_out_until_ns = -1
            self._rate_to_resume = rate
        self._rate = rate
        self._anchor_wall_ns, self._anchor_virtual_ns = time.monotonic_ns(), position_ns

    def _unbounded_position(self) -> int:
        return self._anchor_virtual_ns + int((time.monotonic_ns() - self._anchor_wall_ns) * self._rate)

    def _position(self) -> int:
        """Where the pace stands: never before what has run, nor after what is to run next, and never further back."""
        reached_ns = self.loop.now_ns
        if self._is_at_gate and self._rate != math.inf:
            pace_ns = self._anchor_virtual_ns if self._rate == 0 else self._unbounded_position()
            reached_ns = max(reached_ns, pace_ns if self._next_ns is None else min(pace_ns, self._next_ns))
        self._reached_ns = max(self._reached_ns, reached_ns)
        return self._reached_ns

    def _wait_until_held(self) -> None:
        """Wait until the loop stands at the gate and stays there, or the run has ended."""
        assert threading.current_thread() is not self._thread, "a run cannot wait for itself"
        while not (self._is_finished or (self._is_at_gate and self._is_held())):
            self._condition.wait()

    def _is_held(self) -> bool:
        if self._inbox or self._step_count or self._is_stopped:
            return False
        return self._next_ns is None or (self._rate == 0 and self._next_ns > self._flat_out_until_ns)


def _check_rate(rate: float) -> None:
    if not rate >= 0:
        raise ValueError(f"a rate is 0 or more virtual seconds per second, not {rate}")
