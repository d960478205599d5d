"""The exchange of key material: who gets it, how long an agreement lives, what altered messages lead to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from regionsim.faults.kinds import ClockSkew
from regionsim.hsm.domain import DOMAIN_KEY_ID_BYTES
from regionsim.kms.messages import AgreementHalf, MaterialBatch, MaterialRequest, Synchronize
from regionsim.kms.writes import PutToken
from regionsim.region.exchange import MATERIALS_PER_BATCH, Exchange, _Acceptance, _Offer
from regionsim.runtime.clock import NS_PER_DAY
from regionsim.runtime.tasks import Scope, sleep
from tests.simulation.many_regions import AP, EU, US, Play, play
from tests.unit.region.wiretap import Wiretap


def exchange(world: Play, region: str) -> Exchange:
    replicator = world.region(region)._replicator
    assert replicator is not None
    return replicator._exchange


def flipped(blob: bytes) -> bytes:
    return blob[:-1] + bytes([blob[-1] ^ 1])


def altered(batch: MaterialBatch) -> MaterialBatch:
    first, *others = batch.materials
    return replace(batch, materials=(replace(first, wrapped=flipped(first.wrapped)), *others))


async def rotation_that_lacks_material(world: Play, wire: Wiretap, key_id: str) -> None:
    """EU knows of US's new material and does not hold it; its request is held on the wire."""
    await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
    wire.deliver(await wire.next(Synchronize, EU), US, EU)
    await wire.next(MaterialRequest, US)


def test_a_region_outside_the_set_gets_nothing(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        single = (await world.call(US, "CreateKey"))["KeyMetadata"]
        ours = await world.multi_region_key(US, EU)
        theirs = await world.multi_region_key(US, AP)
        wanted = [
            (key_id, world.region(US).state.material_ids(key_id)[0]) for key_id in (single["KeyId"], ours, theirs)
        ]
        jobs = len(world.happened("hsm_job", US))

        request = await exchange(world, AP).request(US, wanted[:2])
        assert await exchange(world, US).serve(AP, request) is None
        assert len(world.happened("hsm_job", US)) == jobs, "an HSM was asked for what nobody may have"

        request = await exchange(world, AP).request(US, [*wanted, (theirs, "f" * 64), ("mrk-unknown", "m")])
        batch = await exchange(world, US).serve(AP, request)
        assert batch is not None
        assert [(given.key_id, given.material_id) for given in batch.materials] == wanted[2:]

    play(script, tmp_path)


def test_a_batch_is_of_no_use_to_another_region(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU, AP)
        (material_id,) = world.region(US).state.material_ids(key_id)
        wire = Wiretap(world, US, AP)
        batch = await exchange(world, US).serve(EU, await exchange(world, EU).request(US, [(key_id, material_id)]))
        assert batch is not None
        request = await exchange(world, AP).request(US, [(key_id, material_id)])

        assert await exchange(world, AP).install(US, batch) == ()
        wire.deliver(replace(batch, offer=request.offer), US, AP)
        await world.rest(1)
        assert [event.fields["peer"] for event in world.happened("exchange_failed", AP)] == [US]
        wire.mend()

    play(script, tmp_path)


def test_an_offer_lasts_a_day_and_no_longer(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        first = await exchange(world, EU).request(US, [])
        await sleep(NS_PER_DAY - 60 * 10**9)
        again = await exchange(world, EU).request(US, [])
        other = await exchange(world, EU).request(AP, [])
        await sleep(60 * 10**9)
        later = await exchange(world, EU).request(US, [])
        assert again.offer == first.offer
        assert other.offer != first.offer
        assert later.offer != first.offer

    play(script, tmp_path)


def test_an_offer_ages_by_the_clock_of_its_region(tmp_path: Path) -> None:
    """Its token is under a domain key that the Region's calendar retires: when that clock is moved on, so is the offer."""

    async def script(world: Play) -> None:
        first = await exchange(world, EU).request(US, [])
        world.break_with(ClockSkew(region=EU, skew_ns=2 * NS_PER_DAY))
        assert (await exchange(world, EU).request(US, [])).offer != first.offer
        world.heal()

    play(script, tmp_path)


def test_requests_at_one_instant_share_one_offer_and_one_acceptance(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        (material_id,) = world.region(US).state.material_ids(key_id)
        scope = Scope("test")
        before = len(world.happened("hsm_job"))
        asking = [scope.spawn(exchange(world, EU).request(US, [(key_id, material_id)]), name="r") for _ in range(5)]
        requests = [await task for task in asking]
        serving = [scope.spawn(exchange(world, US).serve(EU, request), name="s") for request in requests]
        batches = [await task for task in serving]

        jobs = [event.fields["job"] for event in world.happened("hsm_job")[before:]]
        assert jobs.count("OfferAgreement") == 0, "the offer of the replication is still good"
        assert jobs.count("AcceptAgreement") == 0
        assert jobs.count("WrapMaterials") == 5
        assert len({request.offer.public_key for request in requests}) == 1
        assert len({batch.acceptance.public_key for batch in batches if batch is not None}) == 1

    play(script, tmp_path)


def test_a_batch_for_an_offer_that_is_gone_is_ignored(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        (material_id,) = world.region(US).state.material_ids(key_id)
        request = await exchange(world, EU).request(US, [(key_id, material_id)])
        batch = await exchange(world, US).serve(EU, request)
        assert batch is not None
        assert len(await exchange(world, EU).install(US, batch)) == 1
        exchange(world, EU).forget(US)

        assert await exchange(world, EU).install(US, batch) == ()
        await exchange(world, EU).request(US, [])
        assert await exchange(world, EU).install(US, batch) == ()

    play(script, tmp_path)


def test_an_altered_batch_is_refused_as_a_whole_and_asked_for_again(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        wire = Wiretap(world, US, EU)
        await rotation_that_lacks_material(world, wire, key_id)
        wire.deliver(await wire.next(MaterialRequest, US), EU, US)
        batch = await wire.next(MaterialBatch, EU)
        wire.deliver(altered(batch), US, EU)
        await world.rest(0.2)

        assert [event.fields["peer"] for event in world.happened("exchange_failed", EU)] == [US]
        assert len(world.region(EU).state.material_ids(key_id)) == 1
        assert world.region(EU).unfinished_count == 1
        wire.forget()
        again = await wire.next(MaterialRequest, US)
        assert again.offer != batch.offer, "after a failure everything begins anew"
        wire.mend()
        await world.settled()
        assert world.key(EU, key_id).shared.rotation_count == 1

    play(script, tmp_path)


def test_a_forged_offer_is_refused_and_the_true_one_still_serves(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        wire = Wiretap(world, US, EU)
        await rotation_that_lacks_material(world, wire, key_id)
        request = await wire.next(MaterialRequest, US)
        forged = replace(request, offer=replace(request.offer, signature=flipped(request.offer.signature)))
        wire.deliver(forged, EU, US)
        await world.rest(0.2)
        assert [event.fields["error"] for event in world.happened("exchange_failed", US)] == [
            "InvalidCiphertextException"
        ]
        assert not wire.messages(MaterialBatch, EU)
        wire.mend()
        await world.settled()
        assert world.key(EU, key_id).shared.rotation_count == 1

    play(script, tmp_path)


def test_a_batch_that_comes_twice_or_after_a_crash_is_harmless(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        wire = Wiretap(world, US, EU)
        await rotation_that_lacks_material(world, wire, key_id)
        wire.deliver(await wire.next(MaterialRequest, US), EU, US)
        batch = await wire.next(MaterialBatch, EU)
        for _ in range(2):
            wire.deliver(batch, US, EU)
            await world.rest(0.2)
        held = world.region(EU).state.material_ids(key_id)
        assert len(held) == 2
        await world.region(EU).crash()
        await world.region(EU).boot()
        wire.deliver(batch, US, EU)
        await world.rest(0.2)
        assert world.region(EU).state.material_ids(key_id) == held
        assert not world.happened("exchange_failed")
        wire.mend()
        await world.settled()

    play(script, tmp_path)


def test_the_source_that_crashed_accepts_the_same_offer_anew(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        wire = Wiretap(world, US, EU)
        await rotation_that_lacks_material(world, wire, key_id)
        request = await wire.next(MaterialRequest, US)
        wire.deliver(request, EU, US)
        first = await wire.next(MaterialBatch, EU)
        await world.region(US).crash()
        await world.region(US).boot()
        wire.forget()
        wire.deliver(request, EU, US)
        second = await wire.next(MaterialBatch, EU)
        assert second.acceptance != first.acceptance
        wire.deliver(second, US, EU)
        await world.rest(0.2)
        assert len(world.region(EU).state.material_ids(key_id)) == 2
        wire.mend()
        await world.settled()

    play(script, tmp_path)


def test_material_waits_while_no_hsm_serves_on_either_side(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        wire = Wiretap(world, US, EU)
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        for region in (US, EU):
            for index in range(3):
                world.region(region).fleet.go_offline(index)
        # An agreement is there already: what needs an HSM is wrapping here and installing there.
        wire.mend()
        await world.rest(8)
        assert {event.fields["error"] for event in world.happened("exchange_failed")} == {"KMSInternalException"}
        assert len(world.region(EU).state.material_ids(key_id)) == 1
        for region in (US, EU):
            for index in range(3):
                world.region(region).fleet.come_online(index)
        await world.settled()
        assert world.key(EU, key_id).shared.rotation_count == 1

    play(script, tmp_path)


def test_a_first_request_waits_while_its_own_hsms_do_not_serve(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = (await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
        for index in range(3):
            world.region(EU).fleet.go_offline(index)
        await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        await world.rest(5)
        assert world.key(EU, key_id).state == "Creating"
        for index in range(3):
            world.region(EU).fleet.come_online(index)
        await world.settled()
        assert world.key(EU, key_id).state == "Enabled"

    play(script, tmp_path)


def test_material_under_a_domain_key_that_is_gone_cannot_be_sent_and_stops_nothing(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        old = (await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
        (material_id,) = world.region(US).state.material_ids(old)
        held = world.region(US).state.material(old, material_id)
        assert held is not None
        gone = held.token[:1] + bytes(DOMAIN_KEY_ID_BYTES) + held.token[1 + DOMAIN_KEY_ID_BYTES :]
        world.region(US).state.apply(PutToken(material=replace(held, token=gone)))
        await world.call(US, "ReplicateKey", KeyId=old, ReplicaRegion=EU)
        await world.rest(5)
        assert {event.fields["error"] for event in world.happened("exchange_failed", US)} == {"KeyUnavailableException"}
        assert {event.fields["key"] for event in world.happened("exchange_failed", US)} == {old}
        assert world.key(EU, old).state == "Creating"
        new = (await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
        await world.call(US, "ReplicateKey", KeyId=new, ReplicaRegion=AP)
        await world.until(lambda: world.region(AP).state.key(new) is not None and world.key(AP, new).state == "Enabled")

        # Nor does it hold up what is asked for in the same request.
        both = [(known, world.region(US).state.material_ids(known)[0]) for known in (old, new)]
        await world.call(US, "ReplicateKey", KeyId=new, ReplicaRegion=EU)
        batch = await exchange(world, US).serve(EU, await exchange(world, EU).request(US, both))
        assert batch is not None
        assert [(given.key_id, given.material_id) for given in batch.materials] == both[1:]
        await world.until(lambda: world.region(EU).state.key(new) is not None and world.key(EU, new).state == "Enabled")
        world.region(US).state.apply(PutToken(material=held))  # or this world never converges

    play(script, tmp_path)


def test_no_message_carries_more_than_a_batch(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        (material_id,) = world.region(US).state.material_ids(key_id)
        many = [(key_id, material_id)] * (MATERIALS_PER_BATCH + 8)
        request = await exchange(world, EU).request(US, many)
        assert len(request.wanted) == MATERIALS_PER_BATCH
        batch = await exchange(world, US).serve(EU, replace(request, wanted=tuple(many)))
        assert batch is not None
        assert len(batch.materials) == MATERIALS_PER_BATCH

    play(script, tmp_path)


def test_what_hosts_remember_of_an_agreement_is_not_shown() -> None:
    half = AgreementHalf(public_key=b"p", signature=b"s")
    offer = _Offer(half=half, token=b"offer-token", made_at_ns=0, agreed={b"p": b"wrapping-token"})
    acceptance = _Acceptance(offer=half, half=half, token=b"acceptance-token")
    for shown in (repr(offer), repr(acceptance)):
        assert "token" not in shown
