"""One run of `bench`: a world in real time, the ceiling and every operation measured in turn, round after round."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

from regionsim import __version__
from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Account, NamedPolicy, User
from regionsim.authorization.policy import PolicyKind, parse_policy
from regionsim.bench.bare import bare_calls, bare_cost_ns
from regionsim.bench.ceiling import Ceiling, measure_ceiling
from regionsim.bench.load import Load, Tally
from regionsim.bench.operations import OPERATIONS, Measured
from regionsim.bench.results import BenchResult, OperationCost, RegionOperation, RegionTotal, Spread
from regionsim.bench.settings import BenchSettings
from regionsim.names.mistakes import ConfigError
from regionsim.runtime.clock import cpu_ns
from regionsim.runtime.loop import run_real_time
from regionsim.runtime.tasks import Scope, now_ns, sleep
from regionsim.simulation.ground import live_ground
from regionsim.simulation.simulation import Simulation
from regionsim.simulation.world import World
from regionsim.store.errors import StoreError

ROUNDS = 5
_CEILING_COUNT = 2_000
_WARM_UP_NS = 50_000_000
_NS_PER_SECOND = 1_000_000_000
_NS_PER_US = 1_000
ACCOUNT, USER = "111122223333", "bench"

OnProgress = Callable[[float, str], None]
"""Hears which share is done, and what is next."""


def run_bench(settings: BenchSettings, on_progress: OnProgress = lambda share, what: None) -> BenchResult:
    """Measure, on data in a folder that is removed afterwards. Errors: ConfigError."""
    with tempfile.TemporaryDirectory(prefix="regionsim-bench-") as folder:
        try:
            return run_real_time(_Bench(settings, on_progress).main(Path(folder)))
        except StoreError as error:
            raise ConfigError(f"the disk under {folder} does not serve: {error}; TMPDIR names another") from None


class _Bench:
    """What has been measured so far, by operation and Region; costs are nanoseconds, one of each round."""

    def __init__(self, settings: BenchSettings, on_progress: OnProgress) -> None:
        self._settings = settings
        self._on_progress = on_progress
        self._load_before = _load_average()
        self._slice_ns = int(settings.seconds * _NS_PER_SECOND / ROUNDS)
        self._ceilings: list[Ceiling] = []
        self._tallies = {(name, region): Tally() for name in settings.operations for region in settings.regions}
        self._rates: dict[tuple[str, str], list[float]] = {key: [] for key in self._tallies}
        self._costs: dict[str, list[float]] = {name: [] for name in settings.operations}
        self._bare: dict[str, list[float]] = {}
        self._called_ns = 0

    async def main(self, folder: Path) -> BenchResult:
        """Set the world up, measure all rounds, take it down."""
        simulation = Simulation(_world(self._settings), live_ground(folder))
        scope = Scope("bench", on_failure=lambda error: None)  # whoever awaits the caller raises it
        await simulation.start()
        try:
            await self._measure(simulation, scope)
        finally:
            scope.fence()
            await scope.closed()
            await simulation.stop()
            simulation.close_hsms()
        return self._result()

    async def _measure(self, simulation: Simulation, scope: Scope) -> None:
        settings = self._settings
        caller = simulation.world.directory.principal(ACCOUNT, USER, partition=settings.partition)
        loads = [
            Load(region, caller, simulation.entropy.stream("bench"), scope, is_durable=settings.is_durable)
            for region in simulation.regions.values()
        ]
        for load in loads:
            await load.prepare()
        operations = [OPERATIONS[name] for name in settings.operations]
        for load in loads:
            await load.prepare_for(operations)
        for operation in operations:
            await self._call(operation, loads, _WARM_UP_NS, {load.region.name: Tally() for load in loads})
        bare = bare_calls(operations, simulation.entropy.stream("bare"))
        self._bare = {name: [] for name in bare}
        for number in range(ROUNDS):
            self._ceilings.append(measure_ceiling(simulation.entropy.stream("ceiling"), _CEILING_COUNT))
            for index, operation in enumerate(operations):
                share = (number * len(operations) + index) / (ROUNDS * len(operations))
                self._on_progress(share, operation.name)
                if operation.name in bare:
                    self._bare[operation.name].append(bare_cost_ns(bare[operation.name], self._slice_ns))
                await self._round(operation, loads)
        self._on_progress(1.0, "")

    async def _round(self, operation: Measured, loads: list[Load]) -> None:
        """One operation for one slice of time, in all Regions at once."""
        tallies = {load.region.name: self._tallies[operation.name, load.region.name] for load in loads}
        before = {name: tally.calls for name, tally in tallies.items()}
        began_cpu_ns = cpu_ns()
        took_ns = await self._call(operation, loads, self._slice_ns, tallies)
        spent_ns = cpu_ns() - began_cpu_ns
        calls = {name: tally.calls - before[name] for name, tally in tallies.items()}
        for name, count in calls.items():
            self._rates[operation.name, name].append(count * _NS_PER_SECOND / took_ns)
        self._costs[operation.name].append(spent_ns / max(1, sum(calls.values())))
        self._called_ns += took_ns

    async def _call(
        self, operation: Measured, loads: list[Load], duration_ns: int, tallies: Mapping[str, Tally]
    ) -> int:
        """Call for that long and wait for the last answers; how long that took."""
        began_ns = now_ns()
        callers = []
        for load in loads:
            tally = tallies[load.region.name]
            callers += load.begin(operation, self._settings.concurrency, began_ns + duration_ns, tally)
        for caller in callers:
            await caller
        took_ns = now_ns() - began_ns
        await sleep(0)  # whoever was woken last gets a turn before the next clock starts
        return took_ns

    def _result(self) -> BenchResult:
        settings = self._settings
        return BenchResult(
            settings=settings,
            versions={
                "regionsim": __version__,
                "python": platform.python_version(),
                "cryptography": version("cryptography"),
            },
            processors=os.cpu_count() or 1,
            load_before=self._load_before,
            rounds=ROUNDS,
            plain_us=Spread.of([ceiling.plain_ns / _NS_PER_US for ceiling in self._ceilings]),
            kept_us=Spread.of([ceiling.kept_ns / _NS_PER_US for ceiling in self._ceilings]),
            operations=tuple(self._of_region(name, region) for name, region in self._tallies),
            costs=tuple(self._cost(OPERATIONS[name]) for name in settings.operations),
            totals=tuple(self._total(region) for region in settings.regions),
        )

    def _of_region(self, name: str, region: str) -> RegionOperation:
        tally = self._tallies[name, region]
        return RegionOperation(
            region=region,
            operation=name,
            calls=tally.calls,
            refused=tally.refused,
            first_refusal=tally.first_refusal,
            per_second=Spread.of(self._rates[name, region]),
            p50_us=tally.latencies.quantile(0.5) / _NS_PER_US,
            p99_us=tally.latencies.quantile(0.99) / _NS_PER_US,
        )

    def _cost(self, operation: Measured) -> OperationCost:
        costs, count = self._costs[operation.name], operation.encryptions
        pairs = list(zip(self._ceilings, costs, strict=True))
        bare = self._bare.get(operation.name)
        return OperationCost(
            operation=operation.name,
            cpu_us=Spread.of([cost / _NS_PER_US for cost in costs]),
            of_plain=Spread.of([count * ceiling.plain_ns / cost for ceiling, cost in pairs]) if count else None,
            of_kept=Spread.of([count * ceiling.kept_ns / cost for ceiling, cost in pairs]) if count else None,
            bare_us=None if bare is None else Spread.of([cost / _NS_PER_US for cost in bare]),
            of_bare=None if bare is None else Spread.of([one / cost for one, cost in zip(bare, costs, strict=True)]),
        )

    def _total(self, region: str) -> RegionTotal:
        calls = sum(self._tallies[name, region].calls for name in self._settings.operations)
        return RegionTotal(region=region, calls=calls, per_second=calls * _NS_PER_SECOND / self._called_ns)


def an_administrator() -> Directory:
    """One account, with one user who may do everything."""
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    policy = parse_policy({"Version": "2012-10-17", "Statement": [statement]}, kind=PolicyKind.IDENTITY)
    user = User(name=USER, policies=(NamedPolicy(name="everything", policy=policy),))
    account = Account(account_id=ACCOUNT, users=MappingProxyType({USER: user}))
    return Directory(accounts=MappingProxyType({ACCOUNT: account}))


def _world(settings: BenchSettings) -> World:
    """A world whose HSMs take what the machine takes, without request quotas."""
    return World(
        regions=settings.regions,
        directory=an_administrator(),
        start_at_ns=0,
        hsm_profile="host",
        has_quotas=False,
    )


def _load_average() -> float | None:
    """Of the last minute; None where the system has none."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
