"""S3 replication as a rule: the calls of its role, what becomes of an object when KMS refuses or is out, bucket keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from regionsim.accounts.model import Account, Role
from regionsim.authorization.policy import PolicyKind, parse_policy
from tests.simulation.cloud_world import CloudWorld, context_of
from tests.simulation.one_region import HERE, HOME, OneRegion, directory_of_two_accounts, one_region

EU = "eu-west-1"
SOURCE, COPIES = "arn:aws:s3:::orders", "arn:aws:s3:::copies"
ROLE = f"arn:aws:iam::{HOME}:role/app"


def policy(action: str, region: str, arn: str) -> str:
    """A key policy that lets the role do that through S3 in a Region for one resource, as AWS's guide has it."""
    owner = {"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "kms:*", "Resource": "*"}
    copier = {
        "Effect": "Allow",
        "Principal": {"AWS": ROLE},
        "Action": [action] if arn != COPIES else ["kms:GenerateDataKey", "kms:Decrypt"],
        "Resource": "*",
        "Condition": {
            "StringLike": {
                "kms:ViaService": f"s3.{region}.amazonaws.com",
                "kms:EncryptionContext:aws:s3:arn": arn,
            }
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [owner, copier]})


async def made(kms: OneRegion, *, bucket_keys: bool = False, **rule: Any) -> tuple[CloudWorld, str]:
    """A bucket with a rule, and the key of its copies."""
    world = CloudWorld(kms)
    key = await kms.create_key(Policy=policy("kms:Decrypt", HERE, f"{SOURCE}/*"))
    context = COPIES if bucket_keys else f"{COPIES}/*"
    there = await kms.call("alice", "CreateKey", at=EU, Policy=policy("kms:Encrypt", EU, context))
    arn: str = there["KeyMetadata"]["Arn"]
    await world.does("s3", "CreateBucket", Bucket="orders", KMSMasterKeyID=key)
    await world.does("s3", "CreateBucket", at=EU, Bucket="copies", BucketKeyEnabled=bucket_keys)
    given = {"Role": ROLE, "DestinationBucket": "copies", "ReplicaKmsKeyID": arn, "SseKmsEncryptedObjects": "Enabled"}
    await world.does("s3", "PutBucketReplication", Bucket="orders", **{**given, **rule})
    return world, arn


async def status(world: CloudWorld, name: str, bucket: str = "orders", at: str = HERE) -> Any:
    return (await world.does("s3", "HeadObject", at=at, Bucket=bucket, Key=name)).response.get("ReplicationStatus")


async def put(world: CloudWorld, name: str, seconds: int = 10) -> None:
    await world.does("s3", "PutObject", Bucket="orders", Key=name, Body=f"body of {name}")
    await world.kms.sleep_seconds(seconds)


@one_region(regions=(HERE, EU))
async def test_the_role_decrypts_here_and_encrypts_there(kms: OneRegion) -> None:
    world, _ = await made(kms)
    await put(world, "1", 0)
    assert await status(world, "1") == "PENDING"
    await kms.sleep_seconds(10)
    assert (await status(world, "1"), await status(world, "1", "copies", EU)) == ("COMPLETED", "REPLICA")
    here, there = (await world.trail())[-1], (await world.trail(at=EU))[-1]
    assert (here["eventName"], context_of(here)) == ("Decrypt", {"aws:s3:arn": f"{SOURCE}/1"})
    assert (there["eventName"], context_of(there)) == ("Encrypt", {"aws:s3:arn": f"{COPIES}/1"})
    for record in (here, there):
        assert record["userIdentity"]["arn"].endswith("assumed-role/app/s3-replication")
        assert record["userIdentity"]["invokedBy"] == "s3.amazonaws.com"


@pytest.mark.parametrize("multi_region", [False, True])
@one_region(regions=(HERE, EU))
async def test_a_copy_is_under_the_key_of_its_region(kms: OneRegion, multi_region: bool) -> None:
    world, there = await made(kms)
    if multi_region:  # the policies of its two halves are their own: IAM lets the role use neither
        key = await kms.create_key(MultiRegion=True, Policy=policy("kms:Decrypt", HERE, f"{SOURCE}/*"))
        given = {"KeyId": key, "ReplicaRegion": EU, "Policy": policy("kms:Encrypt", EU, f"{COPIES}/*")}
        await kms.call("alice", "ReplicateKey", **given)
        await kms.sleep_seconds(5)
        there = kms.arn(key, EU)
        await world.does("s3", "PutBucketEncryption", Bucket="orders", KMSMasterKeyID=key)
        rule = {"Role": ROLE, "DestinationBucket": "copies", "SseKmsEncryptedObjects": "Enabled"}
        await world.does("s3", "PutBucketReplication", Bucket="orders", ReplicaKmsKeyID=there, **rule)
    await put(world, "1")
    await kms.region.crash()
    got = await world.does("s3", "GetObject", at=EU, Bucket="copies", Key="1")
    assert (got.response, got.calls) == ({"Body": "body of 1"}, ("Decrypt",))
    decrypted = (await world.trail(at=EU))[-1]
    assert decrypted["resources"][0]["ARN"] == there
    await kms.region.boot()


@one_region(regions=(HERE, EU))
async def test_a_refusal_is_final_until_a_batch_job(kms: OneRegion) -> None:
    world, there = await made(kms)
    await kms.call("alice", "DisableKey", at=EU, KeyId=there)
    await put(world, "1")
    state = world.cloud.premises.board.state("s3", HERE, "orders to copies")
    assert state is not None
    assert (state.state, state.because) == ("FAILED", "DstKmsKeyInvalidState")
    await kms.call("alice", "EnableKey", at=EU, KeyId=there)
    await kms.sleep_seconds(86_400)
    assert await status(world, "1") == "FAILED"
    job = await world.does("s3", "CreateJob", Bucket="orders", ObjectReplicationStatuses=["FAILED"])
    assert job.response == {"State": "Active", "TotalNumberOfTasks": 1}
    await kms.sleep_seconds(10)
    assert await status(world, "1") == "COMPLETED"


@one_region(regions=(HERE, EU))
async def test_without_an_answer_s3_tries_again(kms: OneRegion) -> None:
    world, _ = await made(kms)
    await kms.simulation.regions[EU].crash()
    await put(world, "1", 3_600)
    assert await status(world, "1") == "PENDING"
    await kms.simulation.regions[EU].boot()
    await kms.sleep_seconds(3_600)
    assert await status(world, "1") == "COMPLETED"


@one_region(regions=(HERE, EU))
async def test_in_the_end_s3_gives_up(kms: OneRegion) -> None:
    world, _ = await made(kms)
    await kms.simulation.regions[EU].crash()
    await put(world, "1", 25 * 3_600)
    assert await status(world, "1") == "FAILED"
    await kms.simulation.regions[EU].boot()


@pytest.mark.parametrize(
    ("breaks", "at", "reason"),
    [("DisableKey", HERE, "SrcKmsKeyInvalidState"), ("ScheduleKeyDeletion", EU, "DstKmsKeyInvalidState")],
)
@one_region(regions=(HERE, EU))
async def test_reasons_are_s3_s(kms: OneRegion, breaks: str, at: str, reason: str) -> None:
    world, there = await made(kms)
    await world.does("s3", "PutObject", Bucket="orders", Key="1")
    source = (await kms.call("alice", "ListKeys"))["Keys"][0]["KeyId"]
    await kms.call("alice", breaks, at=at, KeyId=there if at == EU else source)
    await kms.sleep_seconds(10)
    assert [state.because for state in world.cloud.states if "to" in state.resource.split()] == [reason]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"Role": "role/nobody"}, "AssumeRoleNotPermitted"),
        ({"DestinationBucket": "nowhere"}, "DstBucketNotFound"),
        ({"ReplicaKmsKeyID": f"arn:aws:kms:{EU}:{HOME}:key/12345678-1234-1234-1234-123456789012"}, "DstKmsKeyNotFound"),
        ({"ReplicaKmsKeyID": "alias/aws/s3"}, "COMPLETED"),
    ],
)
@one_region(regions=(HERE, EU))
async def test_a_rule_is_taken_as_it_is_and_fails_later(kms: OneRegion, rule: dict[str, str], reason: str) -> None:
    world, _ = await made(kms, **rule)
    await put(world, "1")
    (state,) = [state for state in world.cloud.states if "to" in state.resource.split()]
    assert (state.because or state.state) == reason


@one_region(regions=(HERE, EU))
async def test_a_role_without_permission_on_a_key(kms: OneRegion) -> None:
    world, _ = await made(kms)
    other = (await kms.call("alice", "CreateKey", at=EU))["KeyMetadata"]["Arn"]
    rule = {"Role": ROLE, "DestinationBucket": "copies", "SseKmsEncryptedObjects": "Enabled"}
    await world.does("s3", "PutBucketReplication", Bucket="orders", ReplicaKmsKeyID=other, **rule)
    await put(world, "1")
    assert await status(world, "1") == "FAILED"
    assert [state.because for state in world.cloud.states][-1] == "DstPutObjectNotPermitted"


@one_region(regions=(HERE, EU))
async def test_objects_under_kms_keys_are_replicated_only_where_the_rule_says_so(kms: OneRegion) -> None:
    world, _ = await made(kms, SseKmsEncryptedObjects="Disabled", Prefix="tax/")
    await put(world, "tax/1")
    assert await status(world, "tax/1") is None
    await world.does("s3", "PutBucketEncryption", Bucket="orders", KMSMasterKeyID="aws-owned")
    await put(world, "tax/2")
    await put(world, "other")
    assert (await status(world, "tax/2"), await status(world, "other")) == ("COMPLETED", None)


@one_region(regions=(HERE, EU))
async def test_what_was_there_before_the_rule_and_copies_themselves_are_left(kms: OneRegion) -> None:
    world, _ = await made(kms, Prefix="new/")
    await world.does("s3", "PutBucketReplication", at=EU, Bucket="copies", Role=ROLE, DestinationBucket="orders")
    await put(world, "old")
    await put(world, "new/1")
    assert (await status(world, "old"), await status(world, "new/1", "copies", EU)) == (None, "REPLICA")
    job = await world.does("s3", "CreateJob", Bucket="orders")
    assert job.response["TotalNumberOfTasks"] == 1


@one_region(regions=(HERE, EU))
async def test_bucket_keys_of_copies(kms: OneRegion) -> None:
    world, _ = await made(kms, bucket_keys=True)
    for name in ("1", "2", "3"):
        await put(world, name)
    assert [await status(world, name) for name in ("1", "2", "3")] == ["COMPLETED"] * 3
    records = await world.trail(at=EU)
    assert [record["eventName"] for record in records] == ["GenerateDataKey", "Decrypt"]
    assert all(context_of(record) == {"aws:s3:arn": COPIES} for record in records)
    got = await world.does("s3", "GetObject", at=EU, Bucket="copies", Key="2")
    assert got.response == {"Body": "body of 2"}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"ReplicaKmsKeyID": "k"}, "SseKmsEncryptedObjects must be specified"),
        ({"SseKmsEncryptedObjects": "Enabled"}, "ReplicaKmsKeyID must be specified"),
    ],
)
@one_region()
async def test_half_a_rule_is_refused(kms: OneRegion, rule: dict[str, str], said: str) -> None:
    world = CloudWorld(kms)
    await world.does("s3", "CreateBucket", Bucket="orders")
    given = {"Bucket": "orders", "Role": ROLE, "DestinationBucket": "copies", **rule}
    answered = await world.answered("s3", "PutBucketReplication", **given)
    assert answered.error == "InvalidRequest"
    assert answered.message.startswith(said)


@pytest.mark.parametrize(("trusted", "becomes"), [("s3", "COMPLETED"), ("lambda", "FAILED")])
@one_region(regions=(HERE, EU))
async def test_the_role_must_trust_s3(kms: OneRegion, trusted: str, becomes: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{trusted}.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": HOME}},
    }
    trust = parse_policy({"Version": "2012-10-17", "Statement": [statement]}, kind=PolicyKind.TRUST)
    home = directory_of_two_accounts().accounts[HOME]
    roles = {**home.roles, "app": Role(name="app", trust=trust)}
    for region in kms.simulation.regions.values():
        region.directory = region.directory.with_account(Account(account_id=HOME, users=home.users, roles=roles))
    world, _ = await made(kms)
    await put(world, "1")
    assert await status(world, "1") == becomes
