"""The thread under the virtual loop and sqlite3 in the loop: one trace, event for event."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from regionsim.faults.verdicts import DiskRule
from regionsim.runtime.entropy import SeededEntropy
from regionsim.runtime.loop import VirtualLoop, run_virtual
from regionsim.runtime.tasks import now_ns, sleep
from regionsim.runtime.trace import Trace
from regionsim.store.disk import SimulatedDisk, ruled_by
from regionsim.store.errors import StoreError
from regionsim.store.store import Store
from tests.unit.store.samples import HELD, INLINE, Mode, new_key


async def _two_regions(mode: Mode, folder: Path, trace: Trace, entropy: SeededEntropy) -> None:
    """Two stores of their own, eight writers each, faults, a crash and a reopening of one."""
    rule = DiskRule(error=0.05, torn=0.3)

    def disk(name: str) -> SimulatedDisk:
        return SimulatedDisk(entropy.stream(f"disk {name}"), faults=ruled_by(lambda: rule))

    async def open_store(name: str, on: SimulatedDisk) -> Store:
        while True:
            try:
                return await Store.open(
                    folder / name, region=name, connection=mode.connection, disk=on, durable=False, trace=trace
                )
            except StoreError as error:
                trace.emit(name, "open.failure", error=str(error))

    async def writer(stores: dict[str, Store], name: str, number: int) -> None:
        draws = entropy.stream(f"writer {name} {number}")
        for turn in range(12):
            await sleep(draws.below(300_000))
            try:
                await stores[name].commit(new_key(number * 100 + turn))
                trace.emit(name, "acknowledged", writer=number, turn=turn)
            except StoreError as error:
                trace.emit(name, "refused", writer=number, turn=turn, error=str(error))

    disks = {name: disk(name) for name in ("us-east-1", "eu-west-1")}
    stores = {name: await open_store(name, on) for name, on in disks.items()}
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(writer(stores, name, number)) for name in stores for number in range(8)]
    await sleep(1_700_000)
    stores["us-east-1"].crash()
    trace.emit("us-east-1", "crash", cancelled=sum(task.cancelling() + task.done() for task in tasks))
    stores["us-east-1"] = await open_store("us-east-1", disks["us-east-1"])
    for task in tasks:
        try:
            await task
        except asyncio.CancelledError:
            trace.emit("", "cancelled")
    rule = DiskRule()
    for name, store in stores.items():
        loaded = await store.load()
        trace.emit(name, "loaded", writes=len(loaded.writes))
        await store.close()


def _trace(mode: Mode, folder: Path, seed: int) -> tuple[Trace, int]:
    folder.mkdir()
    loop = VirtualLoop()

    async def main() -> Trace:
        trace = Trace(now_ns)
        await _two_regions(mode, folder, trace, SeededEntropy(seed))
        return trace

    return run_virtual(main(), loop=loop), loop.event_count


@pytest.mark.parametrize("seed", range(4))
def test_held_and_inline_give_one_trace(tmp_path: Path, seed: int):
    inline, inline_events = _trace(INLINE, tmp_path / "inline", seed)
    held, held_events = _trace(HELD, tmp_path / "held", seed)
    kinds = {event.kind for event in inline.recent(2000)}
    assert kinds >= {"acknowledged", "refused", "crash", "cancelled", "store.commit", "store.failure", "loaded"}
    assert held.recent(2000) == inline.recent(2000)
    assert held.digest == inline.digest
    assert held_events == inline_events, "not even a callback more"


def test_another_seed_gives_another_trace(tmp_path: Path):
    first, _ = _trace(INLINE, tmp_path / "first", 1)
    second, _ = _trace(INLINE, tmp_path / "second", 2)
    assert first.digest != second.digest
