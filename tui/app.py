"""The terminal app over one run."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import Binding
from textual.theme import BUILTIN_THEMES
from textual.timer import Timer

from regionsim.scenario.report import last_lines
from regionsim.scenario.run import RunOptions
from tui.actions import ACTIONS, speed_after
from tui.bridge import FLAT_OUT, Bridge
from tui.feed import frames_per_second, is_terminal_behind
from tui.picture import EventRow, KeyRow, Picture
from tui.screens.events import EventsScreen
from tui.screens.help import HelpScreen
from tui.screens.keys import KeysScreen
from tui.screens.services import ServicesScreen
from tui.screens.world import WorldScreen
from tui.view import Glyphs

THEMES = tuple(BUILTIN_THEMES)
_AT_REST_HZ = 4.0
"""At rest nothing is drawn; this is how soon a wish is seen to have come true."""


class RegionsimApp(App[int]):
    """Shows a run. `most_hz` bounds how often it looks (0: never by itself)."""

    CSS_PATH = Path(__file__).with_name("theme.tcss")
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [
        *(
            Binding(action.keys, action.id, action.label, id=action.id, tooltip=action.about)
            for action in ACTIONS
            if action.id not in {"filter", "explain"}
        ),
        Binding("ctrl+c", "copy_or_quit", show=False, priority=True),
    ]
    SCREENS: ClassVar = {"world": WorldScreen, "keys": KeysScreen, "services": ServicesScreen, "events": EventsScreen}

    def __init__(self, bridge: Bridge, *, glyphs: Glyphs, theme: str | None = None, most_hz: float = 10.0) -> None:
        super().__init__()
        self.bridge = bridge
        self.glyphs = glyphs
        self.picture: Picture | None = None
        self.key_region = bridge.scenario.world.regions[0]
        self._most_hz = most_hz
        self._window = (0, 50)
        self._since_look = 0.0
        self._timer: Timer | None = None
        self._is_interrupted_once = False
        if theme is not None:
            self.theme = theme

    def on_mount(self) -> None:
        """Begin the run, and to look."""
        self.push_screen("world")
        self.bridge.begin()
        if self._most_hz:
            self._timer = self.set_interval(1 / max(self._most_hz, _AT_REST_HZ), self.tick)

    def on_unmount(self) -> None:
        """End the run."""
        self.bridge.stop()

    # Looking.

    def tick(self) -> None:
        """Take the newest picture and ask for the next one, as often as the pace calls for."""
        assert self._timer is not None
        self._since_look += 1 / max(self._most_hz, _AT_REST_HZ)
        watched_rate = 0.0 if self.bridge.is_paused else self.bridge.speed
        hz = frames_per_second(watched_rate, most=self._most_hz) or _AT_REST_HZ
        if self._since_look + 1e-6 < 1 / hz:
            return
        self._since_look = 0.0
        self.look()

    def look(self) -> None:
        """Draw the newest picture, unless it is drawn already, and ask for another one."""
        if is_terminal_behind(self._driver):
            return
        newest = self.bridge.picture
        if newest is not None and newest is not self.picture:
            is_same = self.picture is not None and newest == self.picture
            self.picture = newest
            if not is_same:
                self.redraw()
        if self.bridge.is_over and self.bridge.picture is not None and not self.bridge.picture.verdict:
            self.bridge.tell_end()
        self.bridge.ask(self.key_region, *self._window)

    def redraw(self) -> None:
        """Draw the screen on top."""
        frame = getattr(self.screen, "frame", None)
        if frame is not None:
            frame(self.picture)

    # What screens ask for.

    def newest_events(self, picture: Picture, count: int) -> list[EventRow]:
        """The last events of a picture, oldest first."""
        return self.bridge.events_between(picture.event_count - count, picture.event_count)

    def events_after(self, picture: Picture, number: int) -> list[EventRow]:
        """A picture's events with a higher number, oldest first, as far as they are kept."""
        return self.bridge.events_between(number, picture.event_count)

    def want_keys(self, offset: int, count: int) -> None:
        """Ask for this window of keys from now on."""
        self._window = (offset, count)

    def key_at(self, index: int) -> KeyRow | None:
        """The key on that line of the Region that is looked at, when it has come."""
        picture = self.picture
        if picture is None or picture.key_region != self.key_region:
            return None
        index -= picture.key_offset
        return picture.keys[index] if 0 <= index < len(picture.keys) else None

    def show_keys_of(self, number: int) -> None:
        """Look at another Region's keys."""
        regions = self.bridge.scenario.world.regions
        if number <= len(regions):
            self.key_region, self._window = regions[number - 1], (0, self._window[1])
            self.look()

    # Actions.

    def action_toggle_pause(self) -> None:
        """Run or stop."""
        if self.bridge.is_paused:
            self.bridge.resume()
        else:
            self.bridge.pause()
        self.look()

    def action_next_event(self) -> None:
        """On to the next event."""
        self.bridge.go_to_next(notable=False)

    def action_next_notable(self) -> None:
        """On to the next notable event."""
        self.bridge.go_to_next(notable=True)

    def action_slower(self) -> None:
        """A slower speed."""
        self.bridge.set_speed(speed_after(self.bridge.speed, faster=False))
        self.look()

    def action_faster(self) -> None:
        """A faster speed."""
        self.bridge.set_speed(speed_after(self.bridge.speed, faster=True))
        self.look()

    def action_flat_out(self) -> None:
        """As fast as it goes."""
        self.bridge.set_speed(FLAT_OUT)
        self.look()

    def action_show_world(self) -> None:
        """The World screen."""
        self.switch_screen("world")

    def action_show_keys(self) -> None:
        """The Keys screen."""
        self.switch_screen("keys")

    def action_show_services(self) -> None:
        """The Services screen."""
        self.switch_screen("services")

    def action_show_events(self) -> None:
        """The Events screen."""
        self.switch_screen("events")

    def action_open_help(self) -> None:
        """All keys and signs."""
        self.push_screen(HelpScreen())

    def action_copy_or_quit(self) -> None:
        """Copy what is selected; without a selection, quit when pressed twice."""
        selected = self.screen.get_selected_text()
        if selected:
            self.copy_to_clipboard(selected)
            return
        if self._is_interrupted_once:
            self.exit(0)
            return
        self._is_interrupted_once = True
        self.notify("press ctrl+c again to quit, or q")
        self.set_timer(2.0, self._forget_interrupt)

    def _forget_interrupt(self) -> None:
        self._is_interrupted_once = False

    async def action_quit(self) -> None:
        """End the run and leave."""
        self.exit(0)


def summary(bridge: Bridge) -> list[str]:
    """What is printed on the normal screen once the app is gone."""
    if bridge.result is None:
        return ["the run was ended before it had a result"]
    return last_lines(bridge.result, RunOptions(seed=bridge.seed))
