"""Condition values: lazy, in lower case, and what principals and encryption contexts supply."""

from __future__ import annotations

import pytest

from regionsim.authorization.context import Context, encryption_context_values, principal_values
from regionsim.authorization.principals import principal_of_arn
from tests.unit.authorization.cases import HOME, root, service, session, user


def test_a_value_is_computed_when_first_read_and_once():
    calls: list[str] = []

    def compute() -> str:
        calls.append("x")
        return "value"

    context = Context({"KMS:Thing": compute, "other": lambda: None})
    assert calls == []
    assert [context.get("kms:thing"), context.get("kms:thing"), context.get("other"), context.get("absent")] == [
        "value",
        "value",
        None,
        None,
    ]
    assert calls == ["x"]


def test_merging_leaves_the_first_alone_and_the_last_wins():
    first = Context({"a": "1", "b": "1"})
    merged = first.merged({"B": "2"}, {"c": ("x", "y")})
    assert [merged.get(key) for key in merged] == ["1", "2", ("x", "y")]
    assert [first.get(key) for key in first] == ["1", "1"]
    assert first.get("c") is None


def test_values_do_not_show():
    assert repr(Context({"kms:EncryptionContext:Card": "4711"})) == "Context(kms:encryptioncontext:card)"


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        (
            user(tags={"Team": "pay"}),
            {
                "aws:principaltype": "User",
                "aws:principalisawsservice": "false",
                "aws:principalarn": f"arn:aws:iam::{HOME}:user/alice",
                "aws:principalaccount": HOME,
                "aws:userid": "AIDAEXAMPLE",
                "aws:username": "alice",
                "aws:principaltag/team": "pay",
            },
        ),
        (
            session(path="/team/"),
            {
                "aws:principaltype": "AssumedRole",
                "aws:principalisawsservice": "false",
                "aws:principalarn": f"arn:aws:iam::{HOME}:role/team/app",
                "aws:principalaccount": HOME,
                "aws:userid": "AROAEXAMPLE:s1",
                "aws:multifactorauthpresent": "false",
            },
        ),
        (
            root(),
            {
                "aws:principaltype": "Account",
                "aws:principalisawsservice": "false",
                "aws:principalarn": f"arn:aws:iam::{HOME}:root",
                "aws:principalaccount": HOME,
                "aws:userid": HOME,
            },
        ),
        (
            service(),
            {
                "aws:principaltype": "Service",
                "aws:principalisawsservice": "true",
                "aws:principalservicename": "s3.amazonaws.com",
                "aws:principalservicenameslist": ("s3.amazonaws.com",),
            },
        ),
    ],
)
def test_what_a_principal_supplies(caller, expected):
    """ "aws:username exists for IAM users only. aws:PrincipalArn of a session is the role ARN." """
    assert principal_values(caller) == expected


def test_a_session_whose_role_is_known_by_its_arn_only():
    caller = principal_of_arn(f"arn:aws:sts::{HOME}:assumed-role/app/s1")
    assert caller is not None
    values = principal_values(caller)
    assert values["aws:principalarn"] == f"arn:aws:iam::{HOME}:role/app"
    assert "aws:userid" not in values


def test_encryption_context():
    assert encryption_context_values({}) == {}
    assert encryption_context_values({"AppName": "x", "Env": "y"}) == {
        "kms:encryptioncontext:appname": "x",
        "kms:encryptioncontext:env": "y",
        "kms:encryptioncontextkeys": ("AppName", "Env"),
    }


def test_names_that_differ_by_case_only_match_no_single_value():
    values = encryption_context_values({"env": "a", "Env": "b", "ENV": "c"})
    assert values["kms:encryptioncontext:env"] == ("a", "b", "c")
    assert values["kms:encryptioncontextkeys"] == ("env", "Env", "ENV")
