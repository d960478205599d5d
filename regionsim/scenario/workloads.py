"""`workloads:`: calls that repeat in the background."""

from __future__ import annotations

import re
from dataclasses import replace

from regionsim.kms.operations.registry import REGISTRY
from regionsim.names.durations import format_duration, parse_duration
from regionsim.scenario import read
from regionsim.scenario.callers import caller_in_words, read_caller, read_circumstances, read_client
from regionsim.scenario.calls import NamedOperation, read_operation, read_parameters
from regionsim.scenario.errors import quoted
from regionsim.scenario.known import Known
from regionsim.scenario.model import Pace, ScenarioCall, Workload
from regionsim.scenario.nodes import Entry, Node
from regionsim.scenario.read import Findings
from regionsim.scenario.steps import counting, read_over
from regionsim.scenario.values import NAME
from regionsim.scenario.vocabulary import WORKLOAD

MOST_REAL_CALLS = 100_000
"""A workload of more calls makes every second, every third, ... for real, unless it says otherwise (`sample:`)."""

MOST_CALLS_IN_FULL = 2_000_000
"""So many real calls take a quarter of an hour."""

MOST_CALLS = 50_000_000
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
    principal = findings.attempt(read_caller, found["as"], known)
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
    operation, over = read_operation(found["call"]), read_over(found)
    parameters = read_parameters(operation, counting(known, over), None)
    circumstances = findings.attempt(read_circumstances, found.get("context"))
    if principal is None or client is None or circumstances is None:
        return None
    call = ScenarioCall(
        operation=operation.operation.name,
        parameters=parameters,
        principal=principal,
        caller=caller_in_words(found["as"]),
        client=client,
        circumstances=circumstances,
    )
    return Workload(
        name=name,
        position=entry.key.position,
        call=call,
        pace=pace,
        from_ns=from_ns,
        until_ns=until_ns,
        over=over,
        sample=_sample(found["sample"], operation) if "sample" in found else None,
    )


def sampled(workload: Workload, end_ns: int) -> Workload:
    """The workload with its sample settled: as many calls are real as `MOST_REAL_CALLS` says, or as the file does.

    Errors: ScenarioError for more than anybody waits for.
    """
    length_ns = (end_ns if workload.until_ns is None else workload.until_ns) - workload.from_ns
    calls = max(0, length_ns) // workload.pace.pause_ns
    can_be_load = not REGISTRY[workload.call.operation].is_mutation
    chosen = -(-calls // MOST_REAL_CALLS) if can_be_load else 1
    sample = max(1, chosen if workload.sample is None else workload.sample)
    if calls > MOST_CALLS or calls // sample > MOST_CALLS_IN_FULL:
        what = f"workload {workload.name} makes about {calls:,} calls"
        most = MOST_CALLS if calls > MOST_CALLS else MOST_CALLS_IN_FULL
        whole = "" if calls > MOST_CALLS else " for real"
        hint = "make it slower (every:) or shorter (from:, until:)"
        raise workload.position.error(f"{what}, which is more than {most:,}{whole}", hint)
    return replace(workload, sample=sample)


def _sample(node: Node, called: NamedOperation) -> int:
    sample = read.whole_number(node, "sample", least=1, most=MOST_CALLS)
    name = called.operation.name
    if sample > 1 and REGISTRY[name].is_mutation:
        raise node.position.error(f"{name} changes keys, so every call is made", "leave sample: out")
    return sample


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
