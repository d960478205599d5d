"""An asyncio loop on a virtual clock of integer nanoseconds.

Theory of operation. Two queues hold all that will ever happen: `_ready`, callbacks of the present instant in the
order of their posting, and `_heap`, timers by `(when_ns, sequence)`. The loop runs the present instant until nothing
is ready, then moves its clock to the earliest timer and makes every timer of that instant ready at once. So order is
FIFO within an instant, and time passes only when everything that could happen now has happened.

Stock asyncio is not enough: its clock is a float (which stops resolving a nanosecond after 194 days of loop time),
its heap is not FIFO for equal deadlines, and its selector lets the outside in. Here the outside comes in at one
place, `drain_threadsafe`.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import queue
import random
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, NoReturn, TypeVar, TypeVarTuple

from regionsim.runtime.stalls import DeadlockError, LivelockError, Waiting, describe_deadlock, describe_livelock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

NS_PER_SECOND = 1_000_000_000

LIVELOCK_CALLBACK_COUNT = 1_000_000
"""So many callbacks at one instant mean that time will never move again."""

_PURGE_ABOVE_COUNT = 64
_SWEEP_AT_LEAST = 256


class Callback(asyncio.TimerHandle):
    """A callback that waits for its turn; `cancel()` drops it. `when_ns` is the loop's instant at which it is due."""

    __slots__ = ("when_ns",)
    _callback: Callable[..., object]
    _context: contextvars.Context | None
    """None: that of the loop. A copy for each callback, as asyncio has it, is a tenth of the cost of one."""
    _scheduled: bool

    def __init__(
        self,
        when_ns: int,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: VirtualLoop,
        context: contextvars.Context | None,
    ) -> None:
        # The two __init__ of asyncio's handles, written out: they are half the cost of a posted event.
        self.when_ns = when_ns
        self._when = when_ns / NS_PER_SECOND
        self._context = context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None
        self._scheduled = False

    def cancel(self) -> None:
        """Make it never run; harmless when it has."""
        # asyncio's own, without what it does for debugging: every call cancels a deadline.
        if not self._cancelled:
            self._cancelled = True
            self._callback = _nothing
            self._args = ()
            if self._scheduled:
                self._loop._timer_handle_cancelled(self)


def _nothing() -> None:
    """What a cancelled callback would do."""


class _Running(threading.local):
    """What runs in the thread that asks."""

    loop: VirtualLoop | None = None


running = _Running()
"""`running.loop` is the virtual loop that runs in this thread, or None. asyncio's own answer costs a system call."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose time is virtual: `now_ns` starts at 0 and moves only when nothing is left to do.

    `shuffle` puts each batch of callbacks that are ready together into an order drawn from it, to look for code that
    depends on ties; without it the order is that of posting. Exceptions of callbacks come out of the run. Not for use
    from other threads but for `call_soon_threadsafe`.
    """

    _closed: bool
    _stopping: bool

    def __init__(self, *, shuffle: random.Random | None = None) -> None:
        super().__init__()
        self.event_count = 0
        """Callbacks run so far."""
        self.gate: Callable[[int | None], int | None] | None = None
        """Asked before time moves: given the next timer's instant or None; answers how far to go, or None: deadlock."""
        self._shuffle = shuffle
        self.now_ns = 0
        """The present instant: virtual nanoseconds since the loop began. Only the loop moves it."""
        self._ready: deque[Callback] = deque()
        self._heap: list[tuple[int, int, Callback]] = []
        self._sequence = 0
        self._cancelled_count = 0
        self._events_before_instant = 0
        self._inbox: queue.SimpleQueue[Callback] = queue.SimpleQueue()
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self.strands: dict[Waiting, None] = {}
        """What waits without being a task (`strands`). Strands put themselves here."""
        self._sweep_at = _SWEEP_AT_LEAST
        self._failed_tasks: list[asyncio.Task[Any]] = []
        self._failure: BaseException | None = None
        self._is_winding_down = False

    # ------------------------------------------------------------------------------------------------------- the clock

    @property
    def timer_count(self) -> int:
        """Entries of the timer heap, cancelled ones that are not purged yet included."""
        return len(self._heap)

    def time(self) -> float:
        """The present instant in seconds, for asyncio's own arithmetic; rounded, so nothing here is decided by it."""
        return self.now_ns / NS_PER_SECOND

    # ------------------------------------------------------------------------------------------------ posting callbacks

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> Callback:
        """Run `callback` at this instant, after all that is already ready."""
        if self._closed:
            self._refuse_closed()
        handle = Callback(self.now_ns, callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at_ns(
        self,
        when_ns: int,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> Callback:
        """Run `callback` at the instant `when_ns`; what is due already runs at this instant."""
        if self._closed:
            self._refuse_closed()
        handle = Callback(when_ns, callback, args, self, context)
        if when_ns <= self.now_ns:
            self._ready.append(handle)
        else:
            handle._scheduled = True
            self._sequence += 1
            heapq.heappush(self._heap, (when_ns, self._sequence, handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> Callback:
        """Run `callback` in `delay` seconds, rounded to a nanosecond; exact at any distance from the start."""
        return self.call_at_ns(self.now_ns + round(delay * NS_PER_SECOND), callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> Callback:
        """Run `callback` when `time()` is `when`."""
        return self.call_at_ns(round(when * NS_PER_SECOND), callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Called by a handle that is being cancelled: drop the dead from the heap once they are the larger half."""
        if not (isinstance(handle, Callback) and handle._scheduled):
            return
        self._cancelled_count += 1
        if self._cancelled_count > _PURGE_ABOVE_COUNT and self._cancelled_count * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[2]._cancelled]
            heapq.heapify(self._heap)
            self._cancelled_count = 0

    # --------------------------------------------------------------------------------------------------- other threads

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> Callback:
        """Leave `callback` in the inbox, from any thread.

        The loop empties the inbox in `drain_threadsafe`, or by itself when it has nothing else to do: another
        thread's moment of arrival is not repeatable, so it must not decide where in a run its callback stands.
        """
        if self._closed:
            self._refuse_closed()
        handle = Callback(self.now_ns, callback, args, self, context)
        self._inbox.put(handle)
        return handle

    def drain_threadsafe(self, *, wait_seconds: float = 0.0) -> int:
        """Run the callbacks that other threads left, here and now; returns how many.

        Waits up to `wait_seconds` of real time for the first. Virtual time does not move and nothing counts as an
        event, so a run in which a thread answered equals one in which the answer was made in place.
        """
        count = 0
        try:
            handle = self._inbox.get(timeout=wait_seconds) if wait_seconds > 0 else self._inbox.get_nowait()
            while True:
                count += 1
                if not handle._cancelled:
                    context = handle._context
                    (handle._callback if context is None else partial(context.run, handle._callback))(*handle._args)
                handle = self._inbox.get_nowait()
        except queue.Empty:
            return count

    def run_in_executor(self, executor: object, func: Callable[[*Ts], T], *args: *Ts) -> NoReturn:
        """Refused: a thread's answer has no place in virtual time."""
        raise AssertionError(f"virtual time has no threads: {func!r} would answer at no repeatable instant")

    # ----------------------------------------------------------------------------------------------- tasks and failures

    def create_task(
        self,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        *,
        name: object = None,
        context: contextvars.Context | None = None,
        **options: Any,
    ) -> asyncio.Task[T]:
        """A task on this loop; unnamed ones are called after their coroutine, so that names repeat from run to run.

        The loop holds its tasks: asyncio alone would let a waiting task vanish with the garbage, at no repeatable
        instant.
        """
        label = str(name) if name is not None else getattr(coro, "__qualname__", type(coro).__name__)
        if len(self._tasks) >= self._sweep_at:
            self._sweep()
        if self._closed:
            self._refuse_closed()
        # What asyncio's own create_task does where there is no task factory.
        task: asyncio.Task[T] = asyncio.Task(coro, loop=self, name=label, context=context, **options)
        self._tasks[task] = None
        return task

    def fail(self, error: BaseException) -> None:
        """Stop the run with `error`, which comes out of `run_until_complete`; the first one counts."""
        if self._failure is None:
            self._failure = error

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A failure that asyncio would only log stops the run; once the loop is closed there is only the log."""
        if self._closed:
            super().call_exception_handler(context)
            return
        error = context.get("exception") or RuntimeError(context["message"])
        error.add_note(f"asyncio says: {context['message']}")
        self.fail(error)

    def take_lost_failures(self) -> list[BaseException]:
        """The failures nobody has looked at: of the run, and of tasks that nobody awaited. Each is handed out once."""
        lost = [] if self._failure is None else [self._failure]
        self._failure = None
        self._sweep()
        for task in self._failed_tasks:
            if task._log_traceback:
                error = task.exception()
                assert error is not None, "only failed tasks are kept"
                error.add_note(f"raised in task '{task.get_name()}', which nobody awaited")
                lost.append(error)
        self._failed_tasks.clear()
        return lost

    def wind_down(self) -> list[BaseException]:
        """Cancel what is left, let it end, close the loop; returns the failures that nobody has looked at.

        Virtual time goes on while tasks clean up. If they get nowhere, that is one of the failures; they are abandoned.
        """
        self.gate = None
        self._is_winding_down = True
        try:
            self._end_tasks()
        except (DeadlockError, LivelockError) as stall:
            self.fail(stall)
            self._sweep()
            for task in self._tasks:
                # Said already, by the stall; asyncio would say it again for each as it is collected.
                task._log_destroy_pending = False  # type: ignore[attr-defined]
            self.strands.clear()
        finally:
            self.close()
        return self.take_lost_failures()

    def _end_tasks(self) -> None:
        while pending := [*(task for task in self._tasks if not task.done()), *self.strands]:
            for task in pending:
                task.cancel()
            self.run_until_complete(_ended(pending))
        self.run_until_complete(self.shutdown_asyncgens())

    def close(self) -> None:
        """Drop all timers; the loop cannot run again."""
        super().close()
        self._heap.clear()

    def _sweep(self) -> None:
        """Let go of the tasks that have ended; many at once, for a callback at the end of each costs more."""
        # `_log_traceback` is asyncio's own "nobody has asked yet"; to call exception() here would be asking.
        self._failed_tasks = [failed for failed in self._failed_tasks if failed._log_traceback]
        self._failed_tasks += [task for task in self._tasks if task.done() and task._log_traceback]
        self._tasks = {task: None for task in self._tasks if not task.done()}
        self._sweep_at = max(_SWEEP_AT_LEAST, 2 * len(self._tasks))

    def _refuse_closed(self) -> NoReturn:
        raise RuntimeError("the virtual loop is closed")

    # ------------------------------------------------------------------------------------------------------ the machine

    def run_forever(self) -> None:
        """Run until stopped."""
        running.loop = self
        try:
            super().run_forever()
        finally:
            running.loop = None

    def _run_once(self) -> None:
        """Run all that is ready, as one batch, again and again; when nothing is, move time first."""
        ready, take = self._ready, self._ready.popleft
        while True:
            if not ready:
                self._advance()
            if self._shuffle is not None and len(ready) > 1:
                self._shuffle_ready(self._shuffle)
            for _ in range(len(ready)):
                handle = take()
                if not handle._cancelled:
                    self.event_count += 1
                    if handle._context is None:
                        handle._callback(*handle._args)
                    else:
                        handle._context.run(handle._callback, *handle._args)
            if self._failure is not None and not self._is_winding_down:
                failure, self._failure = self._failure, None
                raise failure
            if self.event_count - self._events_before_instant >= LIVELOCK_CALLBACK_COUNT:
                count = self.event_count - self._events_before_instant
                raise LivelockError(describe_livelock(self.now_ns, count, self._ready))
            if self._stopping:
                return

    def _shuffle_ready(self, shuffle: random.Random) -> None:
        batch = list(self._ready)
        shuffle.shuffle(batch)
        self._ready.clear()
        self._ready.extend(batch)

    def _advance(self) -> None:
        """Move time to the next timer and make every timer of that instant ready."""
        heap = self._heap
        while heap and heap[0][2]._cancelled:
            heapq.heappop(heap)
            self._cancelled_count -= 1
        next_ns = heap[0][0] if heap else None
        if next_ns is None and self.drain_threadsafe():
            return
        instant_ns = next_ns if self.gate is None else self.gate(next_ns)
        if instant_ns is None:
            waiting = [*(task for task in self._tasks if not task.done()), *self.strands]
            raise DeadlockError(describe_deadlock(self.now_ns, waiting))
        self.now_ns = instant_ns
        self._events_before_instant = self.event_count
        while heap and heap[0][0] <= instant_ns:
            handle = heapq.heappop(heap)[2]
            handle._scheduled = False
            if handle._cancelled:
                self._cancelled_count -= 1
            else:
                self._ready.append(handle)


def run_virtual(main: Coroutine[Any, Any, T], *, loop: VirtualLoop | None = None) -> T:
    """What `main` returns, run to its end in virtual time on a new loop (or on `loop`, which is closed afterwards).

    Tasks still running at the end are cancelled. Errors: whatever `main` raises; else the first failure of a task
    that nobody awaited; DeadlockError; LivelockError.
    """
    loop = loop if loop is not None else VirtualLoop()
    try:
        result = loop.run_until_complete(main)
    finally:
        lost = loop.wind_down()
    if lost:
        for other in lost[1:]:
            lost[0].add_note(f"lost as well: {other!r}")
        raise lost[0]
    return result


async def _ended(tasks: list[Waiting]) -> None:
    """Wait for what was cancelled, one by one, leaving failures unlooked at."""
    for task in tasks:
        if not task.done():
            done = asyncio.get_running_loop().create_future()
            task.add_done_callback(done.set_result)
            await done
