"""Services: every resource that KMS had to do with, those that are out on top, and why."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding

from tui.picture import Picture, ServiceRow
from tui.screens.base import LIST_KEYS, WatchScreen
from tui.service_view import about_rows, service_row, services_head
from tui.view import Row, in_order
from tui.widgets.live import Live
from tui.widgets.table import Table


class ServicesScreen(WatchScreen):
    """A list, and under it the resource under the cursor."""

    BINDINGS: ClassVar = [*LIST_KEYS, Binding("escape", "app.show_world", show=False)]

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[ServiceRow] = []

    def body(self) -> ComposeResult:
        table = Table(self._row, services_head(0), id="services")
        table.follows = False
        yield table
        yield Live(id="about")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Table).focus()

    def draw(self, picture: Picture) -> None:
        self._shown = in_order(picture.services)
        table = self.query_one(Table)
        table.name_columns(services_head(self.size.width))
        table.draw(len(self._shown))
        row = self._shown[table.cursor] if table.cursor < len(self._shown) else None
        self.query_one("#about", Live).show(about_rows(row, picture.at_ns))

    def _row(self, index: int) -> Row:
        return service_row(self._shown[index], self.size.width, self.app.glyphs)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        table = self.query_one(Table)
        table.move(by)
        table.follows = False
        self.redraw()
