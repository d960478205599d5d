"""`steps:`: the timeline, one step after another in the order of the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypedDict

from regionsim.faults.active import HEAL_ALL
from regionsim.faults.vocabulary import ACTED_ON, FaultError, parse_fault
from regionsim.kms.model import model
from regionsim.names.durations import format_duration
from regionsim.names.mistakes import advice
from regionsim.names.regions import PARTITION_OF
from regionsim.scenario import read
from regionsim.scenario.asking import read_request, read_wanted
from regionsim.scenario.callers import caller_in_words, read_caller, read_circumstances, read_client
from regionsim.scenario.calls import read_error, read_expectations, read_operation, read_parameters, read_saves
from regionsim.scenario.comparisons import read_metric_question
from regionsim.scenario.errors import ScenarioError, quoted
from regionsim.scenario.iam import read_iam
from regionsim.scenario.known import Known
from regionsim.scenario.model import (
    AskStep,
    CallStep,
    DeclareLostStep,
    Expectation,
    ExpectAuditStep,
    ExpectMetricStep,
    ExpectStateStep,
    FaultStep,
    HealStep,
    IamStep,
    SayStep,
    ScenarioCall,
    Step,
    When,
)
from regionsim.scenario.nodes import Entry, MappingNode, Node, Position, ScalarNode, locate, plain
from regionsim.scenario.parameters import ShapeReader
from regionsim.scenario.paths import read_path
from regionsim.scenario.read import Findings
from regionsim.scenario.trail import read_audit_question
from regionsim.scenario.values import NAME, Saved, Tree, text_tree
from regionsim.scenario.vocabulary import EVENTS, STATE, STEPS, WHEN

MOST_OVER = 100_000
"""How far a step or workload may count."""


class _Head(TypedDict):
    """What every kind of step has."""

    number: int
    position: Position
    at_ns: int | None
    say: str | None
    when: When | None


class StepReader:
    """Reads steps in order: each may use the names, and heal the faults, of those before it."""

    def __init__(self, known: Known, findings: Findings) -> None:
        self._known = known
        self._findings = findings
        self._latest: tuple[int, str] = (0, "")

    def read(self, nodes: tuple[Node, ...]) -> tuple[Step, ...]:
        """All steps that could be read; mistakes are findings."""
        steps = []
        for number, node in enumerate(nodes, start=1):
            step = self._findings.attempt(self._step, number, node)
            if step is not None:
                steps.append(step)
            # Also what a broken step would have named: its users are not at fault.
            self._known.names.define(saved_names(node))
            for name, position in _fault_names(node):
                self._known.faults.setdefault(name, position)
        return tuple(steps)

    def _step(self, number: int, node: Node) -> Step | None:
        kind = _kind(node)
        found = read.fields(node, STEPS[kind], f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} step", self._findings)
        head = self._head(number, node, found)
        match kind:
            case "call":
                return self._call(head, found, node)
            case "ask":
                request = read_request(found, self._known, self._findings)
                error, wanted = read_wanted(found.get("expect"), self._known)
                return None if request is None else AskStep(**head, request=request, error=error, wanted=wanted)
            case "fault":
                return self._fault(head, found)
            case "declare_lost" | "heal" | "iam":
                return self._change_of_world(kind, head, found)
            case "expect_state":
                return self._expect_state(head, found["expect_state"], read_over(found))
            case "expect_audit":
                return ExpectAuditStep(
                    **head, **read_audit_question(found["expect_audit"], self._known, self._findings)
                )
            case "expect_metric":
                asked = read_metric_question(found["expect_metric"], self._known)
                return ExpectMetricStep(
                    **head,
                    workload=asked.workload,
                    region=asked.region,
                    window_ns=asked.window_ns,
                    expectations=asked.expectations,
                )
            case _:
                return SayStep(**head)

    def _change_of_world(self, kind: str, head: _Head, found: dict[str, Node]) -> Step | None:
        match kind:
            case "declare_lost":
                region = read.region(found["declare_lost"], "declare_lost", self._known.regions)
                return DeclareLostStep(**head, region=region)
            case "heal":
                return HealStep(**head, name=self._healed(found["heal"]))
            case _:
                change = read_iam(found["iam"], self._known, self._findings)
                return None if change is None else IamStep(**head, change=change)

    def _head(self, number: int, node: Node, found: dict[str, Node]) -> _Head:
        at_ns = self._at(found["at"], number) if "at" in found else None
        say = read.text(found["say"], "say") if "say" in found else None
        when = self._when(found["when"], "at" in found) if "when" in found else None
        return _Head(number=number, position=node.position, at_ns=at_ns, say=say, when=when)

    def _when(self, node: Node, has_at: bool) -> When:
        found = read.fields(node, WHEN, "when", self._findings)
        if has_at:
            raise node.position.error("a step begins at a time or at an event, this one has at: and when:")
        if self._known.until_ns is None:
            raise node.position.error("when: may wait for ever, and the run has no end", "add until: to the file")
        event = read.choice(found["event"], "event", tuple(EVENTS))
        region = read.region(found["in"], "in", self._known.regions) if "in" in found else None
        nth = read.whole_number(found["nth"], "nth", least=1, most=10**9) if "nth" in found else 1
        return When(event=event, region=region, nth=nth)

    def _at(self, node: Node, number: int) -> int:
        at_ns = read.duration(node, "at")
        latest_ns, whose = self._latest
        if at_ns < latest_ns:
            at, latest = format_duration(at_ns), format_duration(latest_ns)
            what = f"step {number} is at {at}, but {whose} before it is at {latest}"
            raise node.position.error(what, "steps stand in the order of time")
        until_ns = self._known.until_ns
        if until_ns is not None and at_ns > until_ns:
            what = f"step {number} is at {format_duration(at_ns)}, but the run ends at {format_duration(until_ns)}"
            raise node.position.error(what, "move the step, or until:")
        self._latest = (at_ns, f"step {number}")
        return at_ns

    def _call(self, head: _Head, found: dict[str, Node], node: Node) -> CallStep | None:
        over = read_over(found)
        known, findings = counting(self._known, over), self._findings
        principal = findings.attempt(read_caller, found["as"], known)
        client = findings.attempt(read_client, found, node, known, findings)
        circumstances = findings.attempt(read_circumstances, found.get("context"))
        called = read_operation(found["call"])
        name = called.operation.name
        error = read_error(found.get("expect"))
        known = known if principal is None else replace(known, account=principal.account)
        parameters = findings.attempt(read_parameters, called, known, error)
        expectations = findings.attempt(read_expectations, found.get("expect"), called.output, name, known)
        if error is not None and "save" in found:
            raise found["save"].position.error("a refusal has no answer to save from", "leave save: out")
        saves = findings.attempt(read_saves, found.get("save"), called.output, name, over)
        if principal is None or client is None or parameters is None or expectations is None or saves is None:
            return None
        if circumstances is None:
            return None
        call = ScenarioCall(
            operation=name,
            parameters=parameters,
            principal=principal,
            caller=caller_in_words(found["as"]),
            client=client,
            circumstances=circumstances,
        )
        return CallStep(**head, call=call, error=error, expectations=expectations, saves=saves, over=over)

    def _fault(self, head: _Head, found: dict[str, Node]) -> FaultStep:
        node = found["fault"]
        try:
            fault = parse_fault(plain(node), regions=self._known.regions or PARTITION_OF)
        except FaultError as error:
            raise _at_fault(node, error) from None
        name = self._fault_name(found["name"]) if "name" in found else None
        for_ns = self._for(found["for"], head["at_ns"]) if "for" in found else None
        return FaultStep(**head, fault=fault, for_ns=for_ns, name=name)

    def _for(self, node: Node, at_ns: int | None) -> int:
        for_ns = read.duration(node, "for", allow_zero=False)
        until_ns, over_ns = self._known.until_ns, (self._latest[0] if at_ns is None else at_ns) + for_ns
        if until_ns is not None and over_ns > until_ns:
            what = f"the fault is over at {format_duration(over_ns)}, but the run ends at {format_duration(until_ns)}"
            raise node.position.error(what, "shorten for:, leave it out, or move until:")
        return for_ns

    def _fault_name(self, node: Node) -> str:
        name = read.text(node, "name")
        if name == HEAL_ALL or not NAME.fullmatch(name):
            raise node.position.error(
                f"{quoted(name)} cannot name a fault", "letters, digits, _ and -, a letter first; not 'all'"
            )
        if name in self._known.faults:
            line = self._known.faults[name].line
            raise node.position.error(f"a fault is named '{name}' already, in line {line}", "give it another name")
        return name

    def _healed(self, node: Node) -> str:
        name = read.text(node, "heal")
        if name != HEAL_ALL and name not in self._known.faults:
            hint = advice(name, [*self._known.faults, HEAL_ALL])
            raise node.position.error(f"no step before this one begins a fault named {quoted(name)}", hint)
        return name

    def _expect_state(self, head: _Head, node: Node, over: int | None) -> ExpectStateStep:
        known = counting(self._known, over)
        held = read.entries(node, "expect_state")
        for name, key in STATE.items():
            if key.is_required and name not in held:
                raise node.position.error(f"expect_state has no '{name}'", f"add it: {key.about}")
        rotations = held.get("rotations")
        expectations = tuple(_state(entry, known) for name, entry in held.items() if name not in STATE)
        if rotations is None and not expectations:
            raise node.position.error(
                "expect_state expects nothing", "add rotations: 1, or a part of KeyMetadata like KeyState: Enabled"
            )
        return ExpectStateStep(
            **head,
            key=_key(held["key"].value, known),
            region=read.region(held["in"].value, "in", known.regions),
            rotations=None
            if rotations is None
            else read.whole_number(rotations.value, "rotations", least=0, most=10**9),
            expectations=expectations,
            over=over,
        )


def _key(node: Node, known: Known) -> Tree:
    read.text(node, "key")
    assert isinstance(node, ScalarNode)
    return text_tree(node, known.names)


def _state(entry: Entry, known: Known) -> Expectation:
    metadata = model().shapes["KeyMetadata"]
    name, position = entry.key.text, entry.key.position
    if name.isidentifier() and name not in metadata.members:
        raise position.error(f"expect_state has no {quoted(name)}", advice(name, [*STATE, *metadata.members]))
    path = read_path(name, position, metadata, "KeyMetadata")
    reader = ShapeReader(known=known, is_request=False)
    wanted = reader.free(entry.value) if path.shape is None else reader.read(entry.value, path.shape, name)
    return Expectation(path=path, wanted=wanted, position=position)


def read_over(found: dict[str, Node]) -> int | None:
    """How far a step or workload counts; None when it does not."""
    return read.whole_number(found["over"], "over", least=1, most=MOST_OVER) if "over" in found else None


def counting(known: Known, over: int | None) -> Known:
    """What is known, for a part of the file that counts so far."""
    return known if over is None else replace(known, names=replace(known.names, over=over))


def saved_names(node: Node) -> Iterator[Saved]:
    """The names that a step saves, whatever else is wrong with it."""
    save, over = (node.get("save"), node.get("over")) if isinstance(node, MappingNode) else (None, None)
    count = over.value if isinstance(over, ScalarNode) and isinstance(over.value, int) else 1
    if isinstance(save, MappingNode):
        for name, entry in save.entries.items():
            yield Saved(name=name, position=entry.key.position, count=count)


def _fault_names(node: Node) -> Iterator[tuple[str, Position]]:
    """The name of the fault that a step begins, whatever else is wrong with it; without one, the fault's own word."""
    fault, name = (node.get("fault"), node.get("name")) if isinstance(node, MappingNode) else (None, None)
    if isinstance(name, ScalarNode):
        yield name.text, node.position
    elif isinstance(fault, MappingNode):
        yield from ((word, node.position) for word in fault.entries)


def _kind(node: Node) -> str:
    """What makes the step a step; a key that belongs to another kind is a mistake."""
    held = read.entries(node, "a step")
    kinds = [kind for kind in STEPS if kind in held and kind != "say"]
    every = {name for keys in STEPS.values() for name in keys}
    valid = {name for keys in STEPS.values() for name, key in keys.items() if not key.is_later}
    for name, entry in held.items():
        if not kinds and name not in every:
            raise entry.key.position.error(f"a step has no key {quoted(name)}", advice(name, valid, shown=20))
    if len(kinds) > 1:
        second = held[kinds[1]].key.position
        raise second.error(f"a step does one thing, this one has '{kinds[0]}' and '{kinds[1]}'", "make two steps of it")
    kind = kinds[0] if kinds else "say"
    if kind not in held:
        raise node.position.error("this step does nothing", f"give it one of: {', '.join(STEPS)}")
    for name, entry in held.items():
        if name in every and name not in STEPS[kind]:
            owners = [other for other, keys in STEPS.items() if name in keys]
            raise entry.key.position.error(f"'{name}' does not go with '{kind}'", f"it goes with {', '.join(owners)}")
    return kind


def _at_fault(node: Node, error: FaultError) -> ScenarioError:
    place = locate(node, error.path)
    position = place.position
    if isinstance(node, MappingNode) and len(error.path) == 1 and error.path[0] not in ACTED_ON:
        position = node.entries[str(error.path[0])].key.position  # the word itself is at fault, not what it holds
    return position.error(error.what, error.advice)
