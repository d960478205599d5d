"""A data folder that is emptied holds nothing of the old world, and what belongs to whoever serves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from regionsim.endpoint.folder import CLOCK_NAME, LOCK_NAME, SESSIONS_NAME, DataFolder

OF_US = ("us-east-1.sqlite", "us-east-1.sqlite-wal", "us-east-1.domain", "us-east-1.keepers")
OF_EU = ("eu-west-1.sqlite", "eu-west-1.keepers")


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    for name in (*OF_US, *OF_EU, CLOCK_NAME, SESSIONS_NAME, "seal.key", "notes.txt"):
        (tmp_path / name).write_text("x")
    return DataFolder(tmp_path)


def left_in(folder: DataFolder) -> set[str]:
    folder.close()
    return {path.name for path in folder.path.iterdir()}


def test_all_of_the_old_world_goes(folder: DataFolder) -> None:
    folder.empty()
    assert left_in(folder) == {LOCK_NAME, "seal.key", "notes.txt"}


def test_all_of_one_region_goes(folder: DataFolder) -> None:
    folder.empty_of(["us-east-1"])
    assert left_in(folder) == {LOCK_NAME, CLOCK_NAME, SESSIONS_NAME, "seal.key", "notes.txt", *OF_EU}
