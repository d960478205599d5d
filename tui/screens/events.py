"""Events: everything that happened, a filter over it, and the way into a denial."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Input

from tui.picture import EventRow, Kind, Picture
from tui.screens.base import LIST_KEYS, WatchScreen
from tui.screens.denial import DenialScreen
from tui.view import Row, event_row
from tui.widgets.table import Table


class EventsScreen(WatchScreen):
    """The list follows the run while the cursor is at its end."""

    BINDINGS: ClassVar = [
        *LIST_KEYS,
        Binding("slash", "filter", show=False),
        Binding("e,enter", "explain", show=False),
        Binding("escape", "clear", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._found: list[EventRow] = []
        self._seen = 0
        self._words: tuple[str, ...] = ()

    def body(self) -> ComposeResult:
        yield Input(placeholder="words that an event must have, like: denied eu-west-1", id="filter")
        yield Table(self._row, id="events")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#filter", Input).display = False
        self.query_one(Table).focus()

    def draw(self, picture: Picture) -> None:
        self._take_new(picture)
        self.query_one(Table).draw(len(self._found))

    def _take_new(self, picture: Picture) -> None:
        """Look at what came since the last frame, and at nothing twice."""
        new = self.app.events_after(picture, self._seen)
        if new:
            self._seen = new[-1].number
            self._found += [event for event in new if all(word in event.text for word in self._words)]

    def _row(self, index: int) -> Row:
        return event_row(self._found[index], self.size.width, self.app.glyphs)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.query_one(Table).move(by)

    def action_filter(self) -> None:
        """Ask for the words."""
        words = self.query_one("#filter", Input)
        words.display = True
        words.focus()

    def action_clear(self) -> None:
        """Show all events again; without a filter, go back."""
        if not self._words and not self.query_one("#filter", Input).display:
            self.app.action_show_world()
            return
        self.query_one("#filter", Input).value = ""
        self._apply("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Use the words that were entered."""
        self._apply(event.value)

    def _apply(self, text: str) -> None:
        self._words, self._found, self._seen = tuple(text.lower().split()), [], 0
        words, table = self.query_one("#filter", Input), self.query_one(Table)
        words.display = bool(self._words)
        table.follows = True
        table.focus()
        self.redraw()

    def action_explain(self) -> None:
        """Open the denial under the cursor, or the last one before it."""
        upto = self._found[: self.query_one(Table).cursor + 1]
        denied = next((event for event in reversed(upto) if event.kind is Kind.DENIED), None)
        if denied is None:
            self.notify("no call was denied up to the cursor")
            return
        self.app.push_screen(DenialScreen(denied))
