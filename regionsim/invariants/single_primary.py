"""Single primary: of a multi-Region key, at most one Region's key is the primary, at every instant.

A Region that is down keeps its committed state, so it counts with what it had when it was last seen.
"""

from __future__ import annotations

from regionsim.invariants.key_changes import KeyChanges
from regionsim.invariants.verdicts import ABOUT_A_KEY, Finding, Kind
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation


class SinglePrimary:
    """Checked at every change of a key."""

    kinds = ABOUT_A_KEY

    def __init__(self, changes: KeyChanges) -> None:
        self.finding = Finding(name="single_primary", kind=Kind.SAFETY)
        self._changes = changes

    def watch(self, event: Event) -> None:
        key_id = self._changes.changed_key(event)
        if key_id is None:
            return
        self.finding.checked += 1
        primaries = [region for region, key in self._changes.known(key_id).items() if key.is_primary]
        if len(primaries) > 1:
            self.finding.violate(event.t_ns, f"key {key_id} is primary in {' and '.join(primaries)}")

    async def conclude(self, simulation: Simulation) -> None:
        """Nothing more: every change was looked at."""
