"""One denied call, explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from tui.denial import denial_rows
from tui.picture import EventRow
from tui.view import Row
from tui.widgets.live import Live

if TYPE_CHECKING:
    from tui.app import RegionsimApp


class DenialScreen(Screen[None]):
    """AWS's sentence, the layers, the nearest miss, the fixes."""

    app: RegionsimApp
    BINDINGS: ClassVar = [
        Binding("escape,q,e,enter", "dismiss", show=False, priority=True),
        Binding("up,k", "scroll_by(-1)", show=False),
        Binding("down,j", "scroll_by(1)", show=False),
    ]

    def __init__(self, event: EventRow) -> None:
        super().__init__()
        self._event = event
        self._offset = 0
        self._lines: list[Row] = []

    def compose(self) -> ComposeResult:
        yield Live(id="denial")
        yield Live(id="footer")

    def on_mount(self) -> None:
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def action_scroll_by(self, by: int) -> None:
        """Move up or down."""
        page = self.query_one("#denial", Live)
        self._offset = max(0, min(self._offset + by, len(self._lines) - page.size.height))
        self._draw()

    def _draw(self) -> None:
        page = self.query_one("#denial", Live)
        self._lines = denial_rows(self._event, page.size.width)
        page.show(self._lines[self._offset :])
        self.query_one("#footer", Live).show([[(" esc Back  up/down Scroll", "key")]])
