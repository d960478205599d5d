"""The async face of a Region's store: group commit over one connection.

While one transaction is in flight, outcomes gather; when it has landed, the next takes them (at most `MAX_GROUP`), in
order, under savepoints, so that one that cannot be stored fails alone. There is no task here: what starts
a transaction is a commit, or the landing of the one before. So a crash has nothing to stop, and nothing writes after
it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from regionsim.runtime.tasks import future
from regionsim.runtime.trace import Trace
from regionsim.store import queries
from regionsim.store.connection import Connection, InlineConnection, ThreadedConnection
from regionsim.store.database import FileSettings
from regionsim.store.disk import Access, Disk
from regionsim.store.errors import OutcomeRefused, StoreClosed, as_store_error
from regionsim.store.schema import migrate
from regionsim.store.transactions import Work
from regionsim.store.values import Commit, LoadedState, StoredSegment

T = TypeVar("T")

MAX_GROUP = 256
"""The most outcomes that one transaction takes."""

Sequences = tuple[int, ...]
Then = Callable[[Sequences], object]

_REFUSALS = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeEncodeError, AssertionError)
"""What storing one outcome may raise and still be that outcome's own affair: constraints, values that SQLite cannot
hold, versions. Everything else is the disk's failure or a bug, and goes to everybody."""


class Store:
    """One Region's store, open. Use `open`; end it with `close` or `crash`."""

    def __init__(self, connection: Connection, disk: Disk, region: str, trace: Trace | None) -> None:
        self._connection = connection
        self._disk = disk
        self._region = region
        self._trace = trace
        self._waiting: deque[_Pending] = deque()
        self._group: list[_Pending] = []
        self._idle: asyncio.Future[None] | None = None
        self._is_ended = False
        self._is_crashed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        region: str,
        connection: Literal["inline", "threaded"],
        disk: Disk,
        durable: bool,
        trace: Trace | None = None,
    ) -> Store:
        """The store of `region` at `path`, made or brought up to date if need be.

        `durable`: an acknowledged commit survives the machine's power failure, not only the process's death.
        Errors: ConfigError (not this Region's file, newer, unreadable); StoreUnavailable.
        """
        settings = FileSettings(path=path, region=region, is_durable=durable, keeps_log=disk.is_simulated)
        kind = InlineConnection if connection == "inline" else ThreadedConnection
        opened = kind.open(settings, disk)
        try:
            await opened.tx(lambda raw: migrate(raw, region=region))
        except sqlite3.Error as error:
            opened.kill()
            raise as_store_error(error) from error
        except BaseException:
            opened.kill()
            raise
        return cls(opened, disk, region, trace)

    @property
    def statement_count(self) -> int:
        """Statements that SQLite was asked to run since the store was opened."""
        return self._connection.statement_count

    async def commit(self, commit: Commit, *, then: Then | None = None) -> Sequences:
        """The sequences of the outbox entries, in order, once all of `commit` is committed.

        `then` is called with them before anybody is woken, in the order of the commits, even if the waiter was
        cancelled (which does not withdraw its commit): memory that follows by `then` is what a reopened file shows. An
        empty commit touches no disk. Errors: StoreError; AssertionError when a version did not grow by exactly one. A
        crash cancels.
        """
        if self._is_ended:
            raise StoreClosed(f"the store of {self._region} is closed")
        if commit.is_empty:
            if then is not None:
                then(())
            return ()
        pending = _Pending(commit, then)
        self._waiting.append(pending)
        self._start()
        return await pending.told

    def _start(self) -> None:
        """Begin the next transaction, if none is in flight and somebody waits."""
        if self._group:
            return
        if not self._waiting:
            if self._idle is not None and not self._idle.done():
                self._idle.set_result(None)
            return
        self._group = [self._waiting.popleft() for _ in range(min(MAX_GROUP, len(self._waiting)))]
        commits = [pending.commit for pending in self._group]
        self._connection.submit(Access.COMMIT, lambda raw: _write(raw, commits)).add_done_callback(self._land)

    def _land(self, landing: asyncio.Future[list[Sequences | Exception]]) -> None:
        """The transaction is over: answer its outcomes, begin the next."""
        if landing.cancelled():
            self._abandon()
            return
        error = landing.exception()
        if self._is_crashed:
            return
        group, self._group = self._group, []
        answers = landing.result() if error is None else [as_store_error(error) for _ in group]
        self._note(answers, error)
        try:
            _tell(zip(group, answers, strict=True))
        finally:
            self._start()

    def _note(self, answers: Sequence[Sequences | BaseException], error: BaseException | None) -> None:
        if self._trace is None:
            return
        if error is None:
            refused_count = sum(isinstance(answer, Exception) for answer in answers)
            self._trace.emit(self._region, "store.commit", outcomes=len(answers), refused=refused_count)
        else:
            self._trace.emit(self._region, "store.failure", outcomes=len(answers), error=type(error).__name__)

    async def load(self) -> LoadedState:
        """Everything a Region needs at boot, as of one instant. Errors: StoreError."""
        return await self._read(
            lambda raw: LoadedState(writes=tuple(queries.load_writes(raw)), outbox=tuple(queries.load_outbox(raw)))
        )

    async def read_audit(
        self,
        *,
        since_ns: int | None = None,
        until_ns: int | None = None,
        after_sequence: int = 0,
        limit: int | None = None,
    ) -> tuple[StoredSegment, ...]:
        """Segments in order of commit that may hold records of `since_ns` to `until_ns`. Errors: StoreError."""
        return await self._read(
            lambda raw: tuple(
                queries.read_audit(
                    raw, since_ns=since_ns, until_ns=until_ns, after_sequence=after_sequence, limit=limit
                )
            )
        )

    async def drop_audit(self, before_ns: int) -> int:
        """Forget the audit segments that ended before that instant; how many records that were. Errors: StoreError."""
        try:
            return await self._connection.tx(lambda raw: queries.drop_audit(raw, before_ns))
        except sqlite3.Error as error:
            raise as_store_error(error) from error

    async def integrity_check(self) -> tuple[str, ...]:
        """What is wrong with the file; empty when nothing is. Errors: StoreError."""
        return await self._read(queries.integrity_check)

    async def _read(self, work: Work[T]) -> T:
        try:
            return await self._connection.read(work)
        except sqlite3.Error as error:
            raise as_store_error(error) from error

    async def close(self) -> None:
        """Take no more, commit what waits, close the file."""
        self._is_ended = True
        if self._group:
            self._idle = self._idle if self._idle is not None else future()
            await self._idle
        await self._connection.close()

    def crash(self) -> None:
        """Die like the Region's host: a fence first, then the connection, then what the disk had not acknowledged.

        Whoever waits is cancelled; later commits are refused with StoreClosed.
        """
        self._abandon()
        self._connection.kill()
        self._disk.crash()

    def _abandon(self) -> None:
        """The fence: nothing is acknowledged from here on."""
        self._is_ended = self._is_crashed = True
        abandoned = [*self._group, *self._waiting]
        self._group.clear()
        self._waiting.clear()
        for pending in abandoned:
            pending.told.cancel()
        if self._idle is not None:
            self._idle.cancel()


class _Pending:
    """One outcome on its way, and who waits for it."""

    __slots__ = ("commit", "then", "told")

    def __init__(self, commit: Commit, then: Then | None) -> None:
        self.commit = commit
        self.then = then
        self.told: asyncio.Future[Sequences] = future()

    def tell(self, answer: Sequences | BaseException) -> None:
        """Let memory follow, then wake the waiter (unless it was cancelled)."""
        if isinstance(answer, BaseException):
            if not self.told.done():
                self.told.set_exception(answer)
            return
        try:
            if self.then is not None:
                self.then(answer)
        finally:
            if not self.told.done():
                self.told.set_result(answer)


def _tell(told: Iterator[tuple[_Pending, Sequences | BaseException]]) -> None:
    """Answer everybody, even if the `then` of one has a bug; the bug then goes on to the loop."""
    is_complete = False
    try:
        for pending, answer in told:
            pending.tell(answer)
        is_complete = True
    finally:
        if not is_complete:
            _tell(told)


def _write(raw: sqlite3.Connection, commits: Sequence[Commit]) -> list[Sequences | Exception]:
    """Store each outcome, or nothing of it; the sequences, or why not, in order.

    Refusals are rare: the group is tried under one savepoint, and once more with one for each outcome if need be.
    """
    together = _under_savepoint(raw, lambda: [queries.apply_commit(raw, commit) for commit in commits])
    if not isinstance(together, Exception):
        return [*together]
    return [_under_savepoint(raw, partial(queries.apply_commit, raw, commit)) for commit in commits]


def _under_savepoint(raw: sqlite3.Connection, write: Callable[[], T]) -> T | Exception:
    """What `write` returns, or why nothing of it is there. Errors: what fails the transaction, not what is written."""
    answer: T | Exception
    raw.execute("SAVEPOINT outcome")
    try:
        answer = write()
    except _REFUSALS as error:
        if not raw.in_transaction:
            raise  # SQLite has rolled back all of it: it is everybody's
        raw.execute("ROLLBACK TO outcome")
        answer = error if isinstance(error, AssertionError) else _refused(error)
    raw.execute("RELEASE outcome")
    return answer


def _refused(error: Exception) -> OutcomeRefused:
    refused = OutcomeRefused(f"{type(error).__name__}: {error}")
    refused.__cause__ = error
    return refused
