"""The explanation object: layers, nearest miss, fixes."""

from __future__ import annotations

import pytest

from regionsim.authorization.decide import Code, Policies
from regionsim.authorization.explain import explain
from regionsim.authorization.policy import PolicyKind
from tests.unit.authorization.cases import (
    AWAY,
    HOME,
    KEY,
    account_arn,
    allow,
    compiled,
    delegating,
    deny,
    grant,
    key_policy,
    request,
    service,
    session,
    user,
)

APP = f"arn:aws:iam::{HOME}:role/app"
ALICE = f"arn:aws:iam::{HOME}:user/alice"


def explained(asked=None, **layers):
    return explain(asked or request(), Policies(**layers))


def layer(explanation, name):
    return next(each for each in explanation.layers if each.layer == name)


def kinds(explanation):
    return [fix.as_json()["kind"] for fix in explanation.fixes]


def test_the_key_policy_does_not_delegate():
    found = explained(key_policy=key_policy(allow(APP, "kms:Decrypt", Sid="Use")), identity=(compiled(allow()),))
    assert found.decision.code is Code.KEY_POLICY_DOES_NOT_DELEGATE
    assert [(each.layer, each.verdict, each.mark) for each in found.layers] == [
        ("key_policy", "no_allow", "x"),
        ("identity", "allow_without_effect", "!"),
        ("grants", "absent", "-"),
        ("boundary", "absent", "-"),
        ("session", "absent", "-"),
        ("scp", "absent", "-"),
        ("rcp", "absent", "-"),
        ("vpc_endpoint", "absent", "-"),
    ]
    where, nearest = found.nearest
    assert (where, nearest.index, nearest.failed, nearest.distance) == ("key_policy", 1, ("principal",), 2)
    assert nearest.principal.wanted == (APP,)
    assert kinds(found) == ["key_policy_principal", "key_policy_statement", "key_policy_delegation", "grant"]
    assert found.fixes[0].as_json()["edit"] == [
        {"op": "replace", "path": "/Statement/0/Principal/AWS", "value": [APP, ALICE]}
    ]


def test_the_statement_closest_by_elements_then_weight_comes_first():
    via = {"StringEquals": {"kms:ViaService": "ec2.us-west-2.amazonaws.com"}}
    found = explained(
        key_policy=key_policy(
            allow(APP, "kms:Sign"), allow(ALICE, "kms:Sign"), allow(APP, "kms:Decrypt"), allow(ALICE, Condition=via)
        )
    )
    where, nearest = found.nearest
    assert (where, nearest.index, nearest.failed) == ("key_policy", 4, ("condition",))
    assert nearest.as_json()["conditions"] == [
        {
            "operator": "StringEquals",
            "key": "kms:ViaService",
            "wanted": ["ec2.us-west-2.amazonaws.com"],
            "actual": None,
            "present": False,
            "ok": False,
        }
    ]


def test_a_wanted_encryption_context_is_a_fix():
    wants = {"StringEquals": {"kms:EncryptionContext:App": ["pay", "shop"]}}
    found = explained(
        request(encryption_context={"Env": "a"}), key_policy=key_policy(allow(ALICE, "kms:Decrypt", Condition=wants))
    )
    assert found.fixes[0].as_json()["edit"] == [{"op": "add", "path": "/encryptionContext/App", "value": "pay"}]
    assert found.context_read == {"kms:encryptioncontext:app": None}


def test_a_delegated_request_without_iam():
    found = explained(key_policy=delegating())
    assert found.decision.code is Code.DELEGATED_BUT_NO_IAM_ALLOW
    assert layer(found, "key_policy").verdict == "delegates"
    assert kinds(found)[0] == "identity_policy"


def test_an_explicit_deny_says_what_would_hold_without_it():
    found = explained(key_policy=key_policy(deny("*", Sid="No"), allow(ALICE)))
    assert found.summary.endswith("Without it this would be allowed.")
    assert '(key policy, statement 1 "No")' in found.summary
    assert kinds(found) == ["deny_exception", "remove_deny"]
    useless = explained(key_policy=key_policy(deny("*")))
    assert useless.summary.endswith("Nothing else allows it either.")


def test_several_things_missing_are_one_combined_fix():
    boundary = compiled(allow(None, "kms:Sign"), kind=PolicyKind.BOUNDARY)
    found = explained(request(session()), key_policy=delegating(), boundary=(boundary,))
    combined = next(fix.as_json() for fix in found.fixes if len(fix.steps) == 2)
    assert combined["kind"] == "combined"
    assert [step["kind"] for step in combined["steps"]] == ["identity_policy", "boundary_statement"]


def test_another_account_needs_both_sides():
    found = explained(request(user("bob", AWAY)), key_policy=delegating())
    assert found.decision.code is Code.CROSS_ACCOUNT_NO_KEY_POLICY_ALLOW
    assert ["key_policy_statement", "identity_policy"] in [[step.kind for step in fix.steps] for fix in found.fixes]
    nothing = explained(request(user("bob", AWAY), "kms:PutKeyPolicy"), key_policy=delegating())
    assert nothing.decision.code is Code.NOT_USABLE_CROSS_ACCOUNT
    assert nothing.fixes == ()


def test_an_allow_for_anyone_does_not_fit_a_service():
    found = explained(request(service()), key_policy=key_policy(allow("*")))
    assert found.nearest[1].failed == ("principal",)
    assert found.fixes[0].as_json()["edit"][0]["value"]["Principal"] == {"Service": "s3.amazonaws.com"}


def test_what_is_allowed_has_neither_nearest_nor_fixes_nor_a_message():
    found = explained(grants=(grant(ALICE, "Decrypt"), grant(ALICE, "Encrypt", grant_id="g2")))
    assert found.decision.code is Code.ALLOW_GRANT
    assert (found.nearest, found.fixes, found.aws_message) == (None, (), None)
    assert layer(found, "grants").as_json() == {"layer": "grants", "verdict": "allow", "mark": "ok", "considered": 2}


def test_scp_levels_must_each_allow():
    full, narrow = (
        compiled(allow(), kind=PolicyKind.SCP),
        compiled(allow(None, "s3:*"), kind=PolicyKind.SCP, name="narrow"),
    )
    found = explained(key_policy=key_policy(allow(ALICE)), scps=((full,), (narrow,)))
    assert layer(found, "scp").verdict == "no_allow"
    assert found.fixes[0].steps[0].policy == "narrow"
    assert layer(explained(request(service()), scps=((narrow,),)), "scp").verdict == "no_say"


def test_a_policy_of_a_single_statement_is_patched_at_its_own_place():
    from regionsim.authorization.compile import compile_policy

    single = compile_policy({"Statement": allow({"Service": "s3.amazonaws.com"})}, name="k", kind=PolicyKind.KEY)
    found = explained(key_policy=single)
    assert found.fixes[0].as_json()["edit"] == [{"op": "add", "path": "/Statement/Principal/AWS", "value": ALICE}]


@pytest.mark.parametrize("name", ["request", "layers", "fixes", "summary", "aws_message", "deciding", "code"])
def test_the_object_as_json(name):
    found = explained(key_policy=delegating(), identity=(compiled(allow(), name="Admin"),)).as_json()
    assert name in found
    assert found["deciding"] == {"policyType": "identity", "policy": "Admin", "sid": None, "index": 1}
    assert found["request"]["resource"] == KEY
    assert account_arn() in found["request"]["principal_names"]
