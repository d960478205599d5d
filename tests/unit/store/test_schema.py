"""Tables, and how an older file becomes a newer one."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from regionsim.names.mistakes import ConfigError
from regionsim.runtime.loop import run_virtual
from regionsim.store.schema import MIGRATIONS, migrate, refuse_foreign
from tests.unit.store.samples import INLINE, REGION, key_id, new_key


def number_the_tags(connection: sqlite3.Connection) -> None:
    """A next migration, as one will look: it adds a column and fills it from what is there."""
    connection.execute("ALTER TABLE keys ADD COLUMN tag_count INTEGER NOT NULL DEFAULT 0")
    connection.execute("UPDATE keys SET tag_count = json_array_length(tags)")


NEXT = (*MIGRATIONS, number_the_tags)


async def _old_file(path: Path) -> None:
    store = await INLINE.open(path)
    await store.commit(new_key(1))
    await store.close()


def _migrated(path: Path, known=NEXT) -> tuple[int, sqlite3.Connection]:
    raw = sqlite3.connect(path, isolation_level=None)
    refuse_foreign(raw, path, region=REGION, known=known)
    raw.execute("BEGIN")
    try:
        was = migrate(raw, region=REGION, known=known)
    except BaseException:
        raw.execute("ROLLBACK")
        raw.close()
        raise
    raw.execute("COMMIT")
    return was, raw


def test_an_older_file_is_brought_up_to_date_with_what_it_holds(path: Path):
    run_virtual(_old_file(path))
    was, raw = _migrated(path)
    assert was == len(MIGRATIONS)
    assert raw.execute("SELECT key_id, tag_count FROM keys").fetchall() == [(key_id(1), 0)]
    assert dict(raw.execute("SELECT name, value FROM meta"))["schema_version"] == str(len(NEXT))
    raw.close()
    was, raw = _migrated(path)
    assert was == len(NEXT), "the second time there is nothing to do"
    raw.close()


def test_a_secret_that_an_older_file_has_in_clear_is_overwritten(path: Path):
    """Before secrets were sealed, they stood in the body of their store."""
    before = MIGRATIONS[:5]
    _, raw = _migrated(path, before)
    secrets = ("correct-horse-battery", "0123456789-the-secret-of-a-proxy")
    bodies = {
        "cks-1": {"password": secrets[0], "proxy": None},
        "cks-2": {"password": None, "proxy": {"secret": secrets[1]}},
    }
    for store_id, body in bodies.items():
        raw.execute("INSERT INTO key_stores VALUES (?, ?, 1)", (store_id, json.dumps(body)))
    raw.close()
    _, raw = _migrated(path, MIGRATIONS)
    assert [body for (body,) in raw.execute("SELECT body FROM key_stores")] == ['{"proxy":null}', '{"proxy":{}}']
    raw.close()
    assert not [secret for secret in secrets if secret.encode() in path.read_bytes()]


def test_a_new_file_goes_through_all_migrations(path: Path):
    was, raw = _migrated(path)
    assert was == 0
    assert raw.execute("SELECT count(tag_count) FROM keys").fetchone() == (0,)
    raw.close()


def test_a_migration_that_fails_leaves_the_old_file(path: Path):
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE tokens")
        connection.execute("INSERT INTO nowhere VALUES (1)")

    run_virtual(_old_file(path))
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        _migrated(path, (*MIGRATIONS, fail))
    was, raw = _migrated(path, MIGRATIONS)
    assert was == len(MIGRATIONS)
    assert raw.execute("SELECT count(*) FROM tokens").fetchone() == (1,)
    raw.close()


def test_a_file_of_the_next_version_is_refused_by_this_one(path: Path):
    run_virtual(_old_file(path))
    _migrated(path)[1].close()
    with pytest.raises(ConfigError, match=rf"version {len(NEXT)}, this one knows {len(MIGRATIONS)}"):
        run_virtual(_old_file(path))


def test_every_table_is_strict(path: Path):
    _, raw = _migrated(path, MIGRATIONS)
    listed = raw.execute(
        "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'"
    )
    strict = dict(listed.fetchall())
    assert set(strict) == {
        "meta",
        "keys",
        "tokens",
        "aliases",
        "outbox",
        "audit_segments",
        "tombstones",
        "grants",
        "key_stores",
        "last_uses",
    }
    assert set(strict.values()) == {1}
    raw.close()
