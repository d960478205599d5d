"""Histograms against sorted lists."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from regionsim.runtime.histogram import RELATIVE_ERROR, Histogram

values = st.lists(st.integers(0, 2**50) | st.integers(0, 2_000), min_size=1, max_size=60)


def of(numbers: list[int]) -> Histogram:
    histogram = Histogram()
    for number in numbers:
        histogram.add(number)
    return histogram


@given(values, st.integers(1, 100))
def test_a_quantile_is_off_by_no_more_than_stated(numbers, percent):
    exact = sorted(numbers)[max(1, math.ceil(percent * len(numbers) / 100)) - 1]
    assert abs(of(numbers).quantile(percent / 100) - exact) <= exact * RELATIVE_ERROR


@given(values, values)
def test_merging_is_counting_in_one(first, second):
    merged = of(first)
    merged.merge(of(second))
    together = of(first + second)
    assert (merged.count, merged.min, merged.max, merged.mean) == (
        together.count,
        together.min,
        together.max,
        together.mean,
    )
    assert [merged.quantile(q / 20) for q in range(21)] == [together.quantile(q / 20) for q in range(21)]


@given(values)
def test_quantiles_rise(numbers):
    histogram = of(numbers)
    risen = [histogram.quantile(q / 50) for q in range(51)]
    assert risen == sorted(risen)
    assert histogram.min <= risen[0]
    assert risen[-1] == histogram.max == max(numbers)
