"""GetKeyLastUsage: the last successful use in cryptography, of each Region's key for itself."""

from __future__ import annotations

from typing import Any

from regionsim.kms.last_use import TRACKED
from regionsim.kms.model import model
from regionsim.kms.writes import PutLastUse
from tests.simulation.one_region import OneRegion, one_region

TWO = ("us-east-1", "eu-west-1")


async def usage(kms: OneRegion, key_id: str, *, at: str | None = None) -> dict[str, Any]:
    """What is told once the trail has been committed."""
    await kms.sleep_seconds(1)
    answer = await kms.call("alice", "GetKeyLastUsage", at=at, KeyId=key_id)
    found: dict[str, Any] = answer["KeyLastUsage"]
    return found


def test_the_model_says_what_counts() -> None:
    assert set(model().shapes["KeyLastUsageTrackingOperation"].enum) == TRACKED


@one_region()
async def test_a_key_that_nobody_used_says_since_when(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    created = (await kms.call("alice", "DescribeKey", KeyId=key_id))["KeyMetadata"]["CreationDate"]
    assert await kms.call("alice", "GetKeyLastUsage", KeyId=key_id) == {
        "KeyId": kms.arn(key_id),
        "KeyLastUsage": {},
        "TrackingStartDate": created,
        "KeyCreationDate": created,
    }


@one_region()
async def test_the_last_use_names_its_record_in_the_trail(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    await kms.sleep_seconds(60)
    await kms.call("alice", "Decrypt", CiphertextBlob=blob)
    told = await usage(kms, key_id)
    (record,) = await kms.records("Decrypt")
    assert (told["Operation"], told["CloudTrailEventId"], told["KmsRequestId"]) == (
        "Decrypt",
        record["eventID"],
        record["requestID"],
    )
    await kms.reboot()
    assert await usage(kms, key_id) == told


@one_region()
async def test_what_is_refused_or_dry_or_no_cryptography_does_not_count(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.refusal("bob", "Encrypt", KeyId=key_id, Plaintext=b"x")
    await kms.refusal("alice", "Encrypt", KeyId=key_id, Plaintext=b"x", DryRun=True)
    await kms.call("alice", "DescribeKey", KeyId=key_id)
    await kms.call("alice", "GenerateRandom", NumberOfBytes=8)
    assert await usage(kms, key_id) == {}
    await kms.call("alice", "DisableKey", KeyId=key_id)
    await kms.refusal("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    assert await usage(kms, key_id) == {}


@one_region()
async def test_reencrypt_uses_both_keys(kms: OneRegion) -> None:
    source, destination = await kms.create_key(), await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=source, Plaintext=b"x"))["CiphertextBlob"]
    await kms.call("alice", "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=destination)
    told = [await usage(kms, key_id) for key_id in (source, destination)]
    assert [one["Operation"] for one in told] == ["ReEncrypt", "ReEncrypt"]


@one_region(regions=TWO)
async def test_each_region_tells_of_its_own_key(kms: OneRegion) -> None:
    key_id = await kms.create_key("alice", MultiRegion=True)
    await kms.call("alice", "ReplicateKey", KeyId=key_id, ReplicaRegion="eu-west-1")
    await kms.sleep_seconds(10)
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x", at="eu-west-1")
    assert await usage(kms, key_id) == {}
    assert (await usage(kms, key_id, at="eu-west-1"))["Operation"] == "Encrypt"


@one_region()
async def test_the_record_is_the_one_of_the_key_s_owner(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    policy = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    own = {**policy, "Principal": {"AWS": "arn:aws:iam::111122223333:root"}}
    await kms.call("alice", "PutKeyPolicy", KeyId=key_id, Policy=_text(own, policy))
    await kms.call("zoe", "Encrypt", KeyId=kms.arn(key_id), Plaintext=b"x")
    told = await usage(kms, key_id)
    ids = {record["recipientAccountId"]: record["eventID"] for record in await kms.records("Encrypt")}
    assert told["CloudTrailEventId"] == ids["111122223333"] != ids["444455556666"]


def _text(*statements: dict[str, Any]) -> str:
    import json

    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@one_region()
async def test_a_policy_can_spare_keys_that_were_used_of_late(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    kms.give(
        "bob",
        {
            "Effect": "Allow",
            "Action": ["kms:DisableKey", "kms:ScheduleKeyDeletion"],
            "Resource": "*",
            "Condition": {"NumericGreaterThanEquals": {"kms:TrailingDaysWithoutKeyUsage": "30"}},
        },
    )
    await kms.sleep_seconds(40 * 86_400)
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    await kms.sleep_seconds(29 * 86_400)
    for operation in ("DisableKey", "ScheduleKeyDeletion"):
        assert (await kms.refusal("bob", operation, KeyId=key_id)).code == "AccessDeniedException"
    await kms.sleep_seconds(86_400)
    await kms.call("bob", "DisableKey", KeyId=key_id)
    await kms.call("bob", "ScheduleKeyDeletion", KeyId=key_id)


@one_region()
async def test_an_alias_is_not_taken_and_a_deleted_key_leaves_nothing(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "CreateAlias", AliasName="alias/x", TargetKeyId=key_id)
    refusal = await kms.refusal("alice", "GetKeyLastUsage", KeyId="alias/x")
    assert refusal.code == "InvalidArnException"
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    assert (await usage(kms, key_id))["Operation"] == "Encrypt"
    await kms.sleep_seconds(8 * 86_400)
    assert kms.region.state.last_use(key_id) is None
    assert not [write for write in (await kms.region.store.load()).writes if isinstance(write, PutLastUse)]
