"""The verdict of a run, and what its Regions and keys came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from regionsim.kms.key import KmsKey
from regionsim.runtime.histogram import Histogram
from regionsim.scenario.metering import Meter
from regionsim.scenario.metrics import CallSeen, Ledger, longest_outage_ns, measure
from regionsim.scenario.results import (
    CostResult,
    InvariantResult,
    KeyResult,
    RegionResult,
    Resilience,
    ServiceResult,
    StepResult,
    Verdict,
    WorkloadResult,
)
from regionsim.services.premises import ServiceState
from regionsim.simulation.simulation import Simulation
from regionsim.snapshot import Snapshot

_NS_PER_MS = 1e6
_NS_PER_SECOND = 1e9


def decide(
    steps: Sequence[StepResult],
    invariants: Sequence[InvariantResult],
    *,
    is_exercised: bool,
    is_interrupted: bool,
    idle_faults: Sequence[str] = (),
) -> tuple[Verdict, str]:
    """The verdict and, when it is not `ok`, why. `idle_faults` are the names of those that met nothing."""
    counts = {
        "expectation": sum(not step.passed for step in steps),
        "invariant": sum(invariant.passed is False for invariant in invariants),
    }
    broken = [f"{count} {what}{'s' if count > 1 else ''}" for what, count in counts.items() if count]
    if broken:
        return Verdict.FAILED, " and ".join(broken) + " did not hold"
    if is_interrupted:
        return Verdict.UNKNOWN, "the run was interrupted"
    if not is_exercised:
        return Verdict.UNKNOWN, "no call reached a Region, so nothing was exercised"
    if idle_faults:
        return Verdict.UNKNOWN, f"{', '.join(idle_faults)} never applied: no call and no message met it"
    return Verdict.OK, ""


def region_results(snapshot: Snapshot, ledger: Ledger, simulation: Simulation) -> dict[str, RegionResult]:
    """What each Region did, in the world's order."""
    return {
        name: RegionResult(
            requests=picture.requests,
            refused=picture.refused,
            denied=picture.denied,
            throttled=picture.throttled,
            unavailable_seconds=picture.unavailable_ns / _NS_PER_SECOND,
            hsm_jobs=picture.hsm_jobs,
            latency_ms=_latencies(ledger.by_region.get(name, ())),
            replication_lag_ms=_lags(simulation.regions[name].counts.replication.lag),
        )
        for name, picture in snapshot.regions.items()
    }


def resilience(ledger: Ledger, meter: Meter) -> Resilience:
    """How callers and Regions got over what went wrong."""
    return Resilience(
        availability=1 - ledger.failed_count / ledger.over_count if ledger.over_count else None,
        recovery_seconds=meter.recovery_seconds or 0.0,
        unreplicated_rotations_max=meter.rotations_were_open(),
        failed_calls=ledger.failed_count,
    )


def cost_result(ledger: Ledger, meter: Meter) -> CostResult:
    """What AWS would have asked for the run."""
    cost = meter.cost(loads=ledger.load_count)
    return CostResult(total=cost.total, keys=cost.keys, requests=cost.requests)


def workload_results(workloads: Iterable[str], ledger: Ledger) -> dict[str, WorkloadResult]:
    """What each workload did; its rate is between its first and its last call."""
    return {
        name: _workload(ledger.by_workload.get(name, ()), ledger.loads.get(name, ()), ledger.answered.get(name, {}))
        for name in workloads
    }


def _workload(real: Sequence[CallSeen], loads: Sequence[int], answered: Mapping[str, int]) -> WorkloadResult:
    count = len(real) + len(loads)
    sent_at_ns = [call.sent_at_ns for call in real]
    edges = [*(sent_at_ns and (min(sent_at_ns), max(sent_at_ns))), *loads[:1], *loads[-1:]]
    span_ns = max(edges, default=0) - min(edges, default=0)
    rate = (count - 1) * _NS_PER_SECOND / span_ns if span_ns else 0.0
    errors = Counter(call.error for call in real if call.error is not None)
    return WorkloadResult(
        calls=count,
        real_calls=len(real),
        calls_per_second=rate,
        answered=dict(answered),
        errors=dict(errors.most_common()),
        failed=sum(call.is_failure for call in real),
        longest_outage_seconds=longest_outage_ns(real) / _NS_PER_SECOND,
        latency_ms=_latencies(real),
    )


def service_results(states: Iterable[ServiceState], at_ns: int) -> tuple[ServiceResult, ...]:
    """How every resource of a service is at an instant of the run."""
    return tuple(
        ServiceResult(
            service=state.service,
            region=state.region,
            resource=state.resource,
            state=state.state,
            key=state.key,
            because=state.because,
            out_seconds=state.out_ns(at_ns) / _NS_PER_SECOND,
        )
        for state in states
    )


def key_results(snapshot: Snapshot) -> tuple[KeyResult, ...]:
    """Every KMS key that a Region has, as the Region with the newest shared version knows it, in order of creation."""
    newest: dict[str, KmsKey] = {}
    for picture in snapshot.regions.values():
        for key_id, key in picture.keys.items():
            known = newest.get(key_id)
            if known is None or key.shared.shared_version > known.shared.shared_version:
                newest[key_id] = key
    created = sorted(newest.values(), key=lambda key: (key.regional.created_at_ns, key.key_id))
    return tuple(
        KeyResult(
            key_id=key.key_id,
            primary=key.shared.primary_region or key.region,
            replicas=key.shared.replica_regions,
            rotations=key.shared.rotation_count,
        )
        for key in created
    )


def _latencies(calls: Sequence[CallSeen]) -> dict[str, float]:
    """Empty without any call: what was not measured is absent, not zero."""
    found = {name: measure(f"{name}_ms", calls) for name in ("p50", "p99", "p999", "max")}
    return {name: value for name, value in found.items() if value is not None}


def _lags(lag: Histogram) -> dict[str, float]:
    if not lag.count:
        return {}
    quantiles = {"p50": lag.quantile(0.5), "p99": lag.quantile(0.99), "max": lag.max}
    return {name: value / _NS_PER_MS for name, value in quantiles.items()}
