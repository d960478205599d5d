"""One run of a scenario, from the file to the result."""

from __future__ import annotations

import math
import platform
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, TextIO

from regionsim import __version__
from regionsim.invariants.verdicts import Finding, Kind
from regionsim.invariants.watch import Watch
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError, RegionsimError, require_type
from regionsim.runtime.clock import WallClock
from regionsim.runtime.garbage import searched_seldom
from regionsim.runtime.interrupts import Interrupts
from regionsim.runtime.loop import PacedRun, VirtualLoop, run_virtual
from regionsim.runtime.trace import Event, JsonLinesSink, Trace, event_line
from regionsim.scenario.errors import quoted
from regionsim.scenario.library import find_scenario
from regionsim.scenario.load import LARGEST_SEED, load_scenario
from regionsim.scenario.metrics import Ledger
from regionsim.scenario.model import Scenario
from regionsim.scenario.outcome import (
    cost_result,
    decide,
    key_results,
    region_results,
    resilience,
    service_results,
    workload_results,
)
from regionsim.scenario.play import Player
from regionsim.scenario.results import CostResult, InvariantResult, Resilience, RunResult, ServiceResult
from regionsim.scenario.transcript import WATCHED, Line, Transcript
from regionsim.simulation.ground import ConnectionKind, virtual_ground
from regionsim.simulation.simulation import Simulation
from regionsim.snapshot import Snapshot

_LAST_EVENTS = 20
_EVENTS_PER_LOOK = 256
_FIRST_PROGRESS_NS = 1_000_000_000
_PROGRESS_EVERY_NS = 200_000_000
_NS_PER_SECOND = 1e9


def run(
    path: str | Path,
    *,
    seed: int | None = None,
    connection: ConnectionKind = "inline",
    rate: float | None = None,
    trace: str | Path | None = None,
) -> RunResult:
    """Play a scenario file, or a shipped scenario by its name; the result says whether all held.

    `seed` wins over the file's. `connection`: how Regions reach their files (`inline`, or `threaded`: aiosqlite; the
    trace is the same). `rate`: virtual seconds per second; None plays flat out. `trace`: a file for every event.
    Errors: ScenarioError, ConfigError.
    """
    found = find_scenario(str(path))
    options = RunOptions(seed=seed, connection=connection, rate=rate, trace=None if trace is None else Path(trace))
    return run_scenario(load_scenario(found), options)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a scenario is played. `on_line` hears each line of the transcript as it happens; `on_progress` the run's
    instant (nanoseconds), now and then, once a second has really passed. `until_ns`: stop there, before the scenario's
    own end. `on_start`: play it paced, for somebody who watches; it is called before anything has happened,
    and `on_end` at the end, before the Regions are closed."""

    seed: int | None = None
    connection: ConnectionKind = "inline"
    rate: float | None = None
    trace: Path | TextIO | None = None
    on_line: Callable[[Line], None] | None = None
    on_progress: Callable[[int], None] | None = None
    on_start: Callable[[Watched], None] | None = None
    on_end: Callable[[], None] | None = None
    until_ns: int | None = None

    def __post_init__(self) -> None:
        if self.seed is not None:
            require_type("a seed", self.seed, int, f"a whole number from 0 to {LARGEST_SEED}")
        if self.rate is not None:
            require_type("a rate", self.rate, (int, float), "more than 0 virtual seconds per second")
        if self.seed is not None and not 0 <= self.seed <= LARGEST_SEED:
            raise ConfigError(f"a seed is a whole number from 0 to {LARGEST_SEED}, not {self.seed}")
        if self.rate is not None and not 0 < self.rate < math.inf:
            hint = "; leave it out to play flat out" if self.rate == math.inf else ""
            raise ConfigError(f"a rate is more than 0 virtual seconds per second, not {self.rate}{hint}")
        if self.connection not in {"inline", "threaded"}:
            raise ConfigError(f"a connection is 'inline' or 'threaded', not '{self.connection}'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A run that is watched: its pace, and its simulation, which only `paced.peek` may look at."""

    scenario: Scenario
    seed: int
    paced: PacedRun[None]
    simulation: Simulation


def versions() -> Mapping[str, str]:
    """What a run depends on besides its scenario and its seed."""
    from importlib.metadata import version  # half the cost of starting asyncio, and most runs write no trace

    return MappingProxyType(
        {
            "regionsim": __version__,
            "python": platform.python_version(),
            "cryptography": version("cryptography"),
        }
    )


def run_scenario(scenario: Scenario, options: RunOptions) -> RunResult:
    """Play a checked scenario. Interrupted, it gives what there is, marked so. Errors: ConfigError for a trace file."""
    seed = scenario.seed if options.seed is None else options.seed
    wall, loop = WallClock(), VirtualLoop()
    began_ns = wall.now_ns()
    trace = Trace(lambda: loop.now_ns)
    with ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        stack.enter_context(searched_seldom())
        stack.callback(loop.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="regionsim-")))
        stack.enter_context(_BugContext(scenario, seed, trace))
        one = _Run(scenario, seed, trace, folder, options, loop)
        if options.trace is not None:
            one.write_to(stack.enter_context(_TraceFile(options.trace, scenario, seed, loop)))
        if options.on_progress is not None:
            one.write_to(_Progress(options.on_progress, wall))
        if options.until_ns is not None:
            loop.call_at_ns(options.until_ns, one.stop_here)
        is_interrupted = not _to_the_end(one, loop, options, interrupts)
        wall_seconds = (wall.now_ns() - began_ns) / _NS_PER_SECOND
        is_interrupted = (is_interrupted and not one.is_stopped) or interrupts.is_asked
        return one.result(wall_seconds, is_interrupted=is_interrupted)


def _to_the_end(one: _Run, loop: VirtualLoop, options: RunOptions, interrupts: Interrupts) -> bool:
    """Run flat out or paced; False when it was interrupted."""
    if options.rate is None and options.on_start is None:
        interrupts.hand_to(lambda: loop.fail(KeyboardInterrupt()))
        try:
            run_virtual(one.main(), loop=loop)
        except KeyboardInterrupt:
            return False
        return True
    rate = math.inf if options.rate is None else options.rate
    paced = PacedRun(one.main(), rate=rate, loop=loop, starts_at_once=False)
    if options.on_start is not None:
        options.on_start(one.watched_by(paced))
    paced.start()
    interrupts.hand_to(paced.stop)
    try:
        paced.wait_for_end()
    except KeyboardInterrupt:
        paced.stop()
        paced.wait_for_end()  # or its files would be removed under it
        return False
    if paced.is_stopped:
        return False
    if not interrupts.is_asked:
        paced.join()
    return not interrupts.is_asked


class _Run:
    """The parts of one run, and what is known of it so far."""

    def __init__(
        self, scenario: Scenario, seed: int, trace: Trace, folder: Path, options: RunOptions, loop: VirtualLoop
    ) -> None:
        self.is_stopped = False
        """True when it was to stop before the scenario's end, and has."""
        self._loop = loop
        self._on_end = options.on_end
        self._scenario = scenario
        self._seed = seed
        self._trace = trace
        self._ledger = Ledger()
        self._transcript = Transcript(scenario.world.regions, options.on_line, operations=scenario.asked_operations)
        ground = virtual_ground(
            seed=seed,
            start_at_ns=scenario.world.start_at_ns,
            folder=folder,
            trace=trace,
            connection=options.connection,
        )
        self._simulation = Simulation(scenario.world, ground)
        self._watch = Watch(self._simulation)
        self.write_to(self._transcript.watch, WATCHED)
        self._player = Player(scenario, self._simulation, self._ledger, self._transcript)
        self._end: tuple[str, int, int] | None = None
        self._snapshot: Snapshot | None = None
        self._resilience: Resilience | None = None
        self._cost: CostResult | None = None
        self._services: tuple[ServiceResult, ...] = ()
        self._findings: tuple[Finding, ...] = ()

    def write_to(self, sink: Callable[[Event], None], kinds: Iterable[str] | None = None) -> None:
        """Hand the events of the run (of these kinds) to `sink`; what is traced once the run is over is no part of
        it."""
        self._trace.add_sink(lambda event: sink(event) if self._end is None else None, kinds)

    def watched_by(self, paced: PacedRun[None]) -> Watched:
        """The run as somebody who watches it has it."""
        return Watched(scenario=self._scenario, seed=self._seed, paced=paced, simulation=self._simulation)

    def stop_here(self) -> None:
        """End the run at this instant; what there is by now is its result."""
        if self._end is None and not self._findings:
            self.is_stopped = True
            self._look_back()
            # What must hold at every instant has held so far, or has not; of the end nothing is known.
            self._findings = tuple(found for found in self._watch.findings if found.kind is Kind.SAFETY)
            self._loop.fail(KeyboardInterrupt())

    async def main(self) -> None:
        """Start, play, look at the end, stop."""
        try:
            await self._play()
            self._findings = await self._watch.conclude()
            await self._simulation.stop()
            self._simulation.close_hsms()
        finally:
            self._abandon()

    async def _play(self) -> None:
        await self._simulation.start()
        await self._player.play()
        self._look_back()

    def _look_back(self) -> None:
        """Take down what the run has come to."""
        simulation, trace = self._simulation, self._trace
        self._snapshot = simulation.snapshot()
        self._resilience = resilience(self._ledger, self._player.meter)
        self._cost = cost_result(self._ledger, self._player.meter)
        self._end = (trace.digest, trace.count, self._snapshot.at_ns - simulation.world.start_at_ns)
        self._services = service_results(self._player.service_states, self._end[2])
        if self._on_end is not None:
            self._on_end()

    def _abandon(self) -> None:
        """Close the files of a run that was stopped before its end, in the thread that opened them."""
        for region in self._simulation.regions.values():
            if region.is_up:
                region.store.crash()

    def result(self, wall_seconds: float, *, is_interrupted: bool) -> RunResult:
        """What came of it; of an interrupted run, as far as it went."""
        recent = self._trace.recent(1)
        so_far = (self._trace.digest, self._trace.count, recent[-1].t_ns if recent else 0)
        digest, events, end_ns = self._end or so_far
        findings = tuple(_invariant(finding) for finding in self._findings)
        steps = tuple(sorted(self._player.results, key=lambda result: result.step))
        is_exercised = any(region.counts.requests for region in self._simulation.regions.values())
        verdict, reason = decide(
            steps,
            findings,
            is_exercised=is_exercised,
            is_interrupted=is_interrupted,
            idle_faults=self._simulation.fault_tally.idle,
        )
        snapshot, names = self._snapshot, [workload.name for workload in self._scenario.every_workload]
        return RunResult(
            scenario=self._scenario.name,
            path=self._scenario.path,
            seed=self._seed,
            verdict=verdict,
            reason=reason,
            trace_sha256=digest,
            virtual_seconds=end_ns / _NS_PER_SECOND,
            wall_seconds=wall_seconds,
            events=events,
            expectations=steps,
            invariants=findings,
            regions=MappingProxyType(
                {} if snapshot is None else region_results(snapshot, self._ledger, self._simulation)
            ),
            keys=() if snapshot is None else key_results(snapshot),
            resilience=self._resilience,
            cost_usd=self._cost,
            workloads=MappingProxyType(workload_results(names, self._ledger)),
            services=self._services,
            transcript=self._transcript.lines,
            interrupted=is_interrupted,
            stopped=self.is_stopped,
        )


class _Progress:
    """Tells how far the run is, a few times a second."""

    def __init__(self, tell: Callable[[int], None], wall: WallClock) -> None:
        self._tell = tell
        self._wall = wall
        self._next_ns = wall.now_ns() + _FIRST_PROGRESS_NS
        self._count = 0

    def __call__(self, event: Event) -> None:
        self._count += 1
        if self._count % _EVENTS_PER_LOOK == 0 and self._wall.now_ns() >= self._next_ns:
            self._next_ns = self._wall.now_ns() + _PROGRESS_EVERY_NS
            self._tell(event.t_ns)


def _invariant(finding: Finding) -> InvariantResult:
    return InvariantResult(
        name=finding.name,
        kind=finding.kind.value,
        checked=finding.checked,
        passed=finding.passed,
        detail=finding.detail,
        at_ns=finding.violated_at_ns,
    )


class _TraceFile(AbstractContextManager["_TraceFile"]):
    """The file of `--trace`. When it takes no more, the run stops: an event's own place must not see that failure."""

    def __init__(self, where: Path | TextIO, scenario: Scenario, seed: int, loop: VirtualLoop) -> None:
        header: dict[str, Any] = {"scenario": scenario.name, "seed": seed, "versions": dict(versions())}
        self._name = str(where) if isinstance(where, Path) else "stdout"
        self._loop = loop
        self._mistake: ConfigError | None = None
        try:
            self._lines = JsonLinesSink(where, header)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise self._told(error) from None

    def __call__(self, event: Event) -> None:
        if self._mistake is not None:
            return
        try:
            self._lines(event)
        except (OSError, ConfigError) as error:  # ConfigError: what the command's own stdout says
            self._mistake = error if isinstance(error, ConfigError) else self._told(error)
            self._loop.fail(self._mistake)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._lines.close()
        except OSError as full:
            if error is None:
                raise self._told(full) from None

    def _told(self, error: OSError | ValueError) -> ConfigError:
        reason = getattr(error, "strerror", None) or str(error)
        return ConfigError(f"the trace cannot be written to {quoted(self._name)}: {reason}")


class _BugContext(AbstractContextManager[None]):
    """Tells a bug that passes through which run it ended, and what happened last in it."""

    def __init__(self, scenario: Scenario, seed: int, trace: Trace) -> None:
        self._where = f"scenario: {scenario.path}, seed: {seed}"
        self._trace = trace

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, RegionsimError):
            events = [event_line(event) for event in self._trace.recent(_LAST_EVENTS)]
            error.add_note("\n".join([self._where, f"the last {len(events)} events:", *events]))
