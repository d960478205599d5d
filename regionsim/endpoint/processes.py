"""A world in several processes: this one, the parent, has the shared port, the admin API and the passing of time; each
of its children has some of the Regions, with their ports.

A child that dies takes its Regions along, as a Region's outage does: its ports refuse, and what it had committed is on
the disk. `POST /regions/{name}/start` brings it back.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from regionsim.accounts.changes import IamChange
from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Account
from regionsim.endpoint.carried import carried_request, carried_response, carry_request, carry_response
from regionsim.endpoint.channel import Channel, GoneError
from regionsim.endpoint.chaos import Chaos
from regionsim.endpoint.dispatch import Dispatch
from regionsim.endpoint.edge import Edge
from regionsim.endpoint.folder import DataFolder
from regionsim.endpoint.front import Behind, Front
from regionsim.endpoint.http import Hangup, HttpRequest, HttpResponse
from regionsim.endpoint.keyring import Keyring
from regionsim.endpoint.listeners import bound
from regionsim.endpoint.parent_admin import ParentAdmin
from regionsim.endpoint.settings import ServeSettings
from regionsim.endpoint.world import ready_line
from regionsim.names.mistakes import ConfigError
from regionsim.network.envelope import Envelope
from regionsim.runtime.clock import WallClock
from regionsim.runtime.entropy import OsEntropy
from regionsim.runtime.tasks import Scope, now_ns

_DRAIN_NS = 2_000_000_000
_NS_PER_S = 1_000_000_000
_PATIENCE_MS, _PATIENCE_WITH_FAULTS_MS = 5_000, 50
_END_WITHIN_S = 4.0


class Child:
    """One process with some of the Regions. `is_up` from its boot to its death."""

    def __init__(self, regions: tuple[str, ...]) -> None:
        self.regions = regions
        self.is_up = False
        self._running: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._connections: socket.socket | None = None

    async def start(
        self,
        scope: Scope,
        said: Mapping[str, Any],
        answer: Callable[[Child, str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]],
        on_envelope: Callable[[Envelope], None],
    ) -> None:
        """Run the process until its Regions are booted and their ports are open. Errors: ConfigError."""
        ours, theirs = socket.socketpair()
        self._connections, adopted = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        descriptors = (theirs.fileno(), adopted.fileno())
        command = [sys.executable, "-m", "regionsim.endpoint.child", *map(str, descriptors)]
        self._running = subprocess.Popen(command, pass_fds=descriptors, stdin=subprocess.DEVNULL)
        theirs.close()
        adopted.close()

        async def answered(word: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
            return await answer(self, word, asked)

        self._channel = Channel(ours, scope, answered, on_envelope, self._gone)
        await self._channel.open()
        try:
            begun = await self._channel.ask("begin", **said)
        except GoneError:
            raise ConfigError(f"the process of {', '.join(self.regions)} died before it was up") from None
        if "mistake" in begun:
            raise ConfigError(begun["mistake"])
        self.is_up = True

    async def ask(self, word: str, **said: Any) -> Mapping[str, Any]:
        """The process's answer. Errors: GoneError."""
        if self._channel is None:
            raise GoneError
        return await self._channel.ask(word, **said)

    def send(self, envelope: Envelope) -> None:
        """Let an envelope arrive there; lost while the process is gone."""
        if self.is_up and self._channel is not None:
            self._channel.send(envelope)

    def hand_over(self, accepted: socket.socket) -> bool:
        """Give it a connection; False when it is gone."""
        if not self.is_up or self._connections is None:
            return False
        try:
            socket.send_fds(self._connections, [b"c"], [accepted.fileno()])
        except OSError:
            return False
        return True

    async def stop(self) -> None:
        """Let it end in good order, or kill it when it does not."""
        self.is_up = False
        if self._channel is not None:
            self._channel.close()
        if self._connections is not None:
            self._connections.close()
        if self._running is None:
            return
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, self._running.wait, _END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()

    def _gone(self) -> None:
        self.is_up = False


class ParentIam:
    """IAM as the parent has it: what STS goes by. Every process has its own, and hears of the same changes."""

    def __init__(self, directory: Directory) -> None:
        self.latest = directory

    def change(self, change: IamChange) -> None:
        """Make a change. Errors: ConfigError for what is not there."""
        self.latest = change.applied_to(self.latest)

    def put_account(self, account: Account) -> None:
        """Make an account, or replace one whole."""
        self.latest = self.latest.with_account(account)


class ParentWorld:
    """The world as the parent has it. `tell` hears what a person should know."""

    def __init__(self, settings: ServeSettings, tell: Callable[[str], None]) -> None:
        if settings.plays:
            raise ConfigError("--play plays in one process; leave --processes out")
        self.settings = settings
        self.plan = settings.world()
        self._tell = tell
        self._entropy = OsEntropy()
        self._wall = WallClock()
        self._is_temporary = settings.data is None
        path = Path(tempfile.mkdtemp(prefix="regionsim-")) if settings.data is None else settings.data
        self._folder = DataFolder(path)
        self._scope = Scope("parent", on_failure=self._failed)
        self._changing = asyncio.Lock()
        self._offset_ns = self._folder.read_offset_ns()
        self._keys: dict[str, str] = {}
        self._holders: dict[str, socket.socket] = {}
        self.iam = ParentIam(self.plan.directory)
        self._session_key = b""
        self._keyring: Keyring
        self._new_keyring()
        self._front = Front(self._behind(), self._entropy.stream("front"), self.wall_s)
        self.admin = ParentAdmin(self, self._entropy.stream("admin"))
        self._dispatch: Dispatch | None = None
        count = min(settings.processes, len(self.plan.regions))
        self.children = [Child(self.plan.regions[index::count]) for index in range(count)]

    # Its life.

    async def start(self) -> None:
        """Start every process, then open the shared port. Errors: ConfigError; then nothing is left behind."""
        host = self.settings.address
        try:
            app = Edge(self._front, self.admin.answer)
            self._dispatch = Dispatch(app, host, self.settings.port, self._scope, self._hand_over)
            self._holders = {region: bound(host, 0) for region in self.plan.regions}
            for child in self.children:
                await self._start_child(child)
        except BaseException:  # whatever it is, nothing is left behind, and it goes on
            if self._dispatch is not None:
                self._dispatch.close()
            await self._end()
            raise
        self._dispatch.open()

    async def stop(self) -> None:
        """Take no new connection, let what is under way end, end every process."""
        if self._dispatch is not None:
            self._dispatch.close()
            await self._dispatch.server.drain(_DRAIN_NS)
        await self._end()

    def ready_line(self) -> dict[str, Any]:
        """What a program that started us reads: where everything is."""
        assert self._dispatch is not None, "it has started"
        regions = {region: self._url(holder.getsockname()[1]) for region, holder in self._holders.items()}
        return ready_line(self._url(self._dispatch.number), regions, self.admin.token)

    # What may be done to it.

    def wall_s(self) -> float:
        """The machine's time in seconds since 1970."""
        return self._wall.now_ns() / _NS_PER_S

    def now_ns(self) -> int:
        """The world's time."""
        return self._wall.now_ns() + self._offset_ns

    def directory(self) -> Directory:
        """The accounts as they are now."""
        return self.iam.latest

    def child_of(self, region: str) -> Child:
        """The process that has a Region."""
        return next(child for child in self.children if region in child.regions)

    async def ask_admin(self, child: Child, request: HttpRequest) -> HttpResponse:
        """What a process's own admin API says. Errors: GoneError."""
        said = await child.ask("http", request=carry_request(request), is_admin=True)
        return carried_response(said)

    async def start_region(self, region: str) -> bool:
        """Start the process of a Region anew if it has died; False when it was up."""
        child = self.child_of(region)
        async with self._changing:
            if child.is_up:
                return False
            await child.stop()
            await self._start_child(child)
            return True

    async def reset(self) -> None:
        """An empty world again: every process is started anew."""
        async with self._changing:
            for child in self.children:
                await child.stop()
            self._folder.empty()
            self._keys = {}
            self._offset_ns = 0
            self.iam = ParentIam(self.plan.directory)
            self.admin.forget()
            self._new_keyring()
            for child in self.children:
                await self._start_child(child)

    async def advance(self, duration_ns: int) -> list[dict[str, Any]]:
        """Let that much time pass in every process, from one instant at which anything falls due to the next."""
        async with self._changing:
            end_ns = self.now_ns() + duration_ns
            living = [child for child in self.children if child.is_up]
            for child in living:
                await child.ask("advance_begins")
            due_ns = await self._quiet(living)
            while True:
                is_over = due_ns is None or due_ns > end_ns
                until_ns = end_ns if due_ns is None or is_over else due_ns
                self._keep_offset(max(self._offset_ns, until_ns - self._wall.now_ns()))
                for child in living:
                    await child.ask("advance_to", until_ns=until_ns)
                due_ns = await self._quiet(living)
                if is_over:
                    break
            fired: list[dict[str, Any]] = []
            for child in living:
                fired += (await child.ask("advance_ends"))["fired"]
            return sorted(fired, key=lambda one: str(one["at"]))

    # Inside.

    async def _quiet(self, living: list[Child]) -> int | None:
        """When something next falls due anywhere, once this instant's work is done everywhere and across."""
        began_ns = now_ns()
        quiet_rounds = 0
        while True:
            patience_ms = _PATIENCE_WITH_FAULTS_MS if self.admin.has_faults else _PATIENCE_MS
            said = [await child.ask("quiet", patience_ms=min(patience_ms, 20)) for child in living]
            quiet_rounds = quiet_rounds + 1 if all(one["is_quiet"] for one in said) else 0
            # Twice: what one process sent may have been on its way to another that was asked before.
            if quiet_rounds == 2 or now_ns() - began_ns > patience_ms * 1_000_000:
                return min((one["due_ns"] for one in said if one["due_ns"] is not None), default=None)

    def _keep_offset(self, offset_ns: int) -> None:
        self._offset_ns = offset_ns
        if not self._is_temporary:
            self._folder.write_offset_ns(offset_ns)

    async def _start_child(self, child: Child) -> None:
        said = {
            "ports": {region: self._holders[region].getsockname()[1] for region in child.regions},
            "is_temporary": self._is_temporary,
            "session_key": base64.b64encode(self._session_key).decode("ascii"),
            "settings": self._settings_said(),
        }
        self._folder.write_offset_ns(self._offset_ns)
        await child.start(self._scope, said, self._answer, self._relay)
        for region, key in self._keys.items():
            if region not in child.regions:
                await child.ask("public_key", region=region, key=key)
        await self.admin.repeat_for(child)

    async def _answer(self, child: Child, word: str, said: Mapping[str, Any]) -> Mapping[str, Any]:
        if word == "registered":
            self._keys[said["region"]] = said["key"]
            for other in self.children:
                if other is not child and other.is_up:
                    with contextlib.suppress(GoneError):
                        await other.ask("public_key", region=said["region"], key=said["key"])
            return {}
        request = carried_request(said["request"], accepted_ns=now_ns())
        if word == "admin":
            return carry_response(await self.admin.answer(request))
        assert word == "elsewhere", f"no process asks '{word}'"
        try:
            return carry_response(await self._elsewhere(request, said["region"]))
        except Hangup:
            return {"status": 0}

    async def _elsewhere(self, request: HttpRequest, region: str) -> HttpResponse:
        try:
            said = await self.child_of(region).ask("http", request=carry_request(request), is_admin=False)
        except GoneError:
            raise Hangup from None
        if not said["status"]:
            raise Hangup
        return carried_response(said)

    def _relay(self, envelope: Envelope) -> None:
        self.child_of(envelope.receiver).send(envelope)

    def _hand_over(self, region: str, accepted: socket.socket) -> bool:
        if region not in self._holders:
            return self.children[0].hand_over(accepted)  # it refuses: no such Region
        return self.child_of(region).hand_over(accepted)

    def _behind(self) -> Behind:
        return Behind(
            regions=self.plan.regions,
            door=lambda: None,
            directory=self.directory,
            keyring=lambda: self._keyring,
            chaos=Chaos(self._entropy.stream("chaos")),
            elsewhere=self._elsewhere,
            tell_bug=self._tell,
        )

    def _new_keyring(self) -> None:
        stream = self._entropy.stream("keyring")
        self._session_key = self._folder.session_key(stream)
        self._keyring = Keyring(self.directory, self._session_key, stream, self.wall_s)

    def _settings_said(self) -> dict[str, Any]:
        settings = self.settings

        def text(path: Path | None) -> str | None:
            return None if path is None else str(path)

        return {
            "scenario": None if settings.scenario is None else settings.scenario.path,
            "regions": list(self.plan.regions),
            "accounts": text(settings.accounts),
            "account": settings.account,
            "access_keys": list(settings.access_keys),
            "host": settings.host,
            "data": str(self._folder.path),
            "seal_key": text(settings.seal_key),
            "has_quotas": settings.has_quotas,
            "strict_principals": settings.strict_principals,
            "xks_proxies": list(settings.xks_proxies),
            "attestation_roots": list(settings.attestation_roots),
            "profile": settings.profile,
            "audit_keep_ns": settings.audit_keep_ns,
        }

    def _url(self, number: int) -> str:
        address = self.settings.address
        return f"http://[{address}]:{number}" if ":" in address else f"http://{address}:{number}"

    async def _end(self) -> None:
        for child in self.children:
            await child.stop()
        self._scope.fence()
        await self._scope.closed()
        for holder in self._holders.values():
            holder.close()
        self._folder.close()
        if self._is_temporary:
            shutil.rmtree(self._folder.path, ignore_errors=True)

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, GoneError):
            self._tell(f"a bug of regionsim: {type(error).__name__} in the parent of the Regions' processes")


@asynccontextmanager
async def served_by_processes(settings: ServeSettings, tell: Callable[[str], None]) -> AsyncIterator[ParentWorld]:
    """A world in several processes that is up while the block runs. Errors: ConfigError."""
    world = ParentWorld(settings, tell)
    await world.start()
    try:
        yield world
    finally:
        await world.stop()
