"""Commands and their arguments; a usage mistake is said as every other mistake is."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError, nearest

OK, DID_NOT_HOLD, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: its line in the help, an example, its arguments, and what it does (the exit status)."""

    name: str
    about: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    do: Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Says a usage mistake as every other mistake is said, with the nearest valid option."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog}: {message}; see {self.prog} --help")

    # Narrower than argparse's overloads: nobody here hands over a namespace of their own.
    def parse_args(self, args: Sequence[str] | None = None, namespace: None = None) -> argparse.Namespace:  # type: ignore[override]
        arguments, unknown = self.parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            meant = nearest(word, self._option_string_actions)
            self.error(f"does not take '{word}'" + (f", did you mean '{meant}'?" if meant else ""))
        return arguments


def parser_of(command: Command) -> argparse.ArgumentParser:
    """The parser of a command's own arguments."""
    parser = Parser(
        prog=f"regionsim {command.name}",
        description=command.about[0].upper() + command.about[1:] + ".",
        epilog=f"example: {command.example}",
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="colors in messages")
    parser.add_argument("--quiet", action="store_true", help="no progress, only results and mistakes")
    return parser


_MOST_DIGITS = 18


def seed(word: str) -> int:
    """A seed. Errors: ArgumentTypeError."""
    from regionsim.scenario.load import LARGEST_SEED

    is_number = word.isascii() and word.isdecimal() and len(word) <= len(str(LARGEST_SEED))
    if not is_number or int(word) > LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"a seed is a whole number from 0 to {LARGEST_SEED}, not {_cut(word)}")
    return int(word)


def rate_of(word: str) -> float:
    """Virtual seconds per second. Errors: ArgumentTypeError."""
    rate = _number(word)
    if not 0 < rate < math.inf:
        what = f"a rate is more than 0 virtual seconds per second, not {_cut(word)}"
        raise argparse.ArgumentTypeError(what + ("; leave it out to play flat out" if rate == math.inf else ""))
    return rate


def count(word: str) -> int:
    """A whole number of things. Errors: ArgumentTypeError."""
    if not (word.isascii() and word.isdecimal() and len(word) <= _MOST_DIGITS):
        raise argparse.ArgumentTypeError(f"a whole number is wanted, not {_cut(word)}")
    return int(word)


def seconds(word: str) -> float:
    """More than no seconds, and not for ever. Errors: ArgumentTypeError."""
    length = _number(word)
    if not 0 < length < math.inf:
        raise argparse.ArgumentTypeError(f"seconds are a number over 0, not {_cut(word)}")
    return length


def duration(word: str) -> int:
    """Nanoseconds of a duration. Errors: ArgumentTypeError."""
    from regionsim.names.durations import parse_duration

    try:
        return parse_duration(word)
    except ValueError as mistake:
        raise argparse.ArgumentTypeError(str(mistake)) from None


def file_name(word: str) -> str:
    """The name of a file, or `-`. Errors: ArgumentTypeError."""
    if not word:
        raise argparse.ArgumentTypeError("the name of a file is wanted, this is empty")
    return word


def new_file(word: str) -> str:
    """The name of a file to write, or `-`; looked at before the work that it is for. Errors: ArgumentTypeError."""
    from regionsim.scenario.errors import escaped

    path, why = Path(file_name(word)), ""
    if path.is_dir():
        why = "it is a folder"
    elif not path.parent.is_dir():
        why = "there is no such folder"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        why = "permission denied"
    if why and word != "-":
        raise argparse.ArgumentTypeError(f"'{escaped(word)}' cannot be written: {why}")
    return word


def _number(word: str) -> float:
    """NaN for what is none."""
    try:
        return float(word)
    except ValueError:
        return math.nan


def _cut(word: str) -> str:
    from regionsim.scenario.errors import quoted

    return quoted(word)
