"""What a scenario wants of integrated AWS services: `ask:` of a step, and workloads with `service:`."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any

from regionsim.names.durations import format_duration
from regionsim.names.mistakes import advice
from regionsim.scenario import read
from regionsim.scenario.callers import caller_in_words, read_caller
from regionsim.scenario.errors import quoted
from regionsim.scenario.known import Known
from regionsim.scenario.model import Caller, ServiceRequest, ServiceWorkload, Wanted
from regionsim.scenario.nodes import Entry, Node, ScalarNode, SequenceNode, kind_of
from regionsim.scenario.read import Findings
from regionsim.scenario.values import NAME, Tree, text_tree
from regionsim.scenario.vocabulary import SERVICE_WORKLOAD
from regionsim.services.cloud import SERVICES
from regionsim.services.service import Takes

CALLS = "calls"
"""In `expect:` of a step with `ask:`, the calls that reached KMS, in order."""

_NUMBER = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_NS_PER_SECOND = 1_000_000_000
_MOST_PER_SECOND = 1_000
_ROOT = "root"
_OTHER_NAMES = {"ebs": "ec2", "aurora": "rds", "cloudwatch": "logs", "secrets": "secretsmanager", "ddb": "dynamodb"}
"""What services, or parts of them, are called that AWS's own APIs call otherwise."""


def read_request(found: dict[str, Node], known: Known, findings: Findings) -> ServiceRequest | None:
    """Who asks which service for what, and where; None when its caller cannot be told."""
    principal = findings.attempt(read_caller, found["as"], known)
    region = read.region(found["in"], "in", known.regions)
    service, named = _one(found["ask"], "ask", "write ask: {s3: {GetObject: {...}}}")
    if service not in SERVICES:
        meant = _OTHER_NAMES.get(service.lower())
        hint = f"write {meant}" if meant else advice(service, SERVICES, shown=len(SERVICES))
        raise named.key.position.error(f"there is no service {quoted(service)}", hint)
    operations = SERVICES[service].takes
    operation, wanted = _one(named.value, service, f"write {service}: {{{next(iter(operations))}: {{...}}}}")
    if operation not in operations:
        what = f"{service} has no operation {quoted(operation)}"
        raise wanted.key.position.error(what, advice(operation, operations, shown=len(operations)))
    given = _parameters(wanted, operations[operation], known)
    if principal is None:
        return None
    return ServiceRequest(
        service=service,
        operation=operation,
        given=given,
        principal=principal,
        caller=caller_in_words(found["as"]),
        region=region,
    )


def read_wanted(node: Node | None, known: Known) -> tuple[str | None, tuple[Wanted, ...]]:
    """The error that a request must end in, or what its answer must hold."""
    held = {} if node is None else read.entries(node, "expect")
    if "error" in held:
        others = [entry for name, entry in held.items() if name not in ("error", CALLS)]
        if others:
            raise others[0].key.position.error("an error has no answer to look into", "leave only error: and calls:")
    error = read.text(held["error"].value, "error") if "error" in held else None
    parts = (Wanted(name=name, value=_wanted(entry.value, name, known)) for name, entry in held.items())
    return error, tuple(part for part in parts if part.name != "error")


def read_service_workload(entry: Entry, known: Known, findings: Findings) -> ServiceWorkload | None:
    """One workload of a service's users; None when they cannot be told."""
    name = entry.key.text
    if not NAME.fullmatch(name):
        hint = "letters, digits, _ and -, a letter first"
        raise entry.key.position.error(f"{quoted(name)} cannot name a workload", hint)
    found = read.fields(entry.value, SERVICE_WORKLOAD, f"workload {name}", findings)
    service = read.choice(found["service"], "service", tuple(SERVICES))
    region = read.region(found["in"], "in", known.regions)
    principal = _user(found.get("as"), known, findings)
    from_ns = read.duration(found["from"], "from") if "from" in found else 0
    until_ns = read.duration(found["until"], "until") if "until" in found else None
    if until_ns is not None and until_ns <= from_ns:
        raise found["until"].position.error(f"workload {name} ends before it begins")
    if known.until_ns is not None and until_ns is not None and until_ns > known.until_ns:
        what = f"workload {name} ends at {format_duration(until_ns)}, after the run"
        raise found["until"].position.error(what, "move it, or the until: of the file")
    given: dict[str, Tree] = {}
    if "key" in found:
        given["key"] = _value(found["key"], "key", known)
    if "bucket_keys" in found:
        given["bucket_keys"] = read.switch(found["bucket_keys"], "bucket_keys")
    if principal is None:
        return None
    return ServiceWorkload(
        name=name,
        position=entry.key.position,
        service=service,
        region=region,
        principal=principal,
        given=MappingProxyType(given),
        pause_ns=_pause_ns(found, entry),
        from_ns=from_ns,
        until_ns=until_ns,
    )


def _user(node: Node | None, known: Known, findings: Findings) -> Caller | None:
    """Who asks: by default the root user of the first account."""
    if node is not None:
        return findings.attempt(read_caller, node, known)
    if known.directory is None:
        return None
    return known.directory.principal(next(iter(known.directory.accounts)), _ROOT, partition=known.partition)


def _pause_ns(found: dict[str, Node], entry: Entry) -> int:
    words = [word for word in ("objects_per_second", "requests_per_second") if word in found]
    if len(words) != 1:
        what = f"how often? workload {entry.key.text} needs one pace"
        raise entry.key.position.error(what, "add requests_per_second: 10")
    node = found[words[0]]
    text = read.text(node, words[0]) if not isinstance(node, ScalarNode) else node.text
    rate = float(text) if _NUMBER.fullmatch(text) else 0.0
    if not 0 < rate <= _MOST_PER_SECOND:
        raise node.position.error(f"{words[0]}: {quoted(text)} is no pace", f"write a number up to {_MOST_PER_SECOND}")
    return int(_NS_PER_SECOND / rate)


def _one(node: Node, what: str, hint: str) -> tuple[str, Entry]:
    held = read.entries(node, what)
    if len(held) != 1:
        raise node.position.error(f"{what}: one is wanted, these are {len(held)}", hint)
    return next(iter(held.items()))


def _parameters(wanted: Entry, takes: Takes, known: Known) -> dict[str, Any]:
    operation, names = wanted.key.text, (*takes.required, *takes.optional)
    held = read.entries(wanted.value, operation)
    for name, entry in held.items():
        if name not in names:
            what = f"{operation} takes no {quoted(name)}"
            raise entry.key.position.error(what, advice(name, names, shown=len(names)))
    missing = [name for name in takes.required if name not in held]
    if missing:
        raise wanted.key.position.error(f"{operation} has no '{missing[0]}'", f"it takes {', '.join(names)}")
    return {name: _value(entry.value, name, known) for name, entry in held.items()}


def _wanted(node: Node, name: str, known: Known) -> Tree:
    """A part of an answer: there a number is one, and null says that there is no such part."""
    if isinstance(node, ScalarNode) and (node.value is None or type(node.value) is int):
        return node.value
    return _value(node, name, known)


def _value(node: Node, name: str, known: Known) -> Tree:
    if isinstance(node, SequenceNode):
        return [_value(item, name, known) for item in node.items]
    if not isinstance(node, ScalarNode) or node.value is None:
        raise node.position.error(f"{name}: text, a number, true or false is wanted, this is {kind_of(node)}")
    return node.value if isinstance(node.value, bool) else text_tree(node, known.names)
