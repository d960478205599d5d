"""The trace: every event of a run in order, its digest, and its file.

One event is one JSON line: `t_ns`, `region`, `kind`, then the fields in the order in which they were emitted, no
spaces, ASCII. The digest is SHA-256 over these lines, each with its line feed. A trace holds names, states, times and
codes: never an output of cryptography nor anything of the wall clock, or two runs of one seed would differ. So fields
are text, numbers, booleans or None; bytes are refused.

    {"scenario":"quickstart","seed":7}                                      <- a file's first line: its header
    {"t_ns":1500,"region":"us-east-1","kind":"call","operation":"Encrypt"}
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from json.encoder import encode_basestring_ascii
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TextIO

FieldValue = str | int | float | bool | None

_RESERVED = frozenset({"t_ns", "region", "kind"})
_HASHED_AT_ONCE = 256


class _Quoted(dict[str, str]):
    """Regions, kinds and field names as JSON text with what stands around them; there are few, so each is kept."""

    def __init__(self, before: str, after: str) -> None:
        super().__init__()
        self._before = before
        self._after = after

    def __missing__(self, text: str) -> str:
        quoted = self[text] = self._before + encode_basestring_ascii(text) + self._after
        return quoted


def _finite(value: float) -> str:
    assert math.isfinite(value), f"the trace holds finite numbers, not {value}"
    return repr(value)


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: encode_basestring_ascii,
    int: int.__repr__,
    float: _finite,
    bool: lambda value: "true" if value else "false",
    type(None): lambda value: "null",
}
_region_text = _Quoted(',"region":', ',"kind":')
_kind_text = _Quoted("", "")
_name_text = _Quoted(",", ":")


class Event(NamedTuple):
    """Something that happened in `region` (empty: in none) at the virtual instant `t_ns`."""

    t_ns: int
    region: str
    kind: str
    fields: dict[str, FieldValue]


_new_tuple = tuple.__new__

Sink = Callable[[Event], None]

LineSink = Callable[[bytes], None]
"""Takes some events' lines, each with its line feed."""


def event_line(event: Event) -> str:
    """The event as its canonical JSON line, without the line feed.

    Written by hand, equal to `json.dumps` with no spaces and 2.5 times as fast; a run hashes every event.
    """
    t_ns, region, kind, fields = event
    line = f'{{"t_ns":{t_ns}{_region_text[region]}{_kind_text[kind]}'
    for name, value in fields.items():
        line += _name_text[name] + _WRITERS[type(value)](value)
    return line + "}"


class _Sinks(dict[str, tuple[Sink, ...]]):
    """Kind -> who wants events of that kind, in the order in which they came; found once for each kind."""

    def __init__(self) -> None:
        super().__init__()
        self._all: list[tuple[Sink, frozenset[str] | None]] = []

    def add(self, sink: Sink, kinds: Iterable[str] | None) -> None:
        self._all.append((sink, None if kinds is None else frozenset(kinds)))
        self.clear()

    def remove(self, sink: Sink) -> None:
        self._all = [entry for entry in self._all if entry[0] != sink]
        self.clear()

    def __missing__(self, kind: str) -> tuple[Sink, ...]:
        found = self[kind] = tuple(sink for sink, kinds in self._all if kinds is None or kind in kinds)
        return found


class Trace:
    """The events of a run: counted, hashed, the latest kept, each handed to the sinks.

    `has_digest=False` is for real time, where no two runs are equal: no lines are written, and nothing is hashed. With
    `recent_count=0` besides, an event that nobody wants to hear is only counted.
    """

    def __init__(self, now: Callable[[], int], *, recent_count: int = 2000, has_digest: bool = True) -> None:
        self._now = now
        self._has_digest = has_digest
        self._keeps_nothing = not has_digest and not recent_count
        self._recent: deque[Event] = deque(maxlen=recent_count)
        self._unhashed: list[str] = []
        self._hash = hashlib.sha256()
        self._hashed_count = 0
        self._sinks = _Sinks()
        self._line_sinks: list[LineSink] = []

    def emit(self, region: str, kind: str, /, **fields: FieldValue) -> None:
        """Note an event at this instant. Fields are not called `t_ns`, `region` or `kind`, and never hold bytes."""
        if self._keeps_nothing and not self._sinks[kind]:
            self._hashed_count += 1
            return
        assert _RESERVED.isdisjoint(fields), f"an event's own {sorted(_RESERVED)} are no fields"
        # What Event(...) does, without its call: every call of a run is told of five times.
        event = _new_tuple(Event, (self._now(), region, kind, fields))
        if self._has_digest:
            try:
                line = event_line(event)
            except KeyError:  # a field's type has no writer
                event = event._replace(fields={name: _plain(name, value) for name, value in fields.items()})
                line = event_line(event)
            unhashed = self._unhashed
            unhashed.append(line)
            if len(unhashed) >= _HASHED_AT_ONCE:
                self._hash_waiting()
        else:
            self._hashed_count += 1
        self._recent.append(event)
        for sink in self._sinks[kind]:
            sink(event)

    @property
    def count(self) -> int:
        """Events so far."""
        return self._hashed_count + len(self._unhashed)

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal over the lines of all events so far; the header of a file is not part of it."""
        assert self._has_digest, "a trace of real time has no digest"
        self._hash_waiting()
        return self._hash.hexdigest()

    def recent(self, n: int) -> list[Event]:
        """The last `n` events, oldest first; fewer when fewer are kept."""
        return list(self._recent)[-n:] if n > 0 else []

    def add_sink(self, sink: Sink, kinds: Iterable[str] | None = None) -> None:
        """Hand every event from now on (of these kinds; None: of any) to `sink`, which must not change it."""
        self._sinks.add(sink, kinds)

    def remove_sink(self, sink: Sink) -> None:
        """Hand no event to `sink` any more."""
        self._sinks.remove(sink)

    def add_line_sink(self, sink: LineSink) -> None:
        """Hand the canonical lines, as they are hashed, to `sink`: many at once, all of them once `digest` was asked
        for."""
        self._line_sinks.append(sink)

    def _hash_waiting(self) -> None:
        waiting, self._unhashed = self._unhashed, []
        if waiting:
            lines = ("\n".join(waiting) + "\n").encode("ascii")
            self._hash.update(lines)
            self._hashed_count += len(waiting)
            for sink in self._line_sinks:
                sink(lines)


class JsonLinesSink:
    """Writes events to a file, behind a header line. A context manager; `close()` writes the rest.

    `where` is a path, or an open file, which stays open.
    """

    def __init__(self, where: str | Path | TextIO, header: Mapping[str, Any]) -> None:
        self._is_own = isinstance(where, str | Path)
        if isinstance(where, str | Path):
            self._file: TextIO = Path(where).open("w", encoding="ascii", newline="\n")  # noqa: SIM115 - see close()
        else:
            self._file = where
        self._file.write(json.dumps(dict(header), separators=(",", ":"), allow_nan=False) + "\n")

    def __call__(self, event: Event) -> None:
        self._file.write(event_line(event) + "\n")

    def __enter__(self) -> JsonLinesSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is buffered and close the file; harmless a second time."""
        if self._is_own:
            self._file.close()
        else:
            self._file.flush()


def read_trace(path: str | Path) -> tuple[dict[str, Any], Iterator[Event]]:
    """A trace file's header and its events, which are read as they are asked for.

    Errors: OSError; ValueError `path:line: what is wrong` for a file that is no trace, also while iterating.
    """
    path = Path(path)
    with path.open("rb") as lines:
        return _object(path, 1, lines.readline()), _read_events(path)


def _read_events(path: Path) -> Iterator[Event]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if number == 1:
                continue
            fields = _object(path, number, line)
            try:
                t_ns, region, kind = (fields.pop(name) for name in ("t_ns", "region", "kind"))
            except KeyError as missing:
                raise ValueError(f"{path}:{number}: an event without {missing}") from None
            yield Event(t_ns, region, kind, fields)


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        raise ValueError(f"{path}:{number}: not a line of JSON; a trace has one object on each line") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}:{number}: not a JSON object; a trace has one object on each line")
    return found


def _plain(name: str, value: object) -> FieldValue:
    """An enum's member as its text or number. Anything that is no plain value is a bug at the place that emits it."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | float):
        return value if isinstance(value, bool) else value + 0
    assert value is None, f"the trace holds text, numbers, booleans and None; '{name}' is {type(value).__name__}"
    return None
