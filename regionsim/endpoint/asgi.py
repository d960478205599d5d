"""The ASGI application: a connection's requests as values, each to whoever answers it, and the answers back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from regionsim.endpoint.front import Front
from regionsim.endpoint.http import BadRequest, Hangup, HttpRequest, HttpResponse, Stalled, joined_headers
from regionsim.endpoint.listeners import Connection
from regionsim.kms.errors import RequestEntityTooLargeException

MOST_BODY_BYTES = 1_048_576
ADMIN_PREFIX = "/_regionsim"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Answer = Callable[[HttpRequest], Awaitable[HttpResponse]]


class Application:
    """`front` answers what is for AWS, `admin` what is for whoever breaks the Regions (on the shared port only)."""

    def __init__(self, front: Front, admin: Answer) -> None:
        self._front = front
        self._admin = admin

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request of a connection, from its head to the last byte of its response."""
        assert scope["type"] == "http", f"the server speaks HTTP only, not {scope['type']}"
        connection: Connection = scope["state"]["connection"]
        try:
            response = await self._response(scope, connection, receive)
        except Hangup:
            connection.abort()
            await _disconnected(receive)
            return
        except Stalled:
            # Whoever waits on the shared port keeps others of this connection waiting who want another Region.
            connection.is_stalled = connection.region is not None
            if not connection.is_stalled:
                connection.abort()
            await _disconnected(receive)
            return
        headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.headers.items()]
        headers.append((b"content-length", str(len(response.body)).encode("ascii")))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _response(self, scope: Message, connection: Connection, receive: Receive) -> HttpResponse:
        try:
            body = await _body(receive)
        except BadRequest as bad:
            response = self._front.refused(_request(scope, connection, b""), bad)
            return HttpResponse(
                status=response.status, body=response.body, headers={**response.headers, "connection": "close"}
            )
        request = _request(scope, connection, body)
        try:
            is_admin = request.path == ADMIN_PREFIX or request.path.startswith(f"{ADMIN_PREFIX}/")
            if is_admin and connection.region is None:
                return await self._admin(request)
            return await self._front.answer(request)
        except (Hangup, Stalled):
            raise
        except Exception as error:  # noqa: BLE001 - one of the two edges: a client gets AWS's words, not a traceback
            return self._front.bug(request, error)


def _request(scope: Message, connection: Connection, body: bytes) -> HttpRequest:
    return HttpRequest(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=joined_headers(scope["headers"]),
        body=body,
        region=connection.region,
        source_ip=scope["client"][0] if scope["client"] else "127.0.0.1",
        accepted_ns=connection.accepted_ns,
    )


async def _body(receive: Receive) -> bytes:
    """The whole body. Errors: BadRequest for one over the limit; Hangup when its sender is gone."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Hangup
        part: bytes = message.get("body", b"")
        body = body + part if body else part
        if len(body) > MOST_BODY_BYTES:
            raise BadRequest(RequestEntityTooLargeException("The request body is too large."))
        if not message.get("more_body", False):
            return body


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
