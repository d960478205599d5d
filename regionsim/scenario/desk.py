"""Playing what a scenario wants of integrated services: steps with `ask:`, and their users in the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regionsim.accounts.assuming import AssumeRoleRefusal
from regionsim.authorization.principals import Principal
from regionsim.client.client import Reply
from regionsim.runtime.strands import Signal
from regionsim.runtime.tasks import Scope, now_ns, sleep
from regionsim.scenario.answers import is_same, shown
from regionsim.scenario.asking import CALLS
from regionsim.scenario.metrics import Ledger
from regionsim.scenario.model import AskStep, Caller, Scenario, ServiceWorkload
from regionsim.scenario.results import StepResult
from regionsim.scenario.sessions import Sessions
from regionsim.scenario.transcript import Transcript
from regionsim.scenario.values import Interpolation, MissingNameError, Reference, Tree, fill_in
from regionsim.services.cloud import Cloud
from regionsim.services.premises import ServiceState
from regionsim.services.service import Answered, Load
from regionsim.simulation.simulation import Simulation

_CONTENTS = frozenset({"Body", "Item", "SecretString", "Value"})
"""Parameters that are what the key protects: not told in transcripts."""


class Desk:
    """The services of one run, and who asks them."""

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
        self._cloud = Cloud(simulation)
        self._cloud.premises.on_tries = ledger.note_tries
        self._is_over = False
        self._in_flight_count = 0
        self._all_over = Signal[None]()

    @property
    def states(self) -> tuple[ServiceState, ...]:
        """How every resource is that KMS had to do with."""
        return self._cloud.states

    def begin(self) -> None:
        """Let the users of every workload wait for their beginning."""
        for workload in self._scenario.service_workloads.values():
            self._scope.begin(self._repeat(workload), name=f"workload/{workload.name}")

    async def end(self) -> None:
        """Begin no request any more, and wait for those in flight."""
        self._is_over = True
        if self._in_flight_count:
            await self._all_over

    async def ask(self, step: AskStep) -> str:
        """One request; what was wrong with its answer, empty when it was as expected."""
        asked = step.request
        load = Load(asked.operation, fill_in(dict(asked.given), self._saved))
        answered = await self._one(asked.service, load, asked.principal, asked.region)
        result = answered.error or _in_words(answered)
        shown_ones = ((name, value) for name, value in asked.given.items() if name not in _CONTENTS)
        told = [asked.caller, *(f"{name}={_written(value)}" for name, value in shown_ones)]
        via = f" ({', '.join(answered.calls)})" if answered.calls else ""
        self._transcript.add(now_ns(), asked.region, asked.operation, f"{' '.join(told)}: {result}{via}")
        return self._judge(step, answered)

    def _judge(self, step: AskStep, answered: Answered) -> str:
        problems = []
        if answered.error != step.error:
            got = f"{answered.error} ({answered.message})" if answered.error else "an answer"
            problems.append(f"wanted {step.error or 'an answer'}, got {got}")
        for part in step.wanted:
            wanted = fill_in(part.value, self._saved)
            actual = list(answered.calls) if part.name == CALLS else answered.response.get(part.name)
            if not is_same(actual, wanted):
                problems.append(f"{part.name}: wanted {shown(wanted)}, got {shown(actual)}")
        return "; ".join(problems)

    async def _one(
        self, service: str, load: Load, caller: Caller, region: str, workload: str | None = None
    ) -> Answered:
        number, sent_at_ns = self._ledger.sent(), now_ns()
        user = self._sessions.of(caller, region)
        if isinstance(user, AssumeRoleRefusal):
            answered = Answered(error=user.code, message=user.message, sent_at_ns=sent_at_ns, answered_at_ns=now_ns())
        else:
            answered = await self._answered(service, load, user, region)
        reply = Reply(
            error=answered.because or answered.error,  # metrics are of what KMS did, in whatever words
            message=answered.message,
            is_failure=answered.is_failure,
            region=region,
            sent_at_ns=sent_at_ns,
            answered_at_ns=now_ns(),
            tries=answered.tries,
        )
        self._ledger.note(number, reply, workload)
        return answered

    async def _answered(self, service: str, load: Load, user: Principal, region: str) -> Answered:
        return await self._cloud.service(service).call(load.operation, user=user, region=region, given=load.parameters)

    # Workloads.

    async def _repeat(self, workload: ServiceWorkload) -> None:
        stream = self._simulation.entropy.stream(f"workload/{workload.name}")
        await sleep(workload.from_ns - now_ns())
        try:
            given = fill_in(dict(workload.given), self._saved)
        except MissingNameError as error:
            self._stop(workload, f"${error.name} is not known yet")
            return
        service = self._cloud.service(workload.service)
        for load in service.begin_load(workload.name, given):
            answered = await self._one(workload.service, load, workload.principal, workload.region, workload.name)
            self._tell(workload, answered)
        number, next_ns = 0, max(workload.from_ns, now_ns())
        while True:
            next_ns += workload.pause_ns
            await sleep(next_ns - now_ns())
            if self._is_over or (workload.until_ns is not None and next_ns >= workload.until_ns):
                return
            number += 1
            load = service.next_load(workload.name, given, number, stream)
            self._in_flight_count += 1
            self._scope.begin(self._in_background(workload, load), name=f"request/{workload.name}")

    async def _in_background(self, workload: ServiceWorkload, load: Load) -> None:
        answered = await self._one(workload.service, load, workload.principal, workload.region, workload.name)
        self._in_flight_count -= 1
        self._tell(workload, answered)
        if self._is_over and not self._in_flight_count:
            self._all_over.give(None)

    def _tell(self, workload: ServiceWorkload, answered: Answered) -> None:
        self._transcript.workload(now_ns(), workload.name, workload.region, answered.error or "ok")

    def _stop(self, workload: ServiceWorkload, what: str) -> None:
        problem, line = f"workload {workload.name} stopped: {what}", workload.position.line
        self._results.append(StepResult(step=0, line=line, passed=False, message=problem, at_ns=now_ns()))
        self._transcript.add(now_ns(), "", "FAILED", f"line {line}: {problem}")


def _in_words(answered: Answered) -> str:
    state = answered.response.get("State") or answered.response.get("ReplicationStatus")
    return str(state) if state else "ok"


def _written(value: Tree) -> str:
    match value:
        case Reference(name=name):
            return f"${name}"
        case Interpolation(parts=parts):
            return "".join(part if isinstance(part, str) else f"$({part.name})" for part in parts)
        case bool():
            return str(value).lower()
        case _:
            return str(value)
