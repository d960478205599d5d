"""Sockets and the server on them: uvicorn's HTTP protocol (httptools), with limits, on ports that faults can close.

A Region's own port is held for as long as the world lives, by a bound socket that never listens: while nothing else
listens there the kernel refuses connections, and nobody can take the port. To let connections hang, the port listens
with a full backlog: the kernel then drops what asks to connect.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from regionsim.endpoint.door import Access
from regionsim.names.mistakes import ConfigError
from regionsim.runtime.tasks import now_ns

KEEP_ALIVE_S = 65
"""How long a connection may idle between two requests."""

READ_WITHIN_S = 20.0
"""How long a request may take to arrive, from its first byte to its last; slow ones are cut off."""

MOST_HEAD_BYTES = 65_536
_BACKLOG = 1024
_DATE_EVERY_S = 1.0
_MALFORMED = b'{"__type":"MalformedHttpRequestException","message":"Problems with the request at the HTTP level."}'

_SILENT = logging.getLogger("regionsim.endpoint.http")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False

App = Callable[..., Any]
"""An ASGI application."""


class _Corked:
    """A transport whose writes of one turn of the loop go out together: a response's head and body in one packet."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, part: bytes) -> None:
        """Send it at the end of this turn."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(part)

    def close(self) -> None:
        """Send what waits, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts:
            self._transport.write(b"".join(parts))


class Connection(HttpToolsProtocol):
    """One connection. `region` is the Region whose own port it came in by, None on the shared port."""

    def __init__(self, server: HttpServer, region: str | None) -> None:
        super().__init__(server.config, server.state, {"connection": self})
        self.region = region
        self.accepted_ns = now_ns()
        self.is_stalled = False
        self.access_log = False
        self.logger = _SILENT  # what clients do wrong is answered, not logged
        self._head_bytes: int | None = None
        self._read_timer: asyncio.TimerHandle | None = None

    def abort(self) -> None:
        """Close it at once, whatever is under way."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Write through a cork from the first response on."""
        super().connection_made(cast("asyncio.Transport", _Corked(cast("asyncio.Transport", transport), self.loop)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_read_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("")

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        self._stop_read_timer()
        self._read_timer = self.loop.call_later(READ_WITHIN_S, self.abort)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_read_timer()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets AWS's common error, and the connection is closed."""
        head = (
            f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\n"
            f"content-length: {len(_MALFORMED)}\r\nconnection: close\r\n\r\n"
        )
        self._stop_read_timer()
        self.transport.write(head.encode("ascii") + _MALFORMED)
        self.transport.close()

    def _stop_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None


class HttpServer:
    """What all ports share: the application, the open connections, the date that goes into responses."""

    def __init__(self, app: App) -> None:
        self.config = Config(
            app,
            http=HttpToolsProtocol,
            ws="none",
            lifespan="off",
            proxy_headers=False,  # who calls is who connects, whatever a header says
            log_config=None,
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            server_header=False,
            date_header=False,
        )
        self.config.load()
        self.state = ServerState()
        self._date_timer: asyncio.TimerHandle | None = None
        self._set_date()

    def connections(self, region: str | None) -> list[Connection]:
        """The open connections of a Region's own port, or (None) of the shared port."""
        return [one for one in self.state.connections if isinstance(one, Connection) and one.region == region]

    def all_connections(self) -> list[Connection]:
        """Every open connection."""
        return [one for one in self.state.connections if isinstance(one, Connection)]

    async def drain(self, within_s: float) -> None:
        """Let requests that are under way end, idle connections at once; abort what takes longer."""
        if self._date_timer is not None:
            self._date_timer.cancel()
        for connection in self.all_connections():
            if connection.is_stalled:
                connection.abort()
            else:
                connection.shutdown()
        waited_s, step_s = 0.0, 0.01
        while (self.state.tasks or self.state.connections) and waited_s < within_s:
            await asyncio.sleep(step_s)  # noqa: TID251 - a server's own time, not a node's
            waited_s += step_s
        for connection in self.all_connections():
            connection.abort()
        await asyncio.sleep(0)  # noqa: TID251

    def _set_date(self) -> None:
        self.state.default_headers = [(b"date", formatdate(usegmt=True).encode("ascii"))]
        self._date_timer = asyncio.get_running_loop().call_later(_DATE_EVERY_S, self._set_date)


class Port:
    """One address that can be open, refuse, or let connections hang. `number` 0 takes a free one."""

    def __init__(self, server: HttpServer, host: str, number: int, region: str | None = None) -> None:
        self._server = server
        self._host = host
        self._region = region
        self._access: Access | None = None
        self._listener: asyncio.Server | None = None
        self._clog: list[socket.socket] = []
        self._holder = bound(host, number)
        self.number: int = self._holder.getsockname()[1]

    @property
    def url(self) -> str:
        """`http://127.0.0.1:4599`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.number}"

    async def be(self, access: Access) -> None:
        """Let clients meet that from now on."""
        if access is self._access:
            return
        was, self._access = self._access, access
        self._stop_listening()
        match access:
            case Access.OPEN:
                await self._listen()
                if was is Access.HANGING:
                    self._abort(stalled_only=True)
            case Access.REFUSED:
                self._abort(stalled_only=False)
            case Access.HANGING:
                self._fill_backlog()
            case Access.NAMELESS:
                if was is Access.HANGING:
                    self._abort(stalled_only=True)

    def close(self) -> None:
        """Listen no more, and let the address go."""
        self._stop_listening()
        self._holder.close()

    async def _listen(self) -> None:
        loop, server, region = asyncio.get_running_loop(), self._server, self._region
        listener = await loop.create_server(
            lambda: Connection(server, region), sock=bound(self._host, self.number), backlog=_BACKLOG
        )
        self._listener = listener

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for clogging in self._clog:
            clogging.close()
        self._clog = []

    def _fill_backlog(self) -> None:
        listener = bound(self._host, self.number)
        listener.listen(0)
        self._clog = [listener]
        for _ in range(2):  # one is taken into the backlog, and with it the backlog is full
            filler = socket.socket(listener.family, socket.SOCK_STREAM)
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect((self._host, self.number))
            self._clog.append(filler)

    def _abort(self, *, stalled_only: bool) -> None:
        for connection in self._server.connections(self._region):
            if connection.is_stalled or not stalled_only:
                connection.abort()


def bound(host: str, number: int) -> socket.socket:
    """A socket with that address that does not listen yet. Errors: ConfigError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setblocking(False)
    try:
        bound.bind((host, number))
    except (OSError, OverflowError) as error:
        bound.close()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"cannot listen on {host} port {number}: {reason}") from None
    return bound
