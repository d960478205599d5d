"""Imported key material in one Region: tokens, wrapping, expiry, deletion, reimport, rotation."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from regionsim.hsm.algorithms.importing import wrapped_by_owner
from regionsim.kms.wrapping import WrappingAlgorithm
from tests.simulation.importing import (
    AES_KEY,
    FIRST,
    FOR_GOOD,
    OAEP,
    SECOND,
    THIRD,
    bring,
    external_key,
    in_days,
    parameters,
    sent,
)
from tests.simulation.one_region import OneRegion, one_region

DAY = 86_400.0


async def described(kms: OneRegion, key_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await kms.call("alice", "DescribeKey", KeyId=key_id))["KeyMetadata"]
    return found


async def materials(kms: OneRegion, key_id: str) -> list[dict[str, Any]]:
    answer = await kms.call("alice", "ListKeyRotations", KeyId=key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL")
    found: list[dict[str, Any]] = answer["Rotations"]
    return found


async def sealed(kms: OneRegion, key_id: str, text: bytes = b"order 4711") -> bytes:
    blob: bytes = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=text))["CiphertextBlob"]
    return blob


@one_region()
async def test_a_key_waits_for_its_material_and_then_works(kms: OneRegion) -> None:
    key_id = await kms.create_key("alice", Origin="EXTERNAL")
    empty = await described(kms, key_id)
    assert (empty["KeyState"], empty["Enabled"], empty["Origin"]) == ("PendingImport", False, "EXTERNAL")
    assert not {"CurrentKeyMaterialId", "ExpirationModel", "ValidTo"} & empty.keys()
    refusal = await kms.refusal("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    assert (refusal.code, refusal.message) == ("KMSInvalidStateException", f"{kms.arn(key_id)} is pending import.")
    material_id = await bring(kms, key_id, days=30)
    full = await described(kms, key_id)
    assert (full["KeyState"], full["CurrentKeyMaterialId"]) == ("Enabled", material_id)
    assert (full["ExpirationModel"], full["ValidTo"]) == ("KEY_MATERIAL_EXPIRES", in_days(30))
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=await sealed(kms, key_id)))["Plaintext"] == b"order 4711"


@one_region()
async def test_no_hsm_is_asked_to_make_material_for_such_a_key(kms: OneRegion) -> None:
    await kms.create_key("alice", Origin="EXTERNAL")
    assert kms.region.counts.hsm_requests == 0


@pytest.mark.parametrize(
    "spec",
    ["RSA_2048", pytest.param("RSA_3072", marks=pytest.mark.slow), pytest.param("RSA_4096", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"])
@one_region()
async def test_every_way_to_wrap_a_symmetric_key(kms: OneRegion, algorithm: str, spec: str) -> None:
    key_id = await kms.create_key("alice", Origin="EXTERNAL")
    given = await parameters(kms, key_id, algorithm, spec=spec)
    assert load_der_public_key(given["PublicKey"]).key_size == int(spec.removeprefix("RSA_"))  # type: ignore[union-attr]
    await kms.call("alice", "ImportKeyMaterial", KeyId=key_id, **sent(given, FIRST, algorithm), **FOR_GOOD)
    assert (await described(kms, key_id))["ExpirationModel"] == "KEY_MATERIAL_DOES_NOT_EXPIRE"


@pytest.mark.parametrize(
    ("algorithm", "spec"),
    [
        ("RSAES_PKCS1_V1_5", "RSA_2048"),
        ("RSA_AES_KEY_WRAP_SHA_256", "RSA_2048"),
        ("SM2PKE", "SM2"),
        ("RSAES_OAEP_SHA_256", "SM2"),
    ],
)
@one_region()
async def test_what_does_not_wrap_a_symmetric_key(kms: OneRegion, algorithm: str, spec: str) -> None:
    key_id = await kms.create_key("alice", Origin="EXTERNAL")
    wrapping = {"WrappingAlgorithm": algorithm, "WrappingKeySpec": spec}
    refusal = await kms.refusal("alice", "GetParametersForImport", KeyId=key_id, **wrapping)
    assert refusal.code == "UnsupportedOperationException"
    assert kms.region.counts.hsm_requests == 0


@one_region()
async def test_a_token_is_good_for_a_day_and_for_its_own_key(kms: OneRegion) -> None:
    key_id, other = await external_key(kms, None), await external_key(kms, None)
    given = await parameters(kms, key_id)
    assert given["ParametersValidTo"] == pytest.approx(in_days(1), abs=2)
    bundle = {**sent(given, FIRST), **FOR_GOOD}
    assert (
        await kms.refusal("alice", "ImportKeyMaterial", KeyId=other, **bundle)
    ).code == "InvalidImportTokenException"
    await kms.sleep_seconds(DAY)
    late = await kms.refusal("alice", "ImportKeyMaterial", KeyId=key_id, **bundle)
    assert late.code == "ExpiredImportTokenException"


@pytest.mark.parametrize("place", [0, 8, 21, 22, 25, 30, 40, 200, -1])
@one_region()
async def test_an_altered_token_is_none(kms: OneRegion, place: int) -> None:
    """Also its date and its algorithm, which anybody can read in it."""
    key_id = await external_key(kms, None)
    bundle = sent(await parameters(kms, key_id), FIRST)
    token = bytearray(bundle["ImportToken"])
    token[place] ^= 1
    altered = {**bundle, "ImportToken": bytes(token), **FOR_GOOD}
    refusal = await kms.refusal("alice", "ImportKeyMaterial", KeyId=key_id, **altered)
    assert refusal.code in ("InvalidImportTokenException", "ExpiredImportTokenException", "KeyUnavailableException")
    if place != 25:  # the date's own byte may put it into the past
        assert refusal.code == "InvalidImportTokenException" or place == 40


@one_region()
async def test_what_is_not_wrapped_under_the_token_s_key_is_refused(kms: OneRegion) -> None:
    key_id = await external_key(kms, None)
    one, other = await parameters(kms, key_id), await parameters(kms, key_id)
    assert one["PublicKey"] != other["PublicKey"]
    crossed = {**sent(one, FIRST), "ImportToken": other["ImportToken"], **FOR_GOOD}
    refusal = await kms.refusal("alice", "ImportKeyMaterial", KeyId=key_id, **crossed)
    assert (refusal.code, refusal.message) == ("InvalidCiphertextException", "")
    other_hash = {**sent(one, FIRST, "RSAES_OAEP_SHA_1"), **FOR_GOOD}
    assert (await kms.refusal("alice", "ImportKeyMaterial", KeyId=key_id, **other_hash)).code == refusal.code


@pytest.mark.parametrize("length", [0, 16, 31, 33])
@one_region()
async def test_material_of_another_length_is_no_key(kms: OneRegion, length: int) -> None:
    key_id = await external_key(kms, None)
    bundle = {**sent(await parameters(kms, key_id), bytes(length)), **FOR_GOOD}
    assert (await kms.refusal("alice", "ImportKeyMaterial", KeyId=key_id, **bundle)).code == (
        "IncorrectKeyMaterialException"
    )
    assert (await described(kms, key_id))["KeyState"] == "PendingImport"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"),
        ({"ValidTo": in_days(3), **FOR_GOOD}, "must not be set"),
        ({"ValidTo": in_days(-1)}, "must be in the future"),
        ({"ValidTo": in_days(366)}, "at most 365 days"),
        ({"KeyMaterialId": "0" * 64, "ImportType": "NEW_KEY_MATERIAL", **FOR_GOOD}, "cannot be specified"),
    ],
)
@one_region()
async def test_dates_and_ids_that_do_not_fit(kms: OneRegion, given: dict[str, Any], text: str) -> None:
    key_id = await external_key(kms, None)
    bundle = sent(await parameters(kms, key_id), FIRST)
    refusal = await kms.refusal("alice", "ImportKeyMaterial", KeyId=key_id, **bundle, **given)
    assert refusal.code == "ValidationException"
    assert text in refusal.message


@one_region()
async def test_material_expires_on_its_date_and_comes_back_with_the_same_bytes_only(kms: OneRegion) -> None:
    key_id = await external_key(kms, None)
    material_id = await bring(kms, key_id, days=3)
    blob = await sealed(kms, key_id)
    await kms.sleep_seconds(3 * DAY - 60)
    assert (await described(kms, key_id))["KeyState"] == "Enabled"
    await kms.sleep_seconds(60)
    expired = await described(kms, key_id)
    assert (expired["KeyState"], expired["CurrentKeyMaterialId"]) == ("PendingImport", material_id)
    assert not {"ExpirationModel", "ValidTo"} & expired.keys()
    assert kms.region.state.material(key_id, material_id) is None
    (record,) = await kms.records("DeleteExpiredKeyMaterial")
    assert record["serviceEventDetails"] == {"keyId": key_id, "keyMaterialId": material_id}
    assert await kms.answer("alice", "Decrypt", CiphertextBlob=blob) == (
        f"KMSInvalidStateException: {kms.arn(key_id)} is pending import."
    )
    bundle = sent(await parameters(kms, key_id), SECOND)
    other = await kms.refusal("alice", "ImportKeyMaterial", KeyId=key_id, **bundle, **FOR_GOOD)
    assert other.code == "IncorrectKeyMaterialException"
    assert await bring(kms, key_id, FIRST) == material_id
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"order 4711"
    assert (await described(kms, key_id))["ExpirationModel"] == "KEY_MATERIAL_DOES_NOT_EXPIRE"


@one_region()
async def test_material_that_expired_while_the_hosts_were_down_is_gone_when_they_are_up(kms: OneRegion) -> None:
    key_id = await external_key(kms, None)
    await bring(kms, key_id, days=1)
    await kms.region.crash()
    await kms.sleep_seconds(2 * DAY)
    await kms.region.boot()
    await kms.sleep_seconds(60)
    assert (await described(kms, key_id))["KeyState"] == "PendingImport"


@one_region()
async def test_a_later_date_is_set_by_importing_again(kms: OneRegion) -> None:
    key_id = await external_key(kms, None)
    await bring(kms, key_id, days=1)
    await bring(kms, key_id, days=10)
    await kms.sleep_seconds(5 * DAY)
    assert (await described(kms, key_id))["KeyState"] == "Enabled"


@one_region()
async def test_deleted_material_is_gone_at_once_also_from_the_file_and_after_a_boot(kms: OneRegion) -> None:
    key_id = await external_key(kms)
    blob = await sealed(kms, key_id)
    answer = await kms.call("alice", "DeleteImportedKeyMaterial", KeyId=key_id)
    (material,) = await materials(kms, key_id)
    assert answer == {"KeyId": kms.arn(key_id), "KeyMaterialId": material["KeyMaterialId"]}
    assert (material["ImportState"], material["KeyMaterialState"]) == ("PENDING_IMPORT", "CURRENT")
    await kms.reboot()
    assert kms.region.state.material_ids(key_id) == ()
    assert (await described(kms, key_id))["KeyState"] == "PendingImport"
    assert (await kms.call("alice", "DeleteImportedKeyMaterial", KeyId=key_id))["KeyId"] == kms.arn(key_id)
    await bring(kms, key_id)
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"order 4711"


@one_region()
async def test_a_token_that_was_wrapped_anew_brings_no_deleted_material_back(kms: OneRegion) -> None:
    key_id = await external_key(kms)
    kms.region.fleet.rotate_domain_key()
    await sealed(kms, key_id)  # its token is wrapped anew, and kept with the next audit batch
    await kms.call("alice", "DeleteImportedKeyMaterial", KeyId=key_id)
    await kms.sleep_seconds(1)
    assert kms.region.state.material_ids(key_id) == ()
    await kms.reboot()
    assert kms.region.state.material_ids(key_id) == ()


@one_region()
async def test_a_key_that_is_pending_deletion_stays_so_and_waits_for_its_material_when_that_is_cancelled(
    kms: OneRegion,
) -> None:
    key_id = await external_key(kms)
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    await kms.call("alice", "DeleteImportedKeyMaterial", KeyId=key_id)
    assert (await described(kms, key_id))["KeyState"] == "PendingDeletion"
    await kms.call("alice", "CancelKeyDeletion", KeyId=key_id)
    assert (await described(kms, key_id))["KeyState"] == "PendingImport"


@one_region()
async def test_new_material_waits_for_its_rotation_and_the_old_goes_on_decrypting(kms: OneRegion) -> None:
    key_id = await external_key(kms)
    none = await kms.refusal("alice", "RotateKeyOnDemand", KeyId=key_id)
    assert (none.code, none.message) == (
        "KMSInvalidStateException",
        f"No available key material pending rotation for the key: {kms.arn(key_id)}.",
    )
    old = await sealed(kms, key_id)
    second = await bring(kms, key_id, SECOND, ImportType="NEW_KEY_MATERIAL", KeyMaterialDescription="of 2027")
    states = [(one["KeyMaterialState"], one.get("KeyMaterialDescription")) for one in await materials(kms, key_id)]
    assert states == [("CURRENT", None), ("PENDING_ROTATION", "of 2027")]
    status = await kms.call("alice", "GetKeyRotationStatus", KeyId=key_id)
    assert status == {"KeyId": kms.arn(key_id), "KeyRotationEnabled": False}
    await kms.call("alice", "RotateKeyOnDemand", KeyId=key_id)
    assert (await described(kms, key_id))["CurrentKeyMaterialId"] == second
    assert [one["KeyMaterialState"] for one in await materials(kms, key_id)] == ["NON_CURRENT", "CURRENT"]
    new = await sealed(kms, key_id)
    for blob in (old, new):
        assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"order 4711"
    (record,) = await kms.records("RotateKey")
    assert record["serviceEventDetails"]["keyOrigin"] == "EXTERNAL"


@one_region()
async def test_only_one_material_waits_and_none_comes_twice_as_new(kms: OneRegion) -> None:
    key_id = await external_key(kms)
    (first,) = await materials(kms, key_id)
    second = await bring(kms, key_id, SECOND, ImportType="NEW_KEY_MATERIAL")
    bundle = {**sent(await parameters(kms, key_id), THIRD), **FOR_GOOD}
    refusal = await kms.refusal("alice", "ImportKeyMaterial", KeyId=key_id, ImportType="NEW_KEY_MATERIAL", **bundle)
    assert refusal.code == "KMSInvalidStateException"
    assert refusal.message.startswith("New key material (id: ")
    assert refusal.message.endswith(
        f") cannot be imported into KMS key {key_id}, because another key material (id: {second}) is pending rotation."
    )
    known = {**sent(await parameters(kms, key_id), FIRST), **FOR_GOOD}
    again = await kms.refusal("alice", "ImportKeyMaterial", KeyId=key_id, ImportType="NEW_KEY_MATERIAL", **known)
    assert again.code == "IncorrectKeyMaterialException"
    other = {**known, "KeyMaterialId": second}
    assert (await kms.refusal("alice", "ImportKeyMaterial", KeyId=key_id, **other)).code == again.code
    right = {**known, "KeyMaterialId": first["KeyMaterialId"]}
    await kms.call("alice", "ImportKeyMaterial", KeyId=key_id, **right)


@one_region()
async def test_waiting_material_that_is_deleted_is_the_key_s_no_more_and_changes_nothing_else(kms: OneRegion) -> None:
    key_id = await external_key(kms)
    second = await bring(kms, key_id, SECOND, ImportType="NEW_KEY_MATERIAL")
    await kms.call("alice", "DeleteImportedKeyMaterial", KeyId=key_id, KeyMaterialId=second)
    assert (await described(kms, key_id))["KeyState"] == "Enabled"
    assert len(await materials(kms, key_id)) == 1
    gone = await kms.refusal("alice", "DeleteImportedKeyMaterial", KeyId=key_id, KeyMaterialId=second)
    assert gone.code == "NotFoundException"
    await bring(kms, key_id, THIRD, ImportType="NEW_KEY_MATERIAL")


@one_region()
async def test_a_key_needs_every_material_that_it_was_rotated_through(kms: OneRegion) -> None:
    key_id = await external_key(kms)
    old = await sealed(kms, key_id)
    (first,) = await materials(kms, key_id)
    second = await bring(kms, key_id, SECOND, ImportType="NEW_KEY_MATERIAL", days=9)
    await kms.call("alice", "RotateKeyOnDemand", KeyId=key_id)
    assert (await described(kms, key_id))["ValidTo"] == in_days(9)
    await kms.call("alice", "DeleteImportedKeyMaterial", KeyId=key_id, KeyMaterialId=first["KeyMaterialId"])
    assert (await described(kms, key_id))["KeyState"] == "PendingImport"
    await bring(kms, key_id, SECOND)
    assert (await described(kms, key_id))["KeyState"] == "PendingImport"
    assert await bring(kms, key_id, FIRST) == first["KeyMaterialId"]
    assert (await described(kms, key_id))["CurrentKeyMaterialId"] == second
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=old))["Plaintext"] == b"order 4711"


@one_region()
async def test_the_same_bytes_in_two_keys_are_two_materials(kms: OneRegion) -> None:
    """Single-Region keys with identical imported bytes do not interoperate. Source: KMS Developer Guide, "Importing key material"."""
    one, other = await external_key(kms), await external_key(kms)
    blob = await sealed(kms, one)
    refusal = await kms.refusal("alice", "Decrypt", CiphertextBlob=blob, KeyId=other)
    assert refusal.code == "IncorrectKeyException"
    ids = {(await described(kms, key_id))["CurrentKeyMaterialId"] for key_id in (one, other)}
    assert len(ids) == 2


@one_region()
async def test_other_origins_take_no_material(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    wrapping = {"WrappingAlgorithm": OAEP, "WrappingKeySpec": "RSA_2048"}
    wanted = (
        f"UnsupportedOperationException: {kms.arn(key_id)} origin is AWS_KMS which is not valid for this operation."
    )
    assert await kms.answer("alice", "GetParametersForImport", KeyId=key_id, **wrapping) == wanted
    assert await kms.answer("alice", "DeleteImportedKeyMaterial", KeyId=key_id) == wanted


@one_region()
async def test_a_policy_can_say_how_material_may_come(kms: OneRegion) -> None:
    key_id = await external_key(kms, None)
    kms.give(
        "bob",
        {
            "Effect": "Allow",
            "Action": ["kms:GetParametersForImport", "kms:ImportKeyMaterial"],
            "Resource": "*",
            "Condition": {
                "StringEqualsIfExists": {"kms:WrappingAlgorithm": OAEP, "kms:ExpirationModel": "KEY_MATERIAL_EXPIRES"},
                "DateLessThanIfExists": {"kms:ValidTo": "2026-01-10T00:00:00Z"},
            },
        },
    )
    wrapping = {"WrappingKeySpec": "RSA_2048", "KeyId": key_id}
    weak = await kms.refusal("bob", "GetParametersForImport", WrappingAlgorithm="RSAES_OAEP_SHA_1", **wrapping)
    assert weak.code == "AccessDeniedException"
    given = sent(await kms.call("bob", "GetParametersForImport", WrappingAlgorithm=OAEP, **wrapping), FIRST)
    for expiry in (FOR_GOOD, {"ValidTo": in_days(20)}):
        assert (await kms.refusal("bob", "ImportKeyMaterial", KeyId=key_id, **given, **expiry)).code == weak.code
    await kms.call("bob", "ImportKeyMaterial", KeyId=key_id, **given, ValidTo=in_days(5))


@one_region()
async def test_the_trail_shows_an_import_and_never_its_material(kms: OneRegion) -> None:
    key_id = await external_key(kms, None)
    material_id = await bring(kms, key_id, days=3)
    (record,) = await kms.records("ImportKeyMaterial")
    assert record["requestParameters"].keys() == {"keyId", "validTo"}
    assert record["responseElements"] == {"keyId": kms.arn(key_id), "keyMaterialId": material_id}
    (asked,) = await kms.records("GetParametersForImport")
    assert asked["readOnly"] is True


@one_region()
async def test_the_domain_key_that_a_token_is_under_may_be_retired_meanwhile(kms: OneRegion) -> None:
    key_id = await external_key(kms, None)
    bundle = sent(await parameters(kms, key_id), FIRST)
    kms.region.fleet.rotate_domain_key()
    await kms.call("alice", "ImportKeyMaterial", KeyId=key_id, **bundle, **FOR_GOOD)


def test_two_steps_wrap_what_is_longer_than_an_rsa_key_takes() -> None:
    from regionsim.hsm.algorithms.importing import WrappingKey
    from regionsim.runtime.entropy import OsEntropy

    key = WrappingKey.of(WrappingKey.generate(OsEntropy().stream("owner"), 2048).raw)
    for algorithm in (WrappingAlgorithm.RSA_AES_KEY_WRAP_SHA_1, WrappingAlgorithm.RSA_AES_KEY_WRAP_SHA_256):
        long = bytes(range(256)) * 5
        assert key.unwrap(algorithm, wrapped_by_owner(key.public, algorithm, long, AES_KEY)) == long
