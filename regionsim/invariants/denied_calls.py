"""Denied never reaches an HSM: a call that ends in AccessDeniedException or ThrottlingException asked no HSM."""

from __future__ import annotations

from regionsim.invariants.verdicts import Finding, Kind
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation

_DENIALS = frozenset({"AccessDeniedException", "ThrottlingException"})


class DeniedNeverReachesHsm:
    """Checked at every answer, by its request id."""

    def __init__(self) -> None:
        self.finding = Finding(name="denied_never_reaches_hsm", kind=Kind.SAFETY)
        self._asked: set[object] = set()

    def watch(self, event: Event) -> None:
        match event.kind:
            case "hsm_request":
                self._asked.add(event.fields["request"])
            case "answer":
                request, result = event.fields["request"], event.fields["result"]
                if result in _DENIALS:
                    self.finding.checked += 1
                    if request in self._asked:
                        self.finding.violate(
                            event.t_ns, f"{event.fields['op']} in {event.region} was denied after an HSM job"
                        )
                self._asked.discard(request)
            case _:
                pass

    async def conclude(self, simulation: Simulation) -> None:
        """Nothing more: every answer was looked at."""
