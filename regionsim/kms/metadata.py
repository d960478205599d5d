"""KeyMetadata: how CreateKey, DescribeKey and ReplicateKey show a KMS key.

Source: botocore's model, KeyMetadata; which members are there when: observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from regionsim.kms.imports import is_complete, permanent_expiry_ns
from regionsim.kms.key import KeyState, KmsKey, SharedProperties, StoreMembership
from regionsim.kms.key_specs import KeyUsage, is_symmetric, use_of
from regionsim.names.arns import key_arn

_ALGORITHM_LIST: Mapping[KeyUsage, str] = MappingProxyType(
    {
        KeyUsage.ENCRYPT_DECRYPT: "EncryptionAlgorithms",
        KeyUsage.SIGN_VERIFY: "SigningAlgorithms",
        KeyUsage.GENERATE_VERIFY_MAC: "MacAlgorithms",
        KeyUsage.KEY_AGREEMENT: "KeyAgreementAlgorithms",
        KeyUsage.ENCAPSULATE_DECAPSULATE: "EncapsulationAlgorithms",
    }
)


def epoch_seconds(instant_ns: int) -> float:
    """An instant as AWS's JSON writes it: epoch seconds with milliseconds."""
    return round(instant_ns / 1_000_000_000, 3)


def expiry_members(valid_to_ns: int | None) -> dict[str, Any]:
    """Whether and when imported material expires."""
    if valid_to_ns is None:
        return {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
    return {"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": epoch_seconds(valid_to_ns)}


def algorithm_list(shared: SharedProperties) -> dict[str, list[str]]:
    """The one list of algorithms that fits the key's usage, under its name."""
    use = use_of(shared.spec, shared.usage)
    assert use is not None, f"{shared.spec} has no use {shared.usage}"
    return {_ALGORITHM_LIST[shared.usage]: list(use.algorithms)}


def key_metadata(key: KmsKey) -> dict[str, Any]:
    """The KeyMetadata structure of `key`; members that do not apply are absent, as in AWS's answers."""
    shared, regional = key.shared, key.regional
    metadata: dict[str, Any] = {
        "AWSAccountId": shared.account,
        "KeyId": shared.key_id,
        "Arn": key.arn,
        "CreationDate": epoch_seconds(regional.created_at_ns),
        "Enabled": regional.state is KeyState.ENABLED,
        "Description": regional.description,
        "KeyUsage": shared.usage.value,
        "KeyState": regional.state.value,
        "Origin": shared.origin.value,
        "KeyManager": shared.owner.value,
        "CustomerMasterKeySpec": shared.spec.value,
        "KeySpec": shared.spec.value,
        "MultiRegion": shared.is_multi_region,
    }
    metadata |= algorithm_list(shared)
    if regional.state is KeyState.PENDING_DELETION and regional.deletion_at_ns is not None:
        metadata["DeletionDate"] = epoch_seconds(regional.deletion_at_ns)
    if regional.state is KeyState.PENDING_REPLICA_DELETION and regional.pending_window_days is not None:
        metadata["PendingDeletionWindowInDays"] = regional.pending_window_days
    has_rotations = is_symmetric(shared.spec) and regional.key_store is None
    if has_rotations and shared.current_material_id is not None and regional.state is not KeyState.CREATING:
        metadata["CurrentKeyMaterialId"] = shared.current_material_id
    if shared.is_imported and is_complete(shared, regional.imports):
        metadata |= expiry_members(permanent_expiry_ns(key))
    if regional.key_store is not None:
        metadata |= _in_store(regional.key_store)
    if shared.is_multi_region:
        metadata["MultiRegionConfiguration"] = _multi_region(shared, is_primary=key.is_primary)
    return metadata


def _in_store(membership: StoreMembership) -> dict[str, Any]:
    found: dict[str, Any] = {"CustomKeyStoreId": membership.store_id}
    if membership.cluster_id is not None:
        found["CloudHsmClusterId"] = membership.cluster_id
    if membership.xks_key_id is not None:
        found["XksKeyConfiguration"] = {"Id": membership.xks_key_id}
    return found


def _multi_region(shared: SharedProperties, *, is_primary: bool) -> dict[str, Any]:
    def member(region: str) -> dict[str, str]:
        return {"Arn": key_arn(region, shared.account, shared.key_id), "Region": region}

    assert shared.primary_region is not None
    return {
        "MultiRegionKeyType": "PRIMARY" if is_primary else "REPLICA",
        "PrimaryKey": member(shared.primary_region),
        "ReplicaKeys": [member(region) for region in shared.replica_regions],
    }
