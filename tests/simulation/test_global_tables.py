"""DynamoDB global tables: a key in each Region, what waits for a Region that is out, and when a replica is lost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.cloud_world import CloudWorld, context_of
from tests.simulation.one_region import HERE, HOME, OneRegion, one_region

EU = "eu-west-1"
TABLE = {"TableName": "orders"}
INACCESSIBLE = "INACCESSIBLE_ENCRYPTION_CREDENTIALS"


async def made(kms: OneRegion, *, multi_region: bool = False) -> tuple[CloudWorld, str, str]:
    """A table with a replica, and the keys of both as ARNs."""
    world, key = CloudWorld(kms), await kms.create_key(MultiRegion=multi_region)
    if multi_region:
        await kms.call("alice", "ReplicateKey", KeyId=key, ReplicaRegion=EU)
        await kms.sleep_seconds(5)
        there = kms.arn(key, EU)
    else:
        there = (await kms.call("alice", "CreateKey", at=EU))["KeyMetadata"]["Arn"]
    await world.does("dynamodb", "CreateTable", KMSMasterKeyId=key, **TABLE)
    await world.does("dynamodb", "UpdateTable", RegionName=EU, KMSMasterKeyId=there, **TABLE)
    return world, kms.arn(key), there


async def put(world: CloudWorld, item: str, *, at: str = HERE, seconds: float = 10) -> None:
    await world.does("dynamodb", "PutItem", at=at, Key="1", Item=item, **TABLE)
    await world.kms.sleep_seconds(seconds)


async def item(world: CloudWorld, at: str) -> Any:
    return (await world.does("dynamodb", "GetItem", at=at, Key="1", **TABLE)).response["Item"]


async def replicas(world: CloudWorld) -> Any:
    return (await world.does("dynamodb", "DescribeTable", **TABLE)).response.get("Replicas")


@pytest.mark.parametrize("multi_region", [False, True])
@one_region(regions=(HERE, EU))
async def test_each_replica_is_under_the_key_of_its_region(kms: OneRegion, multi_region: bool) -> None:
    world, _, there = await made(kms, multi_region=multi_region)
    records = (await world.trail(at=EU))[-3:]
    assert [record["eventName"] for record in records] == ["DescribeKey", "CreateGrant", "GenerateDataKey"]
    assert {record["resources"][0]["ARN"] for record in records} == {there}
    await put(world, "pens")
    delivered = (await world.trail(at=EU))[-1]
    assert (delivered["eventName"], delivered["userIdentity"]["type"]) == ("Decrypt", "AWSService")
    assert context_of(delivered) == {"aws:dynamodb:tableName": "orders", "aws:dynamodb:subscriberId": HOME}
    await kms.region.crash()
    assert await item(world, EU) == "pens"
    assert (await world.answered("dynamodb", "GetItem", "root", Key="1", **TABLE)).is_failure
    await kms.region.boot()


@one_region(regions=(HERE, EU))
async def test_a_region_that_is_out_gets_its_writes_later(kms: OneRegion) -> None:
    world, _, _ = await made(kms)
    await kms.simulation.regions[EU].crash()
    await put(world, "pens", seconds=3_600)
    assert await replicas(world) == [f"{EU} ACTIVE"]
    await kms.simulation.regions[EU].boot()
    await kms.sleep_seconds(200)
    assert await item(world, EU) == "pens"


@one_region(regions=(HERE, EU))
async def test_of_two_writes_the_later_one_stays(kms: OneRegion) -> None:
    world, _, _ = await made(kms)
    await put(world, "pens", seconds=0.1)
    await put(world, "ink", at=EU)
    assert (await item(world, HERE), await item(world, EU)) == ("ink", "ink")


@one_region(regions=(HERE, EU))
async def test_a_replica_comes_back_within_twenty_hours(kms: OneRegion) -> None:
    world, _, there = await made(kms)
    await kms.call("alice", "DisableKey", at=EU, KeyId=there)
    await put(world, "pens")
    assert await replicas(world) == [f"{EU} {INACCESSIBLE}"]
    await kms.sleep_seconds(19 * 3_600)
    await kms.call("alice", "EnableKey", at=EU, KeyId=there)
    await kms.sleep_seconds(1_000)
    assert (await replicas(world), await item(world, EU)) == ([f"{EU} ACTIVE"], "pens")


@one_region(regions=(HERE, EU))
async def test_after_twenty_hours_it_is_a_table_of_its_own(kms: OneRegion) -> None:
    world, _, there = await made(kms)
    await put(world, "pens")
    await kms.call("alice", "DisableKey", at=EU, KeyId=there)
    await kms.sleep_seconds(301)
    await put(world, "ink", seconds=21 * 3_600)
    assert await replicas(world) is None
    await kms.call("alice", "EnableKey", at=EU, KeyId=there)
    await kms.sleep_seconds(3_600)
    await put(world, "nibs")
    assert (await item(world, HERE), await item(world, EU)) == ("nibs", "pens")
    await put(world, "cups", at=EU)
    assert await item(world, HERE) == "nibs"
    state = world.cloud.premises.board.state("dynamodb", EU, "orders as a replica")
    assert state is not None
    assert (state.state, state.because) == ("single-Region table", "DisabledException")


@one_region(regions=(HERE, EU))
async def test_a_table_that_is_archived_stays_so(kms: OneRegion) -> None:
    world, key, _ = await made(kms)
    await kms.call("alice", "DisableKey", KeyId=key)
    assert await world.error("dynamodb", "GetItem", Key="1", **TABLE) == "InaccessibleEncryptionCredentials"
    await kms.sleep_seconds(8 * 86_400)
    await kms.call("alice", "EnableKey", KeyId=key)
    await kms.sleep_seconds(86_400)
    assert await world.error("dynamodb", "GetItem", Key="1", **TABLE) == "InaccessibleEncryptionCredentials"
    assert (await world.does("dynamodb", "DescribeTable", **TABLE)).response == {"State": "ARCHIVED"}
    state = world.cloud.premises.board.state("dynamodb", HERE, "orders")
    assert state is not None
    assert (state.state, state.because) == ("ARCHIVED", "DisabledException")


@one_region(regions=(HERE, EU))
async def test_what_a_replica_cannot_be(kms: OneRegion) -> None:
    world, key, there = await made(kms)
    assert await world.error("dynamodb", "UpdateTable", RegionName=EU, KMSMasterKeyId=there, **TABLE) == (
        "ValidationException"
    )
    await world.does("dynamodb", "UpdateTable", RegionName=EU, Delete=True, **TABLE)
    assert (await kms.call("alice", "ListGrants", at=EU, KeyId=there))["Grants"] == []
    assert await world.error("dynamodb", "UpdateTable", RegionName=EU, **TABLE) == "ValidationException"
    # A key of another Region is none there, and that says nothing about the table.
    wrong = await world.error("dynamodb", "UpdateTable", RegionName=EU, KMSMasterKeyId=key.split("/")[1], **TABLE)
    assert wrong == "InaccessibleEncryptionCredentials"
    assert all(state.is_well for state in world.cloud.states)
    assert await world.error("dynamodb", "UpdateTable", RegionName=EU, Delete=True, **TABLE) == "ValidationException"
