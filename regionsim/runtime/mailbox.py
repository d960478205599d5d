"""A bounded mailbox between one side that must not wait and another that works through what it gets.

Theory of operation. As long as somebody waits unwoken, at least as many takers have been woken as there are items: each
item wakes one as it comes, nobody begins to wait while there are items, and one who is cancelled after the word passes
it on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from regionsim.runtime import tasks

T = TypeVar("T")


class MailboxClosed(Exception):
    """The mailbox is closed and empty: nothing will come."""


class Mailbox(Generic[T]):
    """Items in the order of their arrival, at most `capacity` of them.

    Takers are served in the order in which they began to wait.
    """

    __slots__ = ("_capacity", "_is_closed", "_items", "_takers")

    def __init__(self, capacity: int) -> None:
        assert capacity > 0, "a mailbox holds at least one item"
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._takers: deque[asyncio.Future[None]] = deque()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        state = " closed" if self._is_closed else ""
        return f"<Mailbox {len(self._items)}/{self._capacity}{state}>"

    @property
    def is_closed(self) -> bool:
        """True once nothing more is accepted."""
        return self._is_closed

    def put(self, item: T) -> bool:
        """Leave an item; False when the mailbox is full or closed, and then nothing has changed."""
        if self._is_closed or len(self._items) >= self._capacity:
            return False
        self._items.append(item)
        if self._takers:
            self._wake_next()
        return True

    async def take(self) -> T:
        """The next item, waiting for one. Errors: MailboxClosed when there is none and will be none."""
        while not self._items:
            await self._arrival()
        return self._items.popleft()

    async def drain(self, limit: int = 256) -> list[T]:
        """All that is there, at most `limit` items, waiting for the first. Errors: MailboxClosed as `take`.

        Never returns without having given the other tasks a turn, so that a busy actor starves nobody.
        """
        assert limit > 0, "draining nothing would never end"
        if self._items:
            await tasks.sleep(0)
        while not self._items:
            await self._arrival()
        items = self._items
        if len(items) <= limit:
            batch = list(items)
            items.clear()
            return batch
        return [items.popleft() for _ in range(limit)]

    def close(self) -> None:
        """Accept nothing more; takers get what is left, then MailboxClosed."""
        self._is_closed = True
        while self._takers:
            self._wake_next()

    async def _arrival(self) -> None:
        """Wait for a word that something may have come."""
        if self._is_closed:
            raise MailboxClosed
        waiter: asyncio.Future[None] = tasks.future()
        self._takers.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter in self._takers:
                self._takers.remove(waiter)
            if self._items and not waiter.cancelled():
                self._wake_next()  # the word had come to this taker; pass it on, or the item would lie there unseen
            raise

    def _wake_next(self) -> None:
        """Give the longest waiting taker a word; it may find that another was quicker, and waits again."""
        while self._takers:
            waiter = self._takers.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
