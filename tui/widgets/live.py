"""A widget that is drawn from rows, and repaints only the lines that changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.view import Row, fitted


class Live(Widget):
    """Shows the rows it is given, one a line."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"ok", "warn", "bad", "dim", "hi", "key", "land", "cursor"}
    DEFAULT_CSS = """
    Live > .ok { color: $text-success; }
    Live > .warn { color: $text-warning; }
    Live > .bad { color: $text-error; text-style: bold; }
    Live > .dim { color: $text-muted; }
    Live > .hi { color: $text-accent; text-style: bold; }
    Live > .key { color: $text-primary; }
    Live > .land { color: $foreground 22%; }
    Live > .cursor { text-style: reverse; }
    """

    def __init__(self, *, id: str | None = None, can_focus: bool = False) -> None:
        super().__init__(id=id)
        self.can_focus = can_focus
        self._rows: list[Row] = []
        self._strips: list[Strip] = []
        self._styles: dict[tuple[str, str, bool], Style] = {}

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows instead."""
        width, height = self.size
        self._rows = [list(row) for row in rows[:height]]
        new = [self._strip(row, width) for row in self._rows]
        new += [self._strip([], width)] * (height - len(new))
        old, self._strips = self._strips, new
        if len(old) != len(new):
            self.refresh()
            return
        changed = [Region(0, y, width, 1) for y in range(height) if old[y] != new[y]]
        if changed:
            self.refresh(*changed)

    @property
    def rows(self) -> list[Row]:
        """What is shown."""
        return self._rows

    def render_line(self, y: int) -> Strip:
        """One line."""
        if y < len(self._strips) and self._strips[y].cell_length == self.size.width:
            return self._strips[y]
        return self._strip(self._rows[y] if y < len(self._rows) else [], self.size.width)

    def _strip(self, row: Row, width: int) -> Strip:
        return Strip([Segment(text, self._style(role)) for text, role in fitted(row, width)], width)

    def _style(self, role: str) -> Style:
        if not role:
            return Style.null()
        key = (role, self.app.theme, self.app.no_color)
        style = self._styles.get(key)
        if style is None:
            found = Style.combine([self._style(part) for part in role.split()]) if " " in role else self._one(role)
            style = self._styles[key] = found
        return style

    def _one(self, role: str) -> Style:
        visual = self.get_visual_style(role, partial=True)
        found = visual.rich_style
        # Without a background, which would paint bars; without a color where the terminal is to have none, or the role
        # has none: what is not there is black to Textual, and a black line is seen by nobody.
        has_color = visual.foreground is not None and visual.foreground.a > 0
        color = found.color if has_color and not self.app.no_color else None
        # Textual leaves `reverse` out of what is partial.
        is_reversed = bool(self.get_component_styles(role).text_style.reverse)
        return Style(color=color, bold=found.bold or None, reverse=is_reversed or None)
