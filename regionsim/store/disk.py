"""The disk under a Region's file: when an operation completes, how it fails, what a crash leaves of the last writes.

`SimulatedDisk` draws the same four numbers for every operation, whether or not a fault is on, so that removing one
fault moves no other draw; a crash uses the last number of the last operation. Operations complete in the order of their
submission. The faults that are on are a callable that gives a verdict (`regionsim.faults.verdicts`):

    pass    runs now, completes at now + latency (+ slow_ns)
    fail    runs, and is rolled back with SQLite's "disk I/O error"
    full    a commit is rolled back with "database or disk is full"
    torn    as pass; should the Region crash before the commit is acknowledged, half of its write is there

A crash cuts the write-ahead log at the end of the last acknowledged commit, or anywhere after it, never before. A
stalled disk begins nothing until `resume()`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from regionsim.faults.verdicts import WORKING, DiskDraws, DiskOutcome, DiskRule, DiskVerdict, judge_disk
from regionsim.names.dataclass import dataclass
from regionsim.runtime.entropy import Stream
from regionsim.runtime.tasks import Cancellable, call_later_ns, now_ns

_WAL_LIMIT_BYTES = 16 * 1024 * 1024


class Access(StrEnum):
    """What an operation does to the disk."""

    READ = "read"
    COMMIT = "commit"


Judge = Callable[[Access, DiskDraws], DiskVerdict]
"""The faults that are on."""

Complete = Callable[[], None]
Begin = Callable[[DiskVerdict], Complete]
"""Starts an operation under a verdict; what it returns is called when the disk has completed it."""

PASS = DiskVerdict()


def no_faults(access: Access, draws: DiskDraws) -> DiskVerdict:
    """The verdicts of a disk that works."""
    return PASS


def ruled_by(rule: Callable[[], DiskRule]) -> Judge:
    """Verdicts by the rule that is in force when an operation begins."""
    return lambda access, draws: judge_disk(rule(), draws, is_write=access is Access.COMMIT)


def sqlite_error(verdict: DiskVerdict) -> sqlite3.OperationalError | None:
    """What SQLite raises on such a disk; None when the operation succeeds."""
    match verdict.outcome:
        case DiskOutcome.FAIL:
            return _coded("disk I/O error", sqlite3.SQLITE_IOERR, "SQLITE_IOERR")
        case DiskOutcome.FULL:
            return _coded("database or disk is full", sqlite3.SQLITE_FULL, "SQLITE_FULL")
        case DiskOutcome.PASS | DiskOutcome.TORN:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskProfile:
    """How long operations take: a floor and an exponential tail, by access. Source: ours (a local NVMe drive with
    flushes)."""

    read_floor_ns: int = 60_000
    read_tail_ns: int = 20_000
    commit_floor_ns: int = 250_000
    commit_tail_ns: int = 100_000

    def latency_ns(self, access: Access, unit_exponential: float) -> int:
        """The latency for a draw from the exponential distribution with mean 1."""
        if access is Access.READ:
            return self.read_floor_ns + int(self.read_tail_ns * unit_exponential)
        return self.commit_floor_ns + int(self.commit_tail_ns * unit_exponential)


INSTANT = DiskProfile(read_floor_ns=0, read_tail_ns=0, commit_floor_ns=0, commit_tail_ns=0)
"""A disk that takes no time."""


@dataclass(frozen=True, slots=True)
class WalMark:
    """How long the write-ahead log was after a commit; `generation` counts how often it was emptied."""

    generation: int
    length_bytes: int


class Disk(Protocol):
    """What a connection asks of the disk under its file."""

    @property
    def is_simulated(self) -> bool:
        """True when crashes tear: then nothing but `mark` may empty the write-ahead log."""
        ...

    def follow(self, rule: DiskRule, on_met: Callable[[], None]) -> None:
        """From now on do what the faults that are on say; `on_met` hears of each operation that meets them."""
        ...

    def attach(self, path: Path) -> None:
        """The file at `path` was opened; what it holds now counts as acknowledged."""
        ...

    def submit(self, access: Access, begin: Begin) -> None:
        """Begin an operation, now or later, and call its completion, in order of submission."""
        ...

    def mark(self, raw: sqlite3.Connection, verdict: DiskVerdict) -> WalMark | None:
        """Where the log ends after the commit that has just run on `raw`; called on that connection's thread."""
        ...

    def acknowledge(self, mark: WalMark) -> None:
        """The commit that ended at `mark` is being acknowledged: no crash may lose it."""
        ...

    def crash(self) -> None:
        """Forget what is under way, and tear the file; its connection is dead already."""
        ...


def _nobody() -> None:
    """Nobody wants to hear of it."""


class _RuledDisk:
    """What both kinds of disk do alike: the faults that are on, and completions in the order of submission."""

    def __init__(self) -> None:
        self._rule = WORKING
        self._on_met: Callable[[], None] = _nobody
        self._completions: deque[tuple[Cancellable, Complete]] = deque()
        self._free_at_ns = 0

    def follow(self, rule: DiskRule, on_met: Callable[[], None]) -> None:
        """From now on do what the faults that are on say; `on_met` hears of each operation that meets them."""
        self._rule, self._on_met = (WORKING if rule == WORKING else rule), on_met

    def _judged(self, access: Access, draws: DiskDraws) -> DiskVerdict:
        """The verdict of the faults that are on."""
        if self._rule is WORKING:
            return PASS
        self._on_met()
        return judge_disk(self._rule, draws, is_write=access is Access.COMMIT)

    def _complete_later(self, complete: Complete, latency_ns: int) -> None:
        """Complete an operation after its latency, and after all before it."""
        now = now_ns()
        self._free_at_ns = max(self._free_at_ns, now + latency_ns)
        timer = call_later_ns(self._free_at_ns - now, self._complete_next)
        self._completions.append((timer, complete))

    def _complete_next(self) -> None:
        # The oldest, whichever timer it was: real loops do not keep timers of one instant in order.
        _, complete = self._completions.popleft()
        complete()

    def _drop_completions(self) -> None:
        for timer, _ in self._completions:
            timer.cancel()
        self._completions.clear()
        self._free_at_ns = 0


class RealDisk(_RuledDisk):
    """The disk that the machine has: nothing torn, and nothing added but what faults do; `stream` is their luck."""

    is_simulated = False

    def __init__(self, stream: Stream | None = None) -> None:
        super().__init__()
        self._stream = stream

    def attach(self, path: Path) -> None:
        """Nothing to remember."""

    def submit(self, access: Access, begin: Begin) -> None:
        """Begin it; complete it at once, or behind what a fault holds up."""
        if self._rule is WORKING and not self._completions:
            begin(PASS)()
            return
        assert self._stream is not None, "without a stream there are no faults"
        verdict = self._judged(access, DiskDraws(error=self._stream.random(), torn=self._stream.random()))
        self._complete_later(begin(verdict), verdict.slow_ns)

    def mark(self, raw: sqlite3.Connection, verdict: DiskVerdict) -> WalMark | None:
        """None: there is nothing to tear."""
        return None

    def acknowledge(self, mark: WalMark) -> None:
        """Never called."""
        raise AssertionError("a real disk gives no marks")

    def crash(self) -> None:
        """A process that dies loses nothing that it had written."""
        self._drop_completions()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    access: Access
    latency_ns: int
    draws: DiskDraws
    begin: Begin


class SimulatedDisk(_RuledDisk):
    """A disk with drawn latencies, faults and torn writes, for one Region's file. It outlives the Region's crashes.

    `faults` judges each operation first; what it lets pass the faults that are on judge (`follow`).
    """

    is_simulated = True

    def __init__(self, stream: Stream, profile: DiskProfile | None = None, faults: Judge = no_faults) -> None:
        super().__init__()
        self._stream = stream
        self._profile = profile if profile is not None else DiskProfile()
        self._judge = faults
        self._is_stalled = False
        self._waiting: deque[_Waiting] = deque()
        self._tear_at = 0.0
        self._log = _Log()

    def attach(self, path: Path) -> None:
        """Take the log beside `path` as the one to tear; all that it holds is safe."""
        self._log.attach(wal_path(path))

    def submit(self, access: Access, begin: Begin) -> None:
        """Begin it at once unless the disk stalls; complete it after its latency, and after all before it."""
        latency_ns = self._profile.latency_ns(access, self._stream.exponential(1.0))
        draws = DiskDraws(error=self._stream.random(), torn=self._stream.random())
        self._tear_at = self._stream.random()
        operation = _Waiting(access=access, latency_ns=latency_ns, draws=draws, begin=begin)
        if self._is_stalled:
            self._waiting.append(operation)
        else:
            self._start(operation)

    def stall(self) -> None:
        """Begin nothing from now on; what has begun completes."""
        self._is_stalled = True

    def resume(self) -> None:
        """Begin what has waited, in order, and go on."""
        self._is_stalled = False
        while self._waiting:
            self._start(self._waiting.popleft())

    def _start(self, operation: _Waiting) -> None:
        verdict = self._judge(operation.access, operation.draws)
        if verdict == PASS:
            verdict = self._judged(operation.access, operation.draws)
        self._complete_later(operation.begin(verdict), operation.latency_ns + verdict.slow_ns)

    def mark(self, raw: sqlite3.Connection, verdict: DiskVerdict) -> WalMark | None:
        """The end of the log after this commit; empties a log that has grown long."""
        return self._log.mark(raw, is_torn=verdict.outcome is DiskOutcome.TORN)

    def acknowledge(self, mark: WalMark) -> None:
        """No crash cuts before `mark` any more."""
        self._log.acknowledge(mark)

    def crash(self) -> None:
        """Drop what is under way, end a stall, tear the log."""
        self._drop_completions()
        self._waiting.clear()
        self._is_stalled = False
        self._log.tear(self._tear_at)


class _Log:
    """What is known of the write-ahead log. Under a lock: a held connection marks on its own thread."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._lock = threading.Lock()
        self._generation = 0
        self._acknowledged_bytes = 0
        self._written_bytes = 0
        self._torn_from_bytes: int | None = None
        """Where the newest commit begins, when a crash must leave half of it."""

    def attach(self, path: Path) -> None:
        with self._lock:
            self._path = path
            self._begin_generation()

    def _begin_generation(self) -> None:
        assert self._path is not None, "a file is attached before it is written"
        self._generation += 1
        self._acknowledged_bytes = self._written_bytes = _size(self._path)
        self._torn_from_bytes = None

    def mark(self, raw: sqlite3.Connection, *, is_torn: bool) -> WalMark:
        assert self._path is not None, "a file is attached before it is written"
        with self._lock:
            self._torn_from_bytes = self._written_bytes if is_torn else None
            self._written_bytes = _size(self._path)
            if self._written_bytes > _WAL_LIMIT_BYTES:
                # What is in the database file cannot be torn: the commits so far are as good as acknowledged.
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._begin_generation()
            return WalMark(self._generation, self._written_bytes)

    def acknowledge(self, mark: WalMark) -> None:
        with self._lock:
            if mark.generation == self._generation:
                self._acknowledged_bytes = mark.length_bytes

    def tear(self, tear_at: float) -> None:
        if self._path is None or not self._path.exists():
            return
        first, last = self._acknowledged_bytes, _size(self._path)
        assert first <= last, "the log never shrinks within one generation"
        if self._torn_from_bytes is not None and first <= self._torn_from_bytes < last:
            first, last = self._torn_from_bytes + 1, last - 1
        os.truncate(self._path, first + int(tear_at * (last - first + 1)))


def wal_path(path: Path) -> Path:
    """The write-ahead log beside a database file."""
    return path.with_name(path.name + "-wal")


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _coded(text: str, code: int, name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    error.sqlite_errorname = name
    return error
