"""Explanations agree with decisions, name what is truly decisive, and offer only fixes that work."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import event, given, settings

from regionsim.authorization.cases import explain_case
from regionsim.authorization.decide import Outcome, decide
from regionsim.authorization.explain import explain
from tests.property.authorization_worlds import World, worlds

LAYERS = {"key_policy": "keyPolicy", "boundary": "permissionsBoundary", "session": "sessionPolicy"}


def document(statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": copy.deepcopy(list(statements))}


def case_of(world: World) -> dict[str, Any]:
    """The world as a line of `explain --cases` would say it."""
    request = world.request()
    case: dict[str, Any] = {
        "principal": world.caller.arn,
        "action": world.action,
        "resource": world.resource,
        "encryptionContext": dict(world.encryption_context),
        "contextKeys": {
            key: value if isinstance(value, str) else list(value)
            for key in request.context
            if (value := request.context.get(key)) is not None
        },
        "identityPolicies": [
            {"name": f"p{at}", "policy": document(each)} for at, each in enumerate(world.identity) if each
        ],
        "grants": [
            {
                "GrantId": grant.grant_id,
                "GranteePrincipal": grant.grantee,
                "Operations": sorted(grant.operations),
                "Constraints": {
                    name: dict(pairs)
                    for name, pairs in (
                        ("EncryptionContextEquals", grant.constraints.encryption_context_equals),
                        ("EncryptionContextSubset", grant.constraints.encryption_context_subset),
                    )
                    if pairs is not None
                },
            }
            for grant in world.grants
            if grant.key_arn == world.resource
        ],
    }
    for name, statements in (
        ("key_policy", world.key_policy),
        ("boundary", world.boundary),
        ("session", world.session),
    ):
        if statements:
            case[LAYERS[name]] = document(statements)
    if world.scp:
        case["scps"] = [[document(world.scp)]]
    return case


def target_of(case: dict[str, Any], step: dict[str, Any]) -> Any:
    """The document that a step of a fix patches."""
    layer = step["layer"]
    if layer in LAYERS:
        return case[LAYERS[layer]]
    if layer == "scp":
        return case["scps"][0][0]
    if layer == "identity" and step["policy"] is not None:
        return next(each["policy"] for each in case["identityPolicies"] if each["name"] == step["policy"])
    return case


def apply(case: dict[str, Any], step: dict[str, Any]) -> None:
    """The step, applied by a patcher of the test's own."""
    for edit in step["edit"]:
        if edit["path"] == "":
            case["identityPolicies"] = [each for each in case["identityPolicies"] if each["name"] != step["policy"]]
            continue
        *way, last = edit["path"].split("/")[1:]
        place = target_of(case, step)
        for part in way:
            place = place[int(part)] if isinstance(place, list) else place[part]
        if edit["op"] == "remove":
            del place[int(last) if isinstance(place, list) else last]
        elif isinstance(place, list):
            place.append(edit["value"])
        else:
            place[last] = edit["value"]
        if edit["path"].startswith("/encryptionContext"):
            case["contextKeys"] = {
                key: value for key, value in case["contextKeys"].items() if not key.startswith("kms:encryptioncontext")
            }


@given(worlds())
@settings(max_examples=15)
def test_the_decision_is_that_of_decide_for_everybody(world):
    policies = world.policies()
    for each in world.everybodys()[::3]:
        request = each.request()
        explained, decision = explain(request, policies), decide(request, policies)
        assert explained.decision == decision
        assert (explained.aws_message is None) is decision.is_allowed
        if decision.deciding is None or decision.deciding.policy_type == "grant":
            continue
        reports = [
            report
            for layer in explained.layers
            if layer.layer == decision.deciding.policy_type
            for report in layer.statements
            if report.index == decision.deciding.index and report.applies
        ]
        assert reports, "the walk finds what decided"


@given(worlds())
@settings(max_examples=60)
def test_a_denial_that_names_no_statement_has_no_denying_layer(world):
    explained = explain(world.request(), world.policies())
    denies = [layer for layer in explained.layers if layer.verdict == "explicit_deny"]
    assert bool(denies) is (explained.decision.outcome is Outcome.EXPLICITLY_DENIED)


@given(worlds())
@settings(max_examples=80)
def test_every_fix_works_when_a_stranger_applies_it(world):
    case = case_of(world)
    explained = explain_case(case).as_json()
    assert explained["decision"] == world.decide().outcome.value
    for fix in explained["fixes"]:
        event(fix["kind"])
        mended = copy.deepcopy(case)
        for step in fix.get("steps", [fix]):
            apply(mended, step)
        assert explain_case(mended).decision.is_allowed, fix
        assert '"*"' not in str(fix).partition("Principal")[2].partition("}")[0]
