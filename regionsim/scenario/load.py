"""A scenario file -> a checked `Scenario`, or every mistake in it with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from regionsim.accounts.directory import Directory
from regionsim.hsm.keeper_plans import NO_PLANS
from regionsim.scenario import read
from regionsim.scenario.asking import read_service_workload
from regionsim.scenario.attestation import Attested, read_attestation
from regionsim.scenario.bulk import read_bulk
from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.key_stores import read_key_stores
from regionsim.scenario.known import Known
from regionsim.scenario.model import Scenario, ServiceWorkload, Step, Workload
from regionsim.scenario.nodes import MappingNode, Node, kind_of
from regionsim.scenario.parse import parse
from regionsim.scenario.read import EnoughFoundError, Findings
from regionsim.scenario.source import read_source
from regionsim.scenario.steps import StepReader, saved_names
from regionsim.scenario.values import Names
from regionsim.scenario.vocabulary import SCENARIO
from regionsim.scenario.workloads import read_workload, sampled
from regionsim.scenario.world import (
    DEFAULT_START_NS,
    Consistency,
    Hsms,
    Links,
    Waits,
    read_accounts,
    read_grants,
    read_hsm,
    read_links,
    read_regions,
    read_replication,
)
from regionsim.simulation.world import World

DEFAULT_SEED = 0
LARGEST_SEED = 2**63 - 1


def load_scenario(path: Path | str) -> Scenario:
    """The scenario in the file at `path`.

    Errors: ScenarioError for the first mistake by place; the others of the file are its `further`.
    """
    shown = str(path)
    return read_scenario(read_source(Path(path), shown), shown)


def read_scenario(text: str, path: str) -> Scenario:
    """The scenario that a file's text says; `path` is what messages call the file.

    Errors: as `load_scenario`.
    """
    root = parse(text, path)
    if not isinstance(root, MappingNode):
        what = f"a scenario is a mapping, this is {kind_of(root)}"
        raise root.position.error(what, "write name:, regions:, accounts: and steps: at the left margin")
    findings = Findings()
    try:
        scenario = _scenario(root, path, findings)
    except ScenarioError as error:
        findings.add(error)
        scenario = None
    except EnoughFoundError:
        scenario = None
    findings.raise_any()
    assert scenario is not None
    return replace(scenario, warnings=tuple(findings.warnings))


def _scenario(root: MappingNode, path: str, findings: Findings) -> Scenario | None:
    found = read.fields(root, SCENARIO, "a scenario", findings, goes_on_without=True)
    name = findings.attempt(read.text, found["name"], "name") if "name" in found else Path(path).stem
    about = findings.attempt(read.text, found["about"], "about") if "about" in found else ""
    seed = findings.attempt(_seed, found["seed"]) if "seed" in found else DEFAULT_SEED
    versions = findings.attempt(_versions, found["versions"]) if "versions" in found else None
    failed = findings.attempt(read.text, found["failed"], "failed") if "failed" in found else None
    world, known = _world(found, findings)
    if "until" in found:
        known.until_ns = findings.attempt(read.duration, found["until"], "until", allow_zero=False)
    step_nodes = (findings.attempt(_step_nodes, found["steps"]) if "steps" in found else None) or ()
    workloads, of_services = _workloads(found.get("workloads"), step_nodes, known, findings)
    for one in (one for node in reversed(step_nodes) for one in saved_names(node)):
        known.names.later[one.name] = one.position
    steps = StepReader(known, findings).read(step_nodes)
    workloads = findings.attempt(_sampled, workloads, steps, known.until_ns) or {}
    if name is None or about is None or seed is None or world is None:
        return None
    return Scenario(
        path=path,
        name=" ".join(name.split()),
        about=about.strip(),
        seed=seed,
        world=world,
        workloads=workloads,
        service_workloads=of_services,
        steps=steps,
        until_ns=known.until_ns,
        versions=versions or MappingProxyType({}),
        failed=failed or "",
    )


def _world(found: dict[str, Node], findings: Findings) -> tuple[World | None, Known]:
    """The world, or None when a part of it is wrong; and what the rest of the file can be held against even so."""
    start_at_ns = findings.attempt(read.instant, found["start"], "start") if "start" in found else DEFAULT_START_NS
    regions = findings.attempt(read_regions, found["regions"]) if "regions" in found else None
    links = findings.attempt(read_links, found["links"], regions or (), findings) if "links" in found else Links()
    hsms = findings.attempt(read_hsm, found["hsm"], findings) if "hsm" in found else Hsms()
    waits = findings.attempt(read_replication, found["replication"], findings) if "replication" in found else Waits()
    grants = findings.attempt(read_grants, found["grants"], findings) if "grants" in found else Consistency()
    directory = _accounts(found, findings)
    attested = findings.attempt(read_attestation, found["attestation"], findings) if "attestation" in found else None
    attested = attested or Attested()
    keepers = findings.attempt(read_key_stores, found["key_stores"], findings) if "key_stores" in found else NO_PLANS
    known = Known(regions=regions, directory=directory, warnings=findings.warnings, enclaves=attested.enclaves)
    bulk = read_bulk(found["keys"], known, findings) if "keys" in found else ()
    if start_at_ns is None or regions is None or directory is None:
        return None, known
    if keepers is None or links is None or hsms is None or waits is None or grants is None:
        return None, known
    world = World(
        regions=regions,
        directory=directory,
        start_at_ns=start_at_ns,
        bulk=bulk,
        attestation_roots=attested.roots,
        keepers=keepers,
        **links,
        **hsms,
        **waits,
        **grants,
    )
    return world, known


def _accounts(found: dict[str, Node], findings: Findings) -> Directory | None:
    if "accounts" not in found:
        return None
    return findings.attempt(read_accounts, found["accounts"], findings, found.get("organization"))


def _workloads(
    node: Node | None, step_nodes: tuple[Node, ...], known: Known, findings: Findings
) -> tuple[Mapping[str, Workload], Mapping[str, ServiceWorkload]]:
    """The workloads by name, those of services apart; they may use the names that any step saves."""
    held = None if node is None else findings.attempt(read.entries, node, "workloads")
    if node is not None and held is None:
        return MappingProxyType({}), MappingProxyType({})
    saved = Names(defined=dict(known.names.defined), counts=dict(known.names.counts))
    saved.define(one for step in step_nodes for one in saved_names(step))
    at_any_time = replace(known, names=saved)
    known.workloads = tuple(held or ())
    of_services = {name: entry for name, entry in (held or {}).items() if _is_of_service(entry.value)}
    others = [entry for name, entry in (held or {}).items() if name not in of_services]
    users = (findings.attempt(read_service_workload, entry, at_any_time, findings) for entry in of_services.values())
    workloads = (findings.attempt(read_workload, entry, at_any_time, findings) for entry in others)
    return (
        MappingProxyType({workload.name: workload for workload in workloads if workload is not None}),
        MappingProxyType({workload.name: workload for workload in users if workload is not None}),
    )


def _is_of_service(node: Node) -> bool:
    return isinstance(node, MappingNode) and "service" in node.entries


def _sampled(
    workloads: Mapping[str, Workload], steps: tuple[Step, ...], until_ns: int | None
) -> Mapping[str, Workload]:
    """The workloads, now that the end of the run is known. Errors: ScenarioError for more than anybody waits for."""
    ends = [step.at_ns or 0 for step in steps] + [workload.until_ns or 0 for workload in workloads.values()]
    end_ns = max(ends, default=0) if until_ns is None else until_ns
    return MappingProxyType({name: sampled(workload, end_ns) for name, workload in workloads.items()})


def _step_nodes(node: Node) -> tuple[Node, ...]:
    nodes = read.items(node, "steps")
    if not nodes:
        raise node.position.error("there is no step", "a scenario needs at least one")
    return nodes


def _versions(node: Node) -> Mapping[str, str]:
    held = read.entries(node, "versions")
    return MappingProxyType({name: read.text(entry.value, f"the version of {name}") for name, entry in held.items()})


def _seed(node: Node) -> int:
    return read.whole_number(node, "seed", least=0, most=LARGEST_SEED)
