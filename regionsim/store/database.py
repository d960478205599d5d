"""A Region's SQLite file: opened with the right settings, and left behind as a dead process leaves it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError
from regionsim.store.schema import refuse_foreign

_BUSY_TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettings:
    """Whose file it is and how it is written.

    `is_durable`: a commit returns only once it is on the medium. `keeps_log`: the write-ahead log grows until the disk
    empties it (simulated crashes tear it).
    """

    path: Path
    region: str
    is_durable: bool
    keeps_log: bool


class CountedConnection(sqlite3.Connection):
    """A connection that counts the statements it was asked to run."""

    statement_count = 0

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """One statement."""
        self.statement_count += 1
        return super().execute(sql, parameters)


def open_database(settings: FileSettings, *, is_shared: bool = False) -> CountedConnection:
    """A connection to the file, made if absent, without tables if new; all that it holds is in the database file
    itself.

    `is_shared`: threads other than this one may use it, one at a time. Errors: ConfigError for a path that cannot be
    opened and for a file that is not this Region's.
    """
    _restore(settings.path)
    try:
        # Transactions are begun and ended by hand (isolation_level None): sqlite3's own guessing would begin them late.
        raw = sqlite3.connect(
            settings.path, isolation_level=None, factory=CountedConnection, check_same_thread=not is_shared
        )
    except sqlite3.OperationalError as error:
        raise ConfigError(f"{settings.path}: {error}; the folder must exist and be writable") from None
    try:
        refuse_foreign(raw, settings.path, region=settings.region)
        _set(raw, settings)
    except sqlite3.DatabaseError as error:
        raw.close()
        raise ConfigError(f"{settings.path}: {error}; a Region's store was wanted") from None
    except ConfigError:
        raw.close()
        raise
    return raw


def _set(raw: sqlite3.Connection, settings: FileSettings) -> None:
    raw.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute(f"PRAGMA synchronous = {'FULL' if settings.is_durable else 'OFF'}")
    raw.execute("PRAGMA foreign_keys = ON")
    if settings.keeps_log:
        raw.execute("PRAGMA wal_autocheckpoint = 0")
    # A recovered log may end in torn frames; an empty one has an end that is exactly known.
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


@contextmanager
def left_behind(path: Path) -> Iterator[None]:
    """Within, connections to `path` close as if their process died: without a checkpoint, the log stays as it is.

    SQLite does not touch the log of a database that was moved away under it. Python 3.11 has no way to set
    SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, which says the same in words.
    """
    aside = _aside(path)
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)


def _restore(path: Path) -> None:
    """Bring back a file whose process ended inside `left_behind`."""
    if _aside(path).exists() and not path.exists():
        _aside(path).rename(path)


def _aside(path: Path) -> Path:
    return path.with_name(path.name + ".left-behind")
