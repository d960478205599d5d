"""`expect_metric:`: what is measured, in which window, and the comparisons that must hold."""

from __future__ import annotations

import re

from regionsim.names.dataclass import dataclass
from regionsim.names.durations import parse_duration
from regionsim.names.mistakes import advice
from regionsim.scenario import read
from regionsim.scenario.errors import quoted
from regionsim.scenario.known import Known
from regionsim.scenario.model import Comparison, MetricExpectation
from regionsim.scenario.nodes import Entry, Node, ScalarNode, kind_of
from regionsim.scenario.vocabulary import METRIC_OF, METRICS, OF_REGIONS, WHOLE_RUN, Unit

COMPARISON = re.compile(r"(==|!=|<=|>=|<|>) *([0-9]{1,15}(?:\.[0-9]{1,15})?)([%a-z][a-z0-9.]*)?")
_HINT = 'write a comparison like "== 0" or "< 1500"'


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricQuestion:
    """What an `expect_metric:` asks."""

    workload: str | None
    region: str | None
    window_ns: tuple[int, int] | None
    expectations: tuple[MetricExpectation, ...]


def read_metric_question(node: Node, known: Known) -> MetricQuestion:
    """The subject, the window and the comparisons."""
    held = read.entries(node, "expect_metric")
    workload = _workload(held["workload"].value, known) if "workload" in held else None
    region = read.region(held["region"].value, "region", known.regions) if "region" in held else None
    if (workload is None) == (region is None):
        raise node.position.error(
            "expect_metric measures one workload or one Region", "name it: workload: NAME, or region: REGION"
        )
    window_ns = read_window(held["window"].value) if "window" in held else None
    for name, entry in held.items():
        if name in OF_REGIONS and region is None:
            raise entry.key.position.error(f"{name} is measured of a Region", "write region: REGION instead")
        if name in WHOLE_RUN and window_ns is not None:
            raise entry.key.position.error(f"{name} is measured over the whole run", "leave window: out")
    expectations = tuple(_expectation(entry) for name, entry in held.items() if name not in METRIC_OF)
    if not expectations:
        raise node.position.error("expect_metric compares nothing", 'add a metric, like failed: "== 0"')
    return MetricQuestion(workload=workload, region=region, window_ns=window_ns, expectations=expectations)


def _workload(node: Node, known: Known) -> str:
    name = read.text(node, "workload")
    if known.workloads is not None and name not in known.workloads:
        raise node.position.error(f"there is no workload {quoted(name)}", advice(name, known.workloads))
    return name


def read_count(node: Node, what: str) -> Comparison:
    """A comparison of a count, like `>= 1` or `3`."""
    return _comparison(node, what, Unit.COUNT)


def read_window(node: Node) -> tuple[int, int]:
    """From when until when, since the run's beginning."""
    ends = read.items(node, "window")
    if len(ends) != 2:
        raise node.position.error(f"window: two instants are wanted, these are {len(ends)}", "write [10m, 40m]")
    begin, end = (read.duration(item, "window") for item in ends)
    if begin >= end:
        raise ends[1].position.error("window: it ends before it has begun")
    return begin, end


def _expectation(entry: Entry) -> MetricExpectation:
    metric = METRICS.get(entry.key.text)
    if metric is None:
        names = [*METRIC_OF, *METRICS]
        what = f"there is no metric {quoted(entry.key.text)}"
        raise entry.key.position.error(what, advice(entry.key.text, names, shown=len(names)))
    return MetricExpectation(
        metric=metric, comparison=_comparison(entry.value, metric.name, metric.unit), position=entry.key.position
    )


def _comparison(node: Node, what: str, unit: Unit) -> Comparison:
    if not isinstance(node, ScalarNode) or node.value is None or isinstance(node.value, bool):
        raise node.position.error(f"{what}: wanted a comparison, this is {kind_of(node)}", _HINT)
    text = node.text if isinstance(node.value, str) else f"== {node.text}"
    found = COMPARISON.fullmatch(text)
    if found is None:
        raise node.position.error(f"{what}: {quoted(text)} is not a comparison", _HINT)
    symbol, number, suffix = found[1], found[2], found[3] or ""
    try:
        value = _number(number, suffix, unit)
    except ValueError as error:
        raise node.position.error(f"{what}: {error}", _HINT) from None
    return Comparison(symbol=symbol, number=value, text=text)


def _number(number: str, suffix: str, unit: Unit) -> float:
    """A number in the metric's own unit; durations are taken where time is measured, percentages where shares are."""
    if not suffix:
        return float(number)
    if unit is Unit.RATIO and suffix == "%":
        return float(number) / 100
    if unit in {Unit.SECONDS, Unit.MILLISECONDS} and suffix != "%":
        return parse_duration(number + suffix) / (1e9 if unit is Unit.SECONDS else 1e6)
    raise ValueError(f"{quoted(number + suffix)} does not fit, it is measured in {unit.value}")
