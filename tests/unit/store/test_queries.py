"""SQL by itself: one connection, no loop."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest

from regionsim.kms.key import (
    Alias,
    AutomaticRotation,
    Import,
    KeyMaterial,
    KeyOwner,
    KeyState,
    KmsKey,
    Origin,
    PrimaryMove,
    RegionalProperties,
    RotationType,
    SharedProperties,
    StoreMembership,
    replicas_in,
)
from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.kms.key_stores import ConnectionState, KeyStore, ProxySettings, StoreType
from regionsim.kms.writes import PutAlias, PutKey, PutKeyStore, RemoveAlias, RemoveKey, RemoveKeyStore
from regionsim.store import queries
from regionsim.store.key_rows import ALIAS_COLUMNS, KEY_COLUMNS, key_from_row, key_row
from regionsim.store.schema import migrate
from regionsim.store.values import Acknowledgement, OutboxRow, StoredSegment
from tests.unit.store.samples import ACCOUNT, REGION, alias, entry, key, key_id, material_id, segment, token


@pytest.fixture
def raw() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    migrate(connection, region=REGION)
    yield connection
    connection.close()


def apply(raw: sqlite3.Connection, *writes) -> None:
    for write in writes:
        queries.apply_write(raw, write)


FULL = KmsKey(
    shared=SharedProperties(
        key_id=key_id(9),
        account=ACCOUNT,
        spec=KeySpec.RSA_2048,
        usage=KeyUsage.SIGN_VERIFY,
        origin=Origin.EXTERNAL,
        owner=KeyOwner.AWS,
        primary_region=REGION,
        replicas=replicas_in(("eu-west-1", "ap-south-1")),
        materials=(
            KeyMaterial(material_id=material_id(1), created_at_ns=1),
            KeyMaterial(
                material_id=material_id(2), created_at_ns=2, rotation_type=RotationType.ON_DEMAND, rotated_at_ns=2**62
            ),
        ),
        current_material_id=material_id(2),
        pending_material=KeyMaterial(
            material_id=material_id(3), created_at_ns=3, description="next year's", imported_in=("eu-west-1",)
        ),
        on_demand_rotation_count=4,
        automatic_rotation=AutomaticRotation(period_days=90, next_at_ns=2**62),
        shared_version=5,
    ),
    regional=RegionalProperties(
        region=REGION,
        state=KeyState.UPDATING,
        policy='{"Statement": "\N{SNOWMAN}"}',
        description="line\nand \x00 and 'quote'",
        tags=(("z", "1"), ("a", ""), ("a b", "\N{SNOWMAN}")),
        created_at_ns=7,
        deletion_at_ns=8,
        pending_window_days=9,
        move=PrimaryMove(from_region=REGION, to_region="eu-west-1", since_version=4),
        key_store=StoreMembership(
            store_id="cks-1", cluster_id="cluster-1", xks_key_id="key 1", state_behind=KeyState.DISABLED
        ),
        imports=(Import(material_id=material_id(1)), Import(material_id=material_id(2), valid_to_ns=2**62)),
    ),
    version=1,
)


def test_every_property_of_a_key_is_stored(raw: sqlite3.Connection):
    for part in (FULL.shared, FULL.regional):
        for field in fields(part):
            has_default = field.default is not field.default_factory
            assert not has_default or getattr(part, field.name) != field.default, f"the sample leaves out {field.name}"
    apply(raw, PutKey(key=FULL), token(9))
    (loaded, _) = queries.load_writes(raw)
    assert loaded == PutKey(key=FULL)
    assert key_from_row(key_row(FULL)) == FULL


@pytest.mark.parametrize("is_external", [False, True])
def test_every_property_of_a_custom_key_store_is_stored(raw: sqlite3.Connection, is_external: bool):
    proxy = ProxySettings(
        connectivity="VPC_ENDPOINT_SERVICE",
        uri_endpoint="https://e",
        uri_path="/p",
        access_key_id="A",
        vpc_service_name="n",
        vpc_service_owner="o",
    )
    store = KeyStore(
        store_id="cks-1",
        account=ACCOUNT,
        name="ours",
        type=StoreType.EXTERNAL_KEY_STORE if is_external else StoreType.AWS_CLOUDHSM,
        created_at_ns=7,
        state=ConnectionState.FAILED,
        error_code="NETWORK_ERRORS",
        until_ns=2**62,
        cluster_id=None if is_external else "cluster-1",
        trust_anchor=None if is_external else "certificate",
        sealed=None if is_external else b"\x01\xffsealed",
        proxy=proxy if is_external else None,
    )
    apply(raw, PutKeyStore(store=store))
    changed = store.changed(name="still ours")
    apply(raw, PutKeyStore(store=changed))
    assert list(queries.load_writes(raw)) == [PutKeyStore(store=changed)]
    with pytest.raises(AssertionError, match="is not the stored one plus one"):
        apply(raw, PutKeyStore(store=changed))
    apply(raw, RemoveKeyStore(store_id="cks-1"))
    assert list(queries.load_writes(raw)) == []


def test_there_is_a_column_for_each_property():
    """A property that is added to a key without a column (and a migration) would be lost at the next boot."""
    shared = {field.name for field in fields(SharedProperties)}
    regional = {field.name for field in fields(RegionalProperties)} - {"move"}
    assert set(KEY_COLUMNS) == shared | regional | {
        "version",
        "move_from_region",
        "move_to_region",
        "move_since_version",
    }
    assert len(KEY_COLUMNS) == len(key_row(FULL))
    assert set(ALIAS_COLUMNS) == {field.name for field in fields(Alias)}


def test_keys_are_loaded_in_order_of_creation_and_keep_it_when_changed(raw: sqlite3.Connection):
    apply(raw, *(PutKey(key=key(number)) for number in (5, 3, 4)))
    apply(raw, PutKey(key=key(5).with_regional(state=KeyState.DISABLED)))
    assert [write.key.regional.created_at_ns for write in queries.load_writes(raw)] == [5, 3, 4]
    apply(raw, RemoveKey(key_id=key_id(5)), PutKey(key=key(5)))
    assert [write.key.regional.created_at_ns for write in queries.load_writes(raw)] == [3, 4, 5]


@pytest.mark.parametrize("version", [1, 2, 4, 5])
def test_a_key_version_that_did_not_grow_by_one_is_a_bug(raw: sqlite3.Connection, version: int):
    second = key(1).with_regional(description="2")
    apply(raw, PutKey(key=key(1)), PutKey(key=second))
    with pytest.raises(AssertionError, match=f"version {version} is not the stored one plus one"):
        apply(raw, PutKey(key=replace(second, version=version)))
    apply(raw, PutKey(key=replace(second, version=3)))


def test_a_new_key_begins_with_version_one(raw: sqlite3.Connection):
    with pytest.raises(AssertionError, match="version 2"):
        apply(raw, PutKey(key=replace(key(1), version=2)))


def test_an_alias_version_that_did_not_grow_by_one_is_a_bug(raw: sqlite3.Connection):
    apply(raw, PutKey(key=key(1)), PutKey(key=key(2)), PutAlias(alias=alias("a", 1)))
    apply(raw, PutAlias(alias=alias("a", 2, version=2)))
    for version in (1, 2, 4):
        with pytest.raises(AssertionError, match=f"alias/a of {ACCOUNT}: version {version}"):
            apply(raw, PutAlias(alias=alias("a", 1, version=version)))
    apply(raw, RemoveAlias(account=ACCOUNT, name="alias/a"), PutAlias(alias=alias("a", 1)))


def test_an_alias_of_no_key_is_refused(raw: sqlite3.Connection):
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        apply(raw, PutAlias(alias=alias("a", 1)))


def test_a_removed_key_takes_its_aliases_and_tokens_with_it(raw: sqlite3.Connection):
    apply(raw, PutKey(key=key(1)), token(1), PutAlias(alias=alias("a", 1)), PutKey(key=key(2)), token(2))
    apply(raw, RemoveKey(key_id=key_id(1)), RemoveKey(key_id=key_id(1)), RemoveAlias(account=ACCOUNT, name="alias/a"))
    assert list(queries.load_writes(raw)) == [PutKey(key=key(2)), token(2)]


def test_a_token_wrapped_anew_keeps_its_place(raw: sqlite3.Connection):
    apply(raw, PutKey(key=key(1)), PutKey(key=key(2)), token(1, "first"), token(2, "second"), token(1, "again"))
    assert list(queries.load_writes(raw))[2:] == [token(1, "again"), token(2, "second")]


def test_a_token_of_a_key_that_is_gone_is_not_kept(raw: sqlite3.Connection):
    apply(raw, PutKey(key=key(1)), token(1, "first"), RemoveKey(key_id=key_id(1)), token(1, "late"))
    assert list(queries.load_writes(raw)) == []


def test_the_outbox_keeps_the_newest_entry_of_each_address(raw: sqlite3.Connection):
    first = queries.put_outbox(raw, entry(1))
    other = queries.put_outbox(raw, entry(1, kind="CreateReplica"))
    second = queries.put_outbox(raw, entry(1, shared_version=2, body=b"newer"))
    assert first < other < second
    assert list(queries.load_outbox(raw)) == [
        OutboxRow(
            sequence=other,
            destination="eu-west-1",
            key_id=key_id(1),
            kind="CreateReplica",
            shared_version=1,
            since_ns=1,
            body=b"body",
        ),
        OutboxRow(
            sequence=second,
            destination="eu-west-1",
            key_id=key_id(1),
            kind="Synchronize",
            shared_version=2,
            since_ns=1,
            body=b"newer",
        ),
    ]
    assert queries.put_outbox(raw, entry(1, shared_version=2)) > second, "the same version may be said again"


def test_an_entry_waits_since_the_oldest_that_it_replaced(raw: sqlite3.Connection):
    def waiting() -> list[tuple[int, int]]:
        return [(row.shared_version, row.since_ns) for row in queries.load_outbox(raw)]

    queries.put_outbox(raw, entry(1, shared_version=1, since_ns=100))
    queries.put_outbox(raw, entry(1, shared_version=2, since_ns=200))
    assert waiting() == [(2, 100)]
    queries.put_outbox(raw, entry(1, shared_version=3, since_ns=50))
    assert waiting() == [(3, 50)], "the clock was set back in between"
    acknowledged = Acknowledgement(destination="eu-west-1", key_id=key_id(1), kind="Synchronize", shared_version=3)
    queries.acknowledge_outbox(raw, acknowledged)
    queries.put_outbox(raw, entry(1, shared_version=4, since_ns=400))
    assert waiting() == [(4, 400)], "what is across counts no more"


def test_an_older_entry_cannot_replace_a_newer(raw: sqlite3.Connection):
    queries.put_outbox(raw, entry(1, shared_version=5))
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        queries.put_outbox(raw, entry(1, shared_version=4))


def test_a_sequence_is_never_used_twice(raw: sqlite3.Connection):
    first = queries.put_outbox(raw, entry(1))
    acknowledged = Acknowledgement(destination="eu-west-1", key_id=key_id(1), kind="Synchronize", shared_version=1)
    assert queries.acknowledge_outbox(raw, acknowledged) == 1
    assert queries.put_outbox(raw, entry(1)) == first + 1


def test_an_acknowledgement_drops_up_to_its_version_only(raw: sqlite3.Connection):
    for number, version in ((1, 1), (2, 2), (3, 3)):
        queries.put_outbox(raw, entry(1, kind=f"k{number}", shared_version=version))
        queries.put_outbox(raw, entry(1, kind=f"k{number}", shared_version=version, destination="ap-south-1"))
    acknowledged = Acknowledgement(destination="eu-west-1", key_id=key_id(1), kind="k3", shared_version=2)
    assert queries.acknowledge_outbox(raw, acknowledged) == 0
    assert queries.acknowledge_outbox(raw, replace(acknowledged, kind="k1")) == 1
    assert queries.acknowledge_outbox(raw, replace(acknowledged, kind="k2")) == 1
    left = [(row.destination, row.kind) for row in queries.load_outbox(raw)]
    assert left == [("ap-south-1", "k1"), ("ap-south-1", "k2"), ("eu-west-1", "k3"), ("ap-south-1", "k3")]


def test_audit_segments_are_found_by_instant_and_place(raw: sqlite3.Connection):
    spans = [(10, 19), (15, 29), (30, 30)]
    for first, last in spans:
        queries.append_audit(raw, segment(first, last, records=last - first + 1, body=b"%d" % first))
    assert next(queries.read_audit(raw)) == StoredSegment(
        sequence=1, first_ns=10, last_ns=19, record_count=10, body=b"10"
    )

    def found(**bounds: int) -> list[int]:
        return [stored.first_ns for stored in queries.read_audit(raw, **bounds)]

    assert found() == [10, 15, 30]
    assert found(since_ns=20) == [15, 30]
    assert found(until_ns=14) == [10]
    assert found(since_ns=19, until_ns=19) == [10, 15]
    assert found(after_sequence=1, limit=1) == [15]


@pytest.mark.parametrize("broken", [segment(2, 1), segment(1, records=0)])
def test_an_impossible_segment_is_refused(raw: sqlite3.Connection, broken):
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        queries.append_audit(raw, broken)


def test_an_empty_store_holds_nothing_and_is_sound(raw: sqlite3.Connection):
    assert list(queries.load_writes(raw)) == []
    assert list(queries.load_outbox(raw)) == []
    assert list(queries.read_audit(raw)) == []
    assert queries.integrity_check(raw) == ()


def test_an_integrity_check_finds_a_row_without_its_parent(raw: sqlite3.Connection):
    apply(raw, PutKey(key=key(1)), PutAlias(alias=alias("a", 1)))
    raw.execute("PRAGMA foreign_keys = OFF")
    raw.execute("DELETE FROM keys")
    assert "names a row of keys that is not there" in queries.integrity_check(raw)[0]
