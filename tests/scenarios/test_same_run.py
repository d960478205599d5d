"""One scenario and one seed are one run: flat out or paced, inline or threaded, in whatever process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import regionsim
from regionsim.runtime.trace import read_trace

ONCE = "import sys, regionsim; print(regionsim.run('quickstart', seed=int(sys.argv[1])).trace_sha256)"


@pytest.fixture(scope="module")
def flat_out() -> regionsim.RunResult:
    return regionsim.run("quickstart", seed=5)


def test_a_second_run_is_the_same(flat_out):
    again = regionsim.run("quickstart", seed=5)
    assert (again.trace_sha256, again.events) == (flat_out.trace_sha256, flat_out.events)
    assert again.transcript == flat_out.transcript


def test_another_seed_is_another_run(flat_out):
    assert regionsim.run("quickstart", seed=6).trace_sha256 != flat_out.trace_sha256


def test_threads_behind_the_store_change_nothing(flat_out):
    assert regionsim.run("quickstart", seed=5, connection="threaded").trace_sha256 == flat_out.trace_sha256


def test_pace_changes_nothing(flat_out):
    assert regionsim.run("quickstart", seed=5, rate=600).trace_sha256 == flat_out.trace_sha256


def test_the_trace_file_holds_the_events_of_the_run(flat_out, tmp_path):
    result = regionsim.run("quickstart", seed=5, trace=tmp_path / "t.jsonl")
    header, events = read_trace(tmp_path / "t.jsonl")
    assert (header["scenario"], header["seed"]) == (result.scenario, 5)
    assert set(header["versions"]) == {"regionsim", "python", "cryptography"}
    assert len(list(events)) == result.events == flat_out.events


@pytest.mark.slow
@pytest.mark.parametrize("connection", ["inline", "threaded"])
def test_fresh_processes_agree(flat_out, connection):
    command = ONCE.replace("seed=", f"connection={connection!r}, seed=")
    digests = set()
    for number in range(5):
        environment = {**os.environ, "PYTHONHASHSEED": str(number * 7919)}
        arguments = [sys.executable, "-c", command, "5"]
        digests.add(
            subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True).stdout.strip()
        )
    assert digests == {flat_out.trace_sha256}


@pytest.mark.slow
def test_the_outage_is_the_same_with_threads():
    assert (
        regionsim.run("primary-outage", connection="threaded").trace_sha256
        == regionsim.run("primary-outage").trace_sha256
    )


def test_the_json_has_what_it_promises(flat_out):
    found = json.loads(json.dumps(flat_out.as_json()))
    assert list(found) == [
        "scenario", "seed", "verdict", "trace_sha256", "virtual_seconds", "wall_seconds", "events",
        "expectations", "invariants", "regions", "keys", "resilience", "cost_usd",
    ]  # fmt: skip
    assert set(found["expectations"][0]) == {"step", "line", "passed", "message"}
    assert set(found["invariants"][0]) == {"name", "kind", "checked", "passed", "detail"}
    region = found["regions"]["us-east-1"]
    assert set(region) == {
        "requests", "refused", "denied", "throttled", "unavailable_seconds", "hsm_jobs", "latency_ms", "replication_lag_ms",
    }  # fmt: skip
    assert set(region["latency_ms"]) == {"p50", "p99", "p999", "max"}
    assert region["replication_lag_ms"] == {}
    assert set(found["resilience"]) == {
        "availability", "recovery_seconds", "unreplicated_rotations_max", "failed_calls",
    }  # fmt: skip
    assert set(found["cost_usd"]) == {"total", "keys", "requests"}
    assert found["cost_usd"]["total"] == pytest.approx(found["cost_usd"]["keys"] + found["cost_usd"]["requests"])
    assert set(found["keys"][0]) == {"key_id", "primary", "replicas", "rotations"}
    assert (region["requests"], region["refused"], region["denied"]) == (12, 3, 1)
    assert (found["verdict"], found["virtual_seconds"]) == ("ok", 120.0)
