"""Routes about faults: the scenario's vocabulary as JSON.

POST /faults {"region_outage": "us-east-1"}
POST /faults {"type": "latency", "link": ["us-east-1", "eu-west-1"], "attributes": {"latency": 1000}}   (toxiproxy's)
POST /faults {"fault": {"region_outage": {"region": "us-east-1", "mode": "refuse"}}, "name": "east", "for": "30m"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from regionsim.endpoint.api import ApiRequest, Route, json_response, refuse
from regionsim.endpoint.http import HttpResponse
from regionsim.endpoint.toxics import TOXIC, Toxic, is_toxic, read_toxic
from regionsim.faults.active import HEAL_ALL
from regionsim.faults.kinds import Fault
from regionsim.faults.mistakes import FaultError
from regionsim.faults.vocabulary import as_mapping, describe, parse_fault
from regionsim.faults.words import ACTED_ON
from regionsim.names.durations import parse_duration
from regionsim.runtime.clock import format_instant

if TYPE_CHECKING:
    from regionsim.endpoint.world import LiveWorld

_EXAMPLE = 'write {"region_outage": "us-east-1"}'
_WITH_MORE = ("fault", "name", "for")


def fault_routes(world: LiveWorld) -> tuple[Route, ...]:
    """The routes, on that world."""

    def told(name: str, fault: Fault) -> dict[str, Any]:
        ends_ns = world.endings.of(name, world.simulation.faults.by_name)
        ends = {} if ends_ns is None else {"ends": format_instant(ends_ns)}
        return {"id": name, "fault": as_mapping(fault), "what": describe(fault), **ends}

    async def listed(request: ApiRequest) -> dict[str, Any]:
        return {"faults": [told(name, fault) for name, fault in world.simulation.faults.by_name.items()]}

    async def begin(request: ApiRequest) -> HttpResponse:
        fault, name, for_ns = _read(request, world.plan.regions)
        if isinstance(fault, Toxic) and fault.after_bytes:
            chosen = world.limit_bytes(fault, name)
            return json_response(201, {**told(chosen, fault.fault), "after_bytes": fault.after_bytes})
        if isinstance(fault, Toxic):
            fault = fault.fault
        chosen = await world.begin_fault(fault, name, for_ns=for_ns)
        return json_response(201, told(chosen, fault))

    async def end(request: ApiRequest) -> dict[str, Any]:
        name = request.path["id"]
        if name in world.limits:
            world.forget_limit(name)
            return {"ended": name}
        if name != HEAL_ALL and name not in world.simulation.faults.by_name:
            refuse(f"no fault '{name}' is on", "GET /_regionsim/faults lists those that are", 404)
        await world.end_fault(name)
        return {"ended": name}

    async def end_all(request: ApiRequest) -> dict[str, Any]:
        for name in tuple(world.limits):
            world.forget_limit(name)
        await world.end_fault(HEAL_ALL)
        return {"ended": HEAL_ALL}

    one = {"type": "object", "properties": {word: {} for word in ACTED_ON}, "minProperties": 1, "maxProperties": 1}
    with_more = {
        "type": "object",
        "properties": {"fault": one, "name": {"type": "string"}, "for": {"type": "string", "examples": ["30m"]}},
        "required": ["fault"],
        "additionalProperties": False,
    }
    return (
        Route(method="GET", path="/faults", about="the faults that are on", handler=listed),
        Route(
            method="POST",
            path="/faults",
            about="switch a fault on; its id ends it, as does `for`, a duration of the world's time",
            handler=begin,
            takes={"anyOf": [one, with_more, TOXIC]},
        ),
        Route(method="DELETE", path="/faults/{id}", about="end a fault (`all`: every one)", handler=end),
        Route(method="DELETE", path="/faults", about="end every fault", handler=end_all),
    )


def _read(request: ApiRequest, regions: tuple[str, ...]) -> tuple[Fault | Toxic, str | None, int | None]:
    """The fault, its name and how long (nanoseconds); None where nothing is said. Errors: ApiError."""
    body = request.body
    if not isinstance(body, Mapping):
        refuse("a fault is a JSON object", _EXAMPLE)
    if is_toxic(body):
        return read_toxic(body, regions), _name(body.get("name")), _duration(body.get("for"))
    extra = {name: value for name, value in body.items() if name in _WITH_MORE}
    said = extra.get("fault", {name: value for name, value in body.items() if name not in _WITH_MORE})
    if "fault" in extra and len(extra) != len(body):
        refuse("beside 'fault' stand 'name' and 'for' only", _EXAMPLE)
    name, for_ns = _name(extra.get("name")), _duration(extra.get("for"))
    try:
        return parse_fault(said, regions=regions), name, for_ns
    except FaultError as mistake:
        refuse(mistake.what, mistake.advice)


def _name(said: Any) -> str | None:
    if said is not None and (not isinstance(said, str) or not said or len(said) > 64 or "/" in said):
        refuse("a name is a text of 1 to 64 characters without a slash", _EXAMPLE)
    return said


def _duration(said: Any) -> int | None:
    if said is None:
        return None
    try:
        return parse_duration(said if isinstance(said, str) else str(said))
    except ValueError as mistake:
        refuse(f"for: {mistake}", 'write {"for": "30m"}')
