"""Help: every key, and what the signs mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from tui.actions import ACTIONS
from tui.view import Row
from tui.widgets.live import Live

if TYPE_CHECKING:
    from tui.app import RegionsimApp


class HelpScreen(ModalScreen[None]):
    """The table of actions, and the legend."""

    app: RegionsimApp
    BINDINGS: ClassVar = [Binding("escape,q,question_mark,enter,space", "dismiss", show=False, priority=True)]

    def compose(self) -> ComposeResult:
        yield Live(id="help")

    def on_mount(self) -> None:
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        g = self.app.glyphs
        rows: list[Row] = [[("Keys", "hi")]]
        rows += [
            [(f"  {action.shown:<6}", "key"), (f"{action.label:<13}", ""), (action.about, "dim")] for action in ACTIONS
        ]
        rows += [
            [("  1..9  ", "key"), ("a Region     ", ""), ("on the Keys screen: its keys", "dim")],
            [],
            [("Signs", "hi")],
            [(f"  {g.up} up  {g.slow} owes another Region something  {g.down} down  {g.cut} cut off", "")],
            [(f"  {g.ok} answered  {g.denied} denied  {g.failed} refused or no answer  {g.change} a key changed", "")],
            [(f"  {g.primary} primary  {g.full} an HSM that serves  {g.empty} one that does not", "")],
            [("esc Back", "key")],
        ]
        self.query_one("#help", Live).show(rows)
