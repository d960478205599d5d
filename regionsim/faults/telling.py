"""Faults told again: as the mapping that reads back to them, and as one short line.

Both go by the table in `words`, so a fault cannot be read and not told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from typing import Any, assert_never

from regionsim.faults.kinds import (
    AzOutage,
    ClockSkew,
    CloudHsmHsmsLost,
    CloudHsmOutage,
    CloudHsmUserLockedOut,
    DiskErrors,
    DiskSlow,
    Fault,
    HsmErrors,
    HsmOffline,
    HsmSlow,
    HsmZeroised,
    LinkDuplicate,
    LinkLoss,
    LinkOneWay,
    LinkReorder,
    LinkSlow,
    OnLink,
    OutageMode,
    Partition,
    RegionOutage,
    Throttle,
    XksProxyErrors,
    XksProxyOutage,
    XksProxySlow,
    XksVpcServiceBroken,
)
from regionsim.faults.words import FAULT_WORDS, Kind, Parameter
from regionsim.names.durations import format_duration


def name_of(fault: Fault) -> str:
    """The word for a fault: `region_outage`."""
    return fault.word


def as_mapping(fault: Fault) -> dict[str, Any]:
    """The mapping that `parse_fault` reads back to an equal fault; JSON and YAML take it as it is."""
    word = FAULT_WORDS[fault.word]
    defaults = {field.name: field.default for field in fields(fault)}
    told = {
        parameter.name: _plain(parameter, getattr(fault, parameter.field))
        for parameter in word.parameters
        if getattr(fault, parameter.field) != defaults[parameter.field]
    }
    if word.wants_one_of and not any(name in told for name in word.wants_one_of):
        short = word.parameter(word.short)
        told[short.name] = _plain(short, getattr(fault, short.field))
    return {word.name: told[word.short] if list(told) == [word.short] else told}


def _plain(parameter: Parameter, value: Any) -> object:
    match parameter.kind:
        case Kind.TWO_REGIONS:
            return list(value)
        case Kind.GROUPS:
            return [list(group) for group in value]
        case Kind.PROBABILITY:
            return format_probability(value)
        case Kind.DURATION | Kind.SKEW:
            return format_duration(value)
        case Kind.CHOICE:
            return value.value
        case Kind.REGION | Kind.FACTOR | Kind.COUNT | Kind.FLAG | Kind.KEEPER:
            return value
        case _:
            assert_never(parameter.kind)


def regions_of(fault: Fault) -> tuple[str, ...]:
    """The Regions that a fault names, as written; none when it is about every link."""
    return tuple(_regions_of(fault))


def _regions_of(fault: Fault) -> Iterator[str]:
    for parameter in FAULT_WORDS[fault.word].parameters:
        value = getattr(fault, parameter.field)
        match parameter.kind:
            case Kind.REGION:
                yield value
            case Kind.TWO_REGIONS:
                yield from value or ()
            case Kind.GROUPS:
                yield from (region for group in value for region in group)
            case _:
                pass


def describe(fault: Fault) -> str:
    """A fault in one short line of ASCII for transcripts: `link_loss 5% us-east-1 <-> eu-west-1`."""
    remark = _remark(fault)
    parts = (fault.word, _amount(fault), _place(fault), f"({remark})" if remark else "")
    return " ".join(part for part in parts if part)


def _place(fault: Fault) -> str:
    regions = regions_of(fault)
    match fault:
        case Partition(groups=groups):
            return " | ".join(" ".join(group) for group in groups)
        case LinkOneWay():
            return " -> ".join(regions)
        case OnLink(is_one_way=is_one_way):
            return (" -> " if is_one_way else " <-> ").join(regions) or "every link"
        case _:
            return " <-> ".join(regions)


def _amount(fault: Fault) -> str:
    """How much, before the place."""
    match fault:
        case LinkLoss() | LinkDuplicate() | LinkReorder() | HsmErrors() | DiskErrors():
            return format_probability(fault.probability)
        case LinkSlow():
            return " ".join(_slowness(fault))
        case HsmSlow(factor=factor) | Throttle(factor=factor):
            return f"x{_stripped(Decimal(repr(factor)))}"
        case XksProxyErrors(answer=answer, probability=probability):
            return answer if probability == 1 else f"{answer} {format_probability(probability)}"
        case XksVpcServiceBroken(state=state):
            return state
        case DiskSlow(latency_ns=latency_ns) | XksProxySlow(latency_ns=latency_ns):
            return f"+{format_duration(latency_ns)}"
        case ClockSkew(skew_ns=skew_ns):
            return f"{'' if skew_ns < 0 else '+'}{format_duration(skew_ns)}"
        case _:
            return ""


def _slowness(fault: LinkSlow) -> Iterator[str]:
    if fault.latency_ns or not (fault.jitter_ns or fault.bandwidth_bytes_per_s):
        yield f"+{format_duration(fault.latency_ns)}"
    if fault.jitter_ns:
        yield f"jitter {format_duration(fault.jitter_ns)}"
    if fault.bandwidth_bytes_per_s is not None:
        yield f"{fault.bandwidth_bytes_per_s} bytes/s"


def _remark(fault: Fault) -> str:
    """What is told in brackets, behind the place."""
    match fault:
        case RegionOutage(mode=OutageMode.REFUSE):
            return "refuse"
        case AzOutage(az=az):
            return f"zone {az}"
        case HsmOffline(hsms=hsms) | HsmZeroised(hsms=hsms) | HsmSlow(hsms=hsms) | HsmErrors(hsms=hsms):
            return _hsms(hsms)
        case XksProxyOutage(proxy=name) | XksProxySlow(proxy=name) | XksProxyErrors(proxy=name):
            return name or ""
        case CloudHsmOutage(cluster=name) | CloudHsmUserLockedOut(cluster=name) | XksVpcServiceBroken(service=name):
            return name or ""
        case CloudHsmHsmsLost(hsms=hsms, cluster=name):
            return ", ".join(part for part in (_hsms(hsms), name) if part)
        case _:
            return ""


def _hsms(hsms: int | None) -> str:
    return "" if hsms is None else f"{hsms} HSM{'' if hsms == 1 else 's'}"


def format_probability(probability: float) -> str:
    """A percentage that `parse_probability` reads back to the same number: `0.1%`."""
    return f"{_stripped(Decimal(repr(probability)).scaleb(2))}%"


def _stripped(number: Decimal) -> str:
    """`0.00003`, `10`: no exponent, no zeros behind the point."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
