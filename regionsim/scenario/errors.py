"""The mistake in a scenario file, with its place.

RegionsimError
└── ScenarioError   `file:line:column: what; advice`
"""

from __future__ import annotations

from regionsim.names.mistakes import RegionsimError

_SHOWN = 60


class ScenarioError(RegionsimError):
    """A scenario file that cannot be played; `further` holds the other mistakes found in the same file, in order."""

    def __init__(self, path: str, line: int, column: int, what: str, advice: str = "") -> None:
        super().__init__(path, line, column, what, advice)
        self.path = path
        self.line = line
        self.column = column
        self.what = what
        self.advice = advice
        self.further: tuple[ScenarioError, ...] = ()

    def __str__(self) -> str:
        place = f"{escaped(self.path)}:{self.line}:{self.column}: {self.what}"
        return f"{place}; {self.advice}" if self.advice else place

    @property
    def all(self) -> tuple[ScenarioError, ...]:
        """This mistake and the further ones."""
        return (self, *self.further)


def quoted(text: str) -> str:
    """`text` between quotes for a message: one line, no control characters, cut when long."""
    return f"'{escaped(cut(text))}'"


def cut(text: str) -> str:
    """`text`, or its beginning when it is long."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def escaped(text: str) -> str:
    """`text` in one line, control characters as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
