"""A world of several Regions in virtual time, on real files, real links and real HSMs, with every invariant watched."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Account, NamedPolicy, User
from regionsim.authorization.policy import PolicyKind, parse_policy
from regionsim.client.client import Client, Reply
from regionsim.client.settings import ClientSettings
from regionsim.faults.kinds import Fault
from regionsim.faults.verdicts import DiskRule
from regionsim.invariants.settling import settle
from regionsim.invariants.verdicts import Finding
from regionsim.invariants.watch import Watch
from regionsim.kms.errors import KmsError
from regionsim.kms.key import KmsKey
from regionsim.kms.plan import Call
from regionsim.region.region import Region
from regionsim.runtime.tasks import future, now_ns, sleep
from regionsim.runtime.trace import Event, Trace
from regionsim.runtime.virtual_loop import NS_PER_SECOND, run_virtual
from regionsim.simulation.ground import ConnectionKind, virtual_ground
from regionsim.simulation.simulation import Simulation
from regionsim.simulation.world import World

T = TypeVar("T")

ACCOUNT = "111122223333"
US, EU, AP = "us-east-1", "eu-west-1", "ap-southeast-2"
START_NS = 1_767_225_600 * NS_PER_SECOND

_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}


def directory() -> Directory:
    """alice may do everything that a key policy delegates, mallory nothing."""
    policy = NamedPolicy(name="everything", policy=parse_policy(_ALL, kind=PolicyKind.IDENTITY))
    users = {"alice": User(name="alice", policies=(policy,)), "mallory": User(name="mallory")}
    return Directory(accounts={ACCOUNT: Account(account_id=ACCOUNT, users=users)})


@dataclass(kw_only=True)
class Play:
    """A running world, as a test drives it."""

    simulation: Simulation
    watch: Watch
    events: list[Event] = field(default_factory=list)
    _requests: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))
    findings: tuple[Finding, ...] = ()

    def region(self, name: str) -> Region:
        return self.simulation.regions[name]

    def key(self, region: str, key_id: str) -> KmsKey:
        found = self.region(region).state.key(key_id)
        assert found is not None, f"{key_id} is not in {region}"
        return found

    async def call(self, region: str, operation: str, *, caller: str = "alice", **parameters: Any) -> dict[str, Any]:
        """Call at the Region's own door. Errors: KmsError, the refusal."""
        principal = self.simulation.world.directory.principal(ACCOUNT, caller)
        request_id = f"00000000-0000-4000-8000-{next(self._requests):012d}"
        call = Call(operation=operation, parameters=parameters, caller=principal, request_id=request_id)
        replied = future()
        self.region(region).accept(call, lambda reply: replied.done() or replied.set_result(reply))
        reply = await replied
        if isinstance(reply, KmsError):
            raise reply
        return dict(reply or {})

    async def refused(self, region: str, operation: str, *, caller: str = "alice", **parameters: Any) -> KmsError:
        """The refusal of a call that must not succeed."""
        try:
            response = await self.call(region, operation, caller=caller, **parameters)
        except KmsError as refusal:
            return refusal
        raise AssertionError(f"{operation} in {region} succeeded: {sorted(response)}")

    async def client_call(
        self, settings: ClientSettings, operation: str, parameters: Mapping[str, Any], label: str = "test"
    ) -> Reply:
        """Call as an application does, over the network."""
        principal = self.simulation.world.directory.principal(ACCOUNT, "alice")
        return await Client(self.simulation, settings, label).call(operation, parameters, principal)

    async def multi_region_key(self, primary: str, *replicas: str) -> str:
        """A multi-Region key that is Enabled everywhere."""
        created = await self.call(primary, "CreateKey", MultiRegion=True)
        key_id: str = created["KeyMetadata"]["KeyId"]
        for replica in replicas:
            await self.call(primary, "ReplicateKey", KeyId=key_id, ReplicaRegion=replica)
        await self.settled()
        return key_id

    async def settled(self, within_s: float = 60) -> None:
        """Wait until nothing is outstanding between Regions."""
        await self.until(lambda: self.simulation.is_settled, within_s, "the world to settle")

    async def until(self, holds: Callable[[], bool], within_s: float = 60, what: str = "it") -> None:
        """Wait until something holds."""
        deadline = now_ns() + int(within_s * NS_PER_SECOND)
        while not holds():
            assert now_ns() < deadline, f"waited {within_s} s for {what}"
            await sleep(NS_PER_SECOND // 100)

    async def rest(self, seconds: float) -> None:
        await sleep(int(seconds * NS_PER_SECOND))

    def break_with(self, fault: Fault, name: str = "fault") -> None:
        self.simulation.begin_fault(fault, name)

    def heal(self, name: str = "fault") -> None:
        self.simulation.end_fault(name)

    def happened(self, kind: str, region: str | None = None) -> list[Event]:
        return [event for event in self.events if event.kind == kind and region in (None, event.region)]


def play(
    script: Callable[[Play], Awaitable[T]],
    folder: Path,
    *,
    regions: tuple[str, ...] = (US, EU, AP),
    seed: int = 7,
    loss: float = 0.0,
    connection: ConnectionKind = "inline",
    hsm_profile: str = "aws-like",
    has_quotas: bool = False,
    disk_rule: Callable[[str], DiskRule] | None = None,
) -> tuple[T, str]:
    """Run `script` in a world; its result and the trace's digest. Every invariant must hold at the end."""

    async def main() -> tuple[T, str]:
        trace = Trace(now_ns)
        ground = virtual_ground(
            seed=seed,
            start_at_ns=START_NS,
            folder=folder,
            trace=trace,
            connection=connection,
            disk_rule=disk_rule,
        )
        world = World(
            regions=regions,
            directory=directory(),
            start_at_ns=START_NS,
            loss=loss,
            hsm_profile=hsm_profile,
            has_quotas=has_quotas,
        )
        simulation = Simulation(world, ground)
        running = Play(simulation=simulation, watch=Watch(simulation))
        trace.add_sink(running.events.append)
        await simulation.start()
        result = await script(running)
        digest = trace.digest
        await settle(simulation)
        running.findings = await running.watch.conclude()
        await simulation.stop()
        for finding in running.findings:
            assert finding.passed is not False, f"{finding.name}: {finding.detail}"
        return result, digest

    folder.mkdir(parents=True, exist_ok=True)
    return run_virtual(main())
