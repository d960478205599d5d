"""Who may assume a role, which session they get, and what STS says to the others."""

from __future__ import annotations

import pytest

from regionsim.accounts.assuming import AssumeRole, AssumeRoleRefusal, assume_role
from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Account, NamedPolicy, Role, User
from regionsim.authorization.policy import PolicyKind, parse_policy
from regionsim.authorization.principals import Principal

HOME, AWAY = "111122223333", "444455556666"
ALICE = f"arn:aws:iam::{HOME}:user/alice"
ASSUMES = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::{HOME}:role/team/app"}


def policy(kind: PolicyKind, *statements):
    return parse_policy({"Version": "2012-10-17", "Statement": list(statements)}, kind=kind)


def trusting(principal, action="sts:AssumeRole", effect="Allow", **others):
    return {"Effect": effect, "Action": action, "Principal": principal, **others}


APP = f"arn:aws:iam::{HOME}:role/team/app"


def world(*trust, iam=(), boundary=(), scps=()) -> Directory:
    policies = (NamedPolicy(name="p", policy=policy(PolicyKind.IDENTITY, *iam)),) if iam else ()
    limit = NamedPolicy(name="b", policy=policy(PolicyKind.BOUNDARY, *boundary)) if boundary else None
    role = Role(
        name="app",
        path="/team/",
        trust=policy(PolicyKind.TRUST, *trust) if trust else None,
        tags={"team": "shop", "tier": "1"},
    )
    levels = ((NamedPolicy(name="s", policy=policy(PolicyKind.SCP, *scps)),),) if scps else ()
    accounts = [
        Account(
            account_id=HOME,
            users={"alice": User(name="alice", policies=policies, boundary=limit)},
            roles={"app": role, "reader": Role(name="reader", policies=policies)},
            scps=levels,
        ),
        Account(account_id=AWAY, users={"zoe": User(name="zoe", policies=policies)}),
    ]
    return Directory(accounts={account.account_id: account for account in accounts})


def asked(directory: Directory, by: str = "alice", account: str = HOME, **options) -> Principal | AssumeRoleRefusal:
    wish = AssumeRole(**{"role_arn": APP, "session_name": "night", **options})
    return assume_role(directory, directory.principal(account, by), wish)


def may(directory: Directory, by: str = "alice", account: str = HOME, **options) -> bool:
    return isinstance(asked(directory, by, account, **options), Principal)


def message(directory: Directory, by: str = "alice", account: str = HOME, **options) -> str:
    refusal = asked(directory, by, account, **options)
    assert isinstance(refusal, AssumeRoleRefusal)
    assert (refusal.code, refusal.http_status) == ("AccessDenied", 403)
    return refusal.message


def test_without_a_trust_policy_nobody_may():
    assert not may(world(iam=[ASSUMES]))


def test_whom_the_trust_policy_names_needs_no_iam_in_the_same_account():
    assert may(world(trusting({"AWS": ALICE})))
    assert not may(world(trusting({"AWS": f"arn:aws:iam::{HOME}:user/bob"}), iam=[ASSUMES]))


def test_an_account_hands_the_decision_to_iam():
    assert not may(world(trusting({"AWS": HOME})))
    assert may(world(trusting({"AWS": HOME}), iam=[ASSUMES]))
    assert not may(world(trusting({"AWS": HOME}), iam=[{**ASSUMES, "Resource": f"arn:aws:iam::{HOME}:role/app"}]))


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
    assert not may(world(trusting({"AWS": ALICE})), tags={"a": "b"})
    assert may(world(trusting({"AWS": ALICE}, ["sts:AssumeRole", "sts:TagSession"])), tags={"a": "b"})


def test_a_service_is_named_as_such():
    assert may(world(trusting({"Service": "lambda.amazonaws.com"})), by="service/lambda")
    assert not may(world(trusting("*")), by="service/lambda")


def test_the_session_is_the_roles_with_what_was_passed():
    tagged = world(trusting({"AWS": ALICE}, ["sts:AssumeRole", "sts:TagSession"]))
    limit = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}}'
    session = asked(tagged, tags={"team": "blue"}, policy=limit)
    assert isinstance(session, Principal)
    assert session.arn == f"arn:aws:sts::{HOME}:assumed-role/app/night"
    assert (session.role_arn, session.user_id.partition(":")[2]) == (APP, "night")
    assert dict(session.tags) == {"team": "blue", "tier": "1"}
    assert session.session_policy == limit
    assert tagged.session_policies(session)[0].name == "session policy"


def test_a_root_user_assumes_no_role():
    assert message(world(trusting({"AWS": HOME})), by="root") == "Roles may not be assumed by root accounts."


def test_a_refusal_has_awss_sentence():
    beginning = f"User: {ALICE} is not authorized to perform: sts:AssumeRole on resource: {APP}"
    assert message(world()) == f"{beginning} because no role trust policy allows the sts:AssumeRole action"
    assert message(world(trusting({"AWS": HOME}))) == (
        f"{beginning} because no identity-based policy allows the sts:AssumeRole action"
    )
    denied = world(trusting({"AWS": ALICE}), trusting("*", effect="Deny"))
    assert message(denied) == f"{beginning} with an explicit deny in the role trust policy"
    denied = world(trusting({"AWS": ALICE}), iam=[{**ASSUMES, "Effect": "Deny"}])
    assert message(denied) == f"{beginning} with an explicit deny in an identity-based policy"
    untagged = message(world(trusting({"AWS": ALICE})), tags={"a": "b"})
    assert untagged.startswith(f"User: {ALICE} is not authorized to perform: sts:TagSession on resource: {APP}")


def test_another_account_hears_nothing_of_the_trust_policy_nor_whether_there_is_such_a_role():
    zoe = f"arn:aws:iam::{AWAY}:user/zoe"
    told = f"User: {zoe} is not authorized to perform: sts:AssumeRole on resource: {APP}"
    assert message(world(trusting({"AWS": HOME}), iam=[ASSUMES]), "zoe", AWAY) == told
    assert message(world(trusting({"AWS": zoe}, effect="Deny"), iam=[ASSUMES]), "zoe", AWAY) == told
    assert message(world(), "zoe", AWAY, role_arn=f"{APP}s") == f"{told}s"
    assert message(world(), "zoe", AWAY, role_arn=APP.replace("/team", "")) == told.replace("/team", "")


def test_the_limits_of_the_caller_count():
    other = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    by_account = trusting({"AWS": HOME})
    assert not may(world(by_account, iam=[ASSUMES], boundary=[other]))
    assert may(world(by_account, iam=[ASSUMES], boundary=[ASSUMES]))
    assert not may(world(trusting({"AWS": ALICE}), scps=[other]))
    assert may(world(trusting({"AWS": ALICE}), scps=[ASSUMES]))


def test_a_session_may_go_on_to_another_role_within_its_own_policy():
    directory = world(trusting({"AWS": HOME}), iam=[ASSUMES])
    kms_only = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}}'
    wish = AssumeRole(role_arn=APP, session_name="night")
    free = directory.session(HOME, "reader", "day")
    assert isinstance(assume_role(directory, free, wish), Principal)
    limited = directory.session(HOME, "reader", "day", session_policy=kms_only)
    refusal = assume_role(directory, limited, wish)
    assert isinstance(refusal, AssumeRoleRefusal)
    assert refusal.message.endswith("because no session policy allows the sts:AssumeRole action")


@pytest.mark.parametrize(
    ("key", "value", "options"),
    [
        ("sts:ExternalId", "42", {"external_id": "42"}),
        ("sts:RoleSessionName", "night", {}),
        ("aws:RequestTag/a", "b", {"tags": {"a": "b"}}),
        ("aws:ResourceTag/team", "shop", {}),
        ("aws:SourceIp", "192.0.2.7", {"values": {"aws:SourceIp": "192.0.2.7"}}),
    ],
)
def test_conditions_on_what_is_asked(key, value, options):
    actions = ["sts:AssumeRole", "sts:TagSession"]
    assert may(world(trusting({"AWS": ALICE}, actions, Condition={"StringEquals": {key: value}})), **options)
    assert not may(world(trusting({"AWS": ALICE}, actions, Condition={"StringEquals": {key: "other"}})), **options)


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (
            {"session_name": "a b"},
            "ValidationError",
            "at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular",
        ),
        ({"session_name": "a"}, "ValidationError", "Member must have length greater than or equal to 2"),
        ({"session_name": "a" * 65}, "ValidationError", "Member must have length less than or equal to 64"),
        (
            {"role_arn": "x"},
            "ValidationError",
            "at 'roleArn' failed to satisfy constraint: Member must have length greater",
        ),
        ({"role_arn": ALICE}, "ValidationError", "Request ARN is invalid"),
        (
            {"policy": "{" * 2049},
            "ValidationError",
            "at 'policy' failed to satisfy constraint: Member must have length less",
        ),
        ({"policy": "{"}, "MalformedPolicyDocument", ""),
        ({"tags": {"aws:a": "b"}}, "ValidationError", "aws:"),
        ({"tags": {str(n): "" for n in range(51)}}, "ValidationError", "at 'tags' failed"),
        ({"tags": {"k": "v" * 257}}, "ValidationError", "at 'tags.1.member.value' failed"),
    ],
)
def test_what_sts_takes_from_nobody(options, code, text):
    refusal = asked(world(trusting({"AWS": ALICE}, ["sts:AssumeRole", "sts:TagSession"])), **options)
    assert isinstance(refusal, AssumeRoleRefusal)
    assert (refusal.code, refusal.http_status) == (code, 400)
    assert text in refusal.message
