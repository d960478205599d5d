"""Where two traces begin to differ."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError
from regionsim.runtime.trace import Event, event_line, read_trace
from regionsim.scenario.transcript import clock

_EVENTS_BEFORE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first event that differs: its number (from 1), what came before it in both, and it itself in each trace
    (None: that one has ended)."""

    number: int
    before: tuple[Event, ...]
    first: Event | None
    second: Event | None

    @property
    def fields(self) -> tuple[str, ...]:
        """Which parts of the two events differ."""
        if self.first is None or self.second is None:
            return ()
        one, other = _parts(self.first), _parts(self.second)
        return tuple(name for name in {**one, **other} if one.get(name) != other.get(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How two traces compare: `heads` are the members of the header lines that differ, `difference` None: no event."""

    heads: tuple[tuple[str, Any, Any], ...]
    events: int
    difference: Difference | None


def compare(first: str, second: str) -> Comparison:
    """The comparison of two trace files. Errors: ConfigError for a file that is no trace or cannot be read."""
    head_one, events_one = _read(first)
    head_two, events_two = _read(second)
    names = sorted({**head_one, **head_two})
    heads = tuple(
        (name, head_one.get(name), head_two.get(name)) for name in names if head_one.get(name) != head_two.get(name)
    )
    before: deque[Event] = deque(maxlen=_EVENTS_BEFORE)
    number = 0
    for number, (one, two) in enumerate(zip_longest(_told(events_one), _told(events_two)), start=1):
        if one != two:
            found = Difference(number=number, before=tuple(before), first=one, second=two)
            return Comparison(heads=heads, events=number, difference=found)
        before.append(one)
    return Comparison(heads=heads, events=number, difference=None)


def lines(comparison: Comparison, first: str, second: str) -> Iterator[str]:
    """The comparison for people."""
    for name, one, other in comparison.heads:
        yield f"header    {name}: {one} | {other}"
    found = comparison.difference
    if found is None:
        yield f"equal     {comparison.events:,} events"
        return
    event = found.first or found.second
    assert event is not None, "one of them goes on"
    yield f"differs   event {found.number:,}, at {clock(event.t_ns)} in {event.region or 'no Region'}"
    yield from (f"  =       {event_line(known)}" for known in found.before)
    for mark, name, known in (("<", first, found.first), (">", second, found.second)):
        yield f"  {mark}       {f'{name} has ended' if known is None else event_line(known)}"
    if found.fields:
        yield f"fields    {', '.join(found.fields)}"


def _read(path: str) -> tuple[dict[str, Any], Iterator[Event]]:
    try:
        return read_trace(path)
    except OSError as error:
        raise ConfigError(f"the trace '{path}' cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _told(events: Iterator[Event]) -> Iterator[Event]:
    try:
        yield from events
    except (OSError, ValueError) as error:
        raise ConfigError(str(error)) from None


def _parts(event: Event) -> dict[str, Any]:
    return {"t_ns": event.t_ns, "region": event.region, "kind": event.kind, **event.fields}
