"""AWS STS as far as roles need it: GetCallerIdentity and AssumeRole, in AWS's query protocol.

Source: STS API Reference, "GetCallerIdentity", "AssumeRole", "Common Errors"; botocore's model of STS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from regionsim.accounts.assuming import AssumeRole, AssumeRoleRefusal, assume_role
from regionsim.accounts.directory import Directory
from regionsim.authorization.principals import Principal, PrincipalKind
from regionsim.endpoint.http import HttpRequest, HttpResponse
from regionsim.endpoint.keyring import Keyring
from regionsim.kms.errors import KmsError
from regionsim.names.dataclass import dataclass

SERVICE = "sts"
VERSION = "2011-06-15"
_NAMESPACE = f"https://sts.amazonaws.com/doc/{VERSION}/"
_LEAST_S, _DEFAULT_S, _MOST_S = 900, 3600, 43_200
_MOST_CHAINED_S = 3600
_MOST_FIELDS = 1000
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StsError(Exception):
    """A refusal of STS, with its code and AWS's text."""

    code: str
    message: str
    http_status: int = 400


def answer(
    request: HttpRequest, caller: Principal, request_id: str, keyring: Keyring, directory: Directory
) -> HttpResponse:
    """STS's response to a verified request. Errors: none; a refusal is a response."""
    try:
        parameters = _parameters(request)
        action = parameters.get("Action", "")
        if parameters.get("Version", VERSION) != VERSION or action not in _ACTIONS:
            told = f"Could not find operation {action} for version {parameters.get('Version', 'NO_VERSION_SPECIFIED')}"
            raise StsError(code="InvalidAction", message=told)
        return _xml(action, _ACTIONS[action](parameters, caller, keyring, directory, request.source_ip), request_id)
    except StsError as refusal:
        return error_response(refusal.code, refusal.message, refusal.http_status, request_id)


def refusal_response(refusal: KmsError, request_id: str) -> HttpResponse:
    """A refusal of the common front, as STS words it."""
    code = _CODES.get(refusal.code, refusal.code)
    return error_response(code, refusal.message, 403 if refusal.http_status == 400 else refusal.http_status, request_id)


_CODES: Mapping[str, str] = {
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ExpiredTokenException": "ExpiredToken",
}


def error_response(code: str, message: str, status: int, request_id: str) -> HttpResponse:
    """An error in the query protocol's XML."""
    kind = "Sender" if status < 500 else "Receiver"
    body = (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>{kind}</Type><Code>{_text(code)}</Code>'
        f"<Message>{_text(message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return _response(status, body, request_id)


def _get_caller_identity(
    parameters: Mapping[str, str], caller: Principal, keyring: Keyring, directory: Directory, source_ip: str
) -> Mapping[str, object]:
    return {"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account}


def _assume_role(
    parameters: Mapping[str, str], caller: Principal, keyring: Keyring, directory: Directory, source_ip: str
) -> Mapping[str, object]:
    if any(field.startswith("PolicyArns.") for field in parameters):
        raise StsError(code="ValidationError", message="PolicyArns: managed policies are not part of this world")
    duration_s = _duration(parameters, caller)
    asked = AssumeRole(
        role_arn=parameters.get("RoleArn", ""),
        session_name=parameters.get("RoleSessionName", ""),
        policy=parameters.get("Policy", ""),
        tags=_tags(parameters),
        external_id=parameters.get("ExternalId", ""),
        values={"aws:sourceip": source_ip},
    )
    session = assume_role(directory, caller, asked)
    if isinstance(session, AssumeRoleRefusal):
        raise StsError(code=session.code, message=session.message, http_status=session.http_status)
    key = keyring.new_session(session, duration_s)
    expiration = datetime.fromtimestamp(key.expires_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "Credentials": {
            "AccessKeyId": key.access_key_id,
            "SecretAccessKey": key.secret,
            "SessionToken": key.token,
            "Expiration": expiration,
        },
        "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
    }


_Action = Callable[[Mapping[str, str], Principal, Keyring, Directory, str], Mapping[str, object]]
_ACTIONS: Mapping[str, _Action] = {"GetCallerIdentity": _get_caller_identity, "AssumeRole": _assume_role}


def _parameters(request: HttpRequest) -> dict[str, str]:
    text = request.query if request.method == "GET" else request.body.decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise StsError(code="MalformedQueryString", message="The query string contains too many fields") from None


def _duration(parameters: Mapping[str, str], caller: Principal) -> int:
    text = parameters.get("DurationSeconds", str(_DEFAULT_S))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise _invalid("durationSeconds", text, "Member must be a number")
    duration_s = int(text)
    if duration_s < _LEAST_S:
        raise _invalid("durationSeconds", text, f"Member must have value greater than or equal to {_LEAST_S}")
    if duration_s > _MOST_S:
        raise _invalid("durationSeconds", text, f"Member must have value less than or equal to {_MOST_S}")
    if caller.kind is PrincipalKind.ROLE_SESSION and duration_s > _MOST_CHAINED_S:
        told = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        raise StsError(code="ValidationError", message=told)
    return duration_s


def _tags(parameters: Mapping[str, str]) -> dict[str, str]:
    tags: dict[str, str] = {}
    number = 1
    while (name := parameters.get(f"Tags.member.{number}.Key")) is not None:
        tags[name] = parameters.get(f"Tags.member.{number}.Value", "")
        number += 1
    return tags


def _invalid(member: str, value: str, constraint: str) -> StsError:
    told = f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    return StsError(code="ValidationError", message=told)


def _xml(action: str, result: Mapping[str, object], request_id: str) -> HttpResponse:
    body = (
        f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result>{_elements(result)}</{action}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    )
    return _response(200, body, request_id)


def _elements(value: Mapping[str, object]) -> str:
    return "".join(
        f"<{name}>{_elements(held) if isinstance(held, Mapping) else _text(str(held))}</{name}>"
        for name, held in value.items()
    )


def _text(value: str) -> str:
    """Text as XML holds it; the characters that XML does not have are told as one that stands for them."""
    return escape(_NO_XML.sub("\N{REPLACEMENT CHARACTER}", value))


def _response(status: int, body: str, request_id: str) -> HttpResponse:
    headers = {"content-type": "text/xml", "x-amzn-requestid": request_id}
    return HttpResponse(status=status, body=body.encode("utf-8"), headers=headers)
