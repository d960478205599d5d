"""Coroutines that run without a task, and what they wait for: the cheap way to serve very many calls.

Theory of operation. A task is begun by one callback of the loop, woken by another after each wait, and its end is told
by a third. A `Strand` runs at once, in the callback that begins it, up to its first wait, and goes on in the very
callback that ends a wait for a `Signal`; so a call that waits twice costs two callbacks instead of six. Who gives a
signal must therefore have left everything in order before: the strand acts before `give` returns.

Both may be mixed with asyncio's own. A task may await a signal, and is woken through its loop as by any future; a
strand may await a future, and is woken so, too. A strand is cancelled like a task: the wait ends, a little later, with
CancelledError.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, Protocol, TypeVar

from regionsim.runtime.virtual_loop import running

T = TypeVar("T")


class _Word:
    """A value that nobody can give."""

    __slots__ = ()


_NOT_YET = _Word()
_NEVER = _Word()


class _Waiter(Protocol):
    """Who waits for a signal."""

    def go_on(self) -> None:
        """The wait is over."""
        ...

    def go_on_soon(self) -> None:
        """The same, in a callback of its own."""
        ...


class Signal(Generic[T]):
    """Something that happens once, with a value, and that one strand or task waits for."""

    __slots__ = ("_asyncio_future_blocking", "_value", "_waiter")

    def __init__(self) -> None:
        self._value: object = _NOT_YET
        self._waiter: _Waiter | None = None

    def give(self, value: T) -> None:
        """It has happened; whoever waits goes on now. Nothing when it has happened or been cancelled before."""
        if self._value is _NOT_YET:
            self._value = value
            waiter = self._waiter
            if waiter is not None:
                self._waiter = None
                waiter.go_on()

    def __await__(self) -> Generator[Any, None, T]:
        if self._value is _NOT_YET:
            self._asyncio_future_blocking = True
            yield self
        return self.result()

    # What asyncio asks of a future that one of its tasks awaits.

    def done(self) -> bool:
        """True once it has happened or been cancelled."""
        return self._value is not _NOT_YET

    def cancelled(self) -> bool:
        """True when it was cancelled before it happened."""
        return self._value is _NEVER

    def result(self) -> T:
        """The value. Errors: CancelledError."""
        value = self._value
        if value is _NEVER:
            raise asyncio.CancelledError
        assert value is not _NOT_YET, "who was woken was woken by the signal"
        return value  # type: ignore[return-value]  # `cast` is a call, and this one of the most frequent

    def cancel(self, msg: object = None) -> bool:
        """End the wait, a little later, with CancelledError; False when it is over already."""
        if self._value is not _NOT_YET:
            return False
        self._value = _NEVER
        if self._waiter is not None:
            self._waiter.go_on_soon()
            self._waiter = None
        return True

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The running loop: signals belong to none."""
        return asyncio.get_running_loop()

    def add_done_callback(
        self, callback: Callable[[Signal[T]], object], *, context: contextvars.Context | None = None
    ) -> None:
        """Let a task be woken."""
        self._waiter = _TaskWaiter(self, callback, context)


class _TaskWaiter:
    """A task that waits for a signal: it is woken by its loop, as it expects."""

    __slots__ = ("_callback", "_context", "_loop", "_signal")

    def __init__(
        self, signal: Signal[Any], callback: Callable[[Signal[Any]], object], context: contextvars.Context | None
    ) -> None:
        self._signal = signal
        self._callback = callback
        self._context = context
        self._loop = asyncio.get_running_loop()

    def go_on(self) -> None:
        self._loop.call_soon(self._callback, self._signal, context=self._context)

    go_on_soon = go_on


class _NoWait:
    """Awaited, it gives None at once."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()


NO_WAIT = _NoWait()


class Strand:
    """A coroutine that has begun and not ended. `on_end` hears when it does, and of what it died (None: of nothing).

    `begin` first; a strand that ends without ever having waited was never known to anybody.
    """

    __slots__ = (
        "_awaited",
        "_coroutine",
        "_done_callback",
        "_is_over",
        "_is_to_cancel",
        "_name",
        "_on_end",
        "_on_wait",
        "_virtual",
    )

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, object],
        name: str,
        on_wait: Callable[[Strand], object],
        on_end: Callable[[Strand, BaseException | None], object],
    ) -> None:
        """`on_wait` hears of it before its first wait."""
        self._coroutine = coroutine
        self._name = name
        self._on_wait = on_wait
        self._on_end = on_end
        self._awaited: Any = None
        self._is_to_cancel = False
        self._is_over = False
        self._done_callback: Callable[[Any], object] | None = None

    def __repr__(self) -> str:
        return f"<Strand {self._name}>"

    def begin(self) -> None:
        """Run up to the first wait."""
        try:
            awaited = self._coroutine.send(None)
        except StopIteration:
            self._on_end(self, None)
        except BaseException as error:  # noqa: BLE001 - told to who began it
            self._die(error)
        else:
            self._on_wait(self)
            self._virtual = virtual = running.loop
            if virtual is not None:
                virtual.strands[self] = None
            self._wait_for(awaited)

    def go_on(self, _: object = None) -> None:
        """The wait is over: run up to the next one."""
        self._awaited = None
        try:
            if self._is_to_cancel:
                self._is_to_cancel = False
                awaited = self._coroutine.throw(asyncio.CancelledError())
            else:
                awaited = self._coroutine.send(None)
        except StopIteration:
            self._leave()
            self._on_end(self, None)
        except BaseException as error:  # noqa: BLE001 - told to who began it
            self._leave()
            self._die(error)
        else:
            self._wait_for(awaited)

    def go_on_soon(self) -> None:
        """The same, in a callback of its own."""
        loop = self._virtual or asyncio.get_running_loop()  # a virtual loop has stopped when it ends its strands
        loop.call_soon(self.go_on)

    def _wait_for(self, awaited: Any) -> None:
        self._awaited = awaited
        if isinstance(awaited, Signal):
            awaited._waiter = self
        elif awaited is None:  # a turn for the others
            self.go_on_soon()
        else:
            assert awaited._asyncio_future_blocking, "a strand awaits signals and futures"
            awaited._asyncio_future_blocking = False
            awaited.add_done_callback(self.go_on)
        if self._is_to_cancel and awaited is not None and awaited.cancel():
            self._is_to_cancel = False

    def _leave(self) -> None:
        self._is_over = True
        virtual = running.loop
        if virtual is not None:
            virtual.strands.pop(self, None)
        if self._done_callback is not None:
            self._done_callback(self)

    def _die(self, error: BaseException) -> None:
        self._on_end(self, None if isinstance(error, asyncio.CancelledError) else error)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error

    # What a loop asks of the tasks that it ends.

    def done(self) -> bool:
        """True once it has ended."""
        return self._is_over

    def cancel(self) -> None:
        """End the present wait with CancelledError, a little later; one that runs just now meets it at its next
        wait."""
        if self._awaited is None or not self._awaited.cancel():
            self._is_to_cancel = True

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Let one hear of the end."""
        assert self._done_callback is None, "one waits for the end of a strand"
        self._done_callback = callback

    def get_name(self) -> str:
        return self._name

    def get_coro(self) -> Coroutine[Any, Any, object]:
        return self._coroutine
