"""The screens of the terminal app as text, at the sizes that people have; the golden ones are beside this file.

`REWRITE_SCREENS=1 pytest tests/snapshot` writes them anew: look at what changed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.snapshot.watched import new_app, over, screen_text, shown
from tui.view import ASCII, UNICODE

HERE = Path(__file__).parent
SIZES = {"80x24": (80, 24), "120x40": (120, 40)}


def hold(name: str, lines: list[str]) -> None:
    path = HERE / f"{name}.txt"
    text = "\n".join(lines) + "\n"
    if os.environ.get("REWRITE_SCREENS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("scenario", "screens"),
    [
        ("primary-outage", {"world": []}),
        ("declared-lost", {"keys": ["K"]}),
        ("policy-denials", {"events": ["E"], "denial": ["e"]}),
        ("what-services-users-see", {"services": ["S"], "keys_of_services": ["K"], "world_of_services": ["W"]}),
        ("quickstart", {"help": ["question_mark"]}),
    ],
)
async def test_screens_at_the_end_of_a_run(scenario, screens):
    app = new_app(scenario)
    async with shown(app, SIZES["80x24"]) as pilot:
        await over(pilot)
        for name, keys in screens.items():
            await pilot.press(*keys)
            for size, (width, height) in SIZES.items():
                await pilot.resize_terminal(width, height)
                await pilot.pause(0.3)
                lines = screen_text(app)
                assert all(len(line) <= width for line in lines)
                hold(f"{name}_{size}", lines)


async def test_ascii_glyphs_need_nothing_but_ascii():
    app = new_app("declared-lost", glyphs=ASCII)
    async with shown(app, (80, 24)) as pilot:
        await over(pilot)
        lines = [line for line in screen_text(app) if not set(line) <= set("─━ ")]  # the frame is Textual's
        assert all(line.isascii() for line in lines)


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (59, 15), (200, 60)])
async def test_no_size_breaks_a_screen(size):
    app = new_app("quickstart", glyphs=UNICODE)
    async with shown(app, size) as pilot:
        await over(pilot)
        for key in ("K", "S", "E", "W"):
            await pilot.press(key)
            await pilot.pause(0.1)
        await pilot.resize_terminal(80, 24)
        await pilot.pause(0.3)
        assert any("us-east-1" in line for line in screen_text(app))


async def test_without_colors_nothing_is_colored(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = new_app("policy-denials", theme="ansi-dark")
    async with shown(app, (80, 24)) as pilot:
        await over(pilot)
        styles = [
            segment.style
            for live in app.screen.query("Live")
            for strip in live._strips
            for segment in strip
            if segment.style
        ]
        assert styles
        assert all(style.color is None for style in styles)
