"""Ports that faults can close: the addresses that a server listens on.

A Region's own port is held for as long as the world lives, by a bound socket that never listens: while nothing else
listens there the kernel refuses connections, and nobody can take the port. To let connections hang, the port listens
with a full backlog: the kernel then drops what asks to connect.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

from regionsim.endpoint.connection import Connection, HttpServer
from regionsim.endpoint.door import Access
from regionsim.names.mistakes import ConfigError

_BACKLOG = 1024


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
        for connection in self._server.connections_of(self._region):
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
