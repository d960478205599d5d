"""A run of `bench` as text and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from regionsim.bench.results import BenchResult, ControlPlane, OperationCost, Spread
from regionsim.names.mistakes import ConfigError

_BUSY = 0.2
_BAR_CELLS = 24


def lines(result: BenchResult) -> Iterator[str]:
    """What people read."""
    settings = result.settings
    durable = ", answers wait for their audit record on the disk" if settings.is_durable else ""
    time = f"{settings.seconds:g} s an operation in {result.rounds} rounds"
    yield f"{settings.concurrency} callers a Region, {time}{durable}"
    yield _machine(result)
    yield ""
    yield f"{'Region':<16}{'operation':<33}{'calls/s':>9}{'min':>9}{'max':>9}{'p50 us':>9}{'p99 us':>9}"
    for one in result.operations:
        rate = one.per_second
        yield (
            f"{one.region:<16}{one.operation:<33}{rate.median:>9,.0f}{rate.min:>9,.0f}{rate.max:>9,.0f}"
            f"{one.p50_us:>9,.0f}{one.p99_us:>9,.0f}"
        )
    for total in result.totals:
        yield f"{total.region:<16}{'all':<33}{total.per_second:>9,.0f}"
    yield ""
    yield f"cryptography alone: B0 {_spread(result.plain_us)}, B1 {_spread(result.kept_us)} us of CPU an encryption"
    symmetric = [cost for cost in result.costs if cost.bare_us is None]
    others = [cost for cost in result.costs if cost.bare_us is not None]
    if symmetric:
        yield f"{'operation':<33}{'CPU us a call':>24}{'B0 / call':>24}{'B1 / call':>24}"
    for cost in symmetric:
        yield _cost(cost, cost.of_plain, cost.of_kept)
    if others:
        yield f"{'with a key of its own':<33}{'CPU us a call':>24}{'cryptography alone us':>24}{'alone / call':>24}"
    for cost in others:
        yield _cost(cost, cost.bare_us, cost.of_bare)
    for one in result.operations:
        if one.refused:
            yield f"{one.region}: {one.refused} of {one.calls} {one.operation} were refused; {one.first_refusal}"


def _cost(cost: OperationCost, *besides: Spread | None) -> str:
    told = "".join(f"{_spread(one) if one else '-':>24}" for one in besides)
    return f"{cost.operation:<33}{_spread(cost.cpu_us):>24}{told}"


def control_lines(found: ControlPlane, most_us: float) -> Iterator[str]:
    """What people read of the control plane; `most_us` is what a call may cost."""
    there = f"made in {found.made_s:.1f} s, booted again in {found.booted_s:.1f} s, {found.memory_mb:,.0f} MB"
    yield f"{found.keys:,} keys: {there}"
    yield ""
    yield f"{'call':<33}{'CPU us':>9}{'min':>9}{'max':>9}"
    for cost in found.costs:
        told = "  without the making of key pairs" if cost.without_key_generation else ""
        told += "  in each of two Regions" if cost.of_two_regions else ""
        over = f"  over {most_us:,.0f}" if cost.cpu_us.median > most_us else ""
        spread = cost.cpu_us
        yield f"{cost.call:<33}{spread.median:>9,.0f}{spread.min:>9,.0f}{spread.max:>9,.0f}{told}{over}"


def _machine(result: BenchResult) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    load = result.load_before
    if load is None:
        return f"{versions}; {result.processors} processors"
    noisy = " (noisy: others are at work, trust the ratios only)" if load > _BUSY * result.processors else ""
    return f"{versions}; {result.processors} processors, load {load:.2f} before{noisy}"


def _spread(spread: Spread) -> str:
    median, least, most = (
        f"{one:,.0f}" if one >= 100 else f"{one:.3g}" for one in (spread.median, spread.min, spread.max)
    )
    return f"{median} ({least}-{most})"


def write_json(result: BenchResult | ControlPlane, where: str) -> None:
    """Write the result to a file, or to stdout for `-`. Errors: ConfigError."""
    text = json.dumps(result.as_json(), indent=2) + "\n"
    if where == "-":
        sys.stdout.write(text)
        return
    try:
        Path(where).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the result cannot be written to '{where}': {error.strerror}") from None


def bar(share: float, what: str) -> str:
    """A progress bar of one line, which begins by taking the place of the one before."""
    done = round(share * _BAR_CELLS)
    return f"\r[{'#' * done}{'.' * (_BAR_CELLS - done)}] {share:4.0%} {what:<33}"
