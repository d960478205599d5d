"""Who may assume a role."""

from __future__ import annotations

import pytest

from regionsim.accounts.assuming import may_assume
from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Account, NamedPolicy, Role, User
from regionsim.authorization.policy import PolicyKind, parse_policy

HOME, AWAY = "111122223333", "444455556666"
ALICE = f"arn:aws:iam::{HOME}:user/alice"
ASSUMES = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::{HOME}:role/app"}


def policy(kind: PolicyKind, *statements):
    return parse_policy({"Version": "2012-10-17", "Statement": list(statements)}, kind=kind)


def trusting(principal, action="sts:AssumeRole", effect="Allow", **others):
    return {"Effect": effect, "Action": action, "Principal": principal, **others}


def world(*trust, iam=()) -> Directory:
    policies = (NamedPolicy(name="p", policy=policy(PolicyKind.IDENTITY, *iam)),) if iam else ()
    role = Role(name="app", trust=policy(PolicyKind.TRUST, *trust) if trust else None)
    accounts = [
        Account(account_id=HOME, users={"alice": User(name="alice", policies=policies)}, roles={"app": role}),
        Account(account_id=AWAY, users={"zoe": User(name="zoe", policies=policies)}),
    ]
    return Directory(accounts={account.account_id: account for account in accounts})


def may(directory: Directory, by: str = "alice", account: str = HOME, **options) -> bool:
    caller = directory.principal(account, by)
    return may_assume(directory, caller, HOME, directory.role(HOME, "app"), **options)


def test_without_a_trust_policy_nobody_may():
    assert not may(world(iam=[ASSUMES]))


def test_whom_the_trust_policy_names_needs_no_iam_in_the_same_account():
    assert may(world(trusting({"AWS": ALICE})))
    assert not may(world(trusting({"AWS": f"arn:aws:iam::{HOME}:user/bob"}), iam=[ASSUMES]))


def test_an_account_hands_the_decision_to_iam():
    assert not may(world(trusting({"AWS": HOME})))
    assert may(world(trusting({"AWS": HOME}), iam=[ASSUMES]))
    assert may(world(trusting({"AWS": HOME})), by="root")


def test_another_account_needs_both_sides():
    zoe = f"arn:aws:iam::{AWAY}:user/zoe"
    assert not may(world(trusting({"AWS": zoe})), "zoe", AWAY)
    assert may(world(trusting({"AWS": zoe}), iam=[ASSUMES]), "zoe", AWAY)
    assert not may(world(trusting({"AWS": HOME}), iam=[ASSUMES]), "zoe", AWAY)


@pytest.mark.parametrize("denied", [trusting({"AWS": ALICE}, effect="Deny"), trusting("*", effect="Deny")])
def test_a_deny_wins(denied):
    assert not may(world(trusting({"AWS": ALICE}), denied))
    assert not may(world(trusting({"AWS": ALICE}), iam=[{**ASSUMES, "Effect": "Deny"}]))


def test_conditions_and_tags_count():
    named = {"StringEquals": {"aws:username": "alice"}}
    assert may(world(trusting({"AWS": ALICE}, Condition=named)))
    assert not may(world(trusting({"AWS": ALICE}, Condition={"StringEquals": {"aws:username": "bob"}})))
    assert not may(world(trusting({"AWS": ALICE})), with_tags=True)
    assert may(world(trusting({"AWS": ALICE}, ["sts:AssumeRole", "sts:TagSession"])), with_tags=True)


def test_a_service_is_named_as_such():
    assert may(world(trusting({"Service": "lambda.amazonaws.com"})), by="service/lambda")
    assert not may(world(trusting("*")), by="service/lambda")
