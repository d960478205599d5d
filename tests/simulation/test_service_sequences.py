"""Call for call: what each service asks of KMS, as whom and with which encryption context, against the facts.

Sections 11.1 to 11.11 of the facts that this project was written from name, for each service, the calls and their style:
FAS (the user's principal, and `invokedBy`), a grant (an identity of the service's making), or SP (the service's own name). What
CloudTrail has of a request is compared with that, call for call.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from tests.simulation.cloud_world import CloudWorld, context_of
from tests.simulation.one_region import HERE, HOME, OneRegion, one_region

FAS, GRANT, SP = "forward access session", "grant", "service principal"
ALICE = f"arn:aws:iam::{HOME}:user/alice"


class Ask(NamedTuple):
    """A request, and the calls that it makes: operation, style, names in the encryption context (None: has none)."""

    operation: str
    given: dict[str, Any]
    calls: tuple[tuple[str, str, str | None], ...]
    pause: int = 0
    """Seconds that pass before it, so that nothing is at hand."""


def by(style: str, context: str | None, *operations: str) -> tuple[tuple[str, str, str | None], ...]:
    return tuple((operation, style, context) for operation in operations)


BUCKET, OBJECT = {"Bucket": "b"}, {"Bucket": "b", "Key": "1"}
S3, EBS, TABLE = "aws:s3:arn", "aws:ebs:id", "aws:dynamodb:subscriberId aws:dynamodb:tableName"
SECRET, FUNCTION, TRAIL = "SecretARN SecretVersionId", "aws:lambda:FunctionArn", "aws:cloudtrail:arn aws:s3:arn"
LAYER, LOGS = "aws:ecr:arn aws:s3:arn", "aws:logs:arn"
ATTACH = (*by(FAS, None, "CreateGrant"), *by(GRANT, EBS, "Decrypt"))

SEQUENCES: dict[str, tuple[str, tuple[Ask, ...]]] = {
    "11.1 S3 SSE-KMS": ("s3", (
        Ask("CreateBucket", {**BUCKET, "KMSMasterKeyID": "$key"}, ()),
        Ask("PutObject", OBJECT, by(FAS, S3, "GenerateDataKey")),
        Ask("GetObject", OBJECT, by(FAS, S3, "Decrypt")),
        Ask("CopyObject", {**BUCKET, "Key": "2", "CopySource": "b/1"}, by(FAS, S3, "Decrypt", "GenerateDataKey")),
        Ask("CreateMultipartUpload", {**BUCKET, "Key": "3"}, by(FAS, S3, "GenerateDataKey")),
        Ask("UploadPart", {**BUCKET, "Key": "3"}, by(FAS, S3, "Decrypt")),
        Ask("CompleteMultipartUpload", {**BUCKET, "Key": "3"}, by(FAS, S3, "Decrypt")),
        Ask("HeadObject", OBJECT, ()),
    )),
    "11.2 EBS / EC2": ("ec2", (
        Ask("CreateVolume", {"VolumeId": "v", "KmsKeyId": "$key"}, by(FAS, EBS, "GenerateDataKeyWithoutPlaintext")),
        Ask("AttachVolume", {"VolumeId": "v", "InstanceId": "i"}, ATTACH),
        Ask("RebootInstances", {"InstanceId": "i"}, ()),
        Ask("StopInstances", {"InstanceId": "i"}, by(GRANT, None, "RetireGrant")),
        Ask("StartInstances", {"InstanceId": "i"}, ATTACH),
        Ask("DetachVolume", {"VolumeId": "v"}, by(GRANT, None, "RetireGrant")),
        Ask("CreateSnapshot", {"VolumeId": "v", "SnapshotId": "s"}, ()),
        Ask("CreateVolume", {"VolumeId": "w", "SnapshotId": "s"}, ()),
        Ask("CreateVolume", {"VolumeId": "x", "SnapshotId": "s", "KmsKeyId": "$other"},
            (("ReEncrypt", FAS, f"{EBS} > {EBS}"),)),
        Ask("AttachVolume", {"VolumeId": "x", "InstanceId": "j"}, ATTACH),
        Ask("ImportSnapshot", {"SnapshotId": "p"}, ()),
        Ask("CreateVolume", {"VolumeId": "y", "SnapshotId": "p", "KmsKeyId": "$key"}, (
            *by(FAS, None, "CreateGrant"), *by(FAS, EBS, "GenerateDataKeyWithoutPlaintext"),
            *by(GRANT, EBS, "Decrypt"), *by(GRANT, None, "RetireGrant"),
        )),
        Ask("CreateVolume", {"VolumeId": "z", "SnapshotId": "p"}, (
            *by(FAS, None, "DescribeKey", "CreateGrant"), *by(FAS, EBS, "GenerateDataKeyWithoutPlaintext"),
            *by(GRANT, EBS, "Decrypt"), *by(GRANT, None, "RetireGrant"),
        )),
        Ask("AttachVolume", {"VolumeId": "z", "InstanceId": "k"}, ATTACH),
        Ask("CopySnapshot", {"SnapshotId": "c", "SourceSnapshotId": "s", "SourceRegion": HERE, "KmsKeyId": "$other"}, (
            *by(FAS, None, "DescribeKey"), *ATTACH, *by(FAS, EBS, "GenerateDataKeyWithoutPlaintext"), *ATTACH,
            *by(GRANT, None, "RetireGrant", "RetireGrant"),
        )),
    )),
    "11.3 RDS": ("rds", (
        Ask("CreateDBInstance", {"DBInstanceIdentifier": "d", "KmsKeyId": "$key"}, (
            *by(FAS, None, "DescribeKey", "CreateGrant"),
            *by(GRANT, "aws:rds:db-id", "GenerateDataKeyWithoutPlaintext", "Decrypt"),
        )),
        Ask("CheckDBInstance", {"DBInstanceIdentifier": "d"}, by(GRANT, "aws:rds:db-id", "Decrypt")),
        Ask("CreateDBCluster", {"DBClusterIdentifier": "c", "KmsKeyId": "$key"}, (
            *by(FAS, None, "DescribeKey", "CreateGrant"),
            *by(GRANT, "aws:rds:db-id", "GenerateDataKeyWithoutPlaintext", "Decrypt"),
        )),
    )),
    "11.4 DynamoDB": ("dynamodb", (
        Ask("CreateTable", {"TableName": "t", "KMSMasterKeyId": "$key"}, (
            *by(FAS, None, "DescribeKey", "CreateGrant"), *by(SP, TABLE, "GenerateDataKey"),
        )),
        Ask("PutItem", {"TableName": "t", "Key": "1"}, by(FAS, TABLE, "Decrypt")),
        Ask("GetItem", {"TableName": "t", "Key": "1"}, ()),
        Ask("GetItem", {"TableName": "t", "Key": "1"}, by(FAS, TABLE, "Decrypt"), pause=301),
        Ask("DeleteTable", {"TableName": "t"}, by(SP, None, "RetireGrant")),
    )),
    "11.5 EKS": ("eks", (
        Ask("CreateCluster", {"Name": "c", "KeyArn": "$key"}, (
            *by(FAS, None, "DescribeKey", "CreateGrant"), *by(GRANT, "aws:eks:cluster", "Encrypt"),
        )),
        Ask("StartApiServer", {"Name": "c"}, by(GRANT, "aws:eks:cluster", "Decrypt")),
        Ask("ReadSecret", {"Name": "c"}, ()),
    )),
    "11.6 ECR": ("ecr", (
        Ask("CreateRepository", {"RepositoryName": "r", "KmsKey": "$key"},
            by(FAS, None, "DescribeKey", "CreateGrant", "CreateGrant")),
        Ask("PutImage", {"RepositoryName": "r", "ImageTag": "1"}, by(GRANT, LAYER, "GenerateDataKey")),
        Ask("PullImage", {"RepositoryName": "r", "ImageTag": "1"}, by(GRANT, LAYER, "Decrypt")),
        Ask("DeleteRepository", {"RepositoryName": "r"}, by(FAS, None, "RetireGrant", "RetireGrant")),
    )),
    "11.7 Route 53 DNSSEC signing": ("route53", (
        Ask("CreateKeySigningKey", {"HostedZoneId": "Z", "KeyManagementServiceArn": "$signing"},
            by(SP, None, "DescribeKey", "CreateGrant", "GetPublicKey", "Sign")),
        Ask("SignZone", {"HostedZoneId": "Z"}, by(SP, None, "Sign")),
        Ask("DeleteKeySigningKey", {"HostedZoneId": "Z"}, by(SP, None, "RetireGrant")),
    )),
    "11.8 Secrets Manager": ("secretsmanager", (
        Ask("CreateSecret", {"Name": "s", "SecretString": "1", "KmsKeyId": "$key"}, by(FAS, SECRET, "GenerateDataKey")),
        Ask("GetSecretValue", {"SecretId": "s"}, by(FAS, SECRET, "Decrypt")),
        Ask("PutSecretValue", {"SecretId": "s", "SecretString": "2"}, by(FAS, SECRET, "GenerateDataKey")),
        Ask("UpdateSecret", {"SecretId": "s", "KmsKeyId": "$other"}, by(
            FAS, SECRET, "GenerateDataKey", "Decrypt", "Decrypt", "GenerateDataKey", "Decrypt", "GenerateDataKey",
        )),
        Ask("GetSecretValue", {"SecretId": "s"}, by(FAS, SECRET, "Decrypt")),
    )),
    "11.9 SSM SecureString": ("ssm", (
        Ask("PutParameter", {"Name": "p", "Value": "v", "KeyId": "$key"}, by(FAS, "PARAMETER_ARN", "Encrypt")),
        Ask("GetParameter", {"Name": "p"}, by(FAS, "PARAMETER_ARN", "Decrypt")),
        Ask("PutParameter", {"Name": "q", "Value": "v", "KeyId": "$key", "Tier": "Advanced"},
            by(FAS, "PARAMETER_ARN", "GenerateDataKey")),
        Ask("GetParameter", {"Name": "q"}, by(FAS, "PARAMETER_ARN", "Decrypt")),
    )),
    "11.10 CloudTrail log files": ("cloudtrail", (
        Ask("CreateTrail", {"Name": "t", "KmsKeyId": "$key"}, by(SP, TRAIL, "GenerateDataKey")),
        Ask("DeliverLogFile", {"Name": "t"}, by(SP, TRAIL, "GenerateDataKey")),
        Ask("DeliverLogFile", {"Name": "t"}, by(SP, TRAIL, "GenerateDataKey")),
    )),
    "11.11 Lambda": ("lambda", (
        Ask("CreateFunction", {"FunctionName": "f", "KMSKeyArn": "$key"},
            (*by(FAS, FUNCTION, "Encrypt"), *by(FAS, None, "CreateGrant"))),
        Ask("Invoke", {"FunctionName": "f"}, by(GRANT, FUNCTION, "Decrypt")),
        Ask("Invoke", {"FunctionName": "f"}, ()),
        Ask("GetFunctionConfiguration", {"FunctionName": "f"}, by(FAS, FUNCTION, "Decrypt")),
        Ask("DeleteFunction", {"FunctionName": "f"}, by(GRANT, None, "RetireGrant")),
    )),
    "11 CloudWatch Logs": ("logs", (
        Ask("AssociateKmsKey", {"LogGroupName": "g", "KmsKeyId": "$key"}, by(SP, LOGS, "GenerateDataKey")),
        Ask("PutLogEvents", {"LogGroupName": "g"}, by(SP, LOGS, "GenerateDataKey")),
        Ask("GetLogEvents", {"LogGroupName": "g"}, by(SP, LOGS, "Decrypt")),
    )),
    "11 SQS": ("sqs", (
        Ask("CreateQueue", {"QueueName": "q", "KmsMasterKeyId": "$key"}, ()),
        Ask("SendMessage", {"QueueName": "q"}, by(FAS, "aws:sqs:arn", "GenerateDataKey")),
        Ask("SendMessage", {"QueueName": "q"}, ()),
        Ask("ReceiveMessage", {"QueueName": "q"}, by(FAS, "aws:sqs:arn", "Decrypt")),
        Ask("SendMessage", {"QueueName": "q"}, by(FAS, "aws:sqs:arn", "GenerateDataKey"), pause=301),
    )),
    "11 SNS": ("sns", (
        Ask("CreateTopic", {"TopicName": "t", "KmsMasterKeyId": "$key"}, ()),
        Ask("Publish", {"TopicName": "t"}, by(FAS, "aws:sns:topicArn", "GenerateDataKey")),
        Ask("Deliver", {"TopicName": "t"}, by(FAS, "aws:sns:topicArn", "Decrypt")),
    )),
    "11 Kinesis streams": ("kinesis", (
        Ask("CreateStream", {"StreamName": "s", "KmsMasterKeyId": "$key"}, ()),
        Ask("PutRecord", {"StreamName": "s"}, by(FAS, "aws:kinesis:arn", "GenerateDataKey")),
        Ask("PutRecord", {"StreamName": "s"}, ()),
        Ask("PutRecord", {"StreamName": "s"}, by(FAS, "aws:kinesis:arn", "GenerateDataKey"), pause=301),
        Ask("GetRecords", {"StreamName": "s"}, by(FAS, "aws:kinesis:arn", "Decrypt")),
    )),
}  # fmt: skip

SERVING = [
    "dynamodb.amazonaws.com", "cloudtrail.amazonaws.com", f"logs.{HERE}.amazonaws.com", "dnssec-route53.amazonaws.com",
]  # fmt: skip


def style_of(record: dict[str, Any], service: str) -> str:
    who = record["userIdentity"]
    if who["type"] == "AWSService":
        assert who["invokedBy"] in SERVING
        return SP
    if who["arn"] == ALICE:
        assert who["invokedBy"] == f"{service}.amazonaws.com"
        return FAS
    assert ":assumed-role/aws:" in who["arn"]
    return GRANT


def context_names(record: dict[str, Any]) -> str | None:
    given = record["requestParameters"] or {}
    if "sourceEncryptionContext" in given:
        return " > ".join(" ".join(sorted(given[f"{end}EncryptionContext"])) for end in ("source", "destination"))
    found = context_of(record)
    return " ".join(sorted(found)) if found else None


@pytest.mark.parametrize("facts", SEQUENCES)
@one_region()
async def test_a_service_makes_the_calls_of_the_facts(kms: OneRegion, facts: str) -> None:
    service, asks = SEQUENCES[facts]
    owner = {"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "kms:*", "Resource": "*"}
    served = {"Effect": "Allow", "Principal": {"Service": SERVING}, "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [owner, served]})
    keys = {
        "$key": kms.arn(await kms.create_key(Policy=policy)),
        "$other": kms.arn(await kms.create_key(Policy=policy)),
        "$signing": kms.arn(await kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", Policy=policy)),
    }
    await kms.call("alice", "DescribeKey", KeyId="alias/aws/ebs")  # it is there, as in an account that is in use
    world = CloudWorld(kms)
    seen = len(await world.trail())
    for ask in asks:
        await kms.sleep_seconds(ask.pause)
        given = {name: keys.get(value, value) for name, value in ask.given.items()}
        answered = await world.does(service, ask.operation, **given)
        records = await world.trail()
        made = tuple((r["eventName"], style_of(r, service), context_names(r)) for r in records[seen:])
        assert (ask.operation, made) == (ask.operation, ask.calls)
        assert answered.calls == tuple(operation for operation, _, _ in ask.calls)
        seen = len(records)


@one_region()
async def test_a_change_of_a_secret_s_key_asks_first_whether_its_user_may_use_it(kms: OneRegion) -> None:
    world, old, new = CloudWorld(kms), await kms.create_key(), await kms.create_key()
    await world.does("secretsmanager", "CreateSecret", Name="s", SecretString="1", KmsKeyId=old)
    before = len(await world.trail())
    await world.does("secretsmanager", "UpdateSecret", SecretId="s", KmsKeyId=new)
    contexts = [context_of(record)["SecretVersionId"] for record in (await world.trail())[before:]]
    assert contexts == ["RequestToValidateKeyAccess"] * 2 + ["version-1"] * 2
    await kms.call("alice", "DisableKey", KeyId=old)
    got = await world.does("secretsmanager", "GetSecretValue", SecretId="s")
    assert got.response["SecretString"] == "1"
    await kms.call("alice", "DisableKey", KeyId=new)
    await kms.call("alice", "EnableKey", KeyId=old)
    assert await world.error("secretsmanager", "UpdateSecret", SecretId="s", KmsKeyId=new) == "EncryptionFailure"
    await kms.call("alice", "EnableKey", KeyId=new)
    await world.does("secretsmanager", "GetSecretValue", SecretId="s")


@one_region()
async def test_who_deletes_a_repository_needs_a_permission_of_kms(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await world.does("ecr", "CreateRepository", RepositoryName="r", KmsKey=key)
    assert await world.error("ecr", "DeleteRepository", "bob", RepositoryName="r") == "KmsException"
    await world.does("ecr", "DeleteRepository", RepositoryName="r")
    assert (await kms.call("alice", "ListGrants", KeyId=key))["Grants"] == []


@one_region()
async def test_a_function_takes_its_grant_along(kms: OneRegion) -> None:
    world, key = CloudWorld(kms), await kms.create_key()
    await world.does("lambda", "CreateFunction", FunctionName="f", KMSKeyArn=key)
    assert len((await kms.call("alice", "ListGrants", KeyId=key))["Grants"]) == 1
    await world.does("lambda", "DeleteFunction", FunctionName="f")
    assert (await kms.call("alice", "ListGrants", KeyId=key))["Grants"] == []
    assert await world.error("lambda", "Invoke", FunctionName="f") == "ResourceNotFoundException"
