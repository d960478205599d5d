"""What the replication machine of one key looks at and says, as values: a situation, an event, a step.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import StrEnum

from regionsim.kms.key import KmsKey, Tombstone
from regionsim.kms.messages import AboutKey, AnnouncementKind, Synchronize, Synchronized
from regionsim.kms.writes import Announcement, ServiceEvent, Write
from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerProgress:
    """What a replica has acknowledged to the primary."""

    shared_version: int
    material_ids: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One key in one Region, as the machine sees it before an event.

    `held` are the materials that this Region's HSMs can use. `peers` is what replicas acknowledged to this Region
    while it was primary; it is not durable: a Region that wakes up asks again (`Resumed`). `tombstone` is what is left
    of the key when it was deleted here.
    """

    region: str
    key_id: str
    now_ns: int
    key: KmsKey | None
    held: frozenset[str]
    peers: Mapping[str, PeerProgress] = field(default_factory=dict)
    tombstone: Tombstone | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message from another Region."""

    sender: str
    message: AboutKey


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialsArrived:
    """This Region's HSMs have exported tokens for these materials now (`held` contains them)."""

    material_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The Region has loaded its state again after a crash; whatever it only remembered is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPeriodEnded:
    """The deletion date of the key has come. `is_removed_outside`: whether the cluster that kept its backing key has
    removed that; None for a key that none keeps."""

    is_removed_outside: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialExpires:
    """The date until which an imported material is valid has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicasOverdue:
    """The open rotation has waited for as long as it waits: who has not acknowledged its material is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredLost:
    """An operator says that a Region is gone for good."""

    region: str


Event = Received | MaterialsArrived | Resumed | WaitingPeriodEnded | MaterialExpires | ReplicasOverdue | DeclaredLost


class Happening(StrEnum):
    """What a step made happen, for the trace; scenarios wait for these names (`when: {event: ...}`)."""

    REPLICA_CREATING = "replica_creating"
    REPLICA_ENABLED = "replica_enabled"
    SHARED_APPLIED = "shared_applied"
    ROTATION_STARTED = "rotation_started"
    ROTATION_INSTALLED = "rotation_installed"
    ROTATION_COMPLETED = "rotation_completed"
    PRIMARY_TAKEN = "primary_taken"
    PRIMARY_MOVED = "primary_moved"
    REPLICA_LOST = "replica_lost"
    REPLICA_CAUGHT_UP = "replica_caught_up"
    REPLICA_REMOVED = "replica_removed"
    KEY_DELETED = "key_deleted"
    MATERIAL_IMPORTED = "material_imported"
    MATERIAL_DELETED = "material_deleted"
    MATERIAL_EXPIRED = "material_expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What must be done, in this order: commit `writes`, `announcements` and `events` in one transaction; then remember
    `peers`, send `reply`, and ask `pull_from` for what the key still lacks.

    `moot`: which kinds of announcement, to which Regions, need not be made any more; that is part of the transaction.
    """

    key: KmsKey | None
    writes: tuple[Write, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    moot: tuple[tuple[str, AnnouncementKind], ...] = ()
    events: tuple[ServiceEvent, ...] = ()
    happenings: tuple[Happening, ...] = ()
    reply_to: str | None = None
    reply: AboutKey | None = None
    pull_from: str | None = None
    peers: Mapping[str, PeerProgress] = field(default_factory=dict)


def announce(key: KmsKey) -> tuple[Announcement, ...]:
    """The announcement of the key's shared properties to every other Region of its set."""
    return tuple(
        Announcement(destination=region, message=Synchronize(shared=key.shared))
        for region in key.shared.regions
        if region != key.region
    )


def moot(*regions: str, kinds: Iterable[AnnouncementKind]) -> tuple[tuple[str, AnnouncementKind], ...]:
    """Announcements of these kinds to these Regions, for `Step.moot`."""
    return tuple((region, kind) for region in regions for kind in kinds)


def acknowledgement(situation: Situation, key: KmsKey) -> Synchronized:
    """What this Region has of the key.

    An old primary has made the version that gives its role away, and acknowledges that only to who has the role: said
    before, it would let the new one fall silent that the old one waits for.
    """
    held = tuple(known.material_id for known in key.shared.all_materials if known.material_id in situation.held)
    gave_role_away = key.regional.move is not None and not key.is_primary
    version = key.shared.shared_version - gave_role_away
    return Synchronized(key_id=key.key_id, shared_version=version, material_ids=held)


def lacks_material(situation: Situation, key: KmsKey) -> bool:
    """True while a material that KMS is to copy here has not come."""
    return any(known.material_id not in situation.held for known in key.shared.copied_materials)
