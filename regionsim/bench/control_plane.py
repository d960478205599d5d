"""`bench --keys N`: what each control-plane operation costs in a Region that has N keys.

One caller, one call at a time, in real time; costs are processor time of the whole process, commits included (waiting
for the disk takes none). Where an HSM makes a key pair for a call, on its own thread, the cost is that of the Region's
thread alone. What another Region has its share in is called for all keys of a batch at once, and counts in both until
they owe each other nothing; each bears half of it. Source: ours.
"""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from regionsim.bench.control_calls import ALIAS, CALLS, HERE, REGIONS, ControlCall, Subject, a_policy
from regionsim.bench.load import Load
from regionsim.bench.results import ControlCost, ControlPlane, Spread
from regionsim.bench.run import ACCOUNT, USER, an_administrator
from regionsim.kms.bulk import BulkKeys
from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError
from regionsim.region.region import Region
from regionsim.runtime.clock import cpu_ns, thread_cpu_ns
from regionsim.runtime.loop import run_real_time
from regionsim.runtime.tasks import Scope, now_ns, sleep
from regionsim.simulation.ground import live_ground
from regionsim.simulation.simulation import Simulation
from regionsim.simulation.world import World
from regionsim.store.errors import StoreError

ROUNDS = 5
_BATCH = 20
_LEAST_KEYS = 100
_MOST_KEYS = 1_000_000
_ANOTHER = "444455556666"
"""Has a tenth of the keys, so that the quota of 100,000 in an account leaves room for more."""

_NS_PER_US = 1_000
_STATEMENTS = 5
_SETTLING_NS = 10_000_000

OnProgress = Callable[[float, str], None]


def run_control_plane(
    key_count: int,
    on_progress: OnProgress = lambda share, what: None,
    *,
    calls: tuple[ControlCall, ...] = CALLS,
    rounds: int = ROUNDS,
    batch: int = _BATCH,
) -> ControlPlane:
    """Measure, on data in a folder that is removed afterwards. A batch is of so many calls, each about another key.

    Errors: ConfigError.
    """
    if not _LEAST_KEYS <= key_count <= _MOST_KEYS:
        raise ConfigError(f"bench wants {_LEAST_KEYS} to {_MOST_KEYS:,} keys, not {key_count:,}")
    with tempfile.TemporaryDirectory(prefix="regionsim-bench-") as folder:
        try:
            return run_real_time(
                _ControlBench(key_count, on_progress, calls=calls, rounds=rounds, batch=batch).main(Path(folder))
            )
        except StoreError as error:
            raise ConfigError(f"the disk under {folder} does not serve: {error}; TMPDIR names another") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opening:
    """How long it takes until a Region has all its keys: made before it boots, and booted again."""

    made_ns: int
    booted_ns: int
    memory_bytes: int


class _ControlBench:
    def __init__(
        self, key_count: int, on_progress: OnProgress, *, calls: tuple[ControlCall, ...], rounds: int, batch: int
    ) -> None:
        self._key_count = key_count
        self._calls, self._rounds, self._batch = calls, rounds, batch
        self._on_progress = on_progress
        self._scope = Scope("bench", on_failure=lambda error: None)  # whoever awaits the caller raises it
        self._costs: dict[str, list[float]] = {call.name: [] for call in calls}

    async def main(self, folder: Path) -> ControlPlane:
        """Set the world up, measure all rounds, take it down."""
        simulation = Simulation(_world(self._key_count), live_ground(folder, is_durable=False))
        self._on_progress(0, f"{self._key_count:,} keys are made")
        before_bytes, began_ns = _memory_bytes(), now_ns()
        await simulation.start()
        made_ns = now_ns() - began_ns
        try:
            opening = await self._open_again(simulation.regions[HERE], made_ns, before_bytes)
            await self._measure(simulation)
        finally:
            self._scope.fence()
            await self._scope.closed()
            await simulation.stop()
            simulation.close_hsms()
        self._on_progress(1.0, "")
        return ControlPlane(
            keys=self._key_count,
            made_s=opening.made_ns / 1e9,
            booted_s=opening.booted_ns / 1e9,
            memory_mb=opening.memory_bytes / 1e6,
            costs=tuple(
                ControlCost(
                    call=call.name,
                    cpu_us=Spread.of(self._costs[call.name]),
                    without_key_generation=call.makes_keys,
                    of_two_regions=call.is_of_two_regions,
                )
                for call in self._calls
            ),
        )

    async def _open_again(self, region: Region, made_ns: int, before_bytes: int) -> _Opening:
        await region.crash()
        gc.collect()
        began_ns = now_ns()
        await region.boot()
        booted_ns = now_ns() - began_ns
        gc.collect()
        return _Opening(made_ns=made_ns, booted_ns=booted_ns, memory_bytes=_memory_bytes() - before_bytes)

    async def _measure(self, simulation: Simulation) -> None:
        region = simulation.regions[HERE]
        caller = simulation.world.directory.principal(ACCOUNT, USER)
        load = Load(region, caller, simulation.entropy.stream("bench"), self._scope, is_durable=False)
        subjects = await self._subjects(region, load)
        for number in range(self._rounds + 1):  # the first one warms up
            self._on_progress(number / (self._rounds + 1), f"round {number} of {self._rounds}")
            part = subjects[number * self._batch : (number + 1) * self._batch]
            await self._round(simulation, load, part, is_measured=number > 0)

    async def _subjects(self, region: Region, load: Load) -> list[Subject]:
        """One for each call of each round, and for a round that warms up; their keys are far from each other."""
        count = (self._rounds + 1) * self._batch
        many = sorted(key.key_id for key in region.state.all_keys() if key.account == ACCOUNT)
        policy, step = a_policy(ACCOUNT, _STATEMENTS), max(1, len(many) // count)
        subjects = []
        for number in range(count):
            shared = await load.response("CreateKey", {"MultiRegion": True})
            empty = await load.response("CreateKey", {"Origin": "EXTERNAL"})
            subjects.append(
                Subject(
                    number=number,
                    key_id=many[number * step % len(many)],
                    other_id=many[(number * step + 1) % len(many)],
                    shared_id=shared["KeyMetadata"]["KeyId"],
                    empty_id=empty["KeyMetadata"]["KeyId"],
                    policy=policy,
                    grantee=f"arn:aws:iam::{ACCOUNT}:user/{USER}",
                    middle=many[len(many) // 2],
                )
            )
        return subjects

    async def _all_at_once(
        self, simulation: Simulation, load: Load, call: ControlCall, given: list[dict[str, Any]]
    ) -> list[Mapping[str, Any]]:
        asking = [self._scope.spawn(load.response(call.operation, parameters), name=call.name) for parameters in given]
        answers = [await one for one in asking]
        while not simulation.is_settled:
            await sleep(_SETTLING_NS)
        return answers

    async def _round(self, simulation: Simulation, load: Load, subjects: list[Subject], *, is_measured: bool) -> None:
        for call in self._calls:
            clock = thread_cpu_ns if call.makes_keys else cpu_ns
            given = [call.parameters(one) for one in subjects]
            began_ns = clock()
            if call.is_of_two_regions:
                answers = await self._all_at_once(simulation, load, call, given)
            else:
                answers = [await load.response(call.operation, parameters) for parameters in given]
            cost_ns = clock() - began_ns
            for one, answer in zip(subjects, answers, strict=True):
                one.answers[call.name] = answer
            if is_measured:
                shares = len(subjects) * (2 if call.is_of_two_regions else 1)
                self._costs[call.name].append(cost_ns / shares / _NS_PER_US)


def _memory_bytes() -> int:
    """What the process has in memory; 0 where the system does not say it so."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _world(key_count: int) -> World:
    elsewhere = key_count // 10
    return World(
        regions=REGIONS,
        directory=an_administrator(),
        start_at_ns=0,
        hsm_profile="host",
        has_quotas=False,
        bulk=(_many(key_count - elsewhere, ACCOUNT), _many(elsewhere, _ANOTHER)),
    )


def _many(count: int, account: str) -> BulkKeys:
    return BulkKeys(
        count=count,
        spec=KeySpec.SYMMETRIC_DEFAULT,
        usage=KeyUsage.ENCRYPT_DECRYPT,
        account=account,
        is_multi_region=False,
        primary=HERE,
        replicas=(),
        aliases=tuple(ALIAS.format(number) for number in range(count)),
        names=(),
        rotation_days=365,
        policy=None,
    )
