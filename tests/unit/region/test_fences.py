"""A dead incarnation acts no more: what it still wants to send or to answer is refused before it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from regionsim.kms.plan import Call
from regionsim.network.envelope import Envelope
from regionsim.runtime.tasks import Fenced, sleep
from tests.simulation.many_regions import EU, US, Play, play
from tests.simulation.one_region import SECOND, OneRegion, one_region


def test_a_dead_replicator_sends_nothing(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        region = world.region(US)
        dead = region._replicator
        assert dead is not None
        await region.crash()
        await region.boot()
        with pytest.raises(Fenced):
            dead._send(Envelope(id=1, sender=US, receiver=EU, body=b""))

    play(script, tmp_path, regions=(US, EU))


@pytest.mark.parametrize("ending", ["crash", "shut_down"])
@one_region()
async def test_a_call_that_outlives_its_cancellation_is_not_answered(kms: OneRegion, ending: str) -> None:
    async def stubborn(call: Call) -> Mapping[str, Any]:
        try:
            await sleep(10 * SECOND)
        except asyncio.CancelledError:
            await sleep(0)
        return {}

    kms.region.call = stubborn  # type: ignore[method-assign]  # the bug against which the fence stands
    replied = kms.begin("alice", "ListKeys")
    await sleep(SECOND)
    await getattr(kms.region, ending)()
    await sleep(20 * SECOND)
    assert not replied.done()
    await kms.region.boot()
