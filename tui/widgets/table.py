"""A list of any length under a cursor: only the lines on the screen are ever made."""

from __future__ import annotations

from collections.abc import Callable

from tui.view import Row
from tui.widgets.live import Live


class Table(Live):
    """`row_at(index)` makes a line when it is on the screen. Following, it stays at the end."""

    def __init__(self, row_at: Callable[[int], Row], head: Row | None = None, *, id: str) -> None:
        super().__init__(id=id, can_focus=True)
        self._row_at = row_at
        self._head = head
        self.count = 0
        self.first = 0
        self.cursor = 0
        self.follows = True

    @property
    def visible_count(self) -> int:
        """How many lines of the list fit."""
        return max(0, self.size.height - (self._head is not None))

    def name_columns(self, head: Row) -> None:
        """Have these words over the columns from now on."""
        self._head = head

    def draw(self, count: int) -> None:
        """Show the list as it is now, of so many lines."""
        self.count = count
        if self.follows:
            self.cursor = max(0, count - 1)
        self.cursor = max(0, min(self.cursor, count - 1))
        visible = self.visible_count
        if self.cursor < self.first:
            self.first = self.cursor
        if self.cursor >= self.first + visible:
            self.first = self.cursor - visible + 1
        self.first = max(0, min(self.first, max(0, count - visible)))
        rows = [] if self._head is None else [self._head]
        for index in range(self.first, min(count, self.first + visible)):
            row = self._row_at(index)
            is_here = index == self.cursor and self.has_focus
            rows.append([(text, f"{role} cursor".strip()) for text, role in row] if is_here else row)
        self.show(rows)

    def move(self, by: int) -> None:
        """Move the cursor; at the end the list follows again."""
        self.cursor = max(0, min(self.count - 1, self.cursor + by))
        self.follows = self.cursor >= self.count - 1
        self.draw(self.count)
