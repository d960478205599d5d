"""What the store does to its tables: synchronous functions on a connection, within a transaction that somebody else
began.

`apply_write` is the durable twin of `RegionState.apply`: the same write on both leaves both with the same keys, aliases
and exported key tokens.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from sys import intern
from typing import assert_never

from regionsim.kms.hsm_jobs import MaterialRef
from regionsim.kms.key import Alias, KmsKey
from regionsim.kms.key_stores import KeyStore
from regionsim.kms.last_use import LastUse
from regionsim.kms.writes import (
    PutAlias,
    PutGrant,
    PutKey,
    PutKeyStore,
    PutLastUse,
    PutToken,
    PutTombstone,
    RemoveAlias,
    RemoveGrant,
    RemoveKey,
    RemoveKeyStore,
    RemoveToken,
    Write,
)
from regionsim.store.key_rows import (
    ALIAS_COLUMNS,
    KEY_COLUMNS,
    TOMBSTONE_COLUMNS,
    alias_from_row,
    alias_row,
    grant_body,
    grant_from_body,
    key_from_row,
    key_row,
    key_store_body,
    key_store_from_body,
    tombstone_from_row,
    tombstone_row,
)
from regionsim.store.values import Acknowledgement, AuditSegment, Commit, OutboxEntry, OutboxRow, StoredSegment


def _insert(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" for _ in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608


def _update(table: str, columns: Sequence[str], where: str) -> str:
    return f"UPDATE {table} SET {', '.join(f'{column} = ?' for column in columns)} WHERE {where}"  # noqa: S608


# Table and column names above and below are the literals of this room.
_INSERT_KEY = _insert("keys", KEY_COLUMNS)
_UPDATE_KEY = _update("keys", KEY_COLUMNS, "key_id = ? AND version = ?")
_SELECT_KEYS = f"SELECT {', '.join(KEY_COLUMNS)} FROM keys ORDER BY sequence"  # noqa: S608
_INSERT_ALIAS = _insert("aliases", ALIAS_COLUMNS)
_UPDATE_ALIAS = _update("aliases", ALIAS_COLUMNS, "account = ? AND name = ? AND version = ?")
_SELECT_ALIASES = f"SELECT {', '.join(ALIAS_COLUMNS)} FROM aliases ORDER BY account, name"  # noqa: S608


_PUT_TOMBSTONE = f"INSERT OR REPLACE INTO tombstones ({', '.join(TOMBSTONE_COLUMNS)}) VALUES (?, ?, ?)"  # noqa: S608
_SELECT_TOMBSTONES = f"SELECT {', '.join(TOMBSTONE_COLUMNS)} FROM tombstones ORDER BY key_id"  # noqa: S608

_FOREVER_NS = 2**63 - 1


def apply_commit(connection: sqlite3.Connection, commit: Commit) -> tuple[int, ...]:
    """Store one outcome; returns the sequences of its outbox entries."""
    for write in commit.writes:
        apply_write(connection, write)
    for acknowledgement in commit.acknowledged:
        acknowledge_outbox(connection, acknowledgement)
    sequences = tuple(put_outbox(connection, entry) for entry in commit.outbox)
    for segment in commit.audit:
        append_audit(connection, segment)
    return sequences


def apply_write(connection: sqlite3.Connection, write: Write) -> None:
    """Store one write. Errors: AssertionError when a version did not grow by exactly one."""
    match write:
        case PutKey(key=key):
            _put_key(connection, key)
        case RemoveKey(key_id=key_id):
            _remove_key(connection, key_id)
        case PutTombstone(tombstone=tombstone):
            connection.execute(_PUT_TOMBSTONE, tombstone_row(tombstone))
        case PutAlias(alias=alias):
            _put_alias(connection, alias)
        case RemoveAlias(account=account, name=name):
            connection.execute("DELETE FROM aliases WHERE account = ? AND name = ?", (account, name))
        case PutGrant(key_id=key_id, grant=grant):
            connection.execute(
                "INSERT INTO grants (key_id, grant_id, body)"
                " SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM keys WHERE key_id = ?1)",
                (key_id, grant.grant_id, grant_body(grant)),
            )
        case RemoveGrant(grant_id=grant_id):
            connection.execute("DELETE FROM grants WHERE grant_id = ?", (grant_id,))
        case PutToken(material=material, is_rewrapped=False):
            _put_token(connection, material)
        case PutToken(material=material):
            connection.execute(
                "UPDATE tokens SET token = ? WHERE key_id = ? AND material_id = ?",
                (material.token, material.key_id, material.material_id),
            )
        case RemoveToken(key_id=key_id, material_id=material_id):
            connection.execute("DELETE FROM tokens WHERE key_id = ? AND material_id = ?", (key_id, material_id))
        case PutKeyStore() | RemoveKeyStore() | PutLastUse():
            _apply_beside(connection, write)
        case _:
            assert_never(write)


def _apply_beside(connection: sqlite3.Connection, write: PutKeyStore | RemoveKeyStore | PutLastUse) -> None:
    match write:
        case PutKeyStore(store=store):
            _put_key_store(connection, store)
        case RemoveKeyStore(store_id=store_id):
            connection.execute("DELETE FROM key_stores WHERE store_id = ?", (store_id,))
        case PutLastUse(key_id=key_id, use=use):
            connection.execute(
                "INSERT OR REPLACE INTO last_uses (key_id, operation, at_ns, request_id, event_id)"
                " SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM keys WHERE key_id = ?1)",
                (key_id, use.operation, use.at_ns, use.request_id, use.event_id),
            )


def _put_key_store(connection: sqlite3.Connection, store: KeyStore) -> None:
    if store.version == 1:
        put = "INSERT INTO key_stores (body, version, store_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        changed = connection.execute(put, (key_store_body(store), store.version, store.store_id))
    else:
        put = "UPDATE key_stores SET body = ?, version = ? WHERE store_id = ? AND version = ?"
        changed = connection.execute(put, (key_store_body(store), store.version, store.store_id, store.version - 1))
    _assert_grew(changed, f"custom key store {store.store_id}", store.version)


def _put_key(connection: sqlite3.Connection, key: KmsKey) -> None:
    if key.version == 1:
        changed = connection.execute(_INSERT_KEY, key_row(key))
    else:
        changed = connection.execute(_UPDATE_KEY, (*key_row(key), key.key_id, key.version - 1))
    _assert_grew(changed, f"key {key.key_id}", key.version)


def _remove_key(connection: sqlite3.Connection, key_id: str) -> None:
    # Its aliases and grants go with it, by their foreign keys.
    if connection.execute("DELETE FROM keys WHERE key_id = ?", (key_id,)).rowcount:
        connection.execute("DELETE FROM tokens WHERE key_id = ?", (key_id,))


def _put_alias(connection: sqlite3.Connection, alias: Alias) -> None:
    if alias.version == 1:
        changed = connection.execute(_INSERT_ALIAS, alias_row(alias))
    else:
        changed = connection.execute(_UPDATE_ALIAS, (*alias_row(alias), alias.account, alias.name, alias.version - 1))
    _assert_grew(changed, f"{alias.name} of {alias.account}", alias.version)


def _assert_grew(changed: sqlite3.Cursor, what: str, version: int) -> None:
    if changed.rowcount != 1:  # not an assert statement: what is on disk must not depend on -O
        raise AssertionError(f"{what}: version {version} is not the stored one plus one")


def _put_token(connection: sqlite3.Connection, material: MaterialRef) -> None:
    connection.execute(
        "INSERT INTO tokens (key_id, material_id, token)"
        " SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM keys WHERE key_id = ?1)"
        " ON CONFLICT (key_id, material_id) DO UPDATE SET token = excluded.token",
        (material.key_id, material.material_id, material.token),
    )


def load_writes(connection: sqlite3.Connection) -> Iterator[Write]:
    """The writes that rebuild the state: keys in order of creation, tombstones, aliases, grants, tokens by arrival."""
    for row in connection.execute(_SELECT_KEYS):
        yield PutKey(key=key_from_row(row))
    for row in connection.execute(_SELECT_TOMBSTONES):
        yield PutTombstone(tombstone=tombstone_from_row(row))
    for row in connection.execute(_SELECT_ALIASES):
        yield PutAlias(alias=alias_from_row(row))
    for key_id, operation, at_ns, request_id, event_id in connection.execute(
        "SELECT key_id, operation, at_ns, request_id, event_id FROM last_uses ORDER BY key_id"
    ):
        use = LastUse(operation=intern(operation), at_ns=at_ns, request_id=request_id, event_id=event_id)
        yield PutLastUse(key_id=intern(key_id), use=use)
    for (body,) in connection.execute("SELECT body FROM key_stores ORDER BY store_id"):
        yield PutKeyStore(store=key_store_from_body(body))
    for key_id, body in connection.execute("SELECT key_id, body FROM grants ORDER BY sequence"):
        yield PutGrant(key_id=key_id, grant=grant_from_body(body))
    for key_id, material_id, token in connection.execute(
        "SELECT key_id, material_id, token FROM tokens ORDER BY sequence"
    ):
        yield PutToken(material=MaterialRef(key_id=intern(key_id), material_id=intern(material_id), token=token))


def put_outbox(connection: sqlite3.Connection, entry: OutboxEntry) -> int:
    """The sequence of the entry in the outbox, where it replaces the one with its destination, key and kind.

    Errors: sqlite3.IntegrityError when that one is newer.
    """
    address = (entry.destination, entry.key_id, entry.kind, entry.shared_version)
    replaced = connection.execute(
        "DELETE FROM outbox WHERE destination = ? AND key_id = ? AND kind = ? AND shared_version <= ?"
        " RETURNING since_ns",
        address,
    ).fetchall()
    since_ns = min(entry.since_ns, *(since_ns for (since_ns,) in replaced)) if replaced else entry.since_ns
    put = connection.execute(
        "INSERT INTO outbox (destination, key_id, kind, shared_version, since_ns, body) VALUES (?, ?, ?, ?, ?, ?)",
        (*address, since_ns, entry.body),
    )
    assert put.lastrowid is not None, "a row was inserted"
    return put.lastrowid


def acknowledge_outbox(connection: sqlite3.Connection, acknowledgement: Acknowledgement) -> int:
    """Drop what needs not be sent again; returns how many entries that was."""
    return connection.execute(
        "DELETE FROM outbox WHERE destination = ? AND key_id = ? AND kind = ? AND shared_version <= ?",
        (acknowledgement.destination, acknowledgement.key_id, acknowledgement.kind, acknowledgement.shared_version),
    ).rowcount


def load_outbox(connection: sqlite3.Connection) -> Iterator[OutboxRow]:
    """What still must be sent, in order of last change."""
    for sequence, destination, key_id, kind, shared_version, since_ns, body in connection.execute(
        "SELECT sequence, destination, key_id, kind, shared_version, since_ns, body FROM outbox ORDER BY sequence"
    ):
        yield OutboxRow(
            sequence=sequence,
            destination=destination,
            key_id=key_id,
            kind=kind,
            shared_version=shared_version,
            since_ns=since_ns,
            body=body,
        )


def append_audit(connection: sqlite3.Connection, segment: AuditSegment) -> int:
    """The sequence of the segment, now the last one."""
    put = connection.execute(
        "INSERT INTO audit_segments (first_ns, last_ns, record_count, body) VALUES (?, ?, ?, ?)",
        (segment.first_ns, segment.last_ns, segment.record_count, segment.body),
    )
    assert put.lastrowid is not None, "a row was inserted"
    return put.lastrowid


def read_audit(
    connection: sqlite3.Connection,
    *,
    since_ns: int | None = None,
    until_ns: int | None = None,
    after_sequence: int = 0,
    limit: int | None = None,
) -> Iterator[StoredSegment]:
    """Segments in order of commit that may hold records of `since_ns` to `until_ns` (both included; None: no bound)."""
    for sequence, first_ns, last_ns, record_count, body in connection.execute(
        "SELECT sequence, first_ns, last_ns, record_count, body FROM audit_segments"
        " WHERE sequence > ? AND last_ns >= ? AND first_ns <= ?"
        " ORDER BY sequence LIMIT ?",
        (
            after_sequence,
            -_FOREVER_NS if since_ns is None else since_ns,
            _FOREVER_NS if until_ns is None else until_ns,
            -1 if limit is None else limit,
        ),
    ):
        yield StoredSegment(sequence=sequence, first_ns=first_ns, last_ns=last_ns, record_count=record_count, body=body)


def drop_audit(connection: sqlite3.Connection, before_ns: int) -> int:
    """Forget segments whose last record is older; how many records that were."""
    (count,) = connection.execute(
        "SELECT coalesce(sum(record_count), 0) FROM audit_segments WHERE last_ns < ?", (before_ns,)
    ).fetchone()
    connection.execute("DELETE FROM audit_segments WHERE last_ns < ?", (before_ns,))
    return int(count)


def integrity_check(connection: sqlite3.Connection) -> tuple[str, ...]:
    """What is wrong with the file, by SQLite's own checks; empty when nothing is."""
    problems = [text for (text,) in connection.execute("PRAGMA integrity_check") if text != "ok"]
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        problems.append(f"{table} {row} names a row of {parent} that is not there")
    return tuple(problems)
