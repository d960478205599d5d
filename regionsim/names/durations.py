"""Durations as people write them: `90s`, `2h`, `366d`, `1d3h`, `0.3ms`."""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS = {
    "d": 86_400_000_000_000,
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}
_RANK = {unit: rank for rank, unit in enumerate(_UNITS)}
_DURATION_PART = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(d|h|ms|m|s|us|ns)")
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+")


def format_duration(duration_ns: int) -> str:
    """`10m5s`, `1d3h`, `250ms`, `0s`: exact, largest unit first, a minus in front when negative."""
    rest_ns = abs(duration_ns)
    parts = []
    for unit, unit_ns in _UNITS.items():
        count, rest_ns = divmod(rest_ns, unit_ns)
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if duration_ns < 0 else "") + ("".join(parts) or "0s")


def parse_duration(text: str, *, is_signed: bool = False) -> int:
    """Nanoseconds from `90s`, `2h`, `366d`, `1d3h`, `10m5s`, `0.3ms`, `250us`; with `is_signed` also `-5s`.

    Errors: ValueError saying what was wanted: units from large to small, each once, no spaces, whole nanoseconds.
    """
    sign = -1 if is_signed and text.startswith("-") else 1
    digits = text[1:] if sign < 0 else text
    if not _DURATION.fullmatch(digits):
        raise ValueError(f"'{text}' is no duration; write it like 90s, 2h, 366d, 10m5s or 0.3ms, without spaces")
    total = Fraction(0)
    last_rank = -1
    for number, unit in _DURATION_PART.findall(digits):
        if _RANK[unit] <= last_rank:
            raise ValueError(f"'{text}' is no duration; units go from large to small, each once, like 1d3h or 10m5s")
        last_rank = _RANK[unit]
        total += Fraction(number) * _UNITS[unit]
    if total.denominator != 1:
        raise ValueError(f"'{text}' is no whole number of nanoseconds")
    return sign * total.numerator
