from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.store.samples import HELD, INLINE, REAL, Mode


@pytest.fixture(params=[INLINE, HELD, REAL], ids=lambda mode: mode.name)
def mode(request: pytest.FixtureRequest) -> Mode:
    """Each kind of connection on each kind of loop that it serves."""
    found: Mode = request.param
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "us-east-1.sqlite3"
