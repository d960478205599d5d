"""Mistakes of the person running regionsim, and the nearest valid name to offer them.

RegionsimError
├── ConfigError                a setting, a path or a usage that cannot work
└── (scenario.ScenarioError)   a scenario file, with path, line and column

Refusals of KMS are something else: they are answers (`regionsim.kms.errors`).
"""

from __future__ import annotations

import difflib
import reprlib
from collections import Counter
from collections.abc import Iterable


class RegionsimError(Exception):
    """The input or the usage is wrong; the message says what was found, what was wanted, and what to do."""


class ConfigError(RegionsimError):
    """A setting, a path or a usage that cannot work."""


def require_type(what: str, value: object, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Return when a value that a Python program gave is of these types; True and False are no numbers.

    Errors: ConfigError, with what is `wanted`.
    """
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ConfigError(f"{what} is {wanted}, not {type(value).__name__}: {reprlib.repr(value)}")


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The valid name that `word` was probably meant to be, or None when nothing is close."""
    names = sorted(set(candidates))
    folded = {name.casefold(): name for name in reversed(names)}
    wanted = word.casefold()
    found = difflib.get_close_matches(wanted, list(folded), n=8, cutoff=0.6)
    # Of close names the one of the same letters: two letters swapped are a common slip, which difflib counts as two.
    best = min(found, key=lambda name: _letters_apart(wanted, name), default=None)
    return None if best is None else folded[best]


def _letters_apart(one: str, other: str) -> int:
    a, b = Counter(one), Counter(other)
    return (a - b).total() + (b - a).total()


def advice(word: str, candidates: Iterable[str], *, shown: int = 12) -> str:
    """A sentence for an unknown name: the nearest valid one, or the valid ones when they are few."""
    names = sorted(set(candidates))
    meant = nearest(word, names)
    if meant is not None:
        return f"did you mean '{meant}'?"
    if not names:
        return "there is none"
    if len(names) <= shown:
        return "valid: " + ", ".join(names)
    return "valid: " + ", ".join(names[:shown]) + f", ... ({len(names)} in all)"
