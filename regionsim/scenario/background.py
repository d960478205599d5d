"""Workloads: calls that begin at their own pace, whether or not the ones before have been answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regionsim.client.client import Client
from regionsim.runtime.tasks import Scope, now_ns, sleep
from regionsim.scenario.metrics import Ledger
from regionsim.scenario.model import Scenario, Workload
from regionsim.scenario.results import StepResult
from regionsim.scenario.transcript import Transcript
from regionsim.scenario.values import MissingNameError, fill_in
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
        self._is_over = False
        self._in_flight: dict[int, Any] = {}
        self._call_count = 0

    def begin(self) -> None:
        """Let every workload wait for its beginning."""
        for workload in self._scenario.workloads.values():
            self._scope.spawn(self._repeat(workload), name=f"workload/{workload.name}")

    async def end(self) -> None:
        """Begin no call any more, and wait for those in flight."""
        self._is_over = True
        while self._in_flight:
            await next(iter(self._in_flight.values()))

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
            if not self._begin_call(workload, client):
                return
            if not pace.is_random:
                next_ns += pace.pause_ns

    def _begin_call(self, workload: Workload, client: Client) -> bool:
        """Send one call; False when the workload cannot go on."""
        try:
            parameters = fill_in(workload.call.parameters, self._saved)
        except (MissingNameError, ValueError) as error:
            what = f"${error.name} is not known yet" if isinstance(error, MissingNameError) else str(error)
            problem = f"workload {workload.name} stopped: {what}"
            line = workload.position.line
            self._results.append(StepResult(step=0, line=line, passed=False, message=problem, at_ns=now_ns()))
            self._transcript.add(now_ns(), "", "FAILED", f"line {line}: {problem}")
            return False
        self._call_count += 1
        number = self._call_count
        task = self._scope.spawn(self._call(number, workload, client, parameters), name=f"call/{workload.name}")
        self._in_flight[number] = task
        return True

    async def _call(self, number: int, workload: Workload, client: Client, parameters: Any) -> None:
        sent = self._ledger.sent()
        reply = await client.call(workload.call.operation, parameters, workload.call.principal)
        del self._in_flight[number]
        self._ledger.note(sent, reply, workload.name)
        result = reply.error if reply.error is not None else "ok"
        self._transcript.workload(now_ns(), workload.name, reply.region, result)
