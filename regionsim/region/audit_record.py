"""The CloudTrail records that an entry of the trail expands to, in AWS's shape.

Source: CloudTrail User Guide, "CloudTrail record contents", "CloudTrail userIdentity element"; KMS Developer Guide,
"Logging AWS KMS API calls with AWS CloudTrail", whose samples show which members there are and how dates are written.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from regionsim.accounts.directory import identity_id
from regionsim.authorization.principals import Principal, PrincipalKind, principal_of_arn
from regionsim.kms.model import ShapeType, model
from regionsim.kms.operations.registry import REGISTRY
from regionsim.names.arns import Arn
from regionsim.region.audit_entry import AuditEntry
from regionsim.runtime.clock import format_instant

_TYPES: Mapping[PrincipalKind, str] = {
    PrincipalKind.ROOT: "Root",
    PrincipalKind.USER: "IAMUser",
    PrincipalKind.ROLE_SESSION: "AssumedRole",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
    PrincipalKind.SERVICE: "AWSService",
}
_IDS = uuid.UUID("6b8f5d0e-0c1f-5d7a-9a51-0d7b4c6f2e11")
_INTERNAL = "AWS Internal"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEEPS_ITS_NAME = frozenset({"AWSAccountId"})


def records(entry: AuditEntry) -> list[dict[str, Any]]:
    """The CloudTrail records of an entry, one for each recipient account."""
    return [_record(entry, recipient) for recipient in entry.recipients]


def date_text(seconds: float) -> str:
    """An instant as CloudTrail writes it inside parameters and responses: `Aug 10, 2022, 10:38:27 PM`."""
    instant = _EPOCH + timedelta(seconds=int(seconds))
    half, hour = ("PM" if instant.hour >= 12 else "AM"), instant.hour % 12 or 12
    clock = f"{hour}:{instant.minute:02}:{instant.second:02} {half}"
    return f"{_MONTHS[instant.month - 1]} {instant.day}, {instant.year}, {clock}"


def _record(entry: AuditEntry, recipient: str) -> dict[str, Any]:
    invoked_by = entry.facts.get("invokedBy")
    is_call = entry.caller is not None or invoked_by is not None
    parameters, response = _parameters(entry), entry.facts.get("responseElements")
    record: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": _identity(entry, recipient),
        "eventTime": format_instant(entry.instant_ns)[:19] + "Z",
        "eventSource": "kms.amazonaws.com",
        "eventName": entry.event_name,
        "awsRegion": entry.region,
        "sourceIPAddress": invoked_by or entry.source_ip or _INTERNAL,
        "userAgent": invoked_by or entry.user_agent or _INTERNAL,
        "requestParameters": _as_told(parameters) if parameters else None,
        "responseElements": None if response is None else _as_told(response),
        "eventID": event_id(entry, recipient),
        "readOnly": entry.is_read_only,
        "resources": [_resource(arn) for arn in entry.resources if entry.facts.get("namesKey", True)],
        "eventType": "AwsApiCall" if is_call else "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": recipient,
        "eventCategory": "Management",
    }
    if is_call:
        record["requestID"] = _request_id(entry)
    if len(entry.recipients) > 1:
        record["sharedEventID"] = _id_of(entry, "shared", "")
    for name in ("additionalEventData", "serviceEventDetails", "vpcEndpointId"):
        if name in entry.facts:
            record[name] = entry.facts[name]
    if entry.error_code is not None:
        # CloudTrail shortens this one code and keeps the others whole, as the KMS Developer Guide's samples show.
        record["errorCode"] = "AccessDenied" if entry.error_code == "AccessDeniedException" else entry.error_code
        record["errorMessage"] = entry.error_message
    return record


def _parameters(entry: AuditEntry) -> Mapping[str, Any]:
    """The parameters, with the values that AWS takes where the caller gave none."""
    operation = REGISTRY.get(entry.event_name)
    if operation is None or entry.caller is None or entry.error_code == "SerializationException":
        return entry.parameters
    told = {**operation.recorded_defaults, **entry.parameters}
    if entry.event_name == "CreateKey":  # the deprecated member has the same value, whichever was sent
        sent = entry.parameters.get("KeySpec") or entry.parameters.get("CustomerMasterKeySpec") or told["KeySpec"]
        told |= {"KeySpec": sent, "CustomerMasterKeySpec": sent}
    if "CloudHsmClusterId" in told:  # CloudTrail has its own name for it here
        told["ClusterId"] = told.pop("CloudHsmClusterId")
    return told


def _request_id(entry: AuditEntry) -> str:
    if entry.caller is not None:
        return entry.request_id
    return entry.facts.get("requestID") or _id_of(entry, "request", "")


def event_id(entry: AuditEntry, recipient: str) -> str:
    """The id of the record of an entry in that account's trail."""
    return _id_of(entry, "event", recipient)


def _id_of(entry: AuditEntry, what: str, recipient: str) -> str:
    return str(uuid.uuid5(_IDS, f"{entry.region}/{entry.request_id}/{entry.event_name}/{what}/{recipient}"))


def _identity(entry: AuditEntry, recipient: str) -> dict[str, Any]:
    invoked_by, on_behalf_of = entry.facts.get("invokedBy"), entry.facts.get("onBehalfOf")
    caller = principal_of_arn(on_behalf_of) if entry.caller is None and on_behalf_of else entry.caller
    if caller is None:
        return {"accountId": recipient, "invokedBy": invoked_by or _INTERNAL}
    if caller.kind is PrincipalKind.SERVICE:
        return {"type": _TYPES[caller.kind], "invokedBy": caller.arn}
    identity = _identity_of(caller, recipient)
    if invoked_by is not None:
        identity["invokedBy"] = invoked_by
    return identity


def _identity_of(caller: Principal, recipient: str) -> dict[str, Any]:
    unique_id = caller.user_id or identity_id(caller)
    if caller.account != recipient:
        return {"type": "AWSAccount", "principalId": unique_id, "accountId": caller.account}
    identity: dict[str, Any] = {
        "type": _TYPES[caller.kind],
        "principalId": unique_id,
        "arn": caller.arn,
        "accountId": caller.account,
    }
    if caller.kind is PrincipalKind.USER:
        identity["userName"] = caller.name
    role = caller.role_arn or caller.role_key
    if role is not None:
        issuer = {
            "type": "Role",
            "principalId": unique_id.partition(":")[0],
            "arn": role,
            "accountId": caller.account,
            "userName": caller.name,
        }
        identity["sessionContext"] = {"sessionIssuer": issuer}
    return identity


def _resource(text: str) -> dict[str, str]:
    arn = Arn.parse(text)
    assert arn is not None, f"'{text}' is no ARN"
    kind = "AWS::KMS::Alias" if arn.resource.startswith("alias/") else "AWS::KMS::Key"
    return {"accountId": arn.account, "type": kind, "ARN": text}


def _as_told(value: Any) -> Any:
    """AWS's member names and dates as CloudTrail writes them; an encryption context keeps its own names."""
    match value:
        case Mapping():
            return {_camel(name): _member(name, item) for name, item in value.items()}
        case list() | tuple():
            return [_as_told(item) for item in value]
        case _:
            return value


def _member(name: str, value: Any) -> Any:
    if "encryptioncontext" in name.lower() and isinstance(value, Mapping):
        return dict(value)
    if _camel(name) in _dates() and isinstance(value, int | float):
        return date_text(value)
    return _as_told(value)


def _camel(name: str) -> str:
    return name if name in _KEEPS_ITS_NAME else name[:1].lower() + name[1:]


@cache
def _dates() -> frozenset[str]:
    """The members of AWS's model that are instants."""
    shapes = model().shapes
    return frozenset(
        _camel(member)
        for shape in shapes.values()
        for member, held in shape.members.items()
        if shapes[held].type is ShapeType.TIMESTAMP
    )
