"""Letting time pass. In virtual time it passes by itself; in real time the Regions' clock is moved on, from one instant
at which something falls due to the next, so that a year takes seconds and nothing overtakes anything.

At each such instant everything that it brings is done before time goes on: links deliver at once, and a replica has the
new material before the deletion that is due a day later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from regionsim.network.network import Network
from regionsim.region.region import Region
from regionsim.runtime.clock import ReadableClock, WallClock
from regionsim.runtime.tasks import now_ns, sleep

_POLL_NS = 1_000_000
_TURNS = 20
"""Most instants take a few turns of the loop; a millisecond each would make a year of domain keys long."""

_PATIENCE_NS = 5_000_000_000
"""How long, really, one instant's work may take; with a fault on some of it may never end. Source: ours."""

_PATIENCE_WITH_FAULTS_NS = 50_000_000


async def let_time_pass(
    duration_ns: int,
    clock: ReadableClock,
    regions: Collection[Region],
    network: Network,
    has_faults: Callable[[], bool],
) -> None:
    """Return when every Region's clock reads `duration_ns` more, and what fell due has been done."""
    if not isinstance(clock, WallClock):
        await sleep(duration_ns)
        return
    end_ns = clock.now_ns() + duration_ns
    with network.at_once():
        await _done(regions, _PATIENCE_WITH_FAULTS_NS if has_faults() else _PATIENCE_NS)
        while True:
            next_ns = _next_due_ns(regions)
            is_over = next_ns is None or next_ns > end_ns
            until_ns = end_ns if next_ns is None or is_over else next_ns
            clock.advance(max(0, until_ns - clock.now_ns()))
            for region in regions:
                region.wake_calendar()
            await _done(regions, _PATIENCE_WITH_FAULTS_NS if has_faults() else _PATIENCE_NS)
            if is_over:
                return


def _next_due_ns(regions: Collection[Region]) -> int | None:
    due = [region.next_due_at_ns for region in regions]
    return min((at_ns for at_ns in due if at_ns is not None), default=None)


async def _done(regions: Collection[Region], patience_ns: int) -> None:
    """Wait until this instant's errands are done and across."""
    began_ns = now_ns()
    for _ in range(_TURNS):
        await sleep(0)
        if _is_quiet(regions):
            return
    while not _is_quiet(regions) and now_ns() - began_ns < patience_ns:
        await sleep(_POLL_NS)


def _is_quiet(regions: Collection[Region]) -> bool:
    return all(region.is_calendar_idle and region.unfinished_count == 0 for region in regions if region.is_up)
