"""Comparisons of metrics: each number in the metric's own unit."""

from __future__ import annotations

import pytest

from regionsim.scenario.model import ExpectMetricStep

METRIC = 'failed: "== 0"'


@pytest.mark.parametrize(
    ("text", "number", "holds", "fails"),
    [
        ('failed: "== 0"', 0, 0, 1),
        ("failed: 0", 0, 0, 1),
        ('requests: ">= 100"', 100, 100, 99),
        ('refused: "!=3"', 3, 4, 3),
        ('p99_ms: "< 1500"', 1500, 1499.9, 1500),
        ('p99_ms: "<= 1.5s"', 1500, 1500, 1500.1),
        ('max_ms: "> 250us"', 0.25, 0.3, 0.25),
        ('availability: ">= 99.5%"', 0.995, 1.0, 0.99),
        ('availability: "> 0.9"', 0.9, 0.91, 0.9),
        ('longest_outage: "< 30m"', 1800, 1799, 1800),
        ('longest_outage: "== 0"', 0, 0, 0.1),
    ],
)
def test_a_comparison_holds_or_does_not(broken, text, number, holds, fails):
    step = broken.scenario(METRIC, text).steps[5]
    assert isinstance(step, ExpectMetricStep)
    comparison = step.expectations[0].comparison
    assert comparison.number == pytest.approx(number)
    assert comparison.holds(holds)
    assert not comparison.holds(fails)


@pytest.mark.parametrize("text", ['"<> 3"', '"3"', '"< -1"', '"< 1e3"', '"== three"', "[1]", '"< 5q"'])
def test_what_is_no_comparison_is_refused(broken, text):
    (error,) = broken.errors(METRIC, f"p99_ms: {text}")
    assert 'write a comparison like "== 0" or "< 1500"' in error


def test_a_region_can_be_measured_too(broken):
    step = broken.scenario("workload: readers", "region: eu-west-1").steps[5]
    assert isinstance(step, ExpectMetricStep)
    assert (step.workload, step.region) == (None, "eu-west-1")
