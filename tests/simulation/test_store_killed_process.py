"""A process that commits on a real disk is killed with -9: everything it was told is committed is in the file."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from regionsim.kms.writes import PutKey
from regionsim.runtime.loop import run_real_time
from regionsim.store.disk import RealDisk
from regionsim.store.store import Store
from tests.house.sources import CHECKOUT
from tests.unit.store.samples import REGION, key_id

_CHILD = """
import asyncio, os, pathlib, sys
from regionsim.runtime.loop import run_real_time
from regionsim.store.disk import RealDisk
from regionsim.store.store import Store
from tests.unit.store.samples import REGION, new_key

async def writer(store, first):
    for number in range(first, 1_000_000, 8):
        await store.commit(new_key(number))
        os.write(1, b"%d\\n" % number)

async def main():
    path, first = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    store = await Store.open(path, region=REGION, connection="threaded", disk=RealDisk(), durable=True)
    tasks = [asyncio.get_running_loop().create_task(writer(store, first + n)) for n in range(8)]
    for task in tasks:
        await task

run_real_time(main())
"""


def _acknowledged_until_killed(path: Path, *, first: int, count: int) -> list[int]:
    """What a child was told is committed; it is killed in the middle of its work once it has said `count` numbers."""
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(path), str(first)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(count)]
        child.send_signal(signal.SIGKILL)
        said += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    return [int(line) for line in said if line.endswith(b"\n")]


async def _stored(path: Path) -> tuple[list[str], int]:
    store = await Store.open(path, region=REGION, connection="threaded", disk=RealDisk(), durable=True)
    loaded = await store.load()
    assert await store.integrity_check() == ()
    records = sum(segment.record_count for segment in await store.read_audit())
    await store.close()
    keys = [write.key.key_id for write in loaded.writes if isinstance(write, PutKey)]
    assert len(loaded.writes) == 2 * len(keys), "each key has its token"
    return keys, records


def test_no_acknowledged_commit_is_lost_to_kill_9(tmp_path: Path):
    path = tmp_path / "us-east-1.sqlite3"
    told: list[int] = []
    for first in (0, 1_000_000 - 100_000):
        told += _acknowledged_until_killed(path, first=first, count=60)
        keys, records = run_real_time(_stored(path))
        assert {key_id(number) for number in told} <= set(keys)
        assert len(keys) == records, "each key has its audit record"
        assert len(keys) <= len(told) + 16, "at most what was in flight at each kill is there untold"
    assert len(told) >= 120
