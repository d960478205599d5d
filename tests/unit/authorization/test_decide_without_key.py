"""Decisions about aliases and about calls that concern no key: IAM alone decides.

Source: Service Authorization Reference; IAM User Guide, "Policy evaluation logic".
"""

from __future__ import annotations

import pytest

from regionsim.authorization.decide import Code
from tests.unit.authorization.cases import (
    ALIAS,
    AWAY,
    HOME,
    allow,
    compiled,
    decided,
    deny,
    key_policy,
    request,
    root,
    service,
    user,
)

EVERYTHING = compiled(allow())


@pytest.mark.parametrize(
    "asked", [request(action="kms:CreateKey", resource="*"), request(action="kms:CreateAlias", resource=ALIAS)]
)
def test_iam_decides(asked):
    assert decided(asked).code is Code.NO_IAM_ALLOW
    assert decided(asked, identity=(EVERYTHING,)).code is Code.ALLOW_IAM


@pytest.mark.parametrize(
    "asked", [request(action="kms:ListKeys", resource="*"), request(action="kms:UpdateAlias", resource=ALIAS)]
)
def test_a_key_policy_has_no_say(asked):
    assert not decided(asked, key_policy=key_policy(allow("*"))).is_allowed
    assert decided(asked, key_policy=key_policy(deny("*")), identity=(EVERYTHING,)).is_allowed


def test_the_root_user_counts_as_allowed_by_iam():
    decision = decided(request(root(), "kms:CreateKey", "*"))
    assert decision.code is Code.ALLOW_IAM
    assert decision.deciding is None


def test_boundary_and_session_policy_limit():
    asked, silent = request(action="kms:ListKeys", resource="*"), compiled(allow(action="s3:*"))
    assert decided(asked, identity=(EVERYTHING,), boundary=(silent,)).code is Code.IMPLICIT_DENY_PB
    assert decided(asked, identity=(EVERYTHING,), session=(silent,)).code is Code.IMPLICIT_DENY_SESSION
    assert decided(asked, identity=(EVERYTHING,), boundary=(EVERYTHING,), session=(EVERYTHING,)).is_allowed


def test_an_alias_of_another_account_is_out_of_reach():
    asked = request(user("bob", AWAY), "kms:DeleteAlias", ALIAS)
    assert decided(asked, identity=(EVERYTHING,)).code is Code.NOT_USABLE_CROSS_ACCOUNT


def test_a_service_has_no_iam():
    assert decided(request(service(), "kms:GenerateRandom", "*")).code is Code.NO_IAM_ALLOW


def test_a_policy_for_keys_does_not_cover_what_has_no_key():
    keys_only = compiled(allow(resource=f"arn:aws:kms:*:{HOME}:key/*"))
    assert not decided(request(action="kms:CreateKey", resource="*"), identity=(keys_only,)).is_allowed


def test_an_alias_arn_never_names_a_key():
    alias_only = compiled(allow(resource=ALIAS))
    assert decided(request(action="kms:CreateAlias", resource=ALIAS), identity=(alias_only,)).is_allowed
    asked = request(context={"kms:requestalias": "alias/orders"})
    assert not decided(asked, key_policy=key_policy(allow(HOME)), identity=(alias_only,)).is_allowed
