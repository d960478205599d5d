"""The edge of the endpoint: each request to whoever answers it, and the one place here that catches everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from regionsim.endpoint.front import Front
from regionsim.endpoint.http import BadRequest, Hangup, HttpRequest, HttpResponse, Stalled
from regionsim.kms.errors import RequestEntityTooLargeException

ADMIN_PREFIX = "/_regionsim"

Answer = Callable[[HttpRequest], Awaitable[HttpResponse]]


class Edge:
    """`front` answers what is for AWS, `admin` what is for whoever breaks the Regions (on the shared port only)."""

    def __init__(self, front: Front, admin: Answer) -> None:
        self._front = front
        self._admin = admin

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The response. Errors: Hangup, Stalled: none, because of a fault."""
        try:
            if request.path != "/" and request.region is None and _is_for_admin(request.path):
                return await self._admin(request)
            return await self._front.answer(request)
        except (Hangup, Stalled):
            raise
        except Exception as error:  # noqa: BLE001 - one of the two edges: a client gets AWS's words, not a traceback
            return self._front.bug(request, error)

    def too_large(self, request: HttpRequest) -> HttpResponse:
        """The response to a request whose body is over the limit; it is given without that body."""
        return self._front.refused(
            request, BadRequest(RequestEntityTooLargeException("The request body is too large."))
        )


def _is_for_admin(path: str) -> bool:
    return path == ADMIN_PREFIX or path.startswith(f"{ADMIN_PREFIX}/")
