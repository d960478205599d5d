"""Links that are cut once so many bytes have passed: toxiproxy's limit_data."""

from __future__ import annotations

from regionsim.endpoint.toxics import Toxic
from regionsim.network.envelope import Envelope
from regionsim.simulation.simulation import Simulation


class ByteLimit:
    """Counts what is put on a link, and begins the toxic's fault under its name when that is enough."""

    def __init__(self, toxic: Toxic, simulation: Simulation, name: str) -> None:
        self._toxic = toxic
        self._simulation = simulation
        self._name = name
        self._passed_bytes = 0
        self._is_counting = True
        simulation.network.tap(self._count)

    def lift(self) -> None:
        """Count no more, and end the fault if it has begun."""
        if self._is_counting:
            self._simulation.network.untap(self._count)
        elif self._name in self._simulation.faults.by_name:
            self._simulation.end_fault(self._name)

    def _count(self, envelope: Envelope) -> None:
        if not self._is_counting or (envelope.sender, envelope.receiver) not in self._toxic.senders:
            return
        self._passed_bytes += len(envelope.body)
        if self._passed_bytes > self._toxic.after_bytes:
            self._is_counting = False
            self._simulation.network.untap(self._count)
            self._simulation.begin_fault(self._toxic.fault, self._name)
