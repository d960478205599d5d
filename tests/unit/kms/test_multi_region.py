"""What the other Region says when it is asked: whether a replica may be made there, or become the primary."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from regionsim.accounts.directory import Directory
from regionsim.authorization.policy import PolicyKind, parse_policy
from regionsim.kms.errors import KmsError
from regionsim.kms.key import KeyState, replicas_in
from regionsim.kms.operations.multi_region import (
    ReplicateKey,
    ReplicateKeyRequest,
    UpdatePrimaryRegion,
    UpdatePrimaryRegionRequest,
    answer_question,
    asked_region,
)
from regionsim.kms.plan import Call, Plan, View
from regionsim.kms.questions import Answer, MayBecomePrimary, MayCreateReplica
from regionsim.kms.writes import PutKey, PutToken
from tests.unit.kms.keys import HERE, HOME, MRK_ID, NOW_NS, a_key, a_token, caller, directory, material, state_with

THERE = "eu-west-1"
REGIONS = (HERE, THERE, "ap-southeast-2")
ROOT = f"arn:aws:iam::{HOME}:root"
TAGS = (("Team", "blue"),)


def policy(principal: str = ROOT) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def iam(*actions: str, condition: dict[str, Any] | None = None) -> Directory:
    """A directory in which bob may do these."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    if condition:
        statement["Condition"] = condition
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return directory().with_user_policy(HOME, "bob", "some", parse_policy(document, kind=PolicyKind.IDENTITY))


def view(*keys: Any, region: str = THERE, known: Directory | None = None, answer: Answer | None = None) -> View:
    return View(
        state=state_with(
            *(PutKey(key=key) for key in keys), *(PutToken(material=a_token(key.key_id)) for key in keys), region=region
        ),
        directory=known or directory(),
        now_ns=NOW_NS,
        regions=REGIONS,
        remote_answer=answer,
    )


def primary(**changes: Any) -> Any:
    return a_key(MRK_ID, **{"primary_region": HERE, **changes})


def a_replica(**changes: Any) -> Any:
    return a_key(MRK_ID, region=THERE, primary_region=HERE, replicas=replicas_in((THERE,)), **changes)


def may_create(by: str = "alice", **changes: Any) -> MayCreateReplica:
    return MayCreateReplica(**{"shared": primary().shared, "caller": caller(by), **changes})


def may_become(by: str = "alice") -> MayBecomePrimary:
    return MayBecomePrimary(key_id=MRK_ID, account=HOME, shared_version=1, caller=caller(by), primary_region=THERE)


# ---------------------------------------------------------------------------------------------------------- a new replica


@pytest.mark.parametrize("changes", [{}, {"policy": policy()}, {"tags": TAGS}])
def test_a_free_region_and_a_caller_who_may_create_keys_there_is_a_yes(changes: dict[str, Any]) -> None:
    assert answer_question(view(), may_create(**changes)) == Answer()
    assert answer_question(view(), may_create(**changes)).is_yes


def test_create_key_in_the_other_region_is_asked_of_iam_there() -> None:
    answer = answer_question(view(), may_create("bob"))
    assert not answer.is_yes
    assert (answer.refusal_code, answer.refusal_message) == (
        "AccessDeniedException",
        f"User: arn:aws:iam::{HOME}:user/bob is not authorized to perform: kms:CreateKey on resource: * because no "
        "identity-based policy allows the kms:CreateKey action",
    )
    assert answer_question(view(known=iam("kms:CreateKey")), may_create("bob")).is_yes


def test_tags_of_a_replica_need_their_own_permission() -> None:
    answer = answer_question(view(known=iam("kms:CreateKey")), may_create("bob", tags=TAGS))
    assert answer.refusal_message.endswith("because no identity-based policy allows the kms:TagResource action")
    assert answer_question(view(known=iam("kms:CreateKey", "kms:TagResource")), may_create("bob", tags=TAGS)).is_yes


def test_the_conditions_of_create_key_know_that_it_is_a_replica() -> None:
    for wanted, is_yes in (("REPLICA", True), ("PRIMARY", False)):
        known = iam("kms:CreateKey", condition={"StringEquals": {"kms:MultiRegionKeyType": wanted}})
        assert answer_question(view(known=known), may_create("bob")).is_yes is is_yes


@pytest.mark.parametrize("state", [KeyState.ENABLED, KeyState.CREATING, KeyState.PENDING_DELETION])
def test_a_region_that_has_a_related_key_is_taken_whatever_its_state(state: KeyState) -> None:
    assert answer_question(view(a_replica(state=state)), may_create()).refusal_code == "AlreadyExistsException"


def test_a_full_account_has_no_room_for_a_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regionsim.kms.operations.lifecycle.KEYS_PER_ACCOUNT", 1)
    assert answer_question(view(a_key()), may_create()).refusal_code == "LimitExceededException"


def test_a_replica_s_policy_is_checked_where_it_will_rule() -> None:
    ghost = policy(f"arn:aws:iam::{HOME}:user/ghost")
    locking = policy(f"arn:aws:iam::{HOME}:user/bob")
    for text, bypass in ((ghost, True), (locking, False), ("no JSON", True)):
        answer = answer_question(view(), may_create(policy=text, bypass_lockout_check=bypass))
        assert answer.refusal_code == "MalformedPolicyDocumentException"
    assert answer_question(view(), may_create(policy=locking, bypass_lockout_check=True)).is_yes


# ------------------------------------------------------------------------------------------------------ a new primary


def test_an_enabled_replica_whose_policy_lets_the_caller_may_become_primary() -> None:
    assert answer_question(view(a_replica()), may_become()).is_yes


@pytest.mark.parametrize(
    ("question_view", "by", "code"),
    [
        (view(), "alice", "NotFoundException"),
        (view(a_replica()), "bob", "AccessDeniedException"),
        (view(a_replica(state=KeyState.DISABLED)), "alice", "DisabledException"),
        (view(a_replica(state=KeyState.CREATING)), "alice", "KMSInvalidStateException"),
        (view(a_replica(state=KeyState.UPDATING)), "alice", "KMSInvalidStateException"),
        (view(a_replica(state=KeyState.PENDING_DELETION)), "alice", "KMSInvalidStateException"),
        (view(a_replica(shared_version=0)), "alice", "KMSInvalidStateException"),
        (view(a_replica(pending_material=material("cd" * 32))), "alice", "KMSInvalidStateException"),
    ],
)
def test_any_other_replica_may_not(question_view: View, by: str, code: str) -> None:
    assert answer_question(question_view, may_become(by)).refusal_code == code


def test_both_policies_are_asked_about_the_region_that_shall_be_primary() -> None:
    for region, is_yes in ((THERE, True), (HERE, False)):
        known = iam("kms:UpdatePrimaryRegion", condition={"StringEquals": {"kms:PrimaryRegion": region}})
        assert answer_question(view(a_replica(), known=known), may_become("bob")).is_yes is is_yes


# ------------------------------------------------------------------------------------------------ the Region that is called


def call(operation: str) -> Call:
    return Call(operation=operation, parameters={}, caller=caller(), request_id="r")


def replicate(region: str, *, answer: Answer | None = None, **changes: Any) -> Plan[ReplicateKeyRequest]:
    request = ReplicateKeyRequest(key_id=MRK_ID, replica_region=region, policy=changes.pop("policy", None))
    here = view(primary(**changes), region=HERE, answer=answer)
    return ReplicateKey().plan(here, call("ReplicateKey"), request)


def test_replicating_asks_the_other_region_and_goes_on_with_its_word() -> None:
    plan = replicate(THERE, policy=policy())
    assert plan.question == MayCreateReplica(
        shared=plan.key.shared,
        caller=caller(),
        policy=policy(),
        source_ip=plan.call.source_ip,
        user_agent=plan.call.user_agent,
    )
    assert asked_region(plan) == THERE
    assert replicate(THERE, answer=Answer()).question is None


def test_the_other_region_s_refusal_is_the_caller_s() -> None:
    answer = Answer(refusal_code="LimitExceededException", refusal_message="full")
    with pytest.raises(KmsError) as caught:
        replicate(THERE, answer=answer)
    assert (caught.value.code, caught.value.message) == ("LimitExceededException", "full")


@pytest.mark.parametrize(
    ("region", "code"),
    [
        (HERE, "AlreadyExistsException"),
        ("ap-southeast-2", "AlreadyExistsException"),  # a replica is there
        ("cn-north-1", "ValidationException"),  # another partition
        ("eu-west-3", "ValidationException"),  # not in this world
        ("mars-north-1", "ValidationException"),
    ],
)
def test_a_region_that_cannot_hold_a_replica_is_not_asked(region: str, code: str) -> None:
    with pytest.raises(KmsError) as caught:
        replicate(region, replicas=replicas_in(("ap-southeast-2",)))
    assert caught.value.code == code


def test_what_a_replica_starts_with_is_the_request_s_or_the_default_and_never_the_primary_s() -> None:
    plan = replicate(THERE, answer=Answer())
    plan = replace(plan, keys=(plan.key.with_regional(description="of the primary", tags=(("a", "b"),)),))
    outcome = ReplicateKey().answer(plan, None)
    assert outcome.response is not None
    metadata = outcome.response["ReplicaKeyMetadata"]
    assert (metadata["Description"], metadata["KeyState"], metadata["Enabled"]) == ("", "Creating", False)
    assert "CurrentKeyMaterialId" not in metadata
    assert "ReplicaTags" not in outcome.response
    assert json.loads(outcome.response["ReplicaPolicy"])["Id"] == "key-default-1"
    elements = outcome.facts["responseElements"]
    assert elements == {"replicaKeyMetadata": metadata, "replicaPolicy": outcome.response["ReplicaPolicy"]}
    (written,) = outcome.writes
    assert isinstance(written, PutKey)
    assert (written.key.version, written.key.shared.replica_regions) == (plan.key.version + 1, (THERE,))


def update(region: str, answer: Answer | None = None) -> Plan[UpdatePrimaryRegionRequest]:
    request = UpdatePrimaryRegionRequest(key_id=MRK_ID, primary_region=region)
    here = view(primary(replicas=replicas_in((THERE,))), region=HERE, answer=answer)
    return UpdatePrimaryRegion().plan(here, call("UpdatePrimaryRegion"), request)


def test_moving_the_primary_asks_the_replica_s_region() -> None:
    plan = update(THERE)
    assert asked_region(plan) == THERE
    where = {"source_ip": plan.call.source_ip, "user_agent": plan.call.user_agent}
    assert plan.question == replace(may_become(), **where)
    assert update(THERE, Answer()).question is None


@pytest.mark.parametrize("region", [HERE, "ap-southeast-2", "mars-north-1"])
def test_a_region_without_a_replica_cannot_become_primary(region: str) -> None:
    with pytest.raises(KmsError) as caught:
        update(region)
    assert caught.value.code == "NotFoundException"


def test_only_calls_about_two_regions_ask_another() -> None:
    plan: Plan[str] = Plan(call=call("Encrypt"), request="", region=HERE, now_ns=0)
    with pytest.raises(AssertionError, match="Encrypt asks no other Region"):
        asked_region(plan)
