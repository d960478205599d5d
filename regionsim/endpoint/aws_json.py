"""AWS JSON 1.1 as KMS speaks it: a signed request to a `Call`, and what a Region says to AWS's answer.

Source: botocore's model of KMS (protocol json, target prefix TrentService); headers and error bodies observed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from json.scanner import make_scanner
from types import MappingProxyType
from typing import Any, NoReturn

from regionsim.authorization.principals import Principal
from regionsim.endpoint.http import HttpRequest, HttpResponse
from regionsim.kms import shapes
from regionsim.kms.errors import KmsError, SerializationException, UnknownOperationException
from regionsim.kms.model import model
from regionsim.kms.plan import Call
from regionsim.region.region import Reply

CONTENT_TYPE = "application/x-amz-json-1.1"
SERVICE = "kms"
_PREFIX = "TrentService."
_UNCACHED = MappingProxyType(
    {
        "cache-control": "no-cache, no-store, must-revalidate, private",
        "expires": "0",
        "pragma": "no-cache",
        "content-type": CONTENT_TYPE,
    }
)
_LONGEST_USER_AGENT = 1024
"""CloudTrail cuts there, too. Source: CloudTrail User Guide, "CloudTrail record contents"."""


def operation_of(request: HttpRequest) -> str:
    """The operation that a request asks for. Errors: UnknownOperationException."""
    target = request.headers.get("x-amz-target", "")
    operation = target.removeprefix(_PREFIX)
    said = request.headers.get("content-type", "")
    is_json = said == CONTENT_TYPE or said.partition(";")[0].strip().lower() == CONTENT_TYPE
    if request.method != "POST" or not is_json or operation == target or operation not in model().operations:
        raise UnknownOperationException
    return operation


def read_call(request: HttpRequest, operation: str, caller: Principal, request_id: str) -> Call:
    """The call that a request makes. Errors: SerializationException for a body that is not JSON of its shape."""
    return Call(
        operation=operation,
        parameters=shapes.decode(operation, _parsed(request.body)),
        caller=caller,
        request_id=request_id,
        source_ip=request.source_ip,
        user_agent=request.headers.get("user-agent", "")[:_LONGEST_USER_AGENT],
    )


def response_of(operation: str, reply: Reply, request_id: str) -> HttpResponse:
    """AWS's response to what a Region says."""
    if isinstance(reply, KmsError):
        return refusal_response(reply, request_id)
    body = b"" if reply is None else _dumped(shapes.encode(operation, reply))
    return HttpResponse(status=200, body=body, headers={**_UNCACHED, "x-amzn-requestid": request_id})


def refusal_response(refusal: KmsError, request_id: str) -> HttpResponse:
    """A refusal: its name, and its text where AWS sends one."""
    said = {"__type": refusal.code}
    if refusal.message:
        said["message"] = refusal.message
    headers = {**_UNCACHED, "x-amzn-requestid": request_id}
    return HttpResponse(status=refusal.http_status, body=_dumped(said), headers=headers)


def _dumped(value: Mapping[str, Any]) -> bytes:
    return _ENCODER.encode(value).encode("ascii")


def _parsed(body: bytes) -> Any:
    if not body:
        return {}
    try:
        if _IS_PLAIN_UTF_8(body):
            text = body.decode("utf-8")
            value, end = _scan(text, 0)
            if end == len(text):
                return value
        return _DECODER.decode(body.decode(json.detect_encoding(body)))
    except (ValueError, StopIteration, RecursionError):
        # Not JSON, not UTF-8, a number of too many digits; nested too deep. Without the text: it may hold a secret.
        raise SerializationException from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


# Made once: `json.dumps` and `json.loads` make theirs anew at each call that asks for something special.
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_scan = make_scanner(_DECODER)  # type: ignore[arg-type]  # typeshed has the parameter wrong
_IS_PLAIN_UTF_8 = re.compile(rb"\{[^\0][^\0]").match
"""What begins so is UTF-8 and no other encoding of JSON, with no space before it, which the scanner would not skip."""
