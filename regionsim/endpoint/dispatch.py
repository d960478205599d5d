"""The shared port of a world in several processes: each connection goes to the process that has its Region.

The parent looks at a connection's first bytes without taking them, and hands the connection itself over; what it then
carries never touches the parent. Connections that name no Region of another process (the admin API, STS, junk) stay.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable

from regionsim.endpoint.connection import Application, Connection, HttpServer
from regionsim.endpoint.listeners import bound
from regionsim.runtime.tasks import Scope, now_ns, sleep

_BACKLOG = 1024
_PEEKED_BYTES = 16_384
_LOOK_AGAIN_NS = 5_000_000
_LOOK_FOR_NS = 2_000_000_000
"""Whoever has not named a Region by then stays with the parent."""

_SCOPE = re.compile(rb"Credential=[^/,&\s]+(?:/|%2F)[0-9]{8}(?:/|%2F)([a-z0-9-]+)(?:/|%2F)kms(?:/|%2F)")
_OWN = re.compile(rb"^[A-Z]+ /_regionsim[/? ]")

HandOver = Callable[[str, socket.socket], bool]
"""Hands a connection for a Region over; False when the process that has it is gone."""


class Dispatch:
    """One listening address. `server` takes what stays."""

    def __init__(self, application: Application, host: str, number: int, scope: Scope, hand_over: HandOver) -> None:
        self.server = HttpServer(application)
        self._scope = scope
        self._hand_over = hand_over
        self._listener = bound(host, number)
        self.number: int = self._listener.getsockname()[1]

    def open(self) -> None:
        """Accept from now on."""
        self._listener.listen(_BACKLOG)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def close(self) -> None:
        """Accept no more."""
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            accepted.setblocking(False)
            self._scope.spawn(self._place(accepted), name="connection")

    async def _place(self, accepted: socket.socket) -> None:
        region = await _named_region(accepted)
        if region is None:
            await self._keep(accepted)
            return
        try:
            if self._hand_over(region, accepted):
                return
        finally:
            accepted.close()

    async def _keep(self, accepted: socket.socket) -> None:
        loop, server = asyncio.get_running_loop(), self.server
        await loop.connect_accepted_socket(lambda: Connection(server, None), accepted)


async def _readable(accepted: socket.socket) -> None:
    """Return when there is something to read, or the other end is gone; who says nothing costs nothing."""
    loop = asyncio.get_running_loop()
    first: asyncio.Future[None] = loop.create_future()
    loop.add_reader(accepted, lambda: None if first.done() else first.set_result(None))
    try:
        await first
    finally:
        loop.remove_reader(accepted)


async def _named_region(accepted: socket.socket) -> str | None:
    """The Region in the signature of a connection's first request; None when there is none to be seen."""
    await _readable(accepted)
    until_ns, looks = now_ns() + _LOOK_FOR_NS, 0
    while now_ns() < until_ns:  # not so many looks: a busy machine would look for long
        try:
            head = accepted.recv(_PEEKED_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            head = b""
        except OSError:
            return None
        found = _SCOPE.search(head)
        if found is not None:
            return found[1].decode("ascii")
        if b"\r\n\r\n" in head or len(head) == _PEEKED_BYTES or _OWN.match(head):
            return None
        await sleep(0 if looks < 3 else _LOOK_AGAIN_NS)
        looks += 1
    return None
