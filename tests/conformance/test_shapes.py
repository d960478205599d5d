"""Every operation over HTTP: its response as AWS's model has it, and read by boto3 as it was meant."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore import xform_name

from regionsim.kms.operations.registry import REGISTRY
from tests.conformance import wire
from tests.simulation.test_one_region_shapes import responses


class LiveCalls:
    """A live world in the place of a simulated Region."""

    def __init__(self, world):
        self._world = world
        self._kms = world.client(region="us-east-1")

    async def call(self, caller, operation, **parameters):
        if "ValidTo" in parameters:
            parameters["ValidTo"] = datetime.now(UTC) + timedelta(days=3)
        answer = getattr(self._kms, xform_name(operation))(**parameters)
        metadata = answer.pop("ResponseMetadata")
        assert (metadata["HTTPStatusCode"], metadata["RetryAttempts"]) == (200, 0)
        return answer

    async def sleep_seconds(self, seconds):
        self._world.advance(seconds=seconds)


async def test_every_operation_answers_with_its_shape(world):
    found = await responses(LiveCalls(world))  # each response is looked at as it comes, see conftest
    assert found.keys() == REGISTRY.keys()


def test_a_request_id_is_its_records(world):
    kms = world.client(region="us-east-1")
    good = kms.list_keys()["ResponseMetadata"]
    with pytest.raises(kms.exceptions.NotFoundException) as refused:
        kms.describe_key(KeyId="alias/absent")
    bad = refused.value.response["ResponseMetadata"]
    recorded = {event["eventName"]: event["requestID"] for event in world.events()}
    assert recorded == {"ListKeys": good["RequestId"], "DescribeKey": bad["RequestId"]}
    assert bad["HTTPHeaders"]["x-amzn-requestid"] == bad["RequestId"] != good["RequestId"]


GOOD = {"content-type": wire.CONTENT_TYPE, "x-amzn-requestid": "01234567-89ab-cdef-0123-456789abcdef"}


@pytest.mark.parametrize(
    ("operation", "status", "said", "problem"),
    [
        ("ListKeys", 200, {"Keys": [{"KeyId": "k", "Colour": 1}]}, "ListKeys.Keys[0].Colour: unknown"),
        ("ListKeys", 200, {"Truncated": 0}, "ListKeys.Truncated: int for boolean"),
        ("DescribeKey", 200, {"KeyMetadata": {}}, "DescribeKey.KeyMetadata.KeyId: missing"),
        ("Encrypt", 200, {"CiphertextBlob": "?"}, "Encrypt.CiphertextBlob: not base64"),
        ("Encrypt", 200, {"CiphertextBlob": ""}, "Encrypt.CiphertextBlob: 0 long, not 1 to 6144"),
        ("Encrypt", 200, {"EncryptionAlgorithm": "ROT13"}, "'ROT13' is not of EncryptionAlgorithmSpec"),
        ("GetKeyRotationStatus", 200, {"NextRotationDate": "2026"}, "str for timestamp"),
        ("DisableKey", 200, {}, "2 bytes for an operation without output"),
        ("ListKeys", 400, {"__type": "DisabledException"}, "DisabledException is no error of ListKeys"),
        ("ListKeys", 400, {"__type": "KMSInternalException"}, "KMSInternalException with status 400, not 500"),
        ("ListKeys", 400, {"__type": "ThrottlingException", "message": ""}, "message ''"),
        ("ListKeys", 400, {"__type": "ThrottlingException", "Message": "x"}, "member Message of an error"),
    ],
)
def test_the_check_finds_what_is_wrong(operation, status, said, problem):
    body = json.dumps(said).encode()
    headers = {**GOOD, "content-length": str(len(body))}
    (found,) = wire.problems(operation, status, headers, body)
    assert found.endswith(problem)


def test_the_check_looks_at_headers():
    assert wire.problems("DisableKey", 200, {"content-length": "1"}, b"") == [
        "content type None",
        "request id None",
        "length 1 of 0 bytes",
    ]
    assert wire.problems("DisableKey", 200, {**GOOD, "content-length": "0"}, b"") == []
