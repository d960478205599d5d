"""States of services' resources: when they change, for how long they were out, and where people read them."""

from __future__ import annotations

import regionsim
from regionsim.endpoint.figures import prometheus_text
from regionsim.faults.vocabulary import parse_fault
from regionsim.runtime.tasks import now_ns
from regionsim.scenario.report import last_lines
from regionsim.scenario.run import RunOptions
from regionsim.services.premises import ServiceState
from tests.simulation.cloud_world import CloudWorld
from tests.simulation.one_region import HERE, SECOND, OneRegion, one_region

OBJECT = {"Bucket": 'a"b', "Key": "1"}


async def bucket(kms: OneRegion) -> tuple[CloudWorld, str]:
    world, key = CloudWorld(kms), await kms.create_key()
    await world.does("s3", "CreateBucket", Bucket='a"b', KMSMasterKeyID=key)
    await world.does("s3", "PutObject", **OBJECT)
    return world, key


def state(world: CloudWorld) -> ServiceState:
    (found,) = world.cloud.states
    return found


@one_region()
async def test_a_resource_is_out_from_the_first_refusal_to_the_first_answer(kms: OneRegion) -> None:
    world, key = await bucket(kms)
    assert (state(world).state, state(world).key, state(world).is_well) == ("ok", key, True)
    await kms.call("alice", "DisableKey", KeyId=key)
    await world.error("s3", "GetObject", **OBJECT)
    await kms.sleep_seconds(100)
    await world.error("s3", "GetObject", **OBJECT)
    assert (state(world).state, state(world).because) == ("KMS.DisabledException", "DisabledException")
    assert round(state(world).out_ns(now_ns()) / SECOND) == 100
    await kms.call("alice", "EnableKey", KeyId=key)
    await world.does("s3", "GetObject", **OBJECT)
    await kms.sleep_seconds(50)
    assert (state(world).is_well, round(state(world).out_ns(now_ns()) / SECOND)) == (True, 100)
    # The first tells of the bucket, which needs no key yet, the second which key its object has.
    told = [(e.fields["state"], e.fields["was"]) for e in kms.events if e.kind == "service_state"]
    assert told[1:] == [("ok", ""), ("KMS.DisabledException", ""), ("ok", "DisabledException")]


@one_region()
async def test_one_throttled_request_counts_for_a_minute(kms: OneRegion) -> None:
    world, _ = await bucket(kms)
    fault = kms.simulation.begin_fault(parse_fault({"throttle": {"region": HERE, "factor": 0}}))
    await world.error("s3", "GetObject", **OBJECT)
    kms.simulation.end_fault(fault)
    await world.does("s3", "GetObject", **OBJECT)
    assert state(world).because == "ThrottlingException"
    await kms.sleep_seconds(61)
    await world.does("s3", "GetObject", **OBJECT)
    assert state(world).is_well


@one_region()
async def test_one_user_s_missing_permission_is_no_state(kms: OneRegion) -> None:
    world, _ = await bucket(kms)
    assert await world.error("s3", "GetObject", "bob", **OBJECT) == "AccessDenied"
    assert state(world).is_well


@one_region()
async def test_what_is_deleted_has_no_state(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await world.does("dynamodb", "CreateTable", TableName="t", KMSMasterKeyId=key)
    await world.does("dynamodb", "DeleteTable", TableName="t")
    await world.error("dynamodb", "GetItem", TableName="t", Key="1")
    assert world.cloud.states == ()


@one_region()
async def test_keys_that_aws_owns_have_no_names(kms: OneRegion) -> None:
    world = CloudWorld(kms)
    await world.does("dynamodb", "CreateTable", TableName="t")
    await world.does("s3", "CreateBucket", Bucket="b")
    await world.does("s3", "PutObject", Bucket="b", Key="1")
    managed = (await kms.call("alice", "DescribeKey", KeyId="alias/aws/s3"))["KeyMetadata"]["KeyId"]
    assert [known.key for known in world.cloud.states] == ["AWS owned", managed]


@one_region()
async def test_prometheus_reads_them(kms: OneRegion) -> None:
    world, key = await bucket(kms)
    assert "regionsim_service" not in prometheus_text(kms.simulation)
    await kms.call("alice", "DisableKey", KeyId=key)
    await world.error("s3", "GetObject", **OBJECT)
    await kms.sleep_seconds(2)
    text = prometheus_text(kms.simulation, world.cloud.states)
    labels = f'service="s3",region="{HERE}",resource="a\\"b"'
    why = 'state="KMS.DisabledException",because="DisabledException"'
    assert f"regionsim_service_resource_up{{{labels},{why}}} 0\n" in text
    assert f"regionsim_service_resource_out_seconds_total{{{labels}}} 2" in text


def test_a_run_tells_them() -> None:
    result = regionsim.run("ebs-volume-will-not-attach")
    out = {known.resource: known for known in result.services if known.out_seconds}
    assert set(out) == {"vol-1", "i-1"}
    told = [line for line in last_lines(result, RunOptions()) if line.startswith("service")]
    assert len(told) == len(out)
    assert told[0] == "service   ec2 i-1 in us-east-1: out for 1m, running again"
    found = result.as_json()["services"]
    assert [known["resource"] for known in found if known["out_seconds"]] == ["i-1", "vol-1"]
