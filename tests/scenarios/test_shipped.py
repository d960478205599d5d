"""Every shipped scenario says `ok`, and its transcript is the golden one beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import regionsim
from regionsim.scenario.library import library_folder, shipped, shipped_paths
from regionsim.scenario.report import transcript_path

NAMES = sorted(shipped_paths())
PROMISED = Path(__file__).parent / "promised"
PLANTED = Path(__file__).parents[1] / "planted"
BROKEN_BY = re.compile(r"# Broken by the planted bug ([a-z0-9-]+)\.")


class Played(dict[str, regionsim.RunResult]):
    """Each shipped scenario, played once, when it is first asked for."""

    def __missing__(self, name: str) -> regionsim.RunResult:
        result = self[name] = regionsim.run(name)
        return result


@pytest.fixture(scope="session")
def played() -> Played:
    return Played()


@pytest.mark.parametrize("name", NAMES)
def test_it_holds(played, name):
    result = played[name]
    assert result.verdict is regionsim.Verdict.OK, result.reason
    assert result.expectations
    assert all(expectation.passed for expectation in result.expectations)
    assert all(invariant.passed is not False for invariant in result.invariants)
    # In one test, or two processes would play it.
    golden = transcript_path(shipped_paths()[name]).read_text(encoding="utf-8")
    assert [str(line) for line in result.transcript] == golden.splitlines(), (
        f"if the change is meant: regionsim run {name} --rewrite"
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_planted_bugs_that_it_names_are_said_to_be_found_by_it(name):
    """`tests/planted/` shows that they are."""
    named = BROKEN_BY.findall(shipped_paths()[name].read_text(encoding="utf-8"))
    for bug in named:
        head = (PLANTED / f"{bug}.patch").read_text(encoding="utf-8").partition("\n")[0]
        assert f"tests/scenarios/test_shipped.py::test_it_holds[{name}]" in head.split(), bug
    assert named or name in {"quickstart", "primary-outage"}


@pytest.mark.parametrize("path", sorted(PROMISED.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_the_interface_promises_is_shipped_word_for_word(path):
    assert (library_folder() / path.name).read_bytes() == path.read_bytes()


def test_nothing_lies_beside_the_scenarios_that_belongs_to_none():
    assert {path.stem for path in library_folder().iterdir()} == set(NAMES)
    assert {path.suffix for path in library_folder().iterdir()} == {".yaml", ".transcript"}


def test_every_scenario_has_a_title_of_its_own():
    titles = [scenario.title for scenario in shipped()]
    assert len(set(titles)) == len(titles)
    assert all(titles)


def test_the_outage_is_seen_by_its_callers(played):
    """What `primary-outage` is about: Europe goes on, the primary is gone for half an hour, then agrees again."""
    result = played["primary-outage"]
    assert result.regions["us-east-1"].unavailable_seconds == pytest.approx(1800)
    assert result.regions["eu-west-1"].denied == 1
    assert result.regions["ap-southeast-2"].requests == 0
    assert [(key.primary, key.replicas, key.rotations) for key in result.keys] == [("us-east-1", ("eu-west-1",), 1)]
    failovers = [line for line in result.transcript if line.event == "workload"]
    assert [line.region for line in failovers] == ["us-east-1", "eu-west-1", "us-east-1"]
