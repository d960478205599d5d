"""Waiting until Regions owe each other nothing, so that convergence can be judged."""

from __future__ import annotations

from regionsim.runtime.tasks import sleep
from regionsim.simulation.simulation import Simulation

SETTLING_NS = 120_000_000_000
"""More than the longest back-off between two tries (30 s), also when some of them are lost. Source: ours."""

_POLL_NS = 1_000_000_000


async def settle(simulation: Simulation) -> None:
    """Give what is on its way between Regions two minutes to arrive; no time at all while a fault is on."""
    waited_ns = 0
    while not simulation.is_settled and not simulation.faults and waited_ns < SETTLING_NS:
        await sleep(_POLL_NS)
        waited_ns += _POLL_NS


def outstanding_words(simulation: Simulation) -> str:
    """What Regions still owe each other, for a person; empty when nothing is."""
    words = []
    for name, region in simulation.regions.items():
        if not region.is_up:
            words.append(f"{name} is down")
        words += [f"{name} -> {peer}: {what}" for peer, what in region.unfinished_words().items()]
    return "; ".join(words)
