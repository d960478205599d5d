"""The replicator: frames in any number and order, questions that are answered late or twice, pauses and probes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from regionsim.faults.kinds import LinkCut
from regionsim.faults.verdicts import DiskDraws, DiskOutcome, DiskVerdict
from regionsim.hsm.domain import DOMAIN_KEY_ID_BYTES
from regionsim.kms.errors import KmsError, KMSInternalException
from regionsim.kms.hsm_jobs import MaterialRef
from regionsim.kms.key import KeyState, replicas_in
from regionsim.kms.messages import (
    Answered,
    Asked,
    CreateReplica,
    MaterialBatch,
    MaterialRequest,
    Message,
    NoMaterial,
    ReplicaSeed,
    Synchronize,
    Synchronized,
)
from regionsim.kms.questions import Answer, MayBecomePrimary, MayCreateReplica
from regionsim.kms.writes import PutToken
from regionsim.network.envelope import Envelope
from regionsim.region.exchange import MATERIALS_PER_BATCH
from regionsim.region.replicator import QUESTION_DEADLINE_NS
from regionsim.region.wire import MESSAGES_PER_FRAME, pack_frame, unpack_frame
from regionsim.runtime.histogram import Histogram
from regionsim.runtime.tasks import Scope, now_ns
from regionsim.store.disk import PASS, Access
from tests.simulation.many_regions import ACCOUNT, AP, EU, US, Play, play
from tests.unit.region.wiretap import Wiretap, overhear

SA = "sa-east-1"
MOVE = {"PrimaryRegion": EU}


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", b"\x92\x02\xc0", pack_frame([Synchronized(key_id="k", shared_version=1, material_ids=())])[:-1]],
    ids=["empty", "no msgpack", "another version", "cut short"],
)
def test_a_frame_that_cannot_be_read_is_counted_and_dropped(tmp_path: Path, body: bytes) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        wire = Wiretap(world, US, EU)
        key, began, sent = world.key(EU, key_id), len(world.events), world.region(EU).counts.replication.frames_sent
        wire.deliver_bytes(body, US, EU)
        await world.rest(20)

        assert world.region(EU).counts.replication.frames_dropped == 1
        assert [event.kind for event in world.events[began:]] == ["frame_dropped"]
        assert world.events[-1].fields["from"] == US
        assert world.key(EU, key_id) == key
        assert world.region(EU).counts.replication.frames_sent == sent
        wire.mend()

    play(script, tmp_path)


def test_every_frame_of_a_life_may_come_again_in_any_order(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        heard = overhear(world)
        key_id = await world.multi_region_key(US, EU, AP)
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        await world.settled()
        await world.call(US, "UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion=EU)
        await world.settled()
        keys = {region: world.key(region, key_id) for region in (US, EU, AP)}
        held = {region: world.region(region).state.material_ids(key_id) for region in (US, EU, AP)}
        began = len(world.happened("key_changed"))

        for envelope in reversed(list(heard)):
            world.region(envelope.receiver).receive(envelope)
            world.region(envelope.receiver).receive(envelope)
        await world.settled()
        await world.rest(5)

        assert len(heard) > 10
        assert len(world.happened("key_changed")) == began
        assert {region: world.key(region, key_id) for region in (US, EU, AP)} == keys
        assert {region: world.region(region).state.material_ids(key_id) for region in (US, EU, AP)} == held

    play(script, tmp_path)


def begin_move(world: Play, key_id: str) -> Callable[[], Awaitable[KmsError | None]]:
    """Start UpdatePrimaryRegion; what is returned waits for its refusal, or for None."""
    scope = Scope("caller")

    async def move() -> KmsError | None:
        try:
            await world.call(US, "UpdatePrimaryRegion", KeyId=key_id, **MOVE)
        except KmsError as refusal:
            return refusal
        return None

    task = scope.spawn(move(), name="move")

    async def ended() -> KmsError | None:
        return await task

    return ended


def test_a_question_is_sent_again_under_one_id_until_its_deadline(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        await world.rest(10)  # until no timer of the replication is left
        wire = Wiretap(world, US, EU)
        began_ns = now_ns()
        ended = begin_move(world, key_id)
        refusal = await ended()

        assert isinstance(refusal, KMSInternalException)
        assert refusal.may_have_happened
        assert now_ns() - began_ns == QUESTION_DEADLINE_NS
        asked = wire.messages(Asked, EU)
        assert len(asked) == 4, "at once, then after 0.5, 1.5 and 3.5 s"
        assert len({question.question_id for question in asked}) == 1
        wire.forget()
        await world.rest(20)
        assert not wire.messages(Asked, EU), "nobody asks on when nobody waits"
        assert world.key(US, key_id).is_primary
        wire.mend()

    play(script, tmp_path)


def test_a_question_that_is_answered_twice_does_its_thing_once(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        wire = Wiretap(world, US, EU)
        ended = begin_move(world, key_id)
        asked = await wire.next(Asked, EU)
        wire.deliver([asked, asked], US, EU)
        answered = await wire.next(Answered, US)
        assert wire.messages(Answered, US) == [answered, answered]
        refused = Answered(question_id=asked.question_id, answer=Answer(refusal_code="NotFoundException"))
        wire.deliver([answered, refused, answered], EU, US)

        assert await ended() is None
        assert world.key(US, key_id).version == 3, "created, replicated, moved"
        assert world.key(US, key_id).state is KeyState.UPDATING
        wire.mend()
        await world.settled()
        assert world.key(EU, key_id).is_primary

    play(script, tmp_path)


def test_an_answer_after_the_deadline_changes_nothing(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        wire = Wiretap(world, US, EU)
        ended = begin_move(world, key_id)
        wire.deliver(await wire.next(Asked, EU), US, EU)
        answered = await wire.next(Answered, US)
        assert await ended() is not None
        key = world.key(US, key_id)
        wire.deliver(answered, EU, US)
        wire.deliver(Answered(question_id="never asked", answer=Answer()), EU, US)
        await world.rest(1)
        assert world.key(US, key_id) == key
        wire.mend()

    play(script, tmp_path)


def test_a_late_answer_within_the_deadline_counts(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        wire = Wiretap(world, US, EU)
        ended = begin_move(world, key_id)
        wire.deliver(await wire.next(Asked, EU), US, EU)
        answered = await wire.next(Answered, US)
        await world.rest(3.5)
        wire.deliver(answered, EU, US)
        assert await ended() is None
        wire.mend()
        await world.settled()

    play(script, tmp_path)


def test_another_regions_no_is_the_callers_refusal(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        await world.call(EU, "DisableKey", KeyId=key_id)
        refusal = await world.refused(US, "UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion=EU)
        assert refusal.code == "DisabledException"
        assert f"arn:aws:kms:{EU}:" in refusal.message
        assert world.key(US, key_id).version == 2

    play(script, tmp_path)


def test_a_question_to_a_crashed_asker_is_answered_to_nobody(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        wire = Wiretap(world, US, EU)
        begin_move(world, key_id)
        wire.deliver(await wire.next(Asked, EU), US, EU)
        answered = await wire.next(Answered, US)
        await world.region(US).crash()
        await world.region(US).boot()
        wire.deliver(answered, EU, US)
        await world.rest(5)
        assert world.key(US, key_id).is_primary
        wire.mend()
        await world.settled()

    play(script, tmp_path)


def test_a_silent_region_gets_probes_and_everything_when_it_speaks(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        keys = [(await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"] for _ in range(70)]
        for key_id in keys:
            await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        await world.settled()
        wire = Wiretap(world, US, EU)
        for key_id in keys:
            await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        await world.rest(20)
        wire.forget()
        await world.rest(20.1)

        probes = [len(unpack_frame(envelope.body)) for envelope in wire.held if envelope.receiver == EU]
        assert probes == [MESSAGES_PER_FRAME] * 4, "one frame every five seconds"
        began_ns = now_ns()
        wire.forget()
        wire.deliver(Synchronized(key_id="k", shared_version=1, material_ids=()), EU, US)
        await world.rest(0.01)
        assert now_ns() - began_ns < 10**9
        assert len(wire.messages(Synchronize, EU)) == 70
        wire.mend()
        await world.settled()
        assert all(world.key(EU, key_id).shared.rotation_count == 1 for key_id in keys)

    play(script, tmp_path, regions=(US, EU), hsm_profile="host")


def test_what_is_outstanding_is_sent_again_after_a_crash_of_the_sender(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = (await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
        ended = Scope("caller").spawn(world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU), name="replicate")
        await world.until(lambda: bool(world.happened("call", US)[1:]))
        await ended
        wire = Wiretap(world, US, EU)  # nothing of the replica has left the Region's link yet
        wire.forget()
        await world.region(US).crash()
        await world.region(US).boot()
        assert world.region(US).unfinished_count == 1
        wire.mend()
        await world.settled()
        assert world.key(EU, key_id).state is KeyState.ENABLED

    play(script, tmp_path)


def test_a_version_that_is_across_without_its_material_stays_outstanding(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        wire = Wiretap(world, US, EU)
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        wire.deliver(await wire.next(Synchronize, EU), US, EU)
        early = await wire.next(Synchronized, US)
        assert len(early.material_ids) == 1, "the version is applied, the material is not there yet"
        wire.deliver(early, EU, US)
        await world.rest(0.1)
        assert world.region(US).unfinished_count == 1
        wire.deliver(await wire.next(MaterialRequest, US), EU, US)
        wire.deliver(await wire.next(MaterialBatch, EU), US, EU)
        await world.until(lambda: bool(world.happened("rotation_installed", EU)))
        await world.rest(0.01)
        wire.forget()  # the acknowledgement that it holds the material now is lost
        assert world.key(US, key_id).shared.rotation_count == 0
        wire.mend()
        await world.settled()
        assert world.key(US, key_id).shared.rotation_count == 1

    play(script, tmp_path)


def test_a_replica_begins_with_the_default_policy_whatever_the_primarys_is(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US)
        policy = world.key(US, key_id).regional.policy
        await world.call(US, "PutKeyPolicy", KeyId=key_id, Policy=policy.replace("key-default-1", "ours"))
        answer = await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        await world.settled()
        assert world.key(US, key_id).regional.policy != policy
        assert world.key(EU, key_id).regional.policy == policy
        assert answer["ReplicaPolicy"] == policy

    play(script, tmp_path)


def test_a_message_that_the_disk_refuses_is_as_good_as_lost(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        disk = world.region(EU).store._disk
        verdict = DiskVerdict(outcome=DiskOutcome.FAIL)

        def judge(access: Access, draws: DiskDraws) -> DiskVerdict:
            return verdict if access is Access.COMMIT else PASS

        disk._judge = judge  # type: ignore[attr-defined]
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        await world.rest(5)
        assert world.happened("replication_not_stored", EU)
        assert world.key(EU, key_id).shared.pending_material is None
        assert not world.simulation.is_settled
        disk._judge = lambda access, draws: PASS  # type: ignore[attr-defined]
        await world.settled()
        assert world.key(EU, key_id).shared.rotation_count == 1

    play(script, tmp_path)


def test_the_lag_of_replication_is_counted_from_commit_to_acknowledgement(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        lag = world.region(US).counts.replication.lag
        await world.multi_region_key(US, EU)
        assert lag.count == 1
        assert 60_000_000 < lag.max < 1_000_000_000, "a round trip over the Atlantic, at least"

    play(script, tmp_path)


def test_material_for_a_key_that_is_not_here_is_dropped(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        (material_id,) = world.region(US).state.material_ids(key_id)
        ref = world.region(EU).state.material(key_id, material_id)
        assert ref is not None
        replicator = world.region(AP)._replicator
        assert replicator is not None
        await replicator._arrived(key_id, (ref,))
        replicator._want(US, key_id)
        assert world.region(AP).state.material_ids(key_id) == ()
        assert world.region(AP).unfinished_count == 0

    play(script, tmp_path)


MINUTES_10_NS = 600 * 10**9


def lag_of(world: Play, region: str) -> Histogram:
    return world.region(region).counts.replication.lag


@pytest.mark.parametrize("changes", [1, 3])
def test_the_lag_counts_from_the_first_change_whatever_crashed_or_replaced_it(tmp_path: Path, changes: int) -> None:
    async def script(world: Play) -> None:
        keys = [await world.multi_region_key(US, EU) for _ in range(2)]
        world.break_with(LinkCut(between=(US, EU)))
        # Nobody else has replicas, so every change of a key's shared properties is one more announcement to EU.
        await world.call(US, "RotateKeyOnDemand", KeyId=keys[0])
        for region in (AP, SA)[: changes - 1]:
            await world.call(US, "ReplicateKey", KeyId=keys[0], ReplicaRegion=region)
        await world.rest(600)
        await world.call(US, "RotateKeyOnDemand", KeyId=keys[1])
        await world.region(US).crash()
        await world.region(US).boot()
        world.heal()
        await world.settled()

        lag = lag_of(world, US)
        assert MINUTES_10_NS < lag.max < MINUTES_10_NS + 20 * 10**9
        assert lag.min < 10**9, "the first replication had no fault"

    play(script, tmp_path, regions=(US, EU, AP, SA))


def test_a_change_that_went_across_late_is_counted_once(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        before = lag_of(world, US).count
        world.break_with(LinkCut(between=(US, EU)))
        await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=AP)
        await world.rest(60)
        world.heal()
        await world.settled()
        assert lag_of(world, US).count == before + 2, "one announcement to each of the two"
        assert 60 * 10**9 < lag_of(world, US).max < 80 * 10**9
        slowest = lag_of(world, US).max
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        await world.settled()
        assert lag_of(world, US).max == slowest, "what is across does not count again"

    play(script, tmp_path)


async def lacking_material(world: Play, count: int) -> dict[str, MaterialRef]:
    """Keys of EU and AP that are being rotated; EU's HSMs cannot open the token of the new material, which AP lacks.

    Key id -> that material as it was before its token was spoilt.
    """
    keys = [await world.multi_region_key(EU, AP) for _ in range(count)]
    world.break_with(LinkCut(between=(EU, AP)), "cut")
    state, good = world.region(EU).state, {}
    for key_id in keys:
        await world.call(EU, "RotateKeyOnDemand", KeyId=key_id)
        material = state.material(key_id, state.material_ids(key_id)[-1])
        assert material is not None
        good[key_id] = material
        unknown = material.token[:1] + bytes(DOMAIN_KEY_ID_BYTES) + material.token[1 + DOMAIN_KEY_ID_BYTES :]
        state.apply(PutToken(material=replace(material, token=unknown)))
    world.heal("cut")
    await world.rest(5)
    assert all(world.region(AP).state.missing_material_ids(world.key(AP, key_id)) for key_id in keys)
    return good


def test_material_that_nobody_can_give_holds_up_no_other(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        old = await lacking_material(world, MATERIALS_PER_BATCH + 8)
        new = (await world.call(EU, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
        await world.call(EU, "ReplicateKey", KeyId=new, ReplicaRegion=AP)
        await world.rest(12)
        assert world.key(AP, new).state is KeyState.ENABLED

        sent = world.region(AP).counts.replication.frames_sent
        await world.rest(60)
        assert world.region(AP).counts.replication.frames_sent - sent < 300, "two windows and an answer, twice a second"
        for material in old.values():
            world.region(EU).state.apply(PutToken(material=material))
        await world.settled()
        assert all(world.key(region, key_id).shared.rotation_count == 1 for region in (EU, AP) for key_id in old)

    play(script, tmp_path, hsm_profile="host")


def test_a_request_for_what_is_not_there_is_answered_and_costs_no_hsm(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        (material_id,) = world.region(US).state.material_ids(key_id)
        wire = Wiretap(world, US, AP)
        replicator = world.region(AP)._replicator
        assert replicator is not None
        stranger = await replicator._exchange.request(US, [(key_id, material_id), ("mrk-unknown", "m")])
        jobs = len(world.happened("hsm_job", US))
        wire.deliver(stranger, AP, US)
        assert await wire.next(NoMaterial, AP) == NoMaterial()
        assert len(world.happened("hsm_job", US)) == jobs
        wire.mend()

    play(script, tmp_path)


def impossible(world: Play, key_id: str) -> dict[str, tuple[str, Message]]:
    """Messages to EU about a key of US and EU that no Region says: why, who sends it, the message."""
    shared = world.key(EU, key_id).shared.changed()
    nowhere = replace(shared, replicas=replicas_in((EU, "eu-north-1")))
    other = replace(shared, key_id="mrk-" + "0" * 32)
    seed = ReplicaSeed(policy=world.key(EU, key_id).regional.policy)
    caller = world.simulation.world.directory.principal(ACCOUNT, "alice")
    place = MayCreateReplica(shared=replace(nowhere, replicas=replicas_in(("eu-north-1",))), caller=caller)
    return {
        "a Region of no world": (US, Synchronize(shared=nowhere)),
        "a primary of no world": (US, Synchronize(shared=replace(shared, primary_region="eu-north-1"))),
        "a replica among strangers": (US, CreateReplica(shared=replace(nowhere, key_id=other.key_id), seed=seed)),
        "no primary": (US, Synchronize(shared=replace(shared, primary_region=None, replicas=()))),
        "a Region twice": (US, Synchronize(shared=replace(shared, replicas=replicas_in((EU, EU))))),
        "a stranger's word": (AP, Synchronize(shared=shared)),
        "a stranger's replica": (AP, CreateReplica(shared=other, seed=seed)),
        "another account's key": (US, Synchronize(shared=replace(shared, account="999988887777"))),
        "no policy": (US, CreateReplica(shared=other, seed=ReplicaSeed(policy="{"))),
        "a question about no world": (US, Asked(question_id="q", question=place)),
        "an answer of another version": (US, Answered(question_id="q", answer=Answer(refusal_code="Tomorrow"))),
    }


def test_messages_that_cannot_be_are_dropped_one_by_one(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        wire = Wiretap(world, US, EU)
        keys = list(world.region(EU).state.all_keys())
        cases = impossible(world, key_id)
        for sender, message in cases.values():
            wire.deliver(message, sender, EU)
        good = Asked(
            question_id="good",
            question=MayBecomePrimary(
                key_id=key_id,
                account=ACCOUNT,
                shared_version=1,
                caller=world.simulation.world.directory.principal(ACCOUNT, "alice"),
                primary_region=US,
            ),
        )
        _, bad = cases["a Region of no world"]
        wire.deliver([bad, good], US, EU)
        assert (await wire.next(Answered, US)).question_id == "good", "the rest of its frame is heard"

        dropped = world.happened("message_dropped", EU)
        assert len(dropped) == len(cases) + 1
        assert [event.fields["from"] for event in dropped] == [*(sender for sender, _ in cases.values()), US]
        assert all(event.fields["reason"] for event in dropped)
        assert world.region(EU).counts.replication.messages_dropped == len(cases) + 1
        assert list(world.region(EU).state.all_keys()) == keys
        wire.mend()

    play(script, tmp_path)


def test_a_frame_from_outside_the_world_is_dropped(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        body = pack_frame([NoMaterial()])
        world.region(EU).receive(Envelope(id=1, sender="eu-north-1", receiver=EU, body=body))
        assert [event.fields["from"] for event in world.happened("frame_dropped", EU)] == ["eu-north-1"]

    play(script, tmp_path)


def test_a_primary_that_was_not_heard_of_yet_is_believed(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        world.break_with(LinkCut(between=(US, EU)))
        await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=AP)
        await world.until(lambda: world.region(AP).state.key(key_id) is not None)
        await world.until(lambda: world.key(AP, key_id).state is KeyState.ENABLED)
        await world.call(US, "UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion=AP)
        await world.until(lambda: world.key(EU, key_id).shared.primary_region == AP)
        assert not world.happened("message_dropped")
        world.heal()
        await world.settled()

    play(script, tmp_path)


def test_what_others_acknowledged_is_remembered_only_while_a_rotation_is_open(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU, AP)
        replicator = world.region(US)._replicator
        assert replicator is not None
        assert replicator._progress == {}
        world.break_with(LinkCut(between=(US, AP)))
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        await world.until(lambda: EU in replicator._progress.get(key_id, {}))
        await world.rest(5)
        assert world.key(US, key_id).shared.rotation_count == 0
        world.heal()
        await world.settled()
        assert world.key(US, key_id).shared.rotation_count == 1
        assert replicator._progress == {}

    play(script, tmp_path)
