"""Replication of multi-Region keys: a state machine for one key in one Region.

    step(situation, event) -> Step        pure; the Region persists the writes, then sends, in that order

Theory of operation
-------------------
The primary owns the shared properties and counts `shared_version` up with every change. It announces each version to
every replica and repeats that (from its outbox) until the replica has acknowledged both the version and every key
material that the version names. A replica applies only versions newer than its own, so lost, doubled and reordered
messages are harmless.

Key material travels apart: a Region that lacks a material asks the Region that announced it, HSM to HSM
(`MaterialRequest`, `MaterialBatch`), until it holds it, and then acknowledges again.

A rotation: the primary makes new material (`pending_material`), which nobody uses. When every replica has acknowledged
that it holds it, the primary makes it current and announces that. Until then every Region goes on with the old
material.

A primary move: the old primary commits a version that names the new one, and from that commit is a replica (Updating).
The announcement hands over the role: the new primary takes it, goes Updating, and announces the same version to the
others. When the old primary acknowledges, the new one is Enabled; when the new one's announcement reaches the old one,
that is Enabled too. At every instant at most one Region is primary: the role is in exactly one committed state or on
its way in an outbox.

Source: KMS Developer Guide, "Rotating multi-Region keys" and "Change the primary key in a set of multi-Region keys";
the messages and versions are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from regionsim.kms.key import (
    KeyMaterial,
    KeyState,
    KmsKey,
    PrimaryMove,
    RegionalProperties,
    RotationType,
    SharedProperties,
)
from regionsim.kms.messages import CreateReplica, Synchronize, Synchronized
from regionsim.kms.writes import Announcement, PutKey, ServiceEvent, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerProgress:
    """What a replica has acknowledged to the primary."""

    shared_version: int
    material_ids: frozenset[str]


_NOTHING_SAID = PeerProgress(shared_version=0, material_ids=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One key in one Region, as the machine sees it before an event.

    `held` are the materials that this Region's HSMs can use. `peers` is what replicas acknowledged to this Region
    while it was primary; it is not durable: a Region that wakes up asks again (`Resumed`).
    """

    region: str
    key_id: str
    now_ns: int
    key: KmsKey | None
    held: frozenset[str]
    peers: Mapping[str, PeerProgress] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message from another Region."""

    sender: str
    message: CreateReplica | Synchronize | Synchronized


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialsArrived:
    """This Region's HSMs have exported tokens for these materials now (`held` contains them)."""

    material_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The Region has loaded its state again after a crash; whatever it only remembered is gone."""


Event = Received | MaterialsArrived | Resumed


class Happening(StrEnum):
    """What a step made happen, for the trace; scenarios wait for these names (`when: {event: ...}`)."""

    REPLICA_CREATING = "replica_creating"
    REPLICA_ENABLED = "replica_enabled"
    SHARED_APPLIED = "shared_applied"
    ROTATION_INSTALLED = "rotation_installed"
    ROTATION_COMPLETED = "rotation_completed"
    PRIMARY_TAKEN = "primary_taken"
    PRIMARY_MOVED = "primary_moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What must be done, in this order: commit `writes`, `announcements` and `events` in one transaction; then remember
    `peers`, send `reply`, and ask `pull_from` for what the key still lacks."""

    key: KmsKey | None
    writes: tuple[Write, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    events: tuple[ServiceEvent, ...] = ()
    happenings: tuple[Happening, ...] = ()
    reply_to: str | None = None
    reply: Synchronized | None = None
    pull_from: str | None = None
    peers: Mapping[str, PeerProgress] = field(default_factory=dict)


def step(situation: Situation, event: Event) -> Step:
    """What one event does to one key."""
    match event:
        case Received():
            return _received(situation, event.sender, event.message)
        case MaterialsArrived():
            return _materials_arrived(situation, event)
        case Resumed():
            return _resumed(situation)
        case _:
            assert_never(event)


def _received(situation: Situation, sender: str, message: CreateReplica | Synchronize | Synchronized) -> Step:
    match message:
        case CreateReplica():
            return _replica_asked(situation, sender, message)
        case Synchronize():
            return _shared_announced(situation, sender, message.shared)
        case Synchronized():
            return _acknowledged(situation, sender, message)
        case _:
            assert_never(message)


def announce(key: KmsKey) -> tuple[Announcement, ...]:
    """The announcement of the key's shared properties to every other Region of its set."""
    return tuple(
        Announcement(destination=region, message=Synchronize(shared=key.shared))
        for region in key.shared.regions
        if region != key.region
    )


def is_acknowledged(shared: SharedProperties, peer: PeerProgress) -> bool:
    """True when `peer` needs no repetition of an announcement of `shared`: it applied it and holds every material it
    names."""
    return peer.shared_version >= shared.shared_version and all(
        known.material_id in peer.material_ids for known in shared.all_materials
    )


def start_rotation(key: KmsKey, material: KeyMaterial, now_ns: int) -> KmsKey:
    """The primary (or a single-Region key) with new material: current at once when nobody else must hold it first."""
    count = key.shared.on_demand_rotation_count + (material.rotation_type is RotationType.ON_DEMAND)
    if key.shared.replica_regions:
        return key.with_shared(key.shared.changed(pending_material=material, on_demand_rotation_count=count))
    return key.with_shared(_made_current(key.shared, material, now_ns, on_demand_rotation_count=count))


def start_primary_move(key: KmsKey, new_primary: str) -> tuple[KmsKey, Announcement]:
    """The old primary as a replica (Updating), and the announcement that hands the role to `new_primary`."""
    replicas = tuple(key.region if region == new_primary else region for region in key.shared.replica_regions)
    shared = key.shared.changed(primary_region=new_primary, replica_regions=replicas)
    move = PrimaryMove(from_region=key.region, to_region=new_primary)
    moved = key.with_shared(shared, state=KeyState.UPDATING, move=move)
    return moved, Announcement(destination=new_primary, message=Synchronize(shared=shared))


def rotation_event(key: KmsKey, previous_material_id: str | None) -> ServiceEvent:
    """CloudTrail's RotateKey for the rotation that made the key's current material current."""
    current = key.shared.material(key.shared.current_material_id or "")
    assert current is not None, "a rotated key has current material"
    details = {
        "keyId": key.key_id,
        "keyOrigin": key.shared.origin.value,
        "rotationType": (current.rotation_type or RotationType.ON_DEMAND).value,
        "previousKeyMaterialId": previous_material_id,
        "currentKeyMaterialId": current.material_id,
    }
    return ServiceEvent(name="RotateKey", key_arn=key.arn, account=key.account, details=details)


# At a replica.


def _replica_asked(situation: Situation, sender: str, message: CreateReplica) -> Step:
    if situation.key is not None:
        return _shared_announced(situation, sender, message.shared)
    if situation.region not in message.shared.replica_regions:
        return Step(key=None, peers=situation.peers)
    seed = message.seed
    regional = RegionalProperties(
        region=situation.region,
        state=KeyState.CREATING,
        policy=seed.policy,
        description=seed.description,
        tags=seed.tags,
        created_at_ns=situation.now_ns,
    )
    key = KmsKey(shared=message.shared, regional=regional)
    event = ServiceEvent(
        name="CreateKey",
        key_arn=key.arn,
        account=key.account,
        details={"requestedBy": seed.requested_by, "requestID": seed.request_id, "primaryRegion": sender},
    )
    return Step(
        key=key,
        writes=(PutKey(key=key),),
        events=(event,),
        happenings=(Happening.REPLICA_CREATING,),
        reply_to=sender,
        reply=_acknowledgement(situation, key),
        pull_from=sender,
        peers=situation.peers,
    )


def _shared_announced(situation: Situation, sender: str, shared: SharedProperties) -> Step:
    key = situation.key
    if key is None:
        # A Synchronize that overtook its CreateReplica. "I have none" acknowledges neither: both stay in the outbox of
        # the sender, whose timer repeats them.
        reply = Synchronized(key_id=situation.key_id, shared_version=0, material_ids=())
        return Step(key=None, reply_to=sender, reply=reply, peers=situation.peers)
    if shared.shared_version > key.shared.shared_version:
        return _shared_applied(situation, sender, key, shared)
    if _is_end_of_move(key, sender):
        settled = key.with_regional(state=KeyState.ENABLED, move=None)
        return _committed(situation, settled, sender, happenings=(Happening.PRIMARY_MOVED,))
    return Step(
        key=key,
        reply_to=sender,
        reply=_acknowledgement(situation, key),
        pull_from=sender if _lacks(situation, key) else None,
        peers=situation.peers,
    )


def _shared_applied(situation: Situation, sender: str, key: KmsKey, shared: SharedProperties) -> Step:
    if shared.primary_region == situation.region and not key.is_primary:
        return _primary_taken(situation, sender, key, shared)
    settles = _is_end_of_move(key, sender)
    changes: dict[str, object] = {"state": KeyState.ENABLED, "move": None} if settles else {}
    applied = key.with_shared(shared, **changes)
    happenings = [Happening.SHARED_APPLIED]
    if settles:
        happenings.append(Happening.PRIMARY_MOVED)
    if shared.rotation_count > key.shared.rotation_count:
        happenings.append(Happening.ROTATION_COMPLETED)
    event = ServiceEvent(name="SynchronizeMultiRegionKey", key_arn=key.arn, account=key.account)
    return _committed(situation, applied, sender, events=(event,), happenings=tuple(happenings))


def _primary_taken(situation: Situation, sender: str, key: KmsKey, shared: SharedProperties) -> Step:
    move = PrimaryMove(from_region=sender, to_region=situation.region)
    primary = key.with_shared(shared, state=KeyState.UPDATING, move=move)
    event = ServiceEvent(
        name="UpdatePrimaryRegion", key_arn=key.arn, account=key.account, details={"primaryRegion": situation.region}
    )
    return Step(
        key=primary,
        writes=(PutKey(key=primary),),
        announcements=announce(primary),
        events=(event,),
        happenings=(Happening.PRIMARY_TAKEN,),
        reply_to=sender,
        reply=_acknowledgement(situation, primary),
        pull_from=sender if _lacks(situation, primary) else None,
    )


def _materials_arrived(situation: Situation, event: MaterialsArrived) -> Step:
    key = situation.key
    if key is None:
        return Step(key=None, peers=situation.peers)
    happenings: list[Happening] = []
    writes: tuple[Write, ...] = ()
    pending = key.shared.pending_material
    if pending is not None and pending.material_id in event.material_ids:
        happenings.append(Happening.ROTATION_INSTALLED)
    if key.state is KeyState.CREATING and all(known.material_id in situation.held for known in key.shared.materials):
        key = key.with_regional(state=KeyState.ENABLED)
        writes = (PutKey(key=key),)
        happenings.append(Happening.REPLICA_ENABLED)
    done = Step(key=key, writes=writes, happenings=tuple(happenings), peers=situation.peers)
    if key.is_primary:
        return _rotation_completed_if_held(replace(situation, key=key), done)
    return replace(done, reply_to=key.shared.primary_region, reply=_acknowledgement(situation, key))


# At the primary.


def _acknowledged(situation: Situation, sender: str, message: Synchronized) -> Step:
    key = situation.key
    if key is None or not key.is_primary or sender not in key.shared.replica_regions:
        return Step(key=key, peers=situation.peers)
    said = PeerProgress(shared_version=message.shared_version, material_ids=frozenset(message.material_ids))
    known = situation.peers.get(sender, _NOTHING_SAID)
    # Acknowledgements overtake each other; what a Region once had applied or held, it still has.
    said = PeerProgress(
        shared_version=max(known.shared_version, said.shared_version),
        material_ids=known.material_ids | said.material_ids,
    )
    peers = {**situation.peers, sender: said}
    done = Step(key=key, peers=peers)
    move = key.regional.move
    if move is not None and move.from_region == sender and said.shared_version >= key.shared.shared_version:
        key = key.with_regional(state=KeyState.ENABLED, move=None)
        done = replace(done, key=key, writes=(PutKey(key=key),), happenings=(Happening.PRIMARY_MOVED,))
    return _rotation_completed_if_held(replace(situation, key=key, peers=peers), done)


def _rotation_completed_if_held(situation: Situation, done: Step) -> Step:
    """`done`, with the open rotation completed when every Region of the set holds its material."""
    key = situation.key
    pending = None if key is None else key.shared.pending_material
    if key is None or pending is None or pending.material_id not in situation.held:
        return done
    for region in key.shared.replica_regions:
        peer = situation.peers.get(region)
        if peer is None or pending.material_id not in peer.material_ids:
            return done
    previous = key.shared.current_material_id
    shared = _made_current(key.shared, pending, situation.now_ns, pending_material=None)
    # One commit, one version: when `done` already changed the key, its version is the one to write.
    version = key.version if done.writes else key.version + 1
    rotated = replace(key, shared=shared, version=version)
    return replace(
        done,
        key=rotated,
        writes=(PutKey(key=rotated),),
        announcements=announce(rotated),
        events=(*done.events, rotation_event(rotated, previous)),
        happenings=(*done.happenings, Happening.ROTATION_COMPLETED),
    )


def _resumed(situation: Situation) -> Step:
    key = situation.key
    if key is None or not key.shared.is_multi_region:
        return Step(key=key)
    primary = key.shared.primary_region if not key.is_primary else None
    needs_peers = key.is_primary and (key.shared.pending_material is not None or key.regional.move is not None)
    return Step(
        key=key,
        announcements=announce(key) if needs_peers else (),
        pull_from=primary if _lacks(situation, key) else None,
    )


# Both.


def _made_current(shared: SharedProperties, material: KeyMaterial, now_ns: int, **changes: object) -> SharedProperties:
    current = replace(material, rotated_at_ns=now_ns)
    return shared.changed(materials=(*shared.materials, current), current_material_id=material.material_id, **changes)


def _is_end_of_move(key: KmsKey, sender: str) -> bool:
    """True at the old primary when the new one speaks: it has the role."""
    move = key.regional.move
    return move is not None and not key.is_primary and move.to_region == sender


def _lacks(situation: Situation, key: KmsKey) -> bool:
    return any(known.material_id not in situation.held for known in key.shared.all_materials)


def _acknowledgement(situation: Situation, key: KmsKey) -> Synchronized:
    held = tuple(known.material_id for known in key.shared.all_materials if known.material_id in situation.held)
    return Synchronized(key_id=key.key_id, shared_version=key.shared.shared_version, material_ids=held)


def _committed(
    situation: Situation,
    key: KmsKey,
    sender: str,
    *,
    events: tuple[ServiceEvent, ...] = (),
    happenings: tuple[Happening, ...] = (),
) -> Step:
    return Step(
        key=key,
        writes=(PutKey(key=key),),
        events=events,
        happenings=happenings,
        reply_to=sender,
        reply=_acknowledgement(situation, key),
        pull_from=sender if _lacks(situation, key) else None,
        peers=situation.peers,
    )
