"""Which key a trace event changed, and what every Region last had of it. Shared by the invariants about keys."""

from __future__ import annotations

from collections.abc import Mapping

from regionsim.kms.key import KmsKey
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation


def is_about_a_key(event: Event) -> bool:
    """True for an event that may tell a change of a key: it names one, or a Region has read all of its keys."""
    return "key" in event.fields or event.kind == "region_booted"


class KeyChanges:
    """The last committed state of each multi-Region key in each Region, kept up by watching the trace."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._known: dict[str, dict[str, KmsKey]] = {}
        self._seen: tuple[int, Event | None] = (-1, None)
        self._changed: str | None = None

    def changed_key(self, event: Event) -> str | None:
        """The id of the multi-Region key that `event` tells a change of, else None."""
        if self._seen[1] is event:
            return self._changed
        self._seen = (event.t_ns, event)
        self._changed = self._look(event)
        return self._changed

    def known(self, key_id: str) -> Mapping[str, KmsKey]:
        """Region -> its key, as last committed there."""
        return self._known.get(key_id, {})

    def key_ids(self) -> tuple[str, ...]:
        """Every multi-Region key that was seen."""
        return tuple(self._known)

    def _look(self, event: Event) -> str | None:
        if event.kind == "region_booted":
            self._look_at_all(event.region)
            return None
        key_id = event.fields.get("key")
        region = self._simulation.regions.get(event.region)
        if not isinstance(key_id, str) or region is None or not region.is_up:
            return None
        key = region.state.key(key_id)
        if key is None:
            self._known.get(key_id, {}).pop(event.region, None)  # deleted
            return None
        if not key.shared.is_multi_region:
            return None
        self._known.setdefault(key_id, {})[event.region] = key
        return key_id

    def _look_at_all(self, name: str) -> None:
        region = self._simulation.regions[name]
        for key in region.state.all_keys() if region.is_up else ():
            if key.shared.is_multi_region:
                self._known.setdefault(key.key_id, {})[name] = key
