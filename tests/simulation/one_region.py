"""One Region (or a few) in virtual time, for tests: real SQLite, real HSMs, callers by name.

    @one_region()
    async def test_a_key_is_enabled(kms: OneRegion) -> None:
        key = await kms.create_key("alice")
        ...

The decorated test takes `tmp_path` instead of `kms`; other parameters stay. Two accounts: HOME with `alice` (IAM allows
her everything), `bob` (IAM allows him nothing), `role/app` (nothing); AWAY with `zoe` (everything), `yann` (nothing).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Account, NamedPolicy, Role, User
from regionsim.authorization.circumstances import NONE, Circumstances
from regionsim.authorization.policy import Policy, PolicyKind, parse_policy
from regionsim.authorization.principals import Principal
from regionsim.faults.verdicts import DiskDraws, DiskOutcome, DiskVerdict
from regionsim.hsm.keeper_plans import NO_PLANS, KeeperPlans
from regionsim.kms.errors import KmsError
from regionsim.kms.key import KeyState, KmsKey
from regionsim.kms.plan import Call
from regionsim.kms.writes import PutKey, Write
from regionsim.names.ids import new_uuid
from regionsim.region.audit_entry import AuditEntry
from regionsim.region.audit_record import records
from regionsim.region.region import Region, Reply
from regionsim.region.wire import unpack_audit
from regionsim.runtime import tasks
from regionsim.runtime.loop import run_virtual
from regionsim.runtime.trace import Event, Trace
from regionsim.simulation.ground import virtual_ground
from regionsim.simulation.simulation import Simulation
from regionsim.simulation.world import World
from regionsim.store.disk import PASS, Access, SimulatedDisk
from regionsim.store.values import Commit

HOME = "111122223333"
AWAY = "444455556666"
HERE = "us-east-1"
SECOND = 1_000_000_000
START_NS = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z

ALLOW_ALL = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}


def identity_policy(*statements: Mapping[str, object]) -> Policy:
    return parse_policy({"Version": "2012-10-17", "Statement": list(statements)}, kind=PolicyKind.IDENTITY)


def directory_of_two_accounts(*, extra: Sequence[Account] = ()) -> Directory:
    """HOME and AWAY as the module says, and the accounts given besides."""
    everything = (NamedPolicy(name="everything", policy=identity_policy(ALLOW_ALL)),)
    home = Account(
        account_id=HOME,
        users={"alice": User(name="alice", policies=everything), "bob": User(name="bob")},
        roles={"app": Role(name="app")},
    )
    away = Account(account_id=AWAY, users={"zoe": User(name="zoe", policies=everything), "yann": User(name="yann")})
    return Directory(accounts={account.account_id: account for account in (home, away, *extra)})


class OneRegion:
    """The world of one test. `region` is its first Region."""

    def __init__(self, world: World, folder: Path) -> None:
        self._disk_verdict = PASS
        self._commits_to_break: int | None = None
        self.events: list[Event] = []
        trace = Trace(tasks.now_ns)
        trace.add_sink(self.events.append)
        ground = virtual_ground(seed=7, start_at_ns=world.start_at_ns, trace=trace, folder=folder)
        self._stream = ground.entropy.stream("test")

        def faults(access: Access, draws: DiskDraws) -> DiskVerdict:
            return self._commit_verdict() if access is Access.COMMIT else PASS

        def new_disk(region: str) -> SimulatedDisk:
            return SimulatedDisk(ground.entropy.stream(f"disk/{region}"), faults=faults)

        self.simulation = Simulation(world, replace(ground, new_disk=new_disk))
        self.region: Region = self.simulation.regions[world.regions[0]]

    # Callers.

    def principal(self, spelling: str) -> Principal:
        """`alice` of HOME, `444455556666/zoe` or just `zoe` of AWAY, `role/app`, `root`."""
        account = AWAY if spelling in ("zoe", "yann") else HOME
        return self.region.directory.principal(account, spelling)

    def give(self, user: str, *statements: Mapping[str, object], name: str = "given") -> None:
        """Put an identity policy on a user, in every Region's copy of IAM."""
        principal = self.principal(user)
        for region in self.simulation.regions.values():
            region.directory = region.directory.with_user_policy(
                principal.account, principal.name, name, identity_policy(*statements)
            )

    # Calls.

    def call_of(
        self, by: str, operation: str, parameters: Mapping[str, Any], circumstances: Circumstances = NONE
    ) -> Call:
        return Call(
            operation=operation,
            parameters=parameters,
            caller=self.principal(by),
            request_id=new_uuid(self._stream.bytes(16)),
            circumstances=circumstances,
        )

    async def brings(
        self, by: str, circumstances: Mapping[str, Any], operation: str, /, **parameters: Any
    ) -> dict[str, Any]:
        """The response to a call that brings condition values along. Errors: KmsError, the refusal."""
        given = {name.lower(): value for name, value in circumstances.items()}
        return dict(await self.region.call(self.call_of(by, operation, parameters, given)) or {})

    async def call(self, by: str, operation: str, /, *, at: str | None = None, **parameters: Any) -> dict[str, Any]:
        """The response ({} for an empty body). Errors: KmsError, the refusal."""
        region = self.region if at is None else self.simulation.regions[at]
        response = await region.call(self.call_of(by, operation, parameters))
        return dict(response or {})

    async def refusal(self, by: str, operation: str, /, *, at: str | None = None, **parameters: Any) -> KmsError:
        """The refusal that the call must meet."""
        try:
            response = await self.call(by, operation, at=at, **parameters)
        except KmsError as refusal:
            return refusal
        raise AssertionError(f"{operation} was not refused: {response}")

    async def answer(self, by: str, operation: str, /, **parameters: Any) -> str:
        """`ok`, or the refusal's code and text."""
        try:
            await self.call(by, operation, **parameters)
        except KmsError as refusal:
            return f"{refusal.code}: {refusal.message}"
        return "ok"

    def begin(self, by: str, operation: str, /, **parameters: Any) -> asyncio.Future[Reply]:
        """Start a call and go on; the future holds the response or the refusal, and never ends if the hosts crash."""
        replied = tasks.future()
        self.region.accept(self.call_of(by, operation, parameters), replied.set_result)
        return replied

    async def create_key(self, by: str = "alice", /, **parameters: Any) -> str:
        """The id of a new key."""
        response = await self.call(by, "CreateKey", **parameters)
        key_id: str = response["KeyMetadata"]["KeyId"]
        return key_id

    def arn(self, key_id: str, region: str = HERE, account: str = HOME) -> str:
        return f"arn:aws:kms:{region}:{account}:key/{key_id}"

    # State.

    def key(self, key_id: str) -> KmsKey:
        found = self.region.state.key(key_id)
        assert found is not None, f"no key {key_id}"
        return found

    async def commit(self, *writes: Write) -> None:
        """Commit writes past all rules, as the Region itself does: store first, then memory."""

        def make_visible(_: tuple[int, ...]) -> None:
            for write in writes:
                self.region.state.apply(write)

        await self.region.store.commit(Commit(writes=writes), then=make_visible)

    async def put_state(self, key_id: str, state: KeyState, *, shared: Mapping[str, Any] | None = None) -> None:
        """Put a key into a state that no call of this version leads to."""
        key = self.key(key_id)
        changed = key.with_regional(state=state)
        if shared and any(getattr(key.shared, name) != value for name, value in shared.items()):
            changed = key.with_shared(key.shared.changed(**shared), state=state)
        await self.commit(PutKey(key=changed))

    async def sleep_seconds(self, seconds: float) -> None:
        await tasks.sleep(int(seconds * SECOND))

    async def reboot(self) -> None:
        """Crash the hosts and boot them again from the store."""
        await self.region.crash()
        await self.region.boot()

    # The trail.

    async def stored_entries(self) -> list[AuditEntry]:
        """The audit entries that are committed now."""
        return [entry for segment in await self.region.store.read_audit() for entry in unpack_audit(segment.body)]

    async def entries(self) -> list[AuditEntry]:
        """All audit entries, those that waited for the flush included."""
        await self.region.flush_audit()
        return await self.stored_entries()

    async def records(self, event_name: str | None = None) -> list[dict[str, Any]]:
        """The CloudTrail records, of one event name if given."""
        found = [record for entry in await self.entries() for record in records(entry)]
        return [record for record in found if event_name in (None, record["eventName"])]

    # Faults.

    def break_disk(self, outcome: DiskOutcome = DiskOutcome.FAIL, *, commits: int | None = None) -> None:
        """Let every commit from now on, or the next few, end like this."""
        self._disk_verdict, self._commits_to_break = DiskVerdict(outcome=outcome), commits

    def mend_disk(self) -> None:
        self._disk_verdict, self._commits_to_break = PASS, None

    def _commit_verdict(self) -> DiskVerdict:
        if self._commits_to_break is not None:
            if self._commits_to_break == 0:
                self.mend_disk()
            else:
                self._commits_to_break -= 1
        return self._disk_verdict

    def happened(self, kind: str, **fields: Any) -> list[Event]:
        """The trace events of a kind with these fields."""
        return [
            event
            for event in self.events
            if event.kind == kind and all(event.fields.get(name) == value for name, value in fields.items())
        ]


Test = Callable[..., Awaitable[None]]


def one_region(
    *,
    regions: tuple[str, ...] = (HERE,),
    has_quotas: bool = False,
    directory: Directory | None = None,
    profile: str = "aws-like",
    grant_delay: float = 0,
    attestation_roots: Callable[[], frozenset[bytes]] = frozenset,
    keepers: KeeperPlans = NO_PLANS,
) -> Callable[[Test], Callable[..., None]]:
    """Run an async test on the virtual loop in a world of its own; its first parameter is the world."""

    def decorate(test: Test) -> Callable[..., None]:
        def run(tmp_path: Path, **parameters: Any) -> None:
            world = World(
                regions=regions,
                directory=directory or directory_of_two_accounts(),
                start_at_ns=START_NS,
                has_quotas=has_quotas,
                hsm_profile=profile,
                grant_delay_ns=int(grant_delay * SECOND),
                attestation_roots=attestation_roots(),
                keepers=keepers,
            )
            run_virtual(_within(world, tmp_path, test, parameters))

        signature = inspect.signature(test)
        others = list(signature.parameters.values())[1:]
        place = inspect.Parameter("tmp_path", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        run.__signature__ = signature.replace(parameters=[place, *others])  # type: ignore[attr-defined]
        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        run.pytestmark = getattr(test, "pytestmark", [])  # type: ignore[attr-defined]
        return run

    return decorate


async def _within(world: World, folder: Path, test: Test, parameters: Mapping[str, Any]) -> None:
    kms = OneRegion(world, folder)
    await kms.simulation.start()
    try:
        await test(kms, **parameters)
        kms.mend_disk()
    finally:
        await kms.simulation.stop()
