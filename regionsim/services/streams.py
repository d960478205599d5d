"""Services that encrypt what passes through them under a data key that they use for a while: SQS, SNS, Kinesis.

    a message in    GenerateDataKey for the sender, unless the data key at hand is young enough
    a message out   Decrypt for the receiver, unless it has been opened not long ago

Source: SQS Developer Guide, "Encryption at rest" (data key reuse period, 5 minutes by default); SNS Developer Guide,
"Key management"; Kinesis Data Streams Developer Guide, "What is server-side encryption?". The names of the encryption
contexts of SQS and Kinesis, and that SNS has the period of SQS, are UNVERIFIED.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any, ClassVar

from regionsim.names.dataclass import dataclass
from regionsim.runtime.entropy import Stream
from regionsim.runtime.tasks import now_ns
from regionsim.services.keys import AWS_OWNED, ServiceKey
from regionsim.services.premises import Premises
from regionsim.services.service import Asked, Handler, Load, ServiceError, Takes, Worded, arn_of

REUSE_NS = 300_000_000_000


@dataclass(slots=True, kw_only=True)
class _Pipe:
    """A queue, a topic or a stream."""

    arn: str
    key: ServiceKey
    blob: bytes = field(default=b"", repr=False)
    made_until_ns: int = 0
    opened: dict[tuple[str, bytes], int] = field(default_factory=dict)
    """Receiver and wrapped data key -> until when it is at hand."""


class _Stream(Worded):
    """What the three have in common."""

    context_name: ClassVar[str]
    resource: ClassVar[str]
    created_by: ClassVar[str]
    named_by: ClassVar[str]
    sent_by: ClassVar[str]
    received_by: ClassVar[str]

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self._pipes: dict[tuple[str, str], _Pipe] = {}

    def handlers(self) -> dict[str, Handler]:
        return {self.created_by: self._create, self.sent_by: self._send, self.received_by: self._receive}

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        return [Load(self.created_by, {self.named_by: workload, "KmsMasterKeyId": given.get("key")})]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        operation = self.sent_by if number % 2 else self.received_by
        return Load(operation, {self.named_by: workload})

    async def _create(self, asked: Asked) -> dict[str, Any]:
        name = asked.text(self.named_by)
        arn = arn_of(asked, self.name, f"{self.resource}{name}")
        self._pipes[asked.region, name] = _Pipe(arn=arn, key=self.key(asked, "KmsMasterKeyId"))
        return {}

    async def _send(self, asked: Asked) -> dict[str, Any]:
        pipe = self._pipe(asked)
        if pipe.made_until_ns <= now_ns():
            made = await asked.kms.use(
                pipe.key,
                "GenerateDataKey",
                source_arn=pipe.arn,
                KeyId=pipe.key.identifier,
                KeySpec="AES_256",
                EncryptionContext={self.context_name: pipe.arn},
            )
            pipe.blob, pipe.made_until_ns = made["CiphertextBlob"], now_ns() + REUSE_NS
        return {}

    async def _receive(self, asked: Asked) -> dict[str, Any]:
        pipe = self._pipe(asked)
        who = (asked.user.arn, pipe.blob)
        if pipe.blob and pipe.opened.get(who, 0) <= now_ns():
            await asked.kms.use(
                pipe.key,
                "Decrypt",
                source_arn=pipe.arn,
                CiphertextBlob=pipe.blob,
                EncryptionContext={self.context_name: pipe.arn},
            )
            pipe.opened[who] = now_ns() + REUSE_NS
        return {}

    def _pipe(self, asked: Asked) -> _Pipe:
        found = self._pipes.get((asked.region, asked.text(self.named_by)))
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"{asked.text(self.named_by)} does not exist.")
        return found


def _operations(created: str, named: str, sent: str, received: str) -> Mapping[str, Takes]:
    return MappingProxyType(
        {created: Takes((named,), ("KmsMasterKeyId",)), sent: Takes((named,)), received: Takes((named,))}
    )


class Sqs(_Stream):
    """Queues. Without a key they are under one that AWS owns (SSE-SQS)."""

    name = "sqs"
    via = "sqs"
    managed = "sqs"
    offers_owned = True
    default_key = AWS_OWNED
    context_name = "aws:sqs:arn"
    resource = ""
    created_by, named_by, sent_by, received_by = "CreateQueue", "QueueName", "SendMessage", "ReceiveMessage"
    takes = _operations(created_by, named_by, sent_by, received_by)
    denied = "KmsAccessDenied"
    throttled = "KmsThrottled"
    unavailable = "InternalFailure"
    other = "KmsInvalidState"
    words = MappingProxyType({"DisabledException": "KmsDisabled", "NotFoundException": "KmsNotFound"})


class Sns(_Stream):
    """Topics."""

    name = "sns"
    via = "sns"
    managed = "sns"
    context_name = "aws:sns:topicArn"
    resource = ""
    created_by, named_by, sent_by, received_by = "CreateTopic", "TopicName", "Publish", "Deliver"
    takes = _operations(created_by, named_by, sent_by, received_by)
    denied = "KMSAccessDenied"
    throttled = "KMSThrottling"
    unavailable = "InternalError"
    other = "KMSInvalidState"
    words = MappingProxyType({"DisabledException": "KMSDisabled", "NotFoundException": "KMSNotFound"})


class Kinesis(_Stream):
    """Data streams."""

    name = "kinesis"
    via = "kinesis"
    managed = "kinesis"
    context_name = "aws:kinesis:arn"
    resource = "stream/"
    created_by, named_by, sent_by, received_by = "CreateStream", "StreamName", "PutRecord", "GetRecords"
    takes = _operations(created_by, named_by, sent_by, received_by)
    denied = "KMSAccessDeniedException"
    throttled = "KMSThrottlingException"
    unavailable = "InternalFailure"
    other = "KMSInvalidStateException"
    words = MappingProxyType({"DisabledException": "KMSDisabledException", "NotFoundException": "KMSNotFoundException"})
