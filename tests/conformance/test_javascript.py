"""AWS's SDK for JavaScript and its Encryption SDK, in Node.js, against live Regions."""

import base64

import pytest

from tests.conformance.external import ask_node, multi_region_key

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def node(world, tmp_path):
    def ask(do, **asked):
        return ask_node(world, tmp_path, do=do, **asked)

    return ask


def test_the_sdk_calls_and_reads_what_comes_back(node):
    made = node("call", region="eu-west-1", command="CreateKeyCommand", input={"MultiRegion": True})
    assert made["KeyMetadata"]["Arn"].startswith("arn:aws:kms:eu-west-1:000000000000:key/mrk-")
    assert made["KeyMetadata"]["CreationDate"].endswith("Z")
    assert made["$metadata"]["httpStatusCode"] == 200
    assert len(made["$metadata"]["requestId"]) == 36
    asked = {"KeyId": made["KeyMetadata"]["KeyId"], "KeySpec": "AES_256", "EncryptionContext": {"a": "b"}}
    key = node("call", region="eu-west-1", command="GenerateDataKeyCommand", input=asked)
    assert len(base64.b64decode(key["Plaintext"])) == 32
    refused = node("call", region="us-east-1", command="DescribeKeyCommand", input={"KeyId": asked["KeyId"]})["error"]
    assert (refused["name"], refused["metadata"]["httpStatusCode"]) == ("NotFoundException", 400)
    assert refused["metadata"]["attempts"] == 1


@pytest.mark.parametrize("mode", ["standard", "adaptive"])
@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        ({"statusCode": 400, "code": "ThrottlingException"}, 3),
        ({"statusCode": 500, "code": "KMSInternalException"}, 3),
        ({"statusCode": 400, "code": "AccessDeniedException"}, 1),
    ],
)
def test_the_sdk_retries_what_may_go_better_next_time(node, admin, mode, error, attempts):
    assert admin("POST", "/chaos/faults", [{"service": "kms", "operation": "ListKeys", "error": error}])[0] == 200
    client = {"maxAttempts": 3, "retryMode": mode}
    refused = node("call", region="us-east-1", command="ListKeysCommand", input={}, client=client)["error"]
    assert (refused["name"], refused["metadata"]["attempts"]) == (error["code"], attempts)


def test_an_application_goes_on_in_the_other_region(node, world):
    arn, _ = multi_region_key(world)
    blob = world.client().encrypt(KeyId=arn, Plaintext=b"order 4711")["CiphertextBlob"]
    asked = {"regions": dict(world.regions), "ciphertext": base64.b64encode(blob).decode()}
    assert node("decrypt_anywhere", **asked) == {"region": "us-east-1", "plaintext": "order 4711", "failed": {}}
    with world.fault("region_outage", region="us-east-1", mode="refuse"):
        gone = {"us-east-1": "ECONNREFUSED"}
        assert node("decrypt_anywhere", **asked) == {"region": "eu-west-1", "plaintext": "order 4711", "failed": gone}


def test_the_encryption_sdk_opens_with_a_related_key_in_an_outage(node, world):
    us, eu = multi_region_key(world)
    sealed = node("seal", keys=[us], plaintext="order 4711")
    assert sealed["data_keys"] == [us]
    opened = {"plaintext": "order 4711", "shop": "7"}
    assert node("open", keys=[us], message=sealed["message"]) == opened
    with world.fault("region_outage", region="us-east-1", mode="refuse"):
        assert "error" in node("open", keys=[us], message=sealed["message"])
        assert node("open", keys=[eu], message=sealed["message"]) == opened
        assert node("open", keys=[us, eu], message=sealed["message"]) == opened  # its own failover
        assert node("open", discovery=["us-east-1", "eu-west-1"], message=sealed["message"]) == opened
        sealed_in_europe = node("seal", keys=[eu], plaintext="order 4712")
        assert "error" in node("seal", keys=[us, eu], plaintext="order 4713")  # every Region is to have its data key
    assert node("open", keys=[us], message=sealed_in_europe["message"])["plaintext"] == "order 4712"
