"""What every screen has: a title above, the time bar and the footer below, and a picture to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from tui.actions import footer_text
from tui.picture import Picture
from tui.view import fitted, time_row, title_row
from tui.widgets.live import Live

if TYPE_CHECKING:
    from tui.app import RegionsimApp


_TO_THE_END = 1_000_000_000

LIST_KEYS = (
    Binding("up,k", "move(-1)", show=False),
    Binding("down,j", "move(1)", show=False),
    Binding("pageup,ctrl+u", "move(-20)", show=False),
    Binding("pagedown,ctrl+d", "move(20)", show=False),
    Binding("g,home", f"move(-{_TO_THE_END})", show=False),
    Binding("G,end", f"move({_TO_THE_END})", show=False),
)
"""How one moves in a list, on every screen that has one."""


class WatchScreen(Screen[None]):
    """A screen over the run. Subclasses give `body` and draw it."""

    app: RegionsimApp
    BINDINGS: ClassVar = []

    def compose(self) -> ComposeResult:
        yield Live(id="title")
        yield from self.body()
        yield Live(id="caption")
        yield Live(id="time")
        yield Live(id="footer")

    def body(self) -> ComposeResult:
        """The widgets between title and time bar."""
        raise NotImplementedError  # pragma: no cover - every screen has a body

    def draw(self, picture: Picture) -> None:
        """Draw the body."""
        raise NotImplementedError  # pragma: no cover - every screen has a body

    def frame(self, picture: Picture | None) -> None:
        """Draw everything; before there is a picture, say so."""
        if not self.query("#footer"):
            return  # switched to just now, and its widgets are not there yet
        width = self.size.width
        footer = self.query_one("#footer", Live)
        footer.show([fitted([(footer_text(width), "key")], width)])
        if picture is None:
            self.query_one("#title", Live).show([[("regionsim  the Regions boot", "hi")]])
            return
        glyphs = self.app.glyphs
        self.query_one("#title", Live).show([title_row(picture, width, glyphs)])
        self.query_one("#time", Live).show([time_row(picture, width, glyphs, speed=self.app.bridge.speed)])
        caption = picture.verdict or picture.caption
        self.query_one("#caption", Live).show([fitted([(f" {caption}", "hi" if picture.verdict else "")], width)])
        self.draw(picture)

    def on_mount(self) -> None:
        """Draw once there is a size."""
        self.call_after_refresh(self.redraw)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.call_after_refresh(self.redraw)

    def on_screen_resume(self) -> None:
        """Draw what has happened meanwhile."""
        self.call_after_refresh(self.redraw)

    def redraw(self) -> None:
        """Draw the newest picture again."""
        self.frame(self.app.picture)
