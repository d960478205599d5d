"""DynamoDB tables and their table keys, one under the KMS key of each table's Region.

A table whose key cannot be used is INACCESSIBLE_ENCRYPTION_CREDENTIALS from the first use that finds out, until a later
one, or DynamoDB's own look, finds the key again; after seven days it is ARCHIVED, and stays so.

Users open a table with permissions of their own, DynamoDB does its own work under its grant.

Source: DynamoDB Developer Guide, "Encryption at rest: How it works", "How DynamoDB uses AWS KMS"; DynamoDB API
Reference, TableDescription, SSEDescription (InaccessibleEncryptionDateTime). That the grant has a SourceArn constraint
is ours: AWS makes it for its regional service principal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from regionsim.authorization.principals import Principal
from regionsim.names.dataclass import dataclass
from regionsim.names.regions import partition_of
from regionsim.runtime.tasks import now_ns
from regionsim.services.door import KmsDoor, KmsFailure
from regionsim.services.keys import ServiceKey

TABLE_KEY_LIVES_NS = 300_000_000_000
ARCHIVED_AFTER_NS = 7 * 86_400_000_000_000

_GRANTED = ["Decrypt", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo", "RetireGrant", "DescribeKey"]
_ITSELF = "DynamoDB"
_PRINCIPAL = "dynamodb.amazonaws.com"


class TableStatus(StrEnum):
    """TableStatus and ReplicaStatus, as far as keys decide them."""

    ACTIVE = "ACTIVE"
    INACCESSIBLE = "INACCESSIBLE_ENCRYPTION_CREDENTIALS"
    ARCHIVED = "ARCHIVED"


@dataclass(slots=True, kw_only=True)
class Table:
    """A table in one Region."""

    name: str
    region: str
    arn: str
    owner: Principal
    key: ServiceKey
    key_arn: str
    context: Mapping[str, str]
    blob: bytes = field(repr=False)
    grant_id: str | None
    items: dict[str, tuple[int, str]] = field(default_factory=dict)
    """What was written last, and when: of two Regions' writes the later one stays."""
    at_hand: dict[str, int] = field(default_factory=dict)
    """Caller -> until when its table key is at hand."""
    inaccessible_since_ns: int | None = None

    @property
    def status(self) -> TableStatus:
        since_ns = self.inaccessible_since_ns
        if since_ns is None:
            return TableStatus.ACTIVE
        is_archived = now_ns() - since_ns >= ARCHIVED_AFTER_NS
        return TableStatus.ARCHIVED if is_archived else TableStatus.INACCESSIBLE

    def write(self, key: str, at_ns: int, value: str) -> None:
        """Store an item, unless a later write of it is here."""
        known = self.items.get(key)
        if known is None or known[0] <= at_ns:
            self.items[key] = (at_ns, value)


async def make_table(door: KmsDoor, owner: Principal, region: str, name: str, key: ServiceKey) -> Table:
    """A new table: its grant, for the owner, and its table key, as DynamoDB. Errors: KmsFailure."""
    arn = f"arn:{partition_of(region).name}:dynamodb:{region}:{owner.account}:table/{name}"
    context = {"aws:dynamodb:tableName": name, "aws:dynamodb:subscriberId": owner.account}
    key_arn, grant_id, tokens = key.identifier, None, list[str]()
    if not key.is_owned:
        found = await door.for_user("DescribeKey", at=region, KeyId=key.identifier)
        key_arn = found["KeyMetadata"]["Arn"]
        granted = await door.for_user(
            "CreateGrant",
            at=region,
            KeyId=key_arn,
            GranteeServicePrincipal=_PRINCIPAL,
            RetiringServicePrincipal=_PRINCIPAL,
            Operations=_GRANTED,
            Constraints={"EncryptionContextSubset": context, "SourceArn": arn},
        )
        grant_id, tokens = granted["GrantId"], [granted["GrantToken"]]
    made = await door.as_itself(
        "GenerateDataKey",
        at=region,
        source_arn=arn,
        KeyId=key_arn,
        KeySpec="AES_256",
        EncryptionContext=context,
        GrantTokens=tokens,
    )
    return Table(
        name=name,
        region=region,
        arn=arn,
        owner=owner,
        key=key,
        key_arn=key_arn,
        context=context,
        blob=made["CiphertextBlob"],
        grant_id=grant_id,
    )


async def open_table(door: KmsDoor, table: Table, user: Principal | None) -> None:
    """Have the table key at hand for a user, or (None) for DynamoDB's own work under its grant.

    KMS is asked unless the key was used within the last 5 minutes. A refusal makes the table inaccessible, an answer
    makes it accessible again; that one user has no permission on the key says nothing about it. Errors: KmsFailure.
    """
    who = _ITSELF if user is None else user.arn
    if table.at_hand.get(who, 0) <= now_ns():
        given: dict[str, Any] = {"CiphertextBlob": table.blob, "EncryptionContext": dict(table.context)}
        try:
            if user is None or table.key.is_owned:
                await door.as_itself("Decrypt", at=table.region, source_arn=table.arn, **given)
            else:
                await door.for_user("Decrypt", at=table.region, **given)
        except KmsFailure as failure:
            if not (failure.is_failure or failure.code == "ThrottlingException" or _is_about_user(failure)):
                table.inaccessible_since_ns = table.inaccessible_since_ns or now_ns()
            raise
        table.inaccessible_since_ns = None
    table.at_hand[who] = now_ns() + TABLE_KEY_LIVES_NS


def forget_table_key(table: Table) -> None:
    """Let DynamoDB ask KMS anew for its own work."""
    table.at_hand.pop(_ITSELF, None)


def _is_about_user(failure: KmsFailure) -> bool:
    return failure.is_for_user and failure.code == "AccessDeniedException"


async def retire_grant(door: KmsDoor, table: Table) -> None:
    """Give the table's grant back. Errors: KmsFailure."""
    if table.grant_id is not None:
        await door.as_itself(
            "RetireGrant", at=table.region, source_arn=table.arn, KeyId=table.key_arn, GrantId=table.grant_id
        )
