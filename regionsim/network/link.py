"""One direction of a link: delay, jitter, loss, duplicates, reordering, bandwidth, capacity.

Envelopes wait on one heap under the instant of their arrival, and at most one loop timer stands, for the earliest.
Order is kept as by a TCP stream: an envelope arrives no earlier than those sent before it, whatever their jitter. Two
kinds stand outside that order, held back by a drawn lag without holding up those behind them: envelopes picked for
reordering, and the second copies of duplicates.

Each envelope takes the same six draws from the link's stream, even one that is dropped at once: a fault, once removed,
leaves the luck of all other envelopes as it was. What is on the way when a link is cut still arrives: a cut is at the
sender's end. So is a narrow place: once it is gone, what waits before it leaves with the next envelope.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import field
from typing import NamedTuple

from regionsim.faults.verdicts import LinkDraws, LinkRule, judge_link, narrower
from regionsim.names.dataclass import dataclass
from regionsim.network.envelope import Envelope
from regionsim.runtime.entropy import Stream
from regionsim.runtime.tasks import Cancellable, call_later_ns, now_ns, timer_grain_ns

OVER_CAPACITY = "capacity"
"""The reason of a drop when a link is full."""

DEFAULT_CAPACITY = 16_384

_LEAST_LAG_NS = 1_000_000
_NS_PER_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """How one direction of a link is while no fault is on.

    `jitter_ns` is the mean of an exponential noise on top of `delay_ns`; `rule` has its own loss, duplicates and
    reordering; `bandwidth_bytes_per_s` None is without limit; `capacity` counts the envelopes that are waiting or on
    the way at once, one more is lost.
    """

    delay_ns: int
    jitter_ns: int = 0
    rule: LinkRule = field(default_factory=LinkRule)
    bandwidth_bytes_per_s: int | None = None
    capacity: int = DEFAULT_CAPACITY

    def __post_init__(self) -> None:
        assert self.delay_ns >= 0, "nothing arrives before it is sent"
        assert self.jitter_ns >= 0, "jitter only ever delays"
        assert self.bandwidth_bytes_per_s is None or self.bandwidth_bytes_per_s > 0, "cut a link that carries nothing"
        assert self.capacity > 0, "cut a link that holds nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCounts:
    """What one direction has done so far: `sent` = `delivered` + `dropped` + `in_flight` - `duplicated`.

    `sent_bytes` counts bodies, once each; `drops` is reason -> count.
    """

    sent: int
    delivered: int
    dropped: int
    duplicated: int
    in_flight: int
    sent_bytes: int
    drops: dict[str, int]


class _OnTheWay(NamedTuple):
    """An envelope on the heap. The sequence stands first behind the instant, so that equal ones keep their order."""

    arrives_at_ns: int
    sequence: int
    envelope: Envelope
    leaves_at_ns: int
    is_in_order: bool


class Link:
    """One direction between two Regions.

    `receive` takes an envelope that arrives and says "" (taken) or why it is lost after all; `on_drop` hears of drops.
    """

    def __init__(
        self,
        settings: LinkSettings,
        stream: Stream,
        receive: Callable[[Envelope], str],
        on_drop: Callable[[Envelope, str], None],
    ) -> None:
        self.settings = settings
        self._draw = stream.random
        self._receive = receive
        self._on_drop = on_drop
        self._heap: list[_OnTheWay] = []
        self._sequence = 0
        self._timer: Cancellable | None = None
        self._timer_at_ns = 0
        self._last_arrival_ns = 0
        self._wire_free_at_ns = 0
        self._sent = self._sent_bytes = self._delivered = self._duplicated = 0
        self._drops: dict[str, int] = {}

    def __len__(self) -> int:
        """The envelopes that are waiting or on the way."""
        return len(self._heap)

    @property
    def counts(self) -> LinkCounts:
        """What it has done so far."""
        return LinkCounts(
            sent=self._sent,
            delivered=self._delivered,
            dropped=sum(self._drops.values()),
            duplicated=self._duplicated,
            in_flight=len(self._heap),
            sent_bytes=self._sent_bytes,
            drops=dict(self._drops),
        )

    def send(self, envelope: Envelope, rule: LinkRule) -> None:
        """Put an envelope on the link; `rule` is what its settings and the faults that are on do, summed."""
        draw = self._draw
        draws = LinkDraws(draw(), draw(), draw(), draw(), draw(), draw())
        self._sent += 1
        self._sent_bytes += len(envelope.body)
        verdict = judge_link(rule, draws)
        if verdict.dropped_by:
            self._drop(envelope, verdict.dropped_by)
            return
        if len(self._heap) >= self.settings.capacity:
            self._drop(envelope, OVER_CAPACITY)
            return
        settings, now = self.settings, now_ns()
        bandwidth = narrower(settings.bandwidth_bytes_per_s, rule.bandwidth_bytes_per_s)
        leaves_at_ns = self._leaves_at_ns(envelope, now, bandwidth)
        arrival_ns = leaves_at_ns + settings.delay_ns + verdict.delay_ns
        jitter_ns = settings.jitter_ns + rule.jitter_ns
        if jitter_ns:
            arrival_ns += jitter(jitter_ns, draws.jitter)
        if verdict.is_reordered:
            late_ns = arrival_ns + self._lag_ns(draws.reorder_lag)
            self._push(late_ns, envelope, leaves_at_ns, is_in_order=False)
        else:
            arrival_ns = self._last_arrival_ns = max(arrival_ns, self._last_arrival_ns)
            self._push(arrival_ns, envelope, leaves_at_ns, is_in_order=True)
        if verdict.is_duplicated:
            self._duplicated += 1
            late_ns = arrival_ns + self._lag_ns(draws.duplicate_lag)
            self._push(late_ns, envelope, leaves_at_ns, is_in_order=False)
        self._arm(now)

    def close(self) -> None:
        """Forget what is on the way, and let the timer go."""
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _leaves_at_ns(self, envelope: Envelope, now: int, bandwidth: int | None) -> int:
        """When the envelope's last byte is on the wire: after those sent before it, at the pace of the bandwidth."""
        if bandwidth is None:
            if self._wire_free_at_ns > now:
                self._let_go(now)
            return now
        self._wire_free_at_ns = max(now, self._wire_free_at_ns) + len(envelope.body) * _NS_PER_SECOND // bandwidth
        return self._wire_free_at_ns

    def _let_go(self, now: int) -> None:
        """Let everything leave now that waits for the wire, in its order; it takes as long from there as it would."""
        self._wire_free_at_ns = self._last_arrival_ns = now
        waiting = sorted(self._heap, key=lambda one: one.sequence)
        self._heap.clear()
        for one in waiting:
            arrives_at_ns = one.arrives_at_ns - max(0, one.leaves_at_ns - now)
            if one.is_in_order:
                arrives_at_ns = self._last_arrival_ns = max(arrives_at_ns, self._last_arrival_ns)
            earlier = one._replace(arrives_at_ns=arrives_at_ns, leaves_at_ns=min(one.leaves_at_ns, now))
            heapq.heappush(self._heap, earlier)

    def _lag_ns(self, draw: float) -> int:
        """How long an envelope out of order is held back: up to the link's own delay again. Source: ours."""
        return 1 + int(draw * max(self.settings.delay_ns, _LEAST_LAG_NS))

    def _push(self, arrives_at_ns: int, envelope: Envelope, leaves_at_ns: int, *, is_in_order: bool) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, _OnTheWay(arrives_at_ns, self._sequence, envelope, leaves_at_ns, is_in_order))

    def _drop(self, envelope: Envelope, reason: str) -> None:
        self._drops[reason] = self._drops.get(reason, 0) + 1
        self._on_drop(envelope, reason)

    def _arm(self, now: int) -> None:
        """Let one timer stand, for the earliest arrival, while anything is on the way."""
        if not self._heap:
            return
        earliest_ns = self._heap[0].arrives_at_ns
        if self._timer is not None:
            if self._timer_at_ns <= earliest_ns:
                return
            self._timer.cancel()
        self._timer_at_ns = earliest_ns
        self._timer = call_later_ns(max(0, self._timer_at_ns - now) + timer_grain_ns(), self._hand_over)

    def _hand_over(self) -> None:
        """Deliver all that is due now."""
        self._timer = None
        heap, now = self._heap, now_ns()
        try:
            while heap and heap[0].arrives_at_ns <= now:
                envelope = heapq.heappop(heap).envelope
                refused_by = self._receive(envelope)
                if refused_by:
                    self._drop(envelope, refused_by)
                else:
                    self._delivered += 1
        finally:  # a receiver's bug must not leave the link without a timer where the run goes on (`serve`)
            self._arm(now_ns())


def jitter(mean_ns: int, draw: float) -> int:
    """An exponential noise of that mean from one uniform draw in [0, 1): mostly small, now and then a spike."""
    return int(-mean_ns * math.log1p(-draw))
