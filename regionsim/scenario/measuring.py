"""`expect_metric` at play: what was measured, and which comparisons do not hold."""

from __future__ import annotations

from collections.abc import Sequence

from regionsim.names.dataclass import dataclass
from regionsim.runtime.tasks import Scope, now_ns
from regionsim.scenario.metering import Meter
from regionsim.scenario.metrics import CallSeen, Ledger, loads_in, measure
from regionsim.scenario.model import ExpectMetricStep, Step
from regionsim.scenario.vocabulary import COST, HSM_UTILISATION, LAG, RECOVERY, REQUESTS, Unit
from regionsim.simulation.simulation import Simulation

_LAG_QUANTILE = 0.99
_NS_PER_MS = 1e6


class Marks:
    """How long the HSMs of each Region had been busy at the edges of the windows that steps ask about."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._busy_ns: dict[tuple[str, int], int] = {}

    def begin(self, steps: Sequence[Step], scope: Scope) -> None:
        """Look at the edges of all windows as their instants come."""
        for step in steps:
            if isinstance(step, ExpectMetricStep) and step.window_ns is not None and step.region is not None:
                for edge_ns in step.window_ns:
                    scope.call_later_ns(max(0, edge_ns - now_ns()), self._look, step.region, edge_ns)

    def utilisation(self, region: str, window_ns: tuple[int, int] | None) -> float | None:
        """Busy time of a Region's HSMs / time, in a window or until now; None when no time has passed."""
        fleet = self._simulation.regions[region].fleet
        begin_ns, end_ns = window_ns or (0, now_ns())
        busy_ns = fleet.busy_ns - (0 if window_ns is None else self._busy_ns[region, begin_ns])
        if window_ns is not None:
            busy_ns -= fleet.busy_ns - self._busy_ns[region, end_ns]
        return busy_ns / ((end_ns - begin_ns) * len(fleet.hsms)) if end_ns > begin_ns else None

    def _look(self, region: str, edge_ns: int) -> None:
        self._busy_ns[region, edge_ns] = self._simulation.regions[region].fleet.busy_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """All that has been measured so far."""

    ledger: Ledger
    simulation: Simulation
    meter: Meter
    marks: Marks


async def unmet_metrics(step: ExpectMetricStep, measures: Measures) -> tuple[str, str]:
    """What does not hold (empty: all does), and what was measured, in words.

    The calls sent before this instant count; those that are not over are waited for.
    """
    at_ns = now_ns()
    if step.window_ns is not None and step.window_ns[1] > at_ns:
        return "the window ends after this step: put the step at its end", "not measured"
    of_world = _of_world(step, measures)
    ledger = measures.ledger
    await ledger.caught_up()
    calls = _calls(step, ledger)
    problems, words = [], []
    for expectation in step.expectations:
        name = expectation.metric.name
        window_ns = step.window_ns or (0, at_ns)
        measured = of_world[name] if name in of_world else measure(name, calls, window_ns)
        if name == REQUESTS and measured is not None:
            measured += loads_in(_loads(step, ledger), window_ns)
        words.append(f"{name} {format_metric(measured, expectation.metric.unit)}")
        if measured is None:
            problems.append(f"{name}: there is nothing to measure")
        elif not expectation.comparison.holds(measured):
            got = format_metric(measured, expectation.metric.unit)
            problems.append(f"{name}: wanted {expectation.comparison.text}, measured {got}")
    return "; ".join(problems), f"{step.workload or step.region}: {', '.join(words)}"


def _of_world(step: ExpectMetricStep, measures: Measures) -> dict[str, float | None]:
    """The metrics that are not of calls, as of this instant."""
    region, meter = step.region, measures.meter
    loads = len(_loads(step, measures.ledger))
    return {
        LAG: None if region is None else _lag_ms(region, measures.simulation),
        HSM_UTILISATION: None if region is None else measures.marks.utilisation(region, step.window_ns),
        RECOVERY: meter.recovery_seconds,
        COST: None if region is None else meter.cost(region, loads).total,
    }


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
