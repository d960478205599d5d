"""Durations and instants: what is written is read back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionsim.names.durations import format_duration, parse_duration
from regionsim.runtime.clock import NS_PER_DAY, format_instant, parse_instant

spans = st.integers(0, 10_000 * NS_PER_DAY) | st.integers(0, 10**7)


@given(spans)
def test_a_written_duration_is_read_back(duration_ns):
    assert parse_duration(format_duration(duration_ns)) == duration_ns
    assert parse_duration(format_duration(-duration_ns), is_signed=True) == -duration_ns


@given(st.integers(-60_000_000_000_000, 200_000_000_000_000))
def test_a_written_instant_is_read_back_to_the_millisecond(instant_ms):
    assert parse_instant(format_instant(instant_ms * 1_000_000)) == instant_ms * 1_000_000
    assert parse_instant(format_instant(instant_ms * 1_000_000 + 999_999)) == instant_ms * 1_000_000


@given(st.text(alphabet="0123456789dhmsun.- ", max_size=12))
def test_any_text_is_a_duration_or_a_mistake_with_a_word(text):
    if is_duration(text):
        assert parse_duration(format_duration(parse_duration(text))) == parse_duration(text)
    else:
        with pytest.raises(ValueError, match=re.escape(f"'{text}' is no")):
            parse_duration(text)


def is_duration(text: str) -> bool:
    """The grammar once more, in another way: units in their order, each at most once, and whole nanoseconds."""
    number = r"[0-9]{1,15}(\.[0-9]{1,9})?"
    units = [f"({number}{unit})?" for unit in ("d", "h", "m", "s", "ms", "us", "ns")]
    if text == "" or not re.fullmatch("".join(units), text):
        return False
    decimals = {"us": 3, "ns": 0, "ms": 6, "s": 9, "m": 9, "h": 9, "d": 9}
    found = re.findall(r"[0-9]+\.([0-9]+)(ms|us|ns|d|h|m|s)", text)
    return all(len(fraction.rstrip("0")) <= decimals[unit] for fraction, unit in found)


@given(st.text(max_size=40))
def test_any_text_is_an_instant_or_a_mistake_with_a_word(text):
    with pytest.raises(ValueError, match="write it like"):
        parse_instant(text)
