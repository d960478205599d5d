"""Which condition keys a KMS request can have, and which of them hold several values.

Source: KMS Developer Guide, "Condition keys for AWS KMS"; IAM User Guide, "AWS global condition context keys".
"""

from __future__ import annotations

MULTI_VALUED = frozenset(
    {
        "kms:encryptioncontextkeys", "kms:grantoperations", "kms:resourcealiases", "aws:tagkeys", "aws:calledvia",
        "aws:principalorgpaths", "aws:principalservicenameslist", "aws:resourceorgpaths", "aws:sourceorgpaths",
    }
)  # fmt: skip
"""Keys that want ForAllValues or ForAnyValue, in lower case; all others hold one value."""

_KMS = frozenset(
    f"kms:{name}".lower()
    for name in (
        "BypassPolicyLockoutSafetyCheck", "CallerAccount", "CustomerMasterKeySpec", "CustomerMasterKeyUsage",
        "DataKeyPairSpec", "EncryptionAlgorithm", "EncryptionContextKeys", "ExpirationModel",
        "GrantConstraintSourceArn", "GrantConstraintType", "GrantIsForAWSResource", "GrantOperations",
        "GranteePrincipal", "GranteeServicePrincipal", "KeyAgreementAlgorithm", "KeyOrigin", "KeySpec", "KeyUsage",
        "MacAlgorithm", "MessageType", "MultiRegion", "MultiRegionKeyType", "PrimaryRegion", "ReEncryptOnSameKey",
        "ReplicaRegion", "RequestAlias", "ResourceAliases", "RetiringPrincipal", "RetiringServicePrincipal",
        "RotationPeriodInDays", "ScheduleKeyDeletionPendingWindowInDays", "SigningAlgorithm",
        "TrailingDaysWithoutKeyUsage", "ValidTo", "ViaService", "WrappingAlgorithm", "WrappingKeySpec",
    )
)  # fmt: skip

_GLOBAL = frozenset(
    f"aws:{name}".lower()
    for name in (
        "CalledVia", "CalledViaFirst", "CalledViaLast", "CurrentTime", "EpochTime", "FederatedProvider",
        "MultiFactorAuthAge", "MultiFactorAuthPresent", "PrincipalAccount", "PrincipalArn", "PrincipalIsAWSService",
        "PrincipalOrgID", "PrincipalOrgPaths", "PrincipalServiceName", "PrincipalServiceNamesList", "PrincipalType",
        "Referer", "RequestedRegion", "ResourceAccount", "ResourceOrgID", "ResourceOrgPaths", "SecureTransport",
        "SourceAccount", "SourceArn", "SourceIdentity", "SourceIp", "SourceOrgID", "SourceOrgPaths", "SourceVpc",
        "SourceVpcArn", "SourceVpce", "TagKeys", "TokenIssueTime", "UserAgent", "ViaAWSService", "VpcSourceIp",
        "userid", "username",
    )
)  # fmt: skip

_FAMILIES = (
    "kms:encryptioncontext:", "kms:recipientattestation:", "aws:principaltag/", "aws:requesttag/", "aws:resourcetag/",
)  # fmt: skip
"""Keys whose last part is free."""


def is_supplied(key: str) -> bool:
    """True when some KMS request has that condition key."""
    name = key.lower()
    return name in _KMS or name in _GLOBAL or name.startswith(_FAMILIES)


def is_multi_valued(key: str) -> bool:
    """True when the key holds several values and so wants a set operator."""
    return key.lower() in MULTI_VALUED
