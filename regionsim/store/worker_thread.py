"""aiosqlite's connection and its thread, started, fed and ended without a word to the running loop.

aiosqlite tells the running loop when it has connected or closed, at an instant that no virtual run could repeat. Here a
short-lived thread with a loop of its own speaks with it then. New threads are daemons when the thread that makes them
is one, which is how the worker becomes a daemon.

One private name is needed, `_execute`, and only in `enqueue`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from typing import TypeVar

import aiosqlite

from regionsim.names.mistakes import ConfigError
from regionsim.store.database import CountedConnection, FileSettings, open_database

T = TypeVar("T")

_ENDS_WITHIN_SECONDS = 60.0


class WorkerThread:
    """A thread that holds one SQLite connection, `raw`, and does what is enqueued, in order. Errors: ConfigError."""

    raw: CountedConnection

    def __init__(self, settings: FileSettings) -> None:
        self._settings = settings
        self._refusals: list[ConfigError] = []
        _beside_the_loop(self._start)
        for refusal in self._refusals:
            self.end()
            raise refusal

    def _start(self) -> None:
        self._connection = aiosqlite.Connection(self._connect, iter_chunk_size=64)
        with asyncio.Runner() as runner:
            runner.run(self._connected())

    async def _connected(self) -> None:
        await self._connection

    def _connect(self) -> sqlite3.Connection:
        """Runs on the worker. It never fails, because aiosqlite's thread would outlive its failure by accident only."""
        self._worker = threading.current_thread()
        try:
            self.raw = open_database(self._settings, is_shared=True)
        except ConfigError as refusal:
            self._refusals.append(refusal)
            self.raw = sqlite3.connect(":memory:", factory=CountedConnection, check_same_thread=False)
        return self.raw

    def enqueue(self, run: Callable[[], T]) -> asyncio.Future[T]:
        """Hand `run` to the thread at once; its outcome reaches this future of the running loop by itself.

        aiosqlite's coroutine queues the work before it suspends for the first time, and what it suspends on is the
        future of the outcome: one step by hand does all that awaiting it would, without waiting.
        """
        started = self._connection._execute(run)  # type: ignore[no-untyped-call]
        outcome: asyncio.Future[T] = started.send(None)
        started.close()
        return outcome

    def end(self) -> None:
        """Do what is enqueued, close the connection, end the thread."""
        _beside_the_loop(self._connection.stop)
        self._worker.join(_ENDS_WITHIN_SECONDS)
        assert not self._worker.is_alive(), "SQLite's thread does not end"
        # Closed by the thread, but for one that died because its loop was closed before it could answer.
        self.raw.close()


def _beside_the_loop(speak: Callable[[], object]) -> None:
    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    thread.join()
