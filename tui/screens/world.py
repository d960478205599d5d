"""World: the Regions, their links, and the newest events."""

from __future__ import annotations

from textual.app import ComposeResult

from tui.picture import Picture
from tui.screens.base import WatchScreen
from tui.service_view import world_services
from tui.view import Row, event_row, world_rows
from tui.widgets.live import Live


class WorldScreen(WatchScreen):
    """Strips and matrix at 80 columns, map and cards from 100."""

    def body(self) -> ComposeResult:
        yield Live(id="world")
        yield Live(id="newest")

    def draw(self, picture: Picture) -> None:
        glyphs, world, newest = self.app.glyphs, self.query_one("#world", Live), self.query_one("#newest", Live)
        width, height = world.size
        rows = world_rows(picture, width, height, glyphs)
        if 60 <= width < 100:
            rows += world_services(picture, height - len(rows), glyphs)
        world.show(rows)
        height = max(0, newest.size.height - 1)
        events = self.app.newest_events(picture, height)
        width = newest.size.width
        head: Row = [(f"{glyphs.ahead * 2} ", "dim"), ("Events ", "hi"), (glyphs.ahead * width, "dim")]
        newest.show([head, *(event_row(event, width, glyphs) for event in events)])
