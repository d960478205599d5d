"""When faults end by themselves: instants of the world's time, which passes with the machine's and is moved on."""

from __future__ import annotations

from collections.abc import Mapping

from regionsim.faults.kinds import Fault


class Endings:
    """The faults of one world that were begun for a while, and until when (nanoseconds since 1970, world's clock).

    `on` are the faults that are on, by name: one that was ended before has no end any more, even if another has its
    name.
    """

    def __init__(self) -> None:
        self._set: dict[str, tuple[int, Fault]] = {}

    def add(self, name: str, fault: Fault, at_ns: int) -> None:
        """Let a fault that has just begun end at an instant."""
        self._set[name] = at_ns, fault

    def of(self, name: str, on: Mapping[str, Fault]) -> int | None:
        """When that fault ends by itself; None: it does not."""
        at_ns, fault = self._set.get(name, (None, None))
        return at_ns if fault is not None and on.get(name) is fault else None

    def next_ns(self, on: Mapping[str, Fault]) -> int | None:
        """When the next one ends."""
        ends = [at_ns for name in self._set if (at_ns := self.of(name, on)) is not None]
        return min(ends, default=None)

    def over(self, now_ns: int, on: Mapping[str, Fault]) -> list[str]:
        """The names of those whose time is over, the earliest first. They are forgotten, as is what ended otherwise."""
        ends = {name: at_ns for name in self._set if (at_ns := self.of(name, on)) is not None}
        self._set = {name: self._set[name] for name, at_ns in ends.items() if at_ns > now_ns}
        return sorted((name for name, at_ns in ends.items() if at_ns <= now_ns), key=lambda name: ends[name])
