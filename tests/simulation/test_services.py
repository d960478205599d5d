"""The other services: the calls that their guides document, what is at hand and for how long, and what users see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from regionsim.region.charges import Charge
from regionsim.scenario.prices import requests_usd
from regionsim.services.cloud import SERVICES
from tests.simulation.cloud_world import CloudWorld, context_of
from tests.simulation.one_region import HERE, HOME, OneRegion, one_region

EU = "eu-west-1"
TABLE = {"TableName": "orders"}
CREATED: dict[str, tuple[str, dict[str, Any], str]] = {
    "s3": ("CreateBucket", {"Bucket": "x"}, "KMSMasterKeyID"),
    "ec2": ("CreateVolume", {"VolumeId": "x"}, "KmsKeyId"),
    "dynamodb": ("CreateTable", {"TableName": "x"}, "KMSMasterKeyId"),
    "secretsmanager": ("CreateSecret", {"Name": "x"}, "KmsKeyId"),
    "ssm": ("PutParameter", {"Name": "x", "Value": "v"}, "KeyId"),
    "sqs": ("CreateQueue", {"QueueName": "x"}, "KmsMasterKeyId"),
    "sns": ("CreateTopic", {"TopicName": "x"}, "KmsMasterKeyId"),
    "kinesis": ("CreateStream", {"StreamName": "x"}, "KmsMasterKeyId"),
}
USED: dict[str, tuple[str, dict[str, Any]]] = {
    "s3": ("PutObject", {"Bucket": "x", "Key": "1"}),
    "ec2": ("AttachVolume", {"VolumeId": "x", "InstanceId": "i"}),
    "dynamodb": ("PutItem", {"TableName": "x", "Key": "1"}),
    "secretsmanager": ("GetSecretValue", {"SecretId": "x"}),
    "ssm": ("GetParameter", {"Name": "x"}),
    "sqs": ("SendMessage", {"QueueName": "x"}),
    "sns": ("Publish", {"TopicName": "x"}),
    "kinesis": ("PutRecord", {"StreamName": "x"}),
}
SEEN = {
    "s3": "KMS.DisabledException",
    "ec2": "Client.InvalidKMSKey.InvalidState",
    "dynamodb": "InaccessibleEncryptionCredentials",
    "secretsmanager": "DecryptionFailure",
    "ssm": "InvalidKeyId",
    "sqs": "KmsDisabled",
    "sns": "KMSDisabled",
    "kinesis": "KMSDisabledException",
}


async def made(kms: OneRegion, service: str, key: str | None) -> CloudWorld:
    world = CloudWorld(kms)
    operation, given, names_key = CREATED[service]
    await world.does(service, operation, **given, **{names_key: key})
    return world


@pytest.mark.parametrize("service", sorted(SEEN))
@one_region()
async def test_what_a_user_sees_of_a_disabled_key_and_of_an_outage(kms: OneRegion, service: str) -> None:
    key = await kms.create_key()
    world, (operation, given) = await made(kms, service, key), USED[service]
    await kms.call("alice", "DisableKey", KeyId=key)
    refused = await world.answered(service, operation, **given)
    assert (refused.error, refused.is_failure) == (SEEN[service], False)
    await kms.region.crash()
    failed = await world.answered(service, operation, **given)
    assert failed.is_failure
    await kms.region.boot()
    await kms.call("alice", "EnableKey", KeyId=key)
    await world.does(service, operation, **given)


@pytest.mark.parametrize("service", sorted(set(SEEN) - {"dynamodb", "sqs"}))
@one_region()
async def test_without_a_key_it_is_the_aws_managed_one(kms: OneRegion, service: str) -> None:
    world, (operation, given) = await made(kms, service, None), USED[service]
    await world.does(service, operation, **given)
    aliases = (await kms.call("alice", "ListAliases"))["Aliases"]
    assert [entry["AliasName"] for entry in aliases if "TargetKeyId" in entry] == [
        f"alias/aws/{SERVICES[service].managed}"
    ]


@one_region()
async def test_dynamodb_makes_the_documented_calls(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    made = await world.does("dynamodb", "CreateTable", KMSMasterKeyId=key, **TABLE)
    assert made.calls == ("DescribeKey", "CreateGrant", "GenerateDataKey")
    context = {"aws:dynamodb:tableName": "orders", "aws:dynamodb:subscriberId": HOME}
    await world.does("dynamodb", "PutItem", Key="1", Item="pen", **TABLE)
    records = {record["eventName"]: record for record in await world.trail()}
    assert context_of(records["GenerateDataKey"]) == context_of(records["Decrypt"]) == context
    service = {"type": "AWSService", "invokedBy": "dynamodb.amazonaws.com"}
    assert records["GenerateDataKey"]["userIdentity"] == service
    who = records["Decrypt"]["userIdentity"]
    assert (who["arn"], who["invokedBy"]) == (f"arn:aws:iam::{HOME}:user/alice", "dynamodb.amazonaws.com")
    granted = records["CreateGrant"]["requestParameters"]
    assert granted["constraints"]["encryptionContextSubset"] == context
    assert (await world.does("dynamodb", "DeleteTable", **TABLE)).calls == ("RetireGrant",)
    assert (await kms.call("alice", "ListGrants", KeyId=key))["Grants"] == []


@one_region()
async def test_a_table_key_is_at_hand_until_five_minutes_after_its_last_use(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await world.does("dynamodb", "CreateTable", KMSMasterKeyId=key, **TABLE)
    calls = []
    for pause in (0, 200, 200, 301):
        await kms.sleep_seconds(pause)
        calls.append((await world.does("dynamodb", "GetItem", Key="1", **TABLE)).calls)
    assert calls == [("Decrypt",), (), (), ("Decrypt",)]
    assert (await world.does("dynamodb", "GetItem", "root", Key="1", **TABLE)).calls == ("Decrypt",)


@one_region()
async def test_who_has_no_permission_on_its_key_reads_nothing_of_a_table(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await world.does("dynamodb", "CreateTable", KMSMasterKeyId=key, **TABLE)
    denied = await world.answered("dynamodb", "GetItem", "bob", Key="1", **TABLE)
    assert denied.error == "AccessDeniedException"
    assert denied.message.startswith("KMS key access denied error: ")
    assert (await world.does("dynamodb", "DescribeTable", **TABLE)).response == {"State": "ACTIVE"}
    await world.does("dynamodb", "GetItem", Key="1", **TABLE)


@one_region()
async def test_a_table_without_its_key_is_inaccessible_and_then_archived(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await world.does("dynamodb", "CreateTable", KMSMasterKeyId=key, **TABLE)
    await kms.call("alice", "DisableKey", KeyId=key)
    await world.error("dynamodb", "GetItem", Key="1", **TABLE)
    states = []
    for days in (0, 6, 2):
        await kms.sleep_seconds(days * 86_400)
        states.append((await world.does("dynamodb", "DescribeTable", **TABLE)).response["State"])
    assert states == ["INACCESSIBLE_ENCRYPTION_CREDENTIALS", "INACCESSIBLE_ENCRYPTION_CREDENTIALS", "ARCHIVED"]


@one_region()
async def test_tables_are_under_an_aws_owned_key_unless_told(kms: OneRegion) -> None:
    world = CloudWorld(kms)
    assert (await world.does("dynamodb", "CreateTable", "bob", **TABLE)).calls == ("GenerateDataKey",)
    await world.does("dynamodb", "GetItem", "bob", Key="1", **TABLE)
    assert (await kms.call("alice", "ListKeys"))["Keys"] == []
    assert all(record["recipientAccountId"] != HOME for record in await world.trail())
    assert dict(kms.region.counts.charges) == {Charge.AWS_OWNED: 2}
    assert requests_usd(2, kms.region.counts.charges) == 0


@one_region(regions=(HERE, EU))
async def test_a_secret_and_its_replica_have_a_key_each(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await world.does("secretsmanager", "CreateSecret", Name="db", SecretString="hush", KmsKeyId=key)
    copied = await world.does("secretsmanager", "ReplicateSecretToRegions", SecretId="db", Region=EU)
    assert copied.calls == ("Decrypt", "GenerateDataKey in eu-west-1")
    generate, decrypt = await world.trail()
    assert context_of(generate) == context_of(decrypt)
    assert set(context_of(generate)) == {"SecretARN", "SecretVersionId"}
    assert generate["userIdentity"]["invokedBy"] == "secretsmanager.amazonaws.com"
    await kms.call("alice", "DisableKey", KeyId=key)
    assert await world.error("secretsmanager", "GetSecretValue", SecretId="db") == "DecryptionFailure"
    assert await world.error("secretsmanager", "PutSecretValue", SecretId="db") == "EncryptionFailure"
    there = await world.does("secretsmanager", "GetSecretValue", at=EU, SecretId="db")
    assert there.response["SecretString"] == "hush"


@one_region()
async def test_parameters_are_encrypted_directly_or_advanced(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    plain = await world.does("ssm", "PutParameter", Name="a", Value="1", KeyId=key)
    advanced = await world.does("ssm", "PutParameter", Name="b", Value="2", KeyId=key, Tier="Advanced")
    assert (plain.calls, advanced.calls) == (("Encrypt",), ("GenerateDataKey",))
    for name, value in (("a", "1"), ("b", "2")):
        got = await world.does("ssm", "GetParameter", Name=name)
        assert (got.calls, got.response) == (("Decrypt",), {"Value": value})
    contexts = [context_of(record) for record in await world.trail()]
    assert contexts[0] == {"PARAMETER_ARN": f"arn:aws:ssm:{HERE}:{HOME}:parameter/a"}


@pytest.mark.parametrize(
    ("service", "created", "named", "sent", "received"),
    [
        ("sqs", "CreateQueue", "QueueName", "SendMessage", "ReceiveMessage"),
        ("sns", "CreateTopic", "TopicName", "Publish", "Deliver"),
        ("kinesis", "CreateStream", "StreamName", "PutRecord", "GetRecords"),
    ],
)
@one_region()
async def test_a_data_key_serves_many_messages(
    kms: OneRegion, service: str, created: str, named: str, sent: str, received: str
) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await world.does(service, created, KmsMasterKeyId=key, **{named: "x"})
    calls: list[str] = []
    for pause in (0, 1, 1, 301):
        await kms.sleep_seconds(pause)
        for operation in (sent, received):
            calls += (await world.does(service, operation, **{named: "x"})).calls
    assert calls == ["GenerateDataKey", "Decrypt"] * 2


ZONE = {"HostedZoneId": "Z1"}
FOR_ROUTE_53 = {
    "Effect": "Allow",
    "Principal": {"Service": "dnssec-route53.amazonaws.com"},
    "Action": ["kms:DescribeKey", "kms:GetPublicKey", "kms:Sign"],
    "Resource": "*",
    "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:route53:::hostedzone/*"}},
}
GRANTS_FOR_ROUTE_53 = {
    "Effect": "Allow",
    "Principal": {"Service": "dnssec-route53.amazonaws.com"},
    "Action": "kms:CreateGrant",
    "Resource": "*",
    "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
}
OWNER = {"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "kms:*", "Resource": "*"}


async def signing_key(kms: OneRegion, *statements: dict[str, Any], spec: str = "ECC_NIST_P256") -> str:
    policy = json.dumps({"Version": "2012-10-17", "Statement": [OWNER, *statements]})
    return kms.arn(await kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY", Policy=policy))


@one_region()
async def test_a_zone_is_signed_by_route_53_itself(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await signing_key(kms, FOR_ROUTE_53, GRANTS_FOR_ROUTE_53)
    created = await world.does("route53", "CreateKeySigningKey", KeyManagementServiceArn=key, **ZONE)
    assert created.calls == ("DescribeKey", "CreateGrant", "GetPublicKey", "Sign")
    assert {record["userIdentity"]["invokedBy"] for record in await world.trail()} == {"dnssec-route53.amazonaws.com"}
    await kms.call("alice", "DisableKey", KeyId=key)
    await world.error("route53", "SignZone", **ZONE)
    assert (await world.does("route53", "GetDNSSEC", **ZONE)).response["State"] == "ACTION_NEEDED"
    assert (await world.does("route53", "ResolveZone", **ZONE)).response["State"] == "NOERROR"
    await kms.sleep_seconds(8 * 86_400)
    assert (await world.does("route53", "ResolveZone", **ZONE)).response["State"] == "SERVFAIL"
    await kms.call("alice", "EnableKey", KeyId=key)
    await world.does("route53", "SignZone", **ZONE)
    assert (await world.does("route53", "ResolveZone", **ZONE)).response["State"] == "NOERROR"


@one_region()
async def test_a_key_that_cannot_sign_a_zone(kms: OneRegion) -> None:
    world = CloudWorld(kms)
    p384 = await signing_key(kms, FOR_ROUTE_53, GRANTS_FOR_ROUTE_53, spec="ECC_NIST_P384")
    for key in (await signing_key(kms), await signing_key(kms, FOR_ROUTE_53), p384):
        given = {"KeyManagementServiceArn": key, **ZONE}
        assert await world.error("route53", "CreateKeySigningKey", **given) == "InvalidKMSArn"
