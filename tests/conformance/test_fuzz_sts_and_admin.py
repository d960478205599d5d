"""STS and the admin API under parameters of all kinds: mistakes are told as mistakes, and KMS goes on."""

import json
import signal
import urllib.error
import urllib.request
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regionsim.faults.words import FAULT_WORDS
from tests.conformance.abuse import exchange, signed
from tests.conformance.clients import client
from tests.conformance.test_serve_command import Served

FEW, MANY = 60, 2_000
SCALE = pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"


@pytest.fixture(scope="module")
def served():
    with Served("--regions", "us-east-1,eu-west-1") as server:
        yield server
        assert server.end(signal.SIGTERM) == (0, "")


TEXTS = st.text(max_size=30) | st.sampled_from(["", "AssumeRole", "2011-06-15", "900", "-1", "1e9", "<&>", "x" * 5_000])
ARNS = st.sampled_from(["arn:aws:iam::000000000000:role/x", "arn:aws:iam::000000000000:role/", "arn:", "role/x"])
FIELDS = st.fixed_dictionaries(
    {"Action": st.sampled_from(["AssumeRole", "AssumeRole", "GetCallerIdentity", "GetSessionToken", ""]) | TEXTS},
    optional={
        "Version": st.just("2011-06-15") | TEXTS,
        "RoleArn": ARNS | TEXTS,
        "RoleSessionName": TEXTS,
        "DurationSeconds": TEXTS,
        "Policy": TEXTS | st.sampled_from(["{}", "[]", '{"Statement": [{}]}', "[" * 9_000]),
        "ExternalId": TEXTS,
        "Tags.member.1.Key": TEXTS,
        "Tags.member.1.Value": TEXTS,
        "PolicyArns.member.1.arn": TEXTS,
    },
)


@SCALE
def test_sts_answers_xml_to_anything(served, count):
    url = served.ready["endpoint"]

    @settings(max_examples=count)
    @given(FIELDS, st.booleans())
    def sent(fields, is_form):
        body = urlencode(fields).encode() if is_form else "&".join(f"{k}={v}" for k, v in fields.items()).encode()
        form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        whole = signed(url, "x", body, service="sts", headers=form)
        (answer,) = exchange(url, whole)
        assert answer[0] in (200, 400, 403), (fields, answer)
        root = ElementTree.fromstring(answer[2])
        assert root.tag.startswith(NAMESPACE)
        assert (root.find(f"{NAMESPACE}Error/{NAMESPACE}Code") is None) is (answer[0] == 200)

    sent()


WORDS = st.sampled_from(
    [*FAULT_WORDS, "us-east-1", "eu-west-1", "fault", "for", "name", "days", "1s", "latency", "service", "error"]
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats(allow_nan=False) | st.text(max_size=8) | WORDS
JSON = st.recursive(SCALARS, lambda of: st.lists(of, max_size=3) | st.dictionaries(WORDS, of, max_size=3), max_leaves=8)
STAYING = ("/reset", "/time/advance", "/regions/{region}/start")
"""Routes that are asked for elsewhere: they end, or make older, the world that this test looks at."""


@SCALE
def test_the_admin_api_tells_mistakes(served, count):
    admin = served.ready["admin"]
    paths = json.loads(asked("GET", f"{admin}/openapi.json")[1])["paths"]
    routes = sorted(
        (method.upper(), path.removeprefix("/_regionsim"))
        for path, of in paths.items()
        for method in of
        if not path.endswith(STAYING)
    )

    @settings(max_examples=count)
    @given(st.sampled_from(routes), JSON | st.just("no JSON"), TEXTS)
    def sent(route, value, query):
        method, path = route
        body = b"{" if value == "no JSON" else json.dumps(value).encode()
        url = admin + path.replace("{", "").replace("}", "") + "?" + urlencode({"limit": query, "region": query})
        status, answer = asked(method, url, body)
        assert status < 500, (route, value, answer)
        if status >= 400:
            assert json.loads(answer)["error"]["what"], (route, value)

    sent()
    asked("DELETE", f"{admin}/faults/all")
    asked("DELETE", f"{admin}/chaos/faults")
    asked("POST", f"{admin}/chaos/effects", b"{}")
    assert client(served.ready["endpoint"]).list_keys()["Keys"] == []


def asked(method, url, body=None):
    """Status and body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, data=body), timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
