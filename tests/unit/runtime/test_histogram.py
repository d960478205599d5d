"""Histograms: exact counts, sums and extremes; quantiles within the stated error."""

from __future__ import annotations

import pytest

from regionsim.runtime.histogram import RELATIVE_ERROR, Histogram


def of(*values: int) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


def test_an_empty_histogram_answers_zero():
    empty = Histogram()
    assert (empty.count, empty.min, empty.max, empty.mean, empty.quantile(0.5)) == (0, 0, 0, 0.0, 0)


def test_small_values_are_exact():
    histogram = of(*range(256))
    assert [histogram.quantile((rank + 1) / 256) for rank in range(256)] == list(range(256))


@pytest.mark.parametrize("value", [255, 256, 257, 511, 512, 1_000, 999_999, 10**9, 3 * 10**16, 2**63])
def test_one_value_is_every_quantile(value):
    histogram = of(value)
    assert {histogram.quantile(q) for q in (0, 0.5, 0.99, 1)} == {value}
    assert (histogram.min, histogram.max, histogram.mean) == (value, value, value)


def test_quantiles_of_known_values():
    histogram = of(*range(1_000, 101_000, 1_000))
    assert histogram.quantile(0.5) == pytest.approx(50_000, rel=RELATIVE_ERROR)
    assert histogram.quantile(0.99) == pytest.approx(99_000, rel=RELATIVE_ERROR)
    assert histogram.quantile(0.07) == pytest.approx(7_000, rel=RELATIVE_ERROR)
    assert histogram.quantile(1) == 100_000
    assert histogram.mean == 50_500
    assert histogram.count == 100


def test_the_error_is_under_one_percent():
    assert RELATIVE_ERROR <= 0.01


def test_zero_is_a_value():
    histogram = of(0, 5)
    assert (histogram.min, histogram.max, histogram.quantile(0)) == (0, 5, 0)


def test_merging_is_counting_in_one():
    one, other, both = of(5, 100_000), of(7, 3, 10**9), of(5, 100_000, 7, 3, 10**9)
    one.merge(other)
    assert repr(one) == repr(both)
    assert (one.count, one.min, one.max, one.mean) == (both.count, both.min, both.max, both.mean)
    assert other.count == 3, "what was merged in is unchanged"


def test_merging_with_nothing():
    one = of(5)
    one.merge(Histogram())
    assert (one.count, one.min, one.max) == (1, 5, 5)
    empty = Histogram()
    empty.merge(one)
    assert (empty.count, empty.min, empty.max) == (1, 5, 5)


@pytest.mark.parametrize("q", [-0.1, 1.1])
def test_a_quantile_outside_is_a_bug(q):
    with pytest.raises(AssertionError, match="between 0 and 1"):
        of(1).quantile(q)


def test_a_negative_value_is_a_bug():
    with pytest.raises(AssertionError, match="from 0 up"):
        Histogram().add(-1)


def test_its_size_depends_on_the_range_and_not_on_the_count():
    histogram = Histogram()
    for number in range(100_000):
        histogram.add(1_000_000 + number * 997 % 1_000_000)
    assert len(histogram._counts) <= 129
