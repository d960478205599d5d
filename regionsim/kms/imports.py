"""Imported key material: which Region holds what of it, and what follows for the state of a key.

The owner brings material to every Region of a set, to the primary first. A key is usable in a Region only while that
Region holds every material that the key is permanently made of; one that is deleted, or has expired, leaves it
PendingImport until the same material is imported again. Material for the next rotation waits at the primary
(`pending_material`) until every replica has it, too: each tells the primary so from its outbox (`MaterialImported`).
What the primary drops of it is dropped by its replicas.

Source: KMS Developer Guide, "Importing key material" and "Importing key material into multi-Region keys"; the messages,
and that a replica which loses the waiting material again still counts as having had it, are ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from regionsim.kms.key import Import, KeyMaterial, KeyState, KmsKey, RotationType, SharedProperties
from regionsim.kms.messages import AnnouncementKind, MaterialImported, MaterialImportNoted, Synchronize
from regionsim.kms.situation import Happening, Situation, Step, announce, moot
from regionsim.kms.writes import Announcement, PutKey, RemoveToken, ServiceEvent, Write

LONGEST_VALIDITY_DAYS = 365
TOKEN_HOURS = 24
"""How long a wrapping key and its import token can be used."""

_MOVABLE = frozenset({KeyState.ENABLED, KeyState.DISABLED, KeyState.PENDING_IMPORT})


class MaterialState(StrEnum):
    """`KeyMaterialState` of ListKeyRotations."""

    CURRENT = "CURRENT"
    NON_CURRENT = "NON_CURRENT"
    PENDING_ROTATION = "PENDING_ROTATION"
    PENDING_ELSEWHERE = "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"


def is_complete(shared: SharedProperties, imports: tuple[Import, ...]) -> bool:
    """True when every material that the key is permanently made of is there, and there is one."""
    held = {known.material_id for known in imports}
    return bool(shared.materials) and all(known.material_id in held for known in shared.materials)


def rest_state(shared: SharedProperties, imports: tuple[Import, ...]) -> KeyState:
    """Where a key is when nothing is under way with it."""
    return KeyState.ENABLED if not shared.is_imported or is_complete(shared, imports) else KeyState.PENDING_IMPORT


def in_its_state(key: KmsKey) -> KmsKey:
    """The key (no new version) in the state that its imports leave it in."""
    if not key.shared.is_imported or key.state not in _MOVABLE:
        return key
    state = rest_state(key.shared, key.regional.imports)
    if state is KeyState.ENABLED and key.state is KeyState.DISABLED:
        return key
    return replace(key, regional=replace(key.regional, state=state))


def earliest_expiry_ns(key: KmsKey) -> int | None:
    """When the first imported material here expires; None when none does."""
    return _earliest(key.regional.imports)


def permanent_expiry_ns(key: KmsKey) -> int | None:
    """The same, of the materials that the key is permanently made of (`ValidTo` of its metadata)."""
    permanent = {material.material_id for material in key.shared.materials}
    return _earliest(known for known in key.regional.imports if known.material_id in permanent)


def material_state(shared: SharedProperties, material: KeyMaterial) -> MaterialState:
    """What a material is to its key."""
    if material.material_id == shared.current_material_id:
        return MaterialState.CURRENT
    if material == shared.pending_material and shared.is_imported:
        return MaterialState.PENDING_ROTATION if is_everywhere(shared, material) else MaterialState.PENDING_ELSEWHERE
    return MaterialState.NON_CURRENT


def is_everywhere(shared: SharedProperties, material: KeyMaterial) -> bool:
    """True when every replica has told of that waiting material."""
    return all(region in material.imported_in for region in shared.replica_regions)


def with_import(key: KmsKey, imported: Import, shared: SharedProperties) -> KmsKey:
    """The next version of the key, with a material imported here (again)."""
    others = tuple(known for known in key.regional.imports if known.material_id != imported.material_id)
    return in_its_state(key.with_shared(shared, imports=(*others, imported)))


def without_imports(key: KmsKey, material_ids: frozenset[str]) -> KmsKey:
    """The next version of the key, those materials not held here any more.

    At the primary, or a key of one Region, material that waits for its rotation is then the key's no more.
    """
    kept = tuple(known for known in key.regional.imports if known.material_id not in material_ids)
    shared, pending = key.shared, key.shared.pending_material
    if pending is not None and pending.material_id in material_ids and not key.is_replica:
        shared = shared.changed(pending_material=None)
    return in_its_state(key.with_shared(shared, imports=kept))


def rotated_to_pending(key: KmsKey, now_ns: int) -> KmsKey:
    """The next version of the key, its waiting material current."""
    pending = key.shared.pending_material
    assert pending is not None, "only waiting material becomes current"
    current = replace(pending, rotated_at_ns=now_ns, rotation_type=RotationType.ON_DEMAND, imported_in=())
    shared = key.shared.changed(
        materials=(*key.shared.materials, current),
        current_material_id=current.material_id,
        pending_material=None,
        on_demand_rotation_count=key.shared.on_demand_rotation_count + 1,
    )
    return in_its_state(key.with_shared(shared))


def material_expired(situation: Situation) -> Step:
    """What has expired by now is deleted; the key is PendingImport, unless it is pending deletion."""
    key = situation.key
    past = () if key is None else tuple(known for known in key.regional.imports if _is_past(known, situation.now_ns))
    if key is None or not past:
        return Step(key=key, peers=situation.peers)
    left = without_imports(key, frozenset(known.material_id for known in past))
    has_shared_change = left.shared.shared_version > key.shared.shared_version
    return Step(
        key=left,
        writes=(PutKey(key=left), *_removals(key, past)),
        announcements=announce(left) if has_shared_change else (),
        events=tuple(_expiry(key, known) for known in past),
        happenings=(Happening.MATERIAL_EXPIRED,),
        peers=situation.peers,
    )


# What the Regions of a set tell each other about waiting material.


def told_to_primary(key: KmsKey, material_id: str) -> tuple[Announcement, ...]:
    """A replica has imported a material: what its primary is told, when that waits for it."""
    pending, primary = key.shared.pending_material, key.shared.primary_region
    if not key.is_replica or primary is None or pending is None or pending.material_id != material_id:
        return ()
    if key.region in pending.imported_in:
        return ()
    message = MaterialImported(key_id=key.key_id, shared_version=key.shared.shared_version, material_id=material_id)
    return (Announcement(destination=primary, message=message),)


def after_news(before: KmsKey, done: Step) -> Step:
    """`done`, which has applied newer shared properties of a key with imported material, with what follows for its
    imports: what the primary has dropped goes, what waits is told to who is primary now."""
    key = done.key
    if key is None or not key.shared.is_imported:
        return done
    known = {material.material_id for material in key.shared.all_materials}
    gone = tuple(held for held in key.regional.imports if held.material_id not in known)
    kept = tuple(held for held in key.regional.imports if held.material_id in known)
    settled = in_its_state(replace(key, regional=replace(key.regional, imports=kept)))
    pending = key.shared.pending_material
    is_held = pending is not None and any(held.material_id == pending.material_id for held in kept)
    told = told_to_primary(settled, pending.material_id) if pending is not None and is_held else ()
    destinations = {announcement.destination for announcement in told}
    silent = (other for other in before.shared.regions if other != key.region and other not in destinations)
    return replace(
        done,
        key=settled,
        writes=(*_with_key(done.writes, settled), *_removals(key, gone)),
        announcements=(*done.announcements, *told),
        moot=(*done.moot, *moot(*silent, kinds=[AnnouncementKind.IMPORT])),
    )


def replica_imported(situation: Situation, sender: str, message: MaterialImported) -> Step:
    """A replica says that it has material which waits for its rotation."""
    key, noted = situation.key, MaterialImportNoted(key_id=message.key_id, material_id=message.material_id)
    if key is None:
        return Step(key=None, reply_to=sender, reply=noted)
    if not key.is_primary:
        # The role has moved: the sender learns from this where to.
        return Step(key=key, reply_to=sender, reply=Synchronize(shared=key.shared), peers=situation.peers)
    pending, replica = key.shared.pending_material, key.shared.replica(sender)
    is_of_this_replica = replica is not None and replica.since_version <= message.shared_version
    is_awaited = pending is not None and pending.material_id == message.material_id and is_of_this_replica
    if pending is None or not is_awaited or sender in pending.imported_in:
        return Step(key=key, reply_to=sender, reply=noted, peers=situation.peers)
    waiting = replace(pending, imported_in=(*pending.imported_in, sender))
    told = key.with_shared(key.shared.changed(pending_material=waiting))
    return Step(
        key=told,
        writes=(PutKey(key=told),),
        announcements=announce(told),
        reply_to=sender,
        reply=noted,
        peers=situation.peers,
    )


def import_noted(situation: Situation, sender: str, message: MaterialImportNoted) -> Step:
    """The primary knows that we have that material."""
    key = situation.key
    pending = None if key is None else key.shared.pending_material
    is_late = pending is not None and pending.material_id != message.material_id
    kinds = () if is_late else (AnnouncementKind.IMPORT,)
    return Step(key=key, moot=moot(sender, kinds=kinds), peers=situation.peers)


def _earliest(imports: Iterable[Import]) -> int | None:
    return min((known.valid_to_ns for known in imports if known.valid_to_ns is not None), default=None)


def _with_key(writes: tuple[Write, ...], key: KmsKey) -> tuple[Write, ...]:
    return tuple(PutKey(key=key) if isinstance(write, PutKey) else write for write in writes)


def _removals(key: KmsKey, gone: tuple[Import, ...]) -> tuple[RemoveToken, ...]:
    return tuple(RemoveToken(key_id=key.key_id, material_id=known.material_id) for known in gone)


def _is_past(known: Import, now_ns: int) -> bool:
    return known.valid_to_ns is not None and known.valid_to_ns <= now_ns


def _expiry(key: KmsKey, known: Import) -> ServiceEvent:
    details = {"keyId": key.key_id, "keyMaterialId": known.material_id}
    return ServiceEvent(name="DeleteExpiredKeyMaterial", key_arn=key.arn, account=key.account, details=details)
