"""The KMS key: what related multi-Region keys share, and what each Region's key has for itself.

AWS lists which properties a primary shares with its replicas. Here they are two types, so replicating a policy (or a
tag, an alias, a state) by mistake cannot be written: `SharedProperties` is the only thing a replication message can
carry.

Source: KMS Developer Guide, "Multi-Region keys: shared properties".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace
from enum import StrEnum
from typing import Any, Self

from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.names.arns import key_arn
from regionsim.names.dataclass import dataclass


class KeyState(StrEnum):
    """The state of a KMS key in one Region. Source: KMS Developer Guide, "Key states of AWS KMS keys"."""

    CREATING = "Creating"
    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"
    PENDING_REPLICA_DELETION = "PendingReplicaDeletion"
    PENDING_IMPORT = "PendingImport"
    UNAVAILABLE = "Unavailable"
    UPDATING = "Updating"


class Origin(StrEnum):
    """Where the key material comes from."""

    AWS_KMS = "AWS_KMS"
    EXTERNAL = "EXTERNAL"
    AWS_CLOUDHSM = "AWS_CLOUDHSM"
    EXTERNAL_KEY_STORE = "EXTERNAL_KEY_STORE"


class KeyOwner(StrEnum):
    """Who owns the KMS key (`KeyManager` on the wire)."""

    AWS = "AWS"
    CUSTOMER = "CUSTOMER"


class RotationType(StrEnum):
    """What made a rotation happen."""

    AUTOMATIC = "AUTOMATIC"
    ON_DEMAND = "ON_DEMAND"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMaterial:
    """The public side of one backing key: its name and history, never its bytes.

    `rotated_at_ns` is when it became current by a rotation; None for the first material of a key. Of imported material
    its owner may say what it is (`description`); `imported_in` are the replicas' Regions that have told the primary
    that they have it, too, while it waits for its rotation.
    """

    material_id: str
    created_at_ns: int
    rotation_type: RotationType | None = None
    rotated_at_ns: int | None = None
    description: str = ""
    imported_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One material that a Region holds because its owner imported it there, until `valid_to_ns` (None: for good)."""

    material_id: str
    valid_to_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomaticRotation:
    """Rotation by the calendar: every `period_days`, the next time at `next_at_ns` (nanoseconds since 1970)."""

    period_days: int
    next_at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One replica of a set. `since_version` is the shared version with which its Region joined: what that Region said
    of an earlier replica of the same key names an older one.

    `is_lost`: it was silent for too long, and no rotation waits for it until it has caught up. Source: ours.
    """

    region: str
    since_version: int
    is_lost: bool = False


def replicas_in(regions: Iterable[str], *, since_version: int = 1) -> tuple[Replica, ...]:
    """A replica in each of these Regions."""
    return tuple(Replica(region=region, since_version=since_version) for region in regions)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedProperties:
    """What all related keys of a multi-Region set agree on; only the primary changes it, one `shared_version` at a
    time.

    `materials` are oldest first. `pending_material` was made at the primary for a rotation and is used by nobody
    until every Region of the set holds it. `primary_region` is None for a single-Region key. `automatic_rotation` is
    None while it is off.
    """

    key_id: str
    account: str
    spec: KeySpec
    usage: KeyUsage
    origin: Origin = Origin.AWS_KMS
    owner: KeyOwner = KeyOwner.CUSTOMER
    primary_region: str | None = None
    replicas: tuple[Replica, ...] = ()
    materials: tuple[KeyMaterial, ...] = ()
    current_material_id: str | None = None
    pending_material: KeyMaterial | None = None
    on_demand_rotation_count: int = 0
    automatic_rotation: AutomaticRotation | None = None
    shared_version: int = 1

    @property
    def is_multi_region(self) -> bool:
        return self.primary_region is not None

    @property
    def replica_regions(self) -> tuple[str, ...]:
        """The Regions of the replicas, in the order in which they joined."""
        return tuple(replica.region for replica in self.replicas)

    @property
    def regions(self) -> tuple[str, ...]:
        """Every Region of the set, primary first; empty for a single-Region key."""
        return () if self.primary_region is None else (self.primary_region, *self.replica_regions)

    @property
    def all_materials(self) -> tuple[KeyMaterial, ...]:
        """Every material that a Region of the set must hold, the pending one included."""
        return self.materials if self.pending_material is None else (*self.materials, self.pending_material)

    @property
    def is_imported(self) -> bool:
        """True when the key's owner brings its material, to every Region for itself."""
        return self.origin is Origin.EXTERNAL

    @property
    def copied_materials(self) -> tuple[KeyMaterial, ...]:
        """The materials that KMS copies from Region to Region."""
        return () if self.is_imported else self.all_materials

    @property
    def rotation_count(self) -> int:
        """How many rotations are complete (the first material is none)."""
        return sum(material.rotated_at_ns is not None for material in self.materials)

    def changed(self, **changes: Any) -> Self:
        """The next version of these properties."""
        return replace(self, shared_version=self.shared_version + 1, **changes)

    def with_replica(self, region: str) -> Self:
        """The next version of these properties, with a replica in one Region more."""
        joined = Replica(region=region, since_version=self.shared_version + 1)
        return self.changed(replicas=(*self.replicas, joined))

    def replica(self, region: str) -> Replica | None:
        """The replica in that Region, or None."""
        return next((known for known in self.replicas if known.region == region), None)

    def material(self, material_id: str) -> KeyMaterial | None:
        """The material of that id, pending or not, or None."""
        return next((known for known in self.all_materials if known.material_id == material_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryMove:
    """An UpdatePrimaryRegion under way, as both of its ends remember it. `since_version` is that of the replica that
    becomes the primary."""

    from_region: str
    to_region: str
    since_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What a Region remembers of a deleted multi-Region key, so that an old message cannot bring it back.

    `applied_version` is the newest shared version that the deleted key had; `shared` is the newest that was heard of,
    which says where the primary is.
    """

    applied_version: int
    shared: SharedProperties

    @property
    def key_id(self) -> str:
        return self.shared.key_id


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreMembership:
    """The custom key store that a key is in: with a cluster, or with an external key.

    `state_behind` is what the key is when its store is connected again, while it is Unavailable.
    """

    store_id: str
    cluster_id: str | None = None
    xks_key_id: str | None = None
    state_behind: KeyState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionalProperties:
    """What one Region's key has for itself; AWS never replicates it.

    `pending_window_days` is the waiting period that was asked for; `deletion_at_ns` is when it ends, None while it has
    not begun (PendingReplicaDeletion). `imports` are the imported materials that are here. `key_store` is None for a
    key that KMS's own HSMs keep.
    """

    region: str
    state: KeyState
    policy: str = field(repr=False)
    description: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    created_at_ns: int
    deletion_at_ns: int | None = None
    pending_window_days: int | None = None
    move: PrimaryMove | None = None
    imports: tuple[Import, ...] = ()
    key_store: StoreMembership | None = None

    def imported(self, material_id: str) -> Import | None:
        """The import of that material, or None."""
        return next((known for known in self.imports if known.material_id == material_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsKey:
    """One KMS key in one Region. `version` grows by one with every committed change (the exported key tokens are not
    part)."""

    shared: SharedProperties
    regional: RegionalProperties
    version: int = 1

    @property
    def key_id(self) -> str:
        return self.shared.key_id

    @property
    def account(self) -> str:
        return self.shared.account

    @property
    def region(self) -> str:
        return self.regional.region

    @property
    def arn(self) -> str:
        return key_arn(self.regional.region, self.shared.account, self.shared.key_id)

    @property
    def state(self) -> KeyState:
        return self.regional.state

    @property
    def is_primary(self) -> bool:
        return self.shared.primary_region == self.regional.region

    @property
    def is_replica(self) -> bool:
        return self.shared.is_multi_region and not self.is_primary

    def with_regional(self, **changes: Any) -> KmsKey:
        """The next version of this key, regional properties changed."""
        regional = replace(self.regional, **changes)
        return replace(self, regional=regional, version=self.version + 1)

    def with_shared(self, shared: SharedProperties, **regional_changes: Any) -> KmsKey:
        """The next version of this key, with new shared properties (and perhaps regional ones)."""
        regional = replace(self.regional, **regional_changes)
        return replace(self, shared=shared, regional=regional, version=self.version + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name for a KMS key in one account and Region; `name` starts with `alias/`."""

    account: str
    name: str
    target_key_id: str
    created_at_ns: int
    updated_at_ns: int
    version: int = 1
