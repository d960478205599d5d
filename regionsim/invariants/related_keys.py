"""Related keys agree: two Regions with the same `shared_version` of a key have the same shared properties (safety),
and once everything is healed and across, every Region of a set has the same version (convergence)."""

from __future__ import annotations

from regionsim.invariants.key_changes import KeyChanges
from regionsim.invariants.settling import outstanding_words
from regionsim.invariants.verdicts import ABOUT_A_KEY, Finding, Kind, Kinds
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation


class SharedPropertiesAgree:
    """Equal versions, equal properties: checked at every change of a key."""

    kinds = ABOUT_A_KEY

    def __init__(self, changes: KeyChanges) -> None:
        self.finding = Finding(name="shared_properties_agree", kind=Kind.SAFETY)
        self._changes = changes

    def watch(self, event: Event) -> None:
        key_id = self._changes.changed_key(event)
        if key_id is None:
            return
        self.finding.checked += 1
        known = self._changes.known(key_id)
        changed = known[event.region]
        for region, key in known.items():
            same_version = key.shared.shared_version == changed.shared.shared_version
            if same_version and key.shared != changed.shared:
                detail = f"key {key_id}: {region} and {event.region} differ in version {key.shared.shared_version}"
                self.finding.violate(event.t_ns, detail)

    async def conclude(self, simulation: Simulation) -> None:
        """Nothing more: every change was looked at."""


class RelatedKeysConverge:
    """After everything is across: every Region of a set exists, with the same shared properties."""

    kinds: Kinds = frozenset()

    def __init__(self, changes: KeyChanges) -> None:
        self.finding = Finding(name="related_keys_converge", kind=Kind.CONVERGENCE)
        self._changes = changes

    def watch(self, event: Event) -> None:
        """Nothing: this is about the end."""

    async def conclude(self, simulation: Simulation) -> None:
        """Check every set, unless the run ended with a fault on.

        With none on, whoever ran it has given what was on its way the time of `settle`: what is not across by then will
        never be.
        """
        if simulation.faults:
            self.finding.detail = f"not checked: the run ended with {', '.join(simulation.faults.by_name)} on"
            return
        at_ns = simulation.clock.now_ns() - simulation.world.start_at_ns
        if not simulation.is_settled:
            self.finding.checked += 1
            self.finding.violate(at_ns, f"no fault is on, yet {outstanding_words(simulation)}")
            return
        for key_id in self._changes.key_ids():
            self._check(simulation, key_id, at_ns)

    def _check(self, simulation: Simulation, key_id: str, at_ns: int) -> None:
        found = {name: region.state.key(key_id) for name, region in simulation.regions.items()}
        keys = {name: key for name, key in found.items() if key is not None}
        if not keys:
            return
        self.finding.checked += 1
        newest = max(keys.values(), key=lambda key: key.shared.shared_version).shared
        for region in newest.regions:
            key = keys.get(region)
            if key is None:
                self.finding.violate(at_ns, f"key {key_id} is missing in {region}")
            elif key.shared != newest:
                versions = f"{key.shared.shared_version} instead of {newest.shared_version}"
                self.finding.violate(at_ns, f"key {key_id} in {region} has shared version {versions}")
