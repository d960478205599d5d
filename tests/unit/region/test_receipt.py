"""What is believed and what is not, by the rules alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regionsim.kms.errors import REFUSALS
from regionsim.kms.key import KeyState, KmsKey, RegionalProperties, SharedProperties, replicas_in
from regionsim.kms.key_policies import default_policy
from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.kms.messages import (
    Answered,
    Asked,
    CreateReplica,
    Message,
    NoMaterial,
    ReplicaSeed,
    Synchronize,
    Synchronized,
)
from regionsim.kms.questions import Answer, MayBecomePrimary, MayCreateReplica
from regionsim.region.receipt import shared_in, why_impossible
from tests.simulation.one_region import HOME, directory_of_two_accounts

US, EU, AP = "us-east-1", "eu-west-1", "ap-southeast-2"
WORLD = (EU, US, AP)
SHARED = SharedProperties(
    key_id="mrk-" + "1" * 32,
    account=HOME,
    spec=KeySpec.SYMMETRIC_DEFAULT,
    usage=KeyUsage.ENCRYPT_DECRYPT,
    primary_region=US,
    replicas=replicas_in((EU,)),
)
SEED = ReplicaSeed(policy=default_policy(EU, HOME))
CALLER = directory_of_two_accounts().principal(HOME, "alice")


def known(shared: SharedProperties = SHARED) -> KmsKey:
    regional = RegionalProperties(region=EU, state=KeyState.ENABLED, policy=SEED.policy, created_at_ns=0)
    return KmsKey(shared=shared, regional=regional)


@pytest.mark.parametrize("message", [Synchronize(shared=SHARED), CreateReplica(shared=SHARED, seed=SEED)])
@pytest.mark.parametrize("key", [None, known()], ids=["unknown", "known"])
def test_an_announcement_from_the_set_is_believed(message: Message, key: KmsKey | None) -> None:
    assert shared_in(message) == SHARED
    assert why_impossible(message, US, WORLD, key) is None


def test_the_sender_must_be_in_the_announced_set_or_in_the_known_one() -> None:
    announced = Synchronize(shared=SHARED)
    assert why_impossible(announced, AP, WORLD, None) == "from a Region outside the key's set"
    assert why_impossible(announced, AP, WORLD, known()) == "from a Region outside the key's set"
    assert why_impossible(announced, AP, WORLD, known(replace(SHARED, replicas=replicas_in((EU, AP))))) is None
    assert (
        why_impossible(Synchronize(shared=replace(SHARED, replicas=replicas_in((EU, AP)))), AP, WORLD, known()) is None
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"primary_region": None}, "without a primary"),
        ({"primary_region": "eu-north-1"}, "outside this world"),
        ({"replicas": replicas_in((EU, "nowhere"))}, "outside this world"),
        ({"replicas": replicas_in((EU, US))}, "twice"),
        ({"account": "999988887777"}, "another key"),
        ({"spec": KeySpec.RSA_2048}, "another key"),
        ({"usage": KeyUsage.SIGN_VERIFY}, "another key"),
    ],
)
def test_impossible_shared_properties_are_named(change: dict[str, object], reason: str) -> None:
    shared = replace(SHARED, **change)  # type: ignore[arg-type]
    for message in (Synchronize(shared=shared), CreateReplica(shared=shared, seed=SEED)):
        assert reason in (why_impossible(message, US, WORLD, known()) or "")


@pytest.mark.parametrize("policy", ["", "{", "[]", '{"Version": "2012-10-17"}'])
def test_a_replica_needs_a_policy_that_can_be_one(policy: str) -> None:
    message = CreateReplica(shared=SHARED, seed=replace(SEED, policy=policy))
    assert why_impossible(message, US, WORLD, None) == "a key policy that cannot be one"


def asked(shared: SharedProperties = SHARED) -> Asked:
    return Asked(question_id="q", question=MayCreateReplica(shared=shared, caller=CALLER))


def test_only_the_primary_asks_for_a_replica_and_about_regions_that_are() -> None:
    assert why_impossible(asked(), US, WORLD, None) is None
    assert why_impossible(asked(), EU, WORLD, None) == "not asked by the primary"
    odd = asked(replace(SHARED, replicas=replicas_in(("nowhere",))))
    assert why_impossible(odd, US, WORLD, None) == "names a Region outside this world"


@pytest.mark.parametrize(("region", "reason"), [(US, None), ("nowhere", "names a Region outside this world")])
def test_a_move_is_to_a_region_of_this_world(region: str, reason: str | None) -> None:
    question = MayBecomePrimary(
        key_id=SHARED.key_id, account=HOME, shared_version=1, caller=CALLER, primary_region=region
    )
    assert why_impossible(Asked(question_id="q", question=question), US, WORLD, None) == reason


def test_a_refusal_has_a_code_that_we_know() -> None:
    for code in (None, *REFUSALS):
        assert why_impossible(Answered(question_id="q", answer=Answer(refusal_code=code)), US, WORLD, None) is None
    unknown = Answered(question_id="q", answer=Answer(refusal_code="FromTomorrowException"))
    assert why_impossible(unknown, US, WORLD, None) == "a refusal of an unknown code"


@pytest.mark.parametrize("message", [NoMaterial(), Synchronized(key_id="k", shared_version=1, material_ids=())])
def test_what_announces_nothing_is_judged_by_its_handler(message: Message) -> None:
    assert shared_in(message) is None
    assert why_impossible(message, AP, WORLD, None) is None
