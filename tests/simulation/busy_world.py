"""A busy world for tests of determinism: related keys, rotations, a primary move, lossy links, a crash, an outage, callers.

    python -m tests.simulation.busy_world FOLDER SEED inline|threaded flat|paced

prints the trace's digest, the number of events, of answered calls and of crashes, as one line of JSON.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from regionsim.client.client import Client
from regionsim.client.settings import ClientSettings, RetryMode
from regionsim.faults.kinds import Fault, LinkCut, LinkLoss, RegionCrash, RegionOutage
from regionsim.invariants.watch import Watch
from regionsim.kms.errors import AlreadyExistsException, KMSInternalException
from regionsim.runtime.loop import PacedRun, run_virtual
from regionsim.runtime.tasks import Scope, now_ns, sleep
from regionsim.runtime.trace import Event, Trace
from regionsim.runtime.virtual_loop import NS_PER_SECOND
from regionsim.simulation.ground import ConnectionKind, virtual_ground
from regionsim.simulation.simulation import Simulation
from regionsim.simulation.world import World
from tests.simulation.many_regions import ACCOUNT, AP, EU, START_NS, US, Play, directory

CALLERS = 3
CALLS_EACH = 110
KEYS = 4


async def busy_world(folder: Path, seed: int, connection: ConnectionKind) -> dict[str, Any]:
    """Live the busy life; what is printed. To be run on a virtual loop."""
    trace, kinds = Trace(now_ns), Counter[str]()

    def count(event: Event) -> None:
        kinds[event.kind] += 1

    trace.add_sink(count)
    ground = virtual_ground(seed=seed, start_at_ns=START_NS, folder=folder, trace=trace, connection=connection)
    world = World(regions=(US, EU, AP), directory=directory(), start_at_ns=START_NS, loss=0.05, has_quotas=True)
    simulation = Simulation(world, ground)
    running = Play(simulation=simulation, watch=Watch(simulation))
    await simulation.start()
    await _live(running)
    digest = trace.digest
    for finding in await running.watch.conclude():
        assert finding.passed is not False, f"{finding.name}: {finding.detail}"
    await simulation.stop()
    simulation.close_hsms()
    return {
        "digest": digest,
        "events": trace.count,
        "calls": kinds["client_call"],
        "lost": kinds["link_drop"],
        "crashes": kinds["region_crashed"],
        "rotations": kinds["rotation_installed"],
        "moves": kinds["primary_taken"],
    }


async def _live(world: Play) -> None:
    keys = [(await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"] for _ in range(KEYS)]
    for key_id in keys:
        for region in (EU, AP):
            await _persistently(world, "ReplicateKey", KeyId=key_id, ReplicaRegion=region)
    await world.settled()
    scope = Scope("callers")
    tasks = [scope.spawn(_caller(world, number, keys), name=str(number)) for number in range(CALLERS)]
    tasks.append(scope.spawn(_changes(world, keys), name="changes"))
    with _for_a_while(world, LinkLoss(between=None, probability=0.2), "loss"):
        await world.rest(5)
    with _for_a_while(world, RegionCrash(region=EU), "crash"):
        await world.rest(3)
    with _for_a_while(world, RegionOutage(region=AP), "outage"), _for_a_while(world, LinkCut(between=(US, EU)), "cut"):
        await world.rest(6)
    for task in tasks:
        await task
    await world.settled()


@contextmanager
def _for_a_while(world: Play, fault: Fault, name: str) -> Iterator[None]:
    world.break_with(fault, name)
    yield
    world.heal(name)


async def _changes(world: Play, keys: list[str]) -> None:
    for key_id in keys:
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        await world.rest(4)
    await _persistently(world, "UpdatePrimaryRegion", KeyId=keys[0], PrimaryRegion=EU)


async def _persistently(world: Play, operation: str, **parameters: Any) -> None:
    for _ in range(20):
        try:
            await world.call(US, operation, **parameters)
        except KMSInternalException:
            continue
        except AlreadyExistsException:
            pass
        return
    raise AssertionError(f"{operation} never succeeded")


async def _caller(world: Play, number: int, keys: list[str]) -> None:
    """An application that encrypts and decrypts, asks and is refused, with failover between two Regions."""
    regions = ((US, EU), (EU, AP), (AP, US))[number]
    settings = ClientSettings(
        near=regions[0], regions=regions, timeout_ns=NS_PER_SECOND // 2, retries=RetryMode.STANDARD
    )
    client = Client(world.simulation, settings, f"caller-{number}")
    draws = world.simulation.entropy.stream(f"test/caller-{number}")
    caller = world.simulation.world.directory.principal(ACCOUNT, "mallory" if number == 2 else "alice")
    blob = b"no blob yet"
    for _ in range(CALLS_EACH):
        await sleep(int(draws.exponential(0.15) * NS_PER_SECOND))
        key_id = keys[draws.below(len(keys))]
        parameters: dict[str, dict[str, Any]] = {
            "Encrypt": {"KeyId": key_id, "Plaintext": b"x"},
            "Decrypt": {"CiphertextBlob": blob},
            "GenerateDataKey": {"KeyId": key_id, "KeySpec": "AES_256"},
            "DescribeKey": {"KeyId": key_id},
            "CreateAlias": {"AliasName": f"alias/{draws.below(30)}", "TargetKeyId": key_id},
        }
        operation = list(parameters)[draws.below(len(parameters))]
        reply = await client.call(operation, parameters[operation], caller)
        if operation == "Encrypt" and reply.response is not None:
            blob = reply.response["CiphertextBlob"]


def paced(folder: Path, seed: int, connection: ConnectionKind) -> dict[str, Any]:
    """The same life at changing rates, with pauses and single steps."""
    run = PacedRun(busy_world(folder, seed, connection), rate=20)
    for rate in (60, 5, 200):
        time.sleep(0.1)
        run.pause()
        time.sleep(0.02)
        run.step()
        run.set_rate(rate)
    run.run_until(run.now_ns + 3 * NS_PER_SECOND)
    run.set_rate(100)
    time.sleep(0.1)
    run.set_rate(math.inf)
    return run.join(60)


def main(arguments: list[str]) -> None:
    folder, seed, kind, pace = Path(arguments[0]), int(arguments[1]), arguments[2], arguments[3]
    connection: ConnectionKind = "inline" if kind == "inline" else "threaded"
    folder.mkdir(parents=True)
    told = paced(folder, seed, connection) if pace == "paced" else run_virtual(busy_world(folder, seed, connection))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
