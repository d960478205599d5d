"""What callers saw, as numbers: of a workload, or of all calls that went to a Region."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import field
from typing import NamedTuple

from regionsim.client.client import CONNECTION_ERRORS, Reply, Try
from regionsim.kms.errors import REFUSALS, ServerFault
from regionsim.names.dataclass import dataclass
from regionsim.runtime.tasks import Future, future, now_ns

_NS_PER_MS = 1e6
_NS_PER_SECOND = 1e9
_DENIED = ("AccessDeniedException", "AccessDenied")
"""Of KMS, and of STS where a call needs a session."""

_THROTTLED = "ThrottlingException"

_QUANTILES = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "p999_ms": 0.999, "max_ms": 1.0}


class CallSeen(NamedTuple):
    """One call as its caller saw it: when it was sent and when it was over, and how (None: answered)."""

    sent_at_ns: int
    over_at_ns: int
    error: str | None
    is_failure: bool


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Every call that is over, in that order: by workload as its application saw it, by Region try by try.

    Those that have been sent and are not over are known, too: who measures waits for them first (`caught_up`).
    """

    by_workload: dict[str, list[CallSeen]] = field(default_factory=dict)
    by_region: dict[str, list[CallSeen]] = field(default_factory=dict)
    loads: dict[str, array[int]] = field(default_factory=dict)
    """By workload: when the calls were sent that were load only."""
    loads_by_region: dict[str, array[int]] = field(default_factory=dict)
    answered: dict[str, dict[str, int]] = field(default_factory=dict)
    """By workload: how many of its calls each Region answered well."""
    over_count: int = 0
    """Calls of workloads and steps that are over."""
    failed_count: int = 0
    """Those of them that their application had no answer to."""
    _in_flight: dict[int, Future[None] | None] = field(default_factory=dict)
    """By number; a future only where somebody waits for the call."""
    _sent_count: int = 0

    def sent(self) -> int:
        """Add a call that begins; the number by which `note` ends it."""
        self._sent_count += 1
        self._in_flight[self._sent_count] = None
        return self._sent_count

    def load(self, workload: str, region: str) -> None:
        """Add a call that is load only, on its way to a Region ("": it finds none)."""
        at_ns = now_ns()
        self.loads.setdefault(workload, array("q")).append(at_ns)
        if region:
            self.loads_by_region.setdefault(region, array("q")).append(at_ns)

    @property
    def load_count(self) -> int:
        """Calls that were load only and found a Region."""
        return sum(len(sent) for sent in self.loads_by_region.values())

    async def caught_up(self) -> None:
        """Wait until every call that has been sent by now is over.

        A client gives up at its time-out, so this takes no longer than its Regions, tries and pauses together.
        """
        for number in tuple(self._in_flight):
            if number in self._in_flight:
                over = self._in_flight[number] = self._in_flight[number] or future()
                await over

    def note(self, number: int, reply: Reply, workload: str | None = None) -> None:
        """Add a call that is over."""
        over = self._in_flight.pop(number)
        if over is not None and not over.done():  # whoever waited for it may have been cancelled
            over.set_result(None)
        self.over_count += 1
        self.failed_count += reply.is_failure
        if workload is not None:
            seen = CallSeen(reply.sent_at_ns, reply.answered_at_ns, reply.error, reply.is_failure)
            self.by_workload.setdefault(workload, []).append(seen)
            if reply.error is None:
                answered = self.answered.setdefault(workload, {})
                answered[reply.region] = answered.get(reply.region, 0) + 1
        self.note_tries(reply.tries)

    def note_tries(self, tries: Sequence[Try]) -> None:
        """Add tries that a Region has seen, of a call of its callers or of a service's own."""
        for tried in tries:
            error = tried.error or None
            over_at_ns = tried.sent_at_ns + tried.duration_ns
            seen = CallSeen(tried.sent_at_ns, over_at_ns, error, is_failure(error))
            self.by_region.setdefault(tried.region, []).append(seen)


def is_failure(error: str | None) -> bool:
    """True for a time-out, a connection error or a server fault; a refusal is an answer."""
    if error is None:
        return False
    return error in CONNECTION_ERRORS or issubclass(REFUSALS.get(error, Exception), ServerFault)


def measure(name: str, calls: Sequence[CallSeen], window_ns: tuple[int, int] | None = None) -> float | None:
    """The metric of that name over the calls sent in a window (from, until; None: all); None without any call.

    Seconds and milliseconds are floats; `availability` is a share. Errors: KeyError for a metric that is none of calls.
    """
    if window_ns is not None:
        begin_ns, end_ns = window_ns
        calls = [call for call in calls if begin_ns <= call.sent_at_ns < end_ns]
    failed = sum(call.is_failure for call in calls)
    match name:
        case "requests":
            return len(calls)
        case "failed":
            return failed
        case "refused":
            return sum(call.error is not None and not call.is_failure for call in calls)
        case "denied":
            return sum(call.error in _DENIED for call in calls)
        case "throttled":
            return sum(call.error == _THROTTLED for call in calls)
        case "availability":
            return (len(calls) - failed) / len(calls) if calls else None
        case "longest_outage":
            return longest_outage_ns(calls) / _NS_PER_SECOND
        case _:
            return _quantile_ms(calls, _QUANTILES[name])


def loads_in(sent_at_ns: Sequence[int], window_ns: tuple[int, int]) -> int:
    """How many calls that were load only were sent in a window."""
    begin_ns, end_ns = window_ns
    return bisect_left(sent_at_ns, end_ns) - bisect_left(sent_at_ns, begin_ns)


def longest_outage_ns(calls: Sequence[CallSeen]) -> int:
    """The longest time from sending a call that failed until the end of the next one that did not.

    An outage that is still on counts until the end of its last failed call.
    """
    longest_ns, began_ns = 0, None
    for call in sorted(calls, key=lambda call: (call.sent_at_ns, call.over_at_ns)):
        if call.is_failure and began_ns is None:
            began_ns = call.sent_at_ns
        if began_ns is not None:
            longest_ns = max(longest_ns, call.over_at_ns - began_ns)
        if not call.is_failure:
            began_ns = None
    return longest_ns


def _quantile_ms(calls: Sequence[CallSeen], share: float) -> float | None:
    """The nearest rank: exact, not interpolated."""
    if not calls:
        return None
    latencies = sorted(call.over_at_ns - call.sent_at_ns for call in calls)
    return latencies[math.ceil(share * len(latencies)) - 1] / _NS_PER_MS
