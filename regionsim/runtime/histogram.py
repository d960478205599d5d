"""Latencies and sizes as counts in buckets: quantiles of any number of values in a fixed amount of memory.

Buckets are log-linear: each power of two is cut into 128 equal parts, and values below 256 are exact. A bucket is at
most 1/128 of its values wide and answers with its middle, so a quantile is off by at most 0.4 % (`RELATIVE_ERROR`).
Source: ours, after HdrHistogram.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate

_PART_BITS = 7
_EXACT_BELOW = 2 << _PART_BITS

RELATIVE_ERROR = 1 / (2 << _PART_BITS)
"""The largest error of a quantile, as a share of the true value: 0.0039."""


class Histogram:
    """Counts of whole numbers from 0 up, usually nanoseconds. An empty one answers 0 to everything."""

    __slots__ = ("_counts", "_max", "_min", "_total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._total = 0
        self._min = 0
        self._max = -1

    def __repr__(self) -> str:
        return f"<Histogram count={self.count} p50={self.quantile(0.5)} p99={self.quantile(0.99)} max={self.max}>"

    def add(self, value: int) -> None:
        """Count one value."""
        if value < _EXACT_BELOW:
            assert value >= 0, "a histogram counts from 0 up"
            bucket = value
        else:
            shift = value.bit_length() - _PART_BITS - 1
            bucket = (shift << _PART_BITS) + (value >> shift)
        counts = self._counts
        counts[bucket] = counts.get(bucket, 0) + 1
        self._total += value
        if value > self._max:
            if self._max < 0:
                self._min = value
            self._max = value
        elif value < self._min:
            self._min = value

    def merge(self, other: Histogram) -> None:
        """Count all that `other` has counted, too."""
        if other._max < 0:
            return
        for bucket, count in other._counts.items():
            self._counts[bucket] = self._counts.get(bucket, 0) + count
        self._min = other._min if self._max < 0 else min(self._min, other._min)
        self._max = max(self._max, other._max)
        self._total += other._total

    @property
    def count(self) -> int:
        """How many values were added."""
        return sum(self._counts.values())

    @property
    def min(self) -> int:
        """The smallest value, exactly."""
        return self._min

    @property
    def max(self) -> int:
        """The largest value, exactly."""
        return max(self._max, 0)

    @property
    def mean(self) -> float:
        """The mean of the values, from their exact sum."""
        return self._total / self.count if self._counts else 0.0

    def quantile(self, q: float) -> int:
        """The value that a share `q` (0 to 1) of all values does not exceed, off by at most `RELATIVE_ERROR`."""
        assert 0 <= q <= 1, f"a quantile lies between 0 and 1, not at {q}"
        if not self._counts:
            return 0
        # The subtrahend undoes what the float product may have added: 0.07 * 100 is a little above 7.
        rank = max(1, math.ceil(q * self.count - 1e-9))
        if rank >= self.count:
            return self._max
        buckets = sorted(self._counts)
        counted = list(accumulate(self._counts[bucket] for bucket in buckets))
        middle = _middle(buckets[bisect_left(counted, rank)])
        return min(max(middle, self._min), self._max)


def _middle(bucket: int) -> int:
    if bucket < _EXACT_BELOW:
        return bucket
    shift = (bucket >> _PART_BITS) - 1
    lowest = (bucket - (shift << _PART_BITS)) << shift
    return lowest + (1 << shift >> 1)
