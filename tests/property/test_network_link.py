"""A link under any settings and any moments of sending."""

from hypothesis import given
from hypothesis import strategies as st

from regionsim.faults.verdicts import LinkRule
from regionsim.network.envelope import Envelope
from regionsim.network.link import Link, LinkSettings
from regionsim.runtime.entropy import SeededEntropy
from regionsim.runtime.loop import VirtualLoop, run_virtual
from regionsim.runtime.tasks import now_ns, sleep

CHANCES = st.sampled_from([0.0, 0.2, 1.0])
SETTINGS = st.builds(
    LinkSettings,
    delay_ns=st.integers(0, 1000),
    jitter_ns=st.integers(0, 1000),
    bandwidth_bytes_per_s=st.none() | st.integers(1, 10**9),
    capacity=st.integers(1, 40),
)
SENDINGS = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 30)), max_size=60)
"""How long after the one before, and how many bytes."""


def play(settings: LinkSettings, sendings: list[tuple[int, int]], seed: int) -> tuple[list[tuple[int, int]], Link, int]:
    """(instant, id) of what arrived in its order, the link, and the most timers that ever stood."""
    arrivals: list[tuple[int, int]] = []
    loop = VirtualLoop()
    most_timers = 0

    def receive(envelope: Envelope) -> str:
        arrivals.append((now_ns(), envelope.id))
        return ""

    link = Link(settings, SeededEntropy(seed).stream("link"), receive, lambda envelope, reason: None)

    async def main() -> None:
        nonlocal most_timers
        for number, (gap_ns, size) in enumerate(sendings):
            await sleep(gap_ns)
            link.send(Envelope(id=number, sender="a", receiver="b", body=bytes(size)), settings.rule)
            most_timers = max(most_timers, loop.timer_count)
        await sleep(10**15)

    run_virtual(main(), loop=loop)
    return arrivals, link, most_timers


@given(SETTINGS, SENDINGS, st.integers(0, 100), CHANCES)
def test_order_holds_unless_reordering_is_asked(
    settings: LinkSettings, sendings: list[tuple[int, int]], seed: int, loss: float
) -> None:
    lossy = LinkSettings(
        delay_ns=settings.delay_ns,
        jitter_ns=settings.jitter_ns,
        rule=LinkRule(loss=loss),
        bandwidth_bytes_per_s=settings.bandwidth_bytes_per_s,
        capacity=settings.capacity,
    )
    arrivals, link, most_timers = play(lossy, sendings, seed)
    assert arrivals == sorted(arrivals)
    assert len({number for _, number in arrivals}) == len(arrivals)
    assert most_timers <= 1
    counts = link.counts
    assert (counts.sent, counts.in_flight) == (len(sendings), 0)
    assert counts.delivered == len(arrivals) == counts.sent - counts.dropped


@given(SENDINGS, st.integers(0, 100), CHANCES, CHANCES, CHANCES)
def test_every_envelope_is_accounted_for(
    sendings: list[tuple[int, int]], seed: int, loss: float, duplicate: float, reorder: float
) -> None:
    rule = LinkRule(loss=loss, duplicate=duplicate, reorder=reorder)
    arrivals, link, _ = play(LinkSettings(delay_ns=700, jitter_ns=300, rule=rule), sendings, seed)
    counts = link.counts
    assert counts.sent + counts.duplicated == counts.delivered + counts.dropped
    assert len(arrivals) == counts.delivered
    sent_at, now = {}, 0
    for number, (gap_ns, _) in enumerate(sendings):
        now += gap_ns
        sent_at[number] = now
    assert all(at >= sent_at[number] + 700 for at, number in arrivals)
    assert sum(size for _, size in sendings) == counts.sent_bytes
