"""Locks on aggregates: what a mutation reads and changes is its own from look-up to commit.

Names are taken in sorted order, so two mutations cannot wait for each other; waiters get a lock in the order in which
they asked.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from regionsim.runtime.tasks import future


class Locks:
    """Locks by name; a name that nobody holds or wants costs nothing."""

    def __init__(self) -> None:
        self._waiters: dict[str, deque[asyncio.Future[None]]] = {}

    def is_held(self, name: str) -> bool:
        return name in self._waiters

    @asynccontextmanager
    async def hold(self, names: Iterable[str]) -> AsyncIterator[None]:
        """Hold all of `names` while the block runs."""
        held: list[str] = []
        try:
            for name in sorted(set(names)):
                await self._acquire(name)
                held.append(name)
            yield
        finally:
            for name in reversed(held):
                self._release(name)

    async def _acquire(self, name: str) -> None:
        waiters = self._waiters.get(name)
        if waiters is None:
            self._waiters[name] = deque()
            return
        turn = future()
        waiters.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # Cancelled after the turn was given: pass it on, or nobody ever gets it.
            if turn.done() and not turn.cancelled():
                self._release(name)
            raise

    def _release(self, name: str) -> None:
        waiters = self._waiters[name]
        while waiters:
            turn = waiters.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiters[name]
