"""A fault that was asked for wrongly."""

from __future__ import annotations

from regionsim.names.mistakes import RegionsimError


class FaultError(RegionsimError):
    """A fault that cannot be read, does not exist, or is not on.

    `path` leads from the mapping that was read to the node at fault (keys and indexes; empty: the whole mapping), so
    that a scenario's loader can put line and column to it.
    """

    def __init__(self, path: tuple[str | int, ...], what: str, advice: str) -> None:
        super().__init__(f"{what}; {advice}" if advice else what)
        self.path = path
        self.what = what
        self.advice = advice
