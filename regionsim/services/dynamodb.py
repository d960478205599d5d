"""Amazon DynamoDB: a table key under the KMS key, opened by the service itself under a grant for that table.

    CreateTable    DescribeKey, CreateGrant for the user; GenerateDataKey as the service
    GetItem, ...   Decrypt as the service; then nothing until 5 minutes after the last use by that caller
    DeleteTable    RetireGrant as the service

A table whose key cannot be used is INACCESSIBLE_ENCRYPTION_CREDENTIALS from the first request that finds out, and
ARCHIVED seven days later. With an AWS owned key, the default, there is no grant.

Source: DynamoDB Developer Guide, "Encryption at rest: How it works", "How DynamoDB uses AWS KMS". That the grant has a
SourceArn constraint is ours: AWS makes it for its regional service principal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from regionsim.runtime.entropy import Stream
from regionsim.runtime.tasks import now_ns
from regionsim.services.door import KmsFailure
from regionsim.services.keys import AWS_OWNED, ServiceKey
from regionsim.services.premises import Premises
from regionsim.services.service import Asked, Handler, Load, ServiceError, Takes, Worded, arn_of

TABLE_KEY_LIVES_NS = 300_000_000_000
ARCHIVED_AFTER_NS = 7 * 86_400_000_000_000

_GRANTED = ["Decrypt", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo", "RetireGrant", "DescribeKey"]
_PRINCIPAL = "dynamodb.amazonaws.com"


@dataclass(slots=True, kw_only=True)
class _Table:
    arn: str
    key: ServiceKey
    key_arn: str
    context: Mapping[str, str]
    blob: bytes = field(repr=False)
    grant_id: str | None
    items: dict[str, str] = field(default_factory=dict)
    at_hand: dict[str, int] = field(default_factory=dict)
    """Caller -> until when its table key is at hand."""
    inaccessible_since_ns: int | None = None


class DynamoDb(Worded):
    """Tables."""

    name = "dynamodb"
    via = "dynamodb"
    managed = "dynamodb"
    default_key = AWS_OWNED
    other = "InaccessibleEncryptionCredentials"
    takes = MappingProxyType(
        {
            "CreateTable": Takes(("TableName",), ("KMSMasterKeyId",)),
            "PutItem": Takes(("TableName", "Key"), ("Item",)),
            "GetItem": Takes(("TableName", "Key")),
            "DescribeTable": Takes(("TableName",)),
            "DeleteTable": Takes(("TableName",)),
        }
    )

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self._tables: dict[str, _Table] = {}

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateTable": self._create,
            "PutItem": self._put,
            "GetItem": self._get,
            "DescribeTable": self._describe,
            "DeleteTable": self._delete,
        }

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        return [Load("CreateTable", {"TableName": workload, "KMSMasterKeyId": given.get("key")})]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        operation = "PutItem" if stream.random() < 0.5 else "GetItem"
        return Load(operation, {"TableName": workload, "Key": "1"})

    async def _create(self, asked: Asked) -> dict[str, Any]:
        name = asked.text("TableName")
        arn, key = arn_of(asked, "dynamodb", f"table/{name}"), self.key(asked, "KMSMasterKeyId")
        context = {"aws:dynamodb:tableName": name, "aws:dynamodb:subscriberId": asked.user.account}
        key_arn, grant_id, tokens = key.identifier, None, list[str]()
        if not key.is_owned:
            key_arn = (await asked.kms.for_user("DescribeKey", KeyId=key.identifier))["KeyMetadata"]["Arn"]
            granted = await asked.kms.for_user(
                "CreateGrant",
                KeyId=key_arn,
                GranteeServicePrincipal=_PRINCIPAL,
                RetiringServicePrincipal=_PRINCIPAL,
                Operations=_GRANTED,
                Constraints={"EncryptionContextSubset": context, "SourceArn": arn},
            )
            grant_id, tokens = granted["GrantId"], [granted["GrantToken"]]
        made = await asked.kms.as_itself(
            "GenerateDataKey",
            source_arn=arn,
            KeyId=key_arn,
            KeySpec="AES_256",
            EncryptionContext=context,
            GrantTokens=tokens,
        )
        self._tables[name] = _Table(
            arn=arn, key=key, key_arn=key_arn, context=context, blob=made["CiphertextBlob"], grant_id=grant_id
        )
        return {"TableName": name, "State": "ACTIVE"}

    async def _put(self, asked: Asked) -> dict[str, Any]:
        table = await self._opened(asked)
        table.items[asked.text("Key")] = asked.optional("Item") or ""
        return {}

    async def _get(self, asked: Asked) -> dict[str, Any]:
        table = await self._opened(asked)
        return {"Item": table.items.get(asked.text("Key"))}

    async def _opened(self, asked: Asked) -> _Table:
        """The table, with its table key at hand for the caller."""
        table = self._table(asked)
        if table.at_hand.get(asked.user.arn, 0) <= now_ns():
            try:
                await asked.kms.as_itself(
                    "Decrypt",
                    source_arn=table.arn,
                    CiphertextBlob=table.blob,
                    EncryptionContext=dict(table.context),
                )
            except KmsFailure as failure:
                if not failure.is_failure and failure.code != "ThrottlingException":
                    table.inaccessible_since_ns = table.inaccessible_since_ns or now_ns()
                raise
            table.inaccessible_since_ns = None
        table.at_hand[asked.user.arn] = now_ns() + TABLE_KEY_LIVES_NS
        return table

    async def _describe(self, asked: Asked) -> dict[str, Any]:
        since_ns = self._table(asked).inaccessible_since_ns
        if since_ns is None:
            return {"State": "ACTIVE"}
        is_archived = now_ns() - since_ns >= ARCHIVED_AFTER_NS
        return {"State": "ARCHIVED" if is_archived else "INACCESSIBLE_ENCRYPTION_CREDENTIALS"}

    async def _delete(self, asked: Asked) -> dict[str, Any]:
        table = self._table(asked)
        if table.grant_id is not None:
            await asked.kms.as_itself("RetireGrant", source_arn=table.arn, KeyId=table.key_arn, GrantId=table.grant_id)
        del self._tables[asked.text("TableName")]
        return {"State": "DELETING"}

    def _table(self, asked: Asked) -> _Table:
        found = self._tables.get(asked.text("TableName"))
        if found is None or arn_of(asked, "dynamodb", f"table/{asked.text('TableName')}") != found.arn:
            raise ServiceError("ResourceNotFoundException", f"Requested resource not found: {asked.text('TableName')}")
        return found
