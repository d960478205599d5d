"""What a commit changes, as values. Each carries the whole new value, so that applying one twice is harmless."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from regionsim.authorization.grants import Grant
from regionsim.kms.hsm_jobs import MaterialRef
from regionsim.kms.key import Alias, KmsKey, Tombstone
from regionsim.kms.key_stores import KeyStore
from regionsim.kms.last_use import LastUse
from regionsim.kms.messages import Announced
from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PutKey:
    """A KMS key, new or changed; its version is the stored one plus one (1 when new)."""

    key: KmsKey


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveKey:
    """The key, its aliases and its exported key tokens are gone."""

    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTombstone:
    """What is remembered of a deleted multi-Region key."""

    tombstone: Tombstone


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAlias:
    """An alias, new or changed; its version is the stored one plus one (1 when new)."""

    alias: Alias


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveAlias:
    account: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutGrant:
    """A new grant on a key; it never changes."""

    key_id: str
    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveGrant:
    """The grant was revoked or retired."""

    key_id: str
    grant_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutToken:
    """An exported key token: new, or (`is_rewrapped`) wrapped anew under the active domain key; that replaces one which
    is there, and brings none back that was removed meanwhile."""

    material: MaterialRef
    is_rewrapped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveToken:
    """Imported material was deleted, or has expired."""

    key_id: str
    material_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutKeyStore:
    """A custom key store, new or changed; its version is the stored one plus one (1 when new)."""

    store: KeyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveKeyStore:
    store_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutLastUse:
    """The newest use of a key; of one that is deleted it is not kept."""

    key_id: str
    use: LastUse


Write = (
    PutKey
    | RemoveKey
    | PutTombstone
    | PutAlias
    | RemoveAlias
    | PutGrant
    | RemoveGrant
    | PutToken
    | RemoveToken
    | PutKeyStore
    | RemoveKeyStore
    | PutLastUse
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A message that must reach `destination`; it waits in the outbox until that Region has acknowledged it."""

    destination: str
    message: Announced


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalCall:
    """What CloudTrail records as an API call that KMS itself made, for the caller `on_behalf_of` (an ARN) if it did.

    `parameters` and `response` under AWS's member names; `names_key`: the record lists the key as its resource.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    response: Mapping[str, Any] | None = None
    invoked_by: str = "AWS Internal"
    on_behalf_of: str = ""
    request_id: str = ""
    names_key: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEvent:
    """Something KMS did by itself that CloudTrail records: RotateKey, DeleteKey with their `details` and what is
    `additional`, or a `call` (SynchronizeMultiRegionKey, the CreateKey of a replica)."""

    name: str
    key_arn: str
    account: str
    details: Mapping[str, Any] = field(default_factory=dict)
    additional: Mapping[str, Any] = field(default_factory=dict)
    call: InternalCall | None = None
