"""What time it is: the calendar as a node reads it, and instants as text.

A clock is for reading only. Waiting goes by durations (`tasks.sleep`), which neither skew nor a change of the
calendar reaches.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from regionsim.runtime import tasks
from regionsim.runtime.virtual_loop import NS_PER_SECOND, running

NS_PER_MS = 1_000_000
NS_PER_MINUTE = 60 * NS_PER_SECOND
NS_PER_HOUR = 60 * NS_PER_MINUTE
NS_PER_DAY = 24 * NS_PER_HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ReadableClock(Protocol):
    """What node code may know of a clock."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970 (UTC), as this node reads them."""
        ...


class NodeClock(ReadableClock, Protocol):
    """A node's clock, which may read a wrong time."""

    @property
    def skew_ns(self) -> int:
        """How far this node's reading is ahead of the truth."""
        ...

    def set_skew(self, skew_ns: int) -> None:
        """From now on be `skew_ns` ahead (behind, when negative)."""
        ...


class Clock:
    """A node's clock in a simulation: `start_at_ns` at the loop's beginning, then the loop's time, plus `skew_ns`.

    Instants are nanoseconds since 1970 (UTC). On a loop in real time the beginning is the first reading.
    """

    def __init__(self, start_at_ns: int, skew_ns: int = 0) -> None:
        self._start_at_ns = start_at_ns
        self._skew_ns = skew_ns
        self._real_origin_ns: int | None = None

    @property
    def skew_ns(self) -> int:
        """How far this node's reading is ahead of the truth."""
        return self._skew_ns

    def now_ns(self) -> int:
        """The instant as the node reads it."""
        loop = running.loop
        if loop is not None:  # what true_now_ns would say: this is asked several times for each call
            return self._start_at_ns + loop.now_ns + self._skew_ns
        return self.true_now_ns() + self._skew_ns

    def true_now_ns(self) -> int:
        """The instant that it is, whatever the node reads."""
        return self._start_at_ns + self._elapsed_ns()

    def set_skew(self, skew_ns: int) -> None:
        """From now on be `skew_ns` ahead (behind, when negative)."""
        self._skew_ns = skew_ns

    def _elapsed_ns(self) -> int:
        loop = running.loop
        if loop is not None:
            return loop.now_ns
        now_ns = tasks.now_ns()
        if self._real_origin_ns is None:
            self._real_origin_ns = now_ns
        return now_ns - self._real_origin_ns


class WallClock:
    """The machine's clock, moved on by all that was `advance`d; it never goes back, though the machine's may.

    `offset_ns` is how far it was moved before; `on_advance` hears of each new offset before it counts, to keep it.
    """

    def __init__(self, *, offset_ns: int = 0, on_advance: Callable[[int], None] | None = None) -> None:
        self._offset_ns = offset_ns
        self._latest_ns = 0
        self._on_advance = on_advance

    def now_ns(self) -> int:
        """The instant: nanoseconds since 1970 (UTC)."""
        self._latest_ns = max(self._latest_ns, time.time_ns() + self._offset_ns)
        return self._latest_ns

    def advance(self, duration_ns: int) -> None:
        """Move on by `duration_ns` at once. What falls due on the way is the caller's to fire, in order."""
        assert duration_ns >= 0, "time moves forward"
        if duration_ns and self._on_advance is not None:
            self._on_advance(self._offset_ns + duration_ns)
        self._offset_ns += duration_ns


class SkewedClock:
    """A node's clock that goes by another clock, which tells the truth."""

    def __init__(self, truth: ReadableClock) -> None:
        self._truth = truth
        self._skew_ns = 0

    @property
    def skew_ns(self) -> int:
        """How far this node's reading is ahead of the truth."""
        return self._skew_ns

    def now_ns(self) -> int:
        """The instant as the node reads it: nanoseconds since 1970 (UTC)."""
        return self._truth.now_ns() + self._skew_ns

    def set_skew(self, skew_ns: int) -> None:
        """From now on be `skew_ns` ahead (behind, when negative)."""
        self._skew_ns = skew_ns


# ----------------------------------------------------------------------------------------------- instants as text

_INSTANT = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]{1,9}))?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def cpu_ns() -> int:
    """The processor time that this process has used, all of its threads together."""
    return time.process_time_ns()


def thread_cpu_ns() -> int:
    """The processor time that this thread has used."""
    return time.thread_time_ns()


def format_instant(instant_ns: int) -> str:
    """`2026-01-01T00:00:00.000Z`: RFC 3339, UTC, cut to milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=instant_ns // NS_PER_MS)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def parse_instant(text: str) -> int:
    """Nanoseconds since 1970 from RFC 3339 text with its zone. Errors: ValueError saying what was wanted."""
    found = _INSTANT.fullmatch(text)
    wanted = f"'{text}' is no instant; write it like 2026-01-01T00:00:00Z"
    if found is None:
        raise ValueError(wanted)
    zone = found["zone"].upper().replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(f"{found['date']}T{found['time']}{zone}")
    except ValueError as error:
        raise ValueError(f"{wanted} ({error})") from None
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS_PER_SECOND + int((found["fraction"] or "").ljust(9, "0"))
