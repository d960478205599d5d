"""A world whose Regions live in processes of their own: one place to ask, and kill -9 is an outage."""

import http.client
import json
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from tests.conformance.clients import QUICK, client
from tests.conformance.test_boto3 import allow, trust, wait_until
from tests.conformance.test_serve_command import Served

pytestmark = pytest.mark.slow


@pytest.fixture
def served():
    with Served("--regions", "us-east-1,eu-west-1,ap-southeast-2", "--processes", "3") as server:
        yield server
        if server.process.returncode is None:
            assert server.end(signal.SIGTERM) == (0, "")


def admin(served, method, path, body=None):
    encoded = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(served.ready["admin"] + path, method=method, data=encoded)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def kms_of(served, region):
    return client(served.ready["regions"][region], region)


def process_of(served, region):
    """The process that listens on the Region's own port."""
    port = int(served.ready["regions"][region].rpartition(":")[2])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].partition(":")[2], 16) == port}
    children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
    for child in map(int, children):
        if listening & {os.readlink(entry) for entry in Path(f"/proc/{child}/fd").iterdir()}:
            return child
    raise AssertionError(f"nobody listens for {region}")


def replicated_key(served):
    kms = kms_of(served, "us-east-1")
    key_id = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    kms.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
    europe = kms_of(served, "eu-west-1")
    wait_until(lambda: europe.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled")
    return key_id


def test_the_regions_are_one_world(served):
    key_id = replicated_key(served)
    blob = client(served.ready["endpoint"]).encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    assert client(served.ready["endpoint"], "eu-west-1").decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    kms_of(served, "us-east-1").update_primary_region(KeyId=key_id, PrimaryRegion="eu-west-1")
    state = admin(served, "GET", "/state")[1]
    assert list(state["regions"]) == ["us-east-1", "eu-west-1", "ap-southeast-2"]
    assert sorted(key["region"] for key in state["keys"]) == ["eu-west-1", "us-east-1"]
    assert len({process_of(served, region) for region in state["regions"]}) == 3
    with urllib.request.urlopen(served.ready["admin"] + "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    assert sum(line.startswith("regionsim_region_up{") for line in lines) == 3
    assert len(lines) == len(set(lines))


def test_a_connection_may_ask_for_another_region(served):
    """A client with one pool for all: the second request of a connection names another Region than the first."""
    shared = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")
    first = shared.client("kms", "us-east-1", endpoint_url=served.ready["endpoint"], config=QUICK)
    second = shared.client("kms", "eu-west-1", endpoint_url=served.ready["endpoint"], config=QUICK)
    second._endpoint.http_session = first._endpoint.http_session
    for _ in range(3):
        assert ":us-east-1:" in first.create_key()["KeyMetadata"]["Arn"]
        assert ":eu-west-1:" in second.create_key()["KeyMetadata"]["Arn"]
    sts = shared.client("sts", "us-east-1", endpoint_url=served.ready["endpoint"], config=QUICK)
    sts._endpoint.http_session = first._endpoint.http_session
    assert sts.get_caller_identity()["Account"] == "000000000000"


def test_a_connection_that_began_with_a_region_may_go_on_with_the_admin_api(served):
    """The admin API of the whole world answers, not that of the process which has the connection."""
    host, _, port = served.ready["endpoint"].removeprefix("http://").partition(":")
    request = AWSRequest(
        method="POST",
        url=f"{served.ready['endpoint']}/",
        headers={"X-Amz-Target": "TrentService.ListKeys", "Content-Type": "application/x-amz-json-1.1"},
        data=b"{}",
    )
    SigV4Auth(Credentials("test", "test"), "kms", "eu-west-1").add_auth(request)
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.request("POST", "/", body=b"{}", headers=dict(request.headers))
    assert json.loads(connection.getresponse().read())["Keys"] == []
    connection.request("GET", "/_regionsim/health")
    assert list(json.loads(connection.getresponse().read())["regions"]) == list(served.ready["regions"])
    connection.request("POST", "/_regionsim/faults", body=b'{"region_outage": "us-east-1"}')
    assert connection.getresponse().read()
    assert not admin(served, "GET", "/health")[1]["regions"]["us-east-1"]["is_reachable"]
    connection.request("GET", "/_regionsim/health", headers={"Origin": "http://evil.example"})
    assert connection.getresponse().status == 403
    connection.close()


def test_a_killed_process_is_an_outage_and_comes_back(served):
    key_id = replicated_key(served)
    blob = kms_of(served, "us-east-1").encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
    os.kill(process_of(served, "us-east-1"), signal.SIGKILL)
    wait_until(lambda: not admin(served, "GET", "/health")[1]["regions"]["us-east-1"]["is_up"])
    with pytest.raises(EndpointConnectionError):
        kms_of(served, "us-east-1").list_keys()
    with pytest.raises(ConnectionClosedError):
        client(served.ready["endpoint"]).list_keys()
    assert kms_of(served, "eu-west-1").decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    admin(served, "POST", "/faults", {"link_slow": {"latency": "10ms"}})
    assert admin(served, "POST", "/regions/us-east-1/start")[1] == {"region": "us-east-1", "started": True}
    assert kms_of(served, "us-east-1").decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    kms_of(served, "us-east-1").rotate_key_on_demand(KeyId=key_id)  # it can speak with the others again
    wait_until(lambda: len(kms_of(served, "eu-west-1").list_key_rotations(KeyId=key_id)["Rotations"]) == 1)
    assert admin(served, "POST", "/regions/us-east-1/start")[1]["started"] is False
    assert admin(served, "POST", "/regions/mars/start")[0] == 404


def test_time_passes_in_all_of_them_in_order(served):
    key_id = replicated_key(served)
    kms = kms_of(served, "us-east-1")
    kms.enable_key_rotation(KeyId=key_id, RotationPeriodInDays=90)
    other = kms_of(served, "ap-southeast-2").create_key()["KeyMetadata"]["KeyId"]
    kms_of(served, "ap-southeast-2").schedule_key_deletion(KeyId=other, PendingWindowInDays=30)
    began = time.monotonic()
    fired = admin(served, "POST", "/time/advance", {"days": 100})[1]["fired"]
    assert time.monotonic() - began < 60
    assert [one["at"] for one in fired] == sorted(one["at"] for one in fired)
    what = [(one["what"], one["subject"]) for one in fired]
    assert what.index(("deletion", other)) < what.index(("rotation", key_id))
    assert len(kms_of(served, "eu-west-1").list_key_rotations(KeyId=key_id)["Rotations"]) == 1
    with pytest.raises(ClientError, match="does not exist"):
        kms_of(served, "ap-southeast-2").describe_key(KeyId=other)


def test_denials_of_every_process_are_told(served):
    everything = {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "kms:*", "Resource": "*"}
    but_looking = {"Effect": "Deny", "Principal": "*", "Action": "kms:DescribeKey", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything, but_looking]})
    for region in ("us-east-1", "eu-west-1"):
        kms = kms_of(served, region)
        key_id = kms.create_key(Policy=policy)["KeyMetadata"]["KeyId"]
        with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
            kms.describe_key(KeyId=key_id)
    assert admin(served, "GET", "/denials?limit=x")[0] == 400
    denials = admin(served, "GET", "/denials")[1]["denials"]
    assert [one["region"] for one in denials] == ["eu-west-1", "us-east-1"]
    asked = {"request_id": denials[0]["request_id"]}
    assert admin(served, "POST", "/policies/explain", asked)[1]["decision"] == "ExplicitlyDenied"
    assert admin(served, "POST", "/policies/explain", {"request_id": "x"})[0] == 404


def test_a_fault_ends_in_the_time_of_the_whole_world(served):
    admin(served, "POST", "/faults", {"region_outage": {"region": "us-east-1", "mode": "refuse"}, "for": "1h"})
    admin(served, "POST", "/time/advance", {"minutes": 59})
    with pytest.raises(EndpointConnectionError):
        kms_of(served, "us-east-1").list_keys()
    assert admin(served, "POST", "/time/advance", {"minutes": 1})[1]["fired"] == []
    assert admin(served, "GET", "/faults")[1]["faults"] == []
    assert kms_of(served, "us-east-1").list_keys()["Keys"] == []


def test_faults_accounts_and_records_are_of_the_whole_world(served):
    assert admin(served, "POST", "/faults", {"region_outag": "us-east-1"})[0] == 400
    assert admin(served, "POST", "/faults", {"region_outage": {"region": "us-east-1", "mode": "refuse"}})[0] == 201
    with pytest.raises(EndpointConnectionError):
        kms_of(served, "us-east-1").list_keys()
    assert kms_of(served, "eu-west-1").list_keys()["Keys"] == []
    assert admin(served, "DELETE", "/faults/all")[0] == 200
    kms_of(served, "us-east-1").list_keys()
    role = {
        "users": {"alice": {"policies": [allow("sts:AssumeRole")]}},
        "roles": {"app": {"policies": [allow("kms:ListKeys")], "trust": trust("arn:aws:iam::111122223333:user/alice")}},
        "access_keys": {"AKIAALICE": {"user": "alice", "secret": "her secret"}},
    }
    assert admin(served, "PUT", "/accounts/111122223333", role)[0] == 200
    alice = client(served.ready["endpoint"], service="sts", key=("AKIAALICE", "her secret"))
    given = alice.assume_role(RoleArn="arn:aws:iam::111122223333:role/app", RoleSessionName="s1")["Credentials"]
    key = (given["AccessKeyId"], given["SecretAccessKey"])
    for region, url in served.ready["regions"].items():
        session = client(url, region, key=key, token=given["SessionToken"])
        wait_until(lambda session=session: session.list_keys()["Keys"] == [])
    first = admin(served, "GET", "/events?event=ListKeys&limit=2")[1]
    rest = admin(served, "GET", f"/events?event=ListKeys&after={first['next']}")[1]
    assert (len(first["events"]), rest["next"]) == (2, None)
    times = [record["eventTime"] for record in first["events"] + rest["events"]]
    assert times == sorted(times)
    assert {record["awsRegion"] for record in first["events"] + rest["events"]} == set(served.ready["regions"])
    assert admin(served, "POST", "/reset")[0] == 200
    assert admin(served, "GET", "/events")[1]["events"] == []
    assert "111122223333" not in admin(served, "GET", "/accounts")[1]
    assert admin(served, "GET", "/openapi.json")[1]["openapi"] == "3.1.0"


def test_the_parents_death_is_the_childrens(served):
    children = [process_of(served, region) for region in served.ready["regions"]]
    served.process.kill()
    served.process.wait()
    for child in children:
        wait_until(lambda child=child: not os.path.exists(f"/proc/{child}") or "Z" in stat_of(child))


def stat_of(number):
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"
