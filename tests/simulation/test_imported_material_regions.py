"""Imported material of multi-Region keys: the primary first, then each replica; what they tell each other of it."""

from __future__ import annotations

from typing import Any

from regionsim.kms.key import KeyState
from tests.simulation.importing import FIRST, FOR_GOOD, SECOND, THIRD, bring, external_key, parameters, sent
from tests.simulation.one_region import HERE, OneRegion, one_region

THERE, ELSEWHERE = "eu-west-1", "ap-southeast-2"
TWO, THREE = (HERE, THERE), (HERE, THERE, ELSEWHERE)
NEW = {"ImportType": "NEW_KEY_MATERIAL"}
WAITING_ELSEWHERE = "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"


async def described(kms: OneRegion, key_id: str, at: str = HERE) -> dict[str, Any]:
    found: dict[str, Any] = (await kms.call("alice", "DescribeKey", at=at, KeyId=key_id))["KeyMetadata"]
    return found


async def states(kms: OneRegion, key_id: str, at: str = HERE) -> list[str]:
    """What each material of the key is there."""
    answer = await kms.call("alice", "ListKeyRotations", at=at, KeyId=key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL")
    return [f"{one['KeyMaterialState']} {one['ImportState']}" for one in answer["Rotations"]]


async def replicated(kms: OneRegion, *regions: str, has_material: bool = True) -> str:
    """A key with imported material here, and in those Regions."""
    key_id = await external_key(kms, MultiRegion=True)
    for region in regions:
        await kms.call("alice", "ReplicateKey", KeyId=key_id, ReplicaRegion=region)
        await kms.sleep_seconds(5)
        if has_material:
            await bring(kms, key_id, at=region)
    return key_id


@one_region(regions=TWO)
async def test_a_replica_waits_for_the_same_material_and_no_other(kms: OneRegion) -> None:
    key_id = await replicated(kms, THERE, has_material=False)
    waiting = await described(kms, key_id, THERE)
    assert (waiting["KeyState"], waiting["CurrentKeyMaterialId"]) == (
        "PendingImport",
        (await described(kms, key_id))["CurrentKeyMaterialId"],
    )
    assert kms.simulation.is_settled, "nothing is asked for that nobody sends"
    given = sent(await parameters(kms, key_id, at=THERE), SECOND)
    other = await kms.refusal("alice", "ImportKeyMaterial", at=THERE, KeyId=key_id, **given, **FOR_GOOD)
    assert other.code == "IncorrectKeyMaterialException"
    new = await kms.refusal("alice", "ImportKeyMaterial", at=THERE, KeyId=key_id, **given, **FOR_GOOD, **NEW)
    assert (new.code, new.message) == (
        "UnsupportedOperationException",
        f"{kms.arn(key_id, THERE)} is not a multi-region primary key.",
    )
    await bring(kms, key_id, at=THERE)
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    assert (await kms.call("alice", "Decrypt", at=THERE, CiphertextBlob=blob))["Plaintext"] == b"x"


@one_region(regions=TWO)
async def test_imported_material_never_crosses_a_link(kms: OneRegion) -> None:
    key_id = await replicated(kms, THERE, has_material=False)
    await kms.sleep_seconds(60)
    assert kms.simulation.regions[THERE].state.material_ids(key_id) == ()
    assert not kms.happened("hsm_request", job="WrapMaterials")


@one_region(regions=TWO)
async def test_expiry_is_each_region_s_own(kms: OneRegion) -> None:
    key_id = await replicated(kms, THERE, has_material=False)
    await bring(kms, key_id, at=THERE, days=1)
    await kms.sleep_seconds(86_400)
    assert (await described(kms, key_id))["KeyState"] == "Enabled"
    assert (await described(kms, key_id, THERE))["KeyState"] == "PendingImport"


@one_region(regions=THREE)
async def test_a_rotation_waits_until_every_replica_has_the_new_material(kms: OneRegion) -> None:
    key_id = await replicated(kms, THERE, ELSEWHERE)
    second = await bring(kms, key_id, SECOND, **NEW, KeyMaterialDescription="of 2027")
    await kms.sleep_seconds(5)
    assert await states(kms, key_id) == ["CURRENT IMPORTED", f"{WAITING_ELSEWHERE} IMPORTED"]
    assert await states(kms, key_id, THERE) == ["CURRENT IMPORTED", f"{WAITING_ELSEWHERE} PENDING_IMPORT"]
    assert (await described(kms, key_id, THERE))["KeyState"] == "Enabled", "what waits is not permanent"
    await bring(kms, key_id, SECOND, at=THERE)
    await kms.sleep_seconds(5)
    early = await kms.refusal("alice", "RotateKeyOnDemand", KeyId=key_id)
    assert early.code == "KMSInvalidStateException"
    await bring(kms, key_id, SECOND, at=ELSEWHERE)
    await kms.sleep_seconds(5)
    for region in THREE:
        assert await states(kms, key_id, region) == ["CURRENT IMPORTED", "PENDING_ROTATION IMPORTED"]
    await kms.call("alice", "RotateKeyOnDemand", KeyId=key_id)
    await kms.sleep_seconds(5)
    for region in THREE:
        assert (await described(kms, key_id, region))["CurrentKeyMaterialId"] == second
        assert (await described(kms, key_id, region))["KeyState"] == "Enabled"
    blob = (await kms.call("alice", "Encrypt", at=ELSEWHERE, KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    assert (await kms.call("alice", "Decrypt", at=THERE, CiphertextBlob=blob))["KeyMaterialId"] == second


@one_region(regions=TWO)
async def test_the_primary_hears_of_a_replica_s_import_after_it_was_down(kms: OneRegion) -> None:
    key_id = await replicated(kms, THERE)
    await bring(kms, key_id, SECOND, **NEW)
    await kms.sleep_seconds(5)
    await kms.region.crash()
    await bring(kms, key_id, SECOND, at=THERE)
    there = kms.simulation.regions[THERE]
    await there.crash()
    await there.boot()
    await kms.sleep_seconds(60)
    assert not kms.simulation.is_settled
    await kms.region.boot()
    await kms.sleep_seconds(60)
    assert (await states(kms, key_id))[1] == "PENDING_ROTATION IMPORTED"
    assert kms.simulation.is_settled


@one_region(regions=TWO)
async def test_what_the_primary_drops_of_waiting_material_its_replica_drops(kms: OneRegion) -> None:
    key_id = await replicated(kms, THERE)
    second = await bring(kms, key_id, SECOND, **NEW)
    await kms.sleep_seconds(5)
    await bring(kms, key_id, SECOND, at=THERE)
    await kms.sleep_seconds(5)
    there = kms.simulation.regions[THERE]
    assert second in there.state.material_ids(key_id)
    await kms.call("alice", "DeleteImportedKeyMaterial", KeyId=key_id, KeyMaterialId=second)
    await kms.sleep_seconds(5)
    assert second not in there.state.material_ids(key_id)
    assert await states(kms, key_id, THERE) == ["CURRENT IMPORTED"]
    await bring(kms, key_id, THIRD, **NEW)
    await kms.sleep_seconds(5)
    assert (await states(kms, key_id))[1] == f"{WAITING_ELSEWHERE} IMPORTED"


@one_region(regions=TWO)
async def test_a_replica_that_lost_the_waiting_material_is_pending_import_after_the_rotation(kms: OneRegion) -> None:
    key_id = await replicated(kms, THERE)
    second = await bring(kms, key_id, SECOND, **NEW)
    await kms.sleep_seconds(5)
    await bring(kms, key_id, SECOND, at=THERE)
    await kms.sleep_seconds(5)
    await kms.call("alice", "DeleteImportedKeyMaterial", at=THERE, KeyId=key_id, KeyMaterialId=second)
    assert (await described(kms, key_id, THERE))["KeyState"] == "Enabled"
    await kms.call("alice", "RotateKeyOnDemand", KeyId=key_id)
    await kms.sleep_seconds(5)
    assert (await described(kms, key_id, THERE))["KeyState"] == "PendingImport"
    assert (await described(kms, key_id))["KeyState"] == "Enabled"
    await bring(kms, key_id, SECOND, at=THERE)
    assert (await described(kms, key_id, THERE))["KeyState"] == "Enabled"


@one_region(regions=THREE)
async def test_the_role_moves_while_material_waits(kms: OneRegion) -> None:
    key_id = await replicated(kms, THERE, ELSEWHERE)
    second = await bring(kms, key_id, SECOND, **NEW)
    await kms.sleep_seconds(5)
    await bring(kms, key_id, SECOND, at=THERE)
    await kms.sleep_seconds(5)
    await kms.call("alice", "UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion=THERE)
    await bring(kms, key_id, SECOND, at=ELSEWHERE)
    await kms.sleep_seconds(10)
    assert kms.simulation.is_settled
    for region in THREE:
        assert (await states(kms, key_id, region))[1] == "PENDING_ROTATION IMPORTED"
    await kms.call("alice", "RotateKeyOnDemand", at=THERE, KeyId=key_id)
    await kms.sleep_seconds(5)
    for region in THREE:
        assert (await described(kms, key_id, region))["CurrentKeyMaterialId"] == second


@one_region(regions=TWO)
async def test_material_that_expires_while_the_role_moves_leaves_the_key_pending_import(kms: OneRegion) -> None:
    key_id = await replicated(kms, THERE)
    await bring(kms, key_id, days=1)
    await kms.sleep_seconds(86_400 - (kms.region.clock.now_ns() - 1_767_225_600_000_000_000) / 1e9 - 0.05)
    await kms.call("alice", "UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion=THERE)
    assert kms.key(key_id).state is KeyState.UPDATING
    await kms.sleep_seconds(30)
    assert kms.key(key_id).state is KeyState.PENDING_IMPORT
    assert (await described(kms, key_id, THERE))["KeyState"] == "Enabled"


@one_region(regions=TWO)
async def test_new_material_and_rotation_are_the_primary_s(kms: OneRegion) -> None:
    """A key that has its material is rotated only by new material, and only at the primary."""
    key_id = await replicated(kms, THERE)
    refusal = await kms.refusal("alice", "RotateKeyOnDemand", at=THERE, KeyId=key_id)
    assert refusal.message == f"{kms.arn(key_id, THERE)} is not a multi-region primary key."
    given = sent(await parameters(kms, key_id), FIRST)
    await kms.call("alice", "ImportKeyMaterial", KeyId=key_id, **given, **FOR_GOOD)
