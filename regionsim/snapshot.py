"""Frozen pictures of a simulation: `Simulation.snapshot` for invariants and reports, `glance` for who watches it.

Taken between events, so it is consistent; it holds frozen values and counts, never a live part of a Region.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from regionsim.kms.key import KmsKey
from regionsim.names.dataclass import dataclass
from regionsim.region.region import Region


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionPicture:
    """One Region. `keys` and `held` are empty while it is down; `held` are the ids of the materials that its HSMs can
    use."""

    name: str
    is_up: bool
    is_reachable: bool
    keys: Mapping[str, KmsKey] = field(default_factory=dict)
    held: Mapping[str, frozenset[str]] = field(default_factory=dict)
    requests: int
    refused: int
    denied: int
    throttled: int
    hsm_jobs: int
    hsm_queue_length: int
    unavailable_ns: int
    unfinished_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The whole world at one instant (nanoseconds since 1970)."""

    at_ns: int
    regions: Mapping[str, RegionPicture]
    is_settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionGlance:
    """One Region's figures. `hsms` are the states of its HSMs; lags are of replication, in nanoseconds."""

    name: str
    is_up: bool
    is_reachable: bool
    key_count: int
    requests: int
    refused: int
    denied: int
    throttled: int
    hsms: tuple[str, ...]
    hsm_jobs: int
    hsm_busy_ns: int
    hsm_queue_length: int
    unfinished_count: int
    unavailable_ns: int
    lag_p99_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """The figures of the world at one instant of the run. `cut_links` are (sender, receiver); `faults` are told by
    name."""

    at_ns: int
    regions: Mapping[str, RegionGlance]
    cut_links: frozenset[tuple[str, str]]
    faults: Mapping[str, str]


def region_glance(region: Region, *, is_reachable: bool, unavailable_ns: int) -> RegionGlance:
    """The figures of one Region."""
    counts, fleet, lag = region.counts, region.fleet, region.counts.replication.lag
    return RegionGlance(
        name=region.name,
        is_up=region.is_up,
        is_reachable=is_reachable,
        key_count=region.state.total_key_count if region.is_up else 0,
        requests=counts.requests,
        refused=counts.refused,
        denied=counts.denied,
        throttled=counts.throttled,
        hsms=tuple(hsm.state.value if hsm.is_online else "OFFLINE" for hsm in fleet.hsms),
        hsm_jobs=fleet.jobs_done,
        hsm_busy_ns=fleet.busy_ns,
        hsm_queue_length=fleet.queue_length,
        unfinished_count=region.unfinished_count,
        unavailable_ns=unavailable_ns,
        lag_p99_ns=lag.quantile(0.99) if lag.count else None,
    )


def region_picture(region: Region, *, is_reachable: bool, unavailable_ns: int) -> RegionPicture:
    """The picture of one Region."""
    keys = {key.key_id: key for key in region.state.all_keys()} if region.is_up else {}
    return RegionPicture(
        name=region.name,
        is_up=region.is_up,
        is_reachable=is_reachable,
        keys=keys,
        held={key_id: frozenset(region.state.material_ids(key_id)) for key_id in keys},
        requests=region.counts.requests,
        refused=region.counts.refused,
        denied=region.counts.denied,
        throttled=region.counts.throttled,
        hsm_jobs=region.fleet.jobs_done,
        hsm_queue_length=region.fleet.queue_length,
        unavailable_ns=unavailable_ns,
        unfinished_count=region.unfinished_count,
    )
