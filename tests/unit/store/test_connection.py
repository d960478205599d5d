"""One face: the same tests for sqlite3 in the loop, aiosqlite's thread in real time, and the same thread held."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import aiosqlite
import pytest

from regionsim.runtime.entropy import OsEntropy
from regionsim.runtime.loop import VirtualLoop, run_real_time, run_virtual
from regionsim.runtime.tasks import now_ns
from regionsim.store.connection import open_connections
from regionsim.store.disk import Access, DiskProfile, SimulatedDisk, wal_path
from regionsim.store.errors import CommitFailed, StoreClosed
from tests.unit.store.samples import HELD, INLINE, REAL, Mode, peek


def make_table(raw: sqlite3.Connection) -> None:
    raw.execute("CREATE TABLE t (x INTEGER)")


def put(*values: int):
    def work(raw: sqlite3.Connection) -> int:
        for value in values:
            raw.execute("INSERT INTO t VALUES (?)", (value,))
        return len(values)

    return work


def values(raw: sqlite3.Connection) -> list[int]:
    return [x for (x,) in raw.execute("SELECT x FROM t ORDER BY rowid")]


def spawn(coroutine):
    return asyncio.get_running_loop().create_task(coroutine)


def test_a_transaction_returns_what_its_function_returns_and_is_there(mode: Mode, path: Path):
    async def main():
        connection = mode.connect(path)
        await connection.tx(make_table)
        answer = await connection.tx(put(1, 2))
        found = await connection.read(values)
        await connection.close()
        return answer, found

    assert mode.run(main()) == (2, [1, 2])
    assert peek(path, "SELECT x FROM t ORDER BY rowid") == [1, 2]


def test_a_transaction_that_raises_leaves_nothing(mode: Mode, path: Path):
    def fail(raw: sqlite3.Connection) -> None:
        raw.execute("INSERT INTO t VALUES (1)")
        raise LookupError("on purpose")

    async def main():
        connection = mode.connect(path)
        await connection.tx(make_table)
        with pytest.raises(LookupError, match="on purpose"):
            await connection.tx(fail)
        found = await connection.read(values)
        await connection.tx(put(3))
        await connection.close()
        return found

    assert mode.run(main()) == []
    assert peek(path, "SELECT x FROM t ORDER BY rowid") == [3]


def test_what_a_read_writes_is_rolled_back(mode: Mode, path: Path):
    async def main():
        connection = mode.connect(path)
        await connection.tx(make_table)
        await connection.read(put(1))
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await connection.read(lambda raw: raw.execute("SELECT * FROM nowhere"))
        found = await connection.read(values)
        await connection.close()
        return found

    assert mode.run(main()) == []


def test_operations_run_in_the_order_of_submission(mode: Mode, path: Path):
    async def main():
        connection = mode.connect(path)
        connection.submit(Access.COMMIT, make_table)
        answers: list[int] = []
        submitted = [connection.submit(Access.COMMIT, put(number)) for number in range(20)]
        for number, told in enumerate(submitted):
            told.add_done_callback(lambda _, number=number: answers.append(number))
        assert connection.in_flight == 21
        found = await connection.read(values)
        assert connection.in_flight == 0
        await connection.close()
        return answers, found

    assert mode.run(main()) == (list(range(20)), list(range(20)))


def test_concurrent_transactions_of_many_statements_never_interleave(mode: Mode, path: Path):
    async def write(connection, first: int) -> None:
        await connection.tx(put(*range(first, first + 50)))

    async def main():
        connection = mode.connect(path)
        await connection.tx(make_table)
        tasks = [spawn(write(connection, first)) for first in (0, 100, 200, 300)]
        for task in tasks:
            await task
        found = await connection.read(values)
        await connection.close()
        return found

    found = mode.run(main())
    assert [found[i : i + 50] for i in range(0, 200, 50)] == [list(range(f, f + 50)) for f in (0, 100, 200, 300)]


def test_a_cancelled_waiter_does_not_undo_its_transaction(mode: Mode, path: Path):
    async def main():
        connection = mode.connect(path)
        await connection.tx(make_table)
        waiter = spawn(connection.tx(put(1, 2, 3)))
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        failed = spawn(connection.tx(lambda raw: raw.execute("INSERT INTO nowhere VALUES (1)")))
        await asyncio.sleep(0)
        failed.cancel()
        found = await connection.read(values)
        await connection.close()
        return found

    assert mode.run(main()) == [1, 2, 3]


def test_close_answers_what_is_in_flight_and_refuses_the_rest(mode: Mode, path: Path):
    async def main():
        connection = mode.connect(path)
        connection.submit(Access.COMMIT, make_table)
        told = connection.submit(Access.COMMIT, put(1))
        closing = spawn(connection.close())
        await asyncio.sleep(0)
        with pytest.raises(StoreClosed):
            connection.submit(Access.READ, values)
        await closing
        await connection.close()
        connection.kill()
        return told.result()

    assert mode.run(main()) == 1
    assert not wal_path(path).exists(), "the last connection to close empties the log"


def test_a_killed_connection_answers_nobody_and_leaves_its_log(mode: Mode, path: Path):
    async def main():
        connection = mode.connect(path)
        await connection.tx(make_table)
        await connection.tx(put(1))
        told = connection.submit(Access.COMMIT, put(2))
        connection.kill()
        connection.kill()
        assert told.cancelled()
        assert connection.in_flight == 0
        with pytest.raises(StoreClosed):
            await connection.tx(put(3))
        await asyncio.sleep(0)

    mode.run(main())
    assert wal_path(path).stat().st_size > 0, "a process that dies makes no checkpoint"
    assert peek(path, "SELECT x FROM t ORDER BY rowid")[:1] == [1]


def test_kill_while_close_waits_ends_both(path: Path):
    async def main():
        connection = INLINE.connect(path)
        closing = spawn(connection.close())
        await asyncio.sleep(0)
        connection.kill()
        with pytest.raises(asyncio.CancelledError):
            await closing

    run_virtual(main())


def test_connections_are_known_until_they_end(mode: Mode, path: Path):
    async def main():
        first, second = mode.connect(path), mode.connect(path.with_name("other"))
        assert open_connections() == {first, second}
        await first.close()
        assert open_connections() == {second}
        second.kill()
        assert open_connections() == set()

    mode.run(main())


@pytest.mark.parametrize("durable", [True, False])
def test_settings_are_what_sqlite_works_with(mode: Mode, path: Path, durable: bool):
    async def main():
        connection = mode.connect(path, durable=durable)

        def pragma(name: str):
            return connection.read(lambda raw: raw.execute(f"PRAGMA {name}").fetchone()[0])

        found = {name: await pragma(name) for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")}
        checkpoint = await pragma("wal_autocheckpoint")
        await connection.close()
        return found, checkpoint

    found, checkpoint = mode.run(main())
    synchronous = {"FULL": 2, "OFF": 0}["FULL" if durable else "OFF"]
    assert found == {"journal_mode": "wal", "synchronous": synchronous, "foreign_keys": 1, "busy_timeout": 5000}
    assert (checkpoint == 0) is mode.is_virtual, "a simulated crash needs the whole log"


def test_statements_are_counted(mode: Mode, path: Path):
    async def main():
        connection = mode.connect(path)
        await connection.tx(make_table)
        before = connection.statement_count
        await connection.tx(put(1, 2, 3))
        count = connection.statement_count - before
        await connection.close()
        return count

    assert mode.run(main()) == 5, "BEGIN, three rows, COMMIT"


def test_a_commit_that_fails_is_told_apart(path: Path):
    def break_a_deferred_rule(raw: sqlite3.Connection) -> None:
        raw.execute("CREATE TABLE parent (x INTEGER PRIMARY KEY)")
        raw.execute("CREATE TABLE child (x REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
        raw.execute("INSERT INTO child VALUES (1)")

    async def main():
        connection = INLINE.connect(path)
        with pytest.raises(CommitFailed, match="FOREIGN KEY"):
            await connection.tx(break_a_deferred_rule)
        await connection.tx(make_table)
        await connection.close()

    run_virtual(main())


def test_a_locked_file_is_an_error_not_a_wait_for_ever(path: Path):
    async def main():
        connection = INLINE.connect(path)
        await connection.tx(make_table)
        await connection.tx(lambda raw: None)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await connection.read(lambda raw: raw.execute("PRAGMA busy_timeout = 1").fetchone())
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            await connection.tx(put(1))
        other.execute("ROLLBACK")
        other.close()
        assert await connection.tx(put(1)) == 1
        await connection.close()

    run_virtual(main())


def test_an_interrupt_of_the_program_is_not_carried_as_an_answer(path: Path):
    def interrupted(raw: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    async def main():
        connection = INLINE.connect(path)
        with pytest.raises(KeyboardInterrupt):
            connection.submit(Access.COMMIT, interrupted)
        connection.kill()

    run_virtual(main())


# The thread.


def test_aiosqlite_still_has_the_one_private_name_that_is_used():
    moved = "aiosqlite moved _execute: regionsim.store.worker_thread.WorkerThread.enqueue must learn its new name"
    assert callable(getattr(aiosqlite.Connection, "_execute", None)), moved


def test_work_is_handed_to_the_thread_at_once_and_runs_there(path: Path):
    async def main():
        connection = REAL.connect(path)
        ran_on: list[str] = []
        started = threading.Event()

        def work(raw: sqlite3.Connection) -> None:
            ran_on.append(threading.current_thread().name)
            started.set()

        told = connection.submit(Access.READ, work)
        # No await so far: only handed over at once can it run while the loop is busy here.
        assert started.wait(10), "aiosqlite no longer queues work before its first suspension"
        await told
        await connection.close()
        return ran_on

    assert run_real_time(main()) != [threading.current_thread().name]


def test_a_failing_answer_that_nobody_hears_is_not_reported(mode: Mode, path: Path):
    """A crash forgets operations that have failed; asyncio must not complain of failures that nobody looked at."""

    async def main():
        disk = mode.disk()
        connection = mode.connect(path, disk)
        for _ in range(3):
            connection.submit(Access.READ, lambda raw: raw.execute("SELECT * FROM nowhere"))
        connection.kill()
        disk.crash()
        await asyncio.sleep(0.01)
        gc.collect()

    async def watched():
        complaints: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        await main()
        return complaints

    assert mode.run(watched()) == []


def test_a_long_statement_is_broken_off_by_kill(path: Path):
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"

    async def main():
        connection = REAL.connect(path)
        running = threading.Event()

        def work(raw: sqlite3.Connection) -> None:
            running.set()
            raw.execute(endless).fetchone()

        connection.submit(Access.READ, work)
        behind = connection.submit(Access.COMMIT, make_table)
        assert running.wait(10)
        await asyncio.sleep(0.02)  # from `set` into the statement
        connection.kill()
        await asyncio.sleep(0.01)
        assert behind.cancelled()

    run_real_time(main())
    assert peek(path, "SELECT count(*) FROM sqlite_schema") == [0]


def test_a_simulated_disk_serves_real_time_too(path: Path):
    async def main():
        profile = DiskProfile(commit_floor_ns=5_000_000, commit_tail_ns=0)
        connection = REAL.connect(path, SimulatedDisk(OsEntropy().stream("disk"), profile))
        began = now_ns()
        connection.submit(Access.COMMIT, make_table)
        await connection.tx(put(1))
        took = now_ns() - began
        lost = connection.submit(Access.COMMIT, put(2))
        connection.kill()
        assert lost.cancelled()
        return took

    assert run_real_time(main()) >= 4_000_000  # real loops round their timers


def test_a_held_connection_can_be_killed_after_its_loop(path: Path):
    loop = VirtualLoop()

    async def main():
        connection = HELD.connect(path)
        await connection.tx(make_table)
        return connection

    connection = run_virtual(main(), loop=loop)
    connection.kill()
    assert connection not in open_connections()


def test_a_forgotten_connection_does_not_keep_the_process(path: Path):
    program = f"""
import pathlib
from regionsim.runtime.loop import run_real_time
from regionsim.store.connection import ThreadedConnection
from regionsim.store.database import FileSettings
from regionsim.store.disk import RealDisk
path = pathlib.Path({str(path)!r})
async def main():
    global kept
    settings = FileSettings(path=path, region="us-east-1", is_durable=True, keeps_log=False)
    kept = ThreadedConnection.open(settings, RealDisk())
    await kept.tx(lambda raw: raw.execute("CREATE TABLE t (x)"))
    print("open")
run_real_time(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout == "open\n"
