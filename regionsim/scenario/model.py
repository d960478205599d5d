"""A scenario as a value: a world, what callers do in the background, and a timeline of steps.

Everything in it has been checked: Regions, principals, operations, parameters, paths and names exist. Instants on the
timeline are nanoseconds since the run's beginning.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import ClassVar, TypeAlias

from regionsim.accounts.assuming import AssumeRole
from regionsim.accounts.changes import IamChange
from regionsim.authorization.circumstances import Circumstances
from regionsim.authorization.principals import Principal
from regionsim.client.settings import ClientSettings
from regionsim.faults.kinds import Fault
from regionsim.names.dataclass import dataclass
from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.nodes import Position
from regionsim.scenario.paths import AnswerPath
from regionsim.scenario.values import Tree
from regionsim.scenario.vocabulary import Metric
from regionsim.simulation.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCaller:
    """A session of a role that is begun when it is needed: who asks STS, and for what."""

    by: Caller
    asked: AssumeRole

    @property
    def account(self) -> str:
        """The account of the role."""
        return self.asked.role_arn.split(":")[4]


Caller: TypeAlias = Principal | SessionCaller


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioCall:
    """One call: who makes it, from where, with which parameters (`values.fill_in` them first)."""

    operation: str
    parameters: Tree = field(repr=False)
    principal: Caller
    caller: str
    """The principal as the file spells it."""
    client: ClientSettings
    circumstances: Circumstances = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The pause between two calls: always `pause_ns`, or that on average (exponentially distributed)."""

    pause_ns: int
    is_random: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Calls in the background; `until_ns` None: as long as the run."""

    name: str
    position: Position
    call: ScenarioCall
    pace: Pace
    from_ns: int
    until_ns: int | None
    over: int | None = None
    """How far its counter counts; None: it has none."""
    sample: int | None = None
    """Every so manieth call is made for real; the others only load quota and HSMs. None: nobody has said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceWorkload:
    """Users of an integrated service in the background; `given` are its settings (`values.fill_in` them first)."""

    name: str
    position: Position
    service: str
    region: str
    principal: Caller
    given: Mapping[str, Tree]
    pause_ns: int
    from_ns: int
    until_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequest:
    """One request to an integrated service: who asks, where, for what (`values.fill_in` it first)."""

    service: str
    operation: str
    given: Mapping[str, Tree] = field(repr=False)
    principal: Caller
    caller: str
    """The principal as the file spells it."""
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A part of a service's answer, or its calls of KMS, and what it must be."""

    name: str
    value: Tree = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A part of an answer, and what it must be."""

    path: AnswerPath
    wanted: Tree = field(repr=False)
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """A name for a part of an answer."""

    name: str
    path: AnswerPath
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`< 1500`: what a measured number must be."""

    symbol: str
    number: float
    text: str

    OPERATORS: ClassVar = MappingProxyType(
        {"==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
    )

    def holds(self, measured: float) -> bool:
        """True when the measured number is as it must be."""
        return bool(self.OPERATORS[self.symbol](measured, self.number))


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricExpectation:
    """A metric and what it must be."""

    metric: Metric
    comparison: Comparison
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The `nth` event of a kind since the run began, in one Region or (None) anywhere."""

    event: str
    region: str | None
    nth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What every step has: number (from 1), place, beginning (at an instant, at an event, or, with neither, after the
    answer before), caption."""

    number: int
    position: Position
    at_ns: int | None
    say: str | None
    when: When | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStep(_Step):
    """A call, or `over` calls one after another, numbered from 1 (`numbers`).

    With `error` each must be refused so; else it must succeed, and every expectation must hold.
    """

    call: ScenarioCall
    error: str | None
    expectations: tuple[Expectation, ...]
    saves: tuple[Save, ...]
    over: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskStep(_Step):
    """A request to an integrated service; with `error` it must end in that, and every part must be as wanted."""

    request: ServiceRequest
    error: str | None
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultStep(_Step):
    """A fault begins; it ends after `for_ns`, or (None) when it is healed. `name` None: it is named by its word."""

    fault: Fault
    for_ns: int | None
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclareLostStep(_Step):
    """An operator's word that a Region is gone for good: no rotation waits for its replicas any more."""

    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealStep(_Step):
    """The fault of that name ends; `all`: every fault."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectStateStep(_Step):
    """What a key must be in a Region, as the Region itself knows it: no call is made for it.

    With `over` it is about so many keys, numbered from 1.
    """

    key: Tree
    region: str
    rotations: int | None
    expectations: tuple[Expectation, ...]
    over: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectMetricStep(_Step):
    """What must have been measured of one workload or one Region, in a window (None: from the beginning until now)."""

    workload: str | None
    region: str | None
    window_ns: tuple[int, int] | None
    expectations: tuple[MetricExpectation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IamStep(_Step):
    """IAM changes; each Region's copy of it follows."""

    change: IamChange


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectAuditStep(_Step):
    """How many records of the trail must answer a question; None = whatever it is. `caller`: `principal` as the file
    spells it."""

    region: str
    event: str
    key: Tree | None
    principal: Principal | None
    caller: str | None
    error: str | None
    count: Comparison
    window_ns: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SayStep(_Step):
    """Only a caption."""


Step: TypeAlias = (
    CallStep
    | AskStep
    | FaultStep
    | DeclareLostStep
    | HealStep
    | ExpectStateStep
    | ExpectMetricStep
    | ExpectAuditStep
    | IamStep
    | SayStep
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario file, checked. `path` is how the person named the file."""

    path: str
    name: str
    about: str
    seed: int
    world: World
    workloads: Mapping[str, Workload]
    steps: tuple[Step, ...]
    until_ns: int | None
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Of a failure file: what it was written by."""
    failed: str = ""
    """Of a failure file: what did not hold."""
    service_workloads: Mapping[str, ServiceWorkload] = field(default_factory=lambda: MappingProxyType({}))
    warnings: tuple[ScenarioError, ...] = ()
    """What is odd in the file, and no mistake."""

    @property
    def asked_operations(self) -> frozenset[str]:
        """The operations of KMS and of services that steps call."""
        calls = {step.call.operation for step in self.steps if isinstance(step, CallStep)}
        return frozenset(calls | {step.request.operation for step in self.steps if isinstance(step, AskStep)})

    @property
    def every_workload(self) -> tuple[Workload | ServiceWorkload, ...]:
        """Those of KMS's own callers, and those of services' users."""
        return (*self.workloads.values(), *self.service_workloads.values())
