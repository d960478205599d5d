"""The indexed engine against a naive one: every statement of every policy is walked, and nothing is compiled.

The naive engine is written from AWS's rules and shares no code with the product but the values of requests.

Source: KMS Developer Guide, "Key policies in AWS KMS"; IAM User Guide, "Policy evaluation logic"; where they leave a
point open, ours.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import event, given, settings

from regionsim.authorization.decide import Outcome
from tests.property.authorization_worlds import Statement, World, worlds

CROSS_ACCOUNT = {"kms:Encrypt", "kms:Decrypt", "kms:DescribeKey", "kms:CreateGrant"}


def glob(pattern: str, text: str, flags: int = 0) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern)
    return re.fullmatch(expression, text, re.DOTALL | flags) is not None


def fits_resource(pattern: str, arn: str) -> bool:
    wanted, given_fields = pattern.split(":", 5), arn.split(":", 5)
    return pattern == "*" or (
        len(wanted) == 6 and all(glob(one, other) for one, other in zip(wanted, given_fields, strict=True))
    )


def facts(world: World) -> dict[str, str | list[str]]:
    """The condition values of a world, computed anew."""
    caller, values = world.caller, {}
    if caller.account:
        values["aws:principalarn"] = caller.role_arn or caller.arn
    if ":user/" in caller.arn:
        values["aws:username"] = caller.name
    for name, text in world.encryption_context.items():
        values[f"kms:encryptioncontext:{name}".lower()] = text
    if world.encryption_context:
        values["kms:encryptioncontextkeys"] = list(world.encryption_context)
    if world.via_service is not None:
        values["kms:viaservice"] = world.via_service
    return values


def condition_holds(operator: str, wanted: list[str], actual: Any, known: dict[str, Any]) -> bool:
    if operator == "Null":
        return (actual is None) is (wanted == ["true"])
    wanted = [known.get("aws:username", "\0") if text == "${aws:username}" else text for text in wanted]
    if operator == "ForAnyValue:StringEquals":
        return any(one in wanted for one in actual or [])
    if operator == "ForAllValues:StringEquals":
        return all(one in wanted for one in actual or [])
    if actual is None:
        return operator.endswith("IfExists") or "Not" in operator
    hit = any(glob(text, actual) for text in wanted) if "Like" in operator else actual in wanted
    return hit is not ("Not" in operator)


def applies(statement: Statement, world: World) -> bool:
    """Action, Resource and Condition fit."""
    actions = statement.get("Action", statement.get("NotAction"))
    if any(glob(pattern, world.action, re.IGNORECASE) for pattern in actions) is ("NotAction" in statement):
        return False
    resources = statement.get("Resource", statement.get("NotResource"))
    if any(fits_resource(pattern, world.resource) for pattern in resources) is ("NotResource" in statement):
        return False
    known = facts(world)
    return all(
        condition_holds(operator, wanted, known.get(key.lower()), known)
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def names(world: World) -> tuple[set[str], set[str], set[str]]:
    """The caller's own names, its role's, its account's."""
    caller = world.caller
    account = {caller.account, f"arn:aws:iam::{caller.account}:root"} if caller.account else set()
    if caller.arn.endswith(":root"):
        return set(), set(), account
    return {caller.arn}, {caller.role_arn} if caller.role_arn else set(), account


def listed(statement: Statement, element: str) -> set[str]:
    principal = statement[element]
    return {*principal.get("AWS", []), *([principal["Service"]] if "Service" in principal else [])}


def named_by(statement: Statement, world: World) -> str | None:
    """How a key policy's Allow names the caller: direct, role, account, or not."""
    own, role, account = names(world)
    texts = listed(statement, "Principal")
    if texts & own or ("*" in texts and world.caller.account):
        return "direct"
    return "role" if texts & role else "account" if texts & account else None


def denied_by(statement: Statement, world: World) -> bool:
    own, role, account = names(world)
    if "NotPrincipal" not in statement:
        return bool(listed(statement, "Principal") & (own | role | account | {"*"}))
    texts = listed(statement, "NotPrincipal")
    is_spared = "*" in texts or ((not account or texts & account) and (texts & (own | role) or not own | role))
    return bool(world.boundary) or not is_spared


def naive(world: World) -> Outcome:
    """The decision by AWS's rules, statement by statement."""
    is_service = not world.caller.account
    is_root = world.caller.arn.endswith(":root")
    sides = [*world.identity, world.boundary, world.session, *([] if is_service else [world.scp])]
    if any(entry["Effect"] == "Deny" and applies(entry, world) for document in sides for entry in document):
        return Outcome.EXPLICITLY_DENIED
    if any(
        entry["Effect"] == "Deny" and denied_by(entry, world) and applies(entry, world) for entry in world.key_policy
    ):
        return Outcome.EXPLICITLY_DENIED

    def allows(document: tuple[Statement, ...]) -> bool:
        return any(entry["Effect"] == "Allow" and applies(entry, world) for entry in document)

    if world.scp and not is_service and not allows(world.scp):
        return Outcome.IMPLICITLY_DENIED
    limits = all(allows(document) for document in (world.boundary, world.session) if document)
    iam = (is_root or any(allows(document) for document in world.identity)) and limits
    ways = {
        named_by(entry, world) for entry in world.key_policy if entry["Effect"] == "Allow" and applies(entry, world)
    }
    if is_service or world.caller.account == world.resource.split(":")[4]:
        is_allowed = "direct" in ways or ("role" in ways and limits) or ("account" in ways and iam)
    else:
        if world.action not in CROSS_ACCOUNT:
            return Outcome.IMPLICITLY_DENIED
        is_allowed = bool(ways - {None}) and iam
    return Outcome.ALLOWED if is_allowed or granted(world, iam) else Outcome.IMPLICITLY_DENIED


def granted(world: World, iam: bool) -> bool:
    own, role, account = names(world)
    for grant in world.grants:
        if grant.key_arn != world.resource or world.action.removeprefix("kms:") not in grant.operations:
            continue
        sent = {(name.lower(), text) for name, text in world.encryption_context.items()}
        equals, subset = grant.constraints.encryption_context_equals, grant.constraints.encryption_context_subset
        if world.action != "kms:DescribeKey":
            if equals is not None and {(name.lower(), text) for name, text in equals.items()} != sent:
                continue
            if subset is not None and not {(name.lower(), text) for name, text in subset.items()} <= sent:
                continue
        if grant.grantee in own | role or (grant.grantee in account and iam):
            return True
    return False


def compare(world: World) -> None:
    for each, decision in zip(world.everybodys(), world.decisions(), strict=True):
        expected = naive(each)
        event(expected.value)
        assert decision.outcome is expected, (each.caller.arn, each.action, each.resource)


@given(worlds())
@settings(max_examples=120)
def test_indexed_evaluation_equals_naive_evaluation_of_every_statement(world):
    compare(world)


@given(worlds(limits=False))
@settings(max_examples=120)
def test_the_core_of_key_policy_and_identity_policies(world):
    compare(world)


@pytest.mark.slow
@given(worlds())
@settings(max_examples=1000, deadline=None)
def test_seventy_thousand_decisions(world):
    """The same as the first, for longer: 1,000 worlds, seventy decisions in each."""
    compare(world)
