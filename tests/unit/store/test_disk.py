"""Latency, faults, stalls, and what a crash leaves of the write-ahead log."""

from __future__ import annotations

import asyncio
import sqlite3
from itertools import pairwise
from pathlib import Path

import pytest

from regionsim.faults.verdicts import DiskOutcome, DiskRule, DiskVerdict
from regionsim.runtime.entropy import OsEntropy
from regionsim.runtime.loop import run_real_time, run_virtual
from regionsim.runtime.tasks import now_ns, sleep
from regionsim.store.disk import (
    INSTANT,
    PASS,
    Access,
    Complete,
    DiskProfile,
    RealDisk,
    WalMark,
    ruled_by,
    sqlite_error,
    wal_path,
)
from regionsim.store.schema import migrate
from tests.unit.store.samples import HELD, INLINE, REGION, Mode, peek, simulated_disk

virtual_modes = pytest.mark.parametrize("virtual", [INLINE, HELD], ids=lambda mode: mode.name)

BLOB = b"x" * 1_000_000


def make_table(raw: sqlite3.Connection) -> None:
    migrate(raw, region=REGION)  # or else the file could not be opened again
    raw.execute("CREATE TABLE t (x)")


def put(value: object):
    return lambda raw: raw.execute("INSERT INTO t VALUES (?)", (value,)).rowcount


def values(raw: sqlite3.Connection) -> list[object]:
    return [x for (x,) in raw.execute("SELECT x FROM t ORDER BY rowid")]


@virtual_modes
def test_an_operation_takes_its_drawn_latency_in_virtual_time(virtual: Mode, path: Path):
    async def main():
        connection = virtual.connect(path)
        await connection.tx(make_table)
        committed_at = now_ns()
        await connection.read(values)
        read_in = now_ns() - committed_at
        await connection.close()
        return committed_at, read_in

    committed_in, read_in = run_virtual(main())
    assert committed_in > DiskProfile().commit_floor_ns
    assert DiskProfile().read_floor_ns < read_in < committed_in


@virtual_modes
def test_completions_keep_the_order_of_submission_whatever_they_drew(virtual: Mode, path: Path):
    async def main():
        connection = virtual.connect(path, simulated_disk(profile=DiskProfile(commit_tail_ns=50_000_000)))
        told: list[tuple[int, int]] = []
        for number in range(30):
            done = connection.submit(Access.COMMIT if number % 2 else Access.READ, lambda raw: None)
            done.add_done_callback(lambda _, number=number: told.append((number, now_ns())))
        await connection.close()
        return told

    told = run_virtual(main())
    assert [number for number, _ in told] == list(range(30))
    assert len({at for _, at in told}) > 1, "latencies differ"


def test_an_instant_disk_takes_no_time(path: Path):
    async def main():
        connection = INLINE.connect(path, simulated_disk(profile=INSTANT))
        await connection.tx(make_table)
        await connection.close()
        return now_ns()

    assert run_virtual(main()) == 0


def test_a_fault_moves_no_draw(tmp_path: Path):
    """Instants after a fault are those of a run without it: the same numbers are drawn for every operation."""

    async def instants(path: Path, faulty: range) -> list[int]:
        count = 0

        def judge(access, draws):
            nonlocal count
            count += 1
            return DiskVerdict(outcome=DiskOutcome.FAIL) if count in faulty else PASS

        connection = INLINE.connect(path, simulated_disk(faults=judge))
        found = []
        for _ in range(10):
            try:
                await connection.tx(lambda raw: None)
            except sqlite3.OperationalError:
                assert count in faulty
            found.append(now_ns())
        connection.kill()
        return found

    without = run_virtual(instants(tmp_path / "a", range(0)))
    assert without == run_virtual(instants(tmp_path / "b", range(3, 6)))


@virtual_modes
@pytest.mark.parametrize(
    ("rule", "message", "name"),
    [
        (DiskRule(error=1.0), "disk I/O error", "SQLITE_IOERR"),
        (DiskRule(is_full=True), "database or disk is full", "SQLITE_FULL"),
    ],
)
def test_a_faulty_disk_rolls_back(virtual: Mode, path: Path, rule: DiskRule, message: str, name: str):
    rules = [DiskRule()]

    async def main():
        connection = virtual.connect(path, simulated_disk(faults=ruled_by(lambda: rules[0])))
        await connection.tx(make_table)
        rules[0] = rule
        with pytest.raises(sqlite3.OperationalError, match=message) as caught:
            await connection.tx(put(1))
        assert caught.value.sqlite_errorname == name
        if rule.is_full:
            assert await connection.read(values) == [], "a full disk can be read"
        else:
            with pytest.raises(sqlite3.OperationalError, match=message):
                await connection.read(values)
        rules[0] = DiskRule()
        await connection.tx(put(2))
        found = await connection.read(values)
        rules[0] = rule
        await connection.close()
        return found

    assert run_virtual(main()) == [2]


def test_a_slow_disk_is_slower_by_what_the_rule_says(path: Path):
    async def main():
        disk = simulated_disk(profile=INSTANT, faults=ruled_by(lambda: DiskRule(slow_ns=7)))
        connection = INLINE.connect(path, disk)
        await connection.tx(make_table)
        connection.kill()
        return now_ns()

    assert run_virtual(main()) == 7


def test_verdicts_without_an_error_have_none():
    assert sqlite_error(DiskVerdict(outcome=DiskOutcome.TORN)) is None
    assert sqlite_error(PASS) is None


@virtual_modes
def test_a_stalled_disk_begins_nothing_until_it_goes_on(virtual: Mode, path: Path):
    async def main():
        disk = simulated_disk()
        connection = virtual.connect(path, disk)
        await connection.tx(make_table)
        begun = connection.submit(Access.COMMIT, put(0))
        disk.stall()
        waiting = [connection.submit(Access.COMMIT, put(number)) for number in (1, 2)]
        await sleep(60_000_000_000)
        assert begun.done(), "what has begun completes"
        assert [told.done() for told in waiting] == [False, False]
        assert peek(path, "SELECT count(*) FROM t") == [1]
        disk.resume()
        for told in waiting:
            await told
        found = await connection.read(values)
        assert now_ns() < 60_002_000_000
        await connection.close()
        return found

    assert run_virtual(main()) == [0, 1, 2]


@virtual_modes
def test_a_crash_ends_a_stall_and_drops_what_waited(virtual: Mode, path: Path):
    async def main():
        disk = simulated_disk()
        connection = virtual.connect(path, disk)
        await connection.tx(make_table)
        disk.stall()
        lost = connection.submit(Access.COMMIT, put(1))
        connection.kill()
        disk.crash()
        assert lost.cancelled()
        connection = virtual.connect(path, disk)
        await connection.tx(put(2))
        found = await connection.read(values)
        await connection.close()
        return found

    assert run_virtual(main()) == [2]


async def _cut(mode: Mode, path: Path, *, seed: int, rule: DiskRule) -> tuple[int, list[int], list[object]]:
    """Acknowledge 0, write 1 to 3 without hearing of them, crash: the cut, the ends of the commits, what is left."""
    disk = simulated_disk(seed=seed, faults=ruled_by(lambda: rule))
    connection = mode.connect(path, disk)
    await connection.tx(make_table)
    await connection.tx(put(0))
    ends: list[int] = [wal_path(path).stat().st_size]

    def put_and_note(value: int):
        def work(raw: sqlite3.Connection) -> None:
            ends.append(wal_path(path).stat().st_size)
            raw.execute("INSERT INTO t VALUES (?)", (b"%d" % value * 5000,))

        return work

    for value in (1, 2, 3):
        connection.submit(Access.COMMIT, put_and_note(value))
    connection.kill()
    ends.append(wal_path(path).stat().st_size)
    disk.crash()
    cut = wal_path(path).stat().st_size
    connection = mode.connect(path, disk)
    left = [x if x == 0 else int(x[:1]) for x in await connection.read(values)]
    await connection.close()
    return cut, ends[1:], left


@virtual_modes
def test_a_crash_cuts_the_log_at_the_last_acknowledged_commit_or_after_it(virtual: Mode, tmp_path: Path):
    seen = set()
    for seed in range(40):
        cut, ends, left = run_virtual(_cut(virtual, tmp_path / f"{seed}", seed=seed, rule=DiskRule()))
        assert ends[0] <= cut <= ends[3]
        assert left == [0, 1, 2, 3][: len(left)]
        assert left, "what was acknowledged is there"
        assert (len(left) == 4) is (cut == ends[3])
        seen.add(len(left))
    assert seen >= {1, 2, 3}, "cuts fall into every write"


@virtual_modes
def test_a_torn_write_leaves_half_of_the_newest_commit(virtual: Mode, tmp_path: Path):
    for seed in range(10):
        cut, ends, left = run_virtual(_cut(virtual, tmp_path / f"{seed}", seed=seed, rule=DiskRule(torn=1.0)))
        assert ends[2] < cut < ends[3]
        assert left == [0, 1, 2]


def test_held_and_inline_tear_alike(tmp_path: Path):
    for seed in range(10):
        inline, held = (
            run_virtual(_cut(mode, tmp_path / f"{mode.name}{seed}", seed=seed, rule=DiskRule(torn=0.5)))
            for mode in (INLINE, HELD)
        )
        assert inline == held


@virtual_modes
def test_a_long_log_is_emptied_and_nothing_acknowledged_is_torn_then(virtual: Mode, path: Path):
    async def main():
        disk = simulated_disk()
        connection = virtual.connect(path, disk)
        await connection.tx(make_table)
        lengths = []
        for _ in range(20):
            await connection.tx(put(BLOB))
            lengths.append(wal_path(path).stat().st_size)
        unheard = [connection.submit(Access.COMMIT, put(BLOB)) for _ in range(20)]
        connection.kill()
        disk.crash()
        assert all(told.cancelled() for told in unheard)
        connection = virtual.connect(path, disk)
        (count,) = await connection.read(lambda raw: raw.execute("SELECT count(*) FROM t").fetchone())
        await connection.close()
        return lengths, count

    lengths, count = run_virtual(main())
    assert max(lengths) < 20_000_000
    assert any(later < earlier for earlier, later in pairwise(lengths))
    assert 20 <= count <= 40


def test_a_mark_of_a_log_that_was_emptied_since_says_nothing_of_the_new_one(path: Path):
    async def main():
        disk = simulated_disk()
        connection = INLINE.connect(path, disk)
        await connection.tx(make_table)
        told = [connection.submit(Access.COMMIT, put(BLOB))]
        while wal_path(path).stat().st_size > 0:
            told.append(connection.submit(Access.COMMIT, put(BLOB)))
        await told[0]
        assert not told[-1].done()
        connection.kill()
        disk.crash()
        connection = INLINE.connect(path, disk)
        (count,) = await connection.read(lambda raw: raw.execute("SELECT count(*) FROM t").fetchone())
        await connection.close()
        return count, len(told)

    count, written = run_virtual(main())
    assert count == written, "what is in the database file cannot be torn"


def test_a_crash_without_a_file_is_harmless():
    simulated_disk().crash()


def test_a_real_disk_adds_nothing(path: Path):
    async def main():
        connection = INLINE.connect(path, RealDisk())
        told = connection.submit(Access.COMMIT, make_table)
        assert told.done()
        connection.kill()
        RealDisk().crash()
        await asyncio.sleep(0)

    run_virtual(main())
    assert wal_path(path).stat().st_size > 0
    with pytest.raises(AssertionError, match="no marks"):
        RealDisk().acknowledge(WalMark(1, 1))


def test_a_real_disk_does_what_faults_say_and_keeps_the_order(tmp_path: Path) -> None:
    async def main() -> list[str]:
        disk, told, met = RealDisk(OsEntropy().stream("disk")), list[str](), list[str]()

        def job(name: str) -> None:
            def begin(verdict: DiskVerdict) -> Complete:
                told.append(f"{name} {verdict.outcome}")
                return lambda: told.append(f"{name} over")

            disk.submit(Access.COMMIT, begin)

        job("before")
        disk.follow(DiskRule(slow_ns=20_000_000), lambda: met.append("slow"))
        job("slow")
        disk.follow(DiskRule(is_full=True), lambda: met.append("full"))
        job("full")
        disk.follow(DiskRule(), lambda: met.append("none"))
        job("behind")
        assert told == ["before pass", "before over", "slow pass", "full full", "behind pass"]
        await sleep(60_000_000)
        job("after")
        disk.follow(DiskRule(slow_ns=20_000_000), lambda: met.append("slow"))
        job("lost")
        disk.crash()
        await sleep(60_000_000)
        assert met == ["slow", "full", "slow"]
        return told[5:]

    order = ["slow over", "full over", "behind over", "after pass", "after over", "lost pass"]
    assert run_real_time(main()) == order
