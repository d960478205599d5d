"""The scheduler of a Region: errands that fall due by its calendar, run in the order of their due times.

An errand has a name, an instant and what to do; setting it again replaces it. At its instant it runs, at most
`ERRANDS_AT_ONCE` at a time, the others behind it in order. One that cannot be done now (no HSM serves, the disk fails)
is tried again, ever more rarely. Nothing here outlives the hosts: what is due is rebuilt from committed state at boot,
and what fell due while they were down runs then.

Source: ours.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from regionsim.names.dataclass import dataclass
from regionsim.runtime.clock import ReadableClock
from regionsim.runtime.tasks import Scope, ScopeTimer, timer_grain_ns

ERRANDS_AT_ONCE = 32
RETRY_AFTER_NS = 10_000_000_000
RETRY_AT_MOST_NS = 600_000_000_000

Errand: TypeAlias = Callable[[str], Awaitable[bool]]
"""Does what fell due for its subject (a key id, or ""); False: not now, try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """An errand that fell due: where, what, for which subject, and for when it was set (nanoseconds since 1970)."""

    region: str
    what: str
    subject: str
    due_at_ns: int


@dataclass(slots=True, eq=False)
class _Entry:
    """One errand as it was last set."""

    fired: Fired
    errand: Errand
    next_at_ns: int
    retry_after_ns: int = RETRY_AFTER_NS


class Timers:
    """The scheduler of one incarnation. `on_fired` hears of each errand as it falls due, retries not counted."""

    def __init__(self, region: str, scope: Scope, clock: ReadableClock, on_fired: Callable[[Fired], None]) -> None:
        self._region = region
        self._scope = scope
        self._clock = clock
        self._on_fired = on_fired
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._heap: list[tuple[int, int, _Entry]] = []
        self._set_count = 0
        self._due: deque[_Entry] = deque()
        self._running_count = 0
        self._alarm: ScopeTimer | None = None
        self._alarm_at_ns = 0

    @property
    def next_due_at_ns(self) -> int | None:
        """When the next errand falls due, or is tried again; None when none is set."""
        self._drop_replaced()
        return self._heap[0][0] if self._heap else None

    @property
    def is_idle(self) -> bool:
        """True when no errand runs or waits for its turn."""
        return not self._running_count and not self._due

    def next_try_at_ns(self, what: str, subject: str) -> int | None:
        """When the errand of that name runs, or runs again; None when none is set."""
        entry = self._entries.get((what, subject))
        return None if entry is None else entry.next_at_ns

    def set(self, what: str, subject: str, due_at_ns: int, errand: Errand) -> None:
        """Let `errand` run at that instant, instead of what was set under that name; at once when it is past."""
        known = self._entries.get((what, subject))
        if known is not None and known.fired.due_at_ns == due_at_ns:
            return
        entry = _Entry(
            Fired(region=self._region, what=str(what), subject=subject, due_at_ns=due_at_ns), errand, due_at_ns
        )
        self._entries[what, subject] = entry
        self._push(due_at_ns, entry)

    def drop(self, what: str, subject: str) -> None:
        """Let nothing of that name fall due any more; one that runs already goes on."""
        self._entries.pop((what, subject), None)

    def wake(self) -> None:
        """Look at the clock again: it was moved."""
        self._ring()

    def _push(self, at_ns: int, entry: _Entry) -> None:
        self._set_count += 1
        heapq.heappush(self._heap, (at_ns, self._set_count, entry))
        if self._alarm is None or at_ns < self._alarm_at_ns:
            self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        next_ns = self.next_due_at_ns
        if next_ns is not None:
            self._alarm_at_ns = next_ns
            delay_ns = max(0, next_ns - self._clock.now_ns()) + timer_grain_ns()
            self._alarm = self._scope.call_later_ns(delay_ns, self._ring)

    def _ring(self) -> None:
        """Take up what is due, and wait for what is not."""
        now_ns = self._clock.now_ns()
        next_ns = self.next_due_at_ns
        while next_ns is not None and next_ns <= now_ns:
            entry = heapq.heappop(self._heap)[2]
            self._due.append(entry)
            if entry.retry_after_ns == RETRY_AFTER_NS:
                self._on_fired(entry.fired)
            next_ns = self.next_due_at_ns
        self._set_alarm()
        self._start()

    def _start(self) -> None:
        while self._due and self._running_count < ERRANDS_AT_ONCE:
            entry = self._due.popleft()
            if self._is_set(entry):
                self._running_count += 1
                self._scope.spawn(self._run(entry), name=f"due/{entry.fired.what}")

    async def _run(self, entry: _Entry) -> None:
        try:
            is_done = await entry.errand(entry.fired.subject)
        finally:
            self._running_count -= 1
        if not self._is_set(entry):
            pass  # set anew, or dropped, by what it did
        elif is_done:
            del self._entries[entry.fired.what, entry.fired.subject]
        else:
            entry.next_at_ns = self._clock.now_ns() + entry.retry_after_ns
            entry.retry_after_ns = min(entry.retry_after_ns * 2, RETRY_AT_MOST_NS)
            self._push(entry.next_at_ns, entry)
        self._start()

    def _drop_replaced(self) -> None:
        while self._heap and not self._is_set(self._heap[0][2]):
            heapq.heappop(self._heap)

    def _is_set(self, entry: _Entry) -> bool:
        return self._entries.get((entry.fired.what, entry.fired.subject)) is entry
