"""Durations as text: units from large to small, exact."""

from __future__ import annotations

import pytest

from regionsim.names.durations import format_duration, parse_duration
from regionsim.runtime.clock import NS_PER_DAY, NS_PER_HOUR

SECOND = 10**9


@pytest.mark.parametrize(
    ("text", "duration_ns"),
    [
        ("90s", 90 * SECOND),
        ("2h", 2 * NS_PER_HOUR),
        ("366d", 366 * NS_PER_DAY),
        ("1d3h", 27 * NS_PER_HOUR),
        ("10m5s", 605 * SECOND),
        ("0.3ms", 300_000),
        ("250us", 250_000),
        ("1.5h", 5_400 * SECOND),
        ("7ns", 7),
        ("0s", 0),
        ("1m1ms", 60 * SECOND + 1_000_000),
    ],
)
def test_durations_are_read(text, duration_ns):
    assert parse_duration(text) == duration_ns


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "write it like 90s"),
        ("90", "write it like 90s"),
        ("5 s", "write it like 90s"),
        ("-5s", "write it like 90s"),
        ("5S", "write it like 90s"),
        ("1y", "write it like 90s"),
        (".5s", "write it like 90s"),
        ("1e3s", "write it like 90s"),
        ("٣s", "write it like 90s"),
        ("9" * 400 + "d", "write it like 90s"),
        ("5s10m", "large to small"),
        ("1h1h", "large to small"),
        ("0.5ns", "whole number of nanoseconds"),
    ],
)
def test_what_is_no_duration_is_refused_with_what_was_wanted(text, wanted):
    with pytest.raises(ValueError, match=wanted):
        parse_duration(text)


def test_a_signed_duration_is_read_where_it_is_allowed():
    assert parse_duration("-1m30s", is_signed=True) == -90 * SECOND
    assert parse_duration("30s", is_signed=True) == 30 * SECOND
    with pytest.raises(ValueError, match="no duration"):
        parse_duration("--5s", is_signed=True)


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (605 * SECOND, "10m5s"),
        (27 * NS_PER_HOUR, "1d3h"),
        (250_000_000, "250ms"),
        (0, "0s"),
        (300_000, "300us"),
        (366 * NS_PER_DAY, "366d"),
        (-90 * SECOND, "-1m30s"),
        (1_500_000_001, "1s500ms1ns"),
    ],
)
def test_durations_are_written(duration_ns, text):
    assert format_duration(duration_ns) == text
