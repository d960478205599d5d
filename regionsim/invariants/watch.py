"""All invariants of one run, together."""

from __future__ import annotations

from regionsim.invariants.audit_complete import AuditComplete
from regionsim.invariants.calendar_kept import CalendarKept
from regionsim.invariants.denied_calls import DeniedNeverReachesHsm
from regionsim.invariants.key_changes import KeyChanges, is_about_a_key
from regionsim.invariants.material_agrees import MaterialAgrees
from regionsim.invariants.related_keys import RelatedKeysConverge, SharedPropertiesAgree
from regionsim.invariants.secrets_inside import SecretsStayInside
from regionsim.invariants.single_primary import SinglePrimary
from regionsim.invariants.verdicts import ABOUT_A_KEY, Finding, Invariant
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation


class Watch:
    """Create it before the simulation starts; `conclude` when the timeline is over and the trace is closed."""

    def __init__(self, simulation: Simulation) -> None:
        changes = KeyChanges(simulation)
        self._simulation = simulation
        self._invariants: tuple[Invariant, ...] = (
            SinglePrimary(changes),
            SharedPropertiesAgree(changes),
            RelatedKeysConverge(changes),
            MaterialAgrees(changes),
            CalendarKept(),
            DeniedNeverReachesHsm(simulation.regions, simulation.world.hsm_per_region),
            AuditComplete(simulation),
            SecretsStayInside(simulation),
        )
        self._about_a_key = [one.watch for one in self._invariants if one.kinds is ABOUT_A_KEY]
        simulation.trace.add_sink(self._watch_keys)
        for one in self._invariants:
            if one.kinds is not ABOUT_A_KEY:
                simulation.trace.add_sink(one.watch, one.kinds)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The tallies so far, in a fixed order."""
        return tuple(invariant.finding for invariant in self._invariants)

    async def conclude(self) -> tuple[Finding, ...]:
        """The final tallies. HSMs are asked and files are read; what that traces is no part of the run."""
        await self._simulation.lives_ended()
        self._hear_no_more()
        for invariant in self._invariants:
            await invariant.conclude(self._simulation)
        return self.findings

    def _hear_no_more(self) -> None:
        for sink in (self._watch_keys, *(one.watch for one in self._invariants)):
            self._simulation.trace.remove_sink(sink)

    def _watch_keys(self, event: Event) -> None:
        if is_about_a_key(event):
            for watch in self._about_a_key:
                watch(event)
