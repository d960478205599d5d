"""The command line: words to functions, mistakes to exit status 2, bugs to words."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from pathlib import Path

import pytest

import regionsim
from regionsim import cli
from regionsim.cli import telling
from regionsim.scenario import library
from regionsim.scenario import run as run_module
from regionsim.scenario.library import shipped_paths
from tests.unit.scenario.conftest import SMALL

BROKEN = """\
name: Broken by hand
regions: [us-east-1]
accounts:
  "111122223333": {users: {alice: {}}}
steps:
  - say: It begins.
  - {as: alice, in: us-east-1, call: {CreateKey: {}}}
"""


@pytest.fixture(autouse=True)
def _plain_style(monkeypatch):
    monkeypatch.setattr(telling.style, "uses_color", False)
    monkeypatch.setattr(telling.style, "is_quiet", False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("REGIONSIM_TRACEBACK", raising=False)


@pytest.fixture
def small(tmp_path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


@pytest.fixture
def broken(tmp_path) -> Path:
    path = tmp_path / "broken.yaml"
    path.write_text(BROKEN, encoding="utf-8")
    return path


# ------------------------------------------------------------------------------------------------------- help and usage


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_names_every_command(word, capsys):
    assert cli.main([word]) == 0
    out = capsys.readouterr().out
    assert all(f"  {command.name}" in out and command.about in out for command in cli.COMMANDS.values())
    assert "example: regionsim run primary-outage" in out


def test_without_a_command_the_help_is_a_mistake(capsys):
    assert cli.main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: regionsim COMMAND")


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_has_help_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: regionsim {name}" in out
    assert f"example: {cli.COMMANDS[name].example}" in " ".join(out.split())


def test_the_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"regionsim {regionsim.__version__}\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rnu"], "there is no command 'rnu'; did you mean 'run'?"),
        (["frobnicate"], "there is no command 'frobnicate'; valid: bench, check, diff, explain, replay, run"),
        (["fuzz"], "the command 'fuzz' is not in this version; it has: run, serve, replay, bench, check, diff, explain"),
        (["--sed"], "there is no option '--sed' before a command"),
        (["run"], "regionsim run: the following arguments are required: SCENARIO; see regionsim run --help"),
        (["run", "quickstart", "--sed", "3"], "regionsim run: does not take '--sed', did you mean '--seed'?; see regionsim"),
        (["run", "quickstart", "--seed", "x"], "regionsim run: argument --seed: a seed is a whole number from 0 to 9223372036854775807, not 'x'"),
        (["run", "quickstart", "--seed", "-1"], "regionsim run: argument --seed: a seed is a whole number from 0 to 9223372036854775807, not '-1'"),
        (["run", "quickstart", "--rate", "0"], "regionsim run: argument --rate: a rate is more than 0 virtual seconds per second, not '0'"),
        (["run", "quickstart", "--rate", "nan"], "regionsim run: argument --rate: a rate is more than 0 virtual"),
        (["run", "quickstart", "--rate", "inf"], "regionsim run: argument --rate: a rate is more than 0 virtual seconds per second, not 'inf'; leave it out"),
        (["run", "quickstart", "--seed", "9" * 5000], f"regionsim run: argument --seed: a seed is a whole number from 0 to 9223372036854775807, not '{'9' * 60}...'"),
        (["run", "quickstart", "--json", ""], "regionsim run: argument --json: the name of a file is wanted, this is empty"),
        (["run", "quickstart", "--json", "/"], "regionsim run: argument --json: '/' cannot be written: it is a folder; see"),
        (["bench", "--json", "/no/where"], "regionsim bench: argument --json: '/no/where' cannot be written: there is no such folder"),
        (["bench", "--seconds", "0"], "regionsim bench: argument --seconds: seconds are a number over 0, not '0'"),
        (["bench", "--seconds", "x"], "regionsim bench: argument --seconds: seconds are a number over 0, not 'x'"),
        (["bench", "--concurrency", "-1"], "regionsim bench: argument --concurrency: a whole number is wanted, not '-1'"),
        (["serve", "--port", "x"], "regionsim serve: argument --port: a whole number is wanted, not 'x'"),
        (["serve", "--port", "9" * 50], "regionsim serve: argument --port: a whole number is wanted, not '999"),
        (["serve", "--data", __file__], f"'{__file__}' is a file; give a folder"),
        (["run", "quickstart", "--json", "-", "--trace", "-"], "--json - and --trace - cannot share stdout"),
        (["run", "quickstart", "--rewrite", "--seed", "3"], "--rewrite writes the transcript of the file's own seed"),
        (["run", "quikstart"], "quikstart:1:1: no file and no shipped scenario 'quikstart'; did you mean 'quickstart'?"),
        (["check"], "regionsim check: the following arguments are required: SCENARIO"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_message_and_status_2(words, told, capsys):
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith(told)


# ------------------------------------------------------------------------------------------------------------- commands


def test_check_says_which_files_are_well_formed(small, tmp_path, capsys):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(SMALL.replace("seed: 3", "seed: x").replace("until: 1m", "until: 1x"), encoding="utf-8")
    assert cli.main(["check", str(small), "quickstart"]) == 0
    assert [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()] == [
        "well-formed, 7 steps",
        "well-formed, 13 steps",
    ]
    assert cli.main(["check", str(wrong), str(small), str(tmp_path / "none.yaml")]) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{small}: well-formed")
    assert [line.split(" ")[0] for line in captured.err.splitlines()] == [
        f"{wrong}:2:7:",
        f"{wrong}:28:8:",
        f"{tmp_path / 'none.yaml'}:1:1:",
    ]


def test_very_many_mistakes_are_cut_short(tmp_path, capsys):
    path = tmp_path / "s.yaml"
    path.write_text(BROKEN + "  - {sai: x}\n" * 80, encoding="utf-8")
    assert cli.main(["check", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert (len(lines), lines[-1]) == (51, "... and 30 more")


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_malformed_scenario_ends_both_commands_alike(command, tmp_path, capsys):
    path = tmp_path / "s.yaml"
    path.write_bytes(b"name: \xff\n")
    assert cli.main([command, str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"{path}:1:7: the file is not UTF-8 text: byte 0xFF")


def test_scenarios_lists_the_library(capsys):
    assert cli.main(["scenarios"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(shipped_paths())
    assert "Primary Region lost" in "\n".join(lines)


def test_schema_prints_json(capsys):
    assert cli.main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "regionsim scenario"


def test_run_tells_first_what_is_played_and_last_the_verdict(capsys):
    assert cli.main(["run", "quickstart"]) == 0
    captured = capsys.readouterr()
    words = [line.split()[0] for line in captured.out.splitlines()]
    told = [word for word in words if word not in {"unchecked", "partly"}]  # how many is the invariants' business
    assert told == ["scenario", "seed", "world", "links", "versions", "verdict", "time", "trace", "again"]
    assert "verdict   ok: 13 expectations" in captured.out
    assert "CreateKey" in captured.err


def test_quiet_leaves_the_progress_out(capsys):
    assert cli.main(["run", "quickstart", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "verdict" in captured.out


def test_the_transcript_goes_to_stdout_once(capsys):
    assert cli.main(["run", "quickstart", "--transcript"]) == 0
    captured = capsys.readouterr()
    golden = shipped_paths()["quickstart"].with_suffix(".transcript").read_text(encoding="utf-8")
    assert golden in captured.out
    assert captured.err == ""


def test_a_broken_expectation_is_status_1_with_step_and_line(broken, capsys):
    assert cli.main(["run", str(broken)]) == 1
    out = capsys.readouterr().out
    assert f"FAILED    step 2, {broken}:7: wanted an answer, got AccessDeniedException" in out
    assert "say                 It begins." in out
    assert "verdict   failed: 1 expectation did not hold" in out


def test_nothing_exercised_is_status_1(tmp_path, capsys):
    path = tmp_path / "s.yaml"
    path.write_text(BROKEN.rsplit("\n", 2)[0] + "\n", encoding="utf-8")
    assert cli.main(["run", str(path)]) == 1
    assert "verdict   unknown: no call reached a Region" in capsys.readouterr().out


def test_json_on_stdout_stands_there_alone(capsys):
    assert cli.main(["run", "quickstart", "--json", "-", "--seed", "8"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["seed"] == 8
    assert "verdict   ok" in captured.err


def test_a_trace_on_stdout_stands_there_alone(capsys):
    assert cli.main(["run", "quickstart", "--trace", "-"]) == 0
    captured = capsys.readouterr()
    header, *events = captured.out.splitlines(keepends=True)
    assert json.loads(header)["scenario"] == "First steps with a key"
    assert f"sha256 {hashlib.sha256(''.join(events).encode()).hexdigest()}" in captured.err


def test_an_installed_scenario_is_not_rewritten(tmp_path, monkeypatch, capsys):
    (tmp_path / "library").mkdir()
    shutil.copy(shipped_paths()["quickstart"], tmp_path / "library")
    monkeypatch.setattr(library, "_PACKAGE", tmp_path)
    assert cli.main(["run", "quickstart", "--rewrite"]) == 2
    assert capsys.readouterr().err.endswith("quickstart.yaml'; copy the file first\n")
    assert not (tmp_path / "library" / "quickstart.transcript").exists()


def test_an_action_that_kms_does_not_have_is_a_warning(tmp_path, capsys):
    path = tmp_path / "s.yaml"
    path.write_text(
        SMALL.replace('Action: "kms:*"', 'Action: ["kms:Decrpt", "s3:GetObject", "kms:Decrypt"]'), encoding="utf-8"
    )
    assert cli.main(["check", str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith(f"{path}:10:")
    assert captured.err.count("\n") == 1
    assert "warning: 'kms:Decrpt' names no action of KMS" in captured.err
    assert "well-formed" in captured.out


def test_a_very_wrong_file_is_told_quickly(tmp_path, capsys):
    path = tmp_path / "s.yaml"
    path.write_text(SMALL + "".join(f"key{n}: 1\n" for n in range(50_000)), encoding="utf-8")
    began = time.perf_counter()
    assert cli.main(["check", str(path)]) == 2
    assert time.perf_counter() - began < 10  # it was a minute; 2 s where nothing else runs
    lines = capsys.readouterr().err.splitlines()
    assert (len(lines), lines[-1]) == (51, "... and 950 more at least: the rest was not read")


def test_a_line_break_in_a_file_name_breaks_no_line(tmp_path, capsys):
    path = tmp_path / "a\nb.yaml"
    path.write_text(SMALL, encoding="utf-8")
    assert cli.main(["check", str(path), str(tmp_path / "c\nd.yaml")]) == 2
    captured = capsys.readouterr()
    assert captured.out.endswith("a\\nb.yaml: well-formed, 7 steps\n")
    assert captured.err.count("\n") == 1


def test_rewrite_writes_the_transcript_beside_the_scenario(broken, capsys):
    broken.write_text(BROKEN.replace("{CreateKey: {}}}", "{ListKeys: {}}, expect: {error: AccessDeniedException}}"))
    assert cli.main(["run", str(broken), "--rewrite", "--quiet"]) == 0
    written = broken.with_suffix(".transcript")
    assert capsys.readouterr().out.endswith(f"rewritten {written}\n")
    assert cli.main(["run", str(broken), "--transcript"]) == 0
    assert written.read_text(encoding="utf-8") in capsys.readouterr().out
    assert "alice: AccessDeniedException" in written.read_text(encoding="utf-8")


def test_a_run_that_did_not_hold_rewrites_nothing(broken):
    assert cli.main(["run", str(broken), "--rewrite", "--quiet"]) == 1
    assert not broken.with_suffix(".transcript").exists()


# ------------------------------------------------------------------------------------------------------------- the edges


def test_a_bug_is_told_with_its_run_and_its_last_events(monkeypatch, capsys):
    async def falls_over(self):
        await original(self)
        raise AssertionError("two primaries")

    original = run_module.Player.play
    monkeypatch.setattr(run_module.Player, "play", falls_over)
    assert cli.main(["run", "quickstart", "--seed", "3", "--quiet"]) == 1
    err = capsys.readouterr().err.splitlines()
    assert err[0].startswith(
        f"this is a bug in regionsim {regionsim.__version__}: AssertionError: two primaries (test_cli.py:"
    )
    assert err[1] == "command: regionsim run quickstart --seed 3 --quiet"
    assert err[2].startswith("scenario: ")
    assert err[2].endswith("quickstart.yaml, seed: 3")
    assert err[3] == "the last 20 events:"
    assert [json.loads(line)["region"] for line in err[4:24]].count("us-east-1") > 10
    assert err[24] == "please send this in; REGIONSIM_TRACEBACK=1 shows where it happened"
    monkeypatch.setenv("REGIONSIM_TRACEBACK", "1")
    assert cli.main(["run", "quickstart", "--quiet"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_an_interrupt_outside_a_run_is_130(monkeypatch, capsys):
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("regionsim.cli.entry._refuse_foreign_tui", interrupt)
    assert cli.main(["scenarios"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_foreign_tui_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "tui").mkdir()
    (tmp_path / "tui" / "__init__.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert cli.main(["scenarios"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"another package named 'tui' ({tmp_path}")
    assert "start regionsim from another folder" in err


def test_a_foreign_folder_named_tui_hides_nothing(tmp_path, monkeypatch):
    (tmp_path / "tui").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert cli.main(["scenarios"]) == 0  # a folder without __init__ gives way to a package


@pytest.mark.parametrize(
    ("words", "no_color", "is_terminal", "colored"),
    [
        ([], False, True, True),
        ([], False, False, False),
        ([], True, True, False),
        (["--color", "always"], True, False, True),
        (["--color", "never"], False, True, False),
    ],
)
def test_colors_are_for_terminals_and_can_be_refused(words, no_color, is_terminal, colored, monkeypatch, capsys):
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    assert cli.main(["check", "absent.yaml", *words]) == 2
    assert ("\x1b[31m" in capsys.readouterr().err) is colored


DENIED = """
name: Denied outside of S3
regions: [us-east-1]
accounts:
  "111122223333": {users: {alice: {policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "kms:*", Resource: "*"}]}]}}}
keys:
  - name: artifacts
    primary: us-east-1
    policy:
      Version: "2012-10-17"
      Statement:
        - {Effect: Allow, Principal: {AWS: "arn:aws:iam::111122223333:root"}, Action: "kms:*", Resource: "*"}
        - {Sid: NotOutside, Effect: Deny, Principal: "*", Action: "kms:Decrypt", Resource: "*", Condition: {StringNotEquals: {"kms:ViaService": s3.us-east-1.amazonaws.com}}}
steps: [{at: 1s, say: nothing}]
"""


def test_explain_answers_each_case_and_says_at_the_end_that_one_was_none(tmp_path, capsys):
    case = {"id": 1, "principal": "s3.amazonaws.com", "action": "kms:Decrypt", "resource": "*"}
    file = tmp_path / "cases.jsonl"
    file.write_bytes(json.dumps(case).encode() + b'\n\n{"id": 2}\n\xff\n' + json.dumps({**case, "id": 3}).encode())
    assert cli.main(["explain", "--cases", str(file)]) == 2
    out, err = capsys.readouterr()
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["id"] for answer in answers] == [1, 2, None, 3]
    assert ["error" in answer for answer in answers] == [False, True, True, False]
    assert f"{file}:3:1: principal: wants text" in err
    file.write_text(json.dumps(case))
    assert cli.main(["explain", "--cases", str(file)]) == 0
    assert cli.main(["explain", "--cases", str(tmp_path / "none.jsonl")]) == 2


def test_explain_tells_of_a_scenario_s_world(capsys):
    asked = ["explain", "denied-only-here", "--as", "role/app", "--action", "Encrypt", "--key", "$key", "--region"]
    assert cli.main([*asked, "us-east-1"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("ALLOWED  kms:Encrypt\n")
    assert "[ALLOW_GRANT]" in told
    assert cli.main([*asked, "us-east-1", "--at", "30s"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("DENIED (implicit)  kms:Encrypt\n")
    assert "[DELEGATED_BUT_NO_IAM_ALLOW]" in told
    assert "create a grant: Encrypt for arn:aws:iam::111122223333:role/app" in told
    assert "because no identity-based policy allows the kms:Encrypt action" in told


def test_explain_says_which_condition_made_a_deny_count_and_needs_no_region_where_there_is_one(small, tmp_path, capsys):
    file = tmp_path / "ci.yaml"
    file.write_text(DENIED, encoding="utf-8")
    assert cli.main(["explain", str(file), "--as", "alice", "--action", "decrypt", "--key", "artifacts"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("DENIED (explicit)  kms:Decrypt\n")
    wanted = "StringNotEquals kms:ViaService wants s3.us-east-1.amazonaws.com, absent: it holds"
    assert f"denied by: Key policy, key policy #2 (NotOutside)\n  condition: {wanted}\n" in told
    key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    assert cli.main(["explain", str(file), "--as", "alice", "--action", "decrypt", "--key", key]) == 2
    assert "no such Region: 'eu-west-1'" in capsys.readouterr().err


def test_explain_knows_how_a_call_came(capsys):
    asked = ["explain", "services-that-call", "--as", "bob", "--action", "GenerateDataKey", "--key", "$key"]
    asked += ["--region", "us-east-1"]
    assert cli.main(asked) == 0
    assert capsys.readouterr().out.startswith("DENIED (implicit)  kms:GenerateDataKey")
    assert cli.main([*asked, "--context", "kms:ViaService=s3.us-east-1.amazonaws.com"]) == 0
    assert capsys.readouterr().out.startswith("ALLOWED  kms:GenerateDataKey")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "explain wants a SCENARIO, or --cases FILE; see"),
        (["quickstart", "--cases", "x"], "explain wants a SCENARIO, or --cases FILE, not both: a case brings its own policies"),
        (["denied-only-here", "--as", "bob", "--action", "Encrypt", "--key", "key"], "wants --region too, where there are several: us-east-1, "),
        (["quickstart", "--as", "alice", "--action", "kms:Encript", "--key", "key"], "KMS has no permission 'kms:Encript'; did you mean 'kms:Encrypt'?"),
        (["quickstart", "--as", "alice", "--action", "ReEncrypt", "--key", "key"], "ask for kms:ReEncryptFrom or kms:ReEncryptTo"),
        (["quickstart", "--as", "alice", "--action", "s3:GetObject", "--key", "key"], "'s3:GetObject' is no permission of KMS"),
        (["quickstart"], "explain SCENARIO wants --as, --action, --key too"),
        (["denied-only-here", "--as", "bbo", "--action", "kms:Encrypt", "--key", "key", "--region", "us-east-1"], "no such principal: 'bbo'; did you mean 'bob'?"),
        (["denied-only-here", "--as", "bob", "--action", "kms:Encrypt", "--key", "key", "--region", "us-est-1"], "no such Region: 'us-est-1'; did you mean 'us-east-1'?"),
        (["denied-only-here", "--as", "bob", "--action", "kms:Encrypt", "--key", "ky", "--region", "us-east-1"], "us-east-1 has no key 'ky' at the end; did you mean 'key'?"),
        (
            ["quickstart", "--as", "alice", "--action", "Encrypt", "--key", "k", "--region", "us-east-1", "--context", "aws:SourceAm=x"],
            "no call brings the condition value 'aws:SourceAm'; did you mean 'aws:SourceArn'?",
        ),
        (["x", "--encryption-context", "a"], "regionsim explain: argument --encryption-context: a pair is NAME=VALUE, not 'a'"),
    ],
)  # fmt: skip
def test_explain_wants_a_whole_question(words, told, capsys):
    assert cli.main(["explain", *words]) == 2
    assert told in capsys.readouterr().err
