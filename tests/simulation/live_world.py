"""Regions in real time on a data folder, which tell every acknowledged change as a line until somebody kills them.

python -m tests.simulation.live_world FOLDER REGION [REGION]
"""

from __future__ import annotations

import base64
import itertools
import json
import sys
import uuid
from pathlib import Path
from typing import Any

from regionsim.kms.errors import KmsError
from regionsim.kms.plan import Call
from regionsim.runtime.loop import run_real_time
from regionsim.runtime.tasks import Scope
from regionsim.simulation.ground import live_ground
from regionsim.simulation.simulation import Simulation
from regionsim.simulation.world import World
from tests.simulation.many_regions import ACCOUNT, directory

WORKERS = 4
POLICY = (
    '{"Version":"2012-10-17","Id":"%s","Statement":[{"Effect":"Allow",'
    '"Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}'
)


def live_simulation(folder: Path, regions: tuple[str, ...]) -> Simulation:
    """The world, not started."""
    world = World(
        regions=regions, directory=directory(), start_at_ns=0, hsm_profile="host", has_quotas=False, latencies="aws"
    )
    return Simulation(world, live_ground(folder))


async def call(simulation: Simulation, region: str, operation: str, **parameters: Any) -> dict[str, Any]:
    """The response. Errors: KmsError, the refusal."""
    caller = directory().principal(ACCOUNT, "alice")
    request = Call(operation=operation, parameters=parameters, caller=caller, request_id=str(uuid.uuid4()))
    return dict(await simulation.regions[region].call(request) or {})


def tell(**acknowledged: Any) -> None:
    """Print what the caller may rely on from now on."""
    sys.stdout.write(json.dumps(acknowledged) + "\n")
    sys.stdout.flush()


async def work(simulation: Simulation, regions: tuple[str, ...], number: int) -> None:
    """Create keys and change them, for ever."""
    home = regions[0]
    for turn in itertools.count():
        name = f"alias/{number}-{turn}-{uuid.uuid4().hex[:8]}"
        if number == 0:
            simulation.regions[home].fleet.rotate_domain_key()
        key = (await call(simulation, home, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
        tell(key=key)
        blob = (await call(simulation, home, "Encrypt", KeyId=key, Plaintext=key.encode()))["CiphertextBlob"]
        tell(key=key, blob=base64.b64encode(blob).decode())
        await call(simulation, home, "CreateAlias", AliasName=name, TargetKeyId=key)
        tell(key=key, alias=name)
        await call(simulation, home, "PutKeyPolicy", KeyId=key, Policy=POLICY % name)
        tell(key=key, policy=name)
        if len(regions) > 1:
            await call(simulation, home, "ReplicateKey", KeyId=key, ReplicaRegion=regions[1])
            tell(key=key, replica=regions[1])
        try:
            await call(simulation, home, "RotateKeyOnDemand", KeyId=key)
        except KmsError:
            continue
        tell(key=key, rotated=True)


async def main(folder: Path, regions: tuple[str, ...]) -> None:
    """Start, say so, work until killed."""
    simulation = live_simulation(folder, regions)
    await simulation.start()
    tell(ready=True)
    scope = Scope("workers")
    workers = [scope.spawn(work(simulation, regions, number), name=str(number)) for number in range(WORKERS)]
    for worker in workers:
        await worker


if __name__ == "__main__":
    run_real_time(main(Path(sys.argv[1]), tuple(sys.argv[2:])))
