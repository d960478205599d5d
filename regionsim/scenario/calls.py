"""`call:` with what belongs to it: parameters, `expect:`, `save:`."""

from __future__ import annotations

from regionsim.kms.errors import REFUSALS
from regionsim.kms.model import Operation, Shape, model
from regionsim.kms.operations.registry import REGISTRY
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import advice
from regionsim.scenario import read
from regionsim.scenario.errors import quoted
from regionsim.scenario.known import Known
from regionsim.scenario.model import Expectation, Save
from regionsim.scenario.nodes import Entry, MappingNode, Node, ScalarNode
from regionsim.scenario.parameters import ShapeReader
from regionsim.scenario.paths import read_path
from regionsim.scenario.values import COUNTER, NAME, SERIES, Tree
from regionsim.scenario.vocabulary import CALLER_ERRORS

_SELF_CHECKED = frozenset({"ValidationException", "MalformedPolicyDocumentException", "SerializationException"})
"""Expected refusals by which KMS itself checks values: the file's own checks then stand back."""

ERROR_CODES = tuple(sorted({*CALLER_ERRORS, *REFUSALS}))
"""What a call can end in, besides an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedOperation:
    """The operation that a `call:` names, and the node of its parameters."""

    operation: Operation
    parameters: Node
    entry: Entry

    @property
    def output(self) -> Shape | None:
        """The shape of the answer; None when it has no body."""
        return None if self.operation.output is None else model().shapes[self.operation.output]


def read_operation(node: Node) -> NamedOperation:
    """The one operation of a `call:`; it must be one of AWS's."""
    held = read.entries(node, "call")
    if len(held) != 1:
        raise node.position.error(
            f"call: one operation is wanted, these are {len(held)}", "write call: {Encrypt: {...}}"
        )
    ((name, entry),) = held.items()
    described = model().operations.get(name)
    if described is None:
        raise entry.key.position.error(
            f"KMS has no operation {quoted(name)}", advice(name, REGISTRY, shown=len(REGISTRY))
        )
    return NamedOperation(operation=described, parameters=entry.value, entry=entry)


def read_parameters(call: NamedOperation, known: Known, error: str | None) -> Tree:
    """The parameters, held against AWS's shape of the request."""
    shape = model().shapes[call.operation.input]
    node = call.parameters
    if isinstance(node, ScalarNode) and node.value is None and not node.is_quoted:
        node = MappingNode(position=call.entry.key.position, entries={}, size=1, depth=1)
    return ShapeReader(known=known, is_strict=error not in _SELF_CHECKED).read(node, shape, call.operation.name)


def read_error(node: Node | None) -> str | None:
    """The refusal that `expect: {error: ...}` wants; None when the call must succeed."""
    if node is None:
        return None
    held = read.entries(node, "expect")
    if "error" not in held:
        return None
    code = read.text(held["error"].value, "error")
    if code not in ERROR_CODES:
        raise held["error"].value.position.error(f"no call ends in {quoted(code)}", advice(code, ERROR_CODES))
    others = [entry for name, entry in held.items() if name != "error"]
    if others:
        raise others[0].key.position.error("a refusal has no answer to look into", "leave only error: in this expect")
    return code


def read_expectations(node: Node | None, answer: Shape | None, what: str, known: Known) -> tuple[Expectation, ...]:
    """What parts of the answer must be; `error` is read by `read_error`."""
    if node is None:
        return ()
    held = read.entries(node, "expect")
    return tuple(_expectation(entry, answer, what, known) for name, entry in held.items() if name != "error")


def _expectation(entry: Entry, answer: Shape | None, what: str, known: Known) -> Expectation:
    path = read_path(entry.key.text, entry.key.position, answer, what)
    reader = ShapeReader(known=known, is_request=False)
    wanted = reader.free(entry.value) if path.shape is None else reader.read(entry.value, path.shape, path.text)
    return Expectation(path=path, wanted=wanted, position=entry.key.position)


def read_saves(node: Node | None, answer: Shape | None, what: str, over: int | None) -> tuple[Save, ...]:
    """The names that this step gives to parts of its answer; of a step that counts, a series of names."""
    if node is None:
        return ()
    saves = []
    for name, entry in read.entries(node, "save").items():
        if not (NAME if over is None else SERIES).fullmatch(name):
            hint = "letters, digits, _ and -, a letter first"
            raise entry.key.position.error(f"{quoted(name)} cannot be a name", hint)
        if over is not None and COUNTER not in name:
            what = f"{over:,} calls would save the one name {quoted(name)}"
            raise entry.key.position.error(what, f"write {name}-{COUNTER}")
        path = read_path(read.text(entry.value, f"save {name}"), entry.value.position, answer, what)
        saves.append(Save(name=name, path=path, position=entry.key.position))
    return tuple(saves)
