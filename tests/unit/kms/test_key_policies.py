"""Key policies when they are written: AWS's recorded form, the checks, and the lockout safety check."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionsim.kms.errors import KmsError, LimitExceededException, MalformedPolicyDocumentException
from regionsim.kms.key_policies import checked_policy, default_policy, shown, stored_policy
from regionsim.kms.plan import View
from tests.unit.kms.keys import AWAY, HERE, HOME, KEY_ID, NOW_NS, a_key, caller, directory, state_with

RECORDED = """{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::111111111111:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}"""
ROOT = f"arn:aws:iam::{HOME}:root"
ALICE = f"arn:aws:iam::{HOME}:user/alice"
BOB = f"arn:aws:iam::{HOME}:user/bob"
LOCKED_OUT = "The new key policy will not allow you to update the key policy in the future."
INVALID_PRINCIPALS = "Policy contains a statement with one or more invalid principals."


def statement(principal: object = ROOT, action: object = "kms:*", **others: object) -> dict[str, object]:
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*", **others}


def text_of(*statements: dict[str, object], **others: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **others})


def checked(text: str, by: str = "alice", *, bypass: bool = False) -> str:
    view = View(state=state_with(), directory=directory(), now_ns=NOW_NS, regions=(HERE,))
    return checked_policy(view, caller(by), text, a_key(), bypass_lockout_check=bypass)


def refused(text: str, by: str = "alice", *, bypass: bool = False) -> KmsError:
    with pytest.raises(KmsError) as caught:
        checked(text, by, bypass=bypass)
    return caught.value


# ---------------------------------------------------------------------------------------------------------- how shown


def test_the_default_policy_is_aws_s_recorded_text() -> None:
    assert default_policy("us-east-1", "111111111111") == RECORDED


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_the_default_policy_names_the_account_in_its_partition(region: str, partition: str) -> None:
    document = json.loads(default_policy(region, HOME))
    assert document["Statement"][0]["Principal"] == {"AWS": f"arn:{partition}:iam::{HOME}:root"}


def test_a_policy_is_indented_anew_and_its_keys_stay_in_order() -> None:
    given_text = '{"Statement":[{"Resource":"*","Action":["kms:Encrypt","kms:Decrypt"],"Effect":"Allow"}],"Version":"2012-10-17"}'
    assert stored_policy(given_text) == (
        '{\n  "Statement" : [ {\n    "Resource" : "*",\n    "Action" : [ "kms:Encrypt", "kms:Decrypt" ],\n'
        '    "Effect" : "Allow"\n  } ],\n  "Version" : "2012-10-17"\n}'
    )


def test_several_statements_stand_on_each_other_s_lines() -> None:
    assert shown({"Statement": [{"Sid": "a"}, {"Sid": "b"}]}) == (
        '{\n  "Statement" : [ {\n    "Sid" : "a"\n  }, {\n    "Sid" : "b"\n  } ]\n}'
    )


def test_empty_members_and_letters_beyond_ascii_are_kept() -> None:
    assert shown({"a": {}, "b": [], "c": "größe"}) == '{\n  "a" : { },\n  "b" : [ ],\n  "c" : "größe"\n}'


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_what_is_shown_says_what_was_given(document: dict[str, Any]) -> None:
    assert json.loads(shown(document)) == document
    assert stored_policy(shown(document)) == shown(document)


# --------------------------------------------------------------------------------------------------------- the checks


def test_a_sound_policy_is_stored_as_aws_shows_it() -> None:
    assert checked(text_of(statement())) == stored_policy(text_of(statement()))


def test_a_policy_over_32768_bytes_is_too_long() -> None:
    fitting = text_of(statement(), Id="x" * (32_768 - len(text_of(statement(), Id=""))))
    assert len(fitting) == 32_768
    assert checked(fitting)
    assert isinstance(refused(fitting.replace("xx", "xxx", 1)), LimitExceededException)


def test_the_limit_is_in_bytes() -> None:
    # Latin-1 letters are allowed and take two bytes each.
    assert isinstance(refused(text_of(statement(), Id="é" * 16_400).replace("\\u00e9", "é")), LimitExceededException)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        "[" * 30_000,
        '{"a":' * 6_000,
        text_of(),
        text_of(statement(), Versoin="2012-10-17"),
        text_of({"Effect": "Allow", "Action": "kms:*", "Resource": "*"}),
        text_of({**statement(), "Effect": "allow"}),
        text_of({**statement(), "Condition": {"StringSortOf": {"aws:username": "alice"}}}),
        text_of(statement()).replace("2012-10-17", "2013-01-01"),
        text_of(statement()).replace('"Effect"', '"Effect": "Deny", "Effect"'),
        text_of(statement(Condition={"NumericEquals": {"kms:RotationPeriodInDays": 0}})).replace(
            "0}", "9" * 5000 + "}"
        ),
    ],
)
def test_a_malformed_policy_is_refused(text: str) -> None:
    assert isinstance(refused(text, bypass=True), MalformedPolicyDocumentException)


@pytest.mark.parametrize(
    "principal",
    [
        f"arn:aws:iam::{HOME}:user/nobody",
        f"arn:aws:iam::{HOME}:role/none",
        "arn:aws:iam::999999999999:root",
        f"arn:aws:iam::{HOME}:group/admins",
        "AIDAEXAMPLE",
        f"arn:aws:iam::{HOME}:user/al*",
        [ALICE, f"arn:aws:iam::{HOME}:user/nobody"],
    ],
)
def test_a_principal_that_does_not_exist_is_invalid(principal: object) -> None:
    refusal = refused(text_of(statement(), statement(principal)))
    assert (refusal.code, refusal.message) == ("MalformedPolicyDocumentException", INVALID_PRINCIPALS)


@pytest.mark.parametrize("principal", [HOME, ROOT, ALICE, AWAY, f"arn:aws:iam::{AWAY}:user/zoe", "*", [ALICE, BOB]])
def test_a_principal_that_exists_is_taken(principal: object) -> None:
    assert checked(text_of(statement(), statement(principal, "kms:Decrypt")))


def test_for_all_values_on_a_context_pair_is_overly_permissive() -> None:
    condition = {"ForAllValues:StringEquals": {"kms:EncryptionContext:App": "x"}}
    refusal = refused(text_of(statement(), statement(ALICE, "kms:Decrypt", Condition=condition)))
    assert refusal.code == "MalformedPolicyDocumentException"
    assert refusal.message == (
        "OverlyPermissiveCondition: Using the ForAllValues set operator with a single-valued condition key matches "
        "requests without the specified [encryption context or tag] or with an unspecified [encryption context or "
        "tag]. To fix, remove ForAllValues."
    )


# -------------------------------------------------------------------------------------------------------- the lockout

LOCKING = {
    "nothing about the policy": text_of(statement(ALICE, ["kms:Encrypt", "kms:DescribeKey"])),
    "only others": text_of(statement(BOB)),
    "not a deny of the same": text_of(statement(), statement(ALICE, "kms:PutKeyPolicy", Effect="Deny")),
    "only under a condition that is not met": text_of(
        statement(Condition={"StringEquals": {"aws:PrincipalAccount": AWAY}})
    ),
}


@pytest.mark.parametrize("text", LOCKING.values(), ids=LOCKING.keys())
def test_a_policy_that_locks_the_caller_out_is_refused(text: str) -> None:
    refusal = refused(text)
    assert (refusal.code, refusal.message) == ("MalformedPolicyDocumentException", LOCKED_OUT)


@pytest.mark.parametrize("text", LOCKING.values(), ids=LOCKING.keys())
def test_the_check_can_be_bypassed(text: str) -> None:
    assert checked(text, bypass=True) == stored_policy(text)


def test_bob_is_locked_out_where_only_iam_would_let_him_in() -> None:
    assert refused(text_of(statement()), "bob").message == LOCKED_OUT
    assert checked(text_of(statement(), statement(BOB, "kms:PutKeyPolicy")), "bob")


MET = [
    {"Bool": {"aws:SecureTransport": "true"}},
    {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
    {"StringEquals": {"aws:RequestedRegion": HERE}},
    {"StringEquals": {"kms:CallerAccount": HOME}},
    {"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT"}},
    {"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "false"}},
    {"Null": {"kms:ViaService": "true"}},
]


@pytest.mark.parametrize("condition", MET, ids=json.dumps)
def test_the_check_knows_the_conditions_that_a_call_would_meet(condition: dict[str, object]) -> None:
    assert checked(text_of(statement(ALICE, Condition=condition)))


def test_key_id_in_resource_does_not_lock_out() -> None:
    assert checked(text_of({**statement(), "Resource": f"arn:aws:kms:{HERE}:{HOME}:key/{KEY_ID}"}))
