"""What one fault does to one thing, as a rule; what it does not act on gets the rule that does nothing."""

from __future__ import annotations

from regionsim.faults.kinds import (
    AzOutage,
    ControlPlaneOutage,
    DiskErrors,
    DiskFull,
    DiskSlow,
    DiskTornWrite,
    Fault,
    HsmErrors,
    HsmOffline,
    HsmSlow,
    HsmZeroised,
    LinkCut,
    LinkDuplicate,
    LinkLoss,
    LinkOneWay,
    LinkReorder,
    LinkSlow,
    Partition,
    Throttle,
)
from regionsim.faults.telling import name_of
from regionsim.faults.verdicts import OPEN_DOOR, OPEN_LINK, SOUND, WORKING, DiskRule, DoorRule, HsmRule, LinkRule
from regionsim.faults.words import ZONES


def zone_of(hsm_index: int) -> int:
    """The availability zone that an HSM stands in, from 1: they are dealt out in turn. Source: ours."""
    return hsm_index % ZONES + 1


def link_rule(fault: Fault, sender: str, receiver: str) -> LinkRule:
    """What a fault does to envelopes from `sender` to `receiver`."""
    cut = LinkRule(cut_by=name_of(fault))
    match fault:
        case LinkCut(between=between):
            return cut if {sender, receiver} == set(between) else OPEN_LINK
        case LinkOneWay():
            return cut if (sender, receiver) == (fault.sender, fault.receiver) else OPEN_LINK
        case Partition(groups=groups):
            return cut if _is_parted(groups, sender, receiver) else OPEN_LINK
        case LinkSlow(latency_ns=delay_ns, jitter_ns=jitter_ns, bandwidth_bytes_per_s=bandwidth):
            rule = LinkRule(delay_ns=delay_ns, jitter_ns=jitter_ns, bandwidth_bytes_per_s=bandwidth)
        case LinkLoss(probability=probability):
            rule = LinkRule(loss=probability)
        case LinkDuplicate(probability=probability):
            rule = LinkRule(duplicate=probability)
        case LinkReorder(probability=probability):
            rule = LinkRule(reorder=probability)
        case _:
            return OPEN_LINK
    return rule if fault.covers(sender, receiver) else OPEN_LINK


def _is_parted(groups: tuple[tuple[str, ...], ...], sender: str, receiver: str) -> bool:
    """True when both are in a group, and not in the same one."""
    sides = [group for group in groups if sender in group or receiver in group]
    return len(sides) > 1


def hsm_rule(fault: Fault, region: str, index: int | None) -> HsmRule:
    """What a fault does to one HSM of a Region; None: to any of them."""
    match fault:
        case AzOutage():
            is_meant = index is None or zone_of(index) == fault.az
            rule = HsmRule(is_offline=True, is_wiped=True)  # their memory does not outlive their power
        case HsmOffline(hsms=hsms):
            is_meant, rule = _is_among(index, hsms), HsmRule(is_offline=True)
        case HsmZeroised(hsms=hsms):
            is_meant, rule = _is_among(index, hsms), HsmRule(is_wiped=True)
        case HsmSlow(hsms=hsms, factor=factor):
            is_meant, rule = _is_among(index, hsms), HsmRule(slow_factor=factor)
        case HsmErrors(hsms=hsms, probability=probability):
            is_meant, rule = _is_among(index, hsms), HsmRule(error=probability)
        case _:
            return SOUND
    return rule if is_meant and fault.region == region else SOUND


def _is_among(index: int | None, hsms: int | None) -> bool:
    """True for one of the first `hsms`; None: for any of all."""
    return index is None or hsms is None or index < hsms


def disk_rule(fault: Fault, region: str) -> DiskRule:
    """What a fault does to operations of a Region's disk."""
    match fault:
        case DiskSlow(latency_ns=latency_ns):
            rule = DiskRule(slow_ns=latency_ns)
        case DiskErrors(probability=probability):
            rule = DiskRule(error=probability)
        case DiskFull():
            rule = DiskRule(is_full=True)
        case DiskTornWrite():
            rule = DiskRule(torn=1.0)
        case _:
            return WORKING
    return rule if fault.region == region else WORKING


def door_rule(name: str, fault: Fault, region: str) -> DoorRule:
    """What the fault of that name does to calls that have reached a Region."""
    match fault:
        case Throttle(factor=factor) if fault.region == region:
            return DoorRule(throttled_by=(name,), quota_factor=factor)
        case ControlPlaneOutage() if fault.region == region:
            return DoorRule(control_plane_out_by=(name,))
        case _:
            return OPEN_DOOR
