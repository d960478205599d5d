"""The admin API of a world in several processes: what one process would say, put together from what each says.

What changes something goes to every process, the first one first: what it refuses, the others are not asked.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from regionsim.endpoint import guard
from regionsim.endpoint.account_routes import account_routes
from regionsim.endpoint.admin import PREFIX
from regionsim.endpoint.api import ApiError, ApiRequest, Route, json_response, read_request, refuse
from regionsim.endpoint.channel import GoneError
from regionsim.endpoint.http import HttpRequest, HttpResponse
from regionsim.endpoint.openapi import document
from regionsim.endpoint.world_routes import AMOUNT, duration_ns
from regionsim.names.durations import format_duration
from regionsim.names.mistakes import RegionsimError, advice
from regionsim.runtime.clock import format_instant, parse_instant
from regionsim.runtime.entropy import Stream

if TYPE_CHECKING:
    from regionsim.endpoint.processes import Child, ParentWorld

_TOKEN_BYTES = 24
_Answer = Callable[[HttpRequest, ApiRequest], Awaitable[HttpResponse]]


class ParentAdmin:
    """The admin API of the parent. `token` is what a caller must know; None on loopback."""

    def __init__(self, world: ParentWorld, stream: Stream) -> None:
        self._world = world
        self._host = world.settings.address
        self.token = None if world.settings.is_loopback else stream.bytes(_TOKEN_BYTES).hex()
        self._repeated: list[HttpRequest] = []
        """Changes of accounts and rules, for a process that is started anew."""
        self._fault_count = 0
        self._accounts = {
            (route.method, route.path): route for route in account_routes(world.plan.regions, lambda: world.iam)
        }
        self._routes: list[tuple[Route, _Answer]] = []
        self._add_routes()

    @property
    def has_faults(self) -> bool:
        """True while a fault is on: then an instant's work may never end."""
        return self._fault_count > 0

    def forget(self) -> None:
        """The world begins anew."""
        self._repeated, self._fault_count = [], 0

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The response to a request under the API's prefix. Errors: none; a mistake is a response."""
        why_not = guard.refusal_of(request, host=self._host, token=self.token)
        if why_not:
            return json_response(403, {"error": {"what": why_not, "advice": ""}})
        try:
            return await self._answer(request)
        except ApiError as mistake:
            return json_response(mistake.status, {"error": {"what": mistake.what, "advice": mistake.advice}})
        except RegionsimError as mistake:
            what, _, hint = str(mistake).partition("; ")
            return json_response(400, {"error": {"what": what, "advice": hint}})

    async def repeat_for(self, child: Child) -> None:
        """Bring a process that was started anew to where the others are: accounts, rules, faults."""
        for request in self._repeated:
            await self._world.ask_admin(child, request)
        living = [other for other in self._world.children if other.is_up and other is not child]
        if living:
            said = _value(await self._world.ask_admin(living[0], _get("/faults")))
            for fault in said["faults"]:
                body = {"fault": fault["fault"], "name": fault["id"]}
                if "ends" in fault:
                    left_ns = parse_instant(fault["ends"]) - self._world.now_ns()
                    body["for"] = format_duration(max(0, left_ns))
                await self._world.ask_admin(child, _request("POST", "/faults", json.dumps(body).encode("ascii")))

    # Routes.

    def _add_routes(self) -> None:
        def add(method: str, path: str, about: str, answer: _Answer, takes: Mapping[str, Any] | None = None) -> None:
            route = Route(method=method, path=path, about=about, handler=_unused, takes=takes or {})
            self._routes.append((route, answer))

        add("GET", "/health", "whether it serves, Region by Region", self._health)
        add("GET", "/state", "Regions, HSMs, faults and keys as they are now", self._state)
        add("GET", "/time", "the world's time", self._time)
        add("POST", "/time/advance", "let time pass; what falls due is done, in order, and told", self._advance, AMOUNT)
        add("POST", "/reset", "an empty world again", self._reset)
        add("GET", "/metrics", "figures as Prometheus reads them", self._metrics)
        add("GET", "/events", "CloudTrail records, oldest first", self._events)
        add("POST", "/regions/{name}/start", "start the process of a Region anew, if it has died", self._start)
        add("POST", "/policies/explain", "why a request is allowed or denied", self._explain)
        add("GET", "/denials", "the calls that were denied last, the newest first: why", self._denials)
        add("GET", "/faults", "the faults that are on", self._one)
        for method, path, about in (
            ("POST", "/faults", "switch a fault on"),
            ("DELETE", "/faults/{id}", "end a fault (`all`: every one)"),
            ("DELETE", "/faults", "end every fault"),
        ):
            add(method, path, about, self._fault)
        for path, about in (("/chaos/faults", "chaos rules"), ("/chaos/effects", "effects on every call")):
            add("GET", path, f"the {about}", self._one)
            for method in ("POST", "PATCH", "DELETE"):
                add(method, path, f"change the {about}", self._repeated_everywhere)
        add("GET", "/accounts", "accounts, users, roles, access key ids (no secrets)", self._account)
        add("PUT", "/accounts/{id}", "make or replace an account", self._account)
        add("POST", "/iam", "one change of IAM, as a scenario's step makes it", self._account)
        add("GET", "/openapi.json", "this API as an OpenAPI document", self._openapi)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        path = request.path.removeprefix(PREFIX)
        matches = [(route, answer, held) for route, answer in self._routes if (held := route.match(path)) is not None]
        if not matches:
            raise ApiError(404, f"there is no '{path or '/'}' here", f"{PREFIX}/openapi.json lists what there is")
        for route, answer, held in matches:
            if route.method == request.method:
                return await answer(request, read_request(request, held))
        taken = ", ".join(sorted(route.method for route, _, _ in matches))
        raise ApiError(405, f"{request.method} does not go with '{path}'", f"it takes {taken}")

    async def _openapi(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        return json_response(200, document(route for route, _ in self._routes))

    # Of the parent.

    async def _time(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        now_ns = self._world.now_ns()
        ahead_s = now_ns / 1e9 - self._world.wall_s()
        return json_response(200, {"at": format_instant(now_ns), "ahead_seconds": round(max(0.0, ahead_s), 3)})

    async def _advance(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        fired = await self._world.advance(duration_ns(asked))
        await self._count_faults()
        return json_response(200, {"at": format_instant(self._world.now_ns()), "fired": fired})

    async def _reset(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        await self._world.reset()
        return json_response(200, {"status": "ok"})

    async def _start(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        name = asked.path["name"]
        if name not in self._world.plan.regions:
            refuse(f"no such Region: '{name}'", advice(name, self._world.plan.regions), 404)
        return json_response(200, {"region": name, "started": await self._world.start_region(name)})

    async def _account(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        path = request.path.removeprefix(PREFIX)
        route = next(
            one
            for (method, _), one in self._accounts.items()
            if method == request.method and one.match(path) is not None
        )
        value = await route.handler(asked)
        if request.method != "GET":
            await self._repeated_everywhere(request, asked)
        return json_response(200, value)

    # Of the processes.

    async def _one(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        """What any of them says: it is the same in each."""
        for _, response in await self._each(request, most=1):
            return response
        raise ApiError(503, "no Region is up", f"POST {PREFIX}/regions/NAME/start brings one back")

    async def _everywhere(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        first = await self._one(request, asked)
        if first.status < 400:
            await self._each(request, skip=1)
        return first

    async def _repeated_everywhere(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        response = await self._everywhere(request, asked)
        if response.status < 400:
            self._repeated.append(request)
        return response

    async def _fault(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        response = await self._everywhere(request, asked)
        await self._count_faults()
        return response

    async def _count_faults(self) -> None:
        said = _value(await self._one(_get("/faults"), ApiRequest()))
        self._fault_count = len(said.get("faults", ()))

    async def _explain(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        region = asked.body.get("region") if isinstance(asked.body, dict) else None
        if region in self._world.plan.regions and self._world.child_of(region).is_up:
            return await self._world.ask_admin(self._world.child_of(region), request)
        if isinstance(asked.body, dict) and "request_id" in asked.body:
            said = [response for _, response in await self._each(request)]
            return min(said, key=lambda response: response.status, default=await self._one(request, asked))
        return await self._one(request, asked)

    async def _denials(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        said = [response for _, response in await self._each(request)]
        wrong = next((response for response in said if response.status >= 400), None)
        if wrong is not None:
            return wrong
        found = sorted((one for response in said for one in _value(response)["denials"]), key=lambda one: one["at"])
        return json_response(200, {"denials": found[::-1][: int(asked.query.get("limit", "20"))]})

    async def _health(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        said = [_value(response) for _, response in await self._each(request)]
        return json_response(200, {"status": "ok", "regions": self._of_regions(one["regions"] for one in said)})

    async def _state(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        said = [_value(response) for _, response in await self._each(request)]
        first = said[0] if said else {}
        is_whole = all(child.is_up for child in self._world.children)
        return json_response(
            200,
            {
                "at": format_instant(self._world.now_ns()),
                "is_settled": is_whole and all(one["is_settled"] for one in said),
                "regions": self._of_regions(one["regions"] for one in said),
                "faults": first.get("faults", {}),
                "cut_links": first.get("cut_links", []),
                "keys": [key for one in said for key in one["keys"]],
            },
        )

    async def _metrics(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        """The lines of all, those of one figure together."""
        figures: dict[str, list[str]] = {}
        response = HttpResponse(status=503)
        for _, response in await self._each(request):
            for line in response.body.decode("utf-8").splitlines():
                name = line.split()[2] if line.startswith("#") else line.partition("{")[0].split()[0]
                figures.setdefault(name, [])
                if line not in figures[name] and ("{" in line or line.startswith("#") or len(figures[name]) < 3):
                    figures[name].append(line)
        body = "".join(f"{line}\n" for lines in figures.values() for line in lines)
        return HttpResponse(status=response.status, body=body.encode("utf-8"), headers=response.headers)

    async def _events(self, request: HttpRequest, asked: ApiRequest) -> HttpResponse:
        """A page of each, merged; the next page goes on behind the last record that is shown."""
        pages = []
        for _, response in await self._each(request):
            if response.status >= 400:
                return response
            pages.append(_value(response))
        places = sorted(
            (place, record) for page in pages for place, record in zip(page["places"], page["events"], strict=True)
        )
        limit = int(asked.query.get("limit", "100"))
        is_more = len(places) > limit or any(page["next"] is not None for page in pages)
        shown = places[:limit]
        merged = {
            "since": max((page["since"] for page in pages), default=""),
            "events": [record for _, record in shown],
            "places": [place for place, _ in shown],
            "next": shown[-1][0] if is_more and shown else None,
        }
        return json_response(200, merged)

    async def _each(
        self, request: HttpRequest, *, skip: int = 0, most: int | None = None
    ) -> list[tuple[Child, HttpResponse]]:
        said: list[tuple[Child, HttpResponse]] = []
        for child in [child for child in self._world.children if child.is_up][skip:]:
            if most is not None and len(said) >= most:
                break
            try:
                said.append((child, await self._world.ask_admin(child, request)))
            except GoneError:
                continue
        return said

    def _of_regions(self, said: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Region -> what its process says of it, in the world's order; a dead process's Regions are down."""
        found = {name: of for regions in said for name, of in regions.items()}
        down = {"is_up": False, "is_reachable": False}
        return {name: found.get(name, down) for name in self._world.plan.regions}


async def _unused(request: ApiRequest) -> None:
    raise AssertionError("the parent answers by its own table")


def _get(path: str) -> HttpRequest:
    return _request("GET", path, b"")


def _request(method: str, path: str, body: bytes) -> HttpRequest:
    return HttpRequest(method=method, path=PREFIX + path, query="", headers={}, body=body)


def _value(response: HttpResponse) -> Any:
    return json.loads(response.body)
