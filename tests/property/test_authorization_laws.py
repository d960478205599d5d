"""The laws of the decision, each over every caller, action and key. Source: ours, by the method of Cedar's tests."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from regionsim.authorization.decide import Code, Decision, Outcome, decide
from regionsim.authorization.grants import GrantIndex
from tests.property.authorization_worlds import HOME, KEYS, Statement, World, statements, worlds

LAYERS = ("key_policy", "boundary", "session", "scp")
Document = tuple[Statement, ...]

a_few = settings(max_examples=40)


def without(document: Document, effect: str) -> Document:
    return tuple(statement for statement in document if statement["Effect"] != effect)


def mapped(world: World, change: Any) -> World:
    """The world with `change` applied to every document."""
    return world.changed(
        **{layer: change(getattr(world, layer)) for layer in LAYERS},
        identity=tuple(change(document) for document in world.identity),
    )


def verdicts(decisions: list[Decision]) -> list[tuple[Outcome, Code]]:
    return [(decision.outcome, decision.code) for decision in decisions]


@given(worlds())
@a_few
def test_default_deny(world):
    """Without any Allow and any grant nothing is allowed."""
    bare = mapped(world, lambda document: without(document, "Allow")).changed(grants=())
    assert not any(decision.is_allowed for decision in bare.decisions())


@given(worlds(), st.sampled_from(["key_policy", "identity", "boundary", "session", "scp"]))
@a_few
def test_a_matching_deny_anywhere_wins(world, layer):
    denial: Statement = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    if layer == "key_policy":
        denial["Principal"] = "*"
    added = (*getattr(world, layer), denial) if layer != "identity" else (*world.identity, (denial,))
    changed = world.changed(**{layer: added})
    for each, decision in zip(changed.everybodys(), changed.decisions(), strict=True):
        is_bound = layer != "scp" or each.caller.account
        assert decision.outcome is Outcome.EXPLICITLY_DENIED or not is_bound


@given(worlds(), statements(effects=("Allow",), with_principals=True), statements(effects=("Allow",)))
@a_few
def test_adding_an_allow_never_takes_away(world, for_key, for_identity):
    # A layer that is absent does not limit, so an Allow is added only where the layer stands already.
    more: dict[str, Any] = {"key_policy": (*world.key_policy, for_key), "identity": (*world.identity, (for_identity,))}
    more.update({layer: (*getattr(world, layer), for_identity) for layer in LAYERS[1:] if getattr(world, layer)})
    for before, after in zip(world.decisions(), world.changed(**more).decisions(), strict=True):
        assert after.is_allowed or not before.is_allowed
        assert (after.outcome is Outcome.EXPLICITLY_DENIED) is (before.outcome is Outcome.EXPLICITLY_DENIED)


@given(worlds(), statements(effects=("Deny",), with_principals=True), statements(effects=("Deny",)))
@a_few
def test_adding_a_deny_never_gives(world, for_key, for_identity):
    befores = world.decisions()
    for more in (
        {"key_policy": (*world.key_policy, for_key)},
        {"identity": (*world.identity, (for_identity,))},
        {"boundary": (*world.boundary, for_identity)},
        {"session": (*world.session, for_identity)},
        {"scp": (*world.scp, for_identity)},
    ):
        for before, after in zip(befores, world.changed(**more).decisions(), strict=True):
            assert before.is_allowed or not after.is_allowed


@given(worlds(), st.randoms(use_true_random=False))
@a_few
def test_order_does_not_matter(world, random):
    def shuffled(items: Any) -> Any:
        return tuple(random.sample(items, len(items)))

    other = mapped(world, shuffled)
    other = other.changed(identity=shuffled(other.identity), grants=shuffled(world.grants))
    assert verdicts(other.decisions()) == verdicts(world.decisions())


@given(worlds())
@a_few
def test_saying_it_twice_changes_nothing(world):
    doubled = mapped(world, lambda document: document * 2)
    doubled = doubled.changed(identity=doubled.identity * 2, grants=world.grants * 2)
    assert verdicts(doubled.decisions()) == verdicts(world.decisions())


def split(statement: Statement) -> list[Statement]:
    """One statement for each action and each principal (lists within Not elements cannot be split)."""
    parts = [{**statement, "Action": action} for action in statement.get("Action", [])] or [statement]
    if "Principal" not in statement:
        return parts
    listed = {kind: [texts] if isinstance(texts, str) else texts for kind, texts in statement["Principal"].items()}
    return [{**part, "Principal": {kind: text}} for part in parts for kind, texts in listed.items() for text in texts]


@given(worlds())
@a_few
def test_splitting_lists_into_statements_changes_nothing(world):
    other = mapped(world, lambda document: tuple(part for statement in document for part in split(statement)))
    assert verdicts(other.decisions()) == verdicts(world.decisions())


@given(worlds())
@a_few
def test_without_delegation_iam_allows_change_nothing(world):
    """ "Unless the key policy explicitly allows it, you cannot use IAM policies to allow access". In the key's account."""

    def delegates(statement: Statement) -> bool:
        texts = statement.get("Principal", {}).get("AWS", [])
        return statement["Effect"] == "Allow" and any(text in (HOME, f"arn:aws:iam::{HOME}:root") for text in texts)

    undelegated = world.changed(
        key_policy=tuple(statement for statement in world.key_policy if not delegates(statement)),
        grants=tuple(grant for grant in world.grants if not grant.grantee.endswith(":root")),
    )
    bare = undelegated.changed(identity=tuple(without(document, "Allow") for document in world.identity))
    for each, one, other in zip(world.everybodys(), undelegated.decisions(), bare.decisions(), strict=True):
        assert one.outcome is other.outcome or each.caller.account != HOME


@given(worlds(), st.sampled_from(KEYS[1:3]))
@a_few
def test_a_statement_about_another_key_changes_nothing(world, other):
    """Region isolation, replicas included: the key ARN of one Region never names that of another."""
    about_other = [{**statement, "Resource": other} for statement in world.key_policy if "Resource" in statement]
    changed = world.changed(key_policy=(*world.key_policy, *about_other))
    assert verdicts(changed.decisions()) == verdicts(world.decisions())


@given(worlds())
@a_few
def test_a_decision_leaves_no_trace(world):
    """Callers by turns on the same compiled policies decide as each does alone, and no document changes."""
    before = json.dumps([world.key_policy, world.identity, dict(world.encryption_context)])
    policies, turns = world.policies(), world.everybodys()
    forth = [decide(turn.request(), policies) for turn in turns]
    back = [decide(turn.request(), policies) for turn in reversed(turns)]
    assert forth == list(reversed(back))
    for turn, decision in list(zip(turns, forth, strict=True))[::7]:
        assert turn.decide() == decision
    assert json.dumps([world.key_policy, world.identity, dict(world.encryption_context)]) == before


@given(worlds(), st.sampled_from([str.upper, str.lower, str.swapcase]))
@a_few
def test_case_of_actions_and_condition_keys_does_not_matter(world, recase):
    def statement(entry: Statement) -> Statement:
        changed = dict(entry)
        for name in ("Action", "NotAction"):
            if name in entry:
                changed[name] = [recase(text) for text in entry[name]]
        block = entry.get("Condition", {})
        changed["Condition"] = {
            operator: {recase(key): block[operator][key] for key in block[operator]} for operator in block
        }
        return changed

    other, policies = mapped(world, lambda document: tuple(map(statement, document))), world.policies()
    other_policies = other.policies()
    for each in world.everybodys():
        asked = each.request()
        expected = decide(asked, policies)
        decision = decide(replace(asked, action=recase(asked.action)), other_policies)
        assert (decision.outcome, decision.code) == (expected.outcome, expected.code)


@given(worlds())
@a_few
def test_an_index_of_grants_says_what_a_walk_over_them_says(world):
    indexed = replace(world.policies(), grants=GrantIndex(world.grants))
    decisions = [decide(each.request(), indexed) for each in world.everybodys()]
    assert verdicts(decisions) == verdicts(world.decisions())


@given(worlds())
@settings(max_examples=100)
def test_the_statement_named_is_decisive(world):
    """Without the statement that decided, the decision is another, or another statement takes its place."""
    for each, decision in list(zip(world.everybodys(), world.decisions(), strict=True))[::3]:
        deciding = decision.deciding
        if deciding is None or deciding.policy_type not in LAYERS:
            continue
        document = list(getattr(world, deciding.policy_type))
        # It is made inert and not taken out: so the others keep their numbers, and the layer stays.
        document[deciding.index - 1] = {
            **document[deciding.index - 1],
            "Condition": {"Null": {"aws:PrincipalType": "true"}},
        }
        assert each.changed(**{deciding.policy_type: tuple(document)}).decide() != decision
