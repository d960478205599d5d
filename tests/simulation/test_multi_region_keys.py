"""Multi-Region keys from end to end: replication, rotation, primary moves, over links that lose and Regions that die."""

from __future__ import annotations

from pathlib import Path

import pytest

from regionsim.client.settings import ClientSettings
from regionsim.faults.kinds import LinkCut, LinkLoss, RegionCrash, RegionOutage
from regionsim.kms.errors import (
    AccessDeniedException,
    AlreadyExistsException,
    ConflictException,
    KMSInternalException,
    KMSInvalidStateException,
    NotFoundException,
    ThrottlingException,
    UnsupportedOperationException,
    ValidationException,
)
from regionsim.kms.key import KeyState
from regionsim.runtime.tasks import now_ns
from regionsim.runtime.virtual_loop import NS_PER_SECOND
from tests.simulation.many_regions import ACCOUNT, AP, EU, US, Play, play

ARN = "arn:aws:kms:{}:" + ACCOUNT + ":key/"


def test_a_replica_is_creating_then_enabled_and_decrypts_what_the_primary_encrypted(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        created = await world.call(US, "CreateKey", MultiRegion=True, Description="orders")
        key_id = created["KeyMetadata"]["KeyId"]
        answer = await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        metadata = answer["ReplicaKeyMetadata"]
        assert metadata["KeyState"] == "Creating"
        assert metadata["Enabled"] is False
        assert "CurrentKeyMaterialId" not in metadata
        assert metadata["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA"
        assert "ReplicaTags" not in answer
        sealed = await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"order 4711")
        await world.settled()

        opened = await world.call(EU, "Decrypt", CiphertextBlob=sealed["CiphertextBlob"])

        assert opened["Plaintext"] == b"order 4711"
        assert opened["KeyId"].startswith(f"arn:aws:kms:{EU}:")
        described = (await world.call(EU, "DescribeKey", KeyId=key_id))["KeyMetadata"]
        assert described["CurrentKeyMaterialId"] == created["KeyMetadata"]["CurrentKeyMaterialId"]
        assert described["Description"] == ""

    play(script, tmp_path)


def test_policy_description_and_tags_stay_in_their_region(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        created = await world.call(
            US, "CreateKey", MultiRegion=True, Description="here", Tags=[{"TagKey": "a", "TagValue": "1"}]
        )
        key_id = created["KeyMetadata"]["KeyId"]
        await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        await world.settled()
        before = world.key(EU, key_id).regional
        policy = world.key(US, key_id).regional.policy.replace("key-default-1", "changed")
        await world.call(US, "PutKeyPolicy", KeyId=key_id, Policy=policy)
        await world.call(US, "DisableKey", KeyId=key_id)
        await world.call(US, "CreateAlias", AliasName="alias/orders", TargetKeyId=key_id)
        await world.rest(10)

        assert world.key(EU, key_id).regional == before
        assert before.description == ""
        assert before.tags == ()
        refusal = await world.refused(EU, "DescribeKey", KeyId="alias/orders")
        assert isinstance(refusal, NotFoundException)

    play(script, tmp_path)


def test_replicate_key_is_refused_where_aws_refuses_it(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        single = (await world.call(US, "CreateKey"))["KeyMetadata"]
        refusal = await world.refused(US, "ReplicateKey", KeyId=single["KeyId"], ReplicaRegion=EU)
        assert isinstance(refusal, UnsupportedOperationException)
        assert refusal.message == f"{single['Arn']} is not a multi-region primary key."

        key_id = await world.multi_region_key(US, EU)
        twice = await world.refused(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        assert isinstance(twice, AlreadyExistsException)
        here = await world.refused(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=US)
        assert isinstance(here, AlreadyExistsException)
        from_replica = await world.refused(EU, "ReplicateKey", KeyId=key_id, ReplicaRegion=AP)
        assert isinstance(from_replica, UnsupportedOperationException)
        assert from_replica.message == f"{ARN.format(EU)}{key_id} is not a multi-region primary key."
        nowhere = await world.refused(US, "ReplicateKey", KeyId=key_id, ReplicaRegion="cn-north-1")
        assert isinstance(nowhere, ValidationException)
        stranger = await world.refused(US, "ReplicateKey", caller="mallory", KeyId=key_id, ReplicaRegion=AP)
        assert isinstance(stranger, AccessDeniedException)

    play(script, tmp_path)


def test_the_replica_region_refuses_a_policy_that_locks_its_caller_out(tmp_path: Path) -> None:
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
        '"Principal":{"AWS":"arn:aws:iam::111122223333:user/mallory"},"Action":"kms:*","Resource":"*"}]}'
    )

    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US)
        refusal = await world.refused(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU, Policy=policy)
        assert refusal.message == "The new key policy will not allow you to update the key policy in the future."
        assert world.region(EU).state.key(key_id) is None

        answer = await world.call(
            US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU, Policy=policy, BypassPolicyLockoutSafetyCheck=True
        )
        await world.settled()
        assert world.key(EU, key_id).regional.policy == answer["ReplicaPolicy"]
        denied = await world.refused(EU, "Encrypt", KeyId=key_id, Plaintext=b"x")
        assert isinstance(denied, AccessDeniedException)

    play(script, tmp_path)


def test_a_rotation_is_used_by_nobody_before_every_region_holds_it(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU, AP)
        old = world.key(US, key_id).shared.current_material_id
        world.break_with(LinkCut(between=(US, AP)))
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        await world.rest(30)

        for region in (US, EU, AP):
            assert world.key(region, key_id).shared.current_material_id == old
        assert world.key(US, key_id).shared.pending_material is not None
        again = await world.refused(US, "RotateKeyOnDemand", KeyId=key_id)
        assert isinstance(again, ConflictException)
        before = await world.call(EU, "Encrypt", KeyId=key_id, Plaintext=b"old")
        world.heal()
        await world.settled()

        new = {world.key(region, key_id).shared.current_material_id for region in (US, EU, AP)}
        assert len(new) == 1
        assert new != {old}
        after = await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"new")
        for blob, plaintext in ((before, b"old"), (after, b"new")):
            opened = await world.call(AP, "Decrypt", CiphertextBlob=blob["CiphertextBlob"])
            assert opened["Plaintext"] == plaintext

    play(script, tmp_path)


def test_a_replica_cannot_rotate(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        refusal = await world.refused(EU, "RotateKeyOnDemand", KeyId=key_id)
        assert isinstance(refusal, UnsupportedOperationException)
        assert refusal.message == f"{world.key(EU, key_id).arn} is not a multi-region primary key."

    play(script, tmp_path)


def test_a_primary_move_swaps_the_roles_and_both_ends_are_updating_meanwhile(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU, AP)
        sealed = await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x")
        await world.call(US, "UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion=EU)
        assert world.key(US, key_id).state is KeyState.UPDATING
        updating = await world.refused(US, "DisableKey", KeyId=key_id)
        assert isinstance(updating, KMSInvalidStateException)
        assert updating.message == f"{ARN.format(US)}{key_id} is updating."
        for operation in ("EnableKey", "ScheduleKeyDeletion"):
            assert (await world.refused(US, operation, KeyId=key_id)).message == updating.message
        await world.call(US, "Decrypt", CiphertextBlob=sealed["CiphertextBlob"])
        await world.until(lambda: world.key(EU, key_id).is_primary)
        assert world.key(EU, key_id).state is KeyState.UPDATING
        await world.settled()

        for region in (US, EU, AP):
            assert world.key(region, key_id).state is KeyState.ENABLED
            assert world.key(region, key_id).shared.primary_region == EU
        assert world.key(EU, key_id).shared.replica_regions == (US, AP)
        for region, kind in ((US, "REPLICA"), (EU, "PRIMARY"), (AP, "REPLICA")):
            metadata = (await world.call(region, "DescribeKey", KeyId=key_id))["KeyMetadata"]
            assert metadata["Arn"] == f"{ARN.format(region)}{key_id}"
            assert metadata["MultiRegionConfiguration"]["MultiRegionKeyType"] == kind
        await world.call(EU, "RotateKeyOnDemand", KeyId=key_id)
        await world.settled()
        assert world.key(AP, key_id).shared.rotation_count == 1

    play(script, tmp_path)


def test_a_replica_cannot_promote_itself_and_the_primary_cannot_when_it_is_down(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        refusal = await world.refused(EU, "UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion=EU)
        assert isinstance(refusal, UnsupportedOperationException)
        missing = await world.refused(US, "UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion=AP)
        assert isinstance(missing, NotFoundException)

        world.break_with(RegionOutage(region=EU))
        unheard = await world.refused(US, "UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion=EU)
        assert isinstance(unheard, KMSInternalException)
        assert unheard.may_have_happened
        assert world.key(US, key_id).is_primary
        assert world.key(US, key_id).state is KeyState.ENABLED
        world.heal()
        await world.settled()

    play(script, tmp_path)


@pytest.mark.parametrize("when", ["at once", "while material travels", "after the first acknowledgement"])
def test_a_rotation_survives_the_crash_of_the_primarys_hosts(tmp_path: Path, when: str) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU, AP)
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        if when == "while material travels":
            await world.until(lambda: bool(world.happened("shared_applied", EU)))
        elif when == "after the first acknowledgement":
            await world.until(lambda: bool(world.happened("rotation_installed", EU)))
            await world.rest(0.05)
        world.break_with(RegionCrash(region=US))
        await world.rest(1)
        world.heal()
        await world.until(lambda: world.region(US).is_up)
        await world.settled()

        assert [world.key(region, key_id).shared.rotation_count for region in (US, EU, AP)] == [1, 1, 1]

    play(script, tmp_path)


def test_a_replicas_crash_while_it_is_created_delays_it_and_no_more(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        created = await world.call(US, "CreateKey", MultiRegion=True)
        key_id = created["KeyMetadata"]["KeyId"]
        await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        await world.until(lambda: bool(world.happened("replica_creating", EU)))
        world.break_with(RegionCrash(region=EU))
        await world.rest(5)
        world.heal()
        await world.until(lambda: world.region(EU).is_up)
        await world.settled()
        assert world.key(EU, key_id).state is KeyState.ENABLED

    play(script, tmp_path)


def test_what_was_acknowledged_is_there_after_a_crash(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        kept = [(await world.call(US, "CreateKey"))["KeyMetadata"]["KeyId"] for _ in range(5)]
        world.break_with(RegionCrash(region=US))
        await world.rest(1)
        world.heal()
        await world.until(lambda: world.region(US).is_up)
        sealed = [await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x") for key_id in kept]
        for blob in sealed:
            await world.call(US, "Decrypt", CiphertextBlob=blob["CiphertextBlob"])

    play(script, tmp_path)


@pytest.mark.parametrize("seed", range(8))
def test_everything_converges_over_links_that_lose_a_third(tmp_path: Path, seed: int) -> None:
    async def script(world: Play) -> None:
        world.break_with(LinkLoss(between=None, probability=0.33), "loss")
        keys = [(await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"] for _ in range(4)]
        for key_id in keys:
            for region in (EU, AP):
                await _persistently(world, US, "ReplicateKey", KeyId=key_id, ReplicaRegion=region)
        await world.until(lambda: all(_is_enabled(world, EU, key_id) for key_id in keys), 120)
        await world.until(lambda: all(_is_enabled(world, AP, key_id) for key_id in keys), 120)
        for key_id in keys:
            await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        await world.until(lambda: all(world.key(AP, key_id).shared.rotation_count == 1 for key_id in keys), 200)
        world.heal("loss")
        await world.settled()

    play(script, tmp_path, seed=seed)


def test_a_replica_serves_without_its_primary_s_region_and_takes_nothing_that_is_the_primary_s(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        blob = (await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"order 4711"))["CiphertextBlob"]
        world.break_with(RegionOutage(region=US))

        assert (await world.call(EU, "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"order 4711"
        assert await world.call(EU, "Encrypt", KeyId=key_id, Plaintext=b"x")
        for operation, parameters in (
            ("ReplicateKey", {"ReplicaRegion": AP}),
            ("UpdatePrimaryRegion", {"PrimaryRegion": EU}),
        ):
            primary_s = await world.client_call(
                ClientSettings(regions=(US,), near=EU), operation, {"KeyId": key_id, **parameters}
            )
            assert primary_s.error == "ConnectTimeout"
            replica_s = await world.refused(EU, operation, KeyId=key_id, **parameters)
            assert isinstance(replica_s, UnsupportedOperationException)
        named = await world.refused(EU, "Encrypt", KeyId=f"{ARN.format(US)}{key_id}", Plaintext=b"x")
        assert (named.code, named.message) == ("NotFoundException", f"Invalid arn {US}")
        world.heal()
        await world.settled()

    play(script, tmp_path)


def test_an_outage_loses_nothing(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        world.break_with(RegionOutage(region=EU))
        await world.rest(900)
        began_ns = now_ns()
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
        await world.rest(900 - (now_ns() - began_ns) / NS_PER_SECOND)
        assert world.simulation.unavailable_ns(EU) == 1800 * 10**9
        world.heal()
        await world.settled()
        assert world.key(EU, key_id).shared.rotation_count == 1
        assert world.simulation.unavailable_ns(EU) == 1800 * 10**9

    play(script, tmp_path)


async def _persistently(world: Play, region: str, operation: str, **parameters: object) -> None:
    """Call until it succeeds, or turns out to have succeeded."""
    for _ in range(10):
        try:
            await world.call(region, operation, **parameters)
        except KMSInternalException:
            continue
        except AlreadyExistsException:
            pass
        return
    raise AssertionError(f"{operation} never succeeded")


def _is_enabled(world: Play, region: str, key_id: str) -> bool:
    key = world.region(region).state.key(key_id)
    return key is not None and key.state is KeyState.ENABLED


def test_a_replica_costs_two_create_keys_in_its_region(tmp_path: Path) -> None:
    async def script(world: Play) -> list[str]:
        keys = [(await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"] for _ in range(3)]
        await world.rest(2)
        said = []
        for key_id in keys:
            try:
                await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
                said.append("ok")
            except ThrottlingException:
                said.append("throttled")
        return said

    # Five CreateKey a second: two replicas fit into one, a third does not (ReplicateKey itself is asked only thrice).
    assert play(script, tmp_path, has_quotas=True)[0] == ["ok", "ok", "throttled"]


def test_decrypting_at_a_replica_that_is_creating_is_refused_for_its_state(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = (await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
        blob = (await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
        await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        await world.until(lambda: bool(world.happened("replica_creating", EU)))
        refusal = await world.refused(EU, "Decrypt", CiphertextBlob=blob)
        assert isinstance(refusal, KMSInvalidStateException)
        assert refusal.message.endswith(" is creating.")
        stranger = await world.refused(EU, "Decrypt", caller="mallory", CiphertextBlob=blob)
        assert isinstance(stranger, AccessDeniedException), "who may not, hears nothing of the key's state"
        await world.settled()

    play(script, tmp_path)
