"""The grammar: what is read, and what is malformed, with its path.

Source: KMS API Reference, PutKeyPolicy; IAM User Guide, "Grammar of the IAM JSON policy language".
"""

from __future__ import annotations

import json

import pytest

from regionsim.authorization.documents import PolicyError
from regionsim.authorization.policy import INVALID_PRINCIPALS, Effect, PolicyKind, parse_policy, principals_named
from regionsim.authorization.principals import PrincipalForm
from tests.unit.authorization.cases import HOME, account_arn, allow, deny


def document(*statements, **others):
    return {"Version": "2012-10-17", "Statement": list(statements), **others}


def refusal(policy, kind=PolicyKind.KEY) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        parse_policy(policy, kind=kind)
    return caught.value


def test_a_policy_is_read_from_text_and_from_a_mapping_alike():
    tree = document(allow(account_arn(), Sid="one"), deny("*", Condition={"Bool": {"kms:MultiRegion": True}}), Id="x")
    policy = parse_policy(tree, kind=PolicyKind.KEY)
    assert parse_policy(json.dumps(tree), kind=PolicyKind.KEY) == policy
    assert (policy.version, policy.policy_id, policy.has_variables) == ("2012-10-17", "x", True)
    first, second = policy.statements
    assert (first.sid, first.effect, first.index, first.path) == ("one", Effect.ALLOW, 0, "$.Statement[0]")
    assert [principal.form for principal in first.principals] == [PrincipalForm.ACCOUNT]
    assert first.actions is not None
    assert (first.actions.values, first.actions.inverted) == (("kms:*",), False)
    assert (second.conditions[0].key, second.conditions[0].values) == ("kms:MultiRegion", ("true",))


def test_one_statement_may_stand_without_a_list():
    assert len(parse_policy({"Statement": allow("*")}, kind=PolicyKind.KEY).statements) == 1


def test_without_a_version_the_older_one_is_meant():
    assert not parse_policy({"Statement": [allow("*")]}, kind=PolicyKind.KEY).has_variables


def test_condition_values_are_texts():
    condition = {
        "NumericEquals": {"kms:RotationPeriodInDays": [90, 90.5, "91"]},
        "Bool": {"aws:SecureTransport": [False]},
    }
    policy = parse_policy(document(allow("*", Condition=condition)), kind=PolicyKind.KEY)
    assert [read.values for read in policy.statements[0].conditions] == [("90", "90.5", "91"), ("false",)]


def test_principals_named_leaves_out_everybody_and_doubles():
    named = {"AWS": [account_arn(), "*", HOME], "Service": "s3.amazonaws.com"}
    policy = parse_policy(document(allow(named), deny(account_arn())), kind=PolicyKind.KEY)
    assert principals_named(policy) == (account_arn(), HOME, "s3.amazonaws.com")


@pytest.mark.parametrize(
    ("policy", "path", "message"),
    [
        ("", "$", "not JSON"),
        ("[]", "$", "a policy is an object, not a list"),
        ('"x"', "$", "a policy is an object"),
        ('{"Statement": [], "Statement": []}', "$", "'Statement' stands twice"),
        ('{"Statement": NaN}', "$", "not JSON: NaN"),
        ('{"Statement": ' + "9" * 5000 + "}", "$", "not JSON"),
        ("[" * 100_000, "$", "nested too deep"),
        (" " * 131_073, "$", "longer than 131072"),
        ({}, "$.Statement", "at least one statement"),
        ({"Statement": []}, "$.Statement", "at least one statement"),
        ({"Statement": "x"}, "$.Statement", "at least one statement"),
        ({"Statement": [allow("*")], "Statements": []}, "$.Statements", "no such element"),
        ({"Statement": [allow("*")], "Version": "2020-01-01"}, "$.Version", "2012-10-17 or 2008-10-17"),
        ({"Statement": [allow("*")], "Version": 2012}, "$.Version", "wants text, not a number"),
        ({"Statement": [allow("*")], "Id": None}, "$.Id", "wants text, not nothing"),
        (document("x"), "$.Statement[0]", "a statement is an object, not 'x'"),
        (document(allow("*"), allow("*", Conditions={})), "$.Statement[1].Conditions", "no such element"),
        (document({**allow("*"), "Effect": "allow"}), "$.Statement[0].Effect", "wants Allow or Deny, not 'allow'"),
        (document({"Principal": "*"}), "$.Statement[0].Effect", "not nothing"),
        (document(allow("*", Sid=5)), "$.Statement[0].Sid", "wants text"),
        (document(allow("*", NotAction="kms:*")), "$.Statement[0]", "both Action and NotAction"),
        (document(allow("*", NotResource="*")), "$.Statement[0]", "both Resource and NotResource"),
        (document(allow("*", action=5)), "$.Statement[0].Action", "text or a list of texts, not a number"),
        (document(allow("*", action=[""])), "$.Statement[0].Action", "not an empty text"),
        (document(allow("*", action="Decrypt")), "$.Statement[0].Action", "must be prefaced by a vendor"),
        (document({"Effect": "Allow", "Principal": "*", "NotAction": []}), "$.Statement[0].NotAction", "would mean everything"),
        (document(allow("*", resource="arn:aws:s3:::${")), "$.Statement[0].Resource", "begins no policy variable"),
        (document(allow("*", Condition=[])), "$.Statement[0].Condition", "an object, not a list"),
        (document(allow("*", Condition={"Bool": "x"})), "$.Statement[0].Condition.Bool", "an object of condition keys"),
        (document(allow("*", Condition={"Boole": {"a:b": "true"}})), "$.Statement[0].Condition.Boole", "no such condition operator"),
        (document(allow("*", Condition={"Bool": {"a:b": "1"}})), "$.Statement[0].Condition.Bool.a:b", "not true or false"),
        (document(allow("*", Condition={"Bool": {"a:b": None}})), "$.Statement[0].Condition.Bool.a:b", "not nothing"),
        (document(allow("*", Condition={"StringEquals": {"a:b": [{}]}})), "$.Statement[0].Condition.StringEquals.a:b", "not an object"),
        (document(allow("*", Condition={"NumericEquals": {"a:b": float("inf")}})), "$.Statement[0].Condition.NumericEquals.a:b", "a number"),
        (document(allow("*", Condition={"NumericEquals": {"a:b": 10**64}})), "$.Statement[0].Condition.NumericEquals.a:b", "a number"),
    ],
)  # fmt: skip
def test_malformed(policy, path, message):
    error = refusal(policy)
    assert error.path == path
    assert message in error.message


@pytest.mark.parametrize(
    "principal",
    [
        "arn:aws:iam::111122223333:user/*",
        "arn:aws:iam::111122223333:role/app?",
        "arn:aws:iam::*:root",
        "arn:aws:iam::111122223333:group/admins",
        "arn:aws:iam::1111:root",
        "arn:aws:iam:us-east-1:111122223333:root",
        "arn:aws:iam::111122223333:user/",
        "arn:aws:iam::111122223333:user/a//b",
        "arn:aws:sts::111122223333:assumed-role/app",
        "arn:aws:sts::111122223333:assumed-role/app/*",
        "arn:aws:sts::111122223333:federated-user/a/b",
        "arn:aws:organizations::111122223333:account/o-1",
        "alice",
        "",
    ],
)
def test_invalid_principals(principal):
    """ "You cannot use a wildcard to match part of a principal name or ARN"; groups are never principals."""
    error = refusal(document(allow({"AWS": principal})))
    assert error.path == "$.Statement[0].Principal.AWS"
    assert error.message == INVALID_PRINCIPALS or not principal


@pytest.mark.parametrize(
    "principal", [{}, {"AWS": []}, [], 5, "alice", {"Group": "x"}, {"Service": "*"}, {"Service": "s3"}]
)
def test_invalid_principal_elements(principal):
    error = refusal(document({"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"}))
    assert error.path.startswith("$.Statement[0].Principal")
    assert error.message == INVALID_PRINCIPALS


def test_an_unquoted_account_id_gets_advice():
    assert "put it in quotes" in refusal(document(allow({"AWS": [111122223333]}))).message


def test_a_key_policy_names_principals_one_way():
    assert "either Principal or NotPrincipal" in refusal(document(allow(None))).message
    assert "either Principal or NotPrincipal" in refusal(document(allow("*", NotPrincipal="*"))).message


@pytest.mark.parametrize("kind", [PolicyKind.IDENTITY, PolicyKind.BOUNDARY, PolicyKind.SESSION, PolicyKind.SCP])
class TestPoliciesOfIdentities:
    """Who is meant is where they are attached, and Action and Resource must be there."""

    @pytest.mark.parametrize("element", ["Principal", "NotPrincipal"])
    def test_name_no_principals(self, kind, element):
        assert "names no principals" in refusal(document(allow(None, **{element: "*"})), kind).message

    @pytest.mark.parametrize("element", ["Action", "Resource"])
    def test_are_whole(self, kind, element):
        statement = {name: value for name, value in allow(None).items() if name != element}
        assert refusal(document(statement), kind).message == f"wants {element} or Not{element}"

    def test_name_resources_as_arns(self, kind):
        assert (
            refusal(document(allow(None, resource="alias/x")), kind).message
            == 'Resource alias/x must be in ARN format or "*".'
        )


def test_a_trust_policy_has_no_resource():
    statement = {"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "sts:AssumeRole"}
    assert parse_policy(document(statement), kind=PolicyKind.TRUST).statements[0].resources is None
    assert "no Resource" in refusal(document({**statement, "Resource": "*"}), PolicyKind.TRUST).message
    without_action = {"Effect": "Allow", "Principal": {"AWS": HOME}}
    assert "wants Action" in refusal(document(without_action), PolicyKind.TRUST).message


def test_not_elements_are_inverted():
    statement = {"Effect": "Deny", "NotPrincipal": {"AWS": HOME}, "NotAction": "kms:Decrypt", "NotResource": "*"}
    read = parse_policy(document(statement), kind=PolicyKind.KEY).statements[0]
    assert read.principals_inverted
    assert read.actions is not None
    assert read.actions.inverted
    assert read.resources is not None
    assert read.resources.inverted


def test_an_error_says_where_and_what():
    assert str(PolicyError("$.Statement", "is missing")) == "$.Statement: is missing"


def test_values_of_foreign_types_are_named():
    assert "not a value of type object" in refusal({"Statement": [{"Effect": object()}]}).message
