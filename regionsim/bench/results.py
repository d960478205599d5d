"""What was measured. The JSON of `bench` is these values.

Rates are per second of wall time; costs are processor time of the whole process. A ratio compares two costs of the
same round, so that what else the machine does falls on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from regionsim.bench.settings import BenchSettings
from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median of all rounds, the smallest and the largest."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median=median(values), min=min(values), max=max(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionOperation:
    """One operation in one Region; latencies in microseconds, as callers saw them."""

    region: str
    operation: str
    calls: int
    refused: int
    first_refusal: str
    per_second: Spread
    p50_us: float
    p99_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationCost:
    """One operation over all Regions. `of_plain` and `of_kept` are B0's and B1's cost over the call's own: 1 would be
    a service that costs nothing; None for an operation that encrypts nothing. One that has a key of its own has
    `bare_us`, what its cryptography costs alone, and `of_bare`, that over the call's own."""

    operation: str
    cpu_us: Spread
    of_plain: Spread | None
    of_kept: Spread | None
    bare_us: Spread | None = None
    of_bare: Spread | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionTotal:
    """All calls of one Region, and its rate over the time in which it was called."""

    region: str
    calls: int
    per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """One run of `bench`. Costs in microseconds; `load_before` is the machine's load average when it began, None where
    there is none."""

    settings: BenchSettings
    versions: dict[str, str]
    processors: int
    load_before: float | None
    rounds: int
    plain_us: Spread
    kept_us: Spread
    operations: tuple[RegionOperation, ...]
    costs: tuple[OperationCost, ...]
    totals: tuple[RegionTotal, ...]

    @property
    def refused(self) -> int:
        """Calls that were not answered with success."""
        return sum(one.refused for one in self.operations)

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlCost:
    """One control-plane call, in microseconds of processor time. `without_key_generation`: of the Region's thread
    alone. `of_two_regions`: what falls on each of them.
    """

    call: str
    cpu_us: Spread
    without_key_generation: bool
    of_two_regions: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """What the control plane costs with so many keys in a Region, what they take, and how long they take to be there.

    `made_s` is until they were made and the Regions up, `booted_s` until hosts that had lost their memory were up
    again, `memory_mb` what the process has more in memory then.
    """

    keys: int
    made_s: float
    booted_s: float
    memory_mb: float
    costs: tuple[ControlCost, ...]

    def over(self, most_us: float) -> tuple[ControlCost, ...]:
        """The calls whose median costs more."""
        return tuple(cost for cost in self.costs if cost.cpu_us.median > most_us)

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return asdict(self)
