"""How a timeline is played: when steps begin, what they see, and what is said when something does not hold."""

from __future__ import annotations

import pytest

from regionsim.names.mistakes import ConfigError
from regionsim.scenario.load import read_scenario
from regionsim.scenario.report import last_lines
from regionsim.scenario.results import RunResult, Verdict
from regionsim.scenario.run import RunOptions, run_scenario

HEAD = """\
name: Test
regions: [us-east-1, eu-west-1]
links: {latencies: 10ms, jitter: 0s}
hsm: {profile: host}
accounts:
  "111122223333":
    users:
      alice: {policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "kms:*", Resource: "*"}]}]}
      mallory: {}
"""
CREATE = "{as: alice, in: us-east-1, call: {CreateKey: {MultiRegion: true}}, save: {key: KeyMetadata.KeyId}}"
DESCRIBE = "as: alice, in: us-east-1, call: {DescribeKey: {KeyId: $key}}"


def play(*steps: str, more: str = "", seed: int = 1, head_instead: dict[str, str] | None = None) -> RunResult:
    head = HEAD
    for old, new in (head_instead or {}).items():
        assert old in head
        head = head.replace(old, new)
    text = head + more + "steps:\n" + "".join(f"  - {step}\n" for step in steps)
    return run_scenario(read_scenario(text, "test.yaml"), RunOptions(seed=seed))


def messages(result: RunResult) -> dict[int, str]:
    return {step.step: step.message for step in result.expectations if not step.passed}


def instants(result: RunResult, event: str) -> list[int]:
    """When the lines of an event stand in the transcript, in ms."""
    return [line.at_ns // 1_000_000 for line in result.transcript if line.event == event]


def test_without_at_a_step_waits_for_the_answer_before_it():
    result = play(CREATE, f"{{{DESCRIBE}}}", f"{{{DESCRIBE}}}")
    assert result.verdict is Verdict.OK
    created, first, second = (line.at_ns for line in result.transcript)
    assert created < first < second


def test_steps_overlap_where_their_at_says_so():
    """Two calls into an outage, a second apart: both time out after five, so they overlap."""
    timeout = "expect: {error: ConnectTimeout}"
    result = play(
        CREATE,
        "{at: 10s, fault: {region_outage: us-east-1}, for: 30s}",
        f"{{at: 11s, {DESCRIBE}, {timeout}}}",
        f"{{at: 12s, {DESCRIBE}, {timeout}}}",
        f"{{{DESCRIBE}, {timeout}}}",
    )
    assert messages(result) == {}
    assert instants(result, "DescribeKey") == [16_000, 17_000, 22_000]


def test_a_late_answer_delays_the_next_step_but_never_reorders():
    result = play(
        CREATE,
        "{at: 10s, fault: {region_outage: us-east-1}, for: 1m}",
        f"{{at: 11s, {DESCRIBE}, expect: {{error: ConnectTimeout}}}}",
        "{say: after the answer}",
        "{at: 12s, say: late}",
    )
    assert instants(result, "say") == [16_000, 16_000]


def test_a_fault_ends_by_itself_or_is_healed():
    result = play(
        "{fault: {region_outage: {region: us-east-1, mode: refuse}}, for: 5s, name: short}",
        "{at: 4s, as: alice, in: us-east-1, call: {ListKeys: {}}, expect: {error: ConnectionRefused}}",
        "{at: 6s, as: alice, in: us-east-1, call: {ListKeys: {}}}",
        "{at: 10s, fault: {region_outage: eu-west-1}, for: 1h, name: long}",
        "{at: 20s, heal: long}",
        "{at: 21s, as: alice, in: eu-west-1, call: {ListKeys: {}}}",
        "{at: 30s, fault: {link_cut: [us-east-1, eu-west-1]}}",
        "{at: 40s, heal: all}",
        more="until: 2h\n",
    )
    assert messages(result) == {}
    assert instants(result, "fault_begins") == [0, 10_000, 30_000]
    assert instants(result, "fault_ends") == [5_000, 20_000, 40_000]


def test_healing_what_has_ended_is_told():
    result = play("{fault: {region_outage: us-east-1}, for: 1s, name: storm}", "{at: 5s, heal: storm}")
    assert result.verdict is Verdict.FAILED
    assert "storm" in messages(result)[2]


def test_a_step_that_needs_what_was_refused_says_so():
    result = play(
        "{as: mallory, in: us-east-1, call: {CreateKey: {}}, save: {key: KeyMetadata.KeyId}}",
        f"{{{DESCRIBE}}}",
    )
    assert messages(result)[1].startswith(
        "wanted an answer, got AccessDeniedException (User: arn:aws:iam::111122223333:user/m"
    )
    assert messages(result)[2] == "$key is not known: step 1 (line 11), which saves it, was refused or did not say it"


def test_a_step_that_needs_an_answer_that_is_not_there_yet_says_so():
    result = play(
        "{fault: {region_outage: us-east-1}}",
        f"{{at: 1s, {CREATE[1:]}",
        f"{{at: 2s, {DESCRIBE}}}",
        more="until: 1m\n",
    )
    assert messages(result)[3] == "$key is not known: step 2 (line 13), which saves it, has no answer yet"


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ("KeyMetadata.KeyState: Disabled", "KeyMetadata.KeyState: wanted 'Disabled', got 'Enabled'"),
        ("KeyMetadata.Enabled: false", "KeyMetadata.Enabled: wanted false, got true"),
        (
            "KeyMetadata.DeletionDate: 2026-01-02T00:00:00Z",
            "KeyMetadata.DeletionDate: wanted 1767312000.0, got nothing",
        ),
        ("error: NotFoundException", "wanted NotFoundException, got an answer"),
    ],
)
def test_an_expectation_that_does_not_hold_says_what_was_wanted_and_what_came(expect, message):
    result = play(CREATE, f"{{{DESCRIBE}, expect: {{{expect}}}}}")
    assert result.verdict is Verdict.FAILED
    assert result.reason == "1 expectation did not hold"
    assert messages(result) == {2: message}


def test_the_report_shows_step_line_and_the_events_around():
    result = play(
        CREATE,
        "{at: 10s, fault: {region_outage: eu-west-1}, for: 10s}",
        f"{{at: 15s, {DESCRIBE}, expect: {{KeyMetadata.KeyState: Disabled}}}}",
        "{at: 30s, say: the end}",
    )
    report = "\n".join(last_lines(result, RunOptions(seed=1)))
    assert "FAILED    step 3, test.yaml:13: KeyMetadata.KeyState: wanted 'Disabled', got 'Enabled'" in report
    assert "fault_begins        region_outage eu-west-1" in report
    assert "fault_ends          region_outage eu-west-1" in report
    assert "verdict   failed: 1 expectation did not hold" in report
    assert f"trace     sha256 {result.trace_sha256}" in report
    assert "again     regionsim run test.yaml --seed 1" in report


def test_blobs_compare_by_their_bytes():
    result = play(
        CREATE,
        "{as: alice, in: us-east-1, call: {Encrypt: {KeyId: $key, Plaintext: 'base64:AP8='}}, save: {blob: CiphertextBlob}}",
        "{as: alice, in: us-east-1, call: {Decrypt: {CiphertextBlob: $blob}}, expect: {Plaintext: 'base64:AP8='}}",
        "{as: alice, in: us-east-1, call: {Decrypt: {CiphertextBlob: $blob}}, expect: {Plaintext: other}}",
    )
    assert messages(result) == {4: "Plaintext: wanted 'other', got the bytes 00ff"}


def test_a_state_is_looked_at_without_a_call():
    result = play(
        CREATE,
        "{as: alice, in: us-east-1, call: {ReplicateKey: {KeyId: $key, ReplicaRegion: eu-west-1}}}",
        "{at: 10s, expect_state: {key: $key, in: eu-west-1, rotations: 0, "
        "MultiRegionConfiguration.MultiRegionKeyType: REPLICA}}",
        "{expect_state: {key: $key, in: us-east-1, rotations: 2, KeyState: Disabled}}",
        "{expect_state: {key: 1234abcd-12ab-34cd-56ef-1234567890ab, in: us-east-1, rotations: 0}}",
        "{fault: {region_crash: eu-west-1}}",
        "{at: 20s, expect_state: {key: $key, in: eu-west-1, rotations: 0}}",
    )
    assert messages(result) == {
        4: "rotations: wanted 2, got 0; KeyState: wanted 'Disabled', got 'Enabled'",
        5: "us-east-1 has no key key-1",
        7: "eu-west-1 is down: nobody can look at its keys",
    }
    assert result.regions["us-east-1"].requests == 2


WORKLOAD = """\
workloads:
  w: {as: alice, client: {near: us-east-1, regions: [us-east-1, eu-west-1], timeout: 1s}, every: 1s, from: 1s, until: 21s,
      call: {ListKeys: {}}}
"""


def test_a_workload_calls_at_its_pace_and_is_measured():
    result = play(
        "{at: 5500ms, fault: {region_outage: us-east-1}, for: 5s}",
        '{at: 25s, expect_metric: {workload: w, requests: 20, failed: 0, availability: "== 100%", longest_outage: "== 0"}}',
        '{expect_metric: {workload: w, p50_ms: "< 100", max_ms: "> 1000", refused: 0, denied: 0, throttled: 0}}',
        '{expect_metric: {workload: w, window: [6s, 11s], requests: 5, p50_ms: "> 1s"}}',
        '{expect_metric: {region: us-east-1, failed: 5, availability: "< 80%", longest_outage: "< 10s"}}',
        '{expect_metric: {region: eu-west-1, requests: 5, replication_lag_p99_ms: "< 1"}}',
        '{expect_metric: {workload: w, requests: "> 20", failed: 1}}',
        more=WORKLOAD,
    )
    assert messages(result) == {
        6: "replication_lag_p99_ms: there is nothing to measure",
        7: "requests: wanted > 20, measured 20; failed: wanted == 1, measured 0",
    }


def test_a_window_that_is_not_over_cannot_be_measured():
    result = play("{at: 5s, expect_metric: {workload: w, window: [1s, 9s], failed: 0}}", more=WORKLOAD)
    assert messages(result) == {1: "the window ends after this step: put the step at its end"}


def test_a_workload_that_needs_a_name_too_early_fails_the_run():
    more = "workloads:\n  w: {as: alice, in: us-east-1, every: exponential(1s), call: {DescribeKey: {KeyId: $key}}}\n"
    result = play(f"{{at: 20s, {CREATE[1:]}", more=more)
    assert result.verdict is Verdict.FAILED
    assert messages(result) == {0: "workload w stopped: $key is not known yet"}
    assert "FAILED    workload, test.yaml:11: workload w stopped" in "\n".join(last_lines(result, RunOptions()))


def test_random_paces_come_from_the_seed():
    more = "workloads:\n  w: {as: alice, in: us-east-1, every: exponential(100ms), call: {ListKeys: {}}}\nuntil: 20s\n"
    first, again, other = (play("{say: go}", more=more, seed=seed) for seed in (1, 1, 2))
    requests = [result.regions["us-east-1"].requests for result in (first, again, other)]
    assert requests[0] == requests[1] != requests[2]
    assert all(140 < count < 260 for count in requests)


def test_nothing_exercised_is_unknown():
    result = play("{say: hello}", "{fault: {region_outage: us-east-1}}")
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, "no call reached a Region, so nothing was exercised")


def test_a_step_that_the_end_overtakes_has_failed():
    result = play(
        CREATE,
        "{at: 5s, fault: {region_outage: us-east-1}}",
        f"{{at: 6s, {DESCRIBE}, expect: {{error: ConnectTimeout}}}}",
        f"{{{DESCRIBE}}}",
        more="until: 10s\n",
    )
    assert messages(result) == {4: "the run ended at 10s, before this step began"}


def test_the_run_lasts_as_long_as_it_says():
    assert play(CREATE, more="until: 366d\n").virtual_seconds == 366 * 86_400
    assert play(CREATE, more=WORKLOAD).virtual_seconds == 21
    assert play(CREATE).virtual_seconds < 1


def test_a_crash_and_its_recovery_are_in_the_transcript():
    result = play(
        CREATE, "{at: 5s, fault: {region_crash: us-east-1}, for: 5s}", f"{{at: 15s, {DESCRIBE}}}", more="until: 20s\n"
    )
    assert result.verdict is Verdict.OK
    assert instants(result, "region_crashed") == [5_000]
    assert instants(result, "region_booted")[0] >= 10_000


def test_a_save_that_finds_nothing_is_told():
    listing = "as: alice, in: us-east-1, call: {ListKeys: {}}"
    result = play(f"{{{listing}, save: {{m: NextMarker}}}}", f"{{{listing}, save: {{m: abs(Truncated)}}}}")
    assert messages(result)[1] == "save m: the answer has nothing at 'NextMarker'"
    assert messages(result)[2].startswith("save m: abs(Truncated): ")


def test_functions_in_paths_that_fail_are_told():
    result = play(CREATE, f"{{{DESCRIBE}, expect: {{'length(KeyMetadata.Enabled)': 3}}}}")
    assert messages(result)[2].startswith("length(KeyMetadata.Enabled): ")


@pytest.mark.parametrize("options", [{"seed": -1}, {"rate": 0.0}, {"rate": float("nan")}, {"connection": "pigeon"}])
def test_options_that_cannot_be_are_mistakes(options):
    with pytest.raises(ConfigError):
        RunOptions(**options)


def test_a_trace_that_cannot_be_written_is_a_mistake(tmp_path):
    scenario = read_scenario(HEAD + "steps: [{say: x}]\n", "test.yaml")
    with pytest.raises(ConfigError, match="the trace cannot be written"):
        run_scenario(scenario, RunOptions(trace=tmp_path / "no" / "t.jsonl"))


def test_what_is_on_its_way_at_the_end_may_arrive_so_that_convergence_is_judged():
    result = play(CREATE, "{as: alice, in: us-east-1, call: {ReplicateKey: {KeyId: $key, ReplicaRegion: eu-west-1}}}")
    converged = {invariant.name: invariant for invariant in result.invariants}["related_keys_converge"]
    assert (converged.checked, converged.passed) == (1, True)
    assert instants(result, "replica_enabled")
    assert 1 <= result.virtual_seconds <= 60


def test_with_a_fault_on_nothing_is_waited_for():
    result = play(
        CREATE,
        "{as: alice, in: us-east-1, call: {ReplicateKey: {KeyId: $key, ReplicaRegion: eu-west-1}}}",
        "{fault: {link_cut: [us-east-1, eu-west-1]}}",
    )
    assert result.virtual_seconds < 1
    assert instants(result, "replica_enabled") == []


def test_a_blob_that_cannot_be_filled_in_fails_its_step():
    result = play(
        "{as: alice, in: us-east-1, call: {CreateKey: {Description: 'base64:no'}}, "
        "save: {key: KeyMetadata.KeyId, text: KeyMetadata.Description, date: KeyMetadata.DeletionDate}}",
        "{as: alice, in: us-east-1, call: {Encrypt: {KeyId: $key, Plaintext: $text}}}",
        "{as: alice, in: us-east-1, call: {Encrypt: {KeyId: $key, Plaintext: $date}}}",
    )
    assert messages(result)[2].startswith("this is not base64")
    assert messages(result)[3].startswith(
        "$date is not known: step 1 (line 11), which saves it, was refused or did not"
    )


def test_a_metric_counts_the_calls_that_are_on_their_way():
    """Calls sent into an outage hang for 20 s: they have no answer yet as the metric is asked for."""
    workload = (
        "workloads:\n  w: {as: alice, client: {near: us-east-1, regions: [us-east-1], timeout: 20s}, every: 1s, "
        "from: 1s, until: 50s, call: {GenerateRandom: {NumberOfBytes: 8}}}\n"
    )
    result = play(
        "{at: 40s, fault: {region_outage: us-east-1}}",
        '{at: 55s, expect_metric: {workload: w, failed: "== 0", requests: "== 49"}}',
        '{at: 56s, expect_metric: {region: us-east-1, window: [0s, 45s], failed: "== 5", requests: "== 44"}}',
        more=workload + "until: 57s\n",
    )
    assert messages(result)[2] == "failed: wanted == 0, measured 10"
    assert instants(result, "expect_metric") == [55_000, 56_000], "as of the step, whenever it was known"


def test_calls_sent_while_a_metric_waits_are_none_of_it():
    workload = (
        "workloads:\n  w: {as: alice, client: {near: us-east-1, regions: [us-east-1], timeout: 5s}, every: 1s, "
        "from: 1s, until: 50s, call: {GenerateRandom: {NumberOfBytes: 8}}}\n"
    )
    result = play(
        "{at: 10500ms, fault: {region_outage: us-east-1}, for: 30s}",
        '{at: 12500ms, expect_metric: {workload: w, failed: "== 2", requests: "== 12"}}',
        more=workload + "until: 1m\n",
    )
    assert messages(result) == {}


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("{link_cut: [us-east-1, eu-west-1]}", "link_cut"),
        ("{link_loss: {between: [us-east-1, eu-west-1], loss: 50%}}", "link_loss"),
        ("{region_outage: eu-west-1}", "region_outage"),
    ],
)
def test_a_fault_that_met_no_call_and_no_message_leaves_the_verdict_open(fault, name):
    listed = "as: alice, in: us-east-1, call: {ListKeys: {}}"
    result = play(f"{{at: 1s, fault: {fault}, for: 5s}}", f"{{at: 2s, {listed}}}", more="until: 10s\n")
    assert result.verdict is Verdict.UNKNOWN
    assert result.reason == f"{name} never applied: no call and no message met it"


@pytest.mark.parametrize(
    "fault",
    [
        "{link_cut: [us-east-1, eu-west-1]}",
        "{link_loss: {between: [us-east-1, eu-west-1], loss: 10%}}",
        "{region_outage: eu-west-1}",
        "{region_outage: us-east-1}",
        "{region_crash: eu-west-1}",
    ],
)
def test_a_fault_that_met_a_message_or_a_call_applied(fault):
    replicated = "as: alice, in: us-east-1, call: {ReplicateKey: {KeyId: $key, ReplicaRegion: eu-west-1}}"
    error = "ConnectTimeout" if "outage: us" in fault else "KMSInternalException"
    expect = "" if "loss" in fault else f", expect: {{error: {error}}}"
    result = play(CREATE, f"{{at: 1s, fault: {fault}, for: 5s}}", f"{{at: 2s, {replicated}{expect}}}")
    assert (result.verdict, messages(result)) == (Verdict.OK, {})


def test_a_crash_applies_even_if_nobody_calls():
    listed = "as: alice, in: us-east-1, call: {ListKeys: {}}"
    result = play("{at: 1s, fault: {region_crash: eu-west-1}, for: 5s}", f"{{at: 2s, {listed}}}", more="until: 10s\n")
    assert result.verdict is Verdict.OK


def test_each_fault_counts_for_itself_even_under_one_name():
    listed = "as: alice, in: us-east-1, call: {ListKeys: {}}, expect: {error: ConnectionRefused}"
    outage = "fault: {region_outage: {region: us-east-1, mode: refuse}}, for: 5s"
    result = play(
        CREATE, f"{{at: 1s, {outage}}}", f"{{at: 2s, {listed}}}", f"{{at: 10s, {outage}}}", more="until: 20s\n"
    )
    assert result.reason == "region_outage never applied: no call and no message met it"
