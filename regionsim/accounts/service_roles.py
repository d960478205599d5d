"""The service-linked role that KMS has in every account, for keeping multi-Region keys in step.

Source: KMS Developer Guide, "Using service-linked roles for AWS KMS" (multi-Region keys).
"""

from __future__ import annotations

from regionsim.accounts.model import NamedPolicy, Role
from regionsim.authorization.policy import PolicyKind, parse_policy

MULTI_REGION_ROLE = "AWSServiceRoleForKeyManagementServiceMultiRegionKeys"

_SERVICE = "mrk.kms.amazonaws.com"


def multi_region_role() -> Role:
    """The role under which KMS synchronizes the shared properties of multi-Region keys, with AWS's policies."""
    allowed = {"Effect": "Allow", "Action": "kms:SynchronizeMultiRegionKey", "Resource": "*"}
    trusted = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": _SERVICE}}
    policy = parse_policy({"Version": "2012-10-17", "Statement": [allowed]}, kind=PolicyKind.IDENTITY)
    return Role(
        name=MULTI_REGION_ROLE,
        path=f"/aws-service-role/{_SERVICE}/",
        policies=(NamedPolicy(name="AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy", policy=policy),),
        trust=parse_policy({"Version": "2012-10-17", "Statement": [trusted]}, kind=PolicyKind.TRUST),
    )
