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

A primary move: the old primary commits a version that names the new one, and from that commit is a replica (Updating).
The announcement hands over the role: the new primary takes it, goes Updating, and announces the same version to the
others. When the old primary acknowledges, the new one is Enabled; when the new one's announcement reaches the old one,
that is Enabled too. At every instant at most one Region is primary: the role is in exactly one committed state or on
its way in an outbox.

A replica that is deleted: see `removal`. What a rotation waits for, and for how long: see `rotation`.

Source: KMS Developer Guide, "Rotating multi-Region keys" and "Change the primary key in a set of multi-Region keys";
the messages and versions are ours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from regionsim.kms.imports import after_news, import_noted, material_expired, replica_imported, rest_state
from regionsim.kms.internal_calls import primary_change, replica_creation, synchronization
from regionsim.kms.key import KeyState, KmsKey, PrimaryMove, RegionalProperties, Replica, SharedProperties
from regionsim.kms.messages import (
    AboutKey,
    AnnouncementKind,
    CreateReplica,
    MaterialImported,
    MaterialImportNoted,
    ReplicaDeleted,
    ReplicaDeletionNoted,
    Synchronize,
    Synchronized,
)
from regionsim.kms.removal import (
    OF_A_PRIMARY,
    deletion_noted,
    other_regions,
    replica_deleted,
    told_after_deletion,
    waiting_period_ended,
)
from regionsim.kms.rotation import completed_if_held, declared_lost, replicas_overdue
from regionsim.kms.situation import (
    DeclaredLost,
    Event,
    Happening,
    MaterialExpires,
    MaterialsArrived,
    PeerProgress,
    Received,
    ReplicasOverdue,
    Resumed,
    Situation,
    Step,
    WaitingPeriodEnded,
    acknowledgement,
    announce,
    lacks_material,
    moot,
)
from regionsim.kms.writes import Announcement, PutKey, ServiceEvent, Write

_NOTHING_SAID = PeerProgress(shared_version=0, material_ids=frozenset())


def step(situation: Situation, event: Event) -> Step:
    """What one event does to one key."""
    match event:
        case Received():
            return _received(situation, event.sender, event.message)
        case MaterialsArrived():
            return _materials_arrived(situation, event)
        case Resumed():
            return _resumed(situation)
        case WaitingPeriodEnded(is_removed_outside=is_removed):
            return waiting_period_ended(situation, is_removed)
        case MaterialExpires():
            return material_expired(situation)
        case ReplicasOverdue():
            return replicas_overdue(situation)
        case DeclaredLost():
            return declared_lost(situation, event.region)
        case _:
            assert_never(event)


def _received(situation: Situation, sender: str, message: AboutKey) -> Step:
    match message:
        case CreateReplica():
            return _replica_asked(situation, sender, message)
        case Synchronize():
            return _shared_announced(situation, sender, message.shared)
        case Synchronized():
            return _acknowledged(situation, sender, message)
        case ReplicaDeleted():
            return replica_deleted(situation, sender, message)
        case ReplicaDeletionNoted():
            return deletion_noted(situation, sender, message)
        case MaterialImported():
            return replica_imported(situation, sender, message)
        case MaterialImportNoted():
            return import_noted(situation, sender, message)
        case _:
            assert_never(message)


def is_acknowledged(shared: SharedProperties, peer: PeerProgress) -> bool:
    """True when `peer` needs no repetition of an announcement of `shared`: it applied it and holds every material it
    names."""
    return peer.shared_version >= shared.shared_version and all(
        known.material_id in peer.material_ids for known in shared.copied_materials
    )


def start_primary_move(key: KmsKey, new_primary: str) -> tuple[KmsKey, Announcement]:
    """The old primary as a replica (Updating), and the announcement that hands the role to `new_primary`."""
    next_primary = key.shared.replica(new_primary)
    assert next_primary is not None, "only a replica becomes the primary"
    ours = Replica(region=key.region, since_version=key.shared.shared_version + 1)
    replicas = tuple(ours if replica is next_primary else replica for replica in key.shared.replicas)
    pending = key.shared.pending_material
    if pending is not None and key.shared.is_imported:
        # Who hands over the role has it; who takes the role counts for itself, and no more as a replica.
        others = (region for region in pending.imported_in if region not in (new_primary, key.region))
        pending = replace(pending, imported_in=(*others, key.region))
    shared = key.shared.changed(primary_region=new_primary, replicas=replicas, pending_material=pending)
    move = PrimaryMove(from_region=key.region, to_region=new_primary, since_version=next_primary.since_version)
    moved = key.with_shared(shared, state=KeyState.UPDATING, move=move)
    return moved, Announcement(destination=new_primary, message=Synchronize(shared=shared))


# At a replica.


def _replica_asked(situation: Situation, sender: str, message: CreateReplica) -> Step:
    if situation.key is not None:
        return _shared_announced(situation, sender, message.shared)
    replica, tombstone = message.shared.replica(situation.region), situation.tombstone
    if replica is None:
        return Step(key=None)
    if tombstone is not None and replica.since_version <= tombstone.applied_version:
        return told_after_deletion(situation, tombstone, sender, message.shared)
    seed = message.seed
    regional = RegionalProperties(
        region=situation.region,
        # What else it needs, its owner brings.
        state=KeyState.PENDING_IMPORT if message.shared.is_imported else KeyState.CREATING,
        policy=seed.policy,
        description=seed.description,
        tags=seed.tags,
        created_at_ns=situation.now_ns,
    )
    key = KmsKey(shared=message.shared, regional=regional)
    return Step(
        key=key,
        writes=(PutKey(key=key),),
        events=(replica_creation(key, seed),),
        # Also what an earlier replica here still had to say of its end: the primary knows that, or it had not asked.
        moot=()
        if tombstone is None
        else moot(*other_regions(situation, message.shared, tombstone.shared), kinds=[AnnouncementKind.REMOVE]),
        happenings=(Happening.REPLICA_CREATING,),
        reply_to=sender,
        reply=acknowledgement(situation, key),
        pull_from=sender,
        peers=situation.peers,
    )


def _shared_announced(situation: Situation, sender: str, shared: SharedProperties) -> Step:
    key = situation.key
    if key is None and situation.tombstone is not None:
        return told_after_deletion(situation, situation.tombstone, sender, shared)
    if key is None:
        # A Synchronize that overtook its CreateReplica. "I have none" acknowledges neither: both stay in the outbox of
        # the sender, whose timer repeats them.
        reply = Synchronized(key_id=situation.key_id, shared_version=0, material_ids=())
        return Step(key=None, reply_to=sender, reply=reply, peers=situation.peers)
    if shared.shared_version > key.shared.shared_version:
        return _shared_applied(situation, sender, key, shared)
    if shared.shared_version == key.shared.shared_version and _gave_role_to(key, sender):
        settled = key.with_regional(state=rest_state(key.shared, key.regional.imports), move=None)
        return _committed(situation, settled, sender, happenings=(Happening.PRIMARY_MOVED,))
    return Step(
        key=key,
        reply_to=sender,
        reply=acknowledgement(situation, key),
        pull_from=sender if lacks_material(situation, key) else None,
        peers=situation.peers,
    )


def _shared_applied(situation: Situation, sender: str, key: KmsKey, shared: SharedProperties) -> Step:
    if shared.primary_region == situation.region and not key.is_primary:
        return _primary_taken(situation, sender, key, shared)
    # Whoever says more than we did when we gave the role away has heard it from who has it now.
    settles = key.regional.move is not None
    changes: dict[str, object] = {"state": rest_state(shared, key.regional.imports), "move": None} if settles else {}
    applied = key.with_shared(shared, **changes)
    happenings = [Happening.SHARED_APPLIED]
    if settles:
        happenings.append(Happening.PRIMARY_MOVED)
    if shared.rotation_count > key.shared.rotation_count:
        happenings.append(Happening.ROTATION_COMPLETED)
    # A Region that was primary may still have something to say to one that has left the set since.
    left = moot(*(other for other in key.shared.regions if other not in shared.regions), kinds=OF_A_PRIMARY)
    done = _committed(situation, applied, sender, events=(synchronization(applied),), happenings=tuple(happenings))
    return after_news(key, replace(done, moot=left))


def _primary_taken(situation: Situation, sender: str, key: KmsKey, shared: SharedProperties) -> Step:
    ours = key.shared.replica(situation.region)
    since_version = 0 if ours is None else ours.since_version
    move = PrimaryMove(from_region=sender, to_region=situation.region, since_version=since_version)
    primary = key.with_shared(shared, state=KeyState.UPDATING, move=move)
    done = Step(
        key=primary,
        writes=(PutKey(key=primary),),
        announcements=announce(primary),
        events=(primary_change(primary),),
        happenings=(Happening.PRIMARY_TAKEN,),
        reply_to=sender,
        reply=acknowledgement(situation, primary),
        pull_from=sender if lacks_material(situation, primary) else None,
    )
    return after_news(key, done)


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
        return completed_if_held(replace(situation, key=key), done)
    return replace(done, reply_to=key.shared.primary_region, reply=acknowledgement(situation, key))


# At the primary.


def _acknowledged(situation: Situation, sender: str, message: Synchronized) -> Step:
    key = situation.key
    replica = None if key is None else key.shared.replica(sender)
    if key is None or not key.is_primary or replica is None or message.shared_version < replica.since_version:
        return Step(key=key, peers=situation.peers)
    said = PeerProgress(shared_version=message.shared_version, material_ids=frozenset(message.material_ids))
    known = situation.peers.get(sender, _NOTHING_SAID)
    # Acknowledgements overtake each other; what a Region once had applied or held, it still has.
    said = PeerProgress(
        shared_version=max(known.shared_version, said.shared_version),
        material_ids=known.material_ids | said.material_ids,
    )
    peers = {**situation.peers, sender: said}
    if replica.is_lost and is_acknowledged(key.shared, said):
        return _caught_up(replace(situation, peers=peers), key, replica)
    done = Step(key=key, peers=peers)
    move = key.regional.move
    if move is not None and move.from_region == sender and said.shared_version >= key.shared.shared_version:
        key = key.with_regional(state=rest_state(key.shared, key.regional.imports), move=None)
        done = replace(done, key=key, writes=(PutKey(key=key),), happenings=(Happening.PRIMARY_MOVED,))
    return completed_if_held(replace(situation, key=key, peers=peers), done)


def _caught_up(situation: Situation, key: KmsKey, replica: Replica) -> Step:
    """A lost replica has all that the set has: from now on rotations wait for it again."""
    found = tuple(replace(other, is_lost=False) if other == replica else other for other in key.shared.replicas)
    whole = key.with_shared(key.shared.changed(replicas=found))
    return Step(
        key=whole,
        writes=(PutKey(key=whole),),
        announcements=announce(whole),
        happenings=(Happening.REPLICA_CAUGHT_UP,),
        peers=situation.peers,
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
        pull_from=primary if lacks_material(situation, key) else None,
    )


# Both.


def _gave_role_to(key: KmsKey, region: str) -> bool:
    """True at the old primary when its role is on its way to that Region."""
    move = key.regional.move
    return move is not None and not key.is_primary and move.to_region == region


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
        reply=acknowledgement(situation, key),
        pull_from=sender if lacks_material(situation, key) else None,
        peers=situation.peers,
    )
