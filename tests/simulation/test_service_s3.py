"""S3: the calls that its User Guide documents, bucket keys, and what its users see when a key fails."""

from __future__ import annotations

import pytest

from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Account
from regionsim.kms.aws_keys import OWNED_KEYS_ACCOUNT
from regionsim.names.mistakes import ConfigError
from regionsim.simulation.world import World
from tests.simulation.cloud_world import CloudWorld, context_of
from tests.simulation.one_region import HERE, HOME, OneRegion, one_region

OBJECT = {"aws:s3:arn": "arn:aws:s3:::orders/1"}


async def bucket(world: CloudWorld, key: str | None, **given: object) -> None:
    await world.does("s3", "CreateBucket", Bucket="orders", KMSMasterKeyID=key, **given)


@one_region()
async def test_put_and_get_make_the_documented_calls(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await bucket(world, key)
    put = await world.does("s3", "PutObject", Bucket="orders", Key="1", Body="two of them")
    got = await world.does("s3", "GetObject", Bucket="orders", Key="1")
    assert (put.calls, got.calls) == (("GenerateDataKey",), ("Decrypt",))
    assert got.response == {"Body": "two of them"}
    generate, decrypt = await world.trail()
    for record in (generate, decrypt):
        assert record["userIdentity"]["arn"] == f"arn:aws:iam::{HOME}:user/alice"
        assert record["userIdentity"]["invokedBy"] == "s3.amazonaws.com"
        assert context_of(record) == OBJECT
    assert generate["requestParameters"]["keySpec"] == "AES_256"


@one_region()
async def test_a_copy_and_a_multipart_upload_need_both_permissions(kms: OneRegion) -> None:
    world = CloudWorld(kms)
    await bucket(world, await kms.create_key())
    await world.does("s3", "CreateMultipartUpload", Bucket="orders", Key="1")
    part = await world.does("s3", "UploadPart", Bucket="orders", Key="1")
    copied = await world.does("s3", "CopyObject", Bucket="orders", Key="2", CopySource="orders/1")
    assert (part.calls, copied.calls) == (("Decrypt",), ("Decrypt", "GenerateDataKey"))
    assert [context_of(record) for record in await world.trail()][-1] == {"aws:s3:arn": "arn:aws:s3:::orders/2"}


@one_region()
async def test_bucket_keys_ask_kms_once_for_many_objects(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await bucket(world, key, BucketKeyEnabled=True)
    for number in range(200):
        await world.does("s3", "PutObject", Bucket="orders", Key=str(number))
        await world.does("s3", "GetObject", Bucket="orders", Key=str(number))
    (generated,) = await world.trail()  # one of 400: 99 % fewer
    assert (generated["eventName"], context_of(generated)) == ("GenerateDataKey", {"aws:s3:arn": "arn:aws:s3:::orders"})


@one_region()
async def test_a_bucket_key_is_one_requester_s_and_lives_for_a_while(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await bucket(world, key, BucketKeyEnabled=True)
    await world.does("s3", "PutObject", Bucket="orders", Key="1")
    assert (await world.does("s3", "GetObject", "root", Bucket="orders", Key="1")).calls == ("Decrypt",)
    assert (await world.does("s3", "GetObject", "root", Bucket="orders", Key="1")).calls == ()
    await kms.sleep_seconds(301)
    assert (await world.does("s3", "GetObject", Bucket="orders", Key="1")).calls == ("Decrypt",)
    assert (await world.does("s3", "PutObject", Bucket="orders", Key="2")).calls == ("GenerateDataKey",)


@one_region()
async def test_a_bucket_key_at_hand_checks_nothing(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await bucket(world, key, BucketKeyEnabled=True)
    await world.does("s3", "PutObject", Bucket="orders", Key="1")
    await kms.call("alice", "DisableKey", KeyId=key)
    await world.does("s3", "GetObject", Bucket="orders", Key="1")
    await kms.sleep_seconds(301)
    assert await world.error("s3", "GetObject", Bucket="orders", Key="1") == "KMS.DisabledException"


@one_region()
async def test_objects_from_before_keep_their_data_keys(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await bucket(world, key)
    await world.does("s3", "PutObject", Bucket="orders", Key="1")
    await world.does("s3", "PutBucketEncryption", Bucket="orders", KMSMasterKeyID=key, BucketKeyEnabled=True)
    await world.does("s3", "PutObject", Bucket="orders", Key="2")
    for _ in range(2):
        await world.does("s3", "GetObject", Bucket="orders", Key="1")
    contexts = [context_of(record) for record in await world.trail()]
    assert contexts == [OBJECT, {"aws:s3:arn": "arn:aws:s3:::orders"}, OBJECT, OBJECT]


@one_region()
async def test_dual_layers_know_no_bucket_keys(kms: OneRegion) -> None:
    world = CloudWorld(kms)
    given = {"Bucket": "orders", "SSEAlgorithm": "aws:kms:dsse"}
    assert await world.error("s3", "CreateBucket", BucketKeyEnabled=True, **given) == "InvalidArgument"
    await world.does("s3", "CreateBucket", **given)
    assert (await world.does("s3", "PutObject", Bucket="orders", Key="1")).calls == ("GenerateDataKey",)


@pytest.mark.parametrize("kind", ["customer managed", "AWS managed", "AWS owned"])
@one_region()
async def test_any_of_the_three_kinds_of_key(kms: OneRegion, kind: str) -> None:
    world = CloudWorld(kms)
    given = {"customer managed": await kms.create_key(), "AWS managed": None, "AWS owned": "aws-owned"}[kind]
    await bucket(world, given)
    await world.does("s3", "PutObject", Bucket="orders", Key="1")
    await world.does("s3", "GetObject", Bucket="orders", Key="1")
    seen = {record["recipientAccountId"] for record in await world.trail()}
    keys = (await kms.call("alice", "ListKeys"))["Keys"]
    aliases = {
        entry["AliasName"] for entry in (await kms.call("alice", "ListAliases"))["Aliases"] if "TargetKeyId" in entry
    }
    match kind:
        case "customer managed":
            assert (seen, len(keys), aliases) == ({HOME}, 1, set())
        case "AWS managed":
            assert (seen, len(keys), aliases) == ({HOME}, 2, {"alias/aws/s3"})
        case _:
            assert HOME not in seen
            assert (len(keys), aliases) == (1, set())


@one_region()
async def test_who_has_no_key_permission_sees_access_denied(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await bucket(world, key)
    assert await world.error("s3", "PutObject", "bob", Bucket="orders", Key="1") == "AccessDenied"
    await world.does("s3", "PutObject", Bucket="orders", Key="1")
    assert await world.error("s3", "GetObject", "bob", Bucket="orders", Key="1") == "AccessDenied"
    assert await world.error("s3", "GetObject", Bucket="orders", Key="none") == "NoSuchKey"


@pytest.mark.parametrize(
    ("breaks", "seen"),
    [
        ({"DisableKey": {}}, "KMS.DisabledException"),
        ({"ScheduleKeyDeletion": {"PendingWindowInDays": 7}}, "KMS.KMSInvalidStateException"),
    ],
)
@one_region()
async def test_a_key_that_cannot_be_used(kms: OneRegion, breaks: dict[str, dict[str, object]], seen: str) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await bucket(world, key)
    await world.does("s3", "PutObject", Bucket="orders", Key="1")
    for operation, parameters in breaks.items():
        await kms.call("alice", operation, KeyId=key, **parameters)
    for operation in ("GetObject", "PutObject"):
        assert await world.error("s3", operation, Bucket="orders", Key="1") == seen


@one_region()
async def test_a_kms_that_is_out_is_a_failure_and_no_refusal(kms: OneRegion) -> None:
    world = CloudWorld(kms)
    await bucket(world, await kms.create_key())
    await kms.region.crash()
    answered = await world.answered("s3", "PutObject", Bucket="orders", Key="1")
    assert (answered.error, answered.is_failure) == ("ServiceUnavailable", True)
    assert len(answered.tries) == 3
    await kms.region.boot()
    await world.does("s3", "PutObject", Bucket="orders", Key="1")


@one_region()
async def test_a_bucket_is_where_it_is(kms: OneRegion) -> None:
    world = CloudWorld(kms)
    await bucket(world, None)
    assert await world.error("s3", "PutObject", at="eu-west-1", Bucket="orders", Key="1") == "PermanentRedirect"
    assert await world.error("s3", "PutObject", Bucket="other", Key="1") == "NoSuchBucket"
    assert await world.error("s3", "CreateBucket", Bucket="orders") == "BucketAlreadyExists"
    assert HERE == "us-east-1"


def test_aws_s_own_account_is_no_customer_s() -> None:
    accounts = Directory(accounts={OWNED_KEYS_ACCOUNT: Account(account_id=OWNED_KEYS_ACCOUNT)})
    with pytest.raises(ConfigError, match="take another"):
        World(regions=(HERE,), directory=accounts, start_at_ns=0)
