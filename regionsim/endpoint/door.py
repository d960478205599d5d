"""The way from a connection to a Region: what the faults that are on do to a call, and to whoever is connected.

In a simulation a caller's bytes travel over the network of the world (`Simulation.knock`). Here they came over the
machine's own network, and a fault shows itself on the connection: it is closed, or nothing is ever answered on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum

from regionsim.endpoint.http import Hangup, Stalled
from regionsim.faults.verdicts import CallVerdict
from regionsim.kms.plan import Call
from regionsim.region.region import Reply
from regionsim.runtime.stage import Stage
from regionsim.runtime.strands import Signal
from regionsim.runtime.tasks import now_ns
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation


class Access(StrEnum):
    """What a client that tries to connect to a Region's own port meets."""

    OPEN = "open"
    REFUSED = "refused"
    """Connections are refused, open ones are closed."""
    HANGING = "hanging"
    """Nothing is answered: neither a new connection nor a request on an open one."""
    NAMELESS = "nameless"
    """The Region's name cannot be resolved: no new connection, open ones go on."""


_OF_VERDICT = {CallVerdict.PASS: Access.OPEN, CallVerdict.FAIL: Access.REFUSED, CallVerdict.STALL: Access.HANGING}


class Door:
    """The doors of all Regions of one simulation. `on_change` hears that a fault began or ended."""

    def __init__(self, simulation: Simulation, on_change: Callable[[], None]) -> None:
        self.simulation = simulation
        self._on_change = on_change
        self._is_closed = False
        self._waiting: dict[str, set[Signal[Reply | Hangup]]] = {name: set() for name in simulation.regions}
        self._asked: Stage[tuple[str, Call, Signal[Reply | Hangup]]] = Stage(self._ask)
        self._said: Stage[tuple[Signal[Reply | Hangup], Reply]] = Stage(_give)
        self._hidden_since_ns: dict[str, int] = {}
        simulation.trace.add_sink(self._heard, ("fault_begins", "fault_ends", "region_crashed", "region_booted"))

    def close(self) -> None:
        """Nobody gets an answer any more, or is let in, and no fault is heard of."""
        self._is_closed = True
        self.simulation.trace.remove_sink(self._heard)
        for region in self._waiting:
            self._hang_up(region)

    def access(self, region: str) -> Access:
        """What a client that tries to connect to the Region's own port meets now."""
        verdict = self._verdict(region)
        if verdict is CallVerdict.PASS and not self.simulation.regions[region].is_up:
            return Access.REFUSED
        if verdict is CallVerdict.PASS and region in self._hidden_since_ns:
            return Access.NAMELESS
        return _OF_VERDICT[verdict]

    async def ask(self, region: str, call: Call, *, connected_ns: int) -> Reply:
        """The Region's reply to a call on a connection that is open since `connected_ns` (the loop's clock).

        Errors: Hangup or Stalled when it gives none, or a fault keeps it from the caller.
        """
        if self._is_closed:
            raise Hangup
        if connected_ns > self._hidden_since_ns.get(region, connected_ns):
            self.simulation.fault_tally.met(self.simulation.faults.names_hiding(region))
            raise Hangup
        self._meet(region)
        reply: Signal[Reply | Hangup] = Signal()
        waiting = self._waiting[region]
        waiting.add(reply)
        try:
            self._asked.add((region, call, reply))
            said = await reply
        finally:
            waiting.discard(reply)
        if isinstance(said, Hangup):
            raise said
        self._meet(region)
        return said

    def _ask(self, asked: tuple[str, Call, Signal[Reply | Hangup]]) -> None:
        name, call, reply = asked
        region = self.simulation.regions[name]
        if not region.is_up:
            reply.give(Hangup())
        elif not reply.done():  # else it has crashed since, and is up again
            region.accept(call, lambda said: self._said.add((reply, said)))

    def _meet(self, region: str) -> None:
        """Errors: Hangup, Stalled, when a fault is in the way."""
        simulation = self.simulation
        if not simulation.faults.by_name and simulation.regions[region].is_up:
            return
        simulation.fault_tally.met(simulation.faults.names_making_unreachable(region))
        match self._verdict(region):
            case CallVerdict.STALL:
                raise Stalled
            case CallVerdict.PASS if simulation.regions[region].is_up:
                return
            case _:
                raise Hangup

    def _verdict(self, region: str) -> CallVerdict:
        return self.simulation.faults.call_verdict(region)

    def _heard(self, event: Event) -> None:
        if event.kind == "region_crashed":
            self._hang_up(event.region)
        # A little later: the fault is on its way into the simulation while its event is told.
        asyncio.get_running_loop().call_soon(self._changed)

    def _changed(self) -> None:
        self.look_again()
        self._on_change()

    def look_again(self) -> None:
        """Note since when the Regions whose names cannot be resolved are so."""
        faults = self.simulation.faults
        hidden = [region for region in self._waiting if faults.dns_verdict(region) is not CallVerdict.PASS]
        self._hidden_since_ns = {region: self._hidden_since_ns.get(region, now_ns()) for region in hidden}

    def _hang_up(self, region: str) -> None:
        for reply in list(self._waiting[region]):
            reply.give(Hangup())


def _give(said: tuple[Signal[Reply | Hangup], Reply]) -> None:
    signal, reply = said
    signal.give(reply)
