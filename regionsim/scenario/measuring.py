"""`expect_metric` at play: what was measured, and which comparisons do not hold."""

from __future__ import annotations

from collections.abc import Sequence

from regionsim.runtime.tasks import now_ns
from regionsim.scenario.metrics import CallSeen, Ledger, loads_in, measure
from regionsim.scenario.model import ExpectMetricStep
from regionsim.scenario.vocabulary import LAG, REQUESTS, Unit
from regionsim.simulation.simulation import Simulation

_LAG_QUANTILE = 0.99
_NS_PER_MS = 1e6


async def unmet_metrics(step: ExpectMetricStep, ledger: Ledger, simulation: Simulation) -> tuple[str, str]:
    """What does not hold (empty: all does), and what was measured, in words.

    The calls sent before this instant count; those that are not over are waited for.
    """
    at_ns = now_ns()
    if step.window_ns is not None and step.window_ns[1] > at_ns:
        return "the window ends after this step: put the step at its end", "not measured"
    lag_ms = None if step.region is None else _lag_ms(step.region, simulation)
    await ledger.caught_up()
    calls = _calls(step, ledger)
    problems, words = [], []
    for expectation in step.expectations:
        name = expectation.metric.name
        window_ns = step.window_ns or (0, at_ns)
        measured = lag_ms if name == LAG else measure(name, calls, window_ns)
        if name == REQUESTS and measured is not None:
            measured += loads_in(_loads(step, ledger), window_ns)
        words.append(f"{name} {format_metric(measured, expectation.metric.unit)}")
        if measured is None:
            problems.append(f"{name}: there is nothing to measure")
        elif not expectation.comparison.holds(measured):
            got = format_metric(measured, expectation.metric.unit)
            problems.append(f"{name}: wanted {expectation.comparison.text}, measured {got}")
    return "; ".join(problems), f"{step.workload or step.region}: {', '.join(words)}"


def _calls(step: ExpectMetricStep, ledger: Ledger) -> Sequence[CallSeen]:
    if step.workload is not None:
        return ledger.by_workload.get(step.workload, ())
    return ledger.by_region.get(str(step.region), ())


def _loads(step: ExpectMetricStep, ledger: Ledger) -> Sequence[int]:
    if step.workload is not None:
        return ledger.loads.get(step.workload, ())
    return ledger.loads_by_region.get(str(step.region), ())


def _lag_ms(region: str, simulation: Simulation) -> float | None:
    lag = simulation.regions[region].counts.replication.lag
    return lag.quantile(_LAG_QUANTILE) / _NS_PER_MS if lag.count else None


def format_metric(measured: float | None, unit: Unit) -> str:
    """A measured number in its unit, short."""
    if measured is None:
        return "nothing"
    match unit:
        case Unit.COUNT:
            return f"{measured:,.0f}"
        case Unit.RATIO:
            return f"{measured:.3%}"
        case Unit.SECONDS:
            return f"{measured:.3f}s"
        case Unit.MILLISECONDS:
            return f"{measured:.1f}ms"
        case Unit.USD:
            return f"${measured:.2f}"
