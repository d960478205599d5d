"""EBS: the calls that the KMS Developer Guide documents, and a volume that will not attach."""

from __future__ import annotations

import pytest

from tests.simulation.cloud_world import CloudWorld, context_of
from tests.simulation.one_region import HERE, HOME, OneRegion, one_region

EU = "eu-west-1"
VOLUME, INSTANCE = {"VolumeId": "vol-1"}, {"InstanceId": "i-1"}
IDENTITY = f"arn:aws:sts::{HOME}:assumed-role/aws:ec2-infrastructure/i-1"


async def attached(kms: OneRegion) -> tuple[CloudWorld, str]:
    """A world with a volume attached to an instance, and its key."""
    world, key = CloudWorld(kms), await kms.create_key()
    await world.does("ec2", "CreateVolume", KmsKeyId=key, **VOLUME)
    await world.does("ec2", "AttachVolume", **VOLUME, **INSTANCE)
    return world, key


@one_region()
async def test_create_and_attach_make_the_documented_calls(kms: OneRegion) -> None:
    world, key = await attached(kms)
    generate, grant, decrypt = await world.trail()
    assert [record["eventName"] for record in (generate, grant, decrypt)] == [
        "GenerateDataKeyWithoutPlaintext", "CreateGrant", "Decrypt",
    ]  # fmt: skip
    assert generate["requestParameters"]["numberOfBytes"] == 64
    assert generate["userIdentity"]["invokedBy"] == grant["userIdentity"]["invokedBy"] == "ec2.amazonaws.com"
    assert context_of(generate) == context_of(decrypt) == {"aws:ebs:id": "vol-1"}
    assert grant["requestParameters"]["granteePrincipal"] == decrypt["userIdentity"]["arn"] == IDENTITY
    assert grant["requestParameters"]["operations"] == ["Decrypt"]
    assert grant["requestParameters"]["constraints"] == {"encryptionContextSubset": {"aws:ebs:id": "vol-1"}}
    (listed,) = (await kms.call("alice", "ListGrants", KeyId=key))["Grants"]
    assert listed["GranteePrincipal"] == IDENTITY


@one_region()
async def test_detaching_retires_the_grant(kms: OneRegion) -> None:
    world, key = await attached(kms)
    assert (await world.does("ec2", "DetachVolume", **VOLUME)).calls == ("RetireGrant",)
    assert (await kms.call("alice", "ListGrants", KeyId=key))["Grants"] == []


@one_region()
async def test_a_disabled_key_leaves_a_running_instance_alone(kms: OneRegion) -> None:
    world, key = await attached(kms)
    await kms.call("alice", "DisableKey", KeyId=key)
    assert (await world.does("ec2", "DescribeVolumes", **VOLUME)).response["State"] == "in-use"
    assert (await world.does("ec2", "RebootInstances", **INSTANCE)).response["State"] == "running"
    assert (await world.does("ec2", "StopInstances", **INSTANCE)).response["State"] == "stopped"
    assert await world.error("ec2", "StartInstances", **INSTANCE) == "Client.InvalidKMSKey.InvalidState"
    assert (await world.does("ec2", "DescribeVolumes", **VOLUME)).response["State"] == "available"
    await kms.call("alice", "EnableKey", KeyId=key)
    await world.does("ec2", "StartInstances", **INSTANCE)
    assert (await world.does("ec2", "DescribeVolumes", **VOLUME)).response["State"] == "in-use"


@one_region()
async def test_a_key_on_its_way_out_attaches_nothing(kms: OneRegion) -> None:
    world, key = await attached(kms)
    await world.does("ec2", "DetachVolume", **VOLUME)
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    assert await world.error("ec2", "AttachVolume", **VOLUME, **INSTANCE) == "Client.InvalidKMSKey.InvalidState"
    await kms.call("alice", "CancelKeyDeletion", KeyId=key)
    await kms.call("alice", "EnableKey", KeyId=key)
    await world.does("ec2", "AttachVolume", **VOLUME, **INSTANCE)


@one_region()
async def test_who_may_not_make_grants_attaches_nothing(kms: OneRegion) -> None:
    world, key = await attached(kms)
    await world.does("ec2", "DetachVolume", **VOLUME)
    answered = await world.answered("ec2", "AttachVolume", "bob", **VOLUME, **INSTANCE)
    assert answered.error == "Client.InternalError"
    assert answered.message.startswith("CreateGrant: AccessDeniedException")
    assert key


@one_region()
async def test_the_aws_managed_key_is_the_default(kms: OneRegion) -> None:
    world = CloudWorld(kms)
    await world.does("ec2", "CreateVolume", "bob", **VOLUME)
    await world.does("ec2", "AttachVolume", "bob", **VOLUME, **INSTANCE)
    described = await world.does("ec2", "DescribeVolumes", **VOLUME)
    assert (
        described.response["KmsKeyId"]
        == (await kms.call("alice", "DescribeKey", KeyId="alias/aws/ebs"))["KeyMetadata"]["Arn"]
    )


@one_region()
async def test_a_snapshot_takes_its_key_along(kms: OneRegion) -> None:
    world, _ = await attached(kms)
    assert (await world.does("ec2", "CreateSnapshot", SnapshotId="snap-1", **VOLUME)).calls == ()
    assert (await world.does("ec2", "CreateVolume", VolumeId="vol-2", SnapshotId="snap-1")).calls == ()
    attach = await world.does("ec2", "AttachVolume", VolumeId="vol-2", InstanceId="i-2")
    assert attach.calls == ("CreateGrant", "Decrypt")


@one_region(regions=(HERE, EU))
async def test_a_copy_in_another_region_is_under_a_key_of_there(kms: OneRegion) -> None:
    world, key = await attached(kms)
    there = (await kms.call("alice", "CreateKey", at=EU))["KeyMetadata"]["Arn"]
    await world.does("ec2", "CreateSnapshot", SnapshotId="snap-1", **VOLUME)
    given = {"SourceSnapshotId": "snap-1", "SourceRegion": HERE, "SnapshotId": "snap-2"}
    copied = await world.does("ec2", "CopySnapshot", at=EU, KmsKeyId=there, **given)
    assert copied.calls == (
        "DescribeKey", "CreateGrant in us-east-1", "Decrypt in us-east-1", "GenerateDataKeyWithoutPlaintext",
        "CreateGrant", "Decrypt", "RetireGrant in us-east-1", "RetireGrant",
    )  # fmt: skip
    await kms.call("alice", "DisableKey", KeyId=key)
    await world.does("ec2", "CreateVolume", at=EU, VolumeId="vol-2", SnapshotId="snap-2")
    await world.does("ec2", "AttachVolume", at=EU, VolumeId="vol-2", InstanceId="i-2")
    assert (
        await world.error("ec2", "CopySnapshot", at=EU, KmsKeyId=there, **given) == "Client.InvalidKMSKey.InvalidState"
    )


@pytest.mark.parametrize("operation", ["AttachVolume", "DetachVolume", "DescribeVolumes"])
@one_region()
async def test_a_volume_that_is_not_there(kms: OneRegion, operation: str) -> None:
    world = CloudWorld(kms)
    assert await world.error("ec2", operation, VolumeId="vol-9", InstanceId="i-9") == "InvalidVolume.NotFound"
