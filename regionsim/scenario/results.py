"""What came of a run: expectations, invariants, Regions, keys, a verdict. The JSON of a run is these values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from regionsim.names.dataclass import dataclass
from regionsim.scenario.transcript import Line


class Verdict(StrEnum):
    """All held; something did not hold; nothing was exercised or a fault met nothing, so nothing is claimed."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """Whether a step was as expected; `message` says what was not. `at_ns` is when that was known.

    Step 0 stands for a workload that could not go on.
    """

    step: int
    line: int
    passed: bool
    message: str = ""
    at_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InvariantResult:
    """Whether an invariant held (None: there was nothing to check), and how often it was checked.

    `detail` is the first violation; of one that held or was not checked, what was left out.
    """

    name: str
    kind: str
    checked: int
    passed: bool | None
    detail: str = ""
    at_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionResult:
    """What one Region did; latencies are those that its callers saw, in milliseconds."""

    requests: int
    refused: int
    denied: int
    throttled: int
    unavailable_seconds: float
    hsm_jobs: int
    latency_ms: Mapping[str, float]
    replication_lag_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyResult:
    """A KMS key at the end; `primary` is its only Region when it is not multi-Region."""

    key_id: str
    primary: str
    replicas: tuple[str, ...]
    rotations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resilience:
    """How callers and Regions got over what went wrong.

    `availability`: answered without server error or time-out / sent, of all calls; None without any.
    `recovery_seconds`: the longest time from the end of a fault until all Regions agreed; 0.0 without a fault.
    `unreplicated_rotations_max`: rotations that were open at once, at most.
    """

    availability: float | None
    recovery_seconds: float
    unreplicated_rotations_max: int
    failed_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CostResult:
    """What AWS would have asked for the run, in USD (`prices`)."""

    total: float
    keys: float
    requests: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadResult:
    """What one workload did: calls that it sent, how many of them for real, and how many a second (0 of 1 call).

    Of the real ones, as the application saw them: `answered` by Region, `errors` by code, the most frequent first;
    `failed` of those had no answer at all, the others a refusal.
    """

    calls: int
    real_calls: int
    calls_per_second: float
    answered: Mapping[str, int]
    errors: Mapping[str, int]
    failed: int
    longest_outage_seconds: float
    latency_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceResult:
    """A resource of a service at the end: its state, the key that it was about, KMS's code (empty: it is well), and for
    how long KMS kept it from its users."""

    service: str
    region: str
    resource: str
    state: str
    key: str
    because: str
    out_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One run of a scenario. Times are seconds; `interrupted` is set when it was stopped from outside, `stopped` when
    it was to stop before its end: then `invariants` are of what has happened, and nothing is said of the end."""

    scenario: str
    path: str
    seed: int
    verdict: Verdict
    reason: str
    """Why the verdict is not `ok`, in a few words."""
    trace_sha256: str
    virtual_seconds: float
    wall_seconds: float
    events: int
    expectations: tuple[StepResult, ...]
    invariants: tuple[InvariantResult, ...]
    regions: Mapping[str, RegionResult]
    keys: tuple[KeyResult, ...]
    transcript: tuple[Line, ...] = field(repr=False)
    resilience: Resilience | None = None
    """None only of a run that was stopped before its end, as `cost_usd`."""
    cost_usd: CostResult | None = None
    workloads: Mapping[str, WorkloadResult] = field(default_factory=lambda: MappingProxyType({}))
    services: tuple[ServiceResult, ...] = ()
    interrupted: bool = False
    stopped: bool = False

    def as_json(self) -> dict[str, Any]:
        """The run as JSON values, with the members that `--json` promises and that this version has."""
        result = {
            "scenario": self.scenario,
            "seed": self.seed,
            "verdict": self.verdict.value,
            "trace_sha256": self.trace_sha256,
            "virtual_seconds": self.virtual_seconds,
            "wall_seconds": self.wall_seconds,
            "events": self.events,
            "expectations": [
                {"step": e.step, "line": e.line, "passed": e.passed, "message": e.message} for e in self.expectations
            ],
            "invariants": [
                {"name": i.name, "kind": i.kind, "checked": i.checked, "passed": i.passed, "detail": i.detail}
                for i in self.invariants
            ],
            "regions": {name: asdict(region) for name, region in self.regions.items()},
            "keys": [asdict(key) for key in self.keys],
        }
        result["resilience"] = None if self.resilience is None else asdict(self.resilience)
        result["cost_usd"] = None if self.cost_usd is None else asdict(self.cost_usd)
        if self.workloads:
            result["workloads"] = {name: asdict(workload) for name, workload in self.workloads.items()}
        if self.services:
            result["services"] = [asdict(service) for service in self.services]
        if self.stopped:
            result["stopped"] = True
        return {**result, "interrupted": True} if self.interrupted else result
