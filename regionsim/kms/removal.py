"""The end of a key: its waiting period ends, and what the Regions of its set tell each other about that.

A Region that deletes its replica keeps a tombstone and tells the primary, from its outbox, until the primary has taken
it out of the set. Whoever is asked instead of the primary says where that is; so does any message of a Region that does
not know of the deletion yet, and it is answered with it. A primary whose role was on its way to a replica that is gone
takes it back. When the last replica is gone, the waiting period of a primary
that is PendingReplicaDeletion begins.

Source: KMS Developer Guide, "Deleting multi-Region keys"; the messages are ours.
"""

from __future__ import annotations

from dataclasses import replace

from regionsim.kms.imports import in_its_state, rest_state
from regionsim.kms.key import KeyState, KmsKey, SharedProperties, Tombstone
from regionsim.kms.key_stores import facts_of_membership, facts_of_removal
from regionsim.kms.messages import AnnouncementKind, ReplicaDeleted, ReplicaDeletionNoted, Synchronize
from regionsim.kms.rotation import completed_if_held
from regionsim.kms.situation import Happening, Situation, Step, announce, moot
from regionsim.kms.writes import Announcement, PutKey, PutTombstone, RemoveKey, ServiceEvent, Write

OF_A_PRIMARY = (AnnouncementKind.CREATE, AnnouncementKind.SYNCHRONIZE)
"""What nobody says to a Region that has left the set."""

_DAY_NS = 86_400 * 1_000_000_000


def scheduled_for_deletion(key: KmsKey, window_days: int, now_ns: int) -> KmsKey:
    """The key with its waiting period begun, or, at a primary that has replicas, waiting for their end."""
    if key.shared.replicas and key.is_primary:
        return key.with_regional(state=KeyState.PENDING_REPLICA_DELETION, pending_window_days=window_days)
    return key.with_regional(
        state=KeyState.PENDING_DELETION,
        pending_window_days=window_days,
        deletion_at_ns=now_ns + window_days * _DAY_NS,
    )


def deletion_cancelled(key: KmsKey) -> KmsKey:
    """The key as CancelKeyDeletion leaves it: Disabled, whatever it was before; PendingImport, where imported material
    is gone (ours)."""
    disabled = key.with_regional(state=KeyState.DISABLED, pending_window_days=None, deletion_at_ns=None)
    return in_its_state(disabled)


def waiting_period_ended(situation: Situation, is_removed_outside: bool | None = None) -> Step:
    """The key is deleted, unless that was cancelled or put off meanwhile."""
    key = situation.key
    deletion_at_ns = None if key is None else key.regional.deletion_at_ns
    if key is None or key.state is not KeyState.PENDING_DELETION or deletion_at_ns is None:
        return Step(key=key, peers=situation.peers)
    if situation.now_ns < deletion_at_ns:
        return Step(key=key, peers=situation.peers)
    writes: list[Write] = [RemoveKey(key_id=key.key_id)]
    announcements: tuple[Announcement, ...] = ()
    if key.shared.is_multi_region:
        tombstone = Tombstone(applied_version=key.shared.shared_version, shared=key.shared)
        writes.append(PutTombstone(tombstone=tombstone))
        announcements = _told_to_primary(situation.region, tombstone)
    return Step(
        key=None,
        writes=tuple(writes),
        announcements=announcements,
        # Left over from a time as primary. A replica asked for then is still made: nobody else knows how.
        moot=moot(
            *(other for other in key.shared.regions if other != key.region), kinds=[AnnouncementKind.SYNCHRONIZE]
        ),
        events=(_told(key, is_removed_outside),),
        happenings=(Happening.KEY_DELETED,),
    )


def _told(key: KmsKey, is_removed_outside: bool | None) -> ServiceEvent:
    """DeleteKey, as the trail has it."""
    return ServiceEvent(
        name="DeleteKey",
        key_arn=key.arn,
        account=key.account,
        details={"keyId": key.key_id},
        additional={**facts_of_membership(key), **facts_of_removal(key, is_removed_outside)},
    )


def replica_deleted(situation: Situation, sender: str, message: ReplicaDeleted) -> Step:
    """Another Region says that its replica is gone."""
    key, noted = situation.key, ReplicaDeletionNoted(key_id=message.key_id, shared_version=message.shared_version)
    if key is None:
        return _asked_the_dead(situation, sender, noted)
    if _never_took_the_role(key, sender, message):
        return _taken_back(situation, key, sender, noted)
    replica = key.shared.replica(sender)
    is_gone = replica is None or message.shared_version < replica.since_version
    if is_gone and message.shared_version <= key.shared.shared_version:
        # What waits for a new replica there, or for a new primary, is none of the old one's.
        is_outside = sender not in key.shared.regions
        left_over = moot(sender, kinds=OF_A_PRIMARY) if is_outside else ()
        return Step(key=key, moot=left_over, reply_to=sender, reply=noted, peers=situation.peers)
    if not key.is_primary:
        # The role has moved: the sender learns from this where to.
        return Step(key=key, reply_to=sender, reply=Synchronize(shared=key.shared), peers=situation.peers)
    return _removed(situation, key, sender, noted)


def told_after_deletion(situation: Situation, tombstone: Tombstone, sender: str, shared: SharedProperties) -> Step:
    """A Region that does not know that the key is deleted here says something about it."""
    gone = ReplicaDeleted(key_id=tombstone.key_id, shared_version=tombstone.applied_version)
    is_asking = shared.primary_region in {sender, situation.region} and situation.region in shared.regions
    reply = gone if is_asking else None
    if shared.shared_version <= tombstone.shared.shared_version:
        return Step(key=None, reply_to=sender, reply=reply)
    newer = replace(tombstone, shared=shared)
    others = other_regions(situation, tombstone.shared, shared)
    return Step(
        key=None,
        writes=(PutTombstone(tombstone=newer),),
        announcements=_told_to_primary(situation.region, newer),
        moot=moot(*(other for other in others if other != shared.primary_region), kinds=[AnnouncementKind.REMOVE]),
        reply_to=sender,
        reply=reply,
    )


def deletion_noted(situation: Situation, sender: str, message: ReplicaDeletionNoted) -> Step:
    """Our deleted replica is in the set no more."""
    tombstone = situation.tombstone
    if situation.key is not None or tombstone is None or message.shared_version < tombstone.applied_version:
        return Step(key=situation.key, peers=situation.peers)
    others = other_regions(situation, tombstone.shared)
    return Step(key=None, moot=moot(sender, *others, kinds=[AnnouncementKind.REMOVE]))


def _asked_the_dead(situation: Situation, sender: str, noted: ReplicaDeletionNoted) -> Step:
    """There is no key here either: say where its primary went, or that nobody has the replica in a set."""
    tombstone = situation.tombstone
    known = None if tombstone is None else tombstone.shared.replica(sender)
    if known is not None and noted.shared_version < known.since_version:
        return Step(key=None, reply_to=sender, reply=noted)  # of an earlier replica there, and long since known
    is_elsewhere = tombstone is not None and tombstone.shared.primary_region != situation.region
    reply = Synchronize(shared=tombstone.shared) if tombstone is not None and is_elsewhere else noted
    return Step(key=None, moot=moot(sender, kinds=OF_A_PRIMARY), reply_to=sender, reply=reply)


def _never_took_the_role(key: KmsKey, sender: str, message: ReplicaDeleted) -> bool:
    """True at the old primary when the replica that the role is on its way to was deleted before that arrived."""
    move = key.regional.move
    if move is None or key.is_primary or move.to_region != sender:
        return False
    return move.since_version <= message.shared_version < key.shared.shared_version


def _taken_back(situation: Situation, key: KmsKey, region: str, noted: ReplicaDeletionNoted) -> Step:
    """The primary again, as if it had never given the role away, and without the Region that it gave it to."""
    rest = tuple(replica for replica in key.shared.replicas if replica.region != situation.region)
    shared = key.shared.changed(primary_region=situation.region, replicas=rest)
    primary = key.with_shared(shared, state=rest_state(shared, key.regional.imports), move=None)
    done = Step(
        key=primary,
        writes=(PutKey(key=primary),),
        announcements=announce(primary),
        moot=moot(region, kinds=OF_A_PRIMARY),
        happenings=(Happening.PRIMARY_TAKEN, Happening.REPLICA_REMOVED),
        reply_to=region,
        reply=noted,
    )
    return completed_if_held(replace(situation, key=primary, peers={}), done)


def _removed(situation: Situation, key: KmsKey, region: str, noted: ReplicaDeletionNoted) -> Step:
    rest = tuple(replica for replica in key.shared.replicas if replica.region != region)
    smaller = key.with_shared(key.shared.changed(replicas=rest))
    if key.regional.move is not None and key.regional.move.from_region == region:
        # It had given us its role and heard that we have it; only its word for that was lost.
        state = rest_state(smaller.shared, smaller.regional.imports)
        smaller = replace(smaller, regional=replace(smaller.regional, state=state, move=None))
    if key.state is KeyState.PENDING_REPLICA_DELETION and not rest:
        days = key.regional.pending_window_days or 0
        regional = replace(
            smaller.regional,
            state=KeyState.PENDING_DELETION,
            deletion_at_ns=situation.now_ns + days * _DAY_NS,
        )
        smaller = replace(smaller, regional=regional)
    peers = {other: said for other, said in situation.peers.items() if other != region}
    done = Step(
        key=smaller,
        writes=(PutKey(key=smaller),),
        announcements=announce(smaller),
        moot=moot(region, kinds=OF_A_PRIMARY),
        happenings=(Happening.REPLICA_REMOVED,),
        reply_to=region,
        reply=noted,
        peers=peers,
    )
    return completed_if_held(replace(situation, key=smaller, peers=peers), done)


def other_regions(situation: Situation, *known: SharedProperties) -> tuple[str, ...]:
    """The Regions of these sets, without ours; in a fixed order."""
    regions = dict.fromkeys(region for shared in known for region in shared.regions)
    return tuple(region for region in regions if region != situation.region)


def _told_to_primary(region: str, tombstone: Tombstone) -> tuple[Announcement, ...]:
    primary = tombstone.shared.primary_region
    assert primary is not None, "only a multi-Region key leaves a tombstone"
    if primary == region:
        return ()
    message = ReplicaDeleted(key_id=tombstone.key_id, shared_version=tombstone.applied_version)
    return (Announcement(destination=primary, message=message),)
