"""The tables of a Region's file, and how an older file becomes a newer one.

A file's version is the number of migrations it has been through. Opening applies the missing ones in one transaction. A
newer file, another Region's and one that is no store of ours are refused before anything in them is touched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from regionsim.names.mistakes import ConfigError

APPLICATION_ID = 0x524B4D53
"""`RKMS`, in the header of every store."""

Migration = Callable[[sqlite3.Connection], None]

_FIRST_TABLES = (
    """
    CREATE TABLE meta (
        name  TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # One row per KMS key in this Region; `sequence` is the order of creation here. Lists are JSON: nobody asks by them.
    """
    CREATE TABLE keys (
        sequence                 INTEGER PRIMARY KEY AUTOINCREMENT,
        key_id                   TEXT NOT NULL UNIQUE,
        account                  TEXT NOT NULL,
        spec                     TEXT NOT NULL,
        usage                    TEXT NOT NULL,
        origin                   TEXT NOT NULL,
        owner                    TEXT NOT NULL,
        primary_region           TEXT,
        replicas                 TEXT NOT NULL,
        materials                TEXT NOT NULL,
        current_material_id      TEXT,
        pending_material         TEXT,
        on_demand_rotation_count INTEGER NOT NULL,
        automatic_rotation       TEXT,
        shared_version           INTEGER NOT NULL,
        region                   TEXT NOT NULL,
        state                    TEXT NOT NULL,
        policy                   TEXT NOT NULL,
        description              TEXT NOT NULL,
        tags                     TEXT NOT NULL,
        created_at_ns            INTEGER NOT NULL,
        deletion_at_ns           INTEGER,
        pending_window_days      INTEGER,
        move_from_region         TEXT,
        move_to_region           TEXT,
        move_since_version       INTEGER,
        version                  INTEGER NOT NULL CHECK (version >= 1),
        CHECK ((move_from_region IS NULL) = (move_to_region IS NULL))
    ) STRICT
    """,
    # Multi-Region keys that were deleted here: what stops an old message from bringing one back.
    """
    CREATE TABLE tombstones (
        key_id          TEXT PRIMARY KEY,
        applied_version INTEGER NOT NULL,
        shared          TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # Exported key tokens: backing keys wrapped under the domain key, in order of arrival. No foreign key: a token that
    # an HSM wrapped anew may come after its key was deleted; it is not kept then, and fails no outcome it rides in.
    """
    CREATE TABLE tokens (
        sequence    INTEGER PRIMARY KEY AUTOINCREMENT,
        key_id      TEXT NOT NULL,
        material_id TEXT NOT NULL,
        token       BLOB NOT NULL,
        UNIQUE (key_id, material_id)
    ) STRICT
    """,
    """
    CREATE TABLE aliases (
        account       TEXT NOT NULL,
        name          TEXT NOT NULL,
        target_key_id TEXT NOT NULL REFERENCES keys (key_id) ON DELETE CASCADE,
        created_at_ns INTEGER NOT NULL,
        updated_at_ns INTEGER NOT NULL,
        version       INTEGER NOT NULL CHECK (version >= 1),
        PRIMARY KEY (account, name)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX aliases_by_target ON aliases (target_key_id)",
    # The newest message per destination, key and kind that is not acknowledged yet.
    """
    CREATE TABLE outbox (
        sequence       INTEGER PRIMARY KEY AUTOINCREMENT,
        destination    TEXT NOT NULL,
        key_id         TEXT NOT NULL,
        kind           TEXT NOT NULL,
        shared_version INTEGER NOT NULL,
        since_ns       INTEGER NOT NULL,
        body           BLOB NOT NULL,
        UNIQUE (destination, key_id, kind)
    ) STRICT
    """,
    """
    CREATE TABLE audit_segments (
        sequence     INTEGER PRIMARY KEY AUTOINCREMENT,
        first_ns     INTEGER NOT NULL,
        last_ns      INTEGER NOT NULL,
        record_count INTEGER NOT NULL CHECK (record_count >= 1),
        body         BLOB NOT NULL,
        CHECK (first_ns <= last_ns)
    ) STRICT
    """,
    "CREATE INDEX audit_segments_by_end ON audit_segments (last_ns)",
)


def _create_first_tables(connection: sqlite3.Connection) -> None:
    for statement in _FIRST_TABLES:
        connection.execute(statement)


# One row per grant, in order of creation; what it says is JSON, since a grant never changes and nobody asks by it.
_GRANTS_TABLES = (
    """
    CREATE TABLE grants (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        key_id   TEXT NOT NULL REFERENCES keys (key_id) ON DELETE CASCADE,
        grant_id TEXT NOT NULL UNIQUE,
        body     TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX grants_by_key ON grants (key_id)",
)


def _create_grants(connection: sqlite3.Connection) -> None:
    for statement in _GRANTS_TABLES:
        connection.execute(statement)


def _add_imports(connection: sqlite3.Connection) -> None:
    """The imported materials that a Region holds of a key, as JSON."""
    connection.execute("ALTER TABLE keys ADD COLUMN imports TEXT NOT NULL DEFAULT '[]'")


# One row per custom key store; what it is is JSON, since nobody asks by it.
_KEY_STORES_TABLE = """
    CREATE TABLE key_stores (
        store_id TEXT PRIMARY KEY,
        body     TEXT NOT NULL,
        version  INTEGER NOT NULL CHECK (version >= 1)
    ) STRICT, WITHOUT ROWID
    """


def _create_key_stores(connection: sqlite3.Connection) -> None:
    connection.execute(_KEY_STORES_TABLE)
    connection.execute("ALTER TABLE keys ADD COLUMN key_store TEXT")


def _create_last_uses(connection: sqlite3.Connection) -> None:
    """The newest use of each key in cryptography."""
    connection.execute(
        """
        CREATE TABLE last_uses (
            key_id     TEXT PRIMARY KEY REFERENCES keys (key_id) ON DELETE CASCADE,
            operation  TEXT NOT NULL,
            at_ns      INTEGER NOT NULL,
            request_id TEXT NOT NULL,
            event_id   TEXT NOT NULL
        ) STRICT, WITHOUT ROWID
        """
    )


def _forget_clear_secrets(connection: sqlite3.Connection) -> None:
    """Passwords of clusters and secrets of proxies were kept in clear. They are overwritten, and their stores want to
    be told them again: only an HSM could seal them, and none is here."""
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("UPDATE key_stores SET body = json_remove(body, '$.password', '$.proxy.secret')")


MIGRATIONS: tuple[Migration, ...] = (
    _create_first_tables,
    _create_grants,
    _add_imports,
    _create_key_stores,
    _create_last_uses,
    _forget_clear_secrets,
)
"""In order; each turns a file of version n into one of version n + 1. What has been released is never edited."""


def refuse_foreign(
    connection: sqlite3.Connection, path: Path, *, region: str, known: Sequence[Migration] = MIGRATIONS
) -> None:
    """Nothing for a new file and for a store of this Region that we know. Errors: ConfigError;
    sqlite3.DatabaseError."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (is_empty,) = connection.execute("SELECT count(*) = 0 FROM sqlite_schema").fetchone()
    if application_id == 0 and is_empty:
        return
    if application_id != APPLICATION_ID:
        raise ConfigError(
            f"{path} is another program's database; a Region's store was wanted, or a path to make one at"
        )
    found = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    if not {"region", "schema_version"} <= found.keys():
        raise ConfigError(f"{path} is damaged: it does not say whose store it is; restore it from a copy")
    if found["region"] != region:
        raise ConfigError(f"{path} is the store of {found['region']}, not of {region}; each Region has its own file")
    if int(found["schema_version"]) > len(known):
        raise ConfigError(
            f"{path} was written by a newer regionsim (its store has version {found['schema_version']}, this one knows "
            f"{len(known)}); upgrade regionsim"
        )


def migrate(connection: sqlite3.Connection, *, region: str, known: Sequence[Migration] = MIGRATIONS) -> int:
    """Bring the file to the newest version, within the transaction that is open; returns the version it had (0:
    new)."""
    version = _version(connection)
    if version == len(known):
        return version
    for migration in known[version:]:
        migration(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    put = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    connection.execute(put, ("schema_version", str(len(known))))
    connection.execute(put, ("region", region))
    return version


def _version(connection: sqlite3.Connection) -> int:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    if application_id != APPLICATION_ID:
        return 0
    (value,) = connection.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
    return int(value)
