"""A process that serves some Regions of a world: `python -m regionsim.endpoint.child CHANNEL CONNECTIONS`.

The two arguments are file descriptors: the channel to the parent, and the socket on which it hands connections of the
shared port over. It does what the parent asks, and ends when the parent is gone.
"""

from __future__ import annotations

import asyncio
import base64
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from regionsim.endpoint.carried import carried_request, carried_response, carry_request, carry_response
from regionsim.endpoint.channel import Channel, GoneError
from regionsim.endpoint.connection import Connection
from regionsim.endpoint.http import Hangup, HttpRequest, HttpResponse, Stalled
from regionsim.endpoint.settings import ServeSettings
from regionsim.endpoint.world import LiveWorld, Share, is_told
from regionsim.hsm.replication_keys import ReplicationRegistry
from regionsim.names.mistakes import RegionsimError
from regionsim.network.envelope import Envelope
from regionsim.region.timers import Fired
from regionsim.runtime.clock import WallClock, format_instant
from regionsim.runtime.loop import run_real_time
from regionsim.runtime.tasks import Scope, now_ns, sleep
from regionsim.scenario.library import find_scenario
from regionsim.scenario.load import load_scenario
from regionsim.simulation.simulation import Part

_Said = Mapping[str, Any]
_TURNS = 20
_POLL_NS = 1_000_000


def main(argv: list[str]) -> None:
    """Serve until the parent says so, or is gone."""
    channel, connections = (socket.socket(fileno=int(number)) for number in argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the parent tells us
    run_real_time(_Child(channel, connections).main())


class _Child:
    """The process's end of the channel, and its share of the world."""

    def __init__(self, channel: socket.socket, connections: socket.socket) -> None:
        self._scope = Scope("child", on_failure=self._failed)
        self._connections = connections
        self._over = asyncio.Event()
        self._channel = Channel(channel, self._scope, self._answer, self._envelope, self._over.set)
        self._registry = ReplicationRegistry(self._registered)
        self._world: LiveWorld | None = None
        self._fired: list[Fired] = []
        self._at_once = ExitStack()
        self._questions: dict[str, Callable[[_Said], Awaitable[_Said]]] = {
            "begin": self._begin,
            "http": self._http,
            "public_key": self._public_key,
            "advance_begins": self._advance_begins,
            "advance_to": self._advance_to,
            "quiet": self._quiet,
            "advance_ends": self._advance_ends,
        }

    async def main(self) -> None:
        """Do what the parent asks until it is gone."""
        await self._channel.open()
        await self._over.wait()
        if self._world is not None:
            asyncio.get_running_loop().remove_reader(self._connections)
            await self._world.stop()
        self._scope.fence()
        await self._scope.closed()

    async def _answer(self, word: str, said: _Said) -> _Said:
        return await self._questions[word](said)

    # Beginning.

    async def _begin(self, said: _Said) -> _Said:
        """Boot, and open the Regions' ports; a mistake is an answer."""
        ports: dict[str, int] = said["ports"]
        share = Share(
            ports=ports,
            is_temporary=said["is_temporary"],
            session_key=base64.b64decode(said["session_key"]),
            part=Part(regions=tuple(ports), send_away=self._channel.send, registry=self._registry),
            elsewhere=self._elsewhere,
            admin=self._admin,
        )
        try:
            world = LiveWorld(_settings(said["settings"]), _tell, share)
            await world.start()
        except RegionsimError as mistake:
            return {"mistake": str(mistake)}
        self._world = world
        self._connections.setblocking(False)
        asyncio.get_running_loop().add_reader(self._connections, self._adopt)
        return {}

    def _adopt(self) -> None:
        """Take connections over that the parent has accepted on the shared port."""
        while True:
            try:
                _, descriptors, _, _ = socket.recv_fds(self._connections, 16, 8)
            except OSError:
                return
            if not descriptors:
                return
            for descriptor in descriptors:
                self._scope.spawn(self._connected(socket.socket(fileno=descriptor)), name="adopt")

    async def _connected(self, accepted: socket.socket) -> None:
        server = self._up.server
        accepted.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: Connection(server, None), accepted)

    # What the parent asks.

    async def _http(self, said: _Said) -> _Said:
        """A request to the admin API, or for a Region here that came in by a connection of another process."""
        request = carried_request(said["request"], accepted_ns=now_ns())
        answer = self._up.admin.answer_unguarded if said["is_admin"] else self._up.front.answer
        try:
            return carry_response(await answer(request))
        except Hangup:
            return {"status": 0}
        except Stalled:
            return {"status": 0}

    async def _elsewhere(self, request: HttpRequest, region: str) -> HttpResponse:
        return await self._ask_parent("elsewhere", region=region, request=carry_request(request))

    async def _admin(self, request: HttpRequest) -> HttpResponse:
        """A connection that began with a Region here may go on with the admin API, which is the parent's."""
        return await self._ask_parent("admin", request=carry_request(request))

    async def _ask_parent(self, word: str, **said_to_it: Any) -> HttpResponse:
        try:
            said = await self._channel.ask(word, **said_to_it)
        except GoneError:
            raise Hangup from None
        if not said["status"]:
            raise Hangup
        return carried_response(said)

    def _envelope(self, envelope: Envelope) -> None:
        if self._world is not None:
            self._world.simulation.regions[envelope.receiver].receive(envelope)

    def _registered(self, region: str, public_key: bytes) -> None:
        key = base64.b64encode(public_key).decode("ascii")
        self._scope.spawn(self._channel.ask("registered", region=region, key=key), name="registered")

    async def _public_key(self, said: _Said) -> _Said:
        self._registry.heard(said["region"], base64.b64decode(said["key"]))
        return {}

    # Time: the parent moves the clocks of all processes on, from one instant at which something falls due to the next.

    async def _advance_begins(self, said: _Said) -> _Said:
        self._fired = []
        simulation = self._up.simulation
        self._at_once.enter_context(simulation.network.at_once())
        simulation.listen_to_fired(self._fired.append)
        return self._due()

    async def _advance_to(self, said: _Said) -> _Said:
        simulation, clock = self._up.simulation, self._up.simulation.clock
        assert isinstance(clock, WallClock), "a live world's clock is the machine's"
        clock.advance(max(0, said["until_ns"] - clock.now_ns()))
        for region in simulation.regions.values():
            region.wake_calendar()
        await self._up.end_what_is_over()
        return {}

    async def _quiet(self, said: _Said) -> _Said:
        """Whether nothing is under way here, after a few turns, or so many milliseconds."""
        for turn in range(_TURNS + int(said["patience_ms"])):
            await sleep(0 if turn < _TURNS else _POLL_NS)
            if turn and self._is_quiet():
                break
        return {"is_quiet": self._is_quiet(), **self._due()}

    async def _advance_ends(self, said: _Said) -> _Said:
        self._at_once.close()
        self._up.simulation.unlisten_to_fired(self._fired.append)
        return {
            "fired": [
                {"at": format_instant(one.due_at_ns), "region": one.region, "what": one.what, "subject": one.subject}
                for one in self._fired
                if is_told(one)
            ]
        }

    def _is_quiet(self) -> bool:
        regions = self._up.simulation.regions.values()
        return all(region.is_calendar_idle and region.unfinished_count == 0 for region in regions if region.is_up)

    def _due(self) -> dict[str, Any]:
        due = [region.next_due_at_ns for region in self._up.simulation.regions.values()]
        due.append(self._up.next_ending_ns())
        return {"due_ns": min((at_ns for at_ns in due if at_ns is not None), default=None)}

    @property
    def _up(self) -> LiveWorld:
        assert self._world is not None, "the parent asks after it has begun"
        return self._world

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, GoneError):
            _tell(f"a bug of regionsim: {type(error).__name__} in a process of Regions")


def _settings(said: _Said) -> ServeSettings:
    """The settings as the parent has them; files are read again."""

    def path(name: str) -> Path | None:
        return None if said[name] is None else Path(said[name])

    return ServeSettings(
        scenario=None if said["scenario"] is None else load_scenario(find_scenario(said["scenario"])),
        regions=None if said["regions"] is None else tuple(said["regions"]),
        accounts=path("accounts"),
        account=said["account"],
        access_keys=tuple(said["access_keys"]),
        host=said["host"],
        data=path("data"),
        seal_key=path("seal_key"),
        has_quotas=said["has_quotas"],
        strict_principals=said["strict_principals"],
        xks_proxies=tuple(said["xks_proxies"]),
        attestation_roots=tuple(said["attestation_roots"]),
        profile=said["profile"],
        audit_keep_ns=said["audit_keep_ns"],
    )


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
