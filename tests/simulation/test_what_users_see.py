"""What the users of every service see of every way in which a key can fail: a code, and the state of their resource.

One world for each way; all 15 services in it, with nothing at hand. The codes are the services' own: as far as their
models have them, botocore says so.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import botocore.session
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from regionsim.faults.vocabulary import parse_fault
from regionsim.services.buckets import ReplicationStatus
from regionsim.services.cloud import SERVICES
from tests.simulation.cloud_world import CloudWorld
from tests.simulation.importing import FIRST, OAEP, in_days, parameters, sent
from tests.simulation.one_region import HERE, HOME, OneRegion, one_region

PRINCIPALS = [
    "dynamodb.amazonaws.com", "cloudtrail.amazonaws.com", f"logs.{HERE}.amazonaws.com", "dnssec-route53.amazonaws.com",
]  # fmt: skip
OWNER = {"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "kms:*", "Resource": "*"}
SERVING = {"Effect": "Allow", "Principal": {"Service": PRINCIPALS}, "Action": "kms:*", "Resource": "*"}
USE = ["kms:Decrypt", "kms:GenerateDataKey*", "kms:Sign", "kms:CreateGrant"]
DENYING = [
    {"Effect": "Deny", "Principal": who, "Action": USE, "Resource": "*"} for who in ("*", {"Service": PRINCIPALS})
]
P256 = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


class Use(NamedTuple):
    """How a service comes to need a key: what is made first, and the request that needs it then."""

    made: tuple[tuple[str, dict[str, Any]], ...]
    used: tuple[str, dict[str, Any]]


def _stream(created: str, named: str, used: str) -> Use:
    return Use(((created, {named: "x", "KmsMasterKeyId": "$"}), (used, {named: "x"})), (used, {named: "x"}))


S3_OBJECT = {"Bucket": "x", "Key": "1"}
TABLE = {"TableName": "x"}
USES = {
    "s3": Use((("CreateBucket", {"Bucket": "x", "KMSMasterKeyID": "$"}), ("PutObject", S3_OBJECT)), ("GetObject", S3_OBJECT)),
    "ec2": Use((("CreateVolume", {"VolumeId": "x", "KmsKeyId": "$"}),), ("AttachVolume", {"VolumeId": "x", "InstanceId": "i"})),
    "dynamodb": Use((("CreateTable", {**TABLE, "KMSMasterKeyId": "$"}),), ("GetItem", {**TABLE, "Key": "1"})),
    "secretsmanager": Use((("CreateSecret", {"Name": "x", "KmsKeyId": "$"}),), ("GetSecretValue", {"SecretId": "x"})),
    "ssm": Use((("PutParameter", {"Name": "x", "Value": "v", "KeyId": "$"}),), ("GetParameter", {"Name": "x"})),
    "route53": Use((("CreateKeySigningKey", {"HostedZoneId": "x", "KeyManagementServiceArn": "$"}),), ("SignZone", {"HostedZoneId": "x"})),
    "sqs": _stream("CreateQueue", "QueueName", "SendMessage"),
    "sns": _stream("CreateTopic", "TopicName", "Publish"),
    "kinesis": _stream("CreateStream", "StreamName", "PutRecord"),
    "eks": Use((("CreateCluster", {"Name": "x", "KeyArn": "$"}),), ("StartApiServer", {"Name": "x"})),
    "ecr": Use((("CreateRepository", {"RepositoryName": "x", "KmsKey": "$"}), ("PutImage", {"RepositoryName": "x", "ImageTag": "1"})), ("PullImage", {"RepositoryName": "x", "ImageTag": "1"})),
    "rds": Use((("CreateDBInstance", {"DBInstanceIdentifier": "x", "KmsKeyId": "$"}),), ("CheckDBInstance", {"DBInstanceIdentifier": "x"})),
    "lambda": Use((("CreateFunction", {"FunctionName": "x", "KMSKeyArn": "$"}),), ("Invoke", {"FunctionName": "x"})),
    "cloudtrail": Use((("CreateTrail", {"Name": "x", "KmsKeyId": "$"}),), ("DeliverLogFile", {"Name": "x"})),
    "logs": Use((("AssociateKmsKey", {"LogGroupName": "x", "KmsKeyId": "$"}),), ("GetLogEvents", {"LogGroupName": "x"})),
}  # fmt: skip
WAYS = ("disabled", "denied", "pending deletion", "expired", "throttled", "out")


async def made(kms: OneRegion, *, is_imported: bool) -> tuple[CloudWorld, list[str]]:
    """All services, each with its thing, if so under imported material that ends in two days; and the keys."""
    world, policy = CloudWorld(kms), json.dumps({"Version": "2012-10-17", "Statement": [OWNER, SERVING]})
    given: dict[str, Any] = {"Policy": policy, **({"Origin": "EXTERNAL"} if is_imported else {})}
    key = await kms.create_key(**given)
    signing = await kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", **given)
    for one, material in ((key, FIRST), (signing, P256)) if is_imported else ():
        brought = sent(await parameters(kms, one), material, OAEP)
        await kms.call("alice", "ImportKeyMaterial", KeyId=one, ValidTo=in_days(2), **brought)
    for service, use in USES.items():
        arn = kms.arn(signing if service == "route53" else key)
        for operation, asked in use.made:
            await world.does(
                service, operation, **{name: arn if value == "$" else value for name, value in asked.items()}
            )
    await kms.sleep_seconds(601)  # nothing is at hand any more
    return world, [key, signing]


async def fail(kms: OneRegion, keys: list[str], way: str) -> None:
    match way:
        case "throttled":
            kms.simulation.begin_fault(parse_fault({"throttle": {"region": HERE, "factor": 0}}))
        case "out":
            kms.simulation.begin_fault(parse_fault({"region_outage": {"region": HERE, "mode": "refuse"}}))
        case "expired":
            await kms.sleep_seconds(2 * 86_400)
        case _:
            for key in keys:
                if way == "denied":
                    policy = json.dumps({"Version": "2012-10-17", "Statement": [OWNER, SERVING, *DENYING]})
                    await kms.call("alice", "PutKeyPolicy", KeyId=key, PolicyName="default", Policy=policy)
                else:
                    await kms.call("alice", "DisableKey" if way == "disabled" else "ScheduleKeyDeletion", KeyId=key)


SEEN = {
    #                disabled, denied, pending deletion, expired, throttled, out
    "s3": ("KMS.DisabledException", "AccessDenied", "KMS.KMSInvalidStateException", "KMS.KMSInvalidStateException", "KMS.ThrottlingException", "ServiceUnavailable"),
    "ec2": ("Client.InvalidKMSKey.InvalidState", "Client.InternalError", "Client.InvalidKMSKey.InvalidState", "Client.InvalidKMSKey.InvalidState", "RequestLimitExceeded", "InternalError"),
    "dynamodb": ("InaccessibleEncryptionCredentials", "AccessDeniedException", "InaccessibleEncryptionCredentials", "InaccessibleEncryptionCredentials", "ThrottlingException", "InternalServerError"),
    "secretsmanager": ("DecryptionFailure", "AccessDeniedException", "DecryptionFailure", "DecryptionFailure", "ThrottlingException", "InternalServiceError"),
    "ssm": ("InvalidKeyId", "AccessDeniedException", "InvalidKeyId", "InvalidKeyId", "ThrottlingException", "InternalServerError"),
    "route53": ("InvalidKeySigningKeyStatus", "InvalidKMSArn", "InvalidKeySigningKeyStatus", "InvalidKeySigningKeyStatus", "ThrottlingException", "ServiceUnavailable"),
    "sqs": ("KmsDisabled", "KmsAccessDenied", "KmsInvalidState", "KmsInvalidState", "KmsThrottled", "InternalFailure"),
    "sns": ("KMSDisabled", "KMSAccessDenied", "KMSInvalidState", "KMSInvalidState", "KMSThrottling", "InternalError"),
    "kinesis": ("KMSDisabledException", "KMSAccessDeniedException", "KMSInvalidStateException", "KMSInvalidStateException", "KMSThrottlingException", "InternalFailure"),
    "eks": (*["InvalidRequestException"] * 4, "ThrottlingException", "ServerException"),
    "ecr": (*["KmsException"] * 5, "ServerException"),
    "rds": (*["KMSKeyNotAccessibleFault"] * 4, "Throttling", "InternalFailure"),
    "lambda": ("KMSDisabledException", "KMSAccessDeniedException", "KMSInvalidStateException", "KMSInvalidStateException", "TooManyRequestsException", "ServiceException"),
    "cloudtrail": ("KmsKeyDisabledException", "InsufficientEncryptionPolicyException", "KmsException", "KmsException", "ThrottlingException", "KmsException"),
    "logs": ("InvalidParameterException", "AccessDeniedException", "InvalidParameterException", "InvalidParameterException", "ThrottlingException", "ServiceUnavailableException"),
}  # fmt: skip
"""What a request ends in, by the ways of WAYS; of CloudTrail, which tells nobody, LatestDeliveryError."""

STATES = {
    "dynamodb": (*["INACCESSIBLE_ENCRYPTION_CREDENTIALS"] * 4, *SEEN["dynamodb"][4:]),
    "route53": (*["ACTION_NEEDED"] * 4, *SEEN["route53"][4:]),
    "eks": tuple(
        f"DEGRADED: {issue}"
        for issue in (
            "KmsKeyDisabled", "KmsGrantRevoked", "KmsKeyMarkedForDeletion", *["InternalFailure"] * 3,
        )
    ),
}  # fmt: skip
"""The state of the resource, where its service has one; elsewhere it is what its users see."""

CAUSES = (
    "DisabledException", "AccessDeniedException", *["KMSInvalidStateException"] * 2, "ThrottlingException",
    "ConnectionRefused",
)  # fmt: skip
FOR_USERS = {"s3", "ec2", "dynamodb", "secretsmanager", "ssm", "sqs", "sns", "kinesis"}
"""Those that call KMS as their user: that one has no permission is no state of the resource."""

COMMON = {"AccessDeniedException", "ThrottlingException", "Throttling", "InternalFailure", "ServiceUnavailable"}
"""Codes that every AWS service has. Source: "Common Errors" of the services' API references."""

UNMODELLED = {
    "s3": {"KMS.DisabledException", "KMS.KMSInvalidStateException", "KMS.ThrottlingException"},
    "ec2": {"Client.InvalidKMSKey.InvalidState", "Client.InternalError", "RequestLimitExceeded", "InternalError"},
    "dynamodb": {"InaccessibleEncryptionCredentials"},
}
"""Codes that no model has: S3's and EC2's models list hardly any, DynamoDB's is UNVERIFIED."""


@pytest.mark.parametrize("way", WAYS)
@one_region()
async def test_every_service_and_every_way(kms: OneRegion, way: str) -> None:
    assert set(USES) == set(SERVICES) == set(SEEN)
    world, keys = await made(kms, is_imported=way == "expired")
    column = WAYS.index(way)
    await fail(kms, keys, way)
    for service, (_, (operation, given)) in USES.items():
        answered = await world.answered(service, operation, **given)
        state = world.cloud.premises.board.state(service, HERE, "x")
        assert state is not None
        code, cause = SEEN[service][column], CAUSES[column]
        if service == "cloudtrail":
            assert answered.error is None
            told = (await world.does("cloudtrail", "GetTrailStatus", Name="x")).response
            assert told == {"LatestDeliveryError": code, "State": "failing"}
        else:
            assert (service, answered.error, answered.because) == (service, code, cause)
            assert answered.is_failure is (way == "out")
        assert state.key == keys[service == "route53"], service
        if way == "denied" and service in FOR_USERS:
            assert (service, state.is_well) == (service, True)
        else:
            wanted = STATES[service][column] if service in STATES else code
            assert (service, state.state, state.because) == (service, wanted, cause)
    if way in ("throttled", "out"):  # nobody says that the key is gone
        for service, (operation, given), well in (
            ("dynamodb", ("DescribeTable", TABLE), "ACTIVE"),
            ("route53", ("GetDNSSEC", {"HostedZoneId": "x"}), "ACTIVE"),
            ("rds", ("DescribeDBInstances", {"DBInstanceIdentifier": "x"}), "available"),
        ):
            assert (await world.does(service, operation, **given)).response == {"State": well}
    told = {
        event.fields["service"] for event in kms.events if event.kind == "service_state" and event.fields["because"]
    }
    assert told == set(SEEN) - (FOR_USERS if way == "denied" else set())


@pytest.mark.parametrize("service", sorted(SEEN))
def test_codes_are_those_of_the_service_s_own_model(service: str) -> None:
    loader = botocore.session.get_session().get_component("data_loader")
    shapes = loader.load_service_model(service, "service-2")["shapes"]
    modelled = {
        (shape.get("error") or {}).get("code") or name for name, shape in shapes.items() if shape.get("exception")
    }
    unknown = set(SEEN[service]) - modelled - COMMON
    assert unknown == UNMODELLED.get(service, set())


def test_states_are_those_of_the_services_own_models() -> None:
    loader = botocore.session.get_session().get_component("data_loader")

    def enum(service: str, name: str) -> set[str]:
        return set(loader.load_service_model(service, "service-2")["shapes"][name]["enum"])

    assert {state.partition(": ")[2] for state in STATES["eks"]} <= enum("eks", "ClusterIssueCode")
    assert set(STATES["dynamodb"][:4]) | {"ARCHIVED"} <= enum("dynamodb", "TableStatus")
    assert {status.value for status in ReplicationStatus} <= enum("s3", "ReplicationStatus")
