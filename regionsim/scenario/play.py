"""Playing a scenario: its steps in order, its workloads beside them, on a simulation that has started.

A step with `at` begins at that instant, whether or not the step before has its answer; one without begins when the step
before has it. So steps overlap only where the file says so, and begin in the order of the file.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, assert_never

from regionsim.client.client import Client, Reply
from regionsim.faults.mistakes import FaultError
from regionsim.invariants.settling import settle
from regionsim.kms.metadata import key_metadata
from regionsim.names.arns import Arn
from regionsim.runtime.clock import format_duration
from regionsim.runtime.tasks import Cancellable, Scope, now_ns, sleep
from regionsim.scenario.answers import judge, plain_answer, shown, unmet
from regionsim.scenario.background import Background
from regionsim.scenario.errors import quoted
from regionsim.scenario.measuring import unmet_metrics
from regionsim.scenario.metrics import Ledger
from regionsim.scenario.model import (
    CallStep,
    ExpectMetricStep,
    ExpectStateStep,
    FaultStep,
    HealStep,
    SayStep,
    Scenario,
    Step,
)
from regionsim.scenario.results import StepResult
from regionsim.scenario.transcript import Transcript
from regionsim.scenario.values import MissingNameError, fill_in
from regionsim.scenario.wording import call_in_words, saved_in_words
from regionsim.simulation.simulation import Simulation


class Player:
    """Plays one scenario once. `results` and `saved` grow while it plays."""

    def __init__(self, scenario: Scenario, simulation: Simulation, ledger: Ledger, transcript: Transcript) -> None:
        self.results: list[StepResult] = []
        self.saved: dict[str, Any] = {}
        self._scenario = scenario
        self._simulation = simulation
        self._ledger = ledger
        self._transcript = transcript
        self._scope = Scope("scenario")
        self._fault_timers: dict[str, Cancellable] = {}
        self._background = Background(scenario, simulation, self._scope, self.saved, self.results, ledger, transcript)

    async def play(self) -> None:
        """Play to the end: of the last step and of `until`, whichever is later; then wait for what is in flight."""
        self._background.begin()
        tasks: list[Awaitable[None]] = []
        for step in self._scenario.steps:
            if step.at_ns is not None:
                await _sleep_until(step.at_ns)
            elif tasks:
                await tasks[-1]
            tasks.append(self._scope.spawn(self._do(step), name=f"step-{step.number}"))
        for task in tasks:
            await task
        await _sleep_until(self._end_ns())
        await self._background.end()
        await settle(self._simulation)

    def _end_ns(self) -> int:
        if self._scenario.until_ns is not None:
            return self._scenario.until_ns
        return max((workload.until_ns or 0 for workload in self._scenario.workloads.values()), default=0)

    async def _do(self, step: Step) -> None:
        until_ns = self._scenario.until_ns
        if until_ns is not None and now_ns() > until_ns:
            self._note(step, f"the run ended at {format_duration(until_ns)}, before this step began")
            return
        if step.say is not None:
            self._transcript.add(now_ns(), "", "say", " ".join(step.say.split()))
        try:
            problem = await self._problem(step)
        except MissingNameError as missing:
            problem = self._missing(missing.name)
        except ValueError as error:
            problem = str(error)
        if problem is not None:
            self._note(step, problem)

    async def _problem(self, step: Step) -> str | None:
        """What went wrong with a step; empty when it was as expected, None when it expects nothing."""
        match step:
            case CallStep():
                return await self._call(step)
            case FaultStep():
                return self._begin_fault(step)
            case HealStep(name=name):
                return self._heal(name)
            case ExpectStateStep():
                return self._look_at(step)
            case ExpectMetricStep():
                return await self._measure(step)
            case SayStep():
                return None
            case _:
                assert_never(step)

    def _note(self, step: Step, problem: str) -> None:
        result = StepResult(
            step=step.number, line=step.position.line, passed=not problem, message=problem, at_ns=now_ns()
        )
        self.results.append(result)
        if problem:
            self._transcript.add(now_ns(), "", "FAILED", f"step {step.number} (line {result.line}): {problem}")

    def _missing(self, name: str) -> str:
        savers = [
            step
            for step in self._scenario.steps
            if isinstance(step, CallStep) and any(save.name == name for save in step.saves)
        ]
        over = {result.step for result in self.results}
        step = next((step for step in savers if step.number in over), savers[0])
        what = "was refused or did not say it" if step.number in over else "has no answer yet"
        return f"${name} is not known: step {step.number} (line {step.position.line}), which saves it, {what}"

    # Calls.

    async def _call(self, step: CallStep) -> str:
        call = step.call
        parameters = fill_in(call.parameters, self.saved)
        client = Client(self._simulation, call.client, f"step-{step.number}")
        sent = self._ledger.sent()
        reply = await client.call(call.operation, parameters, call.principal)
        self._ledger.note(sent, reply)
        answer = plain_answer(reply.response)
        problem = judge(step, reply, answer, self.saved)
        self._tell(step, reply)
        unsaved = self._save(step, answer) if reply.error is None else ()
        return "; ".join(part for part in (problem, *unsaved) if part)

    def _save(self, step: CallStep, answer: Any) -> list[str]:
        """Save what a step names; what cannot be saved, in words."""
        unsaved = []
        for save in step.saves:
            try:
                value = save.path.find(answer)
            except ValueError as error:
                unsaved.append(f"save {save.name}: {error}")
                continue
            if value is not None:
                self.saved[save.name] = value
                self._transcript.name(value, save.name)
            elif not save.path.finds_null(answer):
                unsaved.append(f"save {save.name}: the answer has nothing at {quoted(save.path.text)}")
        return unsaved

    def _tell(self, step: CallStep, reply: Reply) -> None:
        words = call_in_words(step.call)
        result = reply.error if reply.error is not None else f"ok{saved_in_words(step.saves)}"
        self._transcript.add(now_ns(), reply.region, step.call.operation, f"{words}: {result}")

    # Faults.

    def _begin_fault(self, step: FaultStep) -> str | None:
        try:
            name = self._simulation.begin_fault(step.fault, step.name)
        except FaultError as error:
            return str(error)
        if step.for_ns is not None:
            self._fault_timers[name] = self._scope.call_later_ns(step.for_ns, self._end_fault, name)
        return None

    def _end_fault(self, name: str) -> None:
        del self._fault_timers[name]
        self._simulation.end_fault(name)

    def _heal(self, name: str) -> str | None:
        healed = set(self._simulation.faults.by_name)
        try:
            self._simulation.end_fault(name)
        except FaultError as error:
            return str(error)
        for over in healed - set(self._simulation.faults.by_name):
            timer = self._fault_timers.pop(over, None)
            if timer is not None:
                timer.cancel()
        return None

    # Expectations.

    def _look_at(self, step: ExpectStateStep) -> str:
        key_id = _key_id(fill_in(step.key, self.saved))
        region = self._simulation.regions[step.region]
        if not region.is_up:
            return f"{step.region} is down: nobody can look at its keys"
        key = region.state.key(key_id)
        if key is None:
            return f"{step.region} has no key {self._transcript.named(key_id)}"
        rotations = key.shared.rotation_count
        problems = []
        if step.rotations is not None and rotations != step.rotations:
            problems.append(f"rotations: wanted {step.rotations}, got {rotations}")
        metadata = plain_answer(key_metadata(key))
        problems.append(unmet(step.expectations, metadata, self.saved))
        facts = [] if step.rotations is None else [f"rotations {rotations}"]
        facts += [f"{held.path.text} {_plain(held.path.find(metadata))}" for held in step.expectations]
        words = f"{self._transcript.named(key_id)}: {', '.join(facts)}"
        self._transcript.add(now_ns(), step.region, "expect_state", words)
        return "; ".join(problem for problem in problems if problem)

    async def _measure(self, step: ExpectMetricStep) -> str:
        """Measure at this instant; how the calls that are on their way now will end is part of it."""
        at_ns = now_ns()
        problem, words = await unmet_metrics(step, self._ledger, self._simulation)
        self._transcript.add(at_ns, step.region or "", "expect_metric", words)
        return problem


def _key_id(text: Any) -> str:
    """The id in a key's id or ARN."""
    arn = Arn.parse(str(text))
    return str(text) if arn is None else arn.resource.removeprefix("key/")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else shown(value)


async def _sleep_until(at_ns: int) -> None:
    if at_ns > now_ns():
        await sleep(at_ns - now_ns())
