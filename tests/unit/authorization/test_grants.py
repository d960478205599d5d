"""Grants: whom they name, which request they fit, which child they permit.

Source: KMS Developer Guide, "Grants in AWS KMS"; botocore's model, GrantConstraints.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from regionsim.authorization.decide import Code, Deciding, Policies
from regionsim.authorization.explain import explain
from regionsim.authorization.grants import Grant, GrantConstraints, GrantIndex, SettlingGrants
from regionsim.authorization.policy import PolicyKind
from tests.unit.authorization.cases import (
    AWAY,
    HOME,
    OTHER_KEY,
    account_arn,
    allow,
    compiled,
    decided,
    delegating,
    deny,
    grant,
    key_policy,
    request,
    root,
    service,
    session,
    user,
)

ALICE = f"arn:aws:iam::{HOME}:user/alice"
BOB_AWAY = f"arn:aws:iam::{AWAY}:user/bob"
ALLOW_ALL = compiled(allow())


def indexed(*grants: Grant) -> GrantIndex:
    return GrantIndex(grants)


@pytest.mark.parametrize("shape", [tuple, GrantIndex])
def test_a_grant_needs_neither_delegation_nor_iam(shape):
    decision = decided(request(), key_policy=key_policy(allow(BOB_AWAY)), grants=shape([grant(ALICE, "Decrypt")]))
    assert decision.code is Code.ALLOW_GRANT
    assert decision.deciding == Deciding(policy_type="grant", policy="g1", sid=None, index=1)


def test_a_grant_works_in_another_account_without_iam():
    """ "until you attach IAM policies ..., or use grants" """
    assert decided(request(user("bob", AWAY)), key_policy=delegating(), grants=(grant(BOB_AWAY, "Decrypt"),)).is_allowed


@pytest.mark.parametrize(
    "changed",
    [
        {"grantee": f"arn:aws:iam::{HOME}:user/Alice"},
        {"operations": ("Encrypt",)},
        {"key_arn": OTHER_KEY},
        {"grantee": "*"},
        {"grantee": "arn:aws:iam::x:group/g"},
    ],
)
@pytest.mark.parametrize("shape", [tuple, GrantIndex])
def test_a_grant_for_something_else_does_not_fit(changed, shape):
    parts = {"grantee": ALICE, "operations": ("Decrypt",), **changed}
    other = grant(parts.pop("grantee"), *parts.pop("operations"), **parts)
    assert not decided(request(), grants=shape([other])).is_allowed


def test_any_explicit_deny_beats_a_grant():
    """ "takes precedence over all grants for this KMS key" """
    grants = (grant(ALICE, "Decrypt"),)
    assert decided(request(), key_policy=key_policy(deny("*")), grants=grants).code is Code.EXPLICIT_DENY_RESOURCE
    assert decided(request(), identity=(compiled(deny()),), grants=grants).code is Code.EXPLICIT_DENY_IDENTITY


def test_a_boundary_does_not_limit_a_grant_but_an_scp_does():
    grants, silent = (grant(ALICE, "Decrypt"),), allow(action="s3:*")
    assert decided(request(), boundary=(compiled(silent),), session=(compiled(silent),), grants=grants).is_allowed
    scps = ((compiled(silent, kind=PolicyKind.SCP),),)
    assert decided(request(), scps=scps, grants=grants).code is Code.IMPLICIT_DENY_SCP


@pytest.mark.parametrize(
    ("grantee", "caller", "is_allowed"),
    [
        (f"arn:aws:iam::{HOME}:role/app", session(), True),
        (f"arn:aws:sts::{HOME}:assumed-role/app/s1", session(), True),
        (f"arn:aws:sts::{HOME}:assumed-role/app/s1", session(name="s2"), False),
        (account_arn(), root(), True),
        (account_arn(), user(), False),
        ("s3.amazonaws.com", service(), True),
        ("s3.amazonaws.com", service("ec2.amazonaws.com"), False),
    ],
)
@pytest.mark.parametrize("shape", [tuple, GrantIndex])
def test_who_is_the_grantee(grantee, caller, is_allowed, shape):
    assert decided(request(caller), grants=shape([grant(grantee, "Decrypt")])).is_allowed is is_allowed


def test_a_grant_to_an_account_is_for_whom_iam_allows_there():
    grants = (grant(account_arn(), "Decrypt"),)
    assert decided(request(), identity=(ALLOW_ALL,), grants=grants).code is Code.ALLOW_GRANT
    limited = decided(request(), identity=(ALLOW_ALL,), boundary=(compiled(allow(action="s3:*")),), grants=grants)
    assert not limited.is_allowed


class TestConstraints:
    """EncryptionContextEquals: the exact set; EncryptionContextSubset: at least these. Names ignore case, values do not."""

    @pytest.mark.parametrize(
        ("sent", "fits_equals", "fits_subset"),
        [
            ({"App": "pay", "Env": "prod"}, True, True),
            ({"env": "prod", "APP": "pay"}, True, True),
            ({"App": "pay", "Env": "Prod"}, False, False),
            ({"App": "pay"}, False, False),
            ({"App": "pay", "Env": "prod", "More": "x"}, False, True),
            ({}, False, False),
        ],
    )
    @pytest.mark.parametrize("shape", [tuple, GrantIndex])
    def test_encryption_context(self, sent, fits_equals, fits_subset, shape):
        asked, pairs = request(encryption_context=sent), {"App": "pay", "Env": "prod"}
        assert decided(asked, grants=shape([grant(ALICE, "Decrypt", equals=pairs)])).is_allowed is fits_equals
        assert decided(asked, grants=shape([grant(ALICE, "Decrypt", subset=pairs)])).is_allowed is fits_subset

    @pytest.mark.parametrize("shape", [tuple, GrantIndex])
    def test_an_empty_equals_wants_no_context_and_an_empty_subset_wants_nothing(self, shape):
        with_pair = request(encryption_context={"a": "b"})
        assert decided(request(), grants=shape([grant(ALICE, "Decrypt", equals={})])).is_allowed
        assert not decided(with_pair, grants=shape([grant(ALICE, "Decrypt", equals={})])).is_allowed
        assert decided(with_pair, grants=shape([grant(ALICE, "Decrypt", subset={})])).is_allowed

    @pytest.mark.parametrize("shape", [tuple, GrantIndex])
    def test_describe_key_has_no_context_and_needs_none(self, shape):
        grants = shape([grant(ALICE, "DescribeKey", equals={"a": "b"})])
        assert decided(request(action="kms:DescribeKey"), grants=grants).is_allowed

    @pytest.mark.parametrize("shape", [tuple, GrantIndex])
    @pytest.mark.parametrize("action", ["kms:Decrypt", "kms:DescribeKey"])
    def test_source_arn_works_like_the_condition_key(self, shape, action):
        bucket = "arn:aws:s3:::orders"
        grants = shape([grant("s3.amazonaws.com", "Decrypt", "DescribeKey", source_arn=bucket)])
        for source, is_allowed in ((bucket, True), ("arn:aws:s3:::other", False), (None, False)):
            asked = request(service(), action, context={"aws:SourceArn": source})
            assert decided(asked, grants=grants).is_allowed is is_allowed


class TestChildren:
    """CreateGrant by a grant: a subset of its operations, constraints equally strict or stricter."""

    PARENT = ("CreateGrant", "Decrypt", "Encrypt")

    @pytest.mark.parametrize(
        ("parent", "child", "is_permitted"),
        [
            ({}, {}, True),
            ({}, {"equals": {"a": "b"}}, True),
            ({"subset": {"a": "b"}}, {"subset": {"a": "b", "c": "d"}}, True),
            ({"subset": {"a": "b"}}, {"equals": {"A": "b"}}, True),
            ({"subset": {"a": "b"}}, {"equals": {"a": "B"}}, False),
            ({"subset": {"a": "b"}}, {}, False),
            ({"equals": {"a": "b"}}, {"equals": {"a": "b"}}, True),
            ({"equals": {"a": "b"}}, {"subset": {"a": "b"}}, False),
            ({"equals": {"a": "b"}}, {"equals": {"a": "b", "c": "d"}}, False),
            ({"source_arn": "arn:aws:s3:::x"}, {"source_arn": "arn:aws:s3:::x"}, True),
            ({"source_arn": "arn:aws:s3:::x"}, {}, False),
        ],
    )
    @pytest.mark.parametrize("shape", [tuple, GrantIndex])
    def test_strictness(self, parent, child, is_permitted, shape):
        asked = request(
            action="kms:CreateGrant",
            grant=grant(BOB_AWAY, "Decrypt", grant_id="child", **child),
            context={"aws:sourcearn": "arn:aws:s3:::x"},
        )
        assert decided(asked, grants=shape([grant(ALICE, *self.PARENT, **parent)])).is_allowed is is_permitted

    def test_no_operation_more(self):
        asked = request(action="kms:CreateGrant", grant=grant(BOB_AWAY, "Sign", grant_id="child"))
        assert not decided(asked, grants=(grant(ALICE, *self.PARENT),)).is_allowed

    def test_a_request_that_does_not_say_what_it_creates_is_not_allowed(self):
        assert not decided(request(action="kms:CreateGrant"), grants=(grant(ALICE, *self.PARENT),)).is_allowed


class TestRetirement:
    """Who may retire: the retiring principal, a grantee whose grant says so, and the issuing account (IAM delegates)."""

    @staticmethod
    def decide(caller, retired, **layers):
        return decided(request(caller, "kms:RetireGrant", grant=retired), **layers)

    def test_the_retiring_principal(self):
        retired = grant(BOB_AWAY, "Decrypt", retiring=ALICE, issuing_account=AWAY)
        decision = self.decide(user(), retired)
        assert decision.code is Code.ALLOW_GRANT
        assert decision.deciding is not None
        assert decision.deciding.policy == "g1"
        assert self.decide(user("carol"), retired).code is Code.NOTHING_ALLOWS

    def test_a_role_retires_through_its_sessions(self):
        retired = grant(BOB_AWAY, "Decrypt", retiring=f"arn:aws:iam::{HOME}:role/app", issuing_account=AWAY)
        assert self.decide(session(), retired).is_allowed

    def test_the_grantee_only_if_the_grant_says_so(self):
        assert not self.decide(user(), grant(ALICE, "Decrypt", issuing_account=AWAY)).is_allowed
        assert self.decide(user(), grant(ALICE, "Decrypt", "RetireGrant", issuing_account=AWAY)).is_allowed

    def test_the_issuing_account_and_whom_its_iam_allows(self):
        retired = grant(BOB_AWAY, "Decrypt", issuing_account=HOME)
        assert self.decide(root(), retired).is_allowed
        assert self.decide(user(), retired).code is Code.NO_IAM_ALLOW
        assert self.decide(user(), retired, identity=(compiled(allow(action="kms:RetireGrant")),)).is_allowed
        silent = compiled(allow(action="s3:*"))
        assert self.decide(user(), retired, identity=(ALLOW_ALL,), boundary=(silent,)).code is Code.IMPLICIT_DENY_PB

    def test_an_account_as_retiring_principal(self):
        retired = grant(BOB_AWAY, "Decrypt", retiring=account_arn(), issuing_account=AWAY)
        assert self.decide(root(), retired).is_allowed
        assert self.decide(user(), retired).code is Code.NO_IAM_ALLOW

    def test_a_deny_in_iam_is_effective(self):
        retired = grant(BOB_AWAY, "Decrypt", retiring=ALICE)
        decision = self.decide(user(), retired, identity=(compiled(deny(action="kms:RetireGrant")),))
        assert decision.code is Code.EXPLICIT_DENY_IDENTITY

    def test_constraints_do_not_matter(self):
        retired = grant(ALICE, "RetireGrant", equals={"a": "b"}, source_arn="arn:aws:s3:::x", issuing_account=AWAY)
        assert retired.constraints.admits(request(action="kms:RetireGrant"))
        assert self.decide(user(), retired).is_allowed


class TestIndex:
    """The index gives what a walk over all grants gives."""

    def test_taking_in_and_leaving_out(self):
        index = indexed(grant(ALICE, "Decrypt"), grant(ALICE, "Decrypt", grant_id="g2", subset={"a": "b"}))
        index.add(grant(ALICE, "Decrypt", grant_id="g3", equals={"a": "b"}))
        assert [entry.grant_id for entry in index] == ["g1", "g2", "g3"]
        assert len(index) == 3
        index.remove("g1")
        index.remove("g1")
        assert index.get("g1") is None
        assert not decided(request(), grants=index).is_allowed
        asked = request(encryption_context={"A": "b"})
        assert decided(asked, grants=index).is_allowed
        index.remove("g2")
        assert decided(asked, grants=index).is_allowed
        index.remove("g3")
        assert not decided(asked, grants=index).is_allowed
        assert len(index) == 0

    def test_a_grant_with_the_same_id_is_replaced(self):
        index = indexed(grant(ALICE, "Decrypt"), grant(ALICE, "Encrypt"))
        assert len(index) == 1
        assert not decided(request(), grants=index).is_allowed
        assert decided(request(action="kms:Encrypt"), grants=index).is_allowed

    def test_the_grant_named_does_not_hang_on_hash_order(self):
        index = indexed(
            grant(ALICE, "Decrypt", grant_id="z", subset={"z": "1"}),
            grant(ALICE, "Decrypt", grant_id="a", subset={"a": "1"}),
        )
        decision = decided(request(encryption_context={"z": "1", "a": "1"}), grants=index)
        assert decision.deciding is not None
        assert decision.deciding.policy == "a"


def test_tokens_do_not_show():
    shown = repr(
        Grant(
            grant_id="g",
            key_arn=OTHER_KEY,
            grantee=ALICE,
            operations=frozenset({"Decrypt"}),
            issuing_account=HOME,
            token_digests=frozenset({"c0ffee"}),
        )
    )
    assert "c0ffee" not in shown


def test_constraints_without_limits_permit_and_admit_everything():
    free = GrantConstraints()
    assert not free.limits_context
    assert free.admits(request())
    assert free.permits(GrantConstraints(source_arn="arn:aws:s3:::x"))


def settling(*grants: Grant, until: int, named: tuple[str, ...] = ()) -> SettlingGrants:
    return SettlingGrants(GrantIndex(grants), settled_until=until, named=named)


def new_grant(created_at: int, grant_id: str = "g1", **others) -> Grant:
    return replace(grant(ALICE, "Decrypt"), created_at=created_at, grant_id=grant_id, **others)


@pytest.mark.parametrize("limits", [None, GrantConstraints(encryption_context_subset={"App": "pay"})])
def test_a_grant_that_is_too_new_counts_by_its_token_only(limits):
    asked = request(encryption_context={"App": "pay"})
    made = new_grant(10) if limits is None else new_grant(10, constraints=limits)
    assert not decided(asked, grants=settling(made, until=9)).is_allowed
    assert decided(asked, grants=settling(made, until=10)).is_allowed
    assert decided(asked, grants=settling(made, until=9, named=("g1",))).is_allowed
    assert not decided(asked, grants=settling(made, until=9, named=("g2",))).is_allowed
    assert not decided(request(user("bob")), grants=settling(made, until=9, named=("g1",))).is_allowed


def test_an_older_grant_counts_beside_a_new_one():
    grants = (new_grant(1, "g1"), new_grant(10, "g2"))
    assert decided(request(), grants=settling(*grants, until=5)).deciding.policy == "g1"
    assert [held.grant_id for held in settling(*grants, until=5)] == ["g1"]
    assert [held.grant_id for held in settling(*grants, until=5, named=("g2",))] == ["g1", "g2"]


def test_a_denial_says_that_a_new_grant_would_count_with_its_token():
    policies = Policies(grants=settling(new_grant(10), until=9))
    told = explain(request(), policies)
    assert {layer.layer: layer.verdict for layer in told.layers}["grants"] == "allow_without_effect"
    assert told.fixes[0].about == "send the token of the new grant g1, or wait until it counts without it"
    other = explain(request(user("bob")), policies)
    assert {layer.layer: layer.verdict for layer in other.layers}["grants"] == "none"
    assert "token" not in " ".join(fix.about for fix in other.fixes)
