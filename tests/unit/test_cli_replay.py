"""`replay`, failure files and `diff`, as a person uses them."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from regionsim import cli

FAILS = """\
# about to fail
name: Fails
seed: 9   # of the author
regions: [us-east-1, eu-west-1]
accounts: {"111122223333": {users: {alice: {policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "kms:*", Resource: "*"}]}]}}}}
steps:
  - {as: alice, in: us-east-1, call: {CreateKey: {}}, save: {key: KeyMetadata.KeyId}}
  - {at: 1m, expect_state: {key: $key, in: us-east-1, rotations: 3}}   # it has none
  - {at: 2m, as: alice, in: us-east-1, call: {DisableKey: {KeyId: $key}}}
until: 5m
"""


@pytest.fixture
def fails(tmp_path):
    path = tmp_path / "fails.yaml"
    path.write_text(FAILS, encoding="utf-8")
    return path


def run(*words, capsys):
    status = cli.main([str(word) for word in words])
    return status, *capsys.readouterr()


def test_a_failure_file_is_played_again_and_fails_the_same(fails, tmp_path, capsys):
    failure = tmp_path / "failure.yaml"
    status, out, _ = run("run", fails, "--seed", 4, "--failure", failure, "--json", tmp_path / "one", capsys=capsys)
    assert status == 1
    assert f"failure   {failure}: play it again" in out
    text = failure.read_text(encoding="utf-8")
    assert text.startswith('seed: 4\nversions: {"regionsim": ')
    assert 'failed: "step 2"' in text
    assert "# it has none" in text, "the author's comments are kept"
    assert "seed: 9" not in text
    status, out, err = run("replay", failure, "--json", tmp_path / "two", capsys=capsys)
    assert status == 1
    assert "replay    failed then: step 2; failed now: the same, step 2" in out
    assert "may differ" not in err
    one, two = (json.loads((tmp_path / name).read_text()) for name in ("one", "two"))
    assert one["trace_sha256"] == two["trace_sha256"]


def test_a_failure_file_can_be_made_of_a_failure_file_and_of_one_flow_mapping(fails, tmp_path, capsys):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    run("run", fails, "--failure", first, capsys=capsys)
    run("replay", first, "--failure", second, capsys=capsys)
    assert first.read_text() == second.read_text()
    flow = tmp_path / "flow.yaml"
    steps = "[{as: alice, in: us-east-1, call: {CreateKey: {}}, expect: {KeyMetadata.Enabled: false}}]"
    accounts = FAILS.splitlines()[4]
    flow.write_text("{regions: [us-east-1], " + accounts + ", steps: " + steps + "}\n", encoding="utf-8")
    assert run("run", flow, "--failure", second, capsys=capsys)[0] == 1
    assert "the same, step 1" in run("replay", second, capsys=capsys)[1]


def test_replay_until_stops_there(fails, capsys):
    status, out, err = run("replay", fails, "--until", "30s", capsys=capsys)
    assert (status, "expect_state" in err, "DisableKey" in err) == (0, False, False)
    assert "time      30s virtual" in out
    assert re.search(r"verdict   ok: 1 expectation and [0-9] invariants? held so far; stopped before the end", out)
    status, out, err = run("replay", fails, "--until", "90s", capsys=capsys)
    assert (status, "expect_state" in err, "DisableKey" in err) == (1, True, False)
    status, _, err = run("replay", fails, "--until", "soon", capsys=capsys)
    assert status == 2
    assert "--until" in err


def test_the_command_after_a_replay_until_plays_the_same_events(fails, capsys):
    def told(out, word):
        return next(line.removeprefix(word).strip() for line in out.splitlines() if line.startswith(word))

    _, out, _ = run("replay", fails, "--until", "1m30s250ms", capsys=capsys)
    command = shlex.split(told(out, "again "))
    assert command[0] == "regionsim"
    _, again, _ = run(*command[1:], capsys=capsys)
    assert told(again, "trace ") == told(out, "trace ")


def test_replay_tells_what_has_another_version_now(fails, tmp_path, capsys):
    other = tmp_path / "other.yaml"
    other.write_text('versions: {regionsim: "0.0.1"}\nfailed: single_primary\n' + FAILS, encoding="utf-8")
    _, out, err = run("replay", other, capsys=capsys)
    assert "regionsim was 0.0.1 and is " in err
    assert "replay    failed then: single_primary; failed now: step 2" in out


def test_a_run_that_held_leaves_no_failure_file(tmp_path, capsys):
    assert run("run", "quickstart", "--failure", tmp_path / "none", capsys=capsys)[0] == 0
    assert not (tmp_path / "none").exists()


def test_a_failure_file_that_cannot_be_written_is_a_mistake(fails, tmp_path, capsys):
    status, _, err = run("run", fails, "--failure", tmp_path / "no" / "where", capsys=capsys)
    assert status == 2
    assert "where' cannot be written: there is no such folder" in err


def test_diff_names_the_first_event_that_differs(fails, tmp_path, capsys):
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    run("run", fails, "--trace", one, capsys=capsys)
    run("run", fails, "--trace", same, capsys=capsys)
    run("run", fails, "--seed", 10, "--trace", other, capsys=capsys)
    status, out, _ = run("diff", one, same, capsys=capsys)
    assert (status, out.split()[0]) == (0, "equal")
    status, out, _ = run("diff", one, other, capsys=capsys)
    assert status == 1
    lines = out.splitlines()
    assert lines[0] == "header    seed: 9 | 10"
    assert lines[1].startswith("differs   event ")
    assert [line.split()[0] for line in lines[-3:]] == ["<", ">", "fields"]
    first, second = (json.loads(line.split(maxsplit=1)[1]) for line in lines[-3:-1])
    assert first != second


def test_diff_of_a_trace_that_ends_earlier(fails, tmp_path, capsys):
    one, short = tmp_path / "one", tmp_path / "short"
    run("run", fails, "--trace", one, capsys=capsys)
    short.write_text("".join(one.read_text().splitlines(keepends=True)[:-1]), encoding="utf-8")
    status, out, _ = run("diff", one, short, capsys=capsys)
    assert status == 1
    assert f"{short} has ended" in out


@pytest.mark.parametrize(
    ("content", "told"), [(None, "cannot be read: No such file"), ("no json\n", ":1: not a line of JSON")]
)
def test_diff_of_what_is_no_trace(content, told, tmp_path, capsys):
    path = tmp_path / "x"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    status, _, err = run("diff", path, path, capsys=capsys)
    assert status == 2
    assert told in err
    assert "Traceback" not in err


POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
KEY_POLICY = {
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "kms:*", "Resource": "*"}]
}
WITH_FILES = """\
name: With files
regions: [us-east-1]
accounts:
  "111122223333":
    users:
      alice: {policies: [{file: "all of it.json"}]}   # everything
      bob:
        boundary:
          file: all.json
        policies:
          - name: own
            policy:
              file: 'all.json'
    roles:
      app: {trust: {file: trust.json}, tags: {file: all.json}}
steps:
  - {as: alice, in: us-east-1, call: {CreateKey: {Policy: {file: key.json}}}, save: {key: KeyMetadata.KeyId}}
  - {as: alice, in: us-east-1, call: {Encrypt: {KeyId: $key, Plaintext: a, EncryptionContext: {file: all.json}}}}
  - {as: bob, in: us-east-1, call: {DescribeKey: {KeyId: $key}}}
  - {expect_state: {key: $key, in: us-east-1, rotations: 3}}
"""


def test_a_failure_file_holds_the_policies_that_the_scenario_keeps_in_files(tmp_path, capsys):
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}]}
    files = {"all of it.json": POLICY, "all.json": POLICY, "key.json": KEY_POLICY, "trust.json": trust}
    for name, policy in files.items():
        (tmp_path / name).write_text(json.dumps(policy, indent=2), encoding="utf-8")
    scenario, elsewhere = tmp_path / "s.yaml", tmp_path / "other"
    scenario.write_text(WITH_FILES, encoding="utf-8")
    elsewhere.mkdir()
    assert run("run", scenario, "--failure", elsewhere / "f.yaml", capsys=capsys)[0] == 1
    text = (elsewhere / "f.yaml").read_text(encoding="utf-8")
    assert "# everything" in text
    assert text.count("file:") == 2, "a tag and an encryption context are no files"
    for name in files:
        (tmp_path / name).unlink()
    status, out, err = run("replay", elsewhere / "f.yaml", capsys=capsys)
    assert (status, "the same, step 4" in out) == (1, True), err
