"""Routes about the whole world: is it well, how does it stand, let time pass, begin again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from regionsim.endpoint.api import ApiRequest, Route, refuse
from regionsim.endpoint.figures import prometheus_text
from regionsim.endpoint.http import HttpResponse
from regionsim.names.durations import parse_duration
from regionsim.runtime.clock import format_instant
from regionsim.snapshot import RegionGlance

if TYPE_CHECKING:
    from regionsim.endpoint.world import LiveWorld

_UNITS = ("days", "hours", "minutes", "seconds", "duration")
_LONGEST_NS = 36_525 * 86_400 * 1_000_000_000
_NS_PER_US = 1_000


def world_routes(world: LiveWorld) -> tuple[Route, ...]:
    """The routes, on that world."""

    def route(method: str, path: str, about: str, handler: _Handler, takes: Mapping[str, Any] | None = None) -> Route:
        return Route(method=method, path=path, about=about, handler=partial(handler, world), takes=takes or {})

    return (
        route("GET", "/health", "whether it serves, Region by Region", _health),
        route("GET", "/state", "Regions, HSMs, faults and keys as they are now", _state),
        route("GET", "/time", "the world's time", _time),
        route("POST", "/time/advance", "let time pass; what falls due is done, in order, and told", _advance, AMOUNT),
        route("POST", "/reset", "an empty world again", _reset),
        route("GET", "/metrics", "figures as Prometheus reads them", _metrics),
    )


_Handler = Callable[..., Awaitable[Any]]

AMOUNT: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        **{unit: {"type": "number", "minimum": 0} for unit in _UNITS[:-1]},
        "duration": {"type": "string", "examples": ["366d", "1d3h"]},
    },
    "minProperties": 1,
    "additionalProperties": False,
}


async def _health(world: LiveWorld, request: ApiRequest) -> dict[str, Any]:
    glance = world.simulation.glance()
    regions = {
        name: {"is_up": region.is_up, "is_reachable": region.is_reachable} for name, region in glance.regions.items()
    }
    return {"status": "ok", "regions": regions}


async def _state(world: LiveWorld, request: ApiRequest) -> dict[str, Any]:
    glance = world.simulation.glance()
    return {
        "at": format_instant(world.simulation.clock.now_ns()),
        "is_settled": world.simulation.is_settled,
        "regions": {name: _region(region) for name, region in glance.regions.items()},
        "faults": dict(glance.faults),
        "cut_links": sorted(map(list, glance.cut_links)),
        "keys": _keys(world),
    }


async def _time(world: LiveWorld, request: ApiRequest) -> dict[str, Any]:
    now_ns = world.simulation.clock.now_ns()
    ahead_s = (now_ns / 1e9) - world.wall_s()
    return {"at": format_instant(now_ns), "ahead_seconds": round(max(0.0, ahead_s), 3)}


async def _advance(world: LiveWorld, request: ApiRequest) -> dict[str, Any]:
    fired = await world.advance(duration_ns(request))
    return {
        "at": format_instant(world.simulation.clock.now_ns()),
        "fired": [
            {"at": format_instant(one.due_at_ns), "region": one.region, "what": one.what, "subject": one.subject}
            for one in fired
        ],
    }


async def _reset(world: LiveWorld, request: ApiRequest) -> dict[str, Any]:
    await world.reset()
    return {"status": "ok"}


async def _metrics(world: LiveWorld, request: ApiRequest) -> HttpResponse:
    headers = {"content-type": "text/plain; version=0.0.4; charset=utf-8"}
    states = () if world.player is None else world.player.service_states
    return HttpResponse(status=200, body=prometheus_text(world.simulation, states).encode("utf-8"), headers=headers)


def duration_ns(request: ApiRequest) -> int:
    """How long to advance; a mistake is told with what may be written."""
    given = request.members(*_UNITS)
    example = 'write {"days": 366} or {"duration": "1d3h"}'
    if not given:
        refuse("how long?", example)
    total_ns = 0
    for unit, value in given.items():
        if unit == "duration":
            if not isinstance(value, str):
                refuse("duration is a text, like 1d3h", example)
            try:
                total_ns += parse_duration(value)
            except ValueError as mistake:
                refuse(str(mistake), example)
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 10**12:
            refuse(f"{unit} is a number, 0 or more", example)
        else:
            total_ns += timedelta(**{unit: 1}) // timedelta(microseconds=1) * round(value * _NS_PER_US)
    if total_ns > _LONGEST_NS:
        refuse("at most 36525 days at once", example)
    return total_ns


def _region(region: RegionGlance) -> dict[str, Any]:
    return {
        "is_up": region.is_up,
        "is_reachable": region.is_reachable,
        "keys": region.key_count,
        "hsms": list(region.hsms),
        "requests": region.requests,
        "refused": region.refused,
        "denied": region.denied,
        "throttled": region.throttled,
        "hsm_jobs": region.hsm_jobs,
        "unfinished": region.unfinished_count,
        "unavailable_seconds": region.unavailable_ns / 1e9,
        "replication_lag_p99_ms": None if region.lag_p99_ns is None else region.lag_p99_ns / 1e6,
    }


_MOST_KEYS_SHOWN = 1_000


def _keys(world: LiveWorld) -> list[dict[str, Any]]:
    """The keys of each Region, the first thousand of it: no material, ever."""
    return [
        {
            "region": name,
            "key_id": key.key_id,
            "arn": key.arn,
            "account": key.account,
            "state": key.regional.state.value,
            "spec": key.shared.spec.value,
            "primary": key.shared.primary_region,
            "replicas": list(key.shared.replica_regions) if key.shared.is_multi_region else [],
            "rotations": key.shared.rotation_count,
        }
        for name in world.simulation.regions
        for key in world.simulation.keys_in(name, offset=0, count=_MOST_KEYS_SHOWN)
    ]
