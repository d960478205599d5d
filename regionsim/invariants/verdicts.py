"""What an invariant found."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from regionsim.names.dataclass import dataclass
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation


class Kind(StrEnum):
    """`safety` holds at every instant; `convergence` holds once all faults are healed and nothing is outstanding."""

    SAFETY = "safety"
    CONVERGENCE = "convergence"


@dataclass(slots=True, kw_only=True)
class Finding:
    """The tally of one invariant. `detail` tells the first violation, with its instant (ns of virtual time).

    `passed` is None when there was never anything to check: then nothing is claimed. Of one that passed, `detail` tells
    what was left out.
    """

    name: str
    kind: Kind
    checked: int = 0
    detail: str = ""
    violated_at_ns: int | None = None

    @property
    def passed(self) -> bool | None:
        if self.violated_at_ns is not None:
            return False
        return True if self.checked else None

    def violate(self, at_ns: int, detail: str) -> None:
        """Remember the first violation."""
        if self.violated_at_ns is None:
            self.violated_at_ns = at_ns
            self.detail = detail


Kinds = frozenset[str] | None
"""The kinds of event that an invariant looks at; `ABOUT_A_KEY`: all that tell of a key, whatever their kind."""

ABOUT_A_KEY: Kinds = None


class Invariant(Protocol):
    """One invariant of one run."""

    finding: Finding
    kinds: Kinds

    def watch(self, event: Event) -> None:
        """Look at a trace event of one of `kinds`, as it happens."""
        ...

    async def conclude(self, simulation: Simulation) -> None:
        """Look at the end of the run: the timeline is over, Regions are still up."""
        ...
