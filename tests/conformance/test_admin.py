"""The admin API: faults, records, time, chaos; and who may use it."""

import json
import socket
import time
from datetime import datetime, timedelta

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ConnectionError, EndpointConnectionError

import regionsim
from regionsim.endpoint.background import ServedWorld
from regionsim.endpoint.settings import ServeSettings
from tests.conformance.clients import QUICK, client


def test_faults_are_switched_on_listed_and_ended(world, admin):
    status, fault = admin("POST", "/faults", {"region_outage": "us-east-1"})
    assert (status, fault["id"], fault["fault"]) == (201, "region_outage", {"region_outage": "us-east-1"})
    assert admin("GET", "/faults")[1]["faults"] == [fault]
    assert admin("GET", "/health")[1]["regions"]["us-east-1"] == {"is_up": True, "is_reachable": False}
    assert admin("DELETE", "/faults/region_outage") == (200, {"ended": "region_outage"})
    assert admin("GET", "/faults")[1]["faults"] == []


def test_a_fault_ends_by_itself(world, admin):
    body = {"fault": {"link_cut": ["us-east-1", "eu-west-1"]}, "name": "cable", "for": "200ms"}
    assert admin("POST", "/faults", body)[1]["id"] == "cable"
    end = time.monotonic() + 10
    while admin("GET", "/faults")[1]["faults"]:
        assert time.monotonic() < end, "the fault is still on"
        time.sleep(0.02)


def test_a_fault_ends_in_the_worlds_time(world, kms, admin):
    body = {"region_outage": {"region": "us-east-1", "mode": "refuse"}, "for": "10m"}
    began = datetime.fromisoformat(admin("GET", "/time")[1]["at"])
    ends = datetime.fromisoformat(admin("POST", "/faults", body)[1]["ends"])
    assert timedelta(minutes=10) <= ends - began < timedelta(minutes=11)
    admin("POST", "/faults", {"link_cut": ["us-east-1", "eu-west-1"], "for": "1d"})
    assert admin("POST", "/time/advance", {"minutes": 9})[1]["fired"] == []
    with pytest.raises(ConnectionError):
        client(world.regions["us-east-1"]).list_keys()
    admin("POST", "/time/advance", {"minutes": 1})
    assert client(world.regions["us-east-1"]).list_keys()["Keys"] == []
    assert [fault["id"] for fault in admin("GET", "/faults")[1]["faults"]] == ["link_cut"]
    admin("DELETE", "/faults/link_cut")
    admin("POST", "/faults", {"link_cut": ["us-east-1", "eu-west-1"]})
    assert admin("POST", "/time/advance", {"days": 2})[1]["fired"] == []  # nor is it told of HSM domain keys
    assert [fault["id"] for fault in admin("GET", "/faults")[1]["faults"]] == ["link_cut"]  # another of that name


@pytest.mark.parametrize(
    ("body", "what", "advice"),
    [
        ({"region_outage": "us-east-9"}, "'us-east-9' is not a Region here", "us-east-1"),
        ({"region_outag": "us-east-1"}, "no such fault: 'region_outag'", "region_outage"),
        ({}, "a fault is a mapping of one word", "region_outage"),
        ([], "a fault is a JSON object", "region_outage"),
        ({"fault": {"region_crash": "us-east-1"}, "more": 1}, "beside 'fault'", "region_outage"),
        ({"region_outage": "us-east-1", "for": "soon"}, "for:", "30m"),
        ({"region_outage": "us-east-1", "name": "a/b"}, "without a slash", "region_outage"),
    ],
)
def test_a_wrong_fault_is_told_with_advice(admin, body, what, advice):
    status, answer = admin("POST", "/faults", body)
    assert status == 400
    assert what in answer["error"]["what"]
    assert advice in answer["error"]["what"] + answer["error"]["advice"]
    assert admin("GET", "/faults")[1]["faults"] == []


def test_what_is_not_there(admin):
    assert admin("DELETE", "/faults/nothing")[0] == 404
    assert admin("GET", "/nothing")[0] == 404
    assert admin("PUT", "/health")[0] == 405
    assert admin("POST", "/time/advance", {"fortnights": 1})[1]["error"]["what"] == "there is no 'fortnights' here"


@pytest.mark.parametrize("body", [{}, {"days": -1}, {"days": True}, {"duration": "soon"}, {"days": 1e9}, [], "x"])
def test_a_wrong_amount_of_time(admin, body):
    before = admin("GET", "/time")[1]["ahead_seconds"]
    assert admin("POST", "/time/advance", body)[0] == 400
    assert admin("GET", "/time")[1]["ahead_seconds"] - before < 1


def test_time_passes_in_order_and_signatures_stay_valid(world, kms, admin):
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    status, answer = admin("POST", "/time/advance", {"days": 8})
    assert status == 200
    assert ("deletion", key_id) in {(one["what"], one["subject"]) for one in answer["fired"]}
    assert [one["at"] for one in answer["fired"]] == sorted(one["at"] for one in answer["fired"])
    with pytest.raises(ClientError, match="does not exist"):
        kms.describe_key(KeyId=key_id)
    assert admin("GET", "/time")[1]["ahead_seconds"] == pytest.approx(8 * 86_400, abs=60)


def test_records_are_cloudtrails_and_can_be_asked_for(world, kms, admin):
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    for _ in range(3):
        kms.encrypt(KeyId=key_id, Plaintext=b"secret", EncryptionContext={"order": "4711"})
    with pytest.raises(ClientError):
        kms.describe_key(KeyId="00000000-0000-0000-0000-000000000000")
    page = admin("GET", f"/events?event=Encrypt&key={key_id}&limit=2")[1]
    assert [event["eventName"] for event in page["events"]] == ["Encrypt", "Encrypt"]
    assert page["events"][0]["requestParameters"]["encryptionContext"] == {"order": "4711"}
    assert page["events"][0]["sourceIPAddress"] == "127.0.0.1"
    rest = admin("GET", f"/events?event=Encrypt&key={key_id}&limit=2&after={page['next']}")[1]
    assert (len(rest["events"]), rest["next"]) == (1, None)
    assert [e["eventName"] for e in admin("GET", "/events?error=NotFoundException")[1]["events"]] == ["DescribeKey"]
    assert len(admin("GET", "/events?as=admin&region=us-east-1")[1]["events"]) == 5
    assert admin("GET", "/events?since=2100-01-01T00:00:00Z")[1]["events"] == []
    assert admin("GET", "/events?colour=red")[0] == 400
    assert "secret" not in str(admin("GET", "/events"))


def test_why_is_told_in_this_world_and_of_a_case(world, kms, admin):
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    asked = {"as": "admin", "action": "kms:Decrypt", "key": key_id, "region": "us-east-1"}
    assert admin("POST", "/policies/explain", asked)[1]["decision"] == "Allowed"
    case = {"principal": "arn:aws:iam::111122223333:user/bob", "action": "kms:Decrypt"}
    case["resource"] = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    assert admin("POST", "/policies/explain", case)[1]["decision"] == "ImplicitlyDenied"
    assert admin("POST", "/policies/explain", {"as": "nobody", **asked, "key": "x"})[0] == 400
    assert admin("POST", "/policies/explain", {"principal": "x"})[0] == 400


def test_why_a_call_was_denied_is_told_as_it_was_then(world, kms, admin):
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    default = kms.get_key_policy(KeyId=key_id)["Policy"]
    policy = json.loads(default)
    deny = {"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "kms:Encrypt", "Resource": "*"}
    policy["Statement"].append(deny)
    kms.put_key_policy(KeyId=key_id, Policy=json.dumps(policy))
    with pytest.raises(ClientError) as error:
        kms.encrypt(KeyId=key_id, Plaintext=b"x")
    request_id = error.value.response["ResponseMetadata"]["RequestId"]
    kms.put_key_policy(KeyId=key_id, Policy=default)
    status, answer = admin("POST", "/policies/explain", {"request_id": request_id})
    assert (status, answer["code"], answer["deciding"]["sid"]) == (200, "EXPLICIT_DENY_RESOURCE", "No")
    newest = admin("GET", "/denials?limit=1")[1]["denials"]
    assert [(one["request_id"], one["action"], one["region"]) for one in newest] == [
        (request_id, "kms:Encrypt", "us-east-1")
    ]
    assert newest[0]["why"].startswith("The key policy denies this explicitly.")
    assert "remove the Deny in key policy #2" in newest[0]["fixes"]
    status, answer = admin("POST", "/policies/explain", {"request_id": "x"})
    assert (status, answer["error"]["what"]) == (404, 'no call with the id "x" was denied')
    status, answer = admin(
        "POST", "/policies/explain", {"as": "admin", "action": "Encript", "key": key_id, "region": "us-east-1"}
    )
    assert (status, answer["error"]["advice"]) == (400, "did you mean 'kms:Encrypt'?")


def test_chaos_rules_have_localstacks_shape(world, kms, admin, unlike_the_model):
    rule = {
        "service": "kms",
        "region": "us-east-1",
        "operation": "ListKeys",
        "error": {"statusCode": 500, "code": "Oops"},
    }
    assert admin("POST", "/chaos/faults", [rule])[1] == [{**rule, "probability": 1.0}]
    with pytest.raises(ClientError) as error:
        kms.list_keys()
    assert error.value.response["Error"]["Code"] == "Oops"
    unlike_the_model.clear()  # whoever writes such a rule gets what they wrote
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    kms.list_aliases()
    client(world.endpoint, "eu-west-1").list_keys()
    other = {"service": "s3"}
    assert len(admin("PATCH", "/chaos/faults", [other])[1]) == 2
    assert len(admin("DELETE", "/chaos/faults", [rule])[1]) == 1
    kms.list_keys()
    assert admin("DELETE", "/chaos/faults")[1] == []
    assert admin("POST", "/chaos/effects", {"latency": 30})[1] == {"latency": 30}
    kms.list_keys()
    assert admin("GET", "/chaos/effects")[1] == {"latency": 30}
    assert admin("POST", "/chaos/faults", [{"probability": 2}])[0] == 400


def test_figures_for_prometheus(world, kms, admin):
    kms.list_keys()
    import urllib.request

    with urllib.request.urlopen(f"{world.admin}/metrics") as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        lines = answer.read().decode().splitlines()
    assert 'regionsim_requests_total{region="us-east-1"} 1' in lines
    assert 'regionsim_region_up{region="eu-west-1"} 1' in lines


def test_the_document_lists_every_route(world, admin):
    document = admin("GET", "/openapi.json")[1]
    routes = admin("GET", "")[1]["routes"]
    assert {(route["method"].lower(), route["path"]) for route in routes if route["path"] != "/_regionsim"} == {
        (method, path) for path, methods in document["paths"].items() for method in methods if path != "/_regionsim/"
    }
    assert all(route["about"] for route in routes)
    assert document["openapi"] == "3.1.0"
    listed = {(method.upper(), path) for path, of in document["paths"].items() for method in of}
    assert listed == {(route.method, f"/_regionsim{route.path}") for route in world._up.admin.routes}
    ids = [operation["operationId"] for of in document["paths"].values() for operation in of.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "evil.example:4599"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_web_page_may_not_use_it(admin, headers):
    status, answer = admin("POST", "/faults", {"region_outage": "us-east-1"}, headers)
    assert status == 403, answer
    assert admin("GET", "/faults")[1]["faults"] == []


def test_it_is_not_on_a_regions_own_port(world, admin):
    status, _ = admin("GET", world.regions["us-east-1"] + "/_regionsim/health")
    assert status == 400


def test_the_accounts_are_edited_live(world, admin):
    keys = {"users": {"bob": {}}, "access_keys": {"AKIABOB": {"user": "bob", "secret": "s"}}}
    assert admin("PUT", "/accounts/222222222222", keys)[0] == 200
    assert admin("GET", "/accounts")[1]["222222222222"]["access_keys"] == {"AKIABOB": "bob"}
    bob = client(world.endpoint, service="sts", key=("AKIABOB", "s"), config=QUICK)
    assert bob.get_caller_identity()["Account"] == "222222222222"
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
    change = {"put_user_policy": {"account": "222222222222", "user": "bob", "policy": policy}}
    assert admin("POST", "/iam", change)[1] == {"changed": "bob", "action": "put_user_policy"}
    change["put_user_policy"]["user"] = "bobb"
    assert "bob" in str(admin("POST", "/iam", change))
    assert admin("PUT", "/accounts/12", {})[0] == 400
    named = {"users": {"eve": {"policies": [{"file": "/etc/hostname"}]}}}
    assert "not in a file" in str(admin("PUT", "/accounts/222222222222", named))


def test_junk_on_the_socket_is_refused_and_nobody_else_notices(world, kms):
    port = int(world.endpoint.rpartition(":")[2])
    for junk in (
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x00" * 200,
        b"POST / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nA" + b"a" * 99_999,
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
            raw.sendall(junk)
            raw.shutdown(socket.SHUT_WR)
            answer = raw.recv(65_536)
            assert b"500" not in answer[:20]
    kms.list_keys()


@pytest.mark.parametrize(
    ("toxic", "becomes"),
    [
        (
            {"type": "latency", "attributes": {"latency": 1000, "jitter": 50}},
            {"link_slow": {"between": ["us-east-1", "eu-west-1"], "latency": "1s", "jitter": "50ms"}},
        ),
        ({"type": "down"}, {"link_cut": ["us-east-1", "eu-west-1"]}),
        ({"type": "timeout", "stream": "upstream"}, {"link_one_way": {"from": "us-east-1", "to": "eu-west-1"}}),
        ({"type": "reset_peer", "stream": "downstream"}, {"link_one_way": {"from": "eu-west-1", "to": "us-east-1"}}),
        ({"type": "timeout", "toxicity": 0.25}, {"link_loss": {"between": ["us-east-1", "eu-west-1"], "loss": "25%"}}),
    ],
)
def test_toxics_are_link_faults(world, admin, toxic, becomes):
    status, answer = admin("POST", "/faults", {"link": ["us-east-1", "eu-west-1"], "name": "t", **toxic})
    assert (status, answer["id"], answer["fault"]) == (201, "t", becomes)
    assert admin("DELETE", "/faults/t")[0] == 200


def test_a_link_is_cut_after_so_many_bytes(world, kms, admin):
    toxic = {"type": "limit_data", "link": ["us-east-1", "eu-west-1"], "attributes": {"bytes": 400}, "name": "cap"}
    assert admin("POST", "/faults", toxic)[1]["after_bytes"] == 400
    assert admin("GET", "/faults")[1]["faults"] == []
    assert admin("POST", "/faults", toxic)[0] == 400
    key_id = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    with pytest.raises(ClientError):  # the other Region's word never comes
        for _ in range(3):
            kms.replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
            kms.update_primary_region(KeyId=key_id, PrimaryRegion="eu-west-1")
    assert [fault["id"] for fault in admin("GET", "/faults")[1]["faults"]] == ["cap"]
    assert admin("DELETE", "/faults/cap")[0] == 200
    assert admin("GET", "/faults")[1]["faults"] == []


@pytest.mark.parametrize(
    "toxic",
    [
        {"type": "lateny"},
        {"type": "latency", "attributes": {"latency": "1s"}},
        {"type": "latency", "attributes": {"delay": 1}},
        {"type": "bandwidth", "attributes": {"rate": 0}},
        {"type": "down", "link": ["us-east-1"]},
        {"type": "down", "link": ["us-east-1", "mars"]},
        {"type": "down", "stream": "sideways"},
        {"type": "timeout", "toxicity": 2},
    ],
)
def test_a_wrong_toxic(admin, toxic):
    assert admin("POST", "/faults", {"link": ["us-east-1", "eu-west-1"], **toxic})[0] == 400


def test_without_a_name_no_new_connection_and_open_ones_go_on(world, kms):
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    shared = client(world.endpoint)
    shared.list_keys()
    with world.fault("dns_outage", region="us-east-1"):
        assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"]
        assert shared.describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"]
        with pytest.raises(EndpointConnectionError):
            world.client(region="us-east-1", config=QUICK).list_keys()
        with pytest.raises(ConnectionClosedError):
            client(world.endpoint).list_keys()
        client(world.endpoint, "eu-west-1").list_keys()
    world.client(region="us-east-1", config=QUICK).list_keys()


@pytest.mark.parametrize(
    ("mistake", "what"),
    [
        (lambda world: world.advance(5), "a duration is a text with its unit, not 5; write '90s', or seconds=90"),
        (lambda world: world.advance("8 days"), "'8 days' is no duration"),
        (lambda world: world.advance(days=-1), "time never passes backwards"),
        (lambda world: world.client("s3"), "regionsim serves kms and sts, not 's3'"),
        (lambda world: world.client("kms", "eu-west-9"), "no such Region here: 'eu-west-9'; did you mean 'eu-west-1'?"),
        (lambda world: world.events(evnt="Decrypt"), "there is no parameter 'evnt'; did you mean 'event'?"),
        (lambda world: world.begin_fault("region_outag"), "no such fault: 'region_outag'; did you mean 'region_outage'?"),
        (lambda world: regionsim.serve(regions="us-east-1,mars"), "no such Region: 'mars'; valid: af-south-1"),
    ],
)  # fmt: skip
def test_mistakes_in_python_are_told_as_all_others(world, mistake, what):
    with pytest.raises(regionsim.RegionsimError) as told:
        mistake(world)
    assert str(told.value).startswith(what)


def test_old_records_are_forgotten_and_it_is_said(tmp_path):
    """By the machine's clock: what `advance` has just made is not old."""
    world = ServedWorld(ServeSettings(regions=("us-east-1",), port=0, audit_keep_ns=1_500_000_000))
    with world:
        world.client().list_keys()
        world.advance(days=2)
        world.client().list_aliases()
        assert {event["eventName"] for event in world.events()} >= {"ListKeys", "ListAliases"}
        end = time.monotonic() + 30
        while world.events(event="ListKeys"):
            assert time.monotonic() < end, "the record is still there"
            time.sleep(0.2)
