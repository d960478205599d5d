"""A run and its app, for tests."""

from __future__ import annotations

from contextlib import asynccontextmanager

from regionsim.cli.play import ends_at_ns
from regionsim.scenario.library import find_scenario
from regionsim.scenario.load import load_scenario
from tui.app import RegionsimApp
from tui.bridge import FLAT_OUT, Bridge
from tui.view import UNICODE, Glyphs


def new_app(
    name: str, *, rate: float = FLAT_OUT, glyphs: Glyphs = UNICODE, most_hz: float = 10.0, theme: str | None = None
) -> RegionsimApp:
    scenario = load_scenario(find_scenario(name))
    bridge = Bridge(scenario, rate=rate, end_ns=ends_at_ns(scenario))
    return RegionsimApp(bridge, glyphs=glyphs, most_hz=most_hz, theme=theme)


def screen_text(app: RegionsimApp) -> list[str]:
    """What a person sees, line by line."""
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


async def until(pilot, holds, *, seconds: float = 30.0) -> None:
    """Wait until something holds."""
    for _ in range(int(seconds / 0.05)):
        if holds():
            return
        await pilot.pause(0.05)
    raise AssertionError("it did not come about:\n" + "\n".join(screen_text(pilot.app)))


@asynccontextmanager
async def shown(app: RegionsimApp, size: tuple[int, int]):
    """The app in a terminal of that size, with its first picture drawn."""
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.picture is not None)
        yield pilot


async def over(pilot) -> None:
    """Wait for the run's end, and for its last picture."""
    await until(pilot, lambda: pilot.app.picture is not None and bool(pilot.app.picture.verdict))
    await pilot.pause(0.3)
