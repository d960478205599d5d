"""Worlds in which a test breaks what must hold, and asks the invariants what they found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from regionsim.invariants.settling import settle
from regionsim.invariants.verdicts import Finding
from regionsim.invariants.watch import Watch
from regionsim.kms.key import KmsKey
from regionsim.kms.writes import PutKey
from regionsim.runtime.tasks import now_ns
from regionsim.runtime.trace import Trace
from regionsim.runtime.virtual_loop import run_virtual
from regionsim.simulation.ground import virtual_ground
from regionsim.simulation.simulation import Simulation
from regionsim.simulation.world import World
from tests.simulation.many_regions import AP, EU, START_NS, US, Play, directory


def findings_of(
    script: Callable[[Play], Awaitable[object]], folder: Path, *, regions: tuple[str, ...] = (US, EU, AP)
) -> dict[str, Finding]:
    """Run `script` in a world and tell what each invariant found, by name; nothing is asserted."""

    async def main() -> dict[str, Finding]:
        trace = Trace(now_ns)
        ground = virtual_ground(seed=3, start_at_ns=START_NS, folder=folder, trace=trace)
        world = World(regions=regions, directory=directory(), start_at_ns=START_NS, has_quotas=False)
        simulation = Simulation(world, ground)
        running = Play(simulation=simulation, watch=Watch(simulation))
        trace.add_sink(running.events.append)
        await simulation.start()
        await script(running)
        await settle(simulation)
        findings = await running.watch.conclude()
        await simulation.stop()
        return {finding.name: finding for finding in findings}

    return run_virtual(main())


def failed(findings: dict[str, Finding]) -> set[str]:
    """The names of the invariants that did not hold."""
    return {name for name, finding in findings.items() if finding.passed is False}


async def forge(world: Play, region: str, key: KmsKey) -> None:
    """Commit a key past all rules, as a bug would."""
    await world.region(region)._host.commit(writes=(PutKey(key=key),))
