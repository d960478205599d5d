"""Faults of links in toxiproxy's words, as `POST /faults` takes them.

    {"type": "latency", "link": ["us-east-1", "eu-west-1"], "attributes": {"latency": 1000, "jitter": 50}}

`stream` as there: `upstream` is from the first Region to the second, `downstream` (the default) is back; without it the
toxic is on both. `toxicity` is the share of envelopes that it takes, where that makes sense. Links carry envelopes and
not bytes of a stream, so what a toxic does to a connection is done to the link:

    latency    slower, by `latency` ms with a jitter of `jitter` ms       link_slow
    bandwidth  `rate` kilobytes a second                                  link_slow
    slicer     a delay of `delay` us for each slice of `average_size`     link_slow, for an envelope of a kilobyte
    timeout    nothing passes (and the connection would close)            link_cut, link_one_way
    reset_peer the connection is reset: nothing passes                    link_cut, link_one_way
    down       the proxy is not there                                     link_cut, link_one_way
    limit_data nothing passes any more once `bytes` have                  link_cut, link_one_way, from then on

Source: toxiproxy README, "Toxics"; what each becomes on a link is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from regionsim.endpoint.api import refuse
from regionsim.faults.kinds import Fault, LinkCut, LinkLoss, LinkOneWay, LinkSlow
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import advice

_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "latency": ("latency", "jitter"),
    "bandwidth": ("rate",),
    "slicer": ("average_size", "size_variation", "delay"),
    "timeout": ("timeout",),
    "reset_peer": ("timeout",),
    "limit_data": ("bytes",),
    "down": (),
}
_KNOWN = ("type", "link", "attributes", "stream", "toxicity", "name", "for")
_STREAMS = ("upstream", "downstream")
_EXAMPLE = 'write {"type": "latency", "link": ["us-east-1", "eu-west-1"], "attributes": {"latency": 1000}}'
_MOST = 10**12
_NS_PER_MS, _NS_PER_US = 1_000_000, 1_000
_BYTES_PER_KB = 1_000
_ENVELOPE_BYTES = 1_000


TOXIC: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "type": {"enum": list(_ATTRIBUTES)},
        "link": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        "attributes": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
        "stream": {"enum": list(_STREAMS)},
        "toxicity": {"type": "number", "minimum": 0, "maximum": 1},
        "name": {"type": "string"},
        "for": {"type": "string"},
    },
    "required": ["type", "link"],
    "additionalProperties": False,
}
"""The JSON Schema of a toxic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic:
    """What a toxic becomes: a fault, and (limit_data) how many bytes pass before it begins."""

    fault: Fault
    after_bytes: int = 0
    senders: tuple[tuple[str, str], ...] = ()
    """The ways, sender and receiver, whose bytes count."""


def is_toxic(body: Mapping[str, Any]) -> bool:
    """True for a body in toxiproxy's words."""
    return "type" in body


def read_toxic(body: Mapping[str, Any], regions: tuple[str, ...]) -> Toxic:
    """The toxic that a body says. Errors: ApiError."""
    for name in body:
        if name not in _KNOWN:
            refuse(f"a toxic has no '{name}'", advice(name, _KNOWN))
    kind = body["type"]
    if not isinstance(kind, str) or kind not in _ATTRIBUTES:
        refuse(f"there is no toxic '{kind}'", advice(str(kind), _ATTRIBUTES))
    between, is_one_way = _ways(body, regions)
    given = _attributes(kind, body.get("attributes", {}))
    toxicity = body.get("toxicity", 1.0)
    if isinstance(toxicity, bool) or not isinstance(toxicity, int | float) or not 0 <= toxicity <= 1:
        refuse("toxicity is a number from 0 to 1", _EXAMPLE)
    match kind:
        case "latency":
            latency_ns, jitter_ns = given["latency"] * _NS_PER_MS, given["jitter"] * _NS_PER_MS
            fault: Fault = LinkSlow(between=between, is_one_way=is_one_way, latency_ns=latency_ns, jitter_ns=jitter_ns)
        case "bandwidth":
            rate = given["rate"] * _BYTES_PER_KB
            if not rate:
                refuse("a bandwidth of 0 is a cut link", 'write {"type": "down", ...}')
            fault = LinkSlow(between=between, is_one_way=is_one_way, bandwidth_bytes_per_s=rate)
        case "slicer":
            slices = -(-_ENVELOPE_BYTES // max(1, given["average_size"]))
            fault = LinkSlow(between=between, is_one_way=is_one_way, latency_ns=slices * given["delay"] * _NS_PER_US)
        case "limit_data":
            ways = (between,) if is_one_way else (between, between[::-1])
            return Toxic(fault=_cut(between, is_one_way=is_one_way), after_bytes=given["bytes"], senders=ways)
        case _ if toxicity < 1:
            fault = LinkLoss(between=between, is_one_way=is_one_way, probability=float(toxicity))
        case _:
            fault = _cut(between, is_one_way=is_one_way)
    return Toxic(fault=fault)


def _cut(between: tuple[str, str], *, is_one_way: bool) -> Fault:
    return LinkOneWay(sender=between[0], receiver=between[1]) if is_one_way else LinkCut(between=between)


def _ways(body: Mapping[str, Any], regions: tuple[str, ...]) -> tuple[tuple[str, str], bool]:
    """The two Regions in the direction of the stream, and whether only that one is meant."""
    link, stream = body.get("link"), body.get("stream")
    if not isinstance(link, list) or len(link) != 2 or link[0] == link[1]:
        refuse("link names two Regions", _EXAMPLE)
    for region in link:
        if region not in regions:
            refuse(f"'{region}' is not a Region here", advice(str(region), regions))
    if stream is not None and stream not in _STREAMS:
        refuse(f"stream cannot be '{stream}'", advice(str(stream), _STREAMS))
    first, second = link
    return ((second, first) if stream == "downstream" else (first, second)), stream is not None


def _attributes(kind: str, given: Any) -> dict[str, int]:
    """Attribute -> a whole number, 0 where none is given. Errors: ApiError."""
    if not isinstance(given, dict):
        _refuse_attribute(kind)
    for name, value in given.items():
        if name not in _ATTRIBUTES[kind]:
            refuse(f"the toxic '{kind}' has no '{name}'", advice(name, _ATTRIBUTES[kind]))
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
            _refuse_attribute(kind)
    return {name: given.get(name, 0) for name in _ATTRIBUTES[kind]}


def _refuse_attribute(kind: str) -> NoReturn:
    refuse(f"attributes of '{kind}' are whole numbers: {', '.join(_ATTRIBUTES[kind]) or 'none'}", _EXAMPLE)
