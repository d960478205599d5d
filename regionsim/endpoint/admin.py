"""The admin API: what breaks the Regions, moves their time and reads their records while an application runs.

One table of routes; the OpenAPI document is written from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from regionsim.endpoint import guard
from regionsim.endpoint.account_routes import account_routes
from regionsim.endpoint.api import ApiError, Route, json_response, read_request
from regionsim.endpoint.chaos import chaos_routes
from regionsim.endpoint.fault_routes import fault_routes
from regionsim.endpoint.http import HttpRequest, HttpResponse
from regionsim.endpoint.openapi import document
from regionsim.endpoint.record_routes import record_routes
from regionsim.endpoint.world_routes import world_routes
from regionsim.names.mistakes import RegionsimError
from regionsim.runtime.entropy import Stream

if TYPE_CHECKING:
    from regionsim.endpoint.world import LiveWorld

PREFIX = "/_regionsim"
_TOKEN_BYTES = 24


class Admin:
    """The admin API of one world. `token` is what a caller must know; None on loopback."""

    def __init__(self, world: LiveWorld, stream: Stream) -> None:
        self._host = world.settings.address
        self.token = None if world.settings.is_loopback else stream.bytes(_TOKEN_BYTES).hex()
        self._routes: tuple[Route, ...] = (
            *world_routes(world),
            *fault_routes(world),
            *chaos_routes(world.chaos),
            *record_routes(world),
            *account_routes(world.plan.regions, lambda: world.simulation.iam),
            Route(method="GET", path="/", about="every route there is", handler=self._index),
            Route(method="GET", path="/openapi.json", about="this API as an OpenAPI document", handler=self._openapi),
        )

    def __repr__(self) -> str:
        return f"<Admin {len(self._routes)} routes>"

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every route there is."""
        return self._routes

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The response to a request under the API's prefix. Errors: none; a mistake is a response."""
        why_not = guard.refusal_of(request, host=self._host, token=self.token)
        if why_not:
            return json_response(403, {"error": {"what": why_not, "advice": ""}})
        return await self.answer_unguarded(request)

    async def answer_unguarded(self, request: HttpRequest) -> HttpResponse:
        """The same for a request that has passed the guard, in this process or another."""
        try:
            return await self._answer(request)
        except ApiError as mistake:
            return json_response(mistake.status, {"error": {"what": mistake.what, "advice": mistake.advice}})
        except RegionsimError as mistake:
            what, _, advice = str(mistake).partition("; ")
            return json_response(400, {"error": {"what": what, "advice": advice}})

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        path = request.path.removeprefix(PREFIX)
        matches = [(route, held) for route in self._routes if (held := route.match(path)) is not None]
        if not matches:
            raise ApiError(404, f"there is no '{path or '/'}' here", f"{PREFIX}/openapi.json lists what there is")
        for route, held in matches:
            if route.method == request.method:
                value = await route.handler(read_request(request, held))
                return value if isinstance(value, HttpResponse) else json_response(200, value)
        raise ApiError(405, f"{request.method} does not go with '{path}'", f"it takes {_listed(matches)}")

    async def _index(self, request: object) -> dict[str, object]:
        listed = [
            {"method": route.method, "path": f"{PREFIX}{route.path}".rstrip("/"), "about": route.about}
            for route in self._routes
        ]
        return {"routes": listed, "more": f"{PREFIX}/openapi.json says what each takes"}

    async def _openapi(self, request: object) -> dict[str, object]:
        return document(self._routes)


def _listed(matches: Iterable[tuple[Route, object]]) -> str:
    return ", ".join(sorted({route.method for route, _ in matches}))
