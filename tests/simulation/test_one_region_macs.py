"""HMAC keys: GenerateMac, VerifyMac."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from regionsim.kms.key import KeyState
from tests.simulation.one_region import OneRegion, one_region

SPECS = ("HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512")
DRY_RUN = "DryRunOperationException: The request would have succeeded, but the DryRun option is set."


def algorithm_of(spec: str) -> str:
    return f"HMAC_SHA_{spec.removeprefix('HMAC_')}"


async def mac_key(kms: OneRegion, spec: str = "HMAC_256") -> str:
    return await kms.create_key(KeySpec=spec, KeyUsage="GENERATE_VERIFY_MAC")


@pytest.mark.parametrize("spec", SPECS)
@one_region()
async def test_a_mac_is_the_whole_hmac_of_the_backing_key(kms: OneRegion, spec: str) -> None:
    key_id, algorithm = await mac_key(kms, spec), algorithm_of(spec)
    made = await kms.call("alice", "GenerateMac", KeyId=key_id, Message=b"m" * 4096, MacAlgorithm=algorithm)
    assert made == {"Mac": made["Mac"], "MacAlgorithm": algorithm, "KeyId": kms.arn(key_id)}
    verified = await kms.call(
        "alice", "VerifyMac", KeyId=key_id, Message=b"m" * 4096, MacAlgorithm=algorithm, Mac=made["Mac"]
    )
    assert verified == {"KeyId": kms.arn(key_id), "MacValid": True, "MacAlgorithm": algorithm}
    digest = f"sha{spec.removeprefix('HMAC_')}"
    size = hashlib.new(digest).digest_size
    assert len(made["Mac"]) == size
    keys = [secret for hsm in kms.region.fleet.hsms for secret in hsm.secrets_for_scan() if len(secret) == size]
    assert any(hmac.digest(key, b"m" * 4096, digest) == made["Mac"] for key in keys)


@one_region()
async def test_a_wrong_mac_is_a_refusal_without_text_and_never_false(kms: OneRegion) -> None:
    key_id, other = await mac_key(kms), await mac_key(kms)
    made = (await kms.call("alice", "GenerateMac", KeyId=key_id, Message=b"m", MacAlgorithm="HMAC_SHA_256"))["Mac"]
    for used, message, mac in (
        (key_id, b"n", made),
        (other, b"m", made),
        (key_id, b"m", made[:-1]),
        (key_id, b"m", made + b"\0"),
        (key_id, b"m", bytes([made[0] ^ 1]) + made[1:]),
    ):
        said = await kms.answer("alice", "VerifyMac", KeyId=used, Message=message, MacAlgorithm="HMAC_SHA_256", Mac=mac)
        assert said == "KMSInvalidMacException: "


@one_region()
async def test_a_mac_key_is_for_its_one_algorithm_and_for_nothing_else(kms: OneRegion) -> None:
    key_id, symmetric = await mac_key(kms), await kms.create_key()
    say = kms.answer
    asked = {"Message": b"m", "MacAlgorithm": "HMAC_SHA_512"}
    assert await say("alice", "GenerateMac", KeyId=key_id, **asked) == (
        "InvalidKeyUsageException: Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_256."
    )
    asked["MacAlgorithm"] = "HMAC_SHA_256"
    assert await say("alice", "GenerateMac", KeyId=symmetric, **asked) == (
        f"InvalidKeyUsageException: {kms.arn(symmetric)} key usage is ENCRYPT_DECRYPT which is not valid for GenerateMac."
    )
    assert await say("alice", "Encrypt", KeyId=key_id, Plaintext=b"x") == (
        f"InvalidKeyUsageException: {kms.arn(key_id)} key usage is GENERATE_VERIFY_MAC which is not valid for Encrypt."
    )
    assert (await say("alice", "GetPublicKey", KeyId=key_id)).startswith("UnsupportedOperationException: ")
    assert await say("alice", "RotateKeyOnDemand", KeyId=key_id) == "UnsupportedOperationException: "
    assert await say("alice", "EnableKeyRotation", KeyId=key_id) == "UnsupportedOperationException: "


@one_region()
async def test_the_model_s_enum_is_told_before_the_key(kms: OneRegion) -> None:
    """Observed: an algorithm that does not exist is reported even with a key that does not exist either."""
    said = await kms.answer("alice", "GenerateMac", KeyId="none", Message=b"m", MacAlgorithm="INVALID")
    assert said.startswith(
        "ValidationException: 1 validation error detected: Value 'INVALID' at 'macAlgorithm' failed to satisfy "
        "constraint: Member must satisfy enum value set: ["
    )
    said = await kms.answer("alice", "GenerateMac", KeyId="key_id", Message=b"m", MacAlgorithm="HMAC_SHA_256")
    assert said == "NotFoundException: Invalid keyId 'key_id'"


@one_region()
async def test_a_dry_run_ends_in_its_refusal_or_in_the_real_one(kms: OneRegion) -> None:
    key_id = await mac_key(kms)
    asked = {"KeyId": key_id, "Message": b"m", "MacAlgorithm": "HMAC_SHA_256", "DryRun": True}
    assert await kms.answer("alice", "GenerateMac", **asked) == DRY_RUN
    mac = (await kms.call("alice", "GenerateMac", **{**asked, "DryRun": False}))["Mac"]
    assert await kms.answer("alice", "VerifyMac", **asked, Mac=mac) == DRY_RUN
    assert await kms.answer("alice", "VerifyMac", **asked, Mac=b"x") == "KMSInvalidMacException: "
    assert (await kms.answer("bob", "GenerateMac", **asked)).startswith("AccessDeniedException")


@one_region()
async def test_hmac_keys_need_their_usage_and_show_no_material(kms: OneRegion) -> None:
    assert await kms.answer("alice", "CreateKey", KeySpec="HMAC_256") == (
        "ValidationException: You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
    )
    metadata = (await kms.call("alice", "DescribeKey", KeyId=await mac_key(kms)))["KeyMetadata"]
    assert metadata["MacAlgorithms"] == ["HMAC_SHA_256"]
    assert "CurrentKeyMaterialId" not in metadata


@one_region()
async def test_the_algorithm_can_be_a_condition_and_a_grant_can_give_the_operation(kms: OneRegion) -> None:
    key_id = await mac_key(kms, "HMAC_512")
    asked = {"KeyId": key_id, "Message": b"m", "MacAlgorithm": "HMAC_SHA_512"}
    condition = {"StringEquals": {"kms:MacAlgorithm": "HMAC_SHA_256"}}
    kms.give("bob", {"Effect": "Allow", "Action": "kms:GenerateMac", "Resource": "*", "Condition": condition})
    assert (await kms.answer("bob", "GenerateMac", **asked)).startswith("AccessDeniedException")
    condition = {"StringEquals": {"kms:MacAlgorithm": "HMAC_SHA_512"}}
    kms.give("bob", {"Effect": "Allow", "Action": "kms:GenerateMac", "Resource": "*", "Condition": condition})
    mac = (await kms.call("bob", "GenerateMac", **asked))["Mac"]
    bob = "arn:aws:iam::111122223333:user/bob"
    await kms.call("alice", "CreateGrant", KeyId=key_id, GranteePrincipal=bob, Operations=["VerifyMac"])
    assert await kms.answer("bob", "VerifyMac", **asked, Mac=mac) == "ok"
    said = await kms.answer("alice", "CreateGrant", KeyId=key_id, GranteePrincipal=bob, Operations=["Encrypt"])
    assert said.startswith("ValidationException")


@one_region()
async def test_the_trail_shows_algorithm_and_key_and_no_message(kms: OneRegion) -> None:
    key_id = await mac_key(kms)
    await kms.call("alice", "GenerateMac", KeyId=key_id, Message=b"a secret message", MacAlgorithm="HMAC_SHA_256")
    (record,) = await kms.records("GenerateMac")
    assert record["requestParameters"] == {"macAlgorithm": "HMAC_SHA_256", "keyId": key_id}
    assert record["responseElements"] is None
    assert "additionalEventData" not in record
    assert record["readOnly"] is True


@one_region()
async def test_mac_keys_survive_a_crash_of_the_hosts(kms: OneRegion) -> None:
    key_id = await mac_key(kms)
    asked = {"KeyId": key_id, "Message": b"m", "MacAlgorithm": "HMAC_SHA_256"}
    mac = (await kms.call("alice", "GenerateMac", **asked))["Mac"]
    await kms.reboot()
    assert kms.key(key_id).state is KeyState.ENABLED
    assert await kms.answer("alice", "VerifyMac", **asked, Mac=mac) == "ok"
