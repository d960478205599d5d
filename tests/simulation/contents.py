"""What a Region holds, for tests that nothing of it was changed."""

from __future__ import annotations

from typing import Any

from regionsim.kms.writes import PutLastUse
from tests.simulation.one_region import OneRegion


async def contents(kms: OneRegion) -> tuple[Any, ...]:
    """Everything in the Region's file but its audit trail and last uses, which follow what was answered before.

    The file is read anew, and the keys in memory stand beside it.
    """
    loaded = await kms.region.store.load()
    writes = tuple(write for write in loaded.writes if not isinstance(write, PutLastUse))
    return (writes, loaded.outbox, tuple(kms.region.state.all_keys()))
