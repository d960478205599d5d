"""Clocks: skew reaches readings and never durations; instants as text."""

from __future__ import annotations

import asyncio
import time

import pytest

from regionsim.runtime import tasks
from regionsim.runtime.clock import (
    NS_PER_DAY,
    NS_PER_HOUR,
    Clock,
    SkewedClock,
    WallClock,
    format_instant,
    parse_instant,
)
from regionsim.runtime.loop import run_virtual

SECOND = 10**9
START = parse_instant("2026-01-01T00:00:00Z")


def test_a_clock_reads_the_start_plus_what_has_passed():
    async def main():
        clock = Clock(START)
        await tasks.sleep(90 * SECOND)
        return clock.now_ns()

    assert format_instant(run_virtual(main())) == "2026-01-01T00:01:30.000Z"


def test_skew_reaches_readings_and_not_durations():
    async def main():
        fast, true = Clock(START, skew_ns=NS_PER_HOUR), Clock(START)
        assert fast.now_ns() - true.now_ns() == NS_PER_HOUR == fast.skew_ns
        before = tasks.now_ns()
        sleeper = asyncio.get_running_loop().create_task(tasks.sleep(10 * SECOND))
        await tasks.sleep(SECOND)
        fast.set_skew(-NS_PER_DAY)
        await sleeper
        assert fast.now_ns() == true.now_ns() - NS_PER_DAY
        assert fast.true_now_ns() == true.now_ns() == true.true_now_ns()
        return tasks.now_ns() - before

    assert run_virtual(main()) == 10 * SECOND


async def test_on_a_real_loop_a_clock_begins_with_its_first_reading():
    clock = Clock(START)
    assert clock.now_ns() == START
    await tasks.sleep(2_000_000)
    assert START + 1_500_000 <= clock.now_ns() < START + 60 * SECOND


def test_the_wall_clock_is_the_machines_moved_on():
    clock = WallClock()
    before = time.time_ns()
    assert before <= clock.now_ns() <= time.time_ns()
    clock.advance(366 * NS_PER_DAY)
    moved_on = clock.now_ns() - 366 * NS_PER_DAY
    assert before <= moved_on <= time.time_ns()


def test_a_skewed_clock_goes_by_another():
    truth = Clock(START)
    node = SkewedClock(truth)

    async def main():
        assert node.now_ns() == truth.now_ns()
        node.set_skew(-5 * SECOND)
        await tasks.sleep(90 * SECOND)
        return node.now_ns()

    assert run_virtual(main()) == START + 85 * SECOND
    assert node.skew_ns == -5 * SECOND


def test_the_wall_clock_never_goes_back(monkeypatch):
    clock = WallClock()
    first = clock.now_ns()
    monkeypatch.setattr(time, "time_ns", lambda: first - NS_PER_HOUR)
    assert clock.now_ns() == first
    clock.advance(2 * NS_PER_HOUR)
    assert clock.now_ns() == first + NS_PER_HOUR
    with pytest.raises(AssertionError, match="forward"):
        clock.advance(-1)


@pytest.mark.parametrize(
    ("text", "instant_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01t01:00:00.5+01:00", SECOND // 2),
        ("1969-12-31T23:59:59z", -SECOND),
        ("2026-01-01T00:00:00Z", 1_767_225_600 * SECOND),
        ("2024-02-29T12:00:00-00:30", 1_709_209_800 * SECOND),
    ],
)
def test_instants_are_read(text, instant_ns):
    assert parse_instant(text) == instant_ns


@pytest.mark.parametrize(
    "text",
    ["", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z",
     "2026-01-01T24:00:01Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+25:00", "２026-01-01T00:00:00Z",
     "2026-01-01T00:00:00Z\n"],
)  # fmt: skip
def test_what_is_no_instant_is_refused_with_what_was_wanted(text):
    with pytest.raises(ValueError, match="write it like 2026-01-01T00:00:00Z"):
        parse_instant(text)


@pytest.mark.parametrize(
    ("instant_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_999_999, "1970-01-01T00:00:00.001Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-59_000_000_000 * SECOND, "0100-05-13T15:06:40.000Z"),
    ],
)
def test_instants_are_written_to_the_millisecond(instant_ns, text):
    assert format_instant(instant_ns) == text
