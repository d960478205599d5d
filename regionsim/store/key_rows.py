"""A KMS key, a grant and an alias as rows, and back. One list of columns each, in the order of the values."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import asdict
from sys import intern
from typing import Any

from regionsim.authorization.grants import Grant, GrantConstraints
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
    Replica,
    RotationType,
    SharedProperties,
    StoreMembership,
    Tombstone,
)
from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.kms.key_stores import ConnectionState, KeyStore, ProxySettings, StoreType

KEY_COLUMNS = (
    "key_id", "account", "spec", "usage", "origin", "owner", "primary_region", "replicas", "materials",
    "current_material_id", "pending_material", "on_demand_rotation_count", "automatic_rotation", "shared_version",
    "region", "state", "policy", "description", "tags", "created_at_ns", "deletion_at_ns", "pending_window_days",
    "move_from_region", "move_to_region", "move_since_version", "imports",
    "key_store",
    "version",
)  # fmt: skip

TOMBSTONE_COLUMNS = ("key_id", "applied_version", "shared")

ALIAS_COLUMNS = ("account", "name", "target_key_id", "created_at_ns", "updated_at_ns", "version")

_SHARED_COUNT = 14

_json = json.JSONEncoder(separators=(",", ":")).encode


def key_row(key: KmsKey) -> tuple[Any, ...]:
    """The values of `KEY_COLUMNS`."""
    return (*_shared_row(key.shared), *_regional_row(key.regional), key.version)


def key_from_row(row: Sequence[Any]) -> KmsKey:
    """The key whose `key_row` this is. Its texts are shared with every Region's that keeps the same."""
    row = [intern(value) if isinstance(value, str) else value for value in row]
    return KmsKey(
        shared=_shared_from_row(row[:_SHARED_COUNT]),
        regional=_regional_from_row(row[_SHARED_COUNT:-1]),
        version=row[-1],
    )


def tombstone_row(tombstone: Tombstone) -> tuple[Any, ...]:
    """The values of `TOMBSTONE_COLUMNS`."""
    return tombstone.key_id, tombstone.applied_version, _json(_shared_row(tombstone.shared))


def tombstone_from_row(row: Sequence[Any]) -> Tombstone:
    """The tombstone whose `tombstone_row` this is."""
    _, applied_version, shared = row
    return Tombstone(applied_version=applied_version, shared=_shared_from_row(json.loads(shared)))


def alias_row(alias: Alias) -> tuple[Any, ...]:
    """The values of `ALIAS_COLUMNS`."""
    return (
        alias.account, alias.name, alias.target_key_id, alias.created_at_ns, alias.updated_at_ns, alias.version,
    )  # fmt: skip


def alias_from_row(row: Sequence[Any]) -> Alias:
    """The alias whose `alias_row` this is."""
    account, name, target_key_id, created_at_ns, updated_at_ns, version = row
    return Alias(
        account=intern(account),
        name=intern(name),
        target_key_id=intern(target_key_id),
        created_at_ns=created_at_ns,
        updated_at_ns=updated_at_ns,
        version=version,
    )


def grant_body(grant: Grant) -> str:
    """What a grant says, as JSON."""
    limits = grant.constraints
    return _json(
        {
            "grant_id": grant.grant_id,
            "key_arn": grant.key_arn,
            "grantee": grant.grantee,
            "operations": sorted(grant.operations),
            "issuing_account": grant.issuing_account,
            "retiring": grant.retiring,
            "equals": limits.encryption_context_equals,
            "subset": limits.encryption_context_subset,
            "source_arn": limits.source_arn,
            "name": grant.name,
            "created_at": grant.created_at,
        }
    )


def grant_from_body(body: str) -> Grant:
    """The grant whose `grant_body` this is."""
    said = json.loads(body)
    limits = GrantConstraints(
        encryption_context_equals=said.pop("equals"),
        encryption_context_subset=said.pop("subset"),
        source_arn=said.pop("source_arn"),
    )
    return Grant(operations=frozenset(said.pop("operations")), constraints=limits, **said)


def key_store_body(store: KeyStore) -> str:
    """What a custom key store is, as JSON."""
    said = asdict(store)
    sealed = said.pop("sealed")
    return _json({**said, "sealed": None if sealed is None else b64encode(sealed).decode("ascii")})


def key_store_from_body(body: str) -> KeyStore:
    """The custom key store whose `key_store_body` this is."""
    said = json.loads(body)
    proxy, sealed = said.pop("proxy"), said.pop("sealed", None)
    return KeyStore(
        sealed=None if sealed is None else b64decode(sealed),
        type=StoreType(said.pop("type")),
        state=ConnectionState(said.pop("state")),
        proxy=None if proxy is None else ProxySettings(**proxy),
        **said,
    )


def _shared_row(shared: SharedProperties) -> tuple[Any, ...]:
    calendar = shared.automatic_rotation
    return (
        shared.key_id,
        shared.account,
        shared.spec.value,
        shared.usage.value,
        shared.origin.value,
        shared.owner.value,
        shared.primary_region,
        _json([(replica.region, replica.since_version, replica.is_lost) for replica in shared.replicas]),
        _json([_described(material) for material in shared.materials]),
        shared.current_material_id,
        None if shared.pending_material is None else _json(_described(shared.pending_material)),
        shared.on_demand_rotation_count,
        None if calendar is None else _json((calendar.period_days, calendar.next_at_ns)),
        shared.shared_version,
    )


def _shared_from_row(row: Sequence[Any]) -> SharedProperties:
    (key_id, account, spec, usage, origin, owner, primary_region, replicas, materials,
     current_material_id, pending_material, on_demand_rotation_count, calendar, shared_version) = row  # fmt: skip
    return SharedProperties(
        key_id=key_id,
        account=account,
        spec=KeySpec(spec),
        usage=KeyUsage(usage),
        origin=Origin(origin),
        owner=KeyOwner(owner),
        primary_region=primary_region,
        replicas=tuple(
            Replica(region=region, since_version=since_version, is_lost=is_lost)
            for region, since_version, is_lost in _listed(replicas)
        ),
        materials=tuple(_material(described) for described in json.loads(materials)),
        current_material_id=current_material_id,
        pending_material=None if pending_material is None else _material(json.loads(pending_material)),
        on_demand_rotation_count=on_demand_rotation_count,
        automatic_rotation=None if calendar is None else _calendar(*json.loads(calendar)),
        shared_version=shared_version,
    )


def _regional_row(regional: RegionalProperties) -> tuple[Any, ...]:
    move = regional.move
    return (
        regional.region,
        regional.state.value,
        regional.policy,
        regional.description,
        _json(regional.tags),
        regional.created_at_ns,
        regional.deletion_at_ns,
        regional.pending_window_days,
        None if move is None else move.from_region,
        None if move is None else move.to_region,
        None if move is None else move.since_version,
        _json([(known.material_id, known.valid_to_ns) for known in regional.imports]),
        None if regional.key_store is None else _json(asdict(regional.key_store)),
    )


def _regional_from_row(row: Sequence[Any]) -> RegionalProperties:
    (region, state, policy, description, tags, created_at_ns, deletion_at_ns, pending_window_days,
     *move, imports, key_store) = row  # fmt: skip
    return RegionalProperties(
        region=region,
        state=KeyState(state),
        policy=policy,
        description=description,
        tags=tuple((name, value) for name, value in _listed(tags)),
        created_at_ns=created_at_ns,
        deletion_at_ns=deletion_at_ns,
        pending_window_days=pending_window_days,
        move=None if move[0] is None else PrimaryMove(from_region=move[0], to_region=move[1], since_version=move[2]),
        imports=tuple(
            Import(material_id=intern(material_id), valid_to_ns=valid_to_ns)
            for material_id, valid_to_ns in _listed(imports)
        ),
        key_store=None if key_store is None else _membership(json.loads(key_store)),
    )


def _listed(text: str) -> Sequence[Any]:
    """The list that the text is; most keys have no replicas, tags and imports, and a reader of JSON takes its time."""
    if text == "[]":
        return ()
    found: list[Any] = json.loads(text)
    return found


def _membership(said: dict[str, Any]) -> StoreMembership:
    behind = said.pop("state_behind")
    return StoreMembership(state_behind=None if behind is None else KeyState(behind), **said)


def _calendar(period_days: int, next_at_ns: int) -> AutomaticRotation:
    return AutomaticRotation(period_days=period_days, next_at_ns=next_at_ns)


def _described(material: KeyMaterial) -> dict[str, Any]:
    return {
        "material_id": material.material_id,
        "created_at_ns": material.created_at_ns,
        "rotation_type": material.rotation_type,
        "rotated_at_ns": material.rotated_at_ns,
        # Most material was never described and is imported nowhere: a row of an older file says no more than this.
        **({"description": material.description} if material.description else {}),
        **({"imported_in": material.imported_in} if material.imported_in else {}),
    }


def _material(described: dict[str, Any]) -> KeyMaterial:
    rotation_type = described["rotation_type"]
    return KeyMaterial(
        material_id=intern(described["material_id"]),
        created_at_ns=described["created_at_ns"],
        rotation_type=None if rotation_type is None else RotationType(rotation_type),
        rotated_at_ns=described["rotated_at_ns"],
        description=described.get("description", ""),
        imported_in=tuple(described.get("imported_in", ())),
    )
