"""Watching a run: it stays the run that nobody watches, and the keys do what they say."""

from __future__ import annotations

import pytest

import regionsim
from tests.snapshot.watched import new_app, over, screen_text, shown, until
from tui.bridge import FLAT_OUT
from tui.picture import Kind


@pytest.fixture(scope="module")
def unwatched():
    return regionsim.run("partition-during-rotation").trace_sha256


@pytest.mark.parametrize("most_hz", [0, 4, 60])
async def test_the_trace_is_the_same_however_often_one_looks(unwatched, most_hz):
    app = new_app("partition-during-rotation", rate=1_200, most_hz=most_hz)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.bridge.is_over)
        assert (app.picture is None) is (most_hz == 0)
    assert app.bridge.error is None
    assert app.bridge.result.trace_sha256 == unwatched
    assert app.bridge.result.verdict is regionsim.Verdict.OK


async def test_pauses_steps_and_speeds_change_nothing_but_when(unwatched):
    app = new_app("partition-during-rotation", rate=600)
    async with shown(app, (120, 40)) as pilot:
        for key in ("space", "full_stop", "full_stop", "n", "right_square_bracket", "K", "2", "E", "space"):
            await pilot.press(key)
            await pilot.pause(0.1)
        await pilot.press("backslash")
        await until(pilot, lambda: app.bridge.is_over)
    assert app.bridge.result.trace_sha256 == unwatched


async def test_space_stops_time_and_lets_it_go_on():
    app = new_app("primary-outage", rate=60)
    async with shown(app, (80, 24)) as pilot:
        await pilot.press("space")
        await until(pilot, lambda: any("PAUSED (60x)" in line for line in screen_text(app)))
        stands_at = app.picture.at_ns
        await pilot.pause(0.6)
        assert app.picture.at_ns == stands_at
        await pilot.press("space")
        await until(pilot, lambda: app.picture.at_ns > stands_at)


async def test_a_step_is_one_event():
    app = new_app("primary-outage", rate=1)
    async with shown(app, (80, 24)) as pilot:
        await pilot.press("space")
        await until(pilot, lambda: app.bridge.is_paused)
        for _ in range(3):
            before = len(app.bridge.events_between(0, 10**9))
            await pilot.press("full_stop")
            await until(pilot, lambda before=before: len(app.bridge.events_between(0, 10**9)) > before)
            await until(pilot, lambda: app.bridge.is_paused)
            # What happens in the same instant comes with it.
            new = app.bridge.events_between(before, 10**9)
            assert len({event.at_ns for event in new}) == 1


async def test_next_stops_at_what_is_notable():
    app = new_app("primary-outage", rate=1)
    async with shown(app, (80, 24)) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: app.bridge.is_paused)
        last = app.bridge.events_between(0, 10**9)[-1]
        assert (last.kind, last.at_ns) == (Kind.FAULT, 600_000_000_000)
        await pilot.press("n")
        await until(pilot, lambda: app.bridge.events_between(0, 10**9)[-1].kind is Kind.DENIED)


async def test_speeds_go_up_to_flat_out():
    app = new_app("quickstart", rate=60)
    async with shown(app, (80, 24)) as pilot:
        for _ in range(12):
            await pilot.press("right_square_bracket")
        assert app.bridge.speed == FLAT_OUT
        await pilot.press("left_square_bracket")
        assert app.bridge.speed == 1_000_000


async def test_a_filter_shows_only_what_has_its_words():
    app = new_app("policy-denials")
    async with shown(app, (120, 40)) as pilot:
        await over(pilot)
        await pilot.press("E", "slash", *"denied", "enter")
        await pilot.pause(0.3)
        shown_lines = [line for line in screen_text(app) if "Encrypt" in line or "Describe" in line]
        assert len(shown_lines) == 7
        assert all("DENIED" in line for line in shown_lines)
        await pilot.press("escape")
        await pilot.pause(0.3)
        assert any("DENIED" not in line for line in screen_text(app) if "Encrypt" in line)


async def test_the_keys_of_another_region_are_that_regions_also_when_the_run_is_over():
    app = new_app("declared-lost", rate=60)
    async with shown(app, (120, 40)) as pilot:
        await pilot.press("K", "2")
        await until(pilot, lambda: any("replica" in line for line in screen_text(app)))
        await pilot.press("backslash")
        await over(pilot)
        for number, role in (("1", "primary"), ("3", "replica"), ("2", "replica")):
            await pilot.press(number)
            await until(pilot, lambda role=role: any(f"$orders          {role}" in line for line in screen_text(app)))
            assert any("1 key" in line for line in screen_text(app))


async def test_every_key_can_be_reached_also_when_the_run_is_over():
    app = new_app("rotation-year")
    async with shown(app, (100, 14)) as pilot:
        await over(pilot)
        await pilot.press("K", "5")
        await until(pilot, lambda: any("$k-1 " in line for line in screen_text(app)))  # on a busy machine: not at once
        await pilot.press("G")
        await until(pilot, lambda: any("$k-100" in line for line in screen_text(app)))
        assert not any("..." in line for line in screen_text(app))
        await pilot.press("g")
        await until(pilot, lambda: any("$k-1 " in line for line in screen_text(app)))
