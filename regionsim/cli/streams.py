"""Standard output and error, made so that no reader, encoding or disk gives a user a traceback."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO

from regionsim.names.mistakes import ConfigError


class Stream(io.TextIOBase):
    """One of our two outputs. What its encoding lacks is written as an escape; what cannot be written ends up nowhere.

    A failed file object keeps what it could not write and fails again at exit: it gets another file to write it to.
    """

    def __init__(self, under: TextIO) -> None:
        self._under = under

    def write(self, text: str) -> int:
        """Write `text`."""
        try:
            self._under.write(text)
        except UnicodeEncodeError:
            encoding = self._under.encoding
            self.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Write what waits."""
        try:
            self._under.flush()
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Nothing: the file below is not ours to close, and may be closed before this is forgotten (which closes)."""

    def isatty(self) -> bool:
        """True for a terminal."""
        return self._under.isatty()

    def fileno(self) -> int:
        """The file's number."""
        return self._under.fileno()

    def _give_up(self, error: OSError) -> None:
        with contextlib.suppress(OSError):  # a stream of a test has no file below it
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._under.fileno())
            os.close(nowhere)


class Out(Stream):
    """Standard output: a reader that has gone does not change what a command comes to, a full disk does."""

    def _give_up(self, error: OSError) -> None:
        super()._give_up(error)
        if not isinstance(error, BrokenPipeError):
            raise ConfigError(f"stdout cannot be written: {error.strerror}") from None


class Err(Stream):
    """Standard error: messages that nobody can read are not worth a second mistake."""


def open_streams() -> tuple[Out, Err]:
    """Standard output and error. Errors: ConfigError when one was closed before we began."""
    for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
        if stream is None:
            raise ConfigError(f"{name} is closed; to be rid of what goes there, send it to {os.devnull}")
    return Out(sys.stdout), Err(sys.stderr)
