"""Principals as callers and as policies name them. Source: IAM User Guide, "AWS JSON policy elements: Principal"."""

from __future__ import annotations

import pytest

from regionsim.authorization.principals import (
    PrincipalForm,
    PrincipalKind,
    principal_of_arn,
    read_principal,
    read_service,
)
from tests.unit.authorization.cases import HOME, root, service, session, user


@pytest.mark.parametrize(
    ("text", "form", "key"),
    [
        ("*", PrincipalForm.ANYONE, "*"),
        (HOME, PrincipalForm.ACCOUNT, HOME),
        (f"arn:aws:iam::{HOME}:root", PrincipalForm.ACCOUNT, f"arn:aws:iam::{HOME}:root"),
        (f"arn:aws:iam::{HOME}:user/a/alice", PrincipalForm.USER, f"arn:aws:iam::{HOME}:user/a/alice"),
        (f"arn:aws:iam::{HOME}:role/a/b/app", PrincipalForm.ROLE, f"arn:aws:iam::{HOME}:role/app"),
        (f"arn:aws:sts::{HOME}:assumed-role/app/s", PrincipalForm.SESSION, f"arn:aws:sts::{HOME}:assumed-role/app/s"),
        (
            f"arn:aws:sts::{HOME}:federated-user/b",
            PrincipalForm.FEDERATED_USER,
            f"arn:aws:sts::{HOME}:federated-user/b",
        ),
        ("AROAABCDEFGHIJKLMNOPQ", PrincipalForm.UNMATCHED, "id:AROAABCDEFGHIJKLMNOPQ"),
    ],
)
def test_reading(text, form, key):
    named = read_principal(text)
    assert named is not None
    assert (named.form, named.text, named.key) == (form, text, key)
    assert named.account == (HOME if HOME in text else "")


def test_reading_services():
    named = read_service("dynamodb.us-west-2.amazonaws.com")
    assert named is not None
    assert (named.form, named.key) == (PrincipalForm.SERVICE, "service:dynamodb.us-west-2.amazonaws.com")
    assert read_service("s3") is None
    assert read_service("*.amazonaws.com") is None


def test_the_keys_of_callers():
    account = (HOME, f"arn:aws:iam::{HOME}:root")
    assert user().all_keys == (f"arn:aws:iam::{HOME}:user/alice", *account, "*")
    assert session().all_keys == (
        f"arn:aws:sts::{HOME}:assumed-role/app/s1",
        f"arn:aws:iam::{HOME}:role/app",
        *account,
        "*",
    )
    assert root().all_keys == (*account, "*")
    assert root().direct_keys == ()
    assert service().all_keys == ("service:s3.amazonaws.com", "*")


@pytest.mark.parametrize(
    ("text", "kind", "name", "session_name"),
    [
        (f"arn:aws:iam::{HOME}:root", PrincipalKind.ROOT, "root", None),
        (f"arn:aws:iam::{HOME}:user/a/alice", PrincipalKind.USER, "alice", None),
        (f"arn:aws:iam::{HOME}:role/a/app", PrincipalKind.ROLE_SESSION, "app", None),
        (f"arn:aws:sts::{HOME}:assumed-role/app/s1", PrincipalKind.ROLE_SESSION, "app", "s1"),
        (f"arn:aws:sts::{HOME}:federated-user/bob", PrincipalKind.FEDERATED_USER, "bob", None),
        ("s3.amazonaws.com", PrincipalKind.SERVICE, "s3.amazonaws.com", None),
    ],
)
def test_the_caller_of_an_arn(text, kind, name, session_name):
    caller = principal_of_arn(text)
    assert caller is not None
    assert (caller.kind, caller.name, caller.session_name, caller.arn) == (kind, name, session_name, text)
    assert caller.account == ("" if kind is PrincipalKind.SERVICE else HOME)
    named = read_principal(text)
    if named is not None:
        assert named.key in caller.all_keys


@pytest.mark.parametrize("text", ["*", HOME, "alice", "arn:aws:iam::111122223333:group/g", "AIDAABCDEFGHIJKLMNOPQ"])
def test_what_is_no_caller(text):
    assert principal_of_arn(text) is None


def test_service_linked_roles_and_partitions():
    assert session("AWSServiceRoleForX", path="/aws-service-role/x.amazonaws.com/").is_service_linked
    assert not session().is_service_linked
    assert not user().is_service_linked
    foreign = principal_of_arn(f"arn:aws-cn:iam::{HOME}:user/alice")
    assert foreign is not None
    assert foreign.partition == "aws-cn"
    assert service().partition == "aws"


def test_a_caller_is_a_value():
    assert user(tags={"team": "a"}) == user(tags={"team": "a"})
    assert user(tags={"team": "a"}) != user(tags={"team": "b"})
    assert len({user(tags={"team": "a"}), user(tags={"team": "a"})}) == 1
