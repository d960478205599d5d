"""AWS managed keys: made by their first use, seen by their account, changed by nobody, rotated every year."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from regionsim.kms.aws_keys import PREDEFINED, PROTECTED
from regionsim.kms.errors import KmsError
from regionsim.kms.operations.registry import REGISTRY
from tests.simulation.one_region import AWAY, HERE, HOME, OneRegion, one_region

S3 = "alias/aws/s3"
THROUGH_S3 = {"kms:ViaService": f"s3.{HERE}.amazonaws.com"}
OBJECT = {"aws:s3:arn": "arn:aws:s3:::orders/1"}
YEAR = 365 * 86_400


async def wrapped(kms: OneRegion, by: str = "bob") -> dict[str, Any]:
    """A data key that S3 asks for on behalf of a user, under the key that it has in the user's account."""
    return await kms.brings(by, THROUGH_S3, "GenerateDataKey", KeyId=S3, KeySpec="AES_256", EncryptionContext=OBJECT)


async def described(kms: OneRegion, by: str = "alice") -> dict[str, Any]:
    metadata: dict[str, Any] = (await kms.call(by, "DescribeKey", KeyId=S3))["KeyMetadata"]
    return metadata


@one_region()
async def test_the_first_use_through_its_service_makes_the_key(kms: OneRegion) -> None:
    before = await kms.call("alice", "ListAliases")
    assert {"AliasName": S3, "AliasArn": f"arn:aws:kms:{HERE}:{HOME}:{S3}"} in before["Aliases"]
    made = await wrapped(kms)
    metadata = await described(kms)
    assert (metadata["Arn"], metadata["KeyManager"]) == (made["KeyId"], "AWS")
    assert metadata["Description"] == "Default key that protects my S3 objects when no other key is defined"
    assert (metadata["MultiRegion"], metadata["KeySpec"], metadata["Origin"]) == (False, "SYMMETRIC_DEFAULT", "AWS_KMS")
    (entry,) = [alias for alias in (await kms.call("alice", "ListAliases"))["Aliases"] if alias["AliasName"] == S3]
    assert entry["TargetKeyId"] == metadata["KeyId"]
    assert (await kms.call("alice", "ListKeys"))["Keys"] == [{"KeyId": metadata["KeyId"], "KeyArn": metadata["Arn"]}]
    opened = await kms.brings(
        "bob", THROUGH_S3, "Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext=OBJECT
    )
    assert opened["Plaintext"] == made["Plaintext"]
    assert (await wrapped(kms))["KeyId"] == made["KeyId"]


@one_region()
async def test_describing_a_predefined_alias_makes_its_key(kms: OneRegion) -> None:
    first = await described(kms)
    assert first == await described(kms)
    (record,) = await kms.records("CreateKey")
    assert record["userIdentity"]["arn"].endswith("user/alice")
    assert record["userIdentity"]["invokedBy"] == "AWS Internal"
    assert record["responseElements"]["keyMetadata"]["keyManager"] == "AWS"
    await kms.reboot()
    assert first == await described(kms)


@one_region()
async def test_two_first_uses_at_once_make_one_key(kms: OneRegion) -> None:
    replies = [kms.begin("alice", "DescribeKey", KeyId=S3) for _ in range(3)]
    found = await asyncio.wait_for(asyncio.gather(*replies), 60)
    assert len({reply["KeyMetadata"]["KeyId"] for reply in found}) == 1  # type: ignore[index]
    assert len((await kms.call("alice", "ListKeys"))["Keys"]) == 1


@one_region()
async def test_who_may_not_use_it_does_not_make_it(kms: OneRegion) -> None:
    said = f"NotFoundException: Alias arn:aws:kms:{HERE}:{HOME}:{S3} is not found."
    assert await kms.answer("bob", "DescribeKey", KeyId=S3) == said
    assert await kms.answer("alice", "Encrypt", KeyId=S3, Plaintext=b"x") == said
    assert (await kms.call("alice", "ListKeys"))["Keys"] == []
    assert not kms.happened("hsm_request", job="CreateBackingKey")


@one_region()
async def test_each_account_has_its_own(kms: OneRegion) -> None:
    ours, theirs = await described(kms), await described(kms, "zoe")
    assert (ours["AWSAccountId"], theirs["AWSAccountId"]) == (HOME, AWAY)
    assert ours["KeyId"] != theirs["KeyId"]
    with pytest.raises(KmsError) as refused:
        await kms.brings("zoe", THROUGH_S3, "Encrypt", KeyId=ours["Arn"], Plaintext=b"x")
    assert refused.value.code == "AccessDeniedException"


@one_region()
async def test_nobody_uses_it_but_through_its_service(kms: OneRegion) -> None:
    blob = (await wrapped(kms))["CiphertextBlob"]
    key = (await described(kms))["Arn"]
    calls: dict[str, dict[str, Any]] = {
        "Encrypt": {"KeyId": S3, "Plaintext": b"x"},
        "GenerateDataKey": {"KeyId": key, "KeySpec": "AES_256"},
        "Decrypt": {"CiphertextBlob": blob, "EncryptionContext": OBJECT},
        "ReEncrypt": {"CiphertextBlob": blob, "SourceEncryptionContext": OBJECT, "DestinationKeyId": key},
        "CreateGrant": {"KeyId": key, "GranteePrincipal": f"arn:aws:iam::{HOME}:user/bob", "Operations": ["Decrypt"]},
    }
    for operation, parameters in calls.items():
        for way in ({}, {"kms:ViaService": f"ec2.{HERE}.amazonaws.com"}):
            with pytest.raises(KmsError) as refused:
                await kms.brings("alice", way, operation, **parameters)
            assert refused.value.code == "AccessDeniedException"
            assert "no resource-based policy allows" in refused.value.message


CHANGES: dict[str, dict[str, Any]] = {
    "CancelKeyDeletion": {},
    "CreateAlias": {"AliasName": "alias/mine"},
    "CreateGrant": {"GranteePrincipal": f"arn:aws:iam::{HOME}:user/bob", "Operations": ["Decrypt"]},
    "DeleteImportedKeyMaterial": {},
    "DisableKey": {},
    "DisableKeyRotation": {},
    "EnableKey": {},
    "EnableKeyRotation": {"RotationPeriodInDays": 90},
    "ImportKeyMaterial": {
        "ImportToken": b"x",
        "EncryptedKeyMaterial": b"x",
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    },
    "PutKeyPolicy": {"Policy": "{}", "PolicyName": "default"},
    "ReplicateKey": {"ReplicaRegion": "eu-west-1"},
    "RotateKeyOnDemand": {},
    "ScheduleKeyDeletion": {"PendingWindowInDays": 7},
    "TagResource": {"Tags": [{"TagKey": "a", "TagValue": "b"}]},
    "UntagResource": {"TagKeys": ["a"]},
    "UpdateAlias": {"AliasName": "alias/mine"},
    "UpdateKeyDescription": {"Description": "mine"},
    "UpdatePrimaryRegion": {"PrimaryRegion": "eu-west-1"},
}


def test_every_operation_that_changes_a_key_is_tried() -> None:
    changing = {name for name, operation in REGISTRY.items() if operation.is_mutation}
    of_others = {name for name in changing if name.endswith("CustomKeyStore")} | {"CreateKey", "DeleteAlias"}
    ends_a_grant = {"RevokeGrant", "RetireGrant"}  # what its policy gives the account, and the grant's own rule
    assert changing - of_others - ends_a_grant == set(CHANGES)


@pytest.mark.parametrize("operation", CHANGES)
@one_region(regions=(HERE, "eu-west-1"))
async def test_nobody_changes_it(kms: OneRegion, operation: str) -> None:
    key = (await described(kms))["KeyId"]
    before = kms.key(key)
    named = {"TargetKeyId" if operation.endswith("Alias") else "KeyId": key}
    if operation == "UpdateAlias":
        await kms.call("alice", "CreateAlias", AliasName="alias/mine", TargetKeyId=await kms.create_key())
    for by in ("alice", "root"):
        refusal = await kms.refusal(by, operation, **named, **CHANGES[operation])
        assert refusal.code == "AccessDeniedException"
    assert kms.key(key) == before


@pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias", "DeleteAlias"])
@one_region()
async def test_its_alias_is_reserved(kms: OneRegion, operation: str) -> None:
    await described(kms)
    other = {} if operation == "DeleteAlias" else {"TargetKeyId": await kms.create_key()}
    assert await kms.answer("alice", operation, AliasName=S3, **other) == "NotAuthorized: "


@one_region()
async def test_its_policy_can_be_read(kms: OneRegion) -> None:
    key = (await described(kms))["KeyId"]
    policy = json.loads((await kms.call("alice", "GetKeyPolicy", KeyId=key))["Policy"])
    assert policy["Id"] == "auto-s3-1"
    through, looking = policy["Statement"]
    assert through["Principal"] == {"AWS": "*"}
    assert through["Condition"] == {"StringEquals": {"kms:CallerAccount": HOME, **THROUGH_S3}}
    assert looking["Principal"] == {"AWS": f"arn:aws:iam::{HOME}:root"}
    assert looking["Action"] == ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"]


@one_region()
async def test_a_year_of_an_aws_managed_key_has_one_rotation(kms: OneRegion) -> None:
    blob = (await wrapped(kms))["CiphertextBlob"]
    key = (await described(kms))["KeyId"]
    status = await kms.call("alice", "GetKeyRotationStatus", KeyId=key)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 365)
    await kms.sleep_seconds(YEAR + 60)
    rotations = (await kms.call("alice", "ListKeyRotations", KeyId=key))["Rotations"]
    assert [rotation["RotationType"] for rotation in rotations] == ["AUTOMATIC"]
    assert len(await kms.records("RotateKey")) == 1
    opened = await kms.brings("bob", THROUGH_S3, "Decrypt", CiphertextBlob=blob, EncryptionContext=OBJECT)
    assert opened["KeyId"].endswith(key)
    await kms.sleep_seconds(YEAR)
    assert len(await kms.records("RotateKey")) == 2


@one_region()
async def test_it_counts_against_no_quota_of_keys(kms: OneRegion) -> None:
    await kms.create_key()
    await described(kms)
    assert kms.region.state.key_count(HOME) == 1
    await kms.reboot()
    assert kms.region.state.key_count(HOME) == 1


@one_region()
async def test_only_names_that_aws_has_lead_to_a_key(kms: OneRegion) -> None:
    assert (await kms.refusal("alice", "DescribeKey", KeyId="alias/aws/nosuch")).code == "NotFoundException"
    for name in ("alias/aws/ebs", "alias/aws/rds"):
        await kms.call("alice", "DescribeKey", KeyId=name)
    assert len((await kms.call("alice", "ListKeys"))["Keys"]) == 2
    assert len(PREDEFINED) == len(PROTECTED) == 28
