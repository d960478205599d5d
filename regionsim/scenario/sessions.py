"""Sessions of roles: begun when a call needs one, by the copy of IAM of the Region that is called first.

STS answers at once and whatever happens to KMS: an outage of a Region is one of its KMS. Source: ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from regionsim.accounts.assuming import AssumeRoleRefusal, assume_role
from regionsim.authorization.principals import Principal
from regionsim.client.client import Reply
from regionsim.client.settings import ClientSettings
from regionsim.runtime.tasks import now_ns
from regionsim.scenario.model import Caller, ScenarioCall, SessionCaller
from regionsim.simulation.simulation import Simulation

LIFETIME_NS = 3_600_000_000_000
"""How long a workload keeps a session before it asks for another. Source: STS API Reference, AssumeRole
(DurationSeconds, by default 3,600)."""

_NS_PER_SECOND = 1_000_000_000


class Sessions:
    """Who makes the calls of one run. Each step asks STS anew; a workload keeps its session for an hour."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._held: dict[str, tuple[int, Principal]] = {}

    def for_step(self, call: ScenarioCall) -> Principal | AssumeRoleRefusal:
        """Who makes the call, or why they got no session."""
        return self._begin(call.principal, call.client.regions[0])

    def of(self, caller: Caller, region: str) -> Principal | AssumeRoleRefusal:
        """Who asks a service in that Region, or why they got no session."""
        return self._begin(caller, region)

    def for_workload(self, name: str, call: ScenarioCall) -> Principal | AssumeRoleRefusal:
        """Who makes a workload's next call, or why they got no session."""
        held = self._held.get(name)
        if held is not None and now_ns() < held[0]:
            return held[1]
        found = self.for_step(call)
        if isinstance(found, Principal) and isinstance(call.principal, SessionCaller):
            self._held[name] = (now_ns() + LIFETIME_NS, found)
        return found

    def _begin(self, caller: Caller, region: str) -> Principal | AssumeRoleRefusal:
        if isinstance(caller, Principal):
            return caller
        by = self._begin(caller.by, region)
        if isinstance(by, AssumeRoleRefusal):
            return by
        asked = replace(caller.asked, values=self._values(region))
        found = assume_role(self._simulation.regions[region].directory, by, asked)
        result = found.code if isinstance(found, AssumeRoleRefusal) else "ok"
        self._simulation.trace.emit(region, "assume_role", by=by.arn, role=caller.asked.role_arn, result=result)
        return found

    def _values(self, region: str) -> Mapping[str, str]:
        seconds = str(self._simulation.clock.now_ns() // _NS_PER_SECOND)
        return {"aws:CurrentTime": seconds, "aws:EpochTime": seconds, "aws:RequestedRegion": region}


def not_sent(refusal: AssumeRoleRefusal, client: ClientSettings) -> Reply:
    """What the application gets of a call that it could not send for want of a session."""
    at_ns = now_ns()
    return Reply(
        error=refusal.code,
        message=refusal.message,
        region=client.regions[0],
        sent_at_ns=at_ns,
        answered_at_ns=at_ns,
        tries=(),
    )
