"""The pytest plugin: an application's own tests can lose a Region.

    def test_orders_survive(regionsim_world):
        with regionsim_world.fault("region_outage", region="us-east-1", mode="refuse"):
            assert shop.decrypt_order(4711) == "two chairs"

One server serves all tests of a session, and each test finds it empty. While a test runs, the environment names the
endpoints (AWS_ENDPOINT_URL_KMS, ...), so that stock clients made in the test reach them. A test that wants a world of
its own says so: `@pytest.mark.regionsim(regions=["us-east-1", "eu-central-1"])`; it takes what `regionsim.serve` takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from regionsim.endpoint.background import ServedWorld


def pytest_addoption(parser: pytest.Parser) -> None:
    """`regionsim_regions` in the ini file: the Regions of the session's world."""
    parser.addini("regionsim_regions", "Regions of the world that regionsim_world serves", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """The marker that asks for a world of a test's own."""
    config.addinivalue_line("markers", "regionsim(**options): a world of its own, as regionsim.serve takes it")


@pytest.fixture(scope="session")
def regionsim_session(request: pytest.FixtureRequest) -> Iterator[ServedWorld]:
    """The world that the tests of a session share; `regionsim_world` is the one to use."""
    from regionsim.endpoint.background import serve

    regions = request.config.getini("regionsim_regions")
    with serve(regions=regions or None) as world:
        yield world


@pytest.fixture
def regionsim_world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedWorld]:
    """Live endpoints, empty: no keys, no faults, one account with an administrator."""
    from regionsim.endpoint.background import serve

    marker = request.node.get_closest_marker("regionsim")
    if marker is not None:
        with serve(*marker.args, **marker.kwargs) as own:
            _point_to(own, monkeypatch)
            yield own
        return
    shared: ServedWorld = request.getfixturevalue("regionsim_session")
    _point_to(shared, monkeypatch)
    yield shared
    shared.reset()


def _point_to(world: ServedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
