"""boto3 against live Regions: what works, who is let in, and what failure looks like to a client."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

import regionsim
from tests.conformance.clients import QUICK, client


def code(error):
    return error.value.response["Error"]["Code"]


def test_a_multi_region_key_decrypts_in_the_other_region(world, kms):
    key = kms.create_key(MultiRegion=True, Description="orders")["KeyMetadata"]
    replica = kms.replicate_key(KeyId=key["KeyId"], ReplicaRegion="eu-west-1")["ReplicaKeyMetadata"]
    assert (key["Arn"][:35], replica["KeyState"]) == ("arn:aws:kms:us-east-1:000000000000:", "Creating")
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"order 4711", EncryptionContext={"shop": "7"})["CiphertextBlob"]
    europe = world.client(region="eu-west-1")
    wait_until(lambda: europe.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled")
    assert europe.decrypt(CiphertextBlob=blob, EncryptionContext={"shop": "7"})["Plaintext"] == b"order 4711"


def wait_until(holds, within_s=10):
    end = time.monotonic() + within_s
    while True:
        try:
            if holds():
                return
        except ClientError:
            pass
        assert time.monotonic() < end, "that took too long"
        time.sleep(0.02)


def test_one_port_answers_for_all_regions(world):
    for region in world.regions:
        arn = client(world.endpoint, region).create_key()["KeyMetadata"]["Arn"]
        assert f":{region}:" in arn


def test_headers_are_awss(kms):
    answer = kms.list_keys()["ResponseMetadata"]
    headers = answer["HTTPHeaders"]
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert headers["cache-control"] == "no-cache, no-store, must-revalidate, private"
    assert answer["RequestId"] == headers["x-amzn-requestid"]
    assert len(answer["RequestId"]) == 36
    assert "date" in headers
    assert "server" not in headers


@pytest.mark.parametrize(
    ("key", "token", "wanted"),
    [
        (("test", "wrong"), None, "InvalidSignatureException"),
        (("nobody", "test"), None, "UnrecognizedClientException"),
        (("test", "test"), "a token of nobody's", "UnrecognizedClientException"),
    ],
)
def test_who_cannot_sign_is_not_let_in(world, key, token, wanted):
    with pytest.raises(ClientError) as error:
        client(world.endpoint, key=key, token=token).list_keys()
    assert code(error) == wanted


def test_a_regions_own_port_wants_its_own_region(world):
    with pytest.raises(ClientError, match="Credential should be scoped to a valid region") as error:
        client(world.regions["us-east-1"], "eu-west-1").list_keys()
    assert code(error) == "InvalidSignatureException"


def test_a_region_that_is_not_served(world):
    with pytest.raises(ClientError, match="valid region"):
        client(world.endpoint, "sa-east-1").list_keys()


def test_sts_says_who_calls_and_gives_sessions(world, admin):
    role = {
        "users": {"alice": {"policies": [allow("sts:AssumeRole")]}},
        "roles": {"app": {"policies": [allow("kms:ListKeys")], "trust": trust("arn:aws:iam::111122223333:user/alice")}},
        "access_keys": {"AKIAALICE": {"user": "alice", "secret": "her secret"}},
    }
    assert admin("PUT", "/accounts/111122223333", role)[0] == 200
    alice = client(world.endpoint, service="sts", key=("AKIAALICE", "her secret"))
    assert alice.get_caller_identity()["Arn"] == "arn:aws:iam::111122223333:user/alice"
    answer = alice.assume_role(RoleArn="arn:aws:iam::111122223333:role/app", RoleSessionName="s1", DurationSeconds=900)
    assert answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::111122223333:assumed-role/app/s1"
    given = answer["Credentials"]
    key, token = (given["AccessKeyId"], given["SecretAccessKey"]), given["SessionToken"]
    session = client(world.endpoint, key=key, token=token)
    wait_until(lambda: session.list_keys()["Keys"] == [])  # each Region's copy of IAM follows after 2 s
    with pytest.raises(ClientError) as error:
        session.create_key()
    assert code(error) == "AccessDeniedException"
    assert "assumed-role/app/s1 is not authorized to perform: kms:CreateKey" in str(error.value)
    with pytest.raises(ClientError) as error:
        client(world.endpoint, key=key, token=token + "x").list_keys()
    assert code(error) == "UnrecognizedClientException"


def test_a_role_that_does_not_trust_refuses(world):
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole") as error:
        world.client("sts").assume_role(RoleArn="arn:aws:iam::000000000000:role/nobody", RoleSessionName="s1")
    assert code(error) == "AccessDenied"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def allow(action):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


def trust(arn):
    statement = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


# What failure looks like.


def test_an_outage_refuses_or_hangs_on_the_regions_port_and_closes_on_the_shared_one(world, kms):
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    shared = client(world.endpoint)
    shared.describe_key(KeyId=key_id)
    with world.fault("region_outage", region="us-east-1", mode="refuse"):
        with pytest.raises(EndpointConnectionError):
            kms.describe_key(KeyId=key_id)
        with pytest.raises(ConnectionClosedError):
            shared.describe_key(KeyId=key_id)
    with world.fault("region_outage", region="us-east-1"):
        with pytest.raises(ConnectTimeoutError):
            client(world.regions["us-east-1"]).describe_key(KeyId=key_id)
        with pytest.raises(ConnectionClosedError):
            shared.describe_key(KeyId=key_id)
        assert client(world.endpoint, "eu-west-1").list_keys()["Keys"] == []
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled"


def test_an_open_connection_hangs_in_an_outage_and_is_closed_at_its_end(world):
    impatient = Config(connect_timeout=0.5, read_timeout=0.4, retries={"total_max_attempts": 1})
    kms = world.client(region="us-east-1", config=impatient)
    kms.list_keys()
    with world.fault("region_outage", region="us-east-1"), pytest.raises(ReadTimeoutError):
        kms.list_keys()
    patient = Config(connect_timeout=0.5, read_timeout=30, retries={"total_max_attempts": 1})
    kms = world.client(region="us-east-1", config=patient)
    kms.list_keys()
    fault = world.begin_fault("region_outage", region="us-east-1")
    with ThreadPoolExecutor(1) as elsewhere:
        waiting = elsewhere.submit(kms.list_keys)
        time.sleep(0.2)
        assert not waiting.done()
        world.end_fault(fault)
        with pytest.raises(ConnectionClosedError):
            waiting.result(timeout=10)


def test_a_crash_refuses_and_what_was_committed_is_there_afterwards(world, kms):
    key_id = kms.create_key(Description="kept")["KeyMetadata"]["KeyId"]
    with world.fault("region_crash", region="us-east-1"), pytest.raises(EndpointConnectionError):
        client(world.regions["us-east-1"]).describe_key(KeyId=key_id)
    assert client(world.regions["us-east-1"]).describe_key(KeyId=key_id)["KeyMetadata"]["Description"] == "kept"


def test_boto3_fails_over_by_its_application(world, kms):
    key_id = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    kms.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    clients = [kms, world.client(region="eu-west-1", config=QUICK)]
    wait_until(lambda: clients[1].describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled")
    with world.fault("region_outage", region="us-east-1", mode="refuse"):
        assert decrypt_anywhere(clients, blob) == b"x"


def decrypt_anywhere(clients, blob):
    for one in clients:
        try:
            return one.decrypt(CiphertextBlob=blob)["Plaintext"]
        except EndpointConnectionError:
            continue
    raise AssertionError("no Region answers")


# Time and data.


def test_a_year_passes(world, kms):
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.enable_key_rotation(KeyId=key_id)
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"old")["CiphertextBlob"]
    fired = world.advance(days=366)
    assert ("rotation", key_id) in {(one.what, one.subject) for one in fired}
    assert [one.due_at_ns for one in fired] == sorted(one.due_at_ns for one in fired)
    assert len(kms.list_key_rotations(KeyId=key_id)["Rotations"]) == 1
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"old"  # signed at the machine's time, a year before


def test_data_outlives_the_world(tmp_path):
    with regionsim.serve(regions=["us-east-1"], data=tmp_path) as world:
        kms = world.client()
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
        world.advance(days=40)
        kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
        with pytest.raises(regionsim.ConfigError, match="another regionsim serves"):
            regionsim.serve(regions=["us-east-1"], data=tmp_path).start()
    with regionsim.serve(regions=["us-east-1"], data=tmp_path) as world:
        kms = world.client()
        found = kms.describe_key(KeyId=key_id)["KeyMetadata"]
        assert (found["DeletionDate"] - found["CreationDate"]).days == 47
        newer = kms.create_key()["KeyMetadata"]
        assert (newer["CreationDate"] - found["CreationDate"]).days == 40  # the world's time goes on where it was
        kms.cancel_key_deletion(KeyId=key_id)
        kms.enable_key(KeyId=key_id)
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"


def test_reset_is_an_empty_world(world, kms):
    kms.create_key()
    world.begin_fault("region_outage", region="eu-west-1")
    world.advance(days=1)
    world.reset()
    assert kms.list_keys()["Keys"] == []
    assert client(world.endpoint, "eu-west-1").list_keys()["Keys"] == []
    assert {event["eventName"] for event in world.events()} == {"ListKeys"}
