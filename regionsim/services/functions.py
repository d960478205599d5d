"""AWS Lambda's environment variables, CloudTrail's log files and CloudWatch's log groups.

    Lambda      CreateFunction   CreateGrant for the execution role, Encrypt, for the user
                Invoke           Decrypt as that role at a cold start; a warm container has the variables
                GetFunctionConfiguration   Decrypt for the user;  DeleteFunction: RetireGrant as the role
    CloudTrail  CreateTrail, DeliverLogFile   GenerateDataKey as the service, for each file; whoever reads one in its
                                              bucket decrypts it through S3
    Logs        AssociateKmsKey, PutLogEvents, GetLogEvents   GenerateDataKey, Decrypt as `logs.REGION.amazonaws.com`

Source: Lambda Developer Guide, "Securing Lambda environment variables", Invoke (errors); CloudTrail User Guide,
"Encrypting CloudTrail log files with AWS KMS keys"; CloudWatch Logs User Guide, "Encrypt log data using AWS KMS". How
long a container stays warm, and that the execution role is an identity of Lambda's own making, are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any

from regionsim.authorization.principals import Principal
from regionsim.names.dataclass import dataclass
from regionsim.runtime.entropy import Stream
from regionsim.runtime.tasks import now_ns
from regionsim.services.buckets import Bucket, Sealed, sealed_text
from regionsim.services.door import KmsFailure
from regionsim.services.keys import KeyKind, ServiceKey
from regionsim.services.premises import Premises
from regionsim.services.service import Asked, Handler, Load, ServiceError, Takes, Worded, arn_of, made_identity

WARM_NS = 600_000_000_000


@dataclass(slots=True, kw_only=True)
class _Function:
    role: Principal
    context: Mapping[str, str]
    key_arn: str
    blob: bytes = field(repr=False)
    grant_id: str
    token: str = field(repr=False)
    warm_until_ns: int = 0


class Lambda(Worded):
    """Functions with environment variables."""

    name = "lambda"
    via = "lambda"
    managed = "lambda"
    denied = "KMSAccessDeniedException"
    other = "KMSInvalidStateException"
    words = MappingProxyType({"DisabledException": "KMSDisabledException", "NotFoundException": "KMSNotFoundException"})
    throttled = "TooManyRequestsException"
    unavailable = "ServiceException"
    takes = MappingProxyType(
        {
            "CreateFunction": Takes(("FunctionName",), ("KMSKeyArn",)),
            "Invoke": Takes(("FunctionName",)),
            "GetFunctionConfiguration": Takes(("FunctionName",)),
            "DeleteFunction": Takes(("FunctionName",)),
        }
    )

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self._functions: dict[tuple[str, str], _Function] = {}

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateFunction": self._create,
            "Invoke": self._invoke,
            "GetFunctionConfiguration": self._configuration,
            "DeleteFunction": self._delete,
        }

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        return [Load("CreateFunction", {"FunctionName": workload, "KMSKeyArn": given.get("key")})]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        return Load("Invoke", {"FunctionName": workload})

    async def _create(self, asked: Asked) -> dict[str, Any]:
        name, key = asked.text("FunctionName"), self.key(asked, "KMSKeyArn")
        role = made_identity(asked, "aws:lambda-execution", name)
        context = {"aws:lambda:FunctionArn": arn_of(asked, "lambda", f"function:{name}")}
        made = await asked.kms.for_user(
            "Encrypt", KeyId=key.identifier, Plaintext=b"environment variables", EncryptionContext=context
        )
        granted = await asked.kms.for_user(
            "CreateGrant",
            KeyId=made["KeyId"],
            GranteePrincipal=role.arn,
            RetiringPrincipal=role.arn,
            Operations=["Decrypt"],
            Constraints={"EncryptionContextSubset": context},
        )
        self._functions[asked.region, name] = _Function(
            role=role,
            context=context,
            key_arn=made["KeyId"],
            blob=made["CiphertextBlob"],
            grant_id=granted["GrantId"],
            token=granted["GrantToken"],
        )
        return {"State": "Active"}

    async def _invoke(self, asked: Asked) -> dict[str, Any]:
        function = self._function(asked)
        if function.warm_until_ns <= now_ns():
            await asked.kms.as_identity(
                "Decrypt",
                function.role,
                CiphertextBlob=function.blob,
                EncryptionContext=dict(function.context),
                GrantTokens=[function.token],
            )
        function.warm_until_ns = now_ns() + WARM_NS
        return {"StatusCode": 200}

    async def _configuration(self, asked: Asked) -> dict[str, Any]:
        """Whoever looks at the variables decrypts them with permissions of their own."""
        function = self._function(asked)
        await asked.kms.for_user("Decrypt", CiphertextBlob=function.blob, EncryptionContext=dict(function.context))
        return {"State": "Active"}

    async def _delete(self, asked: Asked) -> dict[str, Any]:
        function = self._function(asked)
        given = {"KeyId": function.key_arn, "GrantId": function.grant_id}
        await asked.kms.as_identity("RetireGrant", function.role, **given)
        del self._functions[asked.region, asked.text("FunctionName")]
        return {}

    def _function(self, asked: Asked) -> _Function:
        found = self._functions.get((asked.region, asked.text("FunctionName")))
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"Function not found: {asked.text('FunctionName')}")
        return found


@dataclass(slots=True, kw_only=True)
class _Trail:
    arn: str
    key: str
    bucket: Bucket | None
    files: int = 0
    latest_error: str = ""


class CloudTrailLogs(Worded):
    """Trails whose log files are encrypted. A key that cannot be used stops delivery, and nobody is told."""

    name = "cloudtrail"
    via = "cloudtrail"
    managed = "cloudtrail"
    denied = "InsufficientEncryptionPolicyException"
    other = "KmsException"
    unavailable = "KmsException"
    words = MappingProxyType(
        {"DisabledException": "KmsKeyDisabledException", "NotFoundException": "KmsKeyNotFoundException"}
    )
    takes = MappingProxyType(
        {
            "CreateTrail": Takes(("Name", "KmsKeyId"), ("S3BucketName",)),
            "DeliverLogFile": Takes(("Name",)),
            "GetTrailStatus": Takes(("Name",)),
        }
    )

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self._trails: dict[tuple[str, str], _Trail] = {}

    def handlers(self) -> dict[str, Handler]:
        return {"CreateTrail": self._create, "DeliverLogFile": self._deliver, "GetTrailStatus": self._status}

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        return [Load("CreateTrail", {"Name": workload, "KmsKeyId": given.get("key")})]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        return Load("DeliverLogFile", {"Name": workload})

    async def _create(self, asked: Asked) -> dict[str, Any]:
        name, bucket = asked.text("Name"), asked.optional("S3BucketName")
        if bucket is not None and bucket not in self.premises.buckets:
            raise ServiceError("S3BucketDoesNotExistException", f"S3 bucket {bucket} does not exist!")
        trail = _Trail(
            arn=arn_of(asked, "cloudtrail", f"trail/{name}"),
            key=asked.text("KmsKeyId"),
            bucket=None if bucket is None else self.premises.buckets[bucket],
        )
        await _file_key(asked, trail)
        self._trails[asked.region, name] = trail
        return {"TrailARN": trail.arn}

    async def _deliver(self, asked: Asked) -> dict[str, Any]:
        trail = self._trail(asked)
        try:
            blob, plain = await _file_key(asked, trail)
        except KmsFailure as failure:
            trail.latest_error = self.error_of(failure).code
            self.is_ill(asked.region, asked.text("Name"), asked.kms, failure)
        else:
            if trail.bucket is not None:
                _put(trail.bucket, trail, blob, plain)
            trail.files, trail.latest_error = trail.files + 1, ""
        return {}

    async def _status(self, asked: Asked) -> dict[str, Any]:
        trail = self._trail(asked)
        return {"LatestDeliveryError": trail.latest_error, "State": "failing" if trail.latest_error else "delivering"}

    def _trail(self, asked: Asked) -> _Trail:
        found = self._trails.get((asked.region, asked.text("Name")))
        if found is None:
            raise ServiceError("TrailNotFoundException", f"Unknown trail: {asked.text('Name')}")
        return found


def _file_name(trail: _Trail) -> str:
    return f"{trail.arn.rpartition('/')[2]}/{trail.files}.json.gz"


def _file_context(trail: _Trail) -> dict[str, str]:
    bucket = "arn:aws:s3:::logs" if trail.bucket is None else trail.bucket.arn
    return {"aws:cloudtrail:arn": trail.arn, "aws:s3:arn": f"{bucket}/{_file_name(trail)}"}


async def _file_key(asked: Asked, trail: _Trail) -> tuple[bytes, bytes]:
    """A data key for one log file, wrapped and plain, under the key of the bucket's Region."""
    made = await asked.kms.as_itself(
        "GenerateDataKey",
        source_arn=trail.arn,
        at=None if trail.bucket is None else trail.bucket.region,
        KeyId=trail.key,
        KeySpec="AES_256",
        EncryptionContext=_file_context(trail),
    )
    return made["CiphertextBlob"], made["Plaintext"]


def _put(bucket: Bucket, trail: _Trail, blob: bytes, plain: bytes) -> None:
    """A log file in its bucket: whoever reads it there decrypts it with permissions of their own, through S3."""
    sealed = Sealed(
        blob=blob,
        context=_file_context(trail),
        seal=sealed_text(plain, f"log file {trail.files}"),
        key=ServiceKey(kind=KeyKind.CUSTOMER_MANAGED, identifier=trail.key),
        is_under_bucket_key=False,
    )
    bucket.keep(_file_name(trail), sealed)


class Logs(Worded):
    """Log groups."""

    name = "logs"
    via = "logs"
    managed = "logs"
    unavailable = "ServiceUnavailableException"
    other = "InvalidParameterException"
    takes = MappingProxyType(
        {
            "AssociateKmsKey": Takes(("LogGroupName", "KmsKeyId")),
            "PutLogEvents": Takes(("LogGroupName",)),
            "GetLogEvents": Takes(("LogGroupName",)),
        }
    )

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self._groups: dict[tuple[str, str], tuple[str, bytes]] = {}

    def principal(self, region: str) -> str:
        return f"logs.{region}.amazonaws.com"

    def handlers(self) -> dict[str, Handler]:
        return {"AssociateKmsKey": self._write, "PutLogEvents": self._write, "GetLogEvents": self._read}

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        return [Load("AssociateKmsKey", {"LogGroupName": workload, "KmsKeyId": given.get("key")})]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        return Load("PutLogEvents" if number % 2 else "GetLogEvents", {"LogGroupName": workload})

    async def _write(self, asked: Asked) -> dict[str, Any]:
        name = asked.text("LogGroupName")
        arn = arn_of(asked, "logs", f"log-group:{name}")
        key = asked.optional("KmsKeyId") or self._group(asked)[0]
        made = await asked.kms.as_itself(
            "GenerateDataKey", source_arn=arn, KeyId=key, KeySpec="AES_256", EncryptionContext={"aws:logs:arn": arn}
        )
        self._groups[asked.region, name] = (key, made["CiphertextBlob"])
        return {}

    async def _read(self, asked: Asked) -> dict[str, Any]:
        arn = arn_of(asked, "logs", f"log-group:{asked.text('LogGroupName')}")
        blob = self._group(asked)[1]
        await asked.kms.as_itself(
            "Decrypt", source_arn=arn, CiphertextBlob=blob, EncryptionContext={"aws:logs:arn": arn}
        )
        return {}

    def _group(self, asked: Asked) -> tuple[str, bytes]:
        found = self._groups.get((asked.region, asked.text("LogGroupName")))
        if found is None:
            raise ServiceError("ResourceNotFoundException", "The specified log group does not exist.")
        return found
