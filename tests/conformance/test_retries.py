"""What SDKs do of their own accord with what AWS answers: which errors they ask about again, and how often."""

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

import regionsim
from tests.conformance.clients import client

ATTEMPTS = 3
ABSENT = "12345678-1234-1234-1234-123456789012"
THROTTLED = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."


def persistent(mode):
    return Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": ATTEMPTS, "mode": mode})


@pytest.fixture
def at_once(monkeypatch):
    """No pause between two attempts: how long SDKs wait is theirs, and only how often they ask is looked at."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)


def attempts_of(error):
    return error.value.response["ResponseMetadata"]["RetryAttempts"] + 1


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize(
    ("status", "code", "attempts"),
    [
        (400, "ThrottlingException", ATTEMPTS),
        (500, "KMSInternalException", ATTEMPTS),
        (500, "DependencyTimeoutException", ATTEMPTS),
        (400, "AccessDeniedException", 1),
        (400, "InvalidArnException", 1),
        (400, "NotFoundException", 1),
    ],
)
def test_an_error_is_asked_about_again_if_it_may_pass(world, admin, at_once, mode, status, code, attempts):
    error = {"statusCode": status, "code": code}
    assert admin("POST", "/chaos/faults", [{"service": "kms", "operation": "DescribeKey", "error": error}])[0] == 200
    with pytest.raises(ClientError) as refused:
        client(world.endpoint, config=persistent(mode)).describe_key(KeyId="x")
    assert refused.value.response["Error"]["Code"] == code
    assert attempts_of(refused) == attempts


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_a_region_that_cannot_use_its_keys_is_asked_again(world, kms, at_once, mode):
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    with world.fault("hsm_zeroised", region="us-east-1"), pytest.raises(ClientError) as refused:
        world.client(region="us-east-1", config=persistent(mode)).encrypt(KeyId=key_id, Plaintext=b"x")
    assert refused.value.response["Error"]["Code"] == "KMSInternalException"
    assert attempts_of(refused) == ATTEMPTS
    asked = [event["errorCode"] for event in world.events(event="Encrypt")]
    assert asked == ["KMSInternalException"] * ATTEMPTS  # each attempt is a call of its own in the trail


def test_a_refusal_is_asked_for_once(world, kms, at_once):
    with pytest.raises(ClientError) as refused:
        world.client(region="us-east-1", config=persistent("standard")).describe_key(KeyId="alias/absent")
    assert attempts_of(refused) == 1
    assert len(world.events(event="DescribeKey")) == 1


def test_a_short_outage_is_bridged_by_retries(world, kms, monkeypatch):
    """The Region comes back while the SDK pauses between two attempts."""
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    fault = world.begin_fault("region_outage", region="us-east-1", mode="refuse")
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            world.end_fault(fault)

    monkeypatch.setattr("botocore.endpoint.time.sleep", pause)
    answer = world.client(region="us-east-1", config=persistent("standard")).describe_key(KeyId=key_id)
    assert answer["ResponseMetadata"]["RetryAttempts"] == len(pauses) == 2


def test_an_outage_outlasts_retries(world, at_once):
    with world.fault("region_outage", region="us-east-1", mode="refuse"), pytest.raises(EndpointConnectionError):
        client(world.regions["us-east-1"], config=persistent("standard")).list_keys()


def test_quotas_throttle_whoever_asks_too_fast_and_retries_get_through():
    asked = {"KeyId": ABSENT, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    with regionsim.serve(regions=["us-east-1"], quotas=True) as world:
        hasty = world.client(config=Config(retries={"total_max_attempts": 1}))
        assert refusal(hasty, asked)["Error"]["Code"] == "NotFoundException"
        refused = refusal(hasty, asked)  # one a second is allowed
        assert refused["Error"] == {"Code": "ThrottlingException", "Message": THROTTLED}
        assert refused["ResponseMetadata"]["HTTPStatusCode"] == 400
        patient = world.client(config=Config(retries={"total_max_attempts": 8, "mode": "standard"}))
        answered = refusal(patient, asked)
        assert answered["Error"]["Code"] == "NotFoundException"
        assert answered["ResponseMetadata"]["RetryAttempts"] >= 1


def refusal(kms, asked):
    with pytest.raises(ClientError) as refused:
        kms.get_parameters_for_import(**asked)
    return refused.value.response
