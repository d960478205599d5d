"""The adaptive mode's rate limiter, against a server that takes so many tries a second."""

from __future__ import annotations

import pytest

from regionsim.client.rate_limiter import RateLimiter

SECOND = 1_000_000_000


def drive(limiter: RateLimiter, *, offered: float, taken: float, seconds: int, since_ns: int = 0) -> tuple[int, int]:
    """Offer tries at a steady pace to a token bucket that takes so many a second: how many were sent, and throttled."""
    sent = throttled = 0
    tokens, filled_ns, free_ns = taken, since_ns, since_ns
    pause_ns = int(SECOND / offered)
    for at_ns in range(since_ns, since_ns + seconds * SECOND, pause_ns):
        if free_ns > at_ns:  # the client's one thread is still waiting
            continue
        go_ns = at_ns + limiter.wait_ns(at_ns)
        free_ns = go_ns
        tokens = min(taken, tokens + (go_ns - filled_ns) / SECOND * taken)
        filled_ns = go_ns
        is_throttled = tokens < 1
        tokens -= 0 if is_throttled else 1
        sent, throttled = sent + 1, throttled + is_throttled
        limiter.answered(go_ns, is_throttled=is_throttled)
    return sent, throttled


def test_nothing_waits_until_something_was_throttled() -> None:
    limiter = RateLimiter()
    assert drive(limiter, offered=100, taken=1000, seconds=10) == (1000, 0)
    assert limiter.rate is None


def test_a_throttled_client_sends_about_what_is_taken() -> None:
    limiter = RateLimiter()
    sent, throttled = drive(limiter, offered=100, taken=20, seconds=60)
    assert throttled / sent < 0.2, "without the limiter four of five are throttled"
    assert sent - throttled > 0.7 * 20 * 60, "and it does not starve itself"


def test_the_rate_is_cut_by_three_tenths_and_comes_back() -> None:
    limiter = RateLimiter()
    drive(limiter, offered=100, taken=1000, seconds=10)
    limiter.answered(10 * SECOND, is_throttled=True)
    assert limiter.rate == pytest.approx(70, rel=0.03)
    drive(limiter, offered=100, taken=1000, seconds=20, since_ns=10 * SECOND)
    assert limiter.rate is not None
    assert limiter.rate > 100
    assert limiter.rate <= 2 * 110, "never beyond twice what is sent"


def test_it_never_stops_altogether() -> None:
    limiter = RateLimiter()
    for second in range(100):
        limiter.wait_ns(second * SECOND)
        limiter.answered(second * SECOND, is_throttled=True)
    assert limiter.rate == 0.5
