"""The audit trail of a Region: what is recorded, when it is durable, and what never stands in it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from regionsim.runtime import tasks
from tests.simulation.one_region import AWAY, HOME, OneRegion, one_region

MILLISECOND = 1_000_000
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": [HOME, AWAY]}, "Action": "kms:*", "Resource": "*"},
        ],
    }
)
MEMBERS = {
    "eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent",
    "requestParameters", "responseElements", "requestID", "eventID", "readOnly", "resources", "eventType",
    "managementEvent", "recipientAccountId", "eventCategory",
}  # fmt: skip
OPTIONAL = {"additionalEventData", "serviceEventDetails", "errorCode", "errorMessage", "sharedEventID"}


async def every_operation(kms: OneRegion) -> dict[str, dict[str, Any]]:
    """One successful call of each operation of one Region; operation -> its parameters."""
    key_id, other = await kms.create_key(Policy=POLICY), await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order 4711"))["CiphertextBlob"]
    calls: dict[str, dict[str, Any]] = {
        "CreateKey": {"Description": "orders", "Tags": [{"TagKey": "Team", "TagValue": "blue"}]},
        "DescribeKey": {"KeyId": key_id},
        "ListKeys": {"Limit": 1},
        "Encrypt": {"KeyId": key_id, "Plaintext": b"order 4711", "EncryptionContext": {"Department": "Engineering"}},
        "Decrypt": {"CiphertextBlob": blob, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"},
        "ReEncrypt": {"CiphertextBlob": blob, "DestinationKeyId": other},
        "GenerateDataKey": {"KeyId": key_id, "KeySpec": "AES_256"},
        "GenerateDataKeyWithoutPlaintext": {"KeyId": key_id, "NumberOfBytes": 64},
        "GenerateRandom": {"NumberOfBytes": 16},
        "DisableKey": {"KeyId": other},
        "EnableKey": {"KeyId": other},
        "GetKeyPolicy": {"KeyId": key_id},
        "PutKeyPolicy": {"KeyId": key_id, "Policy": POLICY},
        "CreateAlias": {"AliasName": "alias/orders", "TargetKeyId": key_id},
        "UpdateAlias": {"AliasName": "alias/orders", "TargetKeyId": other},
        "ListAliases": {},
        "DeleteAlias": {"AliasName": "alias/orders"},
        "RotateKeyOnDemand": {"KeyId": key_id},
    }
    for operation, parameters in calls.items():
        await kms.call("alice", operation, **parameters)
    return calls


# ------------------------------------------------------------------------------------------------------ what is recorded


@one_region()
async def test_every_call_has_one_record_in_cloudtrail_s_shape(kms: OneRegion) -> None:
    calls = await every_operation(kms)
    records = await kms.records()
    assert {record["eventName"] for record in records} == calls.keys() | {"RotateKey"}
    for record in records:
        is_service = record["eventType"] == "AwsServiceEvent"
        assert record.keys() - OPTIONAL == MEMBERS - ({"requestID"} if is_service else set())
        assert record["eventSource"] == "kms.amazonaws.com"
        assert record["awsRegion"] == "us-east-1"
        assert re.fullmatch(r"2026-01-01T00:00:\d\dZ", record["eventTime"])
        assert (record["managementEvent"], record["eventCategory"]) == (True, "Management")
        json.dumps(record)
    assert len({record["eventID"] for record in records}) == len(records)


@one_region()
async def test_cryptography_is_read_only_and_shows_its_context_and_its_material(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    context = {"Department": "Engineering"}
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order 4711", EncryptionContext=context)
    (record,) = await kms.records("Encrypt")
    assert record["readOnly"] is True
    assert record["requestParameters"] == {
        "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "encryptionContext": context,
        "keyId": key_id,
    }
    assert record["responseElements"] is None
    assert record["additionalEventData"] == {"keyMaterialId": kms.key(key_id).shared.current_material_id}
    assert record["resources"] == [{"accountId": HOME, "type": "AWS::KMS::Key", "ARN": kms.arn(key_id)}]
    assert record["eventType"] == "AwsApiCall"
    assert record["userIdentity"]["type"] == "IAMUser"
    assert record["userIdentity"]["arn"] == f"arn:aws:iam::{HOME}:user/alice"
    assert record["userIdentity"]["userName"] == "alice"


@one_region()
async def test_reencrypt_is_recorded_with_both_keys_and_both_materials(kms: OneRegion) -> None:
    source, destination = await kms.create_key(), await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=source, Plaintext=b"x"))["CiphertextBlob"]
    response = await kms.call("alice", "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=destination)
    (record,) = await kms.records("ReEncrypt")
    assert [resource["ARN"] for resource in record["resources"]] == [kms.arn(source), kms.arn(destination)]
    assert record["additionalEventData"] == {
        "sourceKeyMaterialId": response["SourceKeyMaterialId"],
        "destinationKeyMaterialId": response["DestinationKeyMaterialId"],
    }


@one_region()
async def test_a_change_is_not_read_only_and_answers_with_the_key_s_arn(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "DisableKey", KeyId=key_id)
    await kms.call("alice", "CreateAlias", AliasName="alias/x", TargetKeyId=key_id)
    (disabled,), (named,) = await kms.records("DisableKey"), await kms.records("CreateAlias")
    for record in (disabled, named):
        assert (record["readOnly"], record["responseElements"]) == (False, {"keyId": kms.arn(key_id)})
    assert named["requestParameters"] == {"aliasName": "alias/x", "targetKeyId": key_id}
    assert [resource["type"] for resource in named["resources"]] == ["AWS::KMS::Alias", "AWS::KMS::Key"]


@one_region()
async def test_a_rotation_is_a_service_event_beside_the_call(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    first = kms.key(key_id).shared.current_material_id
    await kms.call("alice", "RotateKeyOnDemand", KeyId=key_id)
    (record,) = await kms.records("RotateKey")
    assert record["eventType"] == "AwsServiceEvent"
    assert record["userIdentity"] == {"accountId": HOME, "invokedBy": "AWS Internal"}
    assert (record["readOnly"], record["requestParameters"], record["responseElements"]) == (False, None, None)
    assert (record["sourceIPAddress"], record["userAgent"]) == ("AWS Internal", "AWS Internal")
    assert "requestID" not in record
    assert record["serviceEventDetails"] == {
        "keyId": key_id,
        "keyOrigin": "AWS_KMS",
        "rotationType": "ON_DEMAND",
        "previousKeyMaterialId": first,
        "currentKeyMaterialId": kms.key(key_id).shared.current_material_id,
    }
    assert len(await kms.records("RotateKeyOnDemand")) == 1


@one_region()
async def test_a_refusal_is_recorded_with_its_code_and_text(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    denied = await kms.refusal("bob", "Encrypt", KeyId=key_id, Plaintext=b"x")
    await kms.call("alice", "DisableKey", KeyId=key_id)
    disabled = await kms.refusal("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    records = await kms.records("Encrypt")
    assert [(record["errorCode"], record["errorMessage"]) for record in records] == [
        ("AccessDenied", denied.message),  # CloudTrail shortens this one
        ("DisabledException", disabled.message),
    ]
    assert all(record["responseElements"] is None for record in records)
    assert all(record["resources"][0]["ARN"] == kms.arn(key_id) for record in records)


@one_region()
async def test_a_malformed_call_is_recorded_and_an_unknown_one_is_not(kms: OneRegion) -> None:
    await kms.refusal("alice", "GenerateRandom", NumberOfBytes=0)
    await kms.refusal("alice", "Launch")
    assert [(r["eventName"], r["errorCode"]) for r in await kms.records()] == [
        ("GenerateRandom", "ValidationException")
    ]


@one_region()
async def test_a_call_across_accounts_is_in_both_trails_and_the_owner_learns_little(kms: OneRegion) -> None:
    key_id = await kms.create_key(Policy=POLICY)
    await kms.call("zoe", "Encrypt", KeyId=kms.arn(key_id), Plaintext=b"x")
    caller, owner = await kms.records("Encrypt")
    assert (caller["recipientAccountId"], owner["recipientAccountId"]) == (AWAY, HOME)
    assert caller["userIdentity"]["userName"] == "zoe"
    assert owner["userIdentity"].keys() == {"type", "principalId", "accountId"}
    assert (owner["userIdentity"]["type"], owner["userIdentity"]["accountId"]) == ("AWSAccount", AWAY)
    assert caller["requestID"] == owner["requestID"]
    assert caller["sharedEventID"] == owner["sharedEventID"]
    assert caller["eventID"] != owner["eventID"]


@one_region()
async def test_a_session_is_recorded_with_the_role_that_issued_it(kms: OneRegion) -> None:
    await kms.refusal("role/app", "ListKeys")
    (record,) = await kms.records("ListKeys")
    identity = record["userIdentity"]
    assert (identity["type"], identity["accountId"]) == ("AssumedRole", HOME)
    assert identity["arn"] == kms.principal("role/app").arn
    assert identity["sessionContext"] == {
        "sessionIssuer": {
            "type": "Role",
            "principalId": identity["principalId"].partition(":")[0],
            "arn": f"arn:aws:iam::{HOME}:role/app",
            "accountId": HOME,
            "userName": "app",
        }
    }


@one_region()
async def test_another_region_s_arn_brings_nothing_into_the_trail_of_the_key_here(kms: OneRegion) -> None:
    key_id = await kms.create_key(MultiRegion=True)
    await kms.refusal("zoe", "DescribeKey", KeyId=kms.arn(key_id, "eu-west-1"))
    (record,) = await kms.records("DescribeKey")
    assert (record["recipientAccountId"], record["resources"]) == (AWAY, [])


# ------------------------------------------------------------------------------------------------------ what never is


@one_region()
async def test_no_record_and_no_trace_holds_a_secret(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    plaintext, token = b"a very secret order 4711", "AQpAM2RhZTk1MGMyNTk2ZmZmMzEyYWVhOWViN2I1MWM4Mzc0MWFiYjc0ZDE1"
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=plaintext))["CiphertextBlob"]
    data_key = await kms.call("alice", "GenerateDataKey", KeyId=key_id, KeySpec="AES_256")
    random_bytes = (await kms.call("alice", "GenerateRandom", NumberOfBytes=32))["Plaintext"]
    await kms.call("alice", "Decrypt", CiphertextBlob=blob)
    await kms.refusal("bob", "Encrypt", KeyId=key_id, Plaintext=plaintext)
    await kms.refusal("alice", "Encrypt", KeyId=key_id, Plaintext=plaintext * 200)
    await kms.refusal("alice", "Encrypt", KeyId=key_id, Plaintext=plaintext.decode())
    await kms.refusal("alice", "Decrypt", CiphertextBlob=blob, EncryptionContext={"a": "b"})
    await kms.refusal("alice", "Encrypt", KeyId=key_id, Plaintext=plaintext, GrantTokens=[token])
    secrets = (plaintext, blob, data_key["Plaintext"], data_key["CiphertextBlob"], random_bytes)
    await kms.region.flush_audit()
    stored = b"".join(segment.body for segment in await kms.region.store.read_audit())
    told = (json.dumps(await kms.records()) + repr(kms.events)).encode()
    for secret in secrets:
        assert secret not in stored
        assert secret not in told
        assert secret.hex().encode() not in told
    assert token.encode() not in stored


# ---------------------------------------------------------------------------------------------------------- how durable


@one_region()
async def test_a_change_s_record_is_in_its_transaction(kms: OneRegion) -> None:
    """At the instant of the answer the record is committed: a crash right then loses neither."""
    key_id = await kms.create_key()
    calls: list[tuple[str, dict[str, Any]]] = [
        ("DisableKey", {"KeyId": key_id}),
        ("EnableKey", {"KeyId": key_id}),
        ("PutKeyPolicy", {"KeyId": key_id, "Policy": POLICY}),
        ("CreateAlias", {"AliasName": "alias/x", "TargetKeyId": key_id}),
        ("RotateKeyOnDemand", {"KeyId": key_id}),
        ("DeleteAlias", {"AliasName": "alias/x"}),
    ]
    for operation, parameters in calls:
        version = kms.key(key_id).version
        await kms.call("alice", operation, **parameters)
        assert kms.region.unaudited_count == 0
        changed = kms.key(key_id)
        await kms.reboot()
        assert kms.key(key_id) == changed
        assert changed.version == version + ("Alias" not in operation)
        assert [entry.event_name for entry in await kms.stored_entries()].count(operation) == 1
    assert kms.region.state.alias(HOME, "alias/x") is None
    assert [entry.event_name for entry in await kms.stored_entries()].count("RotateKey") == 1


@one_region()
async def test_a_read_s_record_is_durable_within_100_ms(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    await kms.refusal("bob", "DescribeKey", KeyId=key_id)
    assert [entry.event_name for entry in await kms.stored_entries()] == ["CreateKey"]
    assert kms.region.unaudited_count == 2
    await tasks.sleep(100 * MILLISECOND)
    assert kms.region.unaudited_count == 0
    await kms.reboot()
    assert [entry.event_name for entry in await kms.stored_entries()] == ["CreateKey", "Encrypt", "DescribeKey"]


@one_region()
async def test_a_crash_loses_at_most_the_window(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    for _ in range(20):
        await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
        await tasks.sleep(20 * MILLISECOND)
    answered_at = [event.t_ns for event in kms.happened("answer", op="Encrypt")]
    crashed_at = tasks.now_ns()
    await kms.reboot()
    kept = sum(entry.event_name == "Encrypt" for entry in await kms.stored_entries())
    older = sum(at <= crashed_at - 100 * MILLISECOND for at in answered_at)
    assert older <= kept < 20


@one_region()
async def test_a_good_end_keeps_every_record(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    for _ in range(5):
        await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    await kms.region.shut_down()
    await kms.region.boot()
    assert sum(entry.event_name == "Encrypt" for entry in await kms.stored_entries()) == 5


@pytest.mark.parametrize(
    "parameters",
    [
        {"KeyId": 2**70, "Plaintext": b"x"},
        {"KeyId": "\ud800", "Plaintext": b"x"},
        {"KeyId": object(), "Plaintext": b"x"},
        {"KeyId": "k", "Plaintext": b"x", "EncryptionContext": {"a": "\udfff"}},
        {"KeyId": "k", "Plaintext": b"x", "EncryptionContext": {1: [{}]}},
    ],
)
@one_region()
async def test_parameters_that_are_no_parameters_do_not_stop_the_trail(
    kms: OneRegion, parameters: dict[str, Any]
) -> None:
    refusal = await kms.refusal("alice", "Encrypt", **parameters)
    assert refusal.code in ("SerializationException", "ValidationException")
    await tasks.sleep(100 * MILLISECOND)
    (entry,) = await kms.stored_entries()
    assert (entry.event_name, entry.error_code) == ("Encrypt", refusal.code)


@one_region()
async def test_a_strangers_trail_does_not_tell_that_a_key_exists(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    for operation, parameters in (("DescribeKey", {"KeyId": key_id}), ("Decrypt", {"CiphertextBlob": blob})):
        await kms.refusal("zoe", operation, **parameters)
    await tasks.sleep(200 * MILLISECOND)
    told = [entry for entry in await kms.stored_entries() if entry.caller is not None and entry.caller.name == "zoe"]
    assert [entry.event_name for entry in told] == ["DescribeKey", "Decrypt"]
    assert all(entry.recipients == (entry.caller.account,) for entry in told if entry.caller)
    assert all(entry.resources == () for entry in told)
