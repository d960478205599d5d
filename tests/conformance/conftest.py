"""One live world for all tests of a file; each test finds it empty."""

import json
import urllib.error
import urllib.request

import pytest

import regionsim
from tests.conformance import wire
from tests.conformance.clients import QUICK

REGIONS = ("us-east-1", "eu-west-1")


_unlike_the_model = []
wire.watch_every_client(_unlike_the_model.append)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A test fails when one of its responses was not as AWS's model says."""
    _unlike_the_model.clear()
    result = yield
    assert _unlike_the_model == []
    return result


@pytest.fixture
def unlike_the_model():
    """What was in this test's responses and not in AWS's model, so far."""
    return _unlike_the_model


@pytest.fixture(scope="module")
def module_world():
    with regionsim.serve(regions=REGIONS) as world:
        yield world


@pytest.fixture
def world(module_world):
    yield module_world
    module_world.reset()


@pytest.fixture
def kms(world):
    return world.client("kms", region="us-east-1", config=QUICK)


@pytest.fixture
def admin(world):
    def ask(method, path, body=None, headers=None):
        """Status and JSON value of a request to the admin API."""
        url = path if path.startswith("http") else world.admin + path
        encoded = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, method=method, data=encoded, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    return ask
