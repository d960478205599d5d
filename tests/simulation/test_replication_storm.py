"""Many keys, lossy links and Regions that crash: the real replicators get everything across in the end.

What a run does is drawn from its seed; every invariant is watched.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from regionsim.faults.kinds import LinkCut
from regionsim.kms.errors import KmsError, KMSInternalException
from regionsim.kms.key import KeyState
from regionsim.runtime.tasks import Scope
from tests.simulation.many_regions import AP, EU, US, Play, play

REGIONS = (US, EU, AP)
KEY_COUNT = 40
ROUNDS = 6


@dataclass(slots=True)
class Storm:
    """One run: what was acknowledged to callers, and so must be there at the end."""

    world: Play
    random: Random
    keys: list[str]
    rotations: dict[str, int]

    async def change(self, key_id: str) -> None:
        """Rotate or move a key from where its primary seems to be; a refusal is an answer, too."""
        region = next((name for name in REGIONS if self._is_primary(name, key_id)), US)
        if not self.world.region(region).is_up:
            return
        try:
            if self.random.random() < 0.5:
                await self.world.call(region, "RotateKeyOnDemand", KeyId=key_id)
                self.rotations[key_id] += 1
            else:
                target = self.random.choice([name for name in REGIONS if name != region])
                await self.world.call(region, "UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion=target)
        except KmsError:
            return

    async def round(self) -> None:
        """Changes of many keys at once, while one link is cut and one Region crashes and comes back."""
        scope = Scope("callers")
        first, second = self.random.sample(REGIONS, 2)
        self.world.break_with(LinkCut(between=(first, second)))
        for key_id in self.random.sample(self.keys, KEY_COUNT // 2):
            scope.spawn(self.change(key_id), name=f"change/{key_id}")
        await self.world.rest(self.random.uniform(0.01, 1))
        crashed = self.world.region(self.random.choice(REGIONS))
        await crashed.crash()
        await self.world.rest(self.random.uniform(0, 2))
        await crashed.boot()
        self.world.heal()
        await self.world.rest(self.random.uniform(0, 2))
        scope.fence()
        await scope.closed()

    def _is_primary(self, region: str, key_id: str) -> bool:
        return self.world.region(region).is_up and self.world.key(region, key_id).is_primary


async def _replicate(world: Play, key_id: str, region: str) -> None:
    """A replica, however often the other Region's word is lost on the way."""
    while region not in world.key(US, key_id).shared.replica_regions:
        try:
            await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=region)
        except KMSInternalException:
            continue


async def _keys(world: Play) -> list[str]:
    keys = [(await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"] for _ in range(KEY_COUNT)]
    for key_id in keys:
        for region in (EU, AP):
            await _replicate(world, key_id, region)
    await world.settled()
    return keys


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_everything_is_across_in_the_end(tmp_path: Path, seed: int) -> None:
    async def script(world: Play) -> None:
        storm = Storm(world, Random(seed), keys := await _keys(world), dict.fromkeys(keys, 0))
        for _ in range(ROUNDS):
            await storm.round()
        await world.settled(120)

        assert sum(storm.rotations.values()) > KEY_COUNT // 2, "too little was acknowledged for the run to mean much"
        assert len({world.key(US, key_id).shared.primary_region for key_id in keys}) == len(REGIONS)
        for key_id in keys:
            related = [world.key(region, key_id) for region in REGIONS]
            assert [key.state for key in related] == [KeyState.ENABLED] * 3
            assert sum(key.is_primary for key in related) == 1
            assert related[0].shared == related[1].shared == related[2].shared
            assert related[0].shared.pending_material is None
            assert related[0].shared.rotation_count >= storm.rotations[key_id], "an acknowledged rotation is lost"
            assert not any(world.region(key.region).state.missing_material_ids(key) for key in related)
        for region in REGIONS:
            assert world.region(region)._replicator._progress == {}  # type: ignore[union-attr]

    play(script, tmp_path, seed=seed, loss=0.1, hsm_profile="host")
