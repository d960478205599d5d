"""Keys: the KMS keys of one Region, with their state and their rotations."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding

from tui.picture import Picture
from tui.screens.base import LIST_KEYS, WatchScreen
from tui.service_view import uses_rows
from tui.view import KEYS_HEAD, Row, key_row
from tui.widgets.live import Live
from tui.widgets.table import Table


class KeysScreen(WatchScreen):
    """The screen asks for the keys that it shows, and for no others."""

    BINDINGS: ClassVar = [
        *LIST_KEYS,
        Binding("escape", "app.show_world", show=False),
        *(Binding(str(number), f"region({number})", show=False) for number in range(1, 10)),
    ]

    def body(self) -> ComposeResult:
        yield Live(id="regions")
        table = Table(self._row, [(KEYS_HEAD, "dim")], id="keys")
        table.follows = False
        yield table
        yield Live(id="uses")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#uses", Live).display = False
        self.query_one(Table).focus()

    def draw(self, picture: Picture) -> None:
        row: Row = [(" Region ", "dim")]
        for number, name in enumerate(picture.glance.regions, start=1):
            row.append((f" {number} {name} ", "hi cursor" if name == self.app.key_region else ""))
        count = picture.key_count if picture.key_region == self.app.key_region else 0
        row.append((f"  {count:,} key{'s' if count != 1 else ''}", "dim"))
        self.query_one("#regions", Live).show([row])
        table = self.query_one(Table)
        table.draw(count)
        self.app.want_keys(table.first, table.visible_count)
        self._draw_uses(picture)

    def _draw_uses(self, picture: Picture) -> None:
        """What the key under the cursor is for; no line is given away where no service is."""
        uses, table = self.query_one("#uses", Live), self.query_one(Table)
        if uses.display != bool(picture.services):
            uses.display = bool(picture.services)
        if uses.display:
            uses.show(uses_rows(picture, self.app.key_at(table.cursor), uses.size.height, self.app.glyphs))

    def _row(self, index: int) -> Row:
        key = self.app.key_at(index)
        return [("  ...", "dim")] if key is None else key_row(key, self.size.width, self.app.glyphs)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        table = self.query_one(Table)
        table.move(by)
        table.follows = False
        self.app.want_keys(table.first, table.visible_count)
        if self.app.picture is not None:
            self._draw_uses(self.app.picture)

    def action_region(self, number: int) -> None:
        """Show another Region's keys."""
        self.app.show_keys_of(number)
