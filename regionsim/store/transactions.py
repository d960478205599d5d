"""What one operation is to SQLite: a transaction that commits, or a snapshot that is read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from regionsim.faults.verdicts import DiskVerdict
from regionsim.store.disk import Access, Disk, WalMark, sqlite_error
from regionsim.store.errors import CommitFailed

T = TypeVar("T")

Work = Callable[[sqlite3.Connection], T]


def run(
    access: Access, raw: sqlite3.Connection, disk: Disk, verdict: DiskVerdict, work: Work[T]
) -> tuple[T, WalMark | None]:
    """What `work` returns under this verdict of the disk, and where the log ends after a commit."""
    if access is Access.READ:
        return _run_read(raw, verdict, work), None
    return _run_transaction(raw, verdict, work), disk.mark(raw, verdict)


def _run_transaction(raw: sqlite3.Connection, verdict: DiskVerdict, work: Work[T]) -> T:
    raw.execute("BEGIN IMMEDIATE")
    try:
        value = work(raw)
        error = sqlite_error(verdict)
        if error is not None:
            raise error
    except BaseException:
        _roll_back(raw)
        raise
    try:
        raw.execute("COMMIT")
    except sqlite3.Error as error:
        _roll_back(raw)
        raise CommitFailed(str(error)) from error
    return value


def _run_read(raw: sqlite3.Connection, verdict: DiskVerdict, work: Work[T]) -> T:
    error = sqlite_error(verdict)
    if error is not None:
        raise error
    raw.execute("BEGIN")
    try:
        return work(raw)
    finally:
        _roll_back(raw)


def _roll_back(raw: sqlite3.Connection) -> None:
    if raw.in_transaction:  # on some errors (full, I/O) SQLite has rolled back already
        raw.execute("ROLLBACK")
