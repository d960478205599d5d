"""What a person reads of a run: its first lines, its last lines, and what went wrong with the events around it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from regionsim.faults.vocabulary import format_probability
from regionsim.names.durations import format_duration
from regionsim.names.mistakes import ConfigError
from regionsim.scenario.library import shipped_paths
from regionsim.scenario.model import Scenario
from regionsim.scenario.results import RunResult, Verdict, WorkloadResult
from regionsim.scenario.run import RunOptions, versions
from regionsim.scenario.transcript import Line, clock

_LINES_AROUND = 5
_MOST_SERVICES = 20
_NS_PER_SECOND = 1_000_000_000


def first_lines(scenario: Scenario, seed: int) -> list[str]:
    """What a run prints before it begins."""
    world = scenario.world
    known = ", ".join(f"{name} {number}" for name, number in versions().items())
    links = "AWS's measured latencies" if world.latencies == "aws" else "the latency of the file"
    return [
        f"scenario  {scenario.name} ({scenario.path})",
        f"seed      {seed}",
        f"world     {', '.join(world.regions)}; {world.hsm_per_region} HSMs each ({world.hsm_profile})",
        f"links     {links}, jitter {format_duration(world.jitter_ns)}, loss {format_probability(world.loss)}",
        f"versions  {known}",
    ]


def last_lines(result: RunResult, options: RunOptions) -> list[str]:
    """What a run prints when it has ended."""
    rate = result.events / result.wall_seconds if result.wall_seconds else 0.0
    virtual = format_duration(round(result.virtual_seconds * 1000) * 1_000_000)
    return [
        *_failures(result),
        *_left_out(result),
        *_workloads(result),
        *_services(result),
        f"verdict   {result.verdict.value}: {result.reason or _held(result)}",
        f"time      {virtual} virtual in {result.wall_seconds:.2f}s; {result.events:,} events, {rate:,.0f} per second",
        f"trace     sha256 {result.trace_sha256}",
        f"again     {again(result, options)}",
    ]


def again(result: RunResult, options: RunOptions) -> str:
    """The command that plays the same run."""
    path = Path(result.path).resolve()
    word = next((name for name, shipped in shipped_paths().items() if shipped == path), result.path)
    if options.until_ns is not None:  # only replay stops early, and it plays the file's own seed
        return shlex.join(["regionsim", "replay", word, "--until", format_duration(options.until_ns)])
    words = ["regionsim", "run", word, "--seed", str(result.seed)]
    if options.connection != "inline":
        words += ["--connection", options.connection]
    return shlex.join(words)


def _held(result: RunResult) -> str:
    held = sum(1 for invariant in result.invariants if invariant.passed)
    steps = len(result.expectations)
    told = f"{steps} expectation{'s' if steps != 1 else ''} and {held} invariant{'s' if held != 1 else ''} held"
    return f"{told} so far; stopped before the end, so nothing is said of that" if result.stopped else told


def _left_out(result: RunResult) -> Iterator[str]:
    """What no claim is made of."""
    untouched = [known.name for known in result.invariants if known.passed is None and not known.detail]
    if untouched:
        why = "nothing is concluded yet of" if result.stopped else "nothing was there to check for"
        yield f"unchecked {why} {', '.join(untouched)}"
    for invariant in result.invariants:
        if invariant.passed is None and invariant.detail:
            yield f"unchecked invariant {invariant.name}: {invariant.detail}"
        elif invariant.passed and invariant.detail:
            yield f"partly    invariant {invariant.name}: {invariant.detail}"


def _workloads(result: RunResult) -> Iterator[str]:
    for name, workload in result.workloads.items():
        real = (
            "" if workload.real_calls == workload.calls else f", {workload.real_calls:,} of them real, the others load"
        )
        yield f"workload  {name}: {workload.calls:,} calls{real}, {workload.calls_per_second:,.2f} per second"
        yield from (f"          {line}" for line in _fared(workload))


def _fared(workload: WorkloadResult) -> Iterator[str]:
    """How its callers fared: who answered and how fast, what was refused, what failed and for how long."""
    if workload.answered:
        regions = ", ".join(f"{region} {count:,}" for region, count in sorted(workload.answered.items()))
        yield f"answered in {regions}"
    if workload.latency_ms:
        p50, p99, longest = (workload.latency_ms[name] for name in ("p50", "p99", "max"))
        yield f"took p50 {p50:,.1f}ms, p99 {p99:,.1f}ms, at most {longest:,.1f}ms"
    if workload.errors:
        refused = sum(workload.errors.values()) - workload.failed
        codes = ", ".join(f"{code} {count:,}" for code, count in workload.errors.items())
        yield f"{refused:,} refused, {workload.failed:,} failed: {codes}"
    if workload.failed:
        yield f"out for {workload.longest_outage_seconds:,.1f}s at the longest"


def _services(result: RunResult) -> Iterator[str]:
    """The resources that KMS kept from their users, for how long, and which it still does."""
    out = [service for service in result.services if service.out_seconds]
    for service in out[:_MOST_SERVICES]:
        now = f"{service.state} ({service.because})" if service.because else f"{service.state} again"
        span = format_duration(round(service.out_seconds) * _NS_PER_SECOND)
        yield f"service   {service.service} {service.resource} in {service.region}: out for {span}, {now}"
    if len(out) > _MOST_SERVICES:
        yield f"service   and {len(out) - _MOST_SERVICES} more; --json tells all"


def _failures(result: RunResult) -> Iterator[str]:
    told: set[Line] = set()
    for step in result.expectations:
        if not step.passed:
            what = f"step {step.step}" if step.step else "workload"
            yield f"FAILED    {what}, {result.path}:{step.line}: {step.message}"
            yield from _around(result, step.at_ns, told)
    for invariant in result.invariants:
        if invariant.passed is False:
            yield f"FAILED    invariant {invariant.name} ({invariant.kind}): {invariant.detail}"
            yield from _around(result, invariant.at_ns or 0, told)
    if result.interrupted:
        yield f"INTERRUPTED at {clock(round(result.virtual_seconds * _NS_PER_SECOND))}; the results are partial"


def _around(result: RunResult, at_ns: int, told: set[Line]) -> Iterator[str]:
    """The lines of the transcript around an instant, each `told` once: what failed together has one surrounding."""
    lines = [line for line in result.transcript if line.event != "FAILED"]  # those stand above what surrounds them
    before = [line for line in lines if line.at_ns <= at_ns][-_LINES_AROUND:]
    after = [line for line in lines if line.at_ns > at_ns][:_LINES_AROUND]
    news = [line for line in (*before, *after) if line not in told]
    told.update(news)
    yield from (f"          {line}" for line in news)


def write_json(result: RunResult, where: str) -> None:
    """Write the result as JSON to a file, or to stdout for `-`. Errors: ConfigError."""
    text = json.dumps(result.as_json(), indent=2) + "\n"
    if where == "-":
        sys.stdout.write(text)
        return
    try:
        Path(where).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the result cannot be written to '{where}': {error.strerror}") from None


def transcript_path(scenario_path: str | Path) -> Path:
    """Where the golden transcript of a scenario is: beside it."""
    return Path(scenario_path).with_suffix(".transcript")


def write_transcript(result: RunResult) -> Path:
    """Write the transcript of a run that held beside its scenario; the path. Errors: ConfigError."""
    assert result.verdict is Verdict.OK, "a transcript of a run that did not hold is no golden one"
    path = transcript_path(result.path)
    try:
        path.write_text("".join(f"{line}\n" for line in result.transcript), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
    return path
