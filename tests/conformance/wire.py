"""What AWS's model says about a response, asked of the bytes that came over the wire.

`watch_every_client` has every boto3 client that is made from then on look at each KMS response that it gets.
"""

import base64
import binascii
import json
import re
from functools import cache

import boto3
import botocore.loaders
import botocore.model

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CONTENT_TYPE = "application/x-amz-json-1.1"
NEVER_EXTENDED = "CustomerMasterKeySpec"
"""A deprecated enum that lacks the specs of today; AWS says that its members have the value of KeySpec."""

EMPTY = {"GrantNameType"}
"""ListGrants tells the name of a grant without one as an empty text (observed), which the model's pattern does not take."""

COMMON = {
    "AccessDeniedException": 400,
    "ExpiredTokenException": 400,
    "IncompleteSignature": 400,
    "InvalidSignatureException": 400,
    "MissingAuthenticationTokenException": 400,
    "RequestEntityTooLargeException": 413,
    "SerializationException": 400,
    "ThrottlingException": 400,
    "UnknownOperationException": 400,
    "UnrecognizedClientException": 400,
    "ValidationException": 400,
}
"""Errors that any operation may answer, and that the model does not list."""


@cache
def described():
    return botocore.loaders.Loader().load_service_model("kms", "service-2")


@cache
def service():
    return botocore.model.ServiceModel(described(), "kms")


def problems(operation, status, headers, body):
    """What is not as the model says, in words; nothing when all is."""
    headers = {name.lower(): value for name, value in headers.items()}
    found = []
    if headers.get("content-type") != CONTENT_TYPE:
        found.append(f"content type {headers.get('content-type')}")
    if not UUID.fullmatch(headers.get("x-amzn-requestid", "")):
        found.append(f"request id {headers.get('x-amzn-requestid')}")
    if int(headers.get("content-length", -1)) != len(body):
        found.append(f"length {headers.get('content-length')} of {len(body)} bytes")
    if status == 200:
        output = service().operation_model(operation).output_shape
        return found + (_of_nothing(body) if output is None else _of_shape(output, json.loads(body), operation))
    return found + _of_error(operation, status, json.loads(body))


def _of_nothing(body):
    return [f"{len(body)} bytes for an operation without output"] if body else []


UNLISTED = {("DescribeKey", "InvalidGrantTokenException")}
"""DescribeKey takes grant tokens, and AWS's model does not say what it answers to one that is none."""

NOT_YET = " is not offered by regionsim yet."
"""How a refusal ends that regionsim/FIDELITY.md tells of."""


def _of_error(operation, status, said):
    found = [f"member {name} of an error" for name in said if name not in ("__type", "message")]
    code = said.get("__type")
    if code in {shape.name for shape in service().operation_model(operation).error_shapes}:
        wanted = 500 if described()["shapes"][code].get("fault") else 400
    elif code in COMMON:
        wanted = COMMON[code]
    elif (operation, code) in UNLISTED or said.get("message", "").endswith(NOT_YET):
        wanted = 400
    else:
        return [*found, f"{code} is no error of {operation}"]
    if status != wanted:
        found.append(f"{code} with status {status}, not {wanted}")
    if "message" in said and not (isinstance(said["message"], str) and said["message"]):
        found.append(f"message {said['message']!r}")
    return found


def _of_shape(shape, value, path):
    check = _CHECKS.get((shape.type_name, type(value)))
    return [f"{path}: {type(value).__name__} for {shape.type_name}"] if check is None else check(shape, value, path)


def _of_structure(shape, value, path):
    missing = [f"{path}.{name}: missing" for name in shape.required_members if name not in value]
    unknown = [f"{path}.{name}: unknown" for name in value if name not in shape.members]
    known = [name for name in value if name in shape.members]
    inner = [one for name in known for one in _of_shape(shape.members[name], value[name], f"{path}.{name}")]
    return missing + unknown + inner


def _of_list(shape, value, path):
    return [one for at, item in enumerate(value) for one in _of_shape(shape.member, item, f"{path}[{at}]")]


def _of_map(shape, value, path):
    return [one for name, item in value.items() for one in _of_shape(shape.value, item, f"{path}.{name}")]


def _of_blob(shape, value, path):
    try:
        return _of_length(shape, base64.b64decode(value, validate=True), path)
    except binascii.Error:
        return [f"{path}: not base64"]


def _of_instant(shape, value, path):
    return [] if 1.5e9 < value < 1e10 else [f"{path}: {value} is no instant of our age"]


def _of_anything(shape, value, path):
    return []


def _of_string(shape, value, path):
    if shape.name in EMPTY and not value:
        return []
    if shape.enum and value not in shape.enum and shape.name != NEVER_EXTENDED:
        return [f"{path}: '{value}' is not of {shape.name}"]
    pattern = shape.metadata.get("pattern")
    if pattern and not re.search(pattern, value):
        return [f"{path}: '{value}' is not like {pattern}"]
    return _of_length(shape, value, path)


def _of_length(shape, value, path):
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", len(value))
    return [] if least <= len(value) <= most else [f"{path}: {len(value)} long, not {least} to {most}"]


_CHECKS = {
    ("structure", dict): _of_structure,
    ("list", list): _of_list,
    ("map", dict): _of_map,
    ("string", str): _of_string,
    ("blob", str): _of_blob,
    ("boolean", bool): _of_anything,
    ("integer", int): _of_anything,
    ("timestamp", int): _of_instant,
    ("timestamp", float): _of_instant,
}


def watch_every_client(tell):
    """`tell` hears each problem of each response that a boto3 client gets from now on."""
    boto3.setup_default_session()
    boto3.DEFAULT_SESSION.events.register("response-received.kms", _watcher(tell))


def _watcher(tell):
    def look(response_dict, event_name, **_):
        if response_dict is None:  # no answer came
            return
        operation = event_name.rpartition(".")[2]
        answer = (response_dict["status_code"], response_dict["headers"], response_dict["body"])
        for problem in problems(operation, *answer):
            tell(f"{operation}: {problem}")

    return look
