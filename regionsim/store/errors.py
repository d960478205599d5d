"""What the store can answer instead of an acknowledgement.

StoreError
├── StoreUnavailable   the disk did not take the commit (error, full, locked)
├── OutcomeRefused     the schema refused this outcome; the others of its group are committed
└── StoreClosed        the store is closed, or its Region has crashed
"""

from __future__ import annotations

import sqlite3


class StoreError(Exception):
    """Something was not committed. The Region turns it into KMSInternalException.

    `may_have_happened` is True when only a reopened file can tell.
    """

    may_have_happened = False


class StoreUnavailable(StoreError):
    """The disk did not take it, or could not give it."""

    def __init__(self, what: str, *, may_have_happened: bool = False) -> None:
        super().__init__(what)
        self.may_have_happened = may_have_happened


class OutcomeRefused(StoreError):
    """This one outcome cannot be stored; nothing of it is."""


class StoreClosed(StoreError):
    """There is no store to write to any more."""


class CommitFailed(sqlite3.OperationalError):
    """COMMIT itself failed: its frames may be in the write-ahead log, where a recovery would find them."""


_BUGS = (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.NotSupportedError)


def as_store_error(error: BaseException) -> BaseException:
    """The same failure in the store's words; a bug stays what it is, SQLite's complaints about wrong use included."""
    if isinstance(error, sqlite3.Error) and not isinstance(error, _BUGS):
        told = StoreUnavailable(str(error), may_have_happened=isinstance(error, CommitFailed))
        told.__cause__ = error
        return told
    return error
