"""What KMS refuses when a policy is written, and what is accepted with a warning.

Source: KMS API Reference, PutKeyPolicy; KMS Developer Guide, "Condition keys for AWS KMS"; the warnings are ours.
"""

from __future__ import annotations

import json

import pytest

from regionsim.authorization.findings import MAX_KEY_POLICY_BYTES, FindingCode, Severity, check_key_policy
from regionsim.authorization.policy import INVALID_PRINCIPALS
from tests.unit.authorization.cases import AWAY, HOME, KEY, account_arn, allow, deny


def document(*statements, version="2012-10-17"):
    return {"Version": version, "Statement": list(statements)}


def found(policy, **options):
    return [(finding.code, finding.path) for finding in check_key_policy(policy, **options)]


def test_the_default_key_policy_has_no_findings():
    assert (
        check_key_policy(
            json.dumps(document(allow(account_arn(), Sid="Enable IAM User Permissions"))), key_account=HOME
        )
        == ()
    )


def test_size():
    padding = document(allow("*", Sid="x" * MAX_KEY_POLICY_BYTES))
    (finding,) = check_key_policy(padding)
    assert (finding.code, finding.severity, finding.is_error) == (FindingCode.SIZE, Severity.ERROR, True)
    text = json.dumps(document(allow("*")))
    assert not check_key_policy(text.ljust(MAX_KEY_POLICY_BYTES))
    assert found(text.ljust(MAX_KEY_POLICY_BYTES + 1)) == [(FindingCode.SIZE, "$")]


def test_size_counts_bytes():
    text = json.dumps(document(allow("*", Sid="é" * 100)), ensure_ascii=False)
    assert found(text.ljust(MAX_KEY_POLICY_BYTES - 99)) == [(FindingCode.SIZE, "$")]


@pytest.mark.parametrize(
    ("sign", "is_allowed"), [("ÿ", True), ("\t\r\n", True), ("Ā", False), ("\u2028", False), ("\ud800", False)]
)
def test_characters(sign, is_allowed):
    """U+0020 to U+00FF, tab, line feed and carriage return."""
    text = json.dumps(document(allow("*", Sid="x"))).replace(
        '"*"', f'"*"{sign}' if sign.isspace() and is_allowed else '"*"'
    )
    text = text if sign.isspace() and is_allowed else text.replace('"x"', f'"{sign}"')
    assert (FindingCode.CHARACTERS in [code for code, _ in found(text)]) is not is_allowed


def test_malformed_and_invalid_principals():
    assert found("{") == [(FindingCode.MALFORMED, "$")]
    (finding,) = check_key_policy(document(allow({"AWS": f"arn:aws:iam::{HOME}:group/g"})))
    assert (finding.code, finding.path, finding.message) == (
        FindingCode.INVALID_PRINCIPAL,
        "$.Statement[0].Principal.AWS",
        INVALID_PRINCIPALS,
    )


def test_not_principal_with_allow_is_refused():
    statement = {"Effect": "Allow", "NotPrincipal": {"AWS": HOME}, "Action": "kms:*", "Resource": "*"}
    assert found(document(statement)) == [(FindingCode.NOT_PRINCIPAL_WITH_ALLOW, "$.Statement[0].NotPrincipal")]
    assert found(document({**statement, "Effect": "Deny"})) == []


@pytest.mark.parametrize("key", ["kms:EncryptionContext:App", "KMS:encryptioncontext:x", "aws:RequestTag/team"])
def test_overly_permissive_condition(key):
    condition = {"ForAllValues:StringEquals": {key: "x"}}
    (finding,) = check_key_policy(document(allow("*", Condition=condition)))
    assert (finding.code, finding.severity) == (FindingCode.OVERLY_PERMISSIVE_CONDITION, Severity.ERROR)
    assert finding.message == (
        "OverlyPermissiveCondition: Using the ForAllValues set operator with a single-valued condition key matches requests "
        "without the specified [encryption context or tag] or with an unspecified [encryption context or tag]. "
        "To fix, remove ForAllValues."
    )


def test_sids_are_unique():
    policy = document(allow("*", Sid="a"), deny("*", Sid="b"), allow("*", Sid="a"), allow("*"), allow("*"))
    assert found(policy) == [(FindingCode.DUPLICATE_SID, "$.Statement[2].Sid")]


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ({"Effect": "Allow", "Principal": "*", "Action": "kms:*"}, FindingCode.NO_EFFECT),
        ({"Effect": "Allow", "Principal": "*", "Resource": "*"}, FindingCode.NO_EFFECT),
        (allow("*", action=[]), FindingCode.NO_EFFECT),
        (allow("*", resource=KEY), FindingCode.NOT_THIS_KEY),
        (allow("*", action="kms:Encrpyt"), FindingCode.UNKNOWN_ACTION),
        (allow("*", action="s3:*"), FindingCode.UNKNOWN_ACTION),
        (allow("*", action="kms:RetireGrant"), FindingCode.RETIRE_GRANT),
        (allow(AWAY, action="kms:PutKeyPolicy"), FindingCode.NOT_USABLE_CROSS_ACCOUNT),
        (allow("*", Condition={"Bool": {"kms:Unheard": "true"}}), FindingCode.UNKNOWN_CONDITION_KEY),
        (allow("*", Condition={"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/x"}}), FindingCode.RESOURCE_ALIASES),
        (allow("*", Condition={"ForAnyValue:StringEquals": {"kms:KeySpec": "RSA_2048"}}), FindingCode.SET_OPERATOR_ON_SINGLE),
        (allow("*", Condition={"StringEquals": {"kms:EncryptionContextKeys": "a"}}), FindingCode.NO_SET_OPERATOR_ON_MULTI),
    ],
)  # fmt: skip
def test_warnings(statement, code):
    (finding,) = check_key_policy(document(statement), key_account=HOME)
    assert (finding.code, finding.severity, finding.is_error) == (code, Severity.WARNING, False)


@pytest.mark.parametrize(
    "statement",
    [
        allow("*", action=["kms:*", "*"]),
        allow(AWAY, action="kms:*"),
        allow([AWAY, HOME], action="kms:PutKeyPolicy"),
        deny(AWAY, action="kms:PutKeyPolicy"),
        allow("*", resource=[KEY, "*"]),
        allow("*", Condition={"Null": {"kms:EncryptionContextKeys": "true"}}),
        allow("*", Condition={"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": "a"}}),
        allow(
            "*",
            Condition={"StringEquals": {"kms:EncryptionContext:App": "${aws:PrincipalTag/App}", "aws:username": "a"}},
        ),
        {"Effect": "Deny", "Principal": "*", "NotAction": "kms:Nothing", "NotResource": KEY},
    ],
)
def test_sound_statements_have_no_findings(statement):
    assert check_key_policy(document(statement), key_account=HOME) == ()


def test_without_the_keys_account_other_accounts_are_not_looked_at():
    assert check_key_policy(document(allow(AWAY, action="kms:PutKeyPolicy"))) == ()


@pytest.mark.parametrize(
    "statement",
    [
        allow("*", Condition={"StringEquals": {"aws:username": "${aws:userid}"}}),
        allow("*", resource=["*", "arn:aws:kms:::${aws:userid}"]),
    ],
)
def test_a_variable_without_the_newer_version(statement):
    assert found({"Statement": statement}) == [(FindingCode.VARIABLE_WITHOUT_VERSION, "$.Statement[0]")]
    assert found(document(statement)) == []


def test_errors_come_first():
    policy = document(allow("*", action="s3:*", Sid="a"), allow("*", Sid="a"))
    assert [code for code, _ in found(policy)] == [FindingCode.DUPLICATE_SID, FindingCode.UNKNOWN_ACTION]
