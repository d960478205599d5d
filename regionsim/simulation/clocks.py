"""The Regions' clocks as the faults that are on leave them: each Region reads its own, and one may read a wrong time.

Skew reaches what a Region reads, never how long it waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from regionsim.faults.active import ActiveFaults
from regionsim.runtime.clock import NodeClock
from regionsim.runtime.trace import Event, Trace

_READINGS = ("call", "due")
"""What makes a Region look at its clock."""


class ClockFaults:
    """The clocks of a world's Regions. `on_met` hears the names of faults under which a Region looked at its clock."""

    def __init__(
        self, clocks: Mapping[str, NodeClock], trace: Trace, on_met: Callable[[tuple[str, ...]], None]
    ) -> None:
        self._clocks = clocks
        self._trace = trace
        self._on_met = on_met
        self._names: dict[str, tuple[str, ...]] = {}

    def follow(self, faults: ActiveFaults) -> tuple[str, ...]:
        """Let every clock be as the faults that are on say; the Regions whose reading has jumped."""
        were_skewed = any(self._names.values())
        self._names = {region: faults.names_skewing(region) for region in self._clocks}
        are_skewed = any(self._names.values())
        if are_skewed and not were_skewed:
            self._trace.add_sink(self._heard, _READINGS)
        elif were_skewed and not are_skewed:
            self._trace.remove_sink(self._heard)
        jumped = []
        for region, clock in self._clocks.items():
            skew_ns = faults.skew_ns(region)
            if skew_ns != clock.skew_ns:
                clock.set_skew(skew_ns)
                jumped.append(region)
        return tuple(jumped)

    def _heard(self, event: Event) -> None:
        self._on_met(self._names[event.region])
