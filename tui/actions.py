"""What can be done, once: the keys, the footer, the help and the command palette are made from this table."""

from __future__ import annotations

from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action. `keys` are Textual's names; `shown` is how people write them; the footer has only the `is_first`."""

    id: str
    keys: str
    shown: str
    label: str
    about: str
    is_first: bool = True


ACTIONS = (
    Action(id="toggle_pause", keys="space", shown="space", label="Stop", about="stop time, or let it go on"),
    Action(id="next_event", keys="full_stop", shown=".", label="Step", about="on to the next event, and stop there"),
    Action(id="next_notable", keys="n,greater_than_sign", shown="n", label="Next",
           about="on to the next fault, denial, rotation or failed expectation, and stop there"),
    Action(id="slower", keys="left_square_bracket", shown="[", label="Slower", about="a slower speed", is_first=False),
    Action(id="faster", keys="right_square_bracket", shown="[]", label="Speed",
           about="slower, faster; the last speed is flat out"),
    Action(id="flat_out", keys="backslash", shown="\\", label="Flat out", about="as fast as it goes", is_first=False),
    Action(id="show_world", keys="W", shown="W", label="World", about="the Regions, their links, what they do"),
    Action(id="show_keys", keys="K", shown="K", label="Keys", about="the KMS keys of one Region"),
    Action(id="show_services", keys="S", shown="S", label="Services",
           about="what KMS keeps from the users of services, and why", is_first=False),
    Action(id="show_events", keys="E", shown="E", label="Events", about="what happened, newest last"),
    Action(id="filter", keys="slash", shown="/", label="Filter",
           about="show only events with these words", is_first=False),
    Action(id="explain", keys="e,enter", shown="e", label="Explain",
           about="why the denial under the cursor was one", is_first=False),
    Action(id="open_help", keys="question_mark", shown="?", label="Help", about="all keys and signs"),
    Action(id="quit", keys="q", shown="q", label="Quit", about="end the run and leave"),
)  # fmt: skip

SPEEDS = (0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 36_000.0, 86_400.0, 1_000_000.0, float("inf"))
"""Virtual seconds per second, from the slowest to flat out."""


def speed_after(speed: float, *, faster: bool) -> float:
    """The next speed of the table."""
    if faster:
        return next((known for known in SPEEDS if known > speed), SPEEDS[-1])
    return next((known for known in reversed(SPEEDS) if known < speed), SPEEDS[0])


def footer_text(width: int) -> str:
    """The footer's line: the first actions, as many as fit, help and quit always."""
    first = [action for action in ACTIONS if action.is_first]
    always = [action for action in first if action.id in {"open_help", "quit"}]
    shown = list(first)
    while shown != always and len(_line(shown)) > width:
        shown.remove(next(action for action in reversed(shown) if action not in always))
    return _line(shown)[:width]


def _line(actions: list[Action]) -> str:
    return " " + "  ".join(f"{action.shown} {action.label}" for action in actions)
