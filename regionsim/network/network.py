"""All links between the Regions of a world, and the way callers' bytes take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, TypeAlias

from regionsim.faults.active import ActiveFaults
from regionsim.faults.verdicts import LinkRule
from regionsim.names.mistakes import ConfigError
from regionsim.network.envelope import Envelope
from regionsim.network.latencies import LOCAL_RTT_MS, one_way_ns
from regionsim.network.link import Link, LinkCounts, LinkSettings, jitter
from regionsim.runtime.entropy import Entropy, Stream
from regionsim.runtime.trace import Trace

Pair: TypeAlias = tuple[str, str]
"""Sender and receiver."""

Latencies: TypeAlias = Literal["aws"] | Mapping[Pair, int]
"""AWS's table (`latencies`), or nanoseconds one way per pair of Regions; a pair also counts for its way back."""

DEFAULT_JITTER_NS = 300_000
"""Source: the measured table's notes, 0.1 to 0.5 ms of noise."""

DETACHED = "detached"
"""The reason of a drop when nobody listens in the Region of arrival."""

_LOCAL_ONE_WAY_NS = round(LOCAL_RTT_MS * 500_000)


class Network:
    """Links in both directions between all `regions`; envelopes go only between Regions that are attached.

    Faults act at two instants: an envelope from an unreachable Region, or onto a cut link, is dropped as it is sent;
    one to an unreachable Region travels, and is lost if the Region is still unreachable when it arrives. `on_fault_met`
    hears the names of the faults that an envelope met at one of them.
    """

    def __init__(
        self,
        regions: Iterable[str],
        *,
        latencies: Latencies = "aws",
        jitter_ns: int = DEFAULT_JITTER_NS,
        loss: float = 0.0,
        entropy: Entropy,
        trace: Trace,
        faults: Callable[[], ActiveFaults],
        on_fault_met: Callable[[tuple[str, ...]], None] = lambda names: None,
    ) -> None:
        self.regions = tuple(regions)
        self._latencies = latencies
        self._jitter_ns = jitter_ns
        self._trace = trace
        self._faults = faults
        self._on_fault_met = on_fault_met
        self._receivers: dict[str, Callable[[Envelope], None]] = {}
        self._taps: list[Callable[[Envelope], None]] = []
        self._rules: dict[Pair, tuple[LinkRule, tuple[str, ...]]] = {}
        self._known_ways_ns: dict[Pair, int] = {}
        self._rules_are_of: ActiveFaults | None = None
        own = LinkRule(loss=loss)
        self._links = {
            (a, b): self._link(
                a, b, LinkSettings(delay_ns=self._one_way_ns(a, b), jitter_ns=jitter_ns, rule=own), entropy
            )
            for a in self.regions
            for b in self.regions
            if a != b
        }

    def attach(self, region: str, deliver: Callable[[Envelope], None]) -> None:
        """Let `deliver` have what arrives in a Region; one receiver at a time."""
        assert region in self.regions, f"{region} is not on this network"
        assert region not in self._receivers, f"{region} is attached already"
        self._receivers[region] = deliver

    def detach(self, region: str) -> None:
        """Let nobody listen in a Region: what arrives there is lost."""
        assert region in self._receivers, f"{region} is not attached"
        del self._receivers[region]

    def send(self, envelope: Envelope) -> None:
        """Put an envelope on its link. Whether it arrives is not told: a sender that must know waits for an answer."""
        for tap in tuple(self._taps):
            tap(envelope)
        pair = (envelope.sender, envelope.receiver)
        link = self._links[pair]
        faults = self._faults()
        if faults is not self._rules_are_of:
            self._rules, self._rules_are_of = {}, faults
        known = self._rules.get(pair)
        if known is None:
            known = self._rules[pair] = link.settings.rule + faults.link_rule(*pair), faults.names_on_link(*pair)
        rule, met = known
        if met:
            self._on_fault_met(met)
        link.send(envelope, rule)

    def tap(self, listener: Callable[[Envelope], None]) -> None:
        """Show `listener` every envelope that is sent, before anything can happen to it (lost ones too)."""
        self._taps.append(listener)

    def untap(self, listener: Callable[[Envelope], None]) -> None:
        """Show `listener` nothing any more."""
        self._taps.remove(listener)

    def link_settings(self, sender: str, receiver: str) -> LinkSettings:
        """How one direction is while no fault is on."""
        return self._links[sender, receiver].settings

    def set_link(self, sender: str, receiver: str, settings: LinkSettings) -> None:
        """Change one direction for all envelopes sent from now on."""
        self._links[sender, receiver].settings = settings
        self._rules_are_of = None

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let what is sent while the block runs arrive without delay; faults do what they do."""
        before = {pair: link.settings for pair, link in self._links.items()}
        for pair, settings in before.items():
            self.set_link(*pair, replace(settings, delay_ns=0, jitter_ns=0, bandwidth_bytes_per_s=None))
        try:
            yield
        finally:
            for pair, settings in before.items():
                self.set_link(*pair, settings)

    def counts(self) -> dict[Pair, LinkCounts]:
        """(sender, receiver) -> what that direction has done so far, in the order of the Regions."""
        return {pair: link.counts for pair, link in self._links.items()}

    @property
    def in_flight_count(self) -> int:
        """Envelopes waiting or on the way, on all links."""
        return sum(map(len, self._links.values()))

    def one_way_latency_ns(self, origin: str, region: str, stream: Stream) -> int:
        """How long a caller's bytes take now: latency and jitter, never loss (TCP hides that). One draw of `stream`.

        Errors: ConfigError when the latency between the two is not known.
        """
        pair = (origin, region)
        known_ns = self._known_ways_ns.get(pair)
        if known_ns is None:
            known_ns = self._known_ways_ns[pair] = self._one_way_ns(origin, region)
        return known_ns + jitter(self._jitter_ns, stream.random())

    def close(self) -> None:
        """Forget what is on the way; no timer is left."""
        for link in self._links.values():
            link.close()

    def _link(self, sender: str, receiver: str, settings: LinkSettings, entropy: Entropy) -> Link:
        def traced(envelope: Envelope, reason: str) -> None:
            fields: dict[str, str | int] = {"from": sender, "to": receiver, "envelope": envelope.id, "reason": reason}
            self._trace.emit(sender, "link_drop", **fields)

        return Link(settings, entropy.stream(f"link/{sender}->{receiver}"), self._receive, traced)

    def _receive(self, envelope: Envelope) -> str:
        """Hand an arrived envelope over; "" or why it is lost."""
        faults = self._faults()
        unreachable_by = faults.unreachable_by(envelope.receiver)
        if unreachable_by:
            self._on_fault_met(faults.names_making_unreachable(envelope.receiver))
            return unreachable_by
        deliver = self._receivers.get(envelope.receiver)
        if deliver is None:
            return DETACHED
        deliver(envelope)
        return ""

    def _one_way_ns(self, a: str, b: str) -> int:
        if self._latencies == "aws":
            return one_way_ns(a, b)
        known = self._latencies.get((a, b), self._latencies.get((b, a)))
        if known is not None:
            return known
        if a == b:
            return _LOCAL_ONE_WAY_NS
        raise ConfigError(f"no latency between '{a}' and '{b}'; give one for the pair, or take 'aws'")
