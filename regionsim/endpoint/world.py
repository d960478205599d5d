"""A world that is served: its simulation in real time, its ports, and what whoever breaks it may do to it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import field
from pathlib import Path
from typing import Any

from regionsim.accounts.directory import Directory
from regionsim.endpoint.admin import Admin
from regionsim.endpoint.chaos import Chaos
from regionsim.endpoint.connection import HttpServer
from regionsim.endpoint.denials import Denials
from regionsim.endpoint.door import Access, Door
from regionsim.endpoint.edge import ADMIN_PREFIX, Edge
from regionsim.endpoint.endings import Endings
from regionsim.endpoint.folder import DataFolder
from regionsim.endpoint.front import Behind, Front
from regionsim.endpoint.http import HttpRequest, HttpResponse
from regionsim.endpoint.keyring import Keyring
from regionsim.endpoint.limits import ByteLimit
from regionsim.endpoint.listeners import Port
from regionsim.endpoint.policy_warnings import PolicyWarnings
from regionsim.endpoint.settings import ServeSettings
from regionsim.endpoint.toxics import Toxic
from regionsim.faults.kinds import Fault
from regionsim.faults.mistakes import FaultError
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError
from regionsim.region.calendar import DOMAIN_KEY
from regionsim.region.timers import Fired
from regionsim.runtime.clock import NS_PER_MINUTE, WallClock
from regionsim.runtime.entropy import OsEntropy
from regionsim.runtime.tasks import Scope, sleep
from regionsim.scenario.metrics import Ledger
from regionsim.scenario.play import Player
from regionsim.scenario.transcript import WATCHED, Transcript
from regionsim.simulation.ground import live_ground
from regionsim.simulation.simulation import Part, Simulation
from regionsim.store.errors import StoreError

_DRAIN_NS = 2_000_000_000
_TRIM_EVERY_NS = NS_PER_MINUTE
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a process has of a world that several serve: its Regions with their ports, and the way to the others.

    `elsewhere` asks another process; `admin` asks the parent, whose admin API is that of the whole world.
    """

    ports: Mapping[str, int]
    is_temporary: bool
    session_key: bytes = field(repr=False)
    part: Part
    elsewhere: Callable[[HttpRequest, str], Awaitable[HttpResponse]]
    admin: Callable[[HttpRequest], Awaitable[HttpResponse]]


class LiveWorld:
    """One served world, or a share of it. `tell` hears what a person should know, a line or more of text."""

    def __init__(self, settings: ServeSettings, tell: Callable[[str], None], share: Share | None = None) -> None:
        self.settings = settings
        self.plan = settings.world()
        self._tell = tell
        self._share = share
        self._entropy = OsEntropy()
        self._wall = WallClock()
        self._is_temporary = settings.data is None if share is None else share.is_temporary
        path = Path(tempfile.mkdtemp(prefix="regionsim-")) if settings.data is None else settings.data
        self._folder = DataFolder(path, is_locked=share is None)
        self._changing = asyncio.Lock()
        self._opening = asyncio.Lock()
        self._scope = Scope("endpoint", on_failure=self._task_failed)
        self._marks: list[tuple[int, int]] = []
        self.audit_since_ns = 0
        self.limits: dict[str, ByteLimit] = {}
        """The links that will be cut once so many bytes have passed, by the name of the fault that will do it."""
        self.endings = Endings()
        self.denials: Denials
        self.simulation: Simulation
        self.door: Door
        self.keyring: Keyring
        self.chaos = Chaos(self._entropy.stream("chaos"))
        self.front = Front(self._behind(), self._entropy.stream("front"), self.wall_s)
        self.admin = Admin(self, self._entropy.stream("admin"))
        self.player: Player | None = None
        """Who plays the scenario's timeline, if anybody does."""
        self.server: HttpServer
        self.shared: Port | None = None
        self.ports: dict[str, Port] = {}

    # Its life.

    async def start(self) -> None:
        """Boot the Regions, then open the ports. Errors: ConfigError; then nothing is left behind."""
        try:
            host, share = self.settings.address, self._share
            self.server = HttpServer(Edge(self.front, self.admin.answer if share is None else share.admin))
            if share is None:
                self.shared = Port(self.server, host, self.settings.port)
            numbers = dict.fromkeys(self.plan.regions, 0) if share is None else share.ports
            self.ports = {region: Port(self.server, host, number, region) for region, number in numbers.items()}
            await self._boot()
        except BaseException:  # whatever it is, nothing is left behind, and it goes on
            self._let_go()
            raise
        await self.apply_access()
        self._scope.spawn(self._trim_for_ever(), name="trim")
        if self.settings.plays:
            self._scope.spawn(self._play(), name="play")

    async def stop(self) -> None:
        """Take no new connection, let what is under way end, close the Regions."""
        self._close_ports()
        await self.server.drain(_DRAIN_NS)
        self._scope.fence()
        await self._scope.closed()
        await self._end()
        self._let_go()

    def ready_line(self) -> dict[str, Any]:
        """What a program that started us reads: where everything is."""
        assert self.shared is not None, "a share of a world has no line of its own"
        return ready_line(self.shared.url, {name: port.url for name, port in self.ports.items()}, self.admin.token)

    # What may be done to it.

    def directory(self) -> Directory:
        """The accounts as they are now."""
        return self.simulation.iam.latest

    def wall_s(self) -> float:
        """The machine's time in seconds since 1970."""
        return self._wall.now_ns() / _NS_PER_S

    async def reset(self) -> None:
        """An empty world again: no key, no record, no fault, no session, the machine's own time."""
        async with self._changing:
            await self._end()
            if self._share is None:
                self._folder.empty()
            else:
                self._folder.empty_of(self._share.part.regions)
            self.chaos.clear()
            self.limits.clear()
            await self._boot()
        await self.apply_access()

    async def advance(self, duration_ns: int) -> tuple[Fired, ...]:
        """Let that much time pass in the world; what fell due, in order. Faults end on their way."""
        async with self._changing:
            clock = self.simulation.clock
            fired: list[Fired] = []
            end_ns = clock.now_ns() + duration_ns
            while (next_ns := self.next_ending_ns()) is not None and next_ns <= end_ns:
                fired += await self.simulation.advance(max(0, next_ns - clock.now_ns()))
                await self.end_what_is_over()
            fired += await self.simulation.advance(max(0, end_ns - clock.now_ns()))
            return tuple(one for one in fired if is_told(one))

    async def begin_fault(self, fault: Fault, name: str | None = None, *, for_ns: int | None = None) -> str:
        """Switch a fault on, and return when clients meet it; its name ends it. `for_ns`: of the world's time.

        Errors: FaultError when the name is taken.
        """
        chosen = self.simulation.begin_fault(fault, name)
        await self.apply_access()
        if for_ns is not None:
            self.endings.add(chosen, fault, self.simulation.clock.now_ns() + for_ns)
            self._scope.call_later_ns(for_ns, self._fault_over, chosen, fault)
        return chosen

    def next_ending_ns(self) -> int | None:
        """When, by the world's clock, the next fault ends by itself."""
        return self.endings.next_ns(self.simulation.faults.by_name)

    async def end_what_is_over(self) -> None:
        """End the faults whose time is over, and return when clients meet them no more."""
        for name in self.endings.over(self.simulation.clock.now_ns(), self.simulation.faults.by_name):
            await self.end_fault(name)

    async def end_fault(self, name: str) -> None:
        """Switch a fault off, or all of them (`all`), and return when clients meet it no more. Errors: FaultError."""
        self.simulation.end_fault(name)
        await self.simulation.lives_ended()
        await self.apply_access()

    def limit_bytes(self, toxic: Toxic, name: str | None) -> str:
        """Cut a link as soon as so many bytes have been put on it; the name that undoes it, before or after.

        Errors: FaultError when the name is taken.
        """
        chosen = name or self.simulation.faults.free_name(toxic.fault)
        if chosen in self.limits:
            raise FaultError((), f"a fault named '{chosen}' is on already", "give it another name, or end the first")
        self.simulation.faults.add(chosen, toxic.fault)  # refuses a name that is taken
        self.limits[chosen] = ByteLimit(toxic, self.simulation, chosen)
        return chosen

    def forget_limit(self, name: str) -> None:
        """End a byte limit, and the fault that it has become."""
        self.limits.pop(name).lift()

    def _fault_over(self, name: str, fault: Fault) -> None:
        if self.simulation.faults.by_name.get(name) is fault:  # else it was ended before, and another has its name
            self.simulation.end_fault(name)

    async def apply_access(self) -> None:
        """Let every Region's port be as the faults that are on want it; the shared port is always open."""
        self.door.look_again()
        async with self._opening:
            if self.shared is not None:
                await self.shared.be(Access.OPEN)
            for region, port in self.ports.items():
                await port.be(self.door.access(region))

    # Inside.

    def _behind(self) -> Behind:
        return Behind(
            regions=self.plan.regions,
            door=lambda: self.door,
            directory=self.directory,
            keyring=lambda: self.keyring,
            chaos=self.chaos,
            elsewhere=_nowhere if self._share is None else self._share.elsewhere,
            tell_bug=self._tell,
        )

    async def _boot(self) -> None:
        share, keeps_clock = self._share, self._share is None and not self._is_temporary
        clock = WallClock(
            offset_ns=self._folder.read_offset_ns(),
            on_advance=self._folder.write_offset_ns if keeps_clock else None,
        )
        stream = self._entropy.stream("keyring")
        key = self._folder.session_key(stream) if share is None else share.session_key
        self.keyring = Keyring(self.directory, key, stream, self.wall_s)
        ground = live_ground(
            self._folder.path, sealing_key=self.settings.seal_key, clock=clock, is_durable=not self._is_temporary
        )
        self.audit_since_ns = clock.now_ns()
        self._marks = []
        self.simulation = Simulation(self.plan, ground, None if share is None else share.part)
        self.denials = Denials(clock)
        self.simulation.on_refusal(self.denials.heard)
        self.simulation.on_key(PolicyWarnings(self._tell).watch)
        self.door = Door(self.simulation, self._faults_changed)
        try:
            await self.simulation.start()
        except StoreError as error:
            raise ConfigError(f"the disk under '{self._folder.path}' does not serve: {error}") from None

    async def _end(self) -> None:
        self.door.close()
        await self.simulation.stop()
        self.simulation.close_hsms()

    def _close_ports(self) -> None:
        for port in (self.shared, *self.ports.values()):
            if port is not None:
                port.close()

    def _let_go(self) -> None:
        self._close_ports()
        self._folder.close()
        if self._is_temporary and self._share is None:
            shutil.rmtree(self._folder.path, ignore_errors=True)

    def _faults_changed(self) -> None:
        if not self._scope.is_fenced:
            self._scope.spawn(self.apply_access(), name="access")

    def _task_failed(self, error: BaseException) -> None:
        self._tell(f"a bug of regionsim: {type(error).__name__} in the endpoint")

    async def _play(self) -> None:
        """Play the scenario's timeline, and tell it as it happens."""
        scenario = self.settings.scenario
        assert scenario is not None, "the settings refuse it"
        transcript = Transcript(
            scenario.world.regions, lambda line: self._tell(str(line)), operations=scenario.asked_operations
        )
        self.simulation.trace.add_sink(transcript.watch, WATCHED)
        player = self.player = Player(scenario, self.simulation, Ledger(), transcript)
        await player.play()
        failed = [result for result in player.results if not result.passed]
        what = f"{len(failed)} of {len(player.results)} expectations failed" if failed else "all expectations held"
        self._tell(f"the timeline has been played: {what}; the Regions go on")

    async def _trim_for_ever(self) -> None:
        """Forget records that are older than what is kept, by the machine's clock: `advance` ages nothing."""
        while True:
            await sleep(min(_TRIM_EVERY_NS, max(_NS_PER_S, self.settings.audit_keep_ns // 4)))
            now_ns, world_ns = self._wall.now_ns(), self.simulation.clock.now_ns()
            self._marks.append((now_ns, world_ns))
            old = [mark for mark in self._marks if mark[0] <= now_ns - self.settings.audit_keep_ns]
            if not old:
                continue
            self._marks = self._marks[len(old) :]
            before_ns = old[-1][1]
            for region in self.simulation.regions.values():
                if region.is_up:
                    with contextlib.suppress(StoreError):
                        await region.store.drop_audit(before_ns)
            self.audit_since_ns = max(self.audit_since_ns, before_ns)


def is_told(fired: Fired) -> bool:
    """Whether it is news to who lets time pass: HSM domain keys are renewed daily in every Region, unseen."""
    return fired.what != DOMAIN_KEY


def ready_line(shared: str, ports: Mapping[str, str], token: str | None) -> dict[str, Any]:
    """What a program that started a server reads: where everything is."""
    line: dict[str, Any] = {"ready": True, "endpoint": shared, "regions": dict(ports), "admin": shared + ADMIN_PREFIX}
    return line if token is None else {**line, "token": token}


async def _nowhere(request: HttpRequest, region: str) -> HttpResponse:
    raise AssertionError(f"{region} is served by no other process")


@asynccontextmanager
async def served(settings: ServeSettings, tell: Callable[[str], None]) -> AsyncIterator[LiveWorld]:
    """A world that is up while the block runs. Errors: ConfigError."""
    world = LiveWorld(settings, tell)
    await world.start()
    try:
        yield world
    finally:
        await world.stop()
