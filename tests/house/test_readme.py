"""The README shows what is: its lines are the ones the gate runs, its help text is the program's, its example plays."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from regionsim.faults.words import FAULT_WORDS
from tests.generators import readme_help
from tests.house.sources import CHECKOUT

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
GATE = (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8")


def block(mark: str) -> str:
    """The text of the fenced block behind a mark."""
    found = re.findall(rf"^<!-- {mark} -->\n```\w+\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert len(found) == 1, f"README.md has {len(found)} blocks marked {mark!r}"
    return found[0]


@pytest.mark.parametrize("name", ["main", "tests"])
def test_what_people_paste_is_one_line_and_the_gate_runs_it(name):
    line = block(f"line: {name}")
    assert line.count("\n") == 1
    assert line.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert f"$(readme_line {name})" in GATE
    assert f'bash -c "${name}_line"' in GATE


def test_the_gate_reads_the_readmes_lines_as_they_stand():
    """The gate's own awk, on the README."""
    function = re.search(r"^readme_line\(\) \{\n.*?^\}$", GATE, re.DOTALL | re.MULTILINE)
    assert function is not None
    for name in ("main", "tests"):
        script = f"{function.group()}\nreadme_line {name}"
        read = subprocess.run(["bash", "-c", script], cwd=CHECKOUT, check=True, capture_output=True, encoding="utf-8")
        assert read.stdout == block(f"line: {name}")


def test_folders_and_files_that_the_readme_names_are_there():
    table = README.partition("## Where things are")[2]
    for name in re.findall(r"^\| `([^`]+)`", table, re.MULTILINE):
        assert (CHECKOUT / name).exists(), name


def test_the_help_text_is_the_programs():
    assert readme_help.shown_text() == readme_help.help_text(), "run `python tests/generators/readme_help.py`"


@pytest.mark.parametrize("example", ["example", "example: a year"])
def test_an_example_is_a_scenario_that_plays(tmp_path, example):
    path = tmp_path / "example.yaml"
    path.write_text(block(example), encoding="utf-8")
    ask = "import sys; from regionsim.cli import main; sys.exit(main())"
    for command in ("check", "run"):
        played = subprocess.run(
            [sys.executable, "-c", ask, command, str(path)], check=False, capture_output=True, encoding="utf-8"
        )
        assert played.returncode == 0, played.stdout + played.stderr


def test_the_faults_are_those_that_are_acted_on():
    section = README.partition("### What can break")[2].partition("\n## ")[0]
    shown = re.findall(r"^\| `(\{.*\})` \| (.*) \|$", section, re.MULTILINE)
    assert shown == [(word.grammar, word.means) for word in FAULT_WORDS.values() if word.is_acted_on]
