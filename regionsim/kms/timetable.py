"""What falls due for a key by itself, and when; all of it follows from the key's committed state.

Source: KMS Developer Guide, "Rotate AWS KMS keys", "Deleting AWS KMS keys" and "Importing key material"; the wait for
replicas is ours.
"""

from __future__ import annotations

from enum import StrEnum

from regionsim.kms.imports import earliest_expiry_ns
from regionsim.kms.key import KeyState, KmsKey
from regionsim.kms.rotation import rotation_due_at_ns

REPLICA_WAIT_NS = 24 * 3_600 * 1_000_000_000
"""How long a rotation waits for a replica before it counts as lost, where nobody says otherwise."""

GRACE_AFTER_BOOT_NS = 3_600 * 1_000_000_000
"""How long, at least, it waits after the primary's hosts have booted."""


class DueKind(StrEnum):
    """What can fall due for a key."""

    ROTATION = "rotation"
    DELETION = "deletion"
    REPLICAS_OVERDUE = "replicas_overdue"
    MATERIAL_EXPIRY = "material_expiry"


def of(key: KmsKey, replica_wait_ns: int) -> dict[DueKind, int]:
    """What is due for the key, and when (nanoseconds since 1970); what is past is due now."""
    due: dict[DueKind, int] = {}
    rotation_at_ns = rotation_due_at_ns(key)
    if rotation_at_ns is not None:
        due[DueKind.ROTATION] = rotation_at_ns
    if key.state is KeyState.PENDING_DELETION and key.regional.deletion_at_ns is not None:
        due[DueKind.DELETION] = key.regional.deletion_at_ns
    pending = key.shared.pending_material
    if pending is not None and key.is_primary and not key.shared.is_imported:
        due[DueKind.REPLICAS_OVERDUE] = pending.created_at_ns + replica_wait_ns
    expiry_at_ns = earliest_expiry_ns(key)
    if expiry_at_ns is not None:
        due[DueKind.MATERIAL_EXPIRY] = expiry_at_ns
    return due
