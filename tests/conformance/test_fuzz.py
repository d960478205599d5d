"""Thousands of requests that no client would make: never a 5xx, never an answer unlike AWS's model, never a change.

A few of each kind run by default; the slow tests send more than ten thousand.
"""

import base64
import http.client
import json
import signal
import time
from functools import cache
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regionsim.kms.operations.registry import REGISTRY
from tests.conformance import wire
from tests.conformance.abuse import exchange, request, signed, stored
from tests.conformance.clients import client
from tests.conformance.test_serve_command import Served

FEW, MANY = 60, 4_000
SCALE = pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
ADMIN, MALLORY = ("AKIAADMIN", "secret of admin"), ("AKIAMALLORY", "secret of mallory")
ACCOUNTS = """\
"111122223333":
  users:
    admin: {policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "*", Resource: "*"}]}]}
    mallory: {}
  access_keys:
    AKIAADMIN: {user: admin, secret: secret of admin}
    AKIAMALLORY: {user: mallory, secret: secret of mallory}
"""


class Target:
    """A server, and what it holds that requests may name."""

    def __init__(self, served, folder):
        self.served, self.folder, self.url = served, folder, served.ready["endpoint"]
        where = urlsplit(self.url)
        self.connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
        kms = client(self.url, key=ADMIN)
        self.key = kms.create_key(Description="as it was", MultiRegion=True)["KeyMetadata"]
        other = kms.create_key()["KeyMetadata"]
        alias = f"alias/of-{other['KeyId']}"
        kms.create_alias(AliasName=alias, TargetKeyId=other["KeyId"])
        blob = kms.encrypt(KeyId=other["KeyId"], Plaintext=b"x")["CiphertextBlob"]
        kms.replicate_key(KeyId=self.key["KeyId"], ReplicaRegion="eu-west-1")
        self.known = {
            "KeyId": [
                self.key["KeyId"],
                self.key["Arn"],
                other["Arn"],
                "alias/known",
                other["Arn"].replace("east", "west"),
            ],
            "CiphertextBlob": [base64.b64encode(blob).decode(), base64.b64encode(b"\x00" + blob).decode()],
        }
        self.settle()
        self.before = stored(folder)

    def settle(self):
        """Wait until no Region owes another anything, and what is stored stays as it is."""
        end = time.monotonic() + 30
        found = stored(self.folder)
        while True:
            last, found = found, stored(self.folder)
            if last == found and not any(rows for (_, table), rows in found.items() if table == "outbox"):
                return
            assert time.monotonic() < end, "the Regions do not come to rest"
            time.sleep(0.05)

    def ask(self, operation, body, key):
        """Status, headers and body of the answer to a signed request, on the one connection."""
        whole = signed(self.url, operation, body, key=key)
        head, _, _ = whole.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
        self.connection.request("POST", "/", body, headers)
        answer = self.connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzzed")
    (folder / "accounts.yaml").write_text(ACCOUNTS)
    words = ["--data", str(folder / "data"), "--accounts", str(folder / "accounts.yaml")]
    with Served("--regions", "us-east-1,eu-west-1", *words) as server:
        server.folder = folder / "data"
        yield server
        assert server.end(signal.SIGTERM) == (0, "")


@pytest.fixture
def target(served):
    """Keys of its own for each test."""
    found = Target(served, served.folder)
    yield found
    found.connection.close()


@cache
def input_of(operation):
    return wire.service().operation_model(operation).input_shape


WRONG = st.sampled_from(
    [None, 0, -1, 2**63, 1e308, "", "\x00", "ü" * 9_000, [], [None], {}, {"a": []}, True, "{", "🙂"]
)


def right(shape, known):
    """A value that a shape takes, more or less."""
    if shape.name in ("KeyIdType", "AliasNameType") or shape.name in known:
        return st.sampled_from(known.get(shape.name, known["KeyId"]))
    if shape.type_name in ("structure", "list", "map"):
        return containers(shape, known)
    match shape.type_name:
        case "string" if shape.enum:
            return st.sampled_from(shape.enum)
        case "string":
            return st.text(max_size=40) | st.sampled_from(known["KeyId"]) | st.just("{}")
        case "blob":
            encoded = st.binary(max_size=60).map(lambda raw: base64.b64encode(raw).decode())
            return encoded | st.sampled_from(known["CiphertextBlob"])
        case "boolean":
            return st.booleans()
        case "timestamp":
            return st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 2**40)
    return st.integers(-10, 5_000)


def containers(shape, known):
    if shape.type_name == "list":
        return st.lists(values(shape.member, known), max_size=3)
    if shape.type_name == "map":
        return st.dictionaries(st.text(max_size=5), values(shape.value, known), max_size=3)
    return structures(shape, known)


def values(shape, known):
    return st.integers(0, 9).flatmap(lambda die: WRONG if die == 0 else right(shape, known))


def structures(shape, known):
    required = {name: values(member, known) for name, member in shape.members.items() if name in shape.required_members}
    others = {
        name: values(member, known) for name, member in shape.members.items() if name not in shape.required_members
    }
    return st.fixed_dictionaries(required, optional=others)


@cache
def strategy(operation, known):
    return structures(input_of(operation), {name: list(of) for name, of in known})


def requests(target):
    known = tuple((name, tuple(of)) for name, of in target.known.items())
    slow = {"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"}  # RSA keys take their time; a few do
    names = st.sampled_from(sorted(set(REGISTRY) - slow)) | st.sampled_from(sorted(REGISTRY))
    return names.flatmap(lambda name: st.tuples(st.just(name), strategy(name, known)))


def body_of(parameters):
    return json.dumps(parameters, ensure_ascii=False).encode("utf-8", "surrogatepass")


@SCALE
def test_parameters_of_all_kinds_by_an_administrator(target, count):
    @settings(max_examples=count)
    @given(requests(target))
    def sent(asked):
        operation, parameters = asked
        answer = target.ask(operation, body_of(parameters), ADMIN)
        assert answer[0] in (200, 400), (operation, parameters, answer)
        assert wire.problems(operation, *answer) == [], (operation, parameters, answer)

    sent()


@SCALE
def test_parameters_of_all_kinds_by_somebody_without_permission(target, count):
    @settings(max_examples=count)
    @given(requests(target))
    def sent(asked):
        operation, parameters = asked
        answer = target.ask(operation, body_of(parameters), MALLORY)
        assert answer[0] == 400, (operation, parameters, answer)
        assert wire.problems(operation, *answer) == [], (operation, parameters, answer)

    sent()
    assert stored(target.folder) == target.before


def good(target):
    """A request that would change something, of some operations; each member of it is broken in turn."""
    key_id, tags = target.key["KeyId"], [{"TagKey": "a", "TagValue": "b"}]
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    return {
        "CreateKey": {"Description": "x", "KeySpec": "SYMMETRIC_DEFAULT", "MultiRegion": False, "Tags": tags},
        "CreateAlias": {"AliasName": "alias/new", "TargetKeyId": key_id},
        "CreateGrant": {
            "KeyId": key_id,
            "GranteePrincipal": "arn:aws:iam::111122223333:user/admin",
            "Operations": ["Encrypt"],
        },
        "DisableKey": {"KeyId": key_id},
        "EnableKeyRotation": {"KeyId": key_id, "RotationPeriodInDays": 100},
        "PutKeyPolicy": {
            "KeyId": key_id,
            "Policy": policy,
            "PolicyName": "default",
            "BypassPolicyLockoutSafetyCheck": True,
        },
        "ReplicateKey": {"KeyId": key_id, "ReplicaRegion": "eu-west-1", "Description": "x", "Tags": tags},
        "ScheduleKeyDeletion": {"KeyId": key_id, "PendingWindowInDays": 7},
        "TagResource": {"KeyId": key_id, "Tags": tags},
        "UpdateKeyDescription": {"KeyId": key_id, "Description": "abused"},
        "UpdatePrimaryRegion": {"KeyId": key_id, "PrimaryRegion": "eu-west-1"},
    }


@SCALE
def test_one_broken_member_by_an_administrator(target, count):
    samples = good(target)
    names = st.sampled_from(sorted(samples))

    @settings(max_examples=count)
    @given(names, st.data())
    def sent(operation, data):
        parameters = dict(samples[operation])
        name = data.draw(st.sampled_from(sorted(parameters)))
        shape = input_of(operation).members[name]
        if name in input_of(operation).required_members and data.draw(st.booleans()):
            del parameters[name]
        else:
            parameters[name] = data.draw(st.sampled_from(broken(shape)))
        answer = target.ask(operation, body_of(parameters), ADMIN)
        assert answer[0] == 400, (operation, parameters, answer)
        assert wire.problems(operation, *answer) == [], (operation, parameters, answer)

    sent()
    assert stored(target.folder) == target.before


BROKEN = {
    "string": ["x" * 140_000, [], {}],
    "boolean": ["true!", [], {}],
    "integer": [-1, 10**9, "many", [], {}],
    "list": [7, "x", {}, [7], [[]]],
}


def broken(shape):
    """Values that a shape does not take."""
    return [*BROKEN[shape.type_name], *(["NOPE"] if getattr(shape, "enum", None) else [])]


def torn(data, sent):
    """A request with a few of its bytes lost, doubled or changed."""
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(sent)))
        until = min(len(sent), at + data.draw(st.sampled_from([0, 1, 2, 40])))
        sent = sent[:at] + data.draw(st.binary(max_size=12)) * data.draw(st.sampled_from([1, 1, 1, 60])) + sent[until:]
    return sent


@SCALE
def test_torn_bytes(target, count):
    """Its signature is by a wrong secret, so that no tear can leave a request that counts."""
    body = json.dumps({"KeyId": target.key["KeyId"], "Description": "abused"}).encode()
    sound = signed(target.url, "UpdateKeyDescription", body, key=("AKIAADMIN", "wrong"))
    bare = request(target.url, body, [("X-Amz-Target", "TrentService.UpdateKeyDescription")])

    @settings(max_examples=count)
    @given(st.sampled_from([sound, sound, bare, sound + sound, b""]), st.data())
    def sent(whole, data):
        for status, _, _ in exchange(target.url, torn(data, whole), count=3, within_s=0.02):
            assert 400 <= status < 500

    sent()
    assert client(target.url, key=ADMIN).describe_key(KeyId=target.key["KeyId"])
    assert stored(target.folder) == target.before
