"""Figures of a served world in Prometheus's text format.

Source: Prometheus, "Exposition formats", 0.0.4; names by "Metric and label naming".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from regionsim.runtime.tasks import now_ns
from regionsim.services.premises import ServiceState
from regionsim.simulation.simulation import Simulation
from regionsim.snapshot import RegionGlance

_Figure = Callable[[RegionGlance], float]

_OF_REGION: tuple[tuple[str, str, str, _Figure], ...] = (
    ("regionsim_region_up", "gauge", "1 while the Region has hosts", lambda region: region.is_up),
    ("regionsim_region_reachable", "gauge", "1 while no fault keeps callers out", lambda region: region.is_reachable),
    ("regionsim_keys", "gauge", "KMS keys in the Region, of every account", lambda region: region.key_count),
    ("regionsim_requests_total", "counter", "requests taken up", lambda region: region.requests),
    ("regionsim_refused_total", "counter", "requests refused, for whatever reason", lambda region: region.refused),
    ("regionsim_denied_total", "counter", "requests refused by policies", lambda region: region.denied),
    ("regionsim_throttled_total", "counter", "requests over a request quota", lambda region: region.throttled),
    ("regionsim_hsm_jobs_total", "counter", "jobs that HSMs have done", lambda region: region.hsm_jobs),
    (
        "regionsim_hsm_busy_seconds_total",
        "counter",
        "time that HSMs were held",
        lambda region: region.hsm_busy_ns / 1e9,
    ),
    ("regionsim_hsm_queue", "gauge", "jobs at HSMs now", lambda region: region.hsm_queue_length),
    (
        "regionsim_unfinished",
        "gauge",
        "changes not across to other Regions yet",
        lambda region: region.unfinished_count,
    ),
    (
        "regionsim_unavailable_seconds_total",
        "counter",
        "time without reach of callers",
        lambda region: region.unavailable_ns / 1e9,
    ),
    (
        "regionsim_replication_lag_p99_seconds",
        "gauge",
        "replication lag, 99th percentile since the Region began",
        lambda region: (region.lag_p99_ns or 0) / 1e9,
    ),
)


def prometheus_text(simulation: Simulation, services: Sequence[ServiceState] = ()) -> str:
    """All figures as they are now; `services` are the resources of services that a timeline asks."""
    glance = simulation.glance()
    lines: list[str] = []
    for name, kind, about, figure in _OF_REGION:
        lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
        lines += [f'{name}{{region="{region}"}} {_number(figure(of))}' for region, of in glance.regions.items()]
    lines += ["# HELP regionsim_hsms HSMs by state", "# TYPE regionsim_hsms gauge"]
    for region, of in glance.regions.items():
        for state in sorted(set(of.hsms)):
            lines.append(f'regionsim_hsms{{region="{region}",state="{state}"}} {of.hsms.count(state)}')
    lines += ["# HELP regionsim_faults faults that are on", "# TYPE regionsim_faults gauge"]
    lines.append(f"regionsim_faults {len(glance.faults)}")
    lines += ["# HELP regionsim_time_seconds the world's time", "# TYPE regionsim_time_seconds gauge"]
    lines.append(f"regionsim_time_seconds {_number(simulation.clock.now_ns() / 1e9)}")
    lines += _of_services(services)
    return "\n".join(lines) + "\n"


def _of_services(services: Sequence[ServiceState]) -> list[str]:
    if not services:
        return []
    up, out = "regionsim_service_resource_up", "regionsim_service_resource_out_seconds_total"
    at_ns, ups, outs = now_ns(), list[str](), list[str]()
    for known in services:
        about = ("service", known.service), ("region", known.region), ("resource", known.resource)
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in about)
        state = f'{labels},state="{_escaped(known.state)}",because="{known.because}"'
        ups.append(f"{up}{{{state}}} {int(known.is_well)}")
        outs.append(f"{out}{{{labels}}} {_number(known.out_ns(at_ns) / 1e9)}")
    head = f"# HELP {up} 1 while KMS does for the resource what it needs"
    more = f"# HELP {out} time that KMS kept the resource from its users"
    return [head, f"# TYPE {up} gauge", *ups, more, f"# TYPE {out} counter", *outs]


def _escaped(value: str) -> str:
    """A label's value. Source: Prometheus, "Exposition formats" (backslash, quote and line feed)."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
