"""Audit complete: every answered call is in its Region's trail.

The only exception: reads, cryptographic calls and refusals that were answered within 100 ms before a crash of the
Region's hosts. Calls that changed something are never missing, for their record is in their transaction.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from regionsim.invariants.verdicts import Finding, Kind
from regionsim.kms.operations.registry import REGISTRY
from regionsim.region.wire import unpack_audit
from regionsim.runtime.clock import NS_PER_MS
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation

WINDOW_NS = 100 * NS_PER_MS


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What one Region answered: changes, everything else, and how much of that a crash was allowed to lose."""

    changes: int = 0
    others: int = 0
    may_be_lost: int = 0
    recent_ns: deque[int] = field(default_factory=deque)


class AuditComplete:
    """Counts answers in the trace, and records in the files at the end."""

    def __init__(self, simulation: Simulation) -> None:
        self.finding = Finding(name="audit_complete", kind=Kind.SAFETY)
        self._tallies = {name: _Tally() for name in simulation.regions}

    def watch(self, event: Event) -> None:
        match event.kind:
            case "answer" if event.fields["op"] in REGISTRY:
                self._answered(self._tallies[event.region], event)
            case "region_crashed":
                tally = self._tallies[event.region]
                _forget_old(tally, event.t_ns)
                tally.may_be_lost += len(tally.recent_ns)
                tally.recent_ns.clear()
            case _:
                pass

    async def conclude(self, simulation: Simulation) -> None:
        """Compare with what the files hold; a Region that is down is read by nobody."""
        at_ns = simulation.clock.now_ns() - simulation.world.start_at_ns
        for name, region in simulation.regions.items():
            if not region.is_up:
                continue
            await region.flush_audit()
            changes, others = 0, 0
            for segment in await region.store.read_audit():
                for entry in unpack_audit(segment.body):
                    if entry.caller is not None:
                        is_change = not entry.is_read_only and entry.error_code is None
                        changes, others = changes + is_change, others + (not is_change)
            self._compare(name, changes, others, at_ns)

    def _answered(self, tally: _Tally, event: Event) -> None:
        if event.fields["result"] == "ok" and REGISTRY[str(event.fields["op"])].is_mutation:
            tally.changes += 1
            return
        tally.others += 1
        tally.recent_ns.append(event.t_ns)
        _forget_old(tally, event.t_ns)

    def _compare(self, name: str, changes: int, others: int, at_ns: int) -> None:
        tally = self._tallies[name]
        self.finding.checked += changes + others
        if changes < tally.changes:
            # More is no fault: a crash may come between a commit and its answer.
            self.finding.violate(at_ns, f"{name}: {tally.changes} changes were answered, {changes} are in the trail")
        if others < tally.others - tally.may_be_lost:
            self.finding.violate(
                at_ns,
                f"{name}: {tally.others} other calls were answered, {others} are in the trail, "
                f"and crashes may have lost {tally.may_be_lost}",
            )


def _forget_old(tally: _Tally, now_ns: int) -> None:
    while tally.recent_ns and tally.recent_ns[0] < now_ns - WINDOW_NS:
        tally.recent_ns.popleft()
