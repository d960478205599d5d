"""Key policies when they are written: the default one, the checks, the lockout safety check, and how AWS shows them.

Source: KMS API Reference, PutKeyPolicy; KMS Developer Guide, "Default key policy"; texts and indentation observed, but
how a policy over the size limit is refused is UNVERIFIED (ours).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from regionsim.authorization.findings import Severity, check_key_policy
from regionsim.authorization.policy import INVALID_PRINCIPALS, PolicyKind, parse_policy, principals_named
from regionsim.authorization.principals import Principal
from regionsim.kms.errors import LimitExceededException, MalformedPolicyDocumentException
from regionsim.kms.key import KmsKey
from regionsim.kms.permission import decide_on_key, key_request
from regionsim.kms.plan import View
from regionsim.kms.quotas import POLICY_BYTES
from regionsim.names.arns import account_root_arn
from regionsim.names.regions import partition_of

LOCKED_OUT = "The new key policy will not allow you to update the key policy in the future."
POLICY_NAME = "default"


@lru_cache(maxsize=1024)
def default_policy(region: str, account: str) -> str:
    """The policy of a key that was created without one: everything is delegated to the account's IAM policies."""
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": account_root_arn(account, partition_of(region).name)},
        "Action": "kms:*",
        "Resource": "*",
    }
    return shown({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]})


_written = json.JSONEncoder(ensure_ascii=False).encode
_written_name = json.JSONEncoder().encode


def checked_policy(view: View, caller: Principal, text: str, key: KmsKey, *, bypass_lockout_check: bool) -> str:
    """The policy as it will be stored (AWS indents it anew).

    Errors: LimitExceededException over 32,768 bytes; MalformedPolicyDocumentException for its grammar, a principal that
    does not exist, or a policy that would lock the caller out and was not meant to.
    """
    if len(text.encode()) > POLICY_BYTES:
        raise LimitExceededException(f"Key policies are limited to {POLICY_BYTES} bytes.")
    for finding in check_key_policy(text):
        if finding.severity is Severity.ERROR:
            raise MalformedPolicyDocumentException(finding.message)
    named = principals_named(parse_policy(text, kind=PolicyKind.KEY))
    if any(not view.directory.has_principal(principal) for principal in named):
        raise MalformedPolicyDocumentException(INVALID_PRINCIPALS)
    stored = stored_policy(text)
    if not bypass_lockout_check and not _may_put_policy(view, caller, key, stored):
        raise MalformedPolicyDocumentException(LOCKED_OUT)
    return stored


def stored_policy(text: str) -> str:
    """A well-formed policy as AWS keeps it: indented anew."""
    return shown(json.loads(text))


def shown(policy: Mapping[str, Any]) -> str:
    """A policy as AWS writes it back: two spaces, ` : ` between name and value, lists on their line. Observed."""
    return _shown(policy, 0)


def _shown(value: object, depth: int) -> str:
    match value:
        case dict() if value:
            inner = "  " * (depth + 1)
            members = (f"{inner}{_written_name(name)} : {_shown(member, depth + 1)}" for name, member in value.items())
            return "{\n" + ",\n".join(members) + "\n" + "  " * depth + "}"
        case list() if value:
            return "[ " + ", ".join(_shown(element, depth) for element in value) + " ]"
        case dict():
            return "{ }"
        case list():
            return "[ ]"
        case _:
            return _written(value)


def _may_put_policy(view: View, caller: Principal, key: KmsKey, policy: str) -> bool:
    # Without the bypass: the question is whether the next, ordinary PutKeyPolicy will be allowed.
    values = {"kms:BypassPolicyLockoutSafetyCheck": "false"}
    request = key_request(view, caller, "kms:PutKeyPolicy", key, values=values)
    return decide_on_key(view, request, policy).is_allowed
