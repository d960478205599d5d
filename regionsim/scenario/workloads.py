"""`workloads:`: calls that repeat in the background."""

from __future__ import annotations

import re

from regionsim.runtime.clock import format_duration, parse_duration
from regionsim.scenario import read
from regionsim.scenario.callers import read_client, read_principal
from regionsim.scenario.calls import read_operation, read_parameters
from regionsim.scenario.errors import quoted
from regionsim.scenario.known import Known
from regionsim.scenario.model import Pace, ScenarioCall, Workload
from regionsim.scenario.nodes import Entry, Node
from regionsim.scenario.read import Findings
from regionsim.scenario.values import NAME
from regionsim.scenario.vocabulary import WORKLOAD

_SHORTEST_NS = parse_duration("100us")
PACE = re.compile(r"exponential\(([^()]*)\)")


def read_workload(entry: Entry, known: Known, findings: Findings) -> Workload | None:
    """One workload; None when its caller cannot be told, for a mistake in the accounts."""
    name = entry.key.text
    if not NAME.fullmatch(name):
        raise entry.key.position.error(
            f"{quoted(name)} cannot name a workload", "letters, digits, _ and -, a letter first"
        )
    found = read.fields(entry.value, WORKLOAD, f"workload {name}", findings)
    principal = findings.attempt(read_principal, found["as"], known)
    client = findings.attempt(read_client, found, entry.value, known, findings)
    pace = _pace(found["every"])
    from_ns = read.duration(found["from"], "from") if "from" in found else 0
    until_ns = read.duration(found["until"], "until") if "until" in found else None
    if until_ns is not None and until_ns <= from_ns:
        raise found["until"].position.error(f"workload {name} ends before it begins")
    for word, at_ns in (("from", from_ns), ("until", until_ns)):
        if known.until_ns is not None and at_ns is not None and at_ns > known.until_ns:
            what = f"{word} of workload {name} is at {format_duration(at_ns)}, but the run ends at"
            raise found[word].position.error(
                f"{what} {format_duration(known.until_ns)}", "move it, or the until: of the file"
            )
    operation = read_operation(found["call"])
    parameters = read_parameters(operation, known, None)
    if principal is None or client is None:
        return None
    call = ScenarioCall(
        operation=operation.operation.name,
        parameters=parameters,
        principal=principal,
        caller=read.text(found["as"], "as"),
        client=client,
    )
    return Workload(name=name, position=entry.key.position, call=call, pace=pace, from_ns=from_ns, until_ns=until_ns)


def _pace(node: Node) -> Pace:
    text = read.text(node, "every")
    found = PACE.fullmatch(text)
    try:
        pause_ns = parse_duration(text if found is None else found[1])
    except ValueError as error:
        raise read.told_by(error, node, "every", "write a pause like 500ms, or exponential(500ms)") from None
    if pause_ns < _SHORTEST_NS:
        raise node.position.error(f"every: {format_duration(pause_ns)} is too short a pause", "write 100us or more")
    return Pace(pause_ns=pause_ns, is_random=found is not None)
