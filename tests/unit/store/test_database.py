"""Files that are opened, refused, and left behind."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from regionsim.names.mistakes import ConfigError
from regionsim.store.connection import open_connections
from regionsim.store.database import left_behind
from regionsim.store.disk import wal_path
from regionsim.store.schema import APPLICATION_ID, MIGRATIONS
from regionsim.store.store import Store
from tests.unit.store.samples import REGION, Mode, new_key, peek


async def make(mode: Mode, path: Path) -> None:
    store = await mode.open(path)
    await store.commit(new_key(1))
    await store.close()


def change(path: Path, *statements: str) -> None:
    raw = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        raw.execute(statement)
    raw.close()


async def refused(mode: Mode, path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        await mode.open(path)
    assert open_connections() == set()
    return str(caught.value)


def test_a_file_of_another_region_is_refused(mode: Mode, path: Path):
    async def main():
        await make(mode, path)
        with pytest.raises(ConfigError, match="is the store of us-east-1, not of eu-west-1"):
            await Store.open(path, region="eu-west-1", connection=mode.connection, disk=mode.disk(), durable=False)

    mode.run(main())


def test_a_newer_file_is_refused_and_untouched(mode: Mode, path: Path):
    async def main():
        await make(mode, path)
        change(path, "UPDATE meta SET value = '99' WHERE name = 'schema_version'", "PRAGMA journal_mode = DELETE")
        before = path.read_bytes()
        assert "newer regionsim (its store has version 99" in await refused(mode, path)
        assert path.read_bytes() == before

    mode.run(main())


def test_another_programs_database_is_refused_and_untouched(mode: Mode, path: Path):
    async def main():
        change(path, "CREATE TABLE theirs (x)", "INSERT INTO theirs VALUES (1)")
        before = path.read_bytes()
        assert "another program's database" in await refused(mode, path)
        assert path.read_bytes() == before

    mode.run(main())


def test_a_file_that_is_no_database_is_refused(mode: Mode, path: Path):
    path.write_bytes(b"#!/bin/sh\necho not a database\n" * 100)
    assert "file is not a database" in mode.run(refused(mode, path))


def test_a_damaged_store_is_refused(mode: Mode, path: Path):
    async def main():
        await make(mode, path)
        change(path, "DELETE FROM meta WHERE name = 'region'")
        assert "does not say whose store it is" in await refused(mode, path)
        change(path, "DROP TABLE meta")
        assert "no such table: meta" in await refused(mode, path)

    mode.run(main())


def test_a_path_that_cannot_be_opened_is_refused(mode: Mode, path: Path):
    assert "the folder must exist" in mode.run(refused(mode, path / "nowhere" / "file"))


def test_a_new_file_says_whose_it_is(mode: Mode, path: Path):
    mode.run(make(mode, path))
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert dict(raw.execute("SELECT name, value FROM meta")) == {
        "schema_version": str(len(MIGRATIONS)),
        "region": REGION,
    }
    raw.close()


def test_a_process_that_ends_while_its_file_is_aside_loses_nothing(mode: Mode, path: Path):
    async def main():
        await make(mode, path)
        path.rename(path.with_name(path.name + ".left-behind"))
        store = await mode.open(path)
        found = await store.load()
        await store.close()
        return found.writes

    assert len(mode.run(main())) == 2


def test_an_opened_file_begins_with_an_empty_log(mode: Mode, path: Path):
    """What was recovered is in the database file: no later crash can tear it."""

    async def main():
        disk = mode.disk()
        store = await mode.open(path, disk)
        await store.commit(new_key(1))
        store.crash()
        assert wal_path(path).stat().st_size > 0
        connection = mode.connect(path, disk)
        assert wal_path(path).stat().st_size == 0
        connection.kill()

    mode.run(main())


def test_closing_a_file_left_behind_makes_no_checkpoint(path: Path):
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("CREATE TABLE t (x)")
    raw.execute("BEGIN")
    raw.execute("INSERT INTO t VALUES (1)")
    log = wal_path(path).read_bytes()
    with left_behind(path):
        raw.close()
    assert wal_path(path).read_bytes() == log, "SQLite made a checkpoint: crashes would tear nothing"
    assert peek(path, "SELECT count(*) FROM t") == [0]
