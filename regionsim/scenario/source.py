"""The text of a file that a person named: bounded, UTF-8, printable; anything else is refused before it is parsed."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from regionsim.scenario.errors import ScenarioError

MAXIMUM_BYTES = 5_000_000
_NO_WAITING = getattr(os, "O_NONBLOCK", 0)
_BYTE_ORDER_MARK = "\ufeff"
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML does not allow in a file. Source: YAML 1.2.2, 5.1 (c-printable)."""


def read_source(path: Path, shown: str) -> str:
    """The text of the file at `path`, which messages call `shown`.

    Errors: ScenarioError for a file that is absent, unreadable, empty, over 5 MB, or not printable UTF-8 text.
    """
    text = _decoded(_bounded(path, shown), shown).removeprefix(_BYTE_ORDER_MARK)
    found = _UNPRINTABLE.search(text)
    if found is not None:
        line, column = place_of(text, found.start())
        what = f"the file is not text: it holds the character U+{ord(found[0]):04X}"
        raise ScenarioError(shown, line, column, what, "a scenario is a YAML file in UTF-8")
    if not text.strip():
        raise ScenarioError(shown, 1, 1, "the file is empty", "a scenario needs at least regions, accounts and steps")
    return text


def place_of(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of the character at `offset`."""
    line_start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - line_start + 1


def _bounded(path: Path, shown: str) -> bytes:
    try:
        # Not to wait for whoever writes into a pipe, and so that what was looked at is what is read.
        descriptor = os.open(path, os.O_RDONLY | _NO_WAITING)
        try:
            _need_regular(os.fstat(descriptor).st_mode, shown)
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(MAXIMUM_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise ScenarioError(shown, 1, 1, "there is no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ScenarioError(shown, 1, 1, f"the file cannot be read: {reason}") from None
    if len(content) > MAXIMUM_BYTES:
        raise ScenarioError(shown, 1, 1, "the file is larger than 5 MB", "a scenario of that size cannot be meant")
    return content


def _need_regular(mode: int, shown: str) -> None:
    if stat.S_ISDIR(mode):
        raise ScenarioError(shown, 1, 1, "this is a folder", "name a file in it")
    if not stat.S_ISREG(mode):
        raise ScenarioError(shown, 1, 1, "this is a pipe or a device, not a file", "save the scenario in a file first")


def _decoded(content: bytes, shown: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        line, column = place_of(before + "?", len(before))
        what = f"the file is not UTF-8 text: byte 0x{content[error.start]:02X}"
        raise ScenarioError(shown, line, column, what, "a scenario is a YAML file in UTF-8") from None
