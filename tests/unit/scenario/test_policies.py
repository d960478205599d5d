"""Policies in scenarios: where a mistake inside one is, and policies from files."""

from __future__ import annotations

import json

import pytest

from regionsim.authorization.policy import PolicyKind
from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.load import load_scenario, read_scenario
from regionsim.scenario.model import CallStep
from regionsim.scenario.nodes import plain
from regionsim.scenario.parse import parse
from regionsim.scenario.policies import follow, read_policy
from tests.unit.scenario.conftest import SMALL

POLICY = """\
Version: "2012-10-17"
Statement:
  - {Effect: Allow, Action: "kms:*", Resource: "*"}
  - Effect: Deny
    Action: "kms:Decrypt"
    Resource: "*"
    Condition:
      StringEquals: {"kms:EncryptionContext:a.b": [x, y]}
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ("$", 1, 1),
        ("$.Version", 1, 10),
        ("$.Statement[1].Effect", 4, 13),
        ("$.Statement[1].Condition.StringEquals.kms:EncryptionContext:a.b", 8, 51),
        ("$.Statement[1].Condition.StringEquals.kms:EncryptionContext:a.b[1]", 8, 55),
        ("$.Statement[7].Effect", 3, 3),
        ("$.Statement[x]", 3, 3),
        ("$.Missing", 1, 1),
        ("$.Version.deeper", 1, 10),
    ],
)
def test_a_json_path_leads_to_its_node_or_as_near_as_can_be(path, line, column):
    position = follow(parse(POLICY, "p.yaml"), path).position
    assert (position.line, position.column) == (line, column)


def test_one_statement_needs_no_list_around_it():
    node = parse('Statement: {Effect: Maybe, Action: "kms:*", Resource: "*"}', "p.yaml")
    with pytest.raises(ScenarioError, match=r"p\.yaml:1:21: the policy is malformed at \$\.Statement\[0\]\.Effect"):
        read_policy(node, PolicyKind.IDENTITY, "the policy")


def test_json_text_is_a_policy_too():
    text = json.dumps(plain(parse(POLICY, "p.yaml")))
    policy = read_policy(parse(json.dumps(text), "p.yaml"), PolicyKind.IDENTITY, "the policy")
    assert len(policy.statements) == 2
    with pytest.raises(ScenarioError, match=r"p\.yaml:1:1: the policy is malformed: not JSON"):
        read_policy(parse("'{'", "p.yaml"), PolicyKind.IDENTITY, "the policy")


@pytest.mark.parametrize("text", ["[1]", "12", "~"])
def test_what_can_be_no_policy_is_refused(text):
    with pytest.raises(ScenarioError, match="the policy must be a policy, this is"):
        read_policy(parse(text, "p.yaml"), PolicyKind.IDENTITY, "the policy")


KEY_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111122223333:user/alice"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}


def scenario_with(tmp_path, policy: str):
    path = tmp_path / "s.yaml"
    path.write_text(SMALL.replace("{CreateKey: {}}", f"{{CreateKey: {{Policy: {policy}}}}}"), encoding="utf-8")
    return load_scenario(path)


def test_a_key_policy_may_stand_in_a_file_beside_the_scenario(tmp_path):
    (tmp_path / "key.json").write_text(json.dumps(KEY_POLICY, indent=4), encoding="utf-8")
    step = scenario_with(tmp_path, "{file: key.json}").steps[0]
    assert isinstance(step, CallStep)
    assert json.loads(step.call.parameters["Policy"]) == KEY_POLICY


def test_a_mistake_in_that_file_has_its_place_there(tmp_path):
    text = json.dumps(KEY_POLICY, indent=4).replace('"Effect": "Allow"', '"Effect": "Alow"')
    (tmp_path / "key.json").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"key\.json:5:23: Policy is malformed at \$\.Statement\[0\]\.Effect"):
        scenario_with(tmp_path, "{file: key.json}")


def test_a_principal_that_does_not_exist_is_a_mistake(tmp_path):
    policy = json.dumps(KEY_POLICY).replace("user/alice", "user/alcie")
    with pytest.raises(ScenarioError, match=r"s\.yaml:21:.*user/alcie', which does not exist"):
        scenario_with(tmp_path, policy)


def test_a_policy_with_saved_names_is_filled_in_at_play(tmp_path):
    old = "{at: 12s, heal: storm}"
    new = (
        "{at: 12s, as: alice, in: us-east-1, call: {PutKeyPolicy: {KeyId: $key, Policy: {Id: $(key), Statement: []}}}}"
    )
    path = tmp_path / "s.yaml"
    path.write_text(SMALL.replace(old, new), encoding="utf-8")
    step = load_scenario(path).steps[3]
    assert isinstance(step, CallStep)
    from regionsim.scenario.values import fill_in

    filled = fill_in(step.call.parameters, {"key": "k-1"})
    assert json.loads(filled["Policy"]) == {"Id": "k-1", "Statement": []}


STATEMENT = '{Effect: Allow, Principal: {AWS: "111122223333"}, Action: "kms:*", Resource: "*"}'
ODD = {
    '{Effect: Allow, Principal: {AWS: "111122223333"}, §Action: "kms:Decript", Resource: "*"}': "'kms:Decript' names no action of KMS",
    '{Effect: Allow, Principal: {AWS: "111122223333"}, §Action: "kms:RetireGrant", Resource: "*"}': "kms:RetireGrant has no effect in a key policy",
    '§{Effect: Allow, Principal: {AWS: "111122223333"}, Action: "kms:*"}': "a statement without Resource has no effect",
    '{Effect: Allow, Principal: {AWS: "111122223333"}, Action: "kms:*", §Resource: "arn:aws:kms:us-east-1:111122223333:key/x"}': "another Resource may not match it",
    '{Effect: Allow, Principal: {AWS: "444455556666"}, §Action: "kms:PutKeyPolicy", Resource: "*"}': "cannot be used from another account",
    '{Effect: Allow, Principal: {AWS: "111122223333"}, Action: "kms:*", Resource: "*", §Condition: {StringEquals: {"kms:ViaServices": x}}}': "no KMS request has the condition key",
    '{Effect: Allow, Principal: {AWS: "111122223333"}, Action: "kms:*", Resource: "*", §Condition: {StringEquals: {"kms:ResourceAliases": x}}}': "works in IAM policies only",
    '{Effect: Allow, Principal: {AWS: "111122223333"}, Action: "kms:*", Resource: "*", §Condition: {StringEquals: {"kms:EncryptionContextKeys": x}}}': "has several values",
    '{Effect: Allow, Principal: {AWS: "111122223333"}, Action: "kms:*", Resource: "*", §Condition: {"ForAnyValue:StringEquals": {"kms:ViaService": x}}}': "which has one value",
    '§{Effect: Allow, Principal: {AWS: "111122223333"}, Action: "kms:*", Resource: "*", Condition: {StringEquals: {"kms:ViaService": "${aws:username}"}}}': "here ${...} is literal text",
}


@pytest.mark.parametrize("odd", ODD)
def test_what_kms_accepts_without_effect_is_told_at_its_place(odd):
    text = (
        'regions: [us-east-1]\naccounts: {"111122223333": {users: {alice: {}}}, "444455556666": {}}\nsteps:\n'
        "  - as: 111122223333/alice\n    in: us-east-1\n    call:\n      CreateKey:\n        Policy:\n          Statement:\n"
        f"            - {STATEMENT}\n            - {odd}\n"
    )
    line = text[: text.index("§")].count("\n") + 1
    warnings = read_scenario(text.replace("§", ""), "s.yaml").warnings
    assert [ODD[odd] in str(warning) and f"s.yaml:{line}:" in str(warning) for warning in warnings] == [True], warnings


def test_a_policy_that_is_expected_to_be_refused_is_not_warned_of():
    text = (
        'regions: [us-east-1]\naccounts: {"111122223333": {users: {alice: {}}}}\nsteps:\n'
        '  - {as: alice, in: us-east-1, call: {CreateKey: {Policy: {Statement: [{Effect: Allow, Principal: "*", Action: "kms:Foo"}]}}}, '
        "expect: {error: MalformedPolicyDocumentException}}\n"
    )
    assert read_scenario(text, "s.yaml").warnings == ()
