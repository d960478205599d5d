"""What node code may await, and the scope in which its tasks live and die.

The same calls work on the virtual loop, where they are exact to the nanosecond, and on any real one.

Theory of operation of a `Scope`. It is one incarnation of a node: what a crash takes with it. Cancelling alone would
let the dead act, since a cancelled task still runs its `finally` blocks. So `fence()` first makes every guarded
effect of the scope refuse, and only then cancels. The refusal is `Fenced`, outside `Exception`, so that no handler
takes it for a failure to recover from.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, Protocol, TypeVar, TypeVarTuple

from regionsim.runtime.strands import Signal, Strand
from regionsim.runtime.virtual_loop import NS_PER_SECOND, VirtualLoop, running

Future = asyncio.Future
"""What `future()` gives, for annotations of those who may not import asyncio."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
P = ParamSpec("P")


_PROCESS_BEGAN_NS = time.monotonic_ns()
"""So that in real time, too, a run begins near 0: a scenario's timeline is played from there."""


_REAL_TIMER_GRAIN_NS = 1_000_000


class Cancellable(Protocol):
    """Something that has not happened yet."""

    def cancel(self) -> None:
        """Make it never happen; harmless when it has."""
        ...


class Fenced(BaseException):
    """The incarnation that wanted to act is dead. Never caught by node code."""


def now_ns() -> int:
    """The running loop's instant in nanoseconds; only differences mean something, and skew never reaches them."""
    loop = running.loop
    return time.monotonic_ns() - _PROCESS_BEGAN_NS if loop is None else loop.now_ns


async def sleep(duration_ns: int) -> None:
    """Wait; 0 or less gives the others a turn at this instant."""
    if duration_ns <= 0:
        await asyncio.sleep(0)
        return
    loop = running.loop
    if loop is None:
        await asyncio.sleep(duration_ns / NS_PER_SECOND)
        return
    woken: Signal[None] = Signal()  # not Signal[None](): that is made by way of typing, at twice the cost
    timer = loop.call_at_ns(loop.now_ns + duration_ns, woken.give, None)
    try:
        await woken
    finally:
        timer.cancel()


def call_later_ns(delay_ns: int, callback: Callable[[*Ts], object], *args: *Ts) -> Cancellable:
    """Call back after `delay_ns`. For a node's own timers use its scope's, which die with it."""
    loop = running.loop
    if loop is None:
        return asyncio.get_running_loop().call_later(delay_ns / NS_PER_SECOND, callback, *args)
    return loop.call_at_ns(loop.now_ns + delay_ns, callback, *args)


def timer_grain_ns() -> int:
    """How much too early a timer of the running loop may fire: never in virtual time; a real loop counts milliseconds.

    Who waits for an instant and looks at the clock again adds it to the delay, or else asks anew until it has come.
    """
    return _REAL_TIMER_GRAIN_NS if running.loop is None else 0


def future() -> asyncio.Future[Any]:
    """A new future of the running loop."""
    return asyncio.get_running_loop().create_future()


class Scope:
    """One incarnation of a node: its tasks, its timers and the fence before its effects.

    A task that fails stops a virtual run with its exception. On a real loop it goes to `on_failure`, by default the
    loop's exception handler. A task that was cancelled, or refused by the fence, has not failed.
    """

    def __init__(self, name: str, *, on_failure: Callable[[BaseException], None] | None = None) -> None:
        self.name = name
        self._on_failure = on_failure
        self._is_fenced = False
        self._tasks: dict[asyncio.Task[Any] | Strand, None] = {}
        self._timers: dict[ScopeTimer, None] = {}
        self._waiters: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        state = "fenced" if self._is_fenced else "alive"
        return f"<Scope {self.name} {state} tasks={len(self._tasks)} timers={len(self._timers)}>"

    @property
    def is_fenced(self) -> bool:
        """True once the incarnation is dead."""
        return self._is_fenced

    @property
    def task_count(self) -> int:
        """Tasks that have not ended, and strands that have begun to wait and not ended."""
        return len(self._tasks)

    @property
    def timer_count(self) -> int:
        """Timers that have neither fired nor been cancelled."""
        return len(self._timers)

    def check(self) -> None:
        """Nothing while the incarnation lives. Errors: Fenced."""
        if self._is_fenced:
            raise Fenced(self.name)

    def guard(self, effect: Callable[P, T]) -> Callable[P, T]:
        """`effect`, refused with Fenced once the incarnation is dead."""

        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            self.check()
            return effect(*args, **kwargs)

        return guarded

    def spawn(self, coroutine: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Run `coroutine` as a task `<scope>/<name>` that ends with the scope. Errors: Fenced."""
        if self._is_fenced:
            coroutine.close()
            raise Fenced(self.name)
        task = asyncio.get_running_loop().create_task(coroutine, name=f"{self.name}/{name}")
        self._tasks[task] = None
        task.add_done_callback(self._on_task_end)
        return task

    def begin(self, coroutine: Coroutine[Any, Any, object], *, name: str) -> None:
        """Run `coroutine` at once, up to its first wait; the rest of it is a strand that ends with the scope.

        Cheaper than `spawn`, for what there is very much of (`strands`). Errors: Fenced.
        """
        if self._is_fenced:
            coroutine.close()
            raise Fenced(self.name)
        Strand(coroutine, name, self._strand_waits, self._strand_ended).begin()

    def call_later_ns(self, delay_ns: int, callback: Callable[[*Ts], object], *args: *Ts) -> ScopeTimer:
        """Call back after `delay_ns` unless the scope is dead by then. Errors: Fenced."""
        self.check()
        timer = ScopeTimer(self, callback, args)
        timer.handle = call_later_ns(delay_ns, timer.fire)
        self._timers[timer] = None
        return timer

    def fence(self) -> None:
        """End the incarnation: its effects refuse from now on, its timers are dropped, its tasks cancelled."""
        self._is_fenced = True
        for timer in list(self._timers):
            timer.cancel()
        for task in list(self._tasks):
            task.cancel()

    async def closed(self) -> None:
        """Wait until the last task of the fenced scope has ended."""
        assert self._is_fenced, f"scope {self.name} is alive: fence it first"
        assert asyncio.current_task() not in self._tasks, f"a task of scope {self.name} cannot wait for its own end"
        if self._tasks:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def _on_task_end(self, task: asyncio.Task[Any]) -> None:
        del self._tasks[task]
        self._tell_closed()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed(error, task.get_name())

    def _strand_waits(self, strand: Strand) -> None:
        self._tasks[strand] = None
        if self._is_fenced:  # it has ended the incarnation itself, before its first wait
            strand.cancel()

    def _strand_ended(self, strand: Strand, error: BaseException | None) -> None:
        self._tasks.pop(strand, None)
        if self._is_fenced:
            self._tell_closed()
        if error is not None:
            self._failed(error, f"{self.name}/{strand.get_name()}")

    def _tell_closed(self) -> None:
        if not self._tasks and self._is_fenced:
            for waiter in self._waiters:
                _wake(waiter)
            self._waiters.clear()

    def _failed(self, error: BaseException, task_name: str) -> None:
        if isinstance(error, Fenced) and self._is_fenced:
            return
        error.add_note(f"raised in task '{task_name}'")
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualLoop):
            loop.fail(error)
        elif self._on_failure is not None:
            self._on_failure(error)
        else:
            message = f"a task of scope {self.name} failed"
            loop.call_exception_handler({"message": message, "exception": error})

    def _drop_timer(self, timer: ScopeTimer) -> None:
        self._timers.pop(timer, None)


class ScopeTimer:
    """A timer of a scope; `cancel()` drops it."""

    __slots__ = ("_args", "_callback", "_scope", "handle")
    handle: Cancellable

    def __init__(self, scope: Scope, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._scope = scope
        self._callback = callback
        self._args = args

    def cancel(self) -> None:
        """Make it never fire; harmless when it has."""
        self._scope._drop_timer(self)
        self.handle.cancel()

    def fire(self) -> None:
        """Call back; the loop does this."""
        self._scope._drop_timer(self)
        try:
            self._callback(*self._args)
        except Fenced:
            # The callback ended its own incarnation and then wanted to act: refused, and nothing to report.
            if not self._scope.is_fenced:
                raise


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
