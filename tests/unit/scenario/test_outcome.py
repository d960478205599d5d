"""The verdict, and the report that explains it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import regionsim
import regionsim.scenario.library
from regionsim.names.mistakes import ConfigError
from regionsim.scenario.load import read_scenario
from regionsim.scenario.metrics import CallSeen, Ledger
from regionsim.scenario.outcome import decide, workload_results
from regionsim.scenario.report import again, first_lines, last_lines, transcript_path, write_json, write_transcript
from regionsim.scenario.results import InvariantResult, RunResult, StepResult, Verdict
from regionsim.scenario.run import RunOptions
from regionsim.scenario.transcript import Line
from tests.unit.scenario.conftest import SMALL

GOOD, BAD = StepResult(step=1, line=3, passed=True), StepResult(step=2, line=4, passed=False, message="no", at_ns=5)
HELD = InvariantResult(name="single_primary", kind="safety", checked=3, passed=True)
BROKEN = InvariantResult(
    name="audit_complete", kind="safety", checked=3, passed=False, detail="one is missing", at_ns=9
)


@pytest.mark.parametrize(
    ("steps", "invariants", "is_exercised", "is_interrupted", "verdict", "reason"),
    [
        ([GOOD], [HELD], True, False, "ok", ""),
        ([GOOD, BAD], [HELD], True, False, "failed", "1 expectation did not hold"),
        ([BAD, BAD], [BROKEN], True, False, "failed", "2 expectations and 1 invariant did not hold"),
        ([GOOD], [HELD], False, False, "unknown", "no call reached a Region, so nothing was exercised"),
        ([GOOD], [], True, True, "unknown", "the run was interrupted"),
        ([BAD], [], True, True, "failed", "1 expectation did not hold"),
    ],
)
def test_the_verdict(steps, invariants, is_exercised, is_interrupted, verdict, reason):
    found = decide(steps, invariants, is_exercised=is_exercised, is_interrupted=is_interrupted)
    assert found == (verdict, reason)


def test_a_fault_that_met_nothing_leaves_the_verdict_open():
    found = decide([GOOD], [HELD], is_exercised=True, is_interrupted=False, idle_faults=("storm", "cut"))
    assert found == ("unknown", "storm, cut never applied: no call and no message met it")
    assert decide([BAD], [HELD], is_exercised=True, is_interrupted=False, idle_faults=("storm",))[0] == "failed"


def test_an_invariant_that_was_not_checked_neither_held_nor_failed():
    unchecked = InvariantResult(name="material_agrees", kind="safety", checked=0, passed=None)
    partly = InvariantResult(name="audit_complete", kind="safety", checked=4, passed=True, detail="not read: x (down)")
    assert decide([GOOD], [unchecked], is_exercised=True, is_interrupted=False) == ("ok", "")
    told = result(invariants=(HELD, unchecked, partly))
    assert last_lines(told, RunOptions())[:3] == [
        "unchecked nothing was there to check for material_agrees",
        "partly    invariant audit_complete: not read: x (down)",
        "verdict   ok: 1 expectation and 2 invariants held",
    ]
    assert told.as_json()["invariants"][1]["passed"] is None


def result(**changes: object) -> RunResult:
    values: dict[str, object] = {
        "scenario": "Small",
        "path": "my folder/s.yaml",
        "seed": 3,
        "verdict": Verdict.OK,
        "reason": "",
        "trace_sha256": "ab" * 32,
        "virtual_seconds": 3661.5,
        "wall_seconds": 2.0,
        "events": 5000,
        "expectations": (GOOD,),
        "invariants": (HELD,),
        "regions": {},
        "keys": (),
        "transcript": tuple(Line(at_ns, "us-east-1", "x", f"line {at_ns}") for at_ns in range(20)),
    }
    return RunResult(**{**values, **changes})  # type: ignore[arg-type]


def test_first_lines_tell_what_is_played():
    lines = first_lines(read_scenario(SMALL, "s.yaml"), 9)
    assert lines[:4] == [
        "scenario  Small (s.yaml)",
        "seed      9",
        "world     us-east-1, eu-west-1; 2 HSMs each (host)",
        "links     AWS's measured latencies, jitter 300us, loss 0.1%",
    ]
    assert lines[4].startswith(f"versions  regionsim {regionsim.__version__}, python 3.")


def test_last_lines_of_a_run_that_held():
    assert last_lines(result(), RunOptions()) == [
        "verdict   ok: 1 expectation and 1 invariant held",
        "time      1h1m1s500ms virtual in 2.00s; 5,000 events, 2,500 per second",
        "trace     sha256 " + "ab" * 32,
        "again     regionsim run 'my folder/s.yaml' --seed 3",
    ]


def test_last_lines_of_a_run_that_did_not():
    lines = last_lines(result(expectations=(GOOD, BAD), invariants=(BROKEN,), verdict=Verdict.FAILED), RunOptions())
    assert lines[0] == "FAILED    step 2, my folder/s.yaml:4: no"
    assert [line.split()[-1] for line in lines[1:11]] == [str(number) for number in range(1, 11)]
    assert lines[11] == "FAILED    invariant audit_complete (safety): one is missing"


def test_the_command_that_plays_it_again():
    shipped = str(regionsim.scenario.library.shipped_paths()["quickstart"])
    assert again(result(path=shipped), RunOptions()) == "regionsim run quickstart --seed 3"
    assert again(result(path=shipped), RunOptions(connection="threaded")).endswith("--seed 3 --connection threaded")


def test_an_interrupted_run_says_so():
    interrupted = result(interrupted=True)
    assert "INTERRUPTED at 0d 01:01:01.500; the results are partial" in last_lines(interrupted, RunOptions())
    assert interrupted.as_json()["interrupted"] is True
    assert "interrupted" not in result().as_json()


def test_the_json_goes_to_a_file_or_to_stdout(tmp_path, capsys):
    write_json(result(), str(tmp_path / "r.json"))
    write_json(result(), "-")
    assert json.loads((tmp_path / "r.json").read_text()) == json.loads(capsys.readouterr().out)
    with pytest.raises(ConfigError, match="the result cannot be written"):
        write_json(result(), str(tmp_path / "no" / "r.json"))


def test_a_transcript_is_written_beside_the_scenario_when_all_held(tmp_path):
    path = tmp_path / "s.yaml"
    written = write_transcript(result(path=str(path)))
    assert written == transcript_path(path) == tmp_path / "s.transcript"
    assert written.read_text().splitlines()[3] == "0d 00:00:00.000  us-east-1       x                   line 3"
    with pytest.raises(AssertionError, match="no golden one"):
        write_transcript(result(path=str(path), verdict=Verdict.FAILED))
    with pytest.raises(ConfigError, match="cannot be written"):
        write_transcript(result(path=str(tmp_path / "no" / "s.yaml")))


def test_what_failed_together_is_surrounded_once_and_not_by_itself():
    transcript = (Line(4, "us-east-1", "Decrypt", "alice"), Line(5, "", "FAILED", "step 2 (line 4): no"))
    worse = replace(BAD, step=3, line=5)
    lines = last_lines(result(expectations=(BAD, worse), verdict=Verdict.FAILED, transcript=transcript), RunOptions())
    assert lines[:3] == [
        "FAILED    step 2, my folder/s.yaml:4: no",
        f"          {transcript[0]}",
        "FAILED    step 3, my folder/s.yaml:5: no",
    ]


def test_a_workload_is_told_with_who_answered_and_what_its_callers_were_refused():
    ledger = Ledger(
        by_workload={
            "shop": [
                CallSeen(0, 8_000_000, None, False),
                CallSeen(1_000_000_000, 3_500_000_000, "ConnectTimeout", True),
                CallSeen(2_000_000_000, 2_010_000_000, "AccessDeniedException", False),
                CallSeen(3_000_000_000, 4_000_000_000, None, False),
            ]
        },
        answered={"shop": {"us-east-1": 1, "eu-west-1": 1}},
    )
    workloads = workload_results(["shop", "idle"], ledger)
    assert last_lines(result(workloads=workloads), RunOptions())[:6] == [
        "workload  shop: 4 calls, 1.00 per second",
        "          answered in eu-west-1 1, us-east-1 1",
        "          took p50 10.0ms, p99 2,500.0ms, at most 2,500.0ms",
        "          1 refused, 1 failed: ConnectTimeout 1, AccessDeniedException 1",
        "          out for 2.5s at the longest",
        "workload  idle: 0 calls, 0.00 per second",
    ]
    assert json.loads(json.dumps(result(workloads=workloads).as_json()))["workloads"]["shop"]["failed"] == 1
