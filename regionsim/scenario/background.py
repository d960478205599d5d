"""Workloads: calls that begin at their own pace, whether or not the ones before have been answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regionsim.accounts.assuming import AssumeRoleRefusal
from regionsim.client.client import Client
from regionsim.runtime.strands import Signal
from regionsim.runtime.tasks import Scope, now_ns, sleep
from regionsim.scenario.metrics import Ledger
from regionsim.scenario.model import Scenario, Workload
from regionsim.scenario.numbers import numbered
from regionsim.scenario.results import StepResult
from regionsim.scenario.sessions import Sessions, not_sent
from regionsim.scenario.transcript import Transcript
from regionsim.scenario.values import MissingNameError, Tree, fill_in
from regionsim.simulation.simulation import Simulation


class Background:
    """All workloads of one run. What one cannot do as the file says becomes a result of step 0, and it stops."""

    def __init__(
        self,
        scenario: Scenario,
        simulation: Simulation,
        scope: Scope,
        saved: Mapping[str, Any],
        results: list[StepResult],
        ledger: Ledger,
        transcript: Transcript,
    ) -> None:
        self._scenario = scenario
        self._simulation = simulation
        self._scope = scope
        self._saved = saved
        self._results = results
        self._ledger = ledger
        self._transcript = transcript
        self._sessions = Sessions(simulation)
        self._is_over = False
        self._in_flight_count = 0
        self._all_over = Signal[None]()
        self._counts: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._answering: dict[str, str] = {}

    def begin(self) -> None:
        """Let every workload wait for its beginning."""
        for workload in self._scenario.workloads.values():
            self._scope.begin(self._repeat(workload), name=f"workload/{workload.name}")

    async def end(self) -> None:
        """Begin no call any more, and wait for those in flight."""
        self._is_over = True
        if self._in_flight_count:
            await self._all_over

    async def _repeat(self, workload: Workload) -> None:
        stream = self._simulation.entropy.stream(f"workload/{workload.name}")
        client = Client(self._simulation, workload.call.client, workload.name)
        pace = workload.pace
        next_ns = workload.from_ns
        while True:
            drawn_ns = int(stream.exponential(pace.pause_ns))
            if pace.is_random:
                next_ns += drawn_ns
            await sleep(next_ns - now_ns())
            if self._is_over or (workload.until_ns is not None and next_ns >= workload.until_ns):
                return
            if not self._is_real(workload):
                self._carry(workload)
            elif not self._begin_call(workload, client):
                return
            if not pace.is_random:
                next_ns += pace.pause_ns

    def _is_real(self, workload: Workload) -> bool:
        """True for the first call, and every `sample`-th after it."""
        count = self._sent[workload.name] = self._sent.get(workload.name, 0) + 1
        return (count - 1) % (workload.sample or 1) == 0

    def _carry(self, workload: Workload) -> None:
        """Let one call load the Region that answered the last real one; when none did, it finds nobody."""
        region = self._answering.get(workload.name, workload.call.client.regions[0])
        if region and self._simulation.faults.region_reachable(region):
            self._simulation.regions[region].carry(workload.call.operation, workload.call.principal.account)
        self._ledger.load(workload.name, region)

    def _begin_call(self, workload: Workload, client: Client) -> bool:
        """Send one call; False when the workload cannot go on."""
        try:
            parameters = fill_in(self._next_parameters(workload), self._saved)
        except (MissingNameError, ValueError) as error:
            what = f"${error.name} is not known yet" if isinstance(error, MissingNameError) else str(error)
            problem = f"workload {workload.name} stopped: {what}"
            line = workload.position.line
            self._results.append(StepResult(step=0, line=line, passed=False, message=problem, at_ns=now_ns()))
            self._transcript.add(now_ns(), "", "FAILED", f"line {line}: {problem}")
            return False
        self._in_flight_count += 1
        self._scope.begin(self._call(workload, client, parameters), name=f"call/{workload.name}")
        return True

    def _next_parameters(self, workload: Workload) -> Tree:
        if workload.over is None:
            return workload.call.parameters
        count = self._counts[workload.name] = self._counts.get(workload.name, 0) % workload.over + 1
        return numbered(workload.call.parameters, count)

    async def _call(self, workload: Workload, client: Client, parameters: Any) -> None:
        sent, caller = self._ledger.sent(), self._sessions.for_workload(workload.name, workload.call)
        if isinstance(caller, AssumeRoleRefusal):
            reply = not_sent(caller, workload.call.client)
        else:
            reply = await client.call(workload.call.operation, parameters, caller, workload.call.circumstances)
        self._in_flight_count -= 1
        self._ledger.note(sent, reply, workload.name)
        self._answering[workload.name] = "" if reply.is_failure else reply.region
        result = reply.error if reply.error is not None else "ok"
        self._transcript.workload(now_ns(), workload.name, reply.region, result)
        if self._is_over and not self._in_flight_count:
            self._all_over.give(None)
