"""Planted bugs: each patch in this folder breaks the shipped code in one place, and the tests that it names must find it.

A patch is a unified diff against the root of the tree, behind a head that `git apply` skips:

    found by: tests/one.py tests/other.py::test_name
    <why somebody might write it so>
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
COPIED = ("regionsim", "tests", "scenarios", "pyproject.toml", "README.md")
FAST = frozenset({"default-allow"})
HEAD = "found by: "

_TESTS_FAILED = 1
_NOT_A_FINDING = re.compile(r"ImportError|ModuleNotFoundError|SyntaxError|IndentationError|NameError|UnboundLocalError")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One planted bug: the file, and the tests that must find it."""

    path: Path
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.stem

    def apply(self, root: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """Apply it to the tree at `root`; strictly, but wherever its lines have moved to."""
        # A tree in a temporary folder is no repository, whatever lies above it.
        environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(root.parent), "GIT_CONFIG_NOSYSTEM": "1"}
        command = ["git", "apply", "--whitespace=nowarn", *options, str(self.path)]
        return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def _read(path: Path) -> Patch:
    head = path.read_text(encoding="utf-8").partition("\n")[0]
    assert head.startswith(HEAD), f"{path.name} does not begin with '{HEAD}'"
    return Patch(path=path, tests=tuple(head.removeprefix(HEAD).split()))


PATCHES = tuple(_read(path) for path in sorted(HERE.glob("*.patch")))


def test_there_are_patches_and_the_fast_ones_are_among_them() -> None:
    assert len(PATCHES) >= 13
    assert {patch.name for patch in PATCHES} >= FAST


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: str(patch.name))
def test_a_patch_still_applies_and_its_tests_exist(patch: Patch) -> None:
    applied = patch.apply(ROOT, "--check")
    assert applied.returncode == 0, applied.stderr
    text = patch.path.read_text(encoding="utf-8")
    changed = re.findall(r"^\+\+\+ b/(\S+)$", text, flags=re.MULTILINE)
    assert changed
    assert all(name.startswith("regionsim/") for name in changed), "bugs are planted in the product, not in its tests"
    assert patch.tests
    for test in patch.tests:
        file, _, name = test.partition("[")[0].partition("::")
        assert f"def {name}" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "patch",
    [pytest.param(patch, id=patch.name, marks=[] if patch.name in FAST else [pytest.mark.slow]) for patch in PATCHES],
)
def test_a_planted_bug_is_found(tmp_path: Path, patch: Patch, forks: subprocess.Popen[str]) -> None:
    root = _copy_of_the_tree(tmp_path)
    applied = patch.apply(root)
    assert applied.returncode == 0, applied.stderr
    for test in patch.tests:
        status, told = _run(forks, root, test)
        assert status == _TESTS_FAILED, f"{test} did not find {patch.name}:\n{told[-3000:]}"
        assert re.search(r"^FAILED ", told, flags=re.MULTILINE), told[-3000:]
        errors = [line for line in told.splitlines() if line.startswith("E  ") and _NOT_A_FINDING.search(line)]
        assert not errors, f"{patch.name} breaks the code instead of its meaning: {errors}"


@pytest.fixture(scope="session")
def forks() -> Iterator[subprocess.Popen[str]]:
    """What runs pytest in forks of itself, one for each worker of a session."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTEST_ADDOPTS")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [sys.executable, str(HERE / "forks.py")]
    with subprocess.Popen(
        command, cwd=HERE, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        yield running
        assert running.stdin is not None
        running.stdin.close()


def _run(forks: subprocess.Popen[str], root: Path, test: str) -> tuple[int, str]:
    """pytest's exit status, and what it told."""
    assert forks.stdin is not None
    assert forks.stdout is not None
    forks.stdin.write(json.dumps({"root": str(root), "test": test}) + "\n")
    forks.stdin.flush()
    answer = json.loads(forks.stdout.readline())
    return answer["status"], answer["told"]


def _copy_of_the_tree(folder: Path) -> Path:
    root = folder / "tree"
    root.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, root / name, ignore=shutil.ignore_patterns("planted", "node_modules")
            )  # with its bytecode, which holds for whatever is not patched: its sources keep their times
        else:
            shutil.copy(source, root / name)
    return root
