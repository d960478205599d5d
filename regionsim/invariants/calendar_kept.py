"""Calendar kept: nothing is forgotten. What is overdue at the end (a rotation, a deletion, the domain key) is being
tried, and no token is under a domain key that the Region's HSMs have forgotten.

Something may be late: no HSM served, the disk failed. But then the Region has a date for the next try.
"""

from __future__ import annotations

from regionsim.hsm.domain import DOMAIN_KEY_PERIOD_DAYS
from regionsim.hsm.tokens import domain_key_id_of
from regionsim.invariants.verdicts import Finding, Kind, Kinds
from regionsim.kms import timetable
from regionsim.names.durations import format_duration
from regionsim.region.calendar import DOMAIN_KEY
from regionsim.region.region import Region
from regionsim.runtime.clock import NS_PER_DAY, NS_PER_MINUTE
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation

_GRACE_NS = NS_PER_MINUTE
"""How long something may take that has begun."""


class CalendarKept:
    """Looks at every key of every Region, once, at the end."""

    kinds: Kinds = frozenset()

    def __init__(self) -> None:
        self.finding = Finding(name="calendar_kept", kind=Kind.SAFETY)

    def watch(self, event: Event) -> None:
        """Nothing: this is about the end."""

    async def conclude(self, simulation: Simulation) -> None:
        """Check every Region whose hosts are up."""
        at_ns = simulation.clock.now_ns() - simulation.world.start_at_ns
        for name, region in simulation.regions.items():
            if region.is_up:
                self._check_keys(name, region, simulation.world.replica_wait_ns, at_ns)
                self._check_domain(name, region, at_ns)

    def _check_keys(self, name: str, region: Region, replica_wait_ns: int, at_ns: int) -> None:
        for key in region.state.all_keys():
            for kind, due_at_ns in timetable.of(key, replica_wait_ns).items():
                self._check(region, kind, key.key_id, due_at_ns, at_ns, f"{kind} of key {key.key_id} in {name}")

    def _check_domain(self, name: str, region: Region, at_ns: int) -> None:
        keys = region.fleet.domain_keys
        if not keys:
            return  # no HSM serves, or the domain is lost
        due_at_ns = keys[-1].active_since_ns + DOMAIN_KEY_PERIOD_DAYS * NS_PER_DAY
        self._check(region, DOMAIN_KEY, "", due_at_ns, at_ns, f"the rotation of the domain key of {name}")
        known = {key.id for key in keys}
        lost = region.state.materials_where(lambda token: domain_key_id_of(token) not in known)
        if lost:
            what = f"{len(lost)} tokens of {name} are under a domain key that is gone, the first of {lost[0].key_id}"
            self.finding.violate(at_ns, what)

    def _check(self, region: Region, what: str, subject: str, due_at_ns: int, at_ns: int, words: str) -> None:
        self.finding.checked += 1
        now_ns = region.clock.now_ns()
        next_ns = region.next_try_at_ns(what, subject)
        is_tried = next_ns is not None and next_ns > now_ns - _GRACE_NS
        if now_ns - due_at_ns > _GRACE_NS and not is_tried:
            self.finding.violate(at_ns, f"{words} is {format_duration(now_ns - due_at_ns)} late and not tried")
