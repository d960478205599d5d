"""CloudTrail records, member by member, as the samples of the KMS Developer Guide have them.

Source: KMS Developer Guide, "Logging AWS KMS API calls with AWS CloudTrail".
"""

from __future__ import annotations

from typing import Any

import pytest

from regionsim.region.audit_query import AuditQuestion, audit_entries
from regionsim.region.audit_record import date_text, records
from tests.simulation.many_regions import ACCOUNT, EU, US, Play, play
from tests.simulation.one_region import HOME, OneRegion, one_region


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1_660_171_107, "Aug 10, 2022, 10:38:27 PM"),
        (1_767_225_600.9, "Jan 1, 2026, 12:00:00 AM"),
        (1_767_225_600 + 43_200, "Jan 1, 2026, 12:00:00 PM"),
        (1_767_225_600 + 3_661, "Jan 1, 2026, 1:01:01 AM"),
    ],
)
def test_dates_are_english_text(seconds: float, text: str) -> None:
    assert date_text(seconds) == text


async def only(kms: OneRegion, event: str) -> dict[str, Any]:
    (record,) = await kms.records(event)
    return record


@one_region()
async def test_create_key(kms: OneRegion) -> None:
    key = await kms.create_key(Tags=[{"TagKey": "Team", "TagValue": "blue"}])
    record = await only(kms, "CreateKey")
    assert record["requestParameters"] == {
        "description": "",
        "origin": "AWS_KMS",
        "bypassPolicyLockoutSafetyCheck": False,
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "keySpec": "SYMMETRIC_DEFAULT",
        "keyUsage": "ENCRYPT_DECRYPT",
        "multiRegion": False,
        "tags": [{"tagKey": "Team", "tagValue": "blue"}],
    }
    assert record["responseElements"] == {
        "keyMetadata": {
            "AWSAccountId": HOME,
            "keyId": key,
            "arn": kms.arn(key),
            "creationDate": "Jan 1, 2026, 12:00:00 AM",
            "enabled": True,
            "description": "",
            "keyUsage": "ENCRYPT_DECRYPT",
            "keyState": "Enabled",
            "origin": "AWS_KMS",
            "keyManager": "CUSTOMER",
            "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "keySpec": "SYMMETRIC_DEFAULT",
            "multiRegion": False,
            "encryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
            "currentKeyMaterialId": kms.key(key).shared.current_material_id,
        }
    }


@one_region()
async def test_a_signing_key_and_its_use(kms: OneRegion) -> None:
    key = await kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    await kms.call("alice", "Sign", KeyId=key, Message=b"order", SigningAlgorithm="ECDSA_SHA_256")
    created, signed = await only(kms, "CreateKey"), await only(kms, "Sign")
    told = created["requestParameters"]
    assert (told["keySpec"], told["customerMasterKeySpec"]) == ("ECC_NIST_P256", "ECC_NIST_P256")
    assert signed["requestParameters"] == {
        "messageType": "RAW",
        "keyId": key,
        "signingAlgorithm": "ECDSA_SHA_256",
    }


@one_region()
async def test_schedule_key_deletion_has_its_date_as_text(kms: OneRegion) -> None:
    key = await kms.create_key()
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key)
    record = await only(kms, "ScheduleKeyDeletion")
    assert record["requestParameters"] == {"keyId": key, "pendingWindowInDays": 30}
    assert record["responseElements"] == {
        "keyId": kms.arn(key),
        "keyState": "PendingDeletion",
        "deletionDate": "Jan 31, 2026, 12:00:00 AM",
    }


@one_region()
async def test_put_key_policy_and_grants(kms: OneRegion) -> None:
    key = await kms.create_key()
    policy = (await kms.call("alice", "GetKeyPolicy", KeyId=key))["Policy"]
    await kms.call("alice", "PutKeyPolicy", KeyId=key, Policy=policy)
    bob = f"arn:aws:iam::{HOME}:user/bob"
    limits = {"EncryptionContextSubset": {"App-Name": "pay"}}
    made = await kms.call(
        "alice", "CreateGrant", KeyId=key, GranteePrincipal=bob, Operations=["Decrypt"], Constraints=limits
    )
    await kms.call("alice", "RetireGrant", GrantToken=made["GrantToken"])
    written, granted, retired = [await only(kms, name) for name in ("PutKeyPolicy", "CreateGrant", "RetireGrant")]
    assert written["requestParameters"] == {
        "keyId": key,
        "policyName": "default",
        "policy": policy,
        "bypassPolicyLockoutSafetyCheck": False,
    }
    assert granted["requestParameters"] == {
        "keyId": key,
        "granteePrincipal": bob,
        "operations": ["Decrypt"],
        "constraints": {"encryptionContextSubset": {"App-Name": "pay"}},
    }
    assert granted["responseElements"] == {"grantId": made["GrantId"], "keyId": kms.arn(key)}
    assert (retired["requestParameters"], retired["additionalEventData"]) == (None, {"grantId": made["GrantId"]})


@one_region()
async def test_a_service_that_calls_is_named_as_such_and_the_owner_has_the_record(kms: OneRegion) -> None:
    key = await kms.create_key()
    await kms.refusal("service/s3", "DescribeKey", KeyId=kms.arn(key))
    await kms.refusal("service/s3", "ListKeys")
    assert await kms.records("ListKeys") == [], "no account is the service's"


def test_what_replicate_key_leaves_in_both_regions(tmp_path) -> None:
    async def main(world: Play) -> None:
        key = (await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
        await world.call(US, "ReplicateKey", KeyId=key, ReplicaRegion=EU, Description="copy")
        await world.settled()
        asked, made = await told(world, US, "ReplicateKey"), await told(world, EU, "CreateKey")
        assert asked["requestParameters"] == {
            "keyId": key,
            "replicaRegion": EU,
            "bypassPolicyLockoutSafetyCheck": False,
            "description": "copy",
        }
        replica = asked["responseElements"]["replicaKeyMetadata"]
        assert (replica["creationDate"], replica["keyState"]) == ("Jan 1, 2026, 12:00:00 AM", "Creating")
        assert asked["resources"][0]["ARN"] == arn(US, key)
        assert (made["eventType"], made["requestID"]) == ("AwsApiCall", asked["requestID"])
        assert made["userIdentity"] == {**asked["userIdentity"], "invokedBy": "kms.amazonaws.com"}
        assert (made["sourceIPAddress"], made["userAgent"]) == ("kms.amazonaws.com", "kms.amazonaws.com")
        assert made["requestParameters"]["multiRegion"] is True
        assert made["responseElements"]["keyMetadata"]["keyState"] == "Creating"
        assert made["resources"][0]["ARN"] == arn(EU, key)
        assert "serviceEventDetails" not in made
        alice = world.simulation.world.directory.principal(ACCOUNT, "alice")
        found = await audit_entries(world.region(EU), AuditQuestion(event="CreateKey", caller=alice))
        assert len(found) == 1, "the trail knows on whose behalf"

    play(main, tmp_path, regions=(US, EU))


def test_what_a_rotation_and_a_move_leave_in_the_other_region(tmp_path) -> None:
    async def main(world: Play) -> None:
        key = (await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
        await world.call(US, "ReplicateKey", KeyId=key, ReplicaRegion=EU)
        await world.settled()
        await world.call(US, "RotateKeyOnDemand", KeyId=key)
        await world.settled()
        (in_step, *_) = await all_told(world, EU, "SynchronizeMultiRegionKey")
        assert in_step["eventType"] == "AwsApiCall"
        assert in_step["userIdentity"] == {"accountId": ACCOUNT, "invokedBy": "AWS Internal"}
        assert (in_step["requestParameters"], in_step["responseElements"]) == (None, {"keyId": arn(EU, key)})
        assert "requestID" in in_step
        await world.call(US, "UpdatePrimaryRegion", KeyId=key, PrimaryRegion=EU)
        await world.settled()
        old, new = await told(world, US, "UpdatePrimaryRegion"), await told(world, EU, "UpdatePrimaryRegion")
        assert (old["requestParameters"], old["responseElements"]) == ({"keyId": key, "primaryRegion": EU}, None)
        assert [resource["ARN"] for resource in old["resources"]] == [arn(US, key)]
        assert new["requestParameters"] == {"keyId": arn(EU, key), "primaryRegion": EU}
        assert (new["resources"], new["eventType"]) == ([], "AwsApiCall")
        assert new["userIdentity"] == {"accountId": ACCOUNT, "invokedBy": "kms.amazonaws.com"}

    play(main, tmp_path, regions=(US, EU))


async def all_told(world: Play, region: str, event: str) -> list[dict[str, Any]]:
    entries = await audit_entries(world.region(region), AuditQuestion(event=event))
    return [record for entry in entries for record in records(entry)]


async def told(world: Play, region: str, event: str) -> dict[str, Any]:
    (record,) = await all_told(world, region, event)
    return record


def arn(region: str, key: str) -> str:
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/{key}"
