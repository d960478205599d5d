"""What Regions say to each other about multi-Region keys, as values. `region/wire.py` turns them into bytes.

Announcements (`CreateReplica`, `Synchronize`, `ReplicaDeleted`, `MaterialImported`) wait in the sender's outbox until
the receiver has acknowledged them with `Synchronized`, `ReplicaDeletionNoted` or `MaterialImportNoted`; the rest is
asked again by whoever still needs it. All of them may be lost, doubled and reordered.

Source: KMS Developer Guide, "Multi-Region keys in AWS KMS"; AWS KMS Cryptographic Details, "Replication process for
multi-Region keys" (the exchange of key material); the messages are ours.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import ClassVar

from regionsim.kms.hsm_jobs import WrappedMaterial
from regionsim.kms.key import SharedProperties
from regionsim.kms.questions import Answer, Question
from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSeed:
    """What a new replica starts with besides the shared properties: regional things, taken from the request, never
    from the primary."""

    policy: str = field(repr=False)
    description: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    requested_by: str = ""
    request_id: str = ""


class AnnouncementKind(StrEnum):
    """The kinds of announcements. Of each key an outbox keeps the newest of each kind."""

    CREATE = "create"
    SYNCHRONIZE = "synchronize"
    REMOVE = "remove"
    IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateReplica:
    """The primary asks for a replica. Harmless when it is there already."""

    kind: ClassVar = AnnouncementKind.CREATE
    shared: SharedProperties
    seed: ReplicaSeed

    @property
    def key_id(self) -> str:
        return self.shared.key_id

    @property
    def shared_version(self) -> int:
        return self.shared.shared_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Synchronize:
    """The shared properties as of `shared.shared_version`. When they name the receiver as primary, they hand it the
    role."""

    kind: ClassVar = AnnouncementKind.SYNCHRONIZE
    shared: SharedProperties

    @property
    def key_id(self) -> str:
        return self.shared.key_id

    @property
    def shared_version(self) -> int:
        return self.shared.shared_version


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaDeleted:
    """The sender's replica is gone for good: its waiting period has ended. `shared_version` is the newest that it had
    applied, so that one made later is not meant."""

    kind: ClassVar = AnnouncementKind.REMOVE
    key_id: str
    shared_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaDeletionNoted:
    """The sender's set of that key has no such replica any more."""

    key_id: str
    shared_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialImported:
    """The sender's replica has had that material imported, which the primary waits for before it can rotate to it."""

    kind: ClassVar = AnnouncementKind.IMPORT
    key_id: str
    shared_version: int
    material_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialImportNoted:
    """The sender needs not be told again that the receiver has that material."""

    key_id: str
    material_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Synchronized:
    """What the sender has of a key: the newest `shared_version` it applied and the materials its HSMs can use.

    `shared_version` 0 means that it has no such key.
    """

    key_id: str
    shared_version: int
    material_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementHalf:
    """The public half of one side's agreement key pair, signed with its Region's replication signing key."""

    public_key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialRequest:
    """Send me these backing keys (key id, material id), wrapped for the agreement that `offer` opens."""

    offer: AgreementHalf
    wanted: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialBatch:
    """Backing keys wrapped under the replication wrapping key of the agreement between `offer` and `acceptance`."""

    offer: AgreementHalf
    acceptance: AgreementHalf
    materials: tuple[WrappedMaterial, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoMaterial:
    """The answer to a `MaterialRequest` of which the sender can give nothing now: the receiver may ask for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question to the receiver, sent again under the same id until it is answered or its deadline is past."""

    question_id: str
    question: Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    question_id: str
    answer: Answer


Announced = CreateReplica | Synchronize | ReplicaDeleted | MaterialImported
"""What waits in an outbox."""

AboutKey = Announced | Synchronized | ReplicaDeletionNoted | MaterialImportNoted
"""What the replication machine of a key hears and says."""

Message = (
    CreateReplica
    | Synchronize
    | Synchronized
    | MaterialRequest
    | MaterialBatch
    | NoMaterial
    | Asked
    | Answered
    | ReplicaDeleted
    | ReplicaDeletionNoted
    | MaterialImported
    | MaterialImportNoted
)
