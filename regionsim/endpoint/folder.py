"""The data folder of a served world: who has it, how far its clock was moved, and how it is emptied."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path

from regionsim.endpoint.sessions import KEY_BYTES
from regionsim.hsm.domain_backup import write_private
from regionsim.names.mistakes import ConfigError
from regionsim.runtime.entropy import Stream

LOCK_NAME = "regionsim.lock"
CLOCK_NAME = "clock.json"
SESSIONS_NAME = "sessions.key"


class DataFolder:
    """One folder, held by one process at a time; a process that dies lets it go. Errors: ConfigError."""

    def __init__(self, path: Path, *, is_locked: bool = True) -> None:
        self.path = path
        self._lock: int | None = None
        if is_locked:
            self._take()

    def _take(self) -> None:
        path = self.path
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise ConfigError(f"'{path}' is a file; give a folder, which is made where there is none") from None
        except OSError as error:
            raise ConfigError(f"the folder '{path}' cannot be used: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise ConfigError(
                f"another regionsim serves the data in '{path}'; stop it first, or give another folder"
            ) from None
        self._lock = lock

    def close(self) -> None:
        """Let others have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read_offset_ns(self) -> int:
        """How far the world's clock is ahead of the machine's. Errors: ConfigError."""
        path = self.path / CLOCK_NAME
        try:
            offset_ns = json.loads(path.read_text("ascii"))["offset_ns"]
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, KeyError, TypeError):
            offset_ns = None
        if not isinstance(offset_ns, int) or offset_ns < 0:
            raise ConfigError(f"'{path}' does not say how far the clock is; without it keys would go back in time")
        return offset_ns

    def write_offset_ns(self, offset_ns: int) -> None:
        """Keep how far the world's clock is ahead."""
        write_private(self.path / CLOCK_NAME, json.dumps({"offset_ns": offset_ns}).encode("ascii"))

    def session_key(self, stream: Stream) -> bytes:
        """The key that sessions are sealed with: made once, then kept. Errors: ConfigError."""
        path = self.path / SESSIONS_NAME
        if not path.exists():
            write_private(path, stream.bytes(KEY_BYTES))
        key = path.read_bytes()
        if len(key) != KEY_BYTES:
            raise ConfigError(f"'{path}' is not a key; remove it, and sessions begin anew")
        return key

    def empty_of(self, regions: Iterable[str]) -> None:
        """Remove these Regions' stores and domains."""
        for region in regions:
            for path in self.path.glob(f"{region}.*"):
                path.unlink(missing_ok=True)

    def empty(self) -> None:
        """Remove every Region's store and domain, the clock and the sessions: what is left is for a new world."""
        for path in self.path.iterdir():
            is_store = ".sqlite" in path.name or path.suffix in (".domain", ".keepers")
            if is_store or path.name in (CLOCK_NAME, SESSIONS_NAME):
                path.unlink(missing_ok=True)
