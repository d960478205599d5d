"""The line under the cursor can be told from the others, and read, on a dark terminal as on a bright one."""

from __future__ import annotations

from textual.app import App, ComposeResult

from tui.widgets.table import Table


class Listing(App[None]):
    """A list of three lines."""

    def compose(self) -> ComposeResult:
        yield Table(lambda index: [(f"line {index}", ""), (" denied", "bad")], id="list")


async def test_the_line_under_the_cursor_is_reversed_and_not_painted_black():
    app = Listing()
    async with app.run_test(size=(30, 5)) as pilot:
        table = app.query_one(Table)
        table.focus()
        await pilot.pause()
        table.draw(3)
        plain, here = ([part.style for part in table.render_line(y) if part.text.strip()] for y in (1, 2))
    assert [style.reverse for style in plain] == [None, None]
    assert [style.reverse for style in here] == [True, True]
    assert here[0].color is None  # the terminal's own
    assert here[1].color == plain[1].color
