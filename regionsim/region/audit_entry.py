"""What the audit trail keeps of a call or of a service event, and the CloudTrail record it expands to.

An entry is small and is stored packed; the record, in AWS's shape, is made when somebody reads the trail.
Source: CloudTrail User Guide, "CloudTrail record contents"; KMS Developer Guide, "Logging AWS KMS API calls with AWS
CloudTrail".
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from regionsim.authorization.principals import Principal, PrincipalKind
from regionsim.names.arns import Arn
from regionsim.runtime.clock import format_instant

_TYPES: Mapping[PrincipalKind, str] = {
    PrincipalKind.ROOT: "Root",
    PrincipalKind.USER: "IAMUser",
    PrincipalKind.ROLE_SESSION: "AssumedRole",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
    PrincipalKind.SERVICE: "AWSService",
}
_EVENT_IDS = uuid.UUID("6b8f5d0e-0c1f-5d7a-9a51-0d7b4c6f2e11")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the trail. `caller` is None for what KMS did by itself.

    `parameters` are the recorded ones under AWS's parameter names, never a secret. `recipients` are the accounts whose
    trail gets the record: the caller's and the key owner's.
    """

    event_name: str
    instant_ns: int
    region: str
    request_id: str
    recipients: tuple[str, ...]
    caller: Principal | None = None
    source_ip: str = ""
    user_agent: str = ""
    is_read_only: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    resources: tuple[str, ...] = ()
    error_code: str | None = None
    error_message: str = ""


def records(entry: AuditEntry) -> list[dict[str, Any]]:
    """The CloudTrail records of an entry, one for each recipient account."""
    return [_record(entry, recipient) for recipient in entry.recipients]


def _record(entry: AuditEntry, recipient: str) -> dict[str, Any]:
    record: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": _identity(entry, recipient),
        "eventTime": format_instant(entry.instant_ns)[:19] + "Z",
        "eventSource": "kms.amazonaws.com",
        "eventName": entry.event_name,
        "awsRegion": entry.region,
        "sourceIPAddress": entry.source_ip or "AWS Internal",
        "userAgent": entry.user_agent or "AWS Internal",
        "requestParameters": _lower_camel(entry.parameters) if entry.parameters else None,
        "responseElements": entry.facts.get("responseElements"),
        "eventID": str(uuid.uuid5(_EVENT_IDS, f"{entry.region}/{entry.request_id}/{entry.event_name}/{recipient}")),
        "readOnly": entry.is_read_only,
        "resources": [_resource(arn) for arn in entry.resources],
        "eventType": "AwsApiCall" if entry.caller is not None else "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": recipient,
        "eventCategory": "Management",
    }
    if entry.caller is not None:
        record["requestID"] = entry.request_id
    for name in ("additionalEventData", "serviceEventDetails"):
        if name in entry.facts:
            record[name] = entry.facts[name]
    if entry.error_code is not None:
        # CloudTrail shortens this one code and keeps the others whole, as the KMS Developer Guide's samples show.
        record["errorCode"] = "AccessDenied" if entry.error_code == "AccessDeniedException" else entry.error_code
        record["errorMessage"] = entry.error_message
    return record


def _identity(entry: AuditEntry, recipient: str) -> dict[str, Any]:
    caller = entry.caller
    if caller is None:
        return {"accountId": recipient, "invokedBy": "AWS Internal"}
    if caller.account != recipient:
        return {"type": "AWSAccount", "principalId": caller.user_id, "accountId": caller.account}
    identity: dict[str, Any] = {
        "type": _TYPES[caller.kind],
        "principalId": caller.user_id,
        "arn": caller.arn,
        "accountId": caller.account,
    }
    if caller.kind is PrincipalKind.USER:
        identity["userName"] = caller.name
    if caller.role_arn is not None:
        issuer = {"type": "Role", "arn": caller.role_arn, "accountId": caller.account, "userName": caller.name}
        identity["sessionContext"] = {"sessionIssuer": issuer}
    return identity


def _resource(text: str) -> dict[str, str]:
    arn = Arn.parse(text)
    assert arn is not None, f"'{text}' is no ARN"
    kind = "AWS::KMS::Alias" if arn.resource.startswith("alias/") else "AWS::KMS::Key"
    return {"accountId": arn.account, "type": kind, "ARN": text}


def _lower_camel(value: Any) -> Any:
    """AWS's parameter names as CloudTrail writes them; an encryption context keeps its own names."""
    match value:
        case Mapping():
            return {
                name[:1].lower() + name[1:]: item if "EncryptionContext" in name else _lower_camel(item)
                for name, item in value.items()
            }
        case list() | tuple():
            return [_lower_camel(item) for item in value]
        case _:
            return value
