"""Playing a scenario: its steps in order, its workloads beside them, on a simulation that has started.

A step with `at` begins at that instant, whether or not the step before has its answer; one with `when` begins at its
event, whenever that is; one with neither begins when the step before has its answer. So steps overlap only where the
file says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable
from typing import Any, assert_never

from regionsim.accounts.assuming import AssumeRoleRefusal
from regionsim.client.client import Client, Reply
from regionsim.faults.mistakes import FaultError
from regionsim.invariants.settling import settle
from regionsim.names.durations import format_duration
from regionsim.runtime.tasks import Cancellable, Scope, now_ns, sleep
from regionsim.scenario.answers import judge, plain_answer
from regionsim.scenario.background import Background
from regionsim.scenario.desk import Desk
from regionsim.scenario.errors import quoted
from regionsim.scenario.looking import failures, look
from regionsim.scenario.measuring import Marks, Measures, unmet_metrics
from regionsim.scenario.metering import Meter
from regionsim.scenario.metrics import Ledger
from regionsim.scenario.model import (
    AskStep,
    CallStep,
    DeclareLostStep,
    ExpectAuditStep,
    ExpectMetricStep,
    ExpectStateStep,
    FaultStep,
    HealStep,
    IamStep,
    SayStep,
    Scenario,
    Step,
)
from regionsim.scenario.numbers import call_at
from regionsim.scenario.results import StepResult
from regionsim.scenario.sessions import Sessions, not_sent
from regionsim.scenario.trail import ask_trail
from regionsim.scenario.transcript import Transcript
from regionsim.scenario.triggers import Triggers
from regionsim.scenario.values import MissingNameError, fill_in
from regionsim.scenario.wording import call_in_words, saved_in_words
from regionsim.services.premises import ServiceState
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
        self.meter = Meter(simulation)
        self._marks = Marks(simulation)
        self._triggers: Triggers | None = None
        self._sessions = Sessions(simulation)
        around = (scenario, simulation, self._scope, self.saved, self.results, ledger, transcript)
        self._background = Background(*around)
        self._desk = Desk(*around)

    @property
    def service_states(self) -> tuple[ServiceState, ...]:
        """How every resource of a service is that KMS had to do with."""
        return self._desk.states

    async def play(self) -> None:
        """Play to the end: of the last step and of `until`, whichever is later; then wait for what is in flight."""
        for name, key_id in self._simulation.named_keys.items():
            self.saved[name] = key_id
            self._transcript.name(key_id, name)
        self._transcript.gather(self._simulation.bulk_key_ids)
        self.meter.begin()
        self._marks.begin(self._scenario.steps, self._scope)
        self._background.begin()
        self._desk.begin()
        waiting = self._arm()
        tasks: list[Awaitable[None]] = []
        for step in self._scenario.steps:
            if step.when is not None:
                tasks.append(waiting[step.number])
                continue
            if step.at_ns is not None:
                await _sleep_until(step.at_ns)
            elif tasks:
                await tasks[-1]
            tasks.append(self._begin(step))
        for task in tasks:
            await task
        await _sleep_until(self._end_ns())
        await self._background.end()
        await self._desk.end()
        await settle(self._simulation)
        self.meter.end()

    def _arm(self) -> dict[int, Awaitable[None]]:
        """Let every step with `when` wait for its event, from now until the end."""
        until_ns = self._scenario.until_ns
        steps = [step for step in self._scenario.steps if step.when is not None]
        if not steps:
            return {}
        assert until_ns is not None, "a file with when: has an end"
        self._triggers = Triggers((step.number, step.when) for step in steps if step.when is not None)
        self._simulation.trace.add_sink(self._triggers.watch, self._triggers.kinds)
        self._scope.call_later_ns(max(0, until_ns - now_ns()), self._triggers.give_up)
        return {step.number: self._begin(step) for step in steps}

    def _begin(self, step: Step) -> Awaitable[None]:
        return self._scope.spawn(self._do(step), name=f"step-{step.number}")

    def _end_ns(self) -> int:
        if self._scenario.until_ns is not None:
            return self._scenario.until_ns
        return max((workload.until_ns or 0 for workload in self._scenario.every_workload), default=0)

    async def _do(self, step: Step) -> None:
        if step.when is not None:
            assert self._triggers is not None
            never = await self._triggers.reached(step.number)
            if never:
                self._note(step, never)
                return
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
            case AskStep():
                return await self._desk.ask(step)
            case FaultStep():
                return self._begin_fault(step)
            case DeclareLostStep(region=region):
                return await self._declare_lost(region)
            case HealStep(name=name):
                return self._heal(name)
            case ExpectStateStep():
                return self._look_at(step)
            case ExpectMetricStep() | ExpectAuditStep():
                return await (self._measure(step) if isinstance(step, ExpectMetricStep) else self._ask_trail(step))
            case IamStep() | SayStep():
                if isinstance(step, IamStep):
                    self._change_iam(step)
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
        client = Client(self._simulation, step.call.client, f"step-{step.number}")
        if step.over is None:
            reply, problem = await self._call_once(step, client)
            result = reply.error if reply.error is not None else f"ok{saved_in_words(step.saves)}"
            self._tell(step, reply.region, result)
            return problem
        return await self._call_often(step, step.over, client)

    async def _call_often(self, step: CallStep, count: int, client: Client) -> str:
        """One call after the other, and one line for all of them."""
        results: Counter[str] = Counter()
        problems, region = [], ""
        for number in range(1, count + 1):
            reply, problem = await self._call_once(call_at(step, number), client)
            results[reply.error or "ok"] += 1
            region = reply.region
            if problem:
                problems.append(f"{number}: {problem}")
        saved = saved_in_words(step.saves) if results["ok"] else ""
        told = ", ".join(f"{often:,} {result}" for result, often in results.most_common())
        self._tell(step, region, f"{told}{saved}")
        return failures(problems, count)

    async def _call_once(self, step: CallStep, client: Client) -> tuple[Reply, str]:
        """The reply, and what was wrong with it; empty when it was as expected."""
        call = step.call
        parameters = fill_in(call.parameters, self.saved)
        sent, caller = self._ledger.sent(), self._sessions.for_step(call)
        if isinstance(caller, AssumeRoleRefusal):
            reply = not_sent(caller, call.client)
        else:
            reply = await client.call(call.operation, parameters, caller, call.circumstances)
        self._ledger.note(sent, reply)
        answer = plain_answer(reply.response)
        problem = judge(step, reply, answer, self.saved)
        unsaved = self._save(step, answer) if reply.error is None else ()
        return reply, "; ".join(part for part in (problem, *unsaved) if part)

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

    def _tell(self, step: CallStep, region: str, result: str) -> None:
        self._transcript.add(now_ns(), region, step.call.operation, f"{call_in_words(step.call)}: {result}")

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

    async def _declare_lost(self, region: str) -> str | None:
        """Tell every other Region that is up; a word when it concerned nobody."""
        others = [other for name, other in self._simulation.regions.items() if name != region and other.is_up]
        told = [await other.declare_lost(region) for other in others]
        return None if any(told) else f"no primary in reach has a replica in {region}"

    def _change_iam(self, step: IamStep) -> None:
        self._simulation.iam.change(step.change)
        self._transcript.add(now_ns(), "", "iam", f"{step.change.action.name} {step.change.subject}")

    # Expectations.

    def _look_at(self, step: ExpectStateStep) -> str:
        problem, words = look(step, self._simulation, self.saved, self._transcript.named)
        if words:
            self._transcript.add(now_ns(), step.region, "expect_state", words)
        return problem

    async def _ask_trail(self, step: ExpectAuditStep) -> str:
        problem, words = await ask_trail(step, self._simulation, self.saved, self._transcript.named)
        if words:
            self._transcript.add(now_ns(), step.region, "expect_audit", words)
        return problem

    async def _measure(self, step: ExpectMetricStep) -> str:
        """Measure at this instant; how the calls that are on their way now will end is part of it."""
        at_ns = now_ns()
        measures = Measures(ledger=self._ledger, simulation=self._simulation, meter=self.meter, marks=self._marks)
        problem, words = await unmet_metrics(step, measures)
        self._transcript.add(at_ns, step.region or "", "expect_metric", words)
        return problem


async def _sleep_until(at_ns: int) -> None:
    if at_ns > now_ns():
        await sleep(at_ns - now_ns())
