"""The store and the state in memory are twins: whatever was written to both, a reopened store rebuilds the same state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from regionsim.authorization.grants import Grant, GrantConstraints
from regionsim.kms.hsm_jobs import MaterialRef
from regionsim.kms.key import AutomaticRotation, KeyMaterial, KeyState, PrimaryMove, Replica, RotationType, Tombstone
from regionsim.kms.state import RegionState
from regionsim.kms.writes import (
    PutAlias,
    PutGrant,
    PutKey,
    PutToken,
    PutTombstone,
    RemoveAlias,
    RemoveGrant,
    RemoveKey,
    RemoveToken,
    Write,
)
from regionsim.runtime.loop import run_virtual
from regionsim.store.values import Commit
from tests.unit.store.samples import ACCOUNT, INLINE, REGION, alias, key, key_id, material_id, picture, rebuilt

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
instants = st.integers(0, 2**63 - 1)
materials = st.builds(
    KeyMaterial,
    material_id=st.integers(0, 9).map(material_id),
    created_at_ns=instants,
    rotation_type=st.none() | st.sampled_from(RotationType),
    rotated_at_ns=st.none() | instants,
)
replicas = st.builds(Replica, region=texts, since_version=st.integers(1, 99), is_lost=st.booleans())
regional_changes = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(KeyState),
        "policy": texts,
        "description": texts,
        "tags": st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
        "deletion_at_ns": st.none() | instants,
        "pending_window_days": st.none() | st.integers(7, 30),
        "move": st.none() | st.builds(PrimaryMove, from_region=texts, to_region=texts, since_version=st.integers(1, 9)),
    },
)
shared_changes = st.fixed_dictionaries(
    {},
    optional={
        "primary_region": st.none() | texts,
        "replicas": st.lists(replicas, max_size=3).map(tuple),
        "automatic_rotation": st.none()
        | st.builds(AutomaticRotation, period_days=st.integers(90, 2560), next_at_ns=instants),
        "materials": st.lists(materials, max_size=4).map(tuple),
        "current_material_id": st.none() | texts,
        "pending_material": st.none() | materials,
        "on_demand_rotation_count": st.integers(0, 25),
    },
)
grant_changes = st.fixed_dictionaries(
    {},
    optional={
        "retiring": st.none() | st.sampled_from(["arn:aws:iam::111122223333:user/bob", "s3.amazonaws.com"]),
        "name": st.none() | texts,
        "created_at": instants,
        "constraints": st.builds(
            GrantConstraints,
            encryption_context_equals=st.none() | st.dictionaries(texts, texts, max_size=2),
            encryption_context_subset=st.none() | st.dictionaries(texts, texts, max_size=2),
            source_arn=st.none() | texts,
        ),
    },
)
numbers = st.integers(0, 5)
names = st.sampled_from(["a", "b", "c"])
steps = st.one_of(
    st.tuples(st.just("key"), numbers, regional_changes, shared_changes),
    st.tuples(st.just("remove key"), numbers),
    st.tuples(st.just("tombstone"), numbers, shared_changes),
    st.tuples(st.just("alias"), names, numbers),
    st.tuples(st.just("remove alias"), names),
    st.tuples(st.just("grant"), numbers, st.integers(0, 3), grant_changes),
    st.tuples(st.just("remove grant"), numbers, st.integers(0, 3)),
    st.tuples(st.just("token"), numbers, st.integers(0, 3), st.binary(max_size=9), st.booleans()),
    st.tuples(st.just("remove token"), numbers, st.integers(0, 3)),
)


def smaller_write_of(step: tuple[Any, ...], state: RegionState) -> Write | None:
    match step:
        case ("grant", number, which, changes):
            grant_id = f"grant {number} {which}"
            target = state.key(key_id(number))
            if target is None or state.grants_of(key_id(number)).get(grant_id) is not None:
                return None
            fixed = {"grantee": "s3.amazonaws.com", "operations": frozenset({"Decrypt"}), "issuing_account": ACCOUNT}
            return PutGrant(
                key_id=key_id(number), grant=Grant(grant_id=grant_id, key_arn=target.arn, **fixed, **changes)
            )
        case ("remove alias", name):
            return RemoveAlias(account=ACCOUNT, name=f"alias/{name}")
        case ("remove token", number, material):
            return RemoveToken(key_id=key_id(number), material_id=material_id(material))
        case ("remove grant", number, which):
            return RemoveGrant(key_id=key_id(number), grant_id=f"grant {number} {which}")
    raise AssertionError(step)


def write_of(step: tuple[Any, ...], state: RegionState) -> Write | None:
    """The write that a step means on a state; None when KMS would not make it."""
    match step:
        case ("key", number, regional, shared):
            known = state.key(key_id(number))
            if known is None:
                fresh = key(number, account=ACCOUNT if number % 2 else "444455556666", **regional)
                return PutKey(key=replace(fresh, shared=replace(fresh.shared, **shared)))
            return PutKey(key=known.with_shared(known.shared.changed(**shared), **regional))
        case ("remove key", number):
            return RemoveKey(key_id=key_id(number))
        case ("tombstone", number, shared):
            return PutTombstone(
                tombstone=Tombstone(applied_version=number, shared=replace(key(number).shared, **shared))
            )
        case ("alias", name, number):
            target = state.key(key_id(number))
            if target is None or target.account != ACCOUNT:
                return None
            known_alias = state.alias(ACCOUNT, f"alias/{name}")
            return PutAlias(alias=alias(name, number, version=1 if known_alias is None else known_alias.version + 1))
        case ("token", number, material, token, is_rewrapped):
            held = MaterialRef(key_id=key_id(number), material_id=material_id(material), token=token)
            return PutToken(material=held, is_rewrapped=is_rewrapped)
    return smaller_write_of(step, state)


@settings(max_examples=60)
@given(st.lists(st.lists(steps, max_size=6), max_size=8))
def test_a_reopened_store_rebuilds_the_state(commits: list[list[tuple[Any, ...]]]):
    async def main(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        state = RegionState(REGION)
        store = await INLINE.open(path)
        for batch in commits:
            writes: list[Write] = []
            for step in batch:
                write = write_of(step, state)
                if write is not None:
                    writes.append(write)
                    state.apply(write)
            await store.commit(Commit(writes=tuple(writes)))
        await store.close()
        store = await INLINE.open(path)
        loaded = await store.load()
        assert await store.integrity_check() == ()
        await store.close()
        return picture(state), picture(rebuilt(loaded.writes))

    with TemporaryDirectory() as folder:
        before, after = run_virtual(main(Path(folder) / "store"))
    assert before == after
