"""Every operation that regionsim offers, by AWS's name. Adding one: a class in its family's module, a line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from regionsim.kms.errors import UnknownOperationException
from regionsim.kms.operations import (
    aliases,
    custom_key_stores,
    data_key_pairs,
    data_keys,
    deletion,
    encryption,
    grants,
    imported_material,
    key_agreement,
    last_usage,
    lifecycle,
    macs,
    multi_region,
    policies,
    rotation,
    signing,
    tags,
)
from regionsim.kms.plan import Operation

_OPERATIONS: tuple[Operation[Any], ...] = (
    aliases.CreateAlias(),
    aliases.DeleteAlias(),
    aliases.ListAliases(),
    aliases.UpdateAlias(),
    custom_key_stores.ConnectCustomKeyStore(),
    custom_key_stores.CreateCustomKeyStore(),
    custom_key_stores.DeleteCustomKeyStore(),
    custom_key_stores.DescribeCustomKeyStores(),
    custom_key_stores.DisconnectCustomKeyStore(),
    custom_key_stores.UpdateCustomKeyStore(),
    data_key_pairs.GenerateDataKeyPair(),
    data_key_pairs.GenerateDataKeyPairWithoutPlaintext(),
    data_keys.GenerateDataKey(),
    data_keys.GenerateDataKeyWithoutPlaintext(),
    data_keys.GenerateRandom(),
    deletion.CancelKeyDeletion(),
    deletion.ScheduleKeyDeletion(),
    encryption.Decrypt(),
    encryption.Encrypt(),
    encryption.ReEncrypt(),
    grants.CreateGrant(),
    grants.ListGrants(),
    grants.ListRetirableGrants(),
    grants.RetireGrant(),
    grants.RevokeGrant(),
    imported_material.DeleteImportedKeyMaterial(),
    imported_material.GetParametersForImport(),
    imported_material.ImportKeyMaterial(),
    key_agreement.Decapsulate(),
    key_agreement.DeriveSharedSecret(),
    key_agreement.Encapsulate(),
    last_usage.GetKeyLastUsage(),
    lifecycle.CreateKey(),
    lifecycle.DescribeKey(),
    lifecycle.DisableKey(),
    lifecycle.EnableKey(),
    lifecycle.ListKeys(),
    macs.GenerateMac(),
    macs.VerifyMac(),
    multi_region.ReplicateKey(),
    multi_region.UpdatePrimaryRegion(),
    policies.GetKeyPolicy(),
    policies.ListKeyPolicies(),
    policies.PutKeyPolicy(),
    rotation.DisableKeyRotation(),
    rotation.EnableKeyRotation(),
    rotation.GetKeyRotationStatus(),
    rotation.ListKeyRotations(),
    rotation.RotateKeyOnDemand(),
    signing.GetPublicKey(),
    signing.Sign(),
    signing.Verify(),
    tags.ListResourceTags(),
    tags.TagResource(),
    tags.UntagResource(),
    tags.UpdateKeyDescription(),
)

REGISTRY: Mapping[str, Operation[Any]] = MappingProxyType({operation.name: operation for operation in _OPERATIONS})
"""Operation name -> operation."""


def operation_named(name: str) -> Operation[Any]:
    """The operation of that name.

    Errors: UnknownOperationException for a name that AWS does not have, or that regionsim does not offer yet.
    """
    try:
        return REGISTRY[name]
    except KeyError:
        raise UnknownOperationException(f"Unknown operation: {name}") from None
