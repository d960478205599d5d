"""Rotation: when new material is due, when it becomes current, and for whom it waits.

The primary (or a single-Region key) makes new material. Nobody uses it until every Region of the set holds it: then the
primary makes it current and announces that. A replica that has not acknowledged it for as long as a rotation waits is
marked lost; from then on no rotation waits for it, until it has caught up.

The calendar: the first automatic rotation is one period after it was enabled, the next ones each a period later. It
waits while the key cannot be used, and while another rotation is open; a key that comes back more than a day late is
rotated at once, and then a period after that.

Source: KMS Developer Guide, "Rotate AWS KMS keys"; how long AWS waits for a replica is not published, and what happens
then is ours.
"""

from __future__ import annotations

from dataclasses import replace

from regionsim.kms.key import AutomaticRotation, KeyMaterial, KeyState, KmsKey, RotationType, SharedProperties
from regionsim.kms.situation import Happening, Situation, Step, announce
from regionsim.kms.writes import PutKey, ServiceEvent

DEFAULT_PERIOD_DAYS = 365
SHORTEST_PERIOD_DAYS = 90
LONGEST_PERIOD_DAYS = 2560

AUTOMATIC_SOON_NS = 20 * 60 * 1_000_000_000
"""A rotation on demand is refused when an automatic one begins within 20 minutes. Source: KMS API Reference,
RotateKeyOnDemand (ConflictException)."""

_DAY_NS = 86_400 * 1_000_000_000


def automatic_rotation(period_days: int, now_ns: int) -> AutomaticRotation:
    """The calendar of a key whose automatic rotation is enabled (again) now."""
    return AutomaticRotation(period_days=period_days, next_at_ns=now_ns + period_days * _DAY_NS)


def rotation_due_at_ns(key: KmsKey) -> int | None:
    """When the key's next automatic rotation falls due; None while none can begin."""
    calendar = key.shared.automatic_rotation
    if calendar is None or key.is_replica or key.state is not KeyState.ENABLED:
        return None
    return None if key.shared.pending_material is not None else calendar.next_at_ns


def start_rotation(key: KmsKey, material: KeyMaterial, now_ns: int) -> KmsKey:
    """The primary (or a single-Region key) with new material: current at once when nobody else must hold it first."""
    changes: dict[str, object] = {}
    calendar = key.shared.automatic_rotation
    if material.rotation_type is RotationType.ON_DEMAND:
        changes["on_demand_rotation_count"] = key.shared.on_demand_rotation_count + 1
    elif calendar is not None:
        changes["automatic_rotation"] = _following(calendar, now_ns)
    if any(not replica.is_lost for replica in key.shared.replicas):
        return key.with_shared(key.shared.changed(pending_material=material, **changes))
    return key.with_shared(_made_current(key.shared, material, now_ns, **changes))


def happenings_of_start(rotated: KmsKey) -> tuple[Happening, ...]:
    """What `start_rotation` made happen."""
    is_open = rotated.shared.pending_material is not None
    return (Happening.ROTATION_STARTED,) if is_open else (Happening.ROTATION_STARTED, Happening.ROTATION_COMPLETED)


def events_of_start(rotated: KmsKey, key: KmsKey) -> tuple[ServiceEvent, ...]:
    """CloudTrail's RotateKey when `start_rotation` was all that it took."""
    is_open = rotated.shared.pending_material is not None
    return () if is_open else (rotation_event(rotated, key.shared.current_material_id),)


def completed_if_held(situation: Situation, done: Step) -> Step:
    """`done`, with the open rotation completed when every Region that it waits for holds its material."""
    key = situation.key
    pending = None if key is None else key.shared.pending_material
    if key is None or pending is None or pending.material_id not in situation.held or key.shared.is_imported:
        return done
    if any(_is_awaited(situation, region, pending.material_id) for region in key.shared.replica_regions):
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


def replicas_overdue(situation: Situation) -> Step:
    """The open rotation goes on without those who have not acknowledged its material."""
    key = situation.key
    pending = None if key is None else key.shared.pending_material
    if key is None or pending is None or not key.is_primary:
        return Step(key=key, peers=situation.peers)
    awaited = (region for region in key.shared.replica_regions if _is_awaited(situation, region, pending.material_id))
    return _lost(situation, key, tuple(awaited))


def declared_lost(situation: Situation, region: str) -> Step:
    """No rotation waits for that Region any more, on an operator's word."""
    key = situation.key
    replica = None if key is None else key.shared.replica(region)
    if key is None or not key.is_primary or replica is None or replica.is_lost:
        return Step(key=key, peers=situation.peers)
    return _lost(situation, key, (region,))


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


def _following(calendar: AutomaticRotation, now_ns: int) -> AutomaticRotation:
    is_late = now_ns - calendar.next_at_ns > _DAY_NS
    begun_at_ns = now_ns if is_late else calendar.next_at_ns
    return automatic_rotation(calendar.period_days, begun_at_ns)


def _made_current(shared: SharedProperties, material: KeyMaterial, now_ns: int, **changes: object) -> SharedProperties:
    current = replace(material, rotated_at_ns=now_ns)
    return shared.changed(materials=(*shared.materials, current), current_material_id=material.material_id, **changes)


def _is_awaited(situation: Situation, region: str, material_id: str) -> bool:
    """True when a rotation to that material waits for that replica's Region."""
    assert situation.key is not None, "a rotation is of a key"
    replica, peer = situation.key.shared.replica(region), situation.peers.get(region)
    assert replica is not None, f"{region} is in the set"
    return not replica.is_lost and (peer is None or material_id not in peer.material_ids)


def _lost(situation: Situation, key: KmsKey, regions: tuple[str, ...]) -> Step:
    if not regions:
        return Step(key=key, peers=situation.peers)
    marked = tuple(
        replace(replica, is_lost=True) if replica.region in regions else replica for replica in key.shared.replicas
    )
    marked_key = key.with_shared(key.shared.changed(replicas=marked))
    done = Step(
        key=marked_key,
        writes=(PutKey(key=marked_key),),
        announcements=announce(marked_key),
        happenings=(Happening.REPLICA_LOST,) * len(regions),
        peers=situation.peers,
    )
    return completed_if_held(replace(situation, key=marked_key), done)
