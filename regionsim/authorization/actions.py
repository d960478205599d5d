"""Tables of KMS permissions: all of them, those usable across accounts, and those that a grant can give."""

from __future__ import annotations

GRANT_OPERATIONS = frozenset(
    {
        "Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext", "GenerateMac", "VerifyMac", "Sign", "Verify", "ReEncryptFrom",
        "ReEncryptTo", "DeriveSharedSecret", "Encapsulate", "Decapsulate", "GetPublicKey", "DescribeKey", "CreateGrant",
        "RetireGrant",
    }
)  # fmt: skip
"""What a grant can allow. Source: botocore 1.44.5, GrantOperation."""

_CROSS_ACCOUNT = frozenset(
    {
        "CreateGrant", "Decapsulate", "Decrypt", "DeriveSharedSecret", "DescribeKey", "Encapsulate", "Encrypt",
        "GenerateDataKey", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
        "GenerateDataKeyWithoutPlaintext", "GenerateMac", "GetKeyRotationStatus", "GetPublicKey", "ListGrants",
        "ReEncryptFrom", "ReEncryptTo", "RetireGrant", "RevokeGrant", "Sign", "Verify", "VerifyMac",
    }
)  # fmt: skip

CROSS_ACCOUNT_ACTIONS = frozenset(f"kms:{name}".lower() for name in _CROSS_ACCOUNT)
"""Permissions that a caller of another account can have on a key, in lower case.
Source: KMS API Reference, "Cross-account use: Yes" (ReEncrypt stands for its two permissions)."""

_OTHERS = frozenset(
    {
        "CancelKeyDeletion", "ConnectCustomKeyStore", "CreateAlias", "CreateCustomKeyStore", "CreateKey", "DeleteAlias",
        "DeleteCustomKeyStore", "DeleteImportedKeyMaterial", "DescribeCustomKeyStores", "DisableKey",
        "DisableKeyRotation", "DisconnectCustomKeyStore", "EnableKey", "EnableKeyRotation", "GenerateRandom",
        "GetKeyLastUsage", "GetKeyPolicy", "GetParametersForImport", "ImportKeyMaterial", "ListAliases",
        "ListKeyPolicies", "ListKeyRotations", "ListKeys", "ListResourceTags", "ListRetirableGrants", "PutKeyPolicy",
        "ReplicateKey", "RotateKeyOnDemand", "ScheduleKeyDeletion", "SynchronizeMultiRegionKey", "TagResource",
        "UntagResource", "UpdateAlias", "UpdateCustomKeyStore", "UpdateKeyDescription", "UpdatePrimaryRegion",
    }
)  # fmt: skip

KMS_ACTIONS = tuple(sorted(f"kms:{name}" for name in _CROSS_ACCOUNT | _OTHERS))
"""Every KMS permission, as AWS spells it. Source: Service Authorization Reference; botocore 1.44.5."""
