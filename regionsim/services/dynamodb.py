"""Amazon DynamoDB: a table key under the KMS key, opened for each user, and by the service itself under a grant.

    CreateTable    DescribeKey, CreateGrant for the user; GenerateDataKey as the service
    GetItem, ...   Decrypt for the user; then nothing until 5 minutes after the last use by that user
    UpdateTable    a replica in another Region: the same calls there (`global_tables`)
    DeleteTable    RetireGrant as the service

With an AWS owned key, the default, there is no grant.

Source: DynamoDB Developer Guide, "Encryption at rest: How it works", "How DynamoDB uses AWS KMS"; DynamoDB API
Reference, UpdateTable (ReplicaUpdates). The error of requests to a table that is archived is UNVERIFIED.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from regionsim.runtime.entropy import Stream
from regionsim.runtime.tasks import now_ns
from regionsim.services.door import KmsFailure
from regionsim.services.global_tables import GlobalTables
from regionsim.services.keys import AWS_OWNED
from regionsim.services.premises import Premises
from regionsim.services.service import Asked, Handler, Load, ServiceError, Takes, Worded
from regionsim.services.tables import Table, TableStatus, make_table, open_table, retire_grant


class DynamoDb(Worded):
    """Tables."""

    name = "dynamodb"
    via = "dynamodb"
    managed = "dynamodb"
    offers_owned = True
    default_key = AWS_OWNED
    well = "ACTIVE"
    other = "InaccessibleEncryptionCredentials"
    takes = MappingProxyType(
        {
            "CreateTable": Takes(("TableName",), ("KMSMasterKeyId",)),
            "PutItem": Takes(("TableName", "Key"), ("Item",)),
            "GetItem": Takes(("TableName", "Key")),
            "DescribeTable": Takes(("TableName",)),
            "UpdateTable": Takes(("TableName", "RegionName"), ("KMSMasterKeyId", "Delete")),
            "DeleteTable": Takes(("TableName",)),
        }
    )

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self._tables: dict[tuple[str, str], Table] = {}
        self._global = GlobalTables(premises, self.door, self.is_ill)

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateTable": self._create,
            "PutItem": self._put,
            "GetItem": self._get,
            "DescribeTable": self._describe,
            "UpdateTable": self._update,
            "DeleteTable": self._delete,
        }

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        return [Load("CreateTable", {"TableName": workload, "KMSMasterKeyId": given.get("key")})]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        operation = "PutItem" if stream.random() < 0.5 else "GetItem"
        return Load(operation, {"TableName": workload, "Key": "1"})

    def error_of(self, failure: KmsFailure) -> ServiceError:
        """DynamoDB words a denial in its own way (observed)."""
        error = super().error_of(failure)
        if failure.code == "AccessDeniedException":
            return ServiceError(error.code, f"KMS key access denied error: {failure.message}")
        return error

    def ill(self, failure: KmsFailure) -> str:
        is_key = not failure.is_failure and failure.code != "ThrottlingException"
        return TableStatus.INACCESSIBLE.value if is_key else super().ill(failure)

    async def _create(self, asked: Asked) -> dict[str, Any]:
        name = asked.text("TableName")
        if (asked.region, name) in self._tables:
            raise ServiceError("ResourceInUseException", f"Table already exists: {name}")
        table = await make_table(asked.kms, asked.user, asked.region, name, self.key(asked, "KMSMasterKeyId"))
        self._tables[asked.region, name] = table
        return {"TableName": name, "State": "ACTIVE"}

    async def _update(self, asked: Asked) -> dict[str, Any]:
        """One of AWS's ReplicaUpdates: a replica in another Region, or that one gone (Delete)."""
        table, there = self._table(asked), asked.text("RegionName")
        known = {other.region: other for other in self._global.others(table)}
        if asked.is_on("Delete"):
            if there not in known:
                raise ServiceError("ValidationException", f"There is no replica in {there}")
            await self._remove(asked, known[there])
            return {"State": table.status.value}
        if there == table.region or (there, table.name) in self._tables:
            raise ServiceError("ValidationException", f"{table.name} is in {there} already")
        key = self.key(asked, "KMSMasterKeyId", there)
        if key.kind is not table.key.kind:
            raise ServiceError("ValidationException", f"All replicas are under one kind of key: {table.key.kind}")
        replica = await make_table(asked.kms, asked.user, there, table.name, key)
        self._tables[there, table.name] = replica
        self._global.join(table, replica)
        self.premises.board.well(self.name, there, table.name, TableStatus.ACTIVE, asked.kms.key)
        return {"State": table.status.value}

    async def _put(self, asked: Asked) -> dict[str, Any]:
        table = await self._opened(asked)
        table.write(asked.text("Key"), now_ns(), asked.optional("Item") or "")
        self._global.written(table, asked.text("Key"))
        return {}

    async def _get(self, asked: Asked) -> dict[str, Any]:
        table = await self._opened(asked)
        return {"Item": table.items.get(asked.text("Key"), (0, None))[1]}

    async def _opened(self, asked: Asked) -> Table:
        """The table, with its table key at hand for the caller."""
        table = self._table(asked)
        if table.status is TableStatus.ARCHIVED:
            raise ServiceError(self.other, f"{table.name} has been archived; its backup can be restored")
        try:
            await open_table(asked.kms, table, asked.user)
        except KmsFailure:
            if table.inaccessible_since_ns is not None:
                self._global.found_inaccessible(table)
            raise
        return table

    async def _describe(self, asked: Asked) -> dict[str, Any]:
        table = self._table(asked)
        told: dict[str, Any] = {"State": table.status.value}
        others = self._global.others(table)
        if others:
            told["Replicas"] = [f"{other.region} {other.status}" for other in others]
        return told

    async def _delete(self, asked: Asked) -> dict[str, Any]:
        await self._remove(asked, self._table(asked))
        return {"State": "DELETING"}

    async def _remove(self, asked: Asked, table: Table) -> None:
        await retire_grant(asked.kms, table)
        self._global.leave(table)
        del self._tables[table.region, table.name]
        self.premises.board.forget(self.name, table.region, table.name)

    def _table(self, asked: Asked) -> Table:
        found = self._tables.get((asked.region, asked.text("TableName")))
        if found is None or found.owner.account != asked.user.account:
            raise ServiceError("ResourceNotFoundException", f"Requested resource not found: {asked.text('TableName')}")
        return found
