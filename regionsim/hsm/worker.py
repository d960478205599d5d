"""An HSM's own thread: it computes what it is given, in that order, and tells in bunches what it has made.

Theory of operation. Whoever tells the loop of each result wakes it each time, and fights with it for the interpreter
between any two computations; on two cores that cost a third of all RSA signatures. So the thread goes on with what it
has been given for `TOLD_AFTER_NS` before it tells. A result waits for no longer than that and one more computation of
its own kind: before one of another kind, which may take a thousand times as long, the thread tells, too. What it does
between two tellings is a round. The thread is sent on two of them at a time, so that it has the next when it has told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

from regionsim.runtime.tasks import now_ns

T = TypeVar("T")
R = TypeVar("R")

TOLD_AFTER_NS = 3_000_000
"""Source: ours, measured: RSA-2048 over HTTP, 64 connections, two cores: 2,400 signatures a second when each is told,
2,850 after 1 ms, 3,200 after 2, 3,400 after 4."""

_ROUNDS = 2


class _Given(NamedTuple, Generic[T, R]):
    item: T
    kind: object
    compute: Callable[[], R]


class Worker(Generic[T, R]):
    """The thread; it begins with the first thing that it is given. `told` hears each item with its result, in the loop,
    in the order in which they were given."""

    def __init__(self, name: str, told: Callable[[T, R], None]) -> None:
        self._name = name
        self._told = told
        self._given: deque[_Given[T, R]] = deque()
        self._round_count = 0
        self._thread: ThreadPoolExecutor | None = None

    def give(self, item: T, kind: object, compute: Callable[[], R]) -> None:
        """Compute that after what was given before. `compute` raises nothing; what is of one `kind` takes about the
        same time."""
        self._given.append(_Given(item, kind, compute))
        self._send()

    def forget(self) -> None:
        """Compute nothing that has not begun; what has is still told."""
        self._given.clear()

    def close(self) -> None:
        """End the thread when it has computed what it has begun."""
        self.forget()
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None

    def _send(self) -> None:
        if self._given and self._round_count < _ROUNDS:
            self._round_count += 1
            if self._thread is None:
                self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._name)
            made = asyncio.get_running_loop().run_in_executor(self._thread, self._compute)
            made.add_done_callback(self._hear)

    def _compute(self) -> list[tuple[T, R]]:
        """On the thread: one round."""
        made: list[tuple[T, R]] = []
        kind: object = None
        until_ns = now_ns() + TOLD_AFTER_NS
        while not made or now_ns() < until_ns:
            try:
                if made and self._given[0].kind != kind:
                    break
                given = self._given.popleft()
            except IndexError:  # nothing left, or just forgotten
                break
            kind = given.kind
            made.append((given.item, given.compute()))
        return made

    def _hear(self, computing: asyncio.Future[list[tuple[T, R]]]) -> None:
        self._round_count -= 1
        self._send()
        for item, result in computing.result():
            self._told(item, result)
