"""The key as a value: shared and regional parts, versions, roles."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from regionsim.kms.key import KeyState, RegionalProperties, RotationType, SharedProperties, replicas_in
from regionsim.kms.messages import CreateReplica, ReplicaSeed, Synchronize
from tests.unit.kms.keys import HERE, MRK_ID, NOW_NS, a_key, material


def test_regional_changes_leave_the_shared_version_alone() -> None:
    changed = a_key().with_regional(state=KeyState.DISABLED)
    assert (changed.version, changed.shared.shared_version) == (2, 1)
    assert changed.state is KeyState.DISABLED
    assert changed.with_regional(description="x").state is KeyState.DISABLED


def test_shared_changes_count_both_versions() -> None:
    key = a_key(MRK_ID, primary_region=HERE)
    changed = key.with_shared(key.shared.changed(replicas=replicas_in(("eu-west-1",))), state=KeyState.UPDATING)
    assert (changed.version, changed.shared.shared_version) == (2, 2)
    assert (changed.state, changed.shared.replica_regions) == (KeyState.UPDATING, ("eu-west-1",))


def test_one_region_of_a_set_is_primary_and_the_others_are_replicas() -> None:
    shared: dict[str, Any] = {"primary_region": "eu-west-1", "replicas": replicas_in((HERE, "sa-east-1"))}
    here, there = a_key(MRK_ID, **shared), a_key(MRK_ID, region="eu-west-1", **shared)
    assert (here.is_primary, here.is_replica) == (False, True)
    assert (there.is_primary, there.is_replica) == (True, False)
    assert here.shared.regions == ("eu-west-1", HERE, "sa-east-1")
    assert here.arn != there.arn


def test_a_single_region_key_is_neither() -> None:
    key = a_key()
    assert (key.is_primary, key.is_replica, key.shared.is_multi_region, key.shared.regions) == (False, False, False, ())


def test_a_pending_material_belongs_to_all_and_to_no_rotation_yet() -> None:
    first = material("11" * 32)
    second = material("22" * 32, rotation_type=RotationType.ON_DEMAND, rotated_at_ns=NOW_NS)
    pending = material("33" * 32, rotation_type=RotationType.ON_DEMAND)
    shared = a_key(materials=(first, second), pending_material=pending).shared
    assert shared.all_materials == (first, second, pending)
    assert shared.rotation_count == 1
    assert shared.material("33" * 32) is pending
    assert shared.material("44" * 32) is None


def test_what_goes_between_regions_can_hold_nothing_regional() -> None:
    """The type is the proof: a message has the shared properties, and a seed taken from the request."""
    shared = {field.name for field in fields(SharedProperties)}
    assert not shared & {"policy", "description", "tags", "state", "deletion_at_ns", "region"}
    assert [field.name for field in fields(Synchronize)] == ["shared"]
    assert [field.name for field in fields(CreateReplica)] == ["shared", "seed"]
    assert "state" not in {field.name for field in fields(ReplicaSeed)}


def test_a_policy_is_not_in_the_repr() -> None:
    assert "kms:*" not in repr(a_key())
    assert {field.name for field in fields(RegionalProperties) if not field.repr} == {"policy"}


def test_a_key_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        a_key().version = 2  # type: ignore[misc]
