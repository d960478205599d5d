"""One face, two classes: SQLite inside the loop, and SQLite on aiosqlite's thread.

One transaction is one hop: a synchronous function runs between BEGIN IMMEDIATE and COMMIT with nothing of the loop in
between, so transactions never interleave. An operation runs when the disk begins it and is answered when the disk
completes it; `submit` is synchronous, so operations keep the order in which they were submitted.

Under the virtual loop the thread is *held*: it gets its work at once, and the loop waits for it, in real time, at the
virtual instant of completion. What the thread answers is heard nowhere else, so the order of events is that of
`InlineConnection`.

Opening and closing take no virtual time and block the loop in both classes.
"""

from __future__ import annotations

import asyncio
import sqlite3
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from regionsim.faults.verdicts import DiskVerdict
from regionsim.runtime.loop import VirtualLoop
from regionsim.runtime.tasks import future
from regionsim.store import transactions
from regionsim.store.database import CountedConnection, FileSettings, left_behind, open_database
from regionsim.store.disk import Access, Complete, Disk, WalMark
from regionsim.store.errors import StoreClosed
from regionsim.store.transactions import Work
from regionsim.store.worker_thread import WorkerThread

T = TypeVar("T")


class Connection(Protocol):
    """One SQLite file, reached one whole transaction at a time."""

    @property
    def in_flight(self) -> int:
        """Operations submitted and not answered."""
        ...

    @property
    def statement_count(self) -> int:
        """Statements that SQLite was asked to run since it was opened."""
        ...

    def submit(self, access: Access, work: Work[T]) -> asyncio.Future[T]:
        """Hand `work` over; what it returns or raises is the future's. Cancelling the future does not undo it.

        COMMIT: one transaction, rolled back when anything raises. READ: one snapshot; what it writes is rolled back.
        Errors: StoreClosed at once; sqlite3.Error and whatever `work` raises through the future.
        """
        ...

    async def tx(self, work: Work[T]) -> T:
        """What `work` returns, committed."""
        ...

    async def read(self, work: Work[T]) -> T:
        """What `work` returns."""
        ...

    async def close(self) -> None:
        """Answer what is in flight, then close the file."""
        ...

    def kill(self) -> None:
        """Die like a process: nothing is committed any more, the log stays as it is, whoever waits is cancelled."""
        ...


_living: weakref.WeakSet[_FileConnection] = weakref.WeakSet()


def open_connections() -> set[Connection]:
    """The connections that were neither closed nor killed. A test must leave none."""
    return set(_living)


class _Job(Generic[T]):
    """One operation: `answer` is what SQLite said, `told` what its submitter hears once the disk has completed it."""

    __slots__ = ("answer", "told")

    def __init__(self) -> None:
        self.told: asyncio.Future[T] = future()
        self.answer: asyncio.Future[tuple[T, WalMark | None]] | None = None


class _FileConnection(ABC):
    """What both classes do alike: order, acknowledgement, death."""

    def __init__(self, raw: CountedConnection, settings: FileSettings, disk: Disk) -> None:
        self._raw = raw
        self._path = settings.path
        self._disk = disk
        self._jobs: dict[_Job[Any], None] = {}
        self._is_closing = False
        self._is_dead = False
        disk.attach(settings.path)
        _living.add(self)

    @property
    def in_flight(self) -> int:
        """Operations submitted and not answered."""
        return len(self._jobs)

    @property
    def statement_count(self) -> int:
        """Statements that SQLite was asked to run."""
        return self._raw.statement_count

    def submit(self, access: Access, work: Work[T]) -> asyncio.Future[T]:
        """Hand `work` over; see `Connection`."""
        if self._is_closing or self._is_dead:
            raise StoreClosed(f"{self._path} is closed")
        job: _Job[T] = _Job()
        self._jobs[job] = None

        def begin(verdict: DiskVerdict) -> Complete:
            return self._begin(job, lambda: transactions.run(access, self._raw, self._disk, verdict, work))

        self._disk.submit(access, begin)
        return job.told

    async def tx(self, work: Work[T]) -> T:
        """What `work` returns, committed."""
        return await self.submit(Access.COMMIT, work)

    async def read(self, work: Work[T]) -> T:
        """What `work` returns."""
        return await self.submit(Access.READ, work)

    async def close(self) -> None:
        """Answer what is in flight, then close the file."""
        if self._is_closing or self._is_dead:
            return
        # The disk answers in order: once this is answered, so is all before it, whatever the verdict on it.
        last = self.submit(Access.READ, lambda raw: None)
        self._is_closing = True
        with suppress(sqlite3.OperationalError):
            await last
        if not self._is_dead:
            self._die()
            self._shut()

    def kill(self) -> None:
        """Die like a process; see `Connection`."""
        if self._is_dead:
            return
        jobs = list(self._jobs)
        self._die()
        with left_behind(self._path):
            self._break_off([job for job in jobs if job.answer is not None])
            self._shut()
        for job in jobs:
            if not job.told.get_loop().is_closed():
                job.told.cancel()

    def _die(self) -> None:
        """Answer nothing from now on."""
        self._is_dead = True
        self._jobs.clear()
        _living.discard(self)

    def _settle(self, job: _Job[T]) -> None:
        """The disk has completed it: tell whoever waits."""
        assert job.answer is not None, "it has begun"
        error = job.answer.exception()
        if self._is_dead:
            return
        del self._jobs[job]
        if error is not None:
            if not job.told.done():  # else its waiter was cancelled
                job.told.set_exception(error)
            return
        value, mark = job.answer.result()
        if mark is not None:
            self._disk.acknowledge(mark)
        if not job.told.done():
            job.told.set_result(value)

    @abstractmethod
    def _begin(self, job: _Job[T], run: Callable[[], tuple[T, WalMark | None]]) -> Complete:
        """Set the job's answer, now or later; the result settles it."""

    @abstractmethod
    def _break_off(self, jobs: list[_Job[Any]]) -> None:
        """Leave nothing running: these have begun and will not be settled."""

    @abstractmethod
    def _shut(self) -> None:
        """Close SQLite's connection."""


class _Carried:
    """Carries a failure of somebody's work to whoever awaits it, as a thread's does: nothing here handles it."""

    __slots__ = ("_answer",)

    def __init__(self, answer: asyncio.Future[Any]) -> None:
        self._answer = answer

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self._answer.set_exception(error)
        self._answer.exception()  # looked at, should a crash come before it is told
        return True


class InlineConnection(_FileConnection):
    """Plain sqlite3 for virtual time: an operation runs, whole, on the loop's own thread when the disk begins it."""

    @classmethod
    def open(cls, settings: FileSettings, disk: Disk) -> InlineConnection:
        """A connection to the file. Errors: ConfigError."""
        return cls(open_database(settings), settings, disk)

    def _begin(self, job: _Job[T], run: Callable[[], tuple[T, WalMark | None]]) -> Complete:
        job.answer = answer = future()
        with _Carried(answer):
            answer.set_result(run())
        return lambda: self._settle(job)

    def _break_off(self, jobs: list[_Job[Any]]) -> None:
        """Nothing runs between two callbacks."""

    def _shut(self) -> None:
        self._raw.close()


class ThreadedConnection(_FileConnection):
    """aiosqlite's thread, free in real time and held in virtual time.

    The thread is a daemon: a connection that was forgotten cannot keep the process from ending.
    """

    def __init__(self, thread: WorkerThread, settings: FileSettings, disk: Disk) -> None:
        super().__init__(thread.raw, settings, disk)
        self._thread = thread
        self._is_broken_off = False
        loop = asyncio.get_running_loop()
        self._holding_loop = loop if isinstance(loop, VirtualLoop) else None

    @classmethod
    def open(cls, settings: FileSettings, disk: Disk) -> ThreadedConnection:
        """A connection to the file, for the running loop. Errors: ConfigError."""
        return cls(WorkerThread(settings), settings, disk)

    @property
    def is_held(self) -> bool:
        """True in virtual time."""
        return self._holding_loop is not None

    def _begin(self, job: _Job[T], run: Callable[[], tuple[T, WalMark | None]]) -> Complete:
        job.answer = answer = self._thread.enqueue(run if self.is_held else lambda: self._unless_broken_off(run))
        if self.is_held:
            return lambda: self._settle_held(job)
        return lambda: answer.add_done_callback(lambda _: self._settle(job))

    def _unless_broken_off(self, run: Callable[[], T]) -> T:
        if self._is_broken_off:
            raise StoreClosed(f"{self._path} is closed")
        return run()

    def _settle_held(self, job: _Job[T]) -> None:
        self._hear(job)
        self._settle(job)

    def _hear(self, job: _Job[Any]) -> None:
        """Let the world stand still until the thread has answered this job."""
        assert self._holding_loop is not None, "a held connection"
        assert job.answer is not None, "it has begun"
        while not job.answer.done():
            self._holding_loop.drain_threadsafe(wait_seconds=1.0)

    def _break_off(self, jobs: list[_Job[Any]]) -> None:
        if self._holding_loop is None:
            self._is_broken_off = True
            self._raw.interrupt()
            for job in jobs:
                assert job.answer is not None, "it has begun"
                job.answer.add_done_callback(_look_at)
        elif not self._holding_loop.is_closed():
            # Inline, all that was submitted has run by now; so here.
            for job in jobs:
                assert job.answer is not None, "it has begun"
                self._hear(job)
                _look_at(job.answer)

    def _shut(self) -> None:
        self._thread.end()


def _look_at(answer: asyncio.Future[Any]) -> None:
    """Nobody will be told; asyncio would report a failure that nobody has looked at."""
    if not answer.cancelled():
        answer.exception()
