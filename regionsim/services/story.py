"""Integrated services from Python: a coroutine that asks them, in virtual time, in a world that it can break.

    async def story(world: StoryWorld) -> None:
        key = await world.kms("CreateKey")
        await world.ask("rds", "CreateDBInstance", DBInstanceIdentifier="orders", KmsKeyId=key["KeyMetadata"]["KeyId"])
        await world.wait(days=3)

    run_story(story, regions=["us-east-1", "eu-west-1"])

Source: ours.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Account, NamedPolicy, User
from regionsim.authorization.policy import PolicyKind, parse_policy
from regionsim.client.client import Client
from regionsim.client.settings import ClientSettings
from regionsim.faults.vocabulary import parse_fault
from regionsim.names.mistakes import RegionsimError
from regionsim.runtime.loop import run_virtual
from regionsim.runtime.tasks import now_ns, sleep
from regionsim.runtime.trace import Trace
from regionsim.services.cloud import Cloud
from regionsim.services.premises import ServiceState
from regionsim.services.service import Answered
from regionsim.simulation.ground import virtual_ground
from regionsim.simulation.simulation import Simulation
from regionsim.simulation.world import World

T = TypeVar("T")

ACCOUNT, ADMINISTRATOR = "111122223333", "admin"
_STARTS_AT_NS = 1_767_225_600 * 1_000_000_000  # 2026-01-01T00:00:00Z
_NS_PER_SECOND = 1_000_000_000


class KmsRefusal(RegionsimError):
    """KMS did not do what a story asked it for; `code` is AWS's, or what the connection did."""

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(f"{operation}: {code}" + (f": {message}" if message else ""))
        self.code = code


class StoryWorld:
    """Regions with KMS and the services above it. Who asks is `admin`, unless it is said; where, the first Region."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._cloud = Cloud(simulation)
        self._here = simulation.world.regions[0]

    async def kms(self, operation: str, /, *, by: str = ADMINISTRATOR, at: str = "", **parameters: Any) -> Any:
        """The answer of KMS, with AWS's names. Errors: KmsRefusal."""
        region = at or self._here
        client = Client(self._simulation, ClientSettings(near=region, regions=(region,)), f"story/{by}")
        reply = await client.call(operation, parameters, self._principal(by, region))
        if reply.error is not None:
            raise KmsRefusal(operation, reply.error, reply.message)
        return reply.response or {}

    async def ask(
        self, service: str, operation: str, /, *, by: str = ADMINISTRATOR, at: str = "", **parameters: Any
    ) -> Answered:
        """What became of a request to a service; a refusal is an answer, too. Errors: KeyError for no such request."""
        region = at or self._here
        user = self._principal(by, region)
        return await self._cloud.call(service, operation, user=user, region=region, **parameters)

    async def wait(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Let time pass; it costs no more than what happens meanwhile."""
        total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        await sleep(round(total * _NS_PER_SECOND))

    @contextmanager
    def fault(self, word: str, /, **parameters: Any) -> Iterator[None]:
        """Have a fault while the block runs: `fault("region_outage", region="us-east-1")`. Errors: FaultError."""
        name = self._simulation.begin_fault(parse_fault({word: parameters}))
        try:
            yield
        finally:
            self._simulation.end_fault(name)

    @property
    def states(self) -> Mapping[tuple[str, str, str], ServiceState]:
        """How each resource is that KMS had to do with, by service, Region and name."""
        return {(state.service, state.region, state.resource): state for state in self._cloud.states}

    @property
    def seconds(self) -> float:
        """How long the story has taken so far."""
        return now_ns() / _NS_PER_SECOND

    def _principal(self, by: str, region: str) -> Any:
        return self._simulation.regions[region].directory.principal(ACCOUNT, by)


def run_story(
    story: Callable[[StoryWorld], Awaitable[T]],
    *,
    regions: Sequence[str] = ("us-east-1",),
    seed: int = 1,
    directory: Directory | None = None,
) -> T:
    """Play a story to its end; its result. The same seed plays the same story. Errors: those of the story, ConfigError.

    Without a directory there is one account (111122223333) with an administrator, `admin`, and somebody without any
    permission, `guest`.
    """

    async def play() -> T:
        with tempfile.TemporaryDirectory(prefix="regionsim-") as folder:
            world = World(regions=tuple(regions), directory=directory or _one_account(), start_at_ns=_STARTS_AT_NS)
            ground = virtual_ground(seed=seed, start_at_ns=world.start_at_ns, trace=Trace(now_ns), folder=Path(folder))
            simulation = Simulation(world, ground)
            await simulation.start()
            try:
                return await story(StoryWorld(simulation))
            finally:
                await simulation.stop()

    return run_virtual(play())


def _one_account() -> Directory:
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
    policy = NamedPolicy(name="everything", policy=parse_policy(everything, kind=PolicyKind.IDENTITY))
    users = {ADMINISTRATOR: User(name=ADMINISTRATOR, policies=(policy,)), "guest": User(name="guest")}
    return Directory(accounts={ACCOUNT: Account(account_id=ACCOUNT, users=users)})
