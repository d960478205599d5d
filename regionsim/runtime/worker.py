"""A thread that does one thing after the other beside a real loop, and tells the loop of what it has done.

An executor does this with a future, a lock and a condition on either side of each piece of work, which costs more than
an RSA-2048 signature's half. Here a piece of work costs a queue's hand-over there, and a wake-up of the loop back: one
for all that was done since the loop last looked.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")

Outcome = Callable[[], T]
"""Gives what the work gave, or raises what it raised."""


class Worker(Generic[T]):
    """One thread of that name; it begins with the first piece of work, and belongs to the loop that gives it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._given: SimpleQueue[tuple[Callable[[], T], Callable[[Outcome[T]], object]] | None] = SimpleQueue()
        self._done: deque[tuple[Callable[[Outcome[T]], object], Outcome[T]]] = deque()
        self._is_loop_told = False

    def give(self, work: Callable[[], T], then: Callable[[Outcome[T]], object]) -> None:
        """Have `work` done by the thread; the loop calls `then` with its outcome."""
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self._given.put((work, then))

    def end(self) -> None:
        """Finish what was given, and end the thread. The loop is still told, if it runs on."""
        if self._thread is not None:
            self._given.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (given := self._given.get()) is not None:
            work, then = given
            self._done.append((then, _outcome(work)))
            if not self._is_loop_told:
                self._is_loop_told = True
                self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._is_loop_told = False  # first: what is done from now on asks for another call
        done = self._done
        while done:
            then, outcome = done.popleft()
            then(outcome)


def _outcome(work: Callable[[], T]) -> Outcome[T]:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - raised again where the outcome is asked for
        raised = error
        return lambda: _raise(raised)
    return lambda: result


def _raise(error: BaseException) -> T:  # type: ignore[type-var]
    raise error
