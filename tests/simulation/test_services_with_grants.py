"""Services that hold grants, or act in their own name: EKS, ECR, RDS, Lambda, CloudTrail, Logs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simulation.cloud_world import CloudWorld, context_of
from tests.simulation.one_region import HERE, HOME, OneRegion, one_region

NAME = {"Name": "c"}
REPOSITORY = {"RepositoryName": "app"}
INSTANCE = {"DBInstanceIdentifier": "db"}
FUNCTION = {"FunctionName": "f"}


@one_region()
async def test_a_cluster_asks_when_its_api_server_starts(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    created = await world.does("eks", "CreateCluster", KeyArn=kms.arn(key), **NAME)
    assert created.calls == ("DescribeKey", "CreateGrant", "Encrypt")
    await kms.call("alice", "DisableKey", KeyId=key)
    assert (await world.does("eks", "ReadSecret", **NAME)).calls == ()
    assert await world.error("eks", "StartApiServer", **NAME) == "InvalidRequestException"
    assert (await world.does("eks", "DescribeCluster", **NAME)).response == {
        "State": "DEGRADED",
        "Issue": "KmsKeyDisabled",
    }
    assert await world.error("eks", "ReadSecret", **NAME) == "InternalError"
    await kms.call("alice", "EnableKey", KeyId=key)
    assert (await world.does("eks", "StartApiServer", **NAME)).calls == ("Decrypt",)
    await world.does("eks", "ReadSecret", **NAME)


@one_region()
async def test_a_cluster_without_a_key_is_under_one_of_aws(kms: OneRegion) -> None:
    world = CloudWorld(kms)
    assert (await world.does("eks", "CreateCluster", "bob", **NAME)).calls == ("Encrypt",)
    await world.does("eks", "StartApiServer", "bob", **NAME)
    assert (await kms.call("alice", "ListKeys"))["Keys"] == []


@one_region()
async def test_a_repository_has_two_grants_and_takes_them_along(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    created = await world.does("ecr", "CreateRepository", KmsKey=key, **REPOSITORY)
    assert created.calls == ("DescribeKey", "CreateGrant", "CreateGrant")
    pushed = await world.does("ecr", "PutImage", ImageTag="1", **REPOSITORY)
    pulled = await world.does("ecr", "PullImage", ImageTag="1", **REPOSITORY)
    assert (pushed.calls, pulled.calls) == (("GenerateDataKey",), ("Decrypt",))
    assert set(context_of((await world.trail())[-1])) == {"aws:ecr:arn", "aws:s3:arn"}
    assert len((await kms.call("alice", "ListGrants", KeyId=key))["Grants"]) == 2
    await kms.call("alice", "DisableKey", KeyId=key)
    assert await world.error("ecr", "PullImage", ImageTag="1", **REPOSITORY) == "KmsException"
    deleted = await world.does("ecr", "DeleteRepository", **REPOSITORY)
    assert deleted.calls == ("RetireGrant", "RetireGrant")
    assert (await kms.call("alice", "ListGrants", KeyId=key))["Grants"] == []


@one_region()
async def test_an_instance_without_its_key_is_lost_in_the_end(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    created = await world.does("rds", "CreateDBInstance", KmsKeyId=key, **INSTANCE)
    assert created.calls == ("DescribeKey", "CreateGrant", "GenerateDataKeyWithoutPlaintext", "Decrypt")
    await kms.call("alice", "DisableKey", KeyId=key)
    assert await world.error("rds", "CheckDBInstance", **INSTANCE) == "KMSKeyNotAccessibleFault"
    states = []
    for hours in (1, 2, 8 * 24):
        await kms.sleep_seconds(hours * 3_600)
        states.append((await world.does("rds", "DescribeDBInstances", **INSTANCE)).response["State"])
        if hours == 2:
            assert await world.error("rds", "StartDBInstance", **INSTANCE) == "KMSKeyNotAccessibleFault"
    gone = "inaccessible-encryption-credentials"
    assert states == ["available", f"{gone}-recoverable", gone]
    await kms.call("alice", "EnableKey", KeyId=key)
    assert await world.error("rds", "StartDBInstance", **INSTANCE) == "InvalidDBInstanceState"


@one_region()
async def test_an_instance_whose_key_comes_back_in_time_starts_again(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await world.does("rds", "CreateDBInstance", KmsKeyId=key, **INSTANCE)
    await kms.call("alice", "DisableKey", KeyId=key)
    await world.error("rds", "CheckDBInstance", **INSTANCE)
    await kms.sleep_seconds(3 * 3_600)
    await kms.call("alice", "EnableKey", KeyId=key)
    assert (await world.does("rds", "StartDBInstance", **INSTANCE)).response == {"State": "available"}


@one_region()
async def test_a_function_asks_at_a_cold_start(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    created = await world.does("lambda", "CreateFunction", KMSKeyArn=key, **FUNCTION)
    assert created.calls == ("Encrypt", "CreateGrant")
    assert (await world.does("lambda", "Invoke", "bob", **FUNCTION)).calls == ("Decrypt",)
    await kms.call("alice", "DisableKey", KeyId=key)
    assert (await world.does("lambda", "Invoke", "bob", **FUNCTION)).calls == ()
    await kms.sleep_seconds(601)
    assert await world.error("lambda", "Invoke", "bob", **FUNCTION) == "KMSDisabledException"


def policy_for(service: str) -> str:
    owner = {"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "kms:*", "Resource": "*"}
    used = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["kms:GenerateDataKey*", "kms:Decrypt", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceAccount": HOME}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [owner, used]})


@one_region()
async def test_log_files_stop_silently(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key(Policy=policy_for("cloudtrail.amazonaws.com"))
    assert (await world.does("cloudtrail", "CreateTrail", KmsKeyId=kms.arn(key), **NAME)).calls == ("GenerateDataKey",)
    assert (await world.does("cloudtrail", "DeliverLogFile", **NAME)).calls == ("GenerateDataKey",)
    assert set(context_of((await world.trail())[-1])) == {"aws:cloudtrail:arn", "aws:s3:arn"}
    await kms.call("alice", "DisableKey", KeyId=key)
    await world.does("cloudtrail", "DeliverLogFile", **NAME)
    status = (await world.does("cloudtrail", "GetTrailStatus", **NAME)).response
    assert status == {"LatestDeliveryError": "KmsKeyDisabledException", "State": "failing"}


@one_region(regions=(HERE, "eu-west-1"))
async def test_log_files_are_read_in_their_bucket(kms: OneRegion) -> None:
    world, there = CloudWorld(kms), "eu-west-1"
    made = await kms.call("alice", "CreateKey", at=there, Policy=policy_for("cloudtrail.amazonaws.com"))
    given = {"KmsKeyId": made["KeyMetadata"]["Arn"], "S3BucketName": "trails", **NAME}
    assert await world.error("cloudtrail", "CreateTrail", **given) == "S3BucketDoesNotExistException"
    await world.does("s3", "CreateBucket", at=there, Bucket="trails")
    await world.does("cloudtrail", "CreateTrail", **given)
    delivered = await world.does("cloudtrail", "DeliverLogFile", **NAME)
    assert delivered.calls == (f"GenerateDataKey in {there}",)
    file = {"Bucket": "trails", "Key": "c/0.json.gz"}
    read = await world.does("s3", "GetObject", at=there, **file)
    assert (read.response, read.calls) == ({"Body": "log file 0"}, ("Decrypt",))
    record = (await world.trail(at=there))[-1]
    assert record["userIdentity"]["invokedBy"] == "s3.amazonaws.com"
    assert set(context_of(record)) == {"aws:cloudtrail:arn", "aws:s3:arn"}
    assert await world.error("s3", "GetObject", "bob", at=there, **file) == "AccessDenied"


@pytest.mark.parametrize(
    ("service", "operation", "given", "error"),
    [
        ("cloudtrail", "CreateTrail", NAME, "InsufficientEncryptionPolicyException"),
        ("logs", "AssociateKmsKey", {"LogGroupName": "g"}, "AccessDeniedException"),
    ],
)
@one_region()
async def test_a_service_that_the_key_policy_does_not_name_is_turned_away(
    kms: OneRegion, service: str, operation: str, given: dict[str, Any], error: str
) -> None:
    key = kms.arn(await kms.create_key())
    assert await CloudWorld(kms).error(service, operation, KmsKeyId=key, **given) == error


@one_region()
async def test_log_groups_are_encrypted_by_the_service_of_their_region(kms: OneRegion) -> None:
    world, principal = CloudWorld(kms), f"logs.{HERE}.amazonaws.com"
    key, group = kms.arn(await kms.create_key(Policy=policy_for(principal))), {"LogGroupName": "g"}
    await world.does("logs", "AssociateKmsKey", KmsKeyId=key, **group)
    put, got = await world.does("logs", "PutLogEvents", **group), await world.does("logs", "GetLogEvents", **group)
    assert (put.calls, got.calls) == (("GenerateDataKey",), ("Decrypt",))
    assert {record["userIdentity"]["invokedBy"] for record in await world.trail()} == {principal}
