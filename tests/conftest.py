"""What every test gets: Hypothesis profiles, and no connection that outlives its test."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# "ci" is the default: the same examples everywhere and every time. "search" looks for new ones.
settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _no_connection_outlives_its_test() -> Iterator[None]:
    """A leaked aiosqlite connection keeps its non-daemon thread, and the process, alive for ever."""
    yield
    connections = sys.modules.get("regionsim.store.connection")
    is_serving = any(thread.name == "regionsim-serve" for thread in threading.enumerate())
    if connections is not None and not is_serving:  # a world that serves many tests keeps its own
        for connection in list(connections.open_connections()):
            connection.kill()
