"""The data folder of a served world: who has it, how far its clock was moved, and how it is emptied."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from regionsim.hsm.domain_backup import write_private
from regionsim.names.mistakes import ConfigError

LOCK_NAME = "regionsim.lock"
CLOCK_NAME = "clock.json"


class DataFolder:
    """One folder, held by one process at a time; a process that dies lets it go. Errors: ConfigError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"the folder '{path}' cannot be used: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise ConfigError(
                f"another regionsim serves the data in '{path}'; stop it first, or give another folder"
            ) from None

    def close(self) -> None:
        """Let others have it."""
        os.close(self._lock)

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

    def empty(self) -> None:
        """Remove every Region's store and domain, and the clock: what is left is a folder for a new world."""
        for path in self.path.iterdir():
            is_store = ".sqlite" in path.name or path.suffix == ".domain"
            if is_store or path.name == CLOCK_NAME:
                path.unlink(missing_ok=True)
