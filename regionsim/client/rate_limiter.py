"""The rate limiter of the SDKs' adaptive retry mode: a client that is throttled sends less, and later more again.

It counts nothing until the first throttling error. From then on every try takes a token; the rate at which tokens come
falls to 70 % of what was sent at each throttling error, and grows again on a cubic curve: fast, slower near the rate
that failed before, then fast beyond it. It never grows beyond twice what is really sent.

Source: AWS SDKs and Tools reference guide, "Retry behavior" (adaptive mode); the constants and the curve are those of
the SDKs' common specification as botocore has them.
"""

from __future__ import annotations

import math

_NS = 1_000_000_000
_LEAST_RATE = 0.5
_GROWTH = 0.4
_CUT = 0.7
_AT_MOST_TIMES_SENT = 2.0
_SMOOTHING = 0.8
_BUCKETS_PER_SECOND = 2


class RateLimiter:
    """Rates are tries a second; instants are the loop's, in nanoseconds."""

    def __init__(self) -> None:
        self.rate: float | None = None
        """At most so many tries a second; None while nothing was throttled."""
        self._tokens = 0.0
        self._filled_at_ns = 0
        self._sent_rate = 0.0
        self._sent_in_bucket = 0
        self._bucket = 0.0
        self._rate_that_failed = 0.0
        self._failed_at_ns = 0

    def wait_ns(self, now_ns: int) -> int:
        """How long the next try must wait; its token is taken at once, so those behind it wait longer."""
        if self.rate is None:
            return 0
        self._fill(now_ns, self.rate)
        self._tokens -= 1
        return 0 if self._tokens >= 0 else math.ceil(-self._tokens / self.rate * _NS)

    def answered(self, now_ns: int, *, is_throttled: bool) -> None:
        """Note how a try ended."""
        sent_rate = self._measured(now_ns)
        if is_throttled:
            rate = sent_rate if self.rate is None else min(sent_rate, self.rate)
            self._rate_that_failed, self._failed_at_ns = rate, now_ns
            new_rate = rate * _CUT
        elif self.rate is None:
            return
        else:
            new_rate = self._grown(now_ns)
        self._set_rate(now_ns, max(_LEAST_RATE, min(new_rate, _AT_MOST_TIMES_SENT * sent_rate)))

    def _grown(self, now_ns: int) -> float:
        failed = self._rate_that_failed
        inflection = (failed * (1 - _CUT) / _GROWTH) ** (1 / 3)
        seconds: float = (now_ns - self._failed_at_ns) / _NS - inflection
        return _GROWTH * seconds**3 + failed

    def _set_rate(self, now_ns: int, rate: float) -> None:
        if self.rate is None:
            self._filled_at_ns = now_ns
        else:
            self._fill(now_ns, self.rate)
        self.rate = rate
        self._tokens = min(self._tokens, max(rate, 1.0))

    def _fill(self, now_ns: int, rate: float) -> None:
        gained = (now_ns - self._filled_at_ns) / _NS * rate
        self._tokens = min(self._tokens + gained, max(rate, 1.0))
        self._filled_at_ns = now_ns

    def _measured(self, now_ns: int) -> float:
        """The rate of late, smoothed over half seconds."""
        self._sent_in_bucket += 1
        bucket = math.floor(now_ns / _NS * _BUCKETS_PER_SECOND) / _BUCKETS_PER_SECOND
        if bucket > self._bucket:
            current = self._sent_in_bucket / (bucket - self._bucket)
            self._sent_rate = current * _SMOOTHING + self._sent_rate * (1 - _SMOOTHING)
            self._sent_in_bucket, self._bucket = 0, bucket
        return self._sent_rate
