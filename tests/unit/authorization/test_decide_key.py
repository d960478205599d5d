"""Decisions about a key: AWS's rules, one test for each, with AWS's words.

Source: KMS Developer Guide, "Key policies in AWS KMS"; IAM User Guide, "Policy evaluation logic".
"""

from __future__ import annotations

import pytest

from regionsim.authorization.decide import Code, Deciding, Outcome
from regionsim.authorization.policy import PolicyKind
from tests.unit.authorization.cases import (
    AWAY,
    HOME,
    KEY,
    OTHER_KEY,
    account_arn,
    allow,
    compiled,
    decided,
    delegating,
    deny,
    key_policy,
    request,
    root,
    service,
    session,
    user,
)

ALICE = f"arn:aws:iam::{HOME}:user/alice"
APP = f"arn:aws:iam::{HOME}:role/app"
SESSION = f"arn:aws:sts::{HOME}:assumed-role/app/s1"
EVERYTHING = compiled(allow(), name="everything")
NOTHING_OF_KMS = compiled(allow(action="s3:*"), name="s3 only")


@pytest.mark.parametrize("caller", [user(), session(), root()])
def test_nobody_root_included_starts_with_anything(caller):
    """ "No AWS principal, including the account root user or key creator, has any permissions to a KMS key unless they are
    explicitly allowed, and never denied, in a key policy, IAM policy, or grant." """
    decision = decided(request(caller), key_policy=key_policy(allow(f"arn:aws:iam::{HOME}:user/other")))
    assert (decision.outcome, decision.code) == (Outcome.IMPLICITLY_DENIED, Code.NOTHING_ALLOWS)
    assert not decision.is_allowed
    assert decision.deciding is None


def test_without_any_policy_the_answer_is_no():
    assert decided(request()).code is Code.NOTHING_ALLOWS


def test_iam_allows_only_where_the_key_policy_delegates():
    """ "Unless the key policy explicitly allows it, you cannot use IAM policies to allow access" """
    decision = decided(request(), key_policy=key_policy(allow(APP)), identity=(EVERYTHING,))
    assert decision.code is Code.KEY_POLICY_DOES_NOT_DELEGATE


def test_iam_denies_without_permission_from_a_key_policy():
    """ "You can use an IAM policy to deny ... without permission from a key policy." """
    decision = decided(
        request(), key_policy=key_policy(allow(ALICE)), identity=(compiled(deny(action="kms:Decrypt"), name="no"),)
    )
    assert decision.outcome is Outcome.EXPLICITLY_DENIED
    assert decision.code is Code.EXPLICIT_DENY_IDENTITY
    assert decision.deciding == Deciding(policy_type="identity", policy="no", sid=None, index=1)


@pytest.mark.parametrize("spelling", [account_arn(), HOME])
def test_the_account_principal_delegates_and_does_not_grant(spelling):
    """ "the policy statement doesn't give any IAM users or roles permission to use the KMS key." """
    policy = key_policy(allow(spelling))
    assert decided(request(), key_policy=policy).code is Code.DELEGATED_BUT_NO_IAM_ALLOW
    decision = decided(request(), key_policy=policy, identity=(NOTHING_OF_KMS, EVERYTHING))
    assert decision.code is Code.ALLOW_IAM_DELEGATED
    assert decision.deciding == Deciding(policy_type="identity", policy="everything", sid=None, index=1)


def test_the_account_principal_includes_the_root_user():
    decision = decided(request(root()), key_policy=delegating())
    assert decision.is_allowed
    assert decision.deciding == Deciding(
        policy_type="key_policy", policy="key policy", sid="Enable IAM User Permissions", index=1
    )


def test_a_delegation_covers_its_own_actions_only():
    policy = key_policy(allow(account_arn(), action="kms:Describe*"))
    assert decided(request(action="kms:DescribeKey"), key_policy=policy, identity=(EVERYTHING,)).is_allowed
    assert decided(request(), key_policy=policy, identity=(EVERYTHING,)).code is Code.KEY_POLICY_DOES_NOT_DELEGATE


def test_a_delegation_covers_its_own_conditions_only():
    policy = key_policy(
        allow(account_arn(), Condition={"StringEquals": {"kms:ViaService": "s3.us-west-2.amazonaws.com"}})
    )
    assert not decided(request(), key_policy=policy, identity=(EVERYTHING,)).is_allowed
    via = request(context={"kms:viaservice": "s3.us-west-2.amazonaws.com"})
    assert decided(via, key_policy=policy, identity=(EVERYTHING,)).is_allowed


@pytest.mark.parametrize(
    ("principal", "caller"),
    [
        (ALICE, user()),
        (APP, session()),
        (SESSION, session()),
        ("*", user()),
        ("*", session("other")),
        ("*", root()),
        ({"AWS": "*"}, user()),
        ({"Service": "s3.amazonaws.com"}, service()),
    ],
)
def test_a_caller_named_directly_needs_no_iam(principal, caller):
    decision = decided(request(caller), key_policy=key_policy(allow(principal, Sid="use")))
    assert decision.code is Code.ALLOW_KEY_POLICY
    assert decision.deciding == Deciding(policy_type="key_policy", policy="key policy", sid="use", index=1)


@pytest.mark.parametrize(
    ("principal", "caller"),
    [
        (ALICE, user("mallory")),
        (ALICE, user("Alice")),
        (ALICE, user("alice", path="/team/")),
        (ALICE, session("alice")),
        (ALICE, root()),
        (SESSION, session(name="s2")),
        (f"arn:aws:iam::{AWAY}:role/app", session()),
        (f"arn:aws-cn:iam::{HOME}:root", root()),
        ({"Service": "ec2.amazonaws.com"}, service()),
        ("*", service()),
        ({"Federated": "cognito-identity.amazonaws.com"}, user()),
        ("AIDAABCDEFGHIJKLMNOPQ", user()),
    ],
)
def test_somebody_else_is_not_named(principal, caller):
    assert decided(request(caller), key_policy=key_policy(allow(principal))).code is Code.NOTHING_ALLOWS


def test_a_role_arn_names_all_its_sessions_and_its_path_does_not_matter():
    """The path is not in the session ARN: compare role *name*."""
    policy = key_policy(allow(f"arn:aws:iam::{HOME}:role/service/app"))
    assert decided(request(session("app", "any", path="/service/")), key_policy=policy).is_allowed


@pytest.mark.parametrize("limit", ["boundary", "session"])
def test_boundary_and_session_policy_limit_what_a_role_arn_is_allowed(limit):
    code = Code.IMPLICIT_DENY_PB if limit == "boundary" else Code.IMPLICIT_DENY_SESSION
    decision = decided(request(session()), key_policy=key_policy(allow(APP)), **{limit: (NOTHING_OF_KMS,)})
    assert decision.code is code


@pytest.mark.parametrize("limit", ["boundary", "session"])
@pytest.mark.parametrize(("principal", "caller"), [(ALICE, user()), (SESSION, session()), ("*", session())])
def test_boundary_and_session_policy_do_not_limit_a_user_a_session_or_everybody(limit, principal, caller):
    decision = decided(request(caller), key_policy=key_policy(allow(principal)), **{limit: (NOTHING_OF_KMS,)})
    assert decision.code is Code.ALLOW_KEY_POLICY


@pytest.mark.parametrize(
    ("limit", "code"), [("boundary", Code.IMPLICIT_DENY_PB), ("session", Code.IMPLICIT_DENY_SESSION)]
)
def test_boundary_and_session_policy_limit_what_iam_allows(limit, code):
    layers = {"key_policy": delegating(), "identity": (EVERYTHING,)}
    assert decided(request(), **layers, **{limit: (NOTHING_OF_KMS,)}).code is code
    assert decided(request(), **layers, **{limit: (EVERYTHING,)}).is_allowed


@pytest.mark.parametrize(
    ("layer", "code"),
    [
        ("identity", Code.EXPLICIT_DENY_IDENTITY),
        ("boundary", Code.EXPLICIT_DENY_PB),
        ("session", Code.EXPLICIT_DENY_SESSION),
    ],
)
def test_an_explicit_deny_in_any_layer_beats_a_direct_allow(layer, code):
    decision = decided(request(), key_policy=key_policy(allow(ALICE)), **{layer: (compiled(deny()),)})
    assert (decision.outcome, decision.code) == (Outcome.EXPLICITLY_DENIED, code)


@pytest.mark.parametrize(
    ("layer", "kind", "code"),
    [
        ("scps", PolicyKind.SCP, Code.EXPLICIT_DENY_SCP),
        ("rcps", PolicyKind.RCP, Code.EXPLICIT_DENY_RCP),
        ("endpoint", PolicyKind.ENDPOINT, Code.EXPLICIT_DENY_VPCE),
    ],
)
def test_an_explicit_deny_beyond_the_account_beats_a_direct_allow(layer, kind, code):
    principal = "*" if kind.names_principals else None
    policy = compiled(allow(principal), deny(principal, action="kms:Decrypt"), kind=kind)
    layers = {layer: (policy,) if layer == "endpoint" else ((policy,),)}
    assert decided(request(), key_policy=key_policy(allow(ALICE)), **layers).code is code
    assert decided(request(action="kms:Encrypt"), key_policy=key_policy(allow(ALICE)), **layers).is_allowed


@pytest.mark.parametrize("principal", [ALICE, HOME, account_arn(), "*"])
def test_a_deny_in_the_key_policy_reaches_a_caller_under_any_of_its_names(principal):
    decision = decided(request(), key_policy=key_policy(allow(ALICE), deny(principal, Sid="no")))
    assert decision.code is Code.EXPLICIT_DENY_RESOURCE
    assert decision.deciding == Deciding(policy_type="key_policy", policy="key policy", sid="no", index=2)


def test_a_deny_of_everybody_reaches_services_too():
    """Unlike in an Allow: perimeter policies rely on it (aws:PrincipalIsAWSService)."""
    policy = key_policy(allow({"Service": "s3.amazonaws.com"}), deny("*"))
    assert decided(request(service()), key_policy=policy).code is Code.EXPLICIT_DENY_RESOURCE
    spared = deny("*", Condition={"BoolIfExists": {"aws:PrincipalIsAWSService": "false"}})
    assert decided(request(service()), key_policy=key_policy(allow({"Service": "s3.amazonaws.com"}), spared)).is_allowed


def test_the_first_deny_in_awss_order_is_named():
    layers = {
        "key_policy": key_policy(deny("*")),
        "identity": (compiled(deny()),),
        "scps": ((compiled(deny(), kind=PolicyKind.SCP),),),
    }
    assert decided(request(), **layers).code is Code.EXPLICIT_DENY_SCP
    del layers["scps"]
    assert decided(request(), **layers).code is Code.EXPLICIT_DENY_RESOURCE


def test_every_level_of_scps_must_allow():
    allowing, silent = compiled(allow(), kind=PolicyKind.SCP), compiled(allow(action="s3:*"), kind=PolicyKind.SCP)
    layers = {"key_policy": key_policy(allow(ALICE))}
    assert decided(request(), scps=((allowing,), (silent, allowing)), **layers).is_allowed
    assert decided(request(), scps=((allowing,), (silent,)), **layers).code is Code.IMPLICIT_DENY_SCP
    assert decided(request(), scps=((allowing,), ()), **layers).code is Code.IMPLICIT_DENY_SCP


def test_scps_bind_the_root_user_but_neither_services_nor_service_linked_roles():
    layers = {"scps": ((compiled(deny(), kind=PolicyKind.SCP),),)}
    assert decided(request(root()), key_policy=delegating(), **layers).code is Code.EXPLICIT_DENY_SCP
    assert decided(
        request(service()), key_policy=key_policy(allow({"Service": "s3.amazonaws.com"})), **layers
    ).is_allowed
    linked = session("AWSServiceRoleForX", path="/aws-service-role/x.amazonaws.com/")
    assert decided(request(linked), key_policy=key_policy(allow("*")), **layers).is_allowed


def test_rcps_do_not_bind_service_linked_roles():
    layers = {"rcps": ((compiled(deny("*"), kind=PolicyKind.RCP),),), "key_policy": key_policy(allow("*"))}
    linked = session("AWSServiceRoleForX", path="/aws-service-role/x.amazonaws.com/")
    assert decided(request(linked), **layers).is_allowed
    assert decided(request(), **layers).code is Code.EXPLICIT_DENY_RCP


def test_an_endpoint_policy_without_an_allow_denies():
    endpoint = compiled(allow(f"arn:aws:iam::{HOME}:user/bob"), kind=PolicyKind.ENDPOINT)
    layers = {"key_policy": key_policy(allow("*")), "endpoint": (endpoint,)}
    assert decided(request(), **layers).code is Code.IMPLICIT_DENY_VPCE
    assert decided(request(user("bob")), **layers).is_allowed


def test_key_policies_are_about_their_key_only():
    """ "A key policy controls access only to a KMS key in the same Region." Another key's ARN as Resource has no effect."""
    assert not decided(request(), key_policy=key_policy(allow("*", resource=OTHER_KEY))).is_allowed
    assert decided(request(), key_policy=key_policy(allow("*", resource=KEY))).is_allowed


@pytest.mark.parametrize("missing", ["Action", "Resource"])
@pytest.mark.parametrize("statement", [allow("*"), deny("*")])
def test_a_statement_without_resource_or_action_is_accepted_and_has_no_effect(missing, statement):
    without = {name: value for name, value in statement.items() if name != missing}
    expected = Code.ALLOW_KEY_POLICY if statement["Effect"] == "Deny" else Code.NOTHING_ALLOWS
    others = [allow("*")] if statement["Effect"] == "Deny" else []
    assert decided(request(), key_policy=key_policy(without, *others)).code is expected


def test_retire_grant_in_a_key_policy_or_rcp_has_no_effect():
    asked = request(action="kms:RetireGrant")
    layers = {"key_policy": key_policy(allow("*"), deny("*")), "rcps": ((compiled(deny("*"), kind=PolicyKind.RCP),),)}
    assert decided(asked, **layers).code is Code.NOTHING_ALLOWS


class TestNotPrincipal:
    """Deny with NotPrincipal spares only a caller whose own ARN (or role) and account are listed."""

    @staticmethod
    def policy(*spared: str):
        statement = deny(None, NotPrincipal={"AWS": list(spared)})
        return key_policy(allow("*"), statement)

    @pytest.mark.parametrize(
        ("spared", "caller", "is_allowed"),
        [
            ((ALICE, HOME), user(), True),
            ((ALICE, account_arn()), user(), True),
            ((ALICE,), user(), False),
            ((HOME,), user(), False),
            ((HOME,), root(), True),
            ((APP, HOME), session(), True),
            ((SESSION, HOME), session(), True),
            ((APP, HOME), user(), False),
            (("*",), user(), True),
        ],
    )
    def test_who_is_spared(self, spared, caller, is_allowed):
        assert decided(request(caller), key_policy=self.policy(*spared)).is_allowed is is_allowed

    def test_a_service_has_no_account_to_be_listed(self):
        statement = deny(None, NotPrincipal={"Service": "s3.amazonaws.com"})
        policy = key_policy(allow({"Service": ["s3.amazonaws.com", "ec2.amazonaws.com"]}), statement)
        assert decided(request(service()), key_policy=policy).is_allowed
        assert not decided(request(service("ec2.amazonaws.com")), key_policy=policy).is_allowed

    def test_a_caller_with_a_boundary_is_never_spared(self):
        layers = {"key_policy": self.policy(ALICE, HOME), "boundary": (EVERYTHING,)}
        assert decided(request(), **layers).code is Code.EXPLICIT_DENY_RESOURCE

    def test_its_conditions_count(self):
        statement = deny(None, NotPrincipal={"AWS": HOME}, Condition={"Bool": {"kms:MultiRegion": True}})
        policy = key_policy(allow("*"), statement)
        assert decided(request(), key_policy=policy).is_allowed
        assert not decided(request(context={"kms:multiregion": "true"}), key_policy=policy).is_allowed

    def test_with_allow_it_allows_nobody(self):
        statement = allow(None, NotPrincipal={"AWS": f"arn:aws:iam::{HOME}:user/bob"})
        assert not decided(request(), key_policy=key_policy(statement)).is_allowed


class TestOtherAccount:
    """Cross account needs both sides, and an operation that can be used across accounts."""

    CALLER = user("bob", AWAY)
    BOB = f"arn:aws:iam::{AWAY}:user/bob"

    @pytest.mark.parametrize("principal", [BOB, AWAY, account_arn(AWAY), "*"])
    def test_the_key_policy_alone_is_not_enough(self, principal):
        """ "Users in other AWS accounts just need corresponding IAM permissions in their own accounts" """
        policy = key_policy(allow(principal))
        assert decided(request(self.CALLER), key_policy=policy).code is Code.CROSS_ACCOUNT_NO_IAM_ALLOW
        decision = decided(request(self.CALLER), key_policy=policy, identity=(EVERYTHING,))
        assert decision.code is Code.ALLOW_CROSS_ACCOUNT

    def test_iam_alone_is_not_enough(self):
        decision = decided(request(self.CALLER), key_policy=delegating(), identity=(EVERYTHING,))
        assert decision.code is Code.CROSS_ACCOUNT_NO_KEY_POLICY_ALLOW

    def test_management_of_a_foreign_key_is_never_allowed(self):
        layers = {"key_policy": key_policy(allow("*")), "identity": (EVERYTHING,)}
        asked = request(self.CALLER, action="kms:PutKeyPolicy")
        assert decided(asked, **layers).code is Code.NOT_USABLE_CROSS_ACCOUNT
        assert decided(request(self.CALLER, action="kms:DescribeKey"), **layers).is_allowed

    def test_the_root_user_counts_as_allowed_by_iam(self):
        assert decided(request(root(AWAY)), key_policy=key_policy(allow(AWAY))).code is Code.ALLOW_CROSS_ACCOUNT

    def test_boundary_and_session_policy_limit_even_who_is_named_directly(self):
        layers = {"key_policy": key_policy(allow(self.BOB)), "identity": (EVERYTHING,)}
        assert decided(request(self.CALLER), boundary=(NOTHING_OF_KMS,), **layers).code is Code.IMPLICIT_DENY_PB
        assert decided(request(self.CALLER), session=(NOTHING_OF_KMS,), **layers).code is Code.IMPLICIT_DENY_SESSION

    def test_the_callers_iam_must_fit_the_foreign_keys_arn(self):
        layers = {"key_policy": key_policy(allow(AWAY))}
        fitting = compiled(allow(resource=f"arn:aws:kms:*:{HOME}:key/*"))
        unfitting = compiled(allow(resource=f"arn:aws:kms:*:{AWAY}:key/*"))
        assert decided(request(self.CALLER), identity=(fitting,), **layers).is_allowed
        assert not decided(request(self.CALLER), identity=(unfitting,), **layers).is_allowed


def test_aliases_of_the_key_count_in_iam_policies_only():
    """Source: KMS Developer Guide, "Condition keys for AWS KMS", kms:ResourceAliases."""
    by_alias = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/orders"}}
    asked = request(context={"kms:ResourceAliases": ("alias/orders",)})
    assert not decided(asked, key_policy=key_policy(allow(ALICE, Condition=by_alias))).is_allowed
    assert decided(asked, key_policy=delegating(), identity=(compiled(allow(Condition=by_alias)),)).is_allowed
