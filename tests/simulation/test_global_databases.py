"""RDS's looks at keys by itself, and Aurora global databases: who writes, what is lost, what cannot come back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.cloud_world import CloudWorld
from tests.simulation.one_region import HERE, OneRegion, one_region

EU = "eu-west-1"
HOUR = 3_600
GLOBAL = {"GlobalClusterIdentifier": "orders"}
GONE = "inaccessible-encryption-credentials"


async def state(world: CloudWorld, cluster: str, at: str = HERE) -> Any:
    return (await world.does("rds", "DescribeDBClusters", at=at, DBClusterIdentifier=cluster)).response["State"]


async def run(world: CloudWorld, cluster: str, sql: str, at: str = HERE) -> Any:
    answered = await world.answered("rds", "ExecuteStatement", at=at, DBClusterIdentifier=cluster, sql=sql)
    return answered.error or answered.response.get("records")


async def made(kms: OneRegion, *, multi_region: bool = False) -> tuple[CloudWorld, str, str]:
    """A global database with a row, and the keys of its writer and of the cluster that follows."""
    world, key = CloudWorld(kms), await kms.create_key(MultiRegion=multi_region)
    if multi_region:
        await kms.call("alice", "ReplicateKey", KeyId=key, ReplicaRegion=EU)
        await kms.sleep_seconds(5)
        there = kms.arn(key, EU)
    else:
        there = (await kms.call("alice", "CreateKey", at=EU))["KeyMetadata"]["Arn"]
    await world.does("rds", "CreateDBCluster", DBClusterIdentifier="us", KmsKeyId=key)
    await world.does("rds", "CreateGlobalCluster", SourceDBClusterIdentifier="us", **GLOBAL)
    await world.does("rds", "CreateDBCluster", at=EU, DBClusterIdentifier="eu", KmsKeyId=there, **GLOBAL)
    await run(world, "us", "INSERT pens")
    await kms.sleep_seconds(2)
    return world, key, there


async def fail_over(world: CloudWorld, *, to: str = "eu", at: str = EU, **given: Any) -> str | None:
    target = {"TargetDbClusterIdentifier": to, **given}
    return (await world.answered("rds", "FailoverGlobalCluster", at=at, **GLOBAL, **target)).error


@one_region()
async def test_rds_finds_out_by_itself(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await world.does("rds", "CreateDBInstance", DBInstanceIdentifier="db", KmsKeyId=key)
    await kms.call("alice", "DisableKey", KeyId=key)
    seen = []
    for hours in (1.5, 1.7, 7 * 24):
        await kms.sleep_seconds(hours * HOUR)
        told = world.cloud.premises.board.state("rds", HERE, "db")
        assert told is not None
        assert (told.because, told.key) == ("DisabledException", key)
        seen.append(told.state)
    assert seen == ["KMSKeyNotAccessibleFault", f"{GONE}-recoverable", GONE]


@one_region()
async def test_a_kms_that_is_out_or_throttles_stops_no_database(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await world.does("rds", "CreateDBCluster", DBClusterIdentifier="us", KmsKeyId=key)
    await kms.region.crash()
    await kms.sleep_seconds(12 * HOUR)
    assert await state(world, "us") == "available"
    await kms.region.boot()
    await kms.call("alice", "DisableKey", KeyId=key)
    await kms.sleep_seconds(3.5 * HOUR)
    assert await state(world, "us") == f"{GONE}-recoverable"
    await kms.call("alice", "EnableKey", KeyId=key)
    await world.does("rds", "StartDBCluster", DBClusterIdentifier="us")
    assert await state(world, "us") == "available"


@pytest.mark.parametrize("multi_region", [False, True])
@one_region(regions=(HERE, EU))
async def test_each_cluster_is_under_the_key_of_its_region(kms: OneRegion, multi_region: bool) -> None:
    world, key, there = await made(kms, multi_region=multi_region)
    records = (await world.trail(at=EU))[-4:]
    called = ["DescribeKey", "CreateGrant", "GenerateDataKeyWithoutPlaintext", "Decrypt"]
    assert [record["eventName"] for record in records] == called
    assert {record["resources"][0]["ARN"] for record in records} == {there}
    await kms.call("alice", "DisableKey", KeyId=key)
    await kms.sleep_seconds(4 * HOUR)
    # It is followed, so it cannot be stopped, so there is nothing that could be started again.
    assert (await state(world, "us"), await state(world, "eu", EU)) == (GONE, "available")
    assert await fail_over(world, AllowDataLoss=True) is None
    assert await run(world, "eu", "SELECT", EU) == "pens"
    assert await run(world, "eu", "INSERT ink", EU) is None


@one_region(regions=(HERE, EU))
async def test_a_switchover_needs_both_keys_and_a_failover_one(kms: OneRegion) -> None:
    world, _, _ = await made(kms)
    await kms.region.crash()
    assert await fail_over(world) == "InternalFailure"
    await run(world, "us", "INSERT late")
    assert await fail_over(world, AllowDataLoss=True) is None
    await kms.sleep_seconds(2)
    assert await run(world, "eu", "SELECT", EU) == "pens"  # what had not arrived is lost
    assert await run(world, "us", "SELECT") == "DatabaseUnavailableException"
    await run(world, "eu", "INSERT ink", EU)
    await kms.region.boot()
    await kms.sleep_seconds(200)
    assert await run(world, "us", "SELECT") == "ink"
    assert await run(world, "us", "INSERT x") == "DatabaseErrorException"
    switched = {"TargetDbClusterIdentifier": "us", **GLOBAL}
    assert (await world.does("rds", "SwitchoverGlobalCluster", **switched)).calls == ("Decrypt", f"Decrypt in {EU}")
    members = (await world.does("rds", "DescribeGlobalClusters", **GLOBAL)).response["GlobalClusterMembers"]
    assert members == ["us writer", "eu reader"]


@one_region(regions=(HERE, EU))
async def test_a_cluster_without_its_key_takes_nothing_over(kms: OneRegion) -> None:
    world, _, there = await made(kms)
    await kms.call("alice", "DisableKey", at=EU, KeyId=there)
    assert await fail_over(world, AllowDataLoss=True) == "KMSKeyNotAccessibleFault"
    assert await run(world, "us", "INSERT ink") is None
    await kms.sleep_seconds(4 * HOUR)
    assert await fail_over(world, AllowDataLoss=True) == "InvalidGlobalClusterStateFault"
    assert await fail_over(world) == "InvalidGlobalClusterStateFault"


@one_region(regions=(HERE, EU))
async def test_what_a_global_database_is_not(kms: OneRegion) -> None:
    world, key, _ = await made(kms)
    new = {"DBClusterIdentifier": "two", **GLOBAL}
    assert await world.error("rds", "CreateDBCluster", at=EU, **new) == "InvalidParameterValue"
    assert await world.error("rds", "CreateDBCluster", at=EU, KmsKeyId=key, **new) == "KMSKeyNotAccessibleFault"
    assert await world.error("rds", "DescribeGlobalClusters", GlobalClusterIdentifier="x") == (
        "GlobalClusterNotFoundFault"
    )
    again = {"SourceDBClusterIdentifier": "us", **GLOBAL}
    assert await world.error("rds", "CreateGlobalCluster", **again) == "GlobalClusterAlreadyExistsFault"
    assert await fail_over(world, to="x", AllowDataLoss=True) == "DBClusterNotFoundFault"
