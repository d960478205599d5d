"""The same seed gives the same trace: in any process, with any hash seed, at any pace, with SQLite on a thread or not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from regionsim.runtime.loop import run_virtual
from tests.simulation.busy_world import CALLERS, CALLS_EACH, busy_world

ROOT = Path(__file__).parents[2]
WAYS = (
    ("inline", "flat", "0"),
    ("inline", "flat", "4294967295"),
    ("threaded", "flat", "17"),
    ("threaded", "flat", "random"),
    ("inline", "paced", "4711"),
    ("threaded", "paced", "random"),
)


def in_a_process_of_its_own(folder: Path, seed: int, way: tuple[str, str, str]) -> dict[str, Any]:
    connection, pace, hash_seed = way
    told = subprocess.run(
        [sys.executable, "-m", "tests.simulation.busy_world", str(folder), str(seed), connection, pace],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    result: dict[str, Any] = json.loads(told.stdout)
    return result


@contextmanager
def a_busy_neighbour() -> Iterator[None]:
    """Another process that takes what it can of a processor, so that threads and paces meet at other moments."""
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: sum(range(10_000))"])
    try:
        yield
    finally:
        neighbour.kill()
        neighbour.wait()


def all_told(folder: Path, ways: tuple[tuple[str, str, str], ...]) -> list[dict[str, Any]]:
    """What each way of living the busy life told, two at a time."""
    with a_busy_neighbour(), ThreadPoolExecutor(max_workers=2) as pool:
        numbered = list(enumerate(ways))
        return list(pool.map(lambda item: in_a_process_of_its_own(folder / str(item[0]), 7, item[1]), numbered))


def test_six_processes_tell_the_same_story(tmp_path: Path) -> None:
    first, *others = all_told(tmp_path, WAYS)

    assert others == [first] * 5
    assert first["calls"] == CALLERS * CALLS_EACH
    assert first["calls"] >= 300
    assert first["crashes"] == 1
    assert first["moves"] == 1
    assert first["lost"] > 10
    assert first["rotations"] == 8, "four rotations, each installed in two Regions"


@pytest.mark.slow
def test_twenty_processes_tell_the_same_story(tmp_path: Path) -> None:
    ways = tuple(
        (("inline", "threaded")[number % 2], ("flat", "paced")[number // 2 % 2], "random") for number in range(20)
    )
    told = all_told(tmp_path, ways)
    assert told == told[:1] * 20


def test_another_seed_tells_another_story(tmp_path: Path) -> None:
    def digest(seed: int) -> str:
        folder = tmp_path / str(seed)
        folder.mkdir()
        told: str = run_virtual(busy_world(folder, seed, "inline"))["digest"]
        return told

    assert len({digest(seed) for seed in (7, 8, 9)}) == 3


def test_twice_in_one_process_is_the_same_story(tmp_path: Path) -> None:
    told = []
    for name in ("one", "another"):
        (tmp_path / name).mkdir()
        told.append(run_virtual(busy_world(tmp_path / name, 11, "inline")))
    assert told[0] == told[1]
