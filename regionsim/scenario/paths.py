"""JMESPath in `expect:` and `save:`: compiled at load, held against the shape of the answer as far as it is plain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.parser import ParsedResult
from jmespath.visitor import TreeInterpreter

from regionsim.kms.model import Shape, ShapeType, model
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import advice
from regionsim.scenario.errors import cut, escaped, quoted
from regionsim.scenario.nodes import Position
from regionsim.scenario.parse import MAXIMUM_DEPTH

_EXAMPLE = "write it like KeyMetadata.KeyId"
_REFUSALS = (JMESPathError, ValueError, TypeError, ArithmeticError, AttributeError)
"""What jmespath and the functions of its paths raise over a value; beside its own errors those of Python it lets by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPath:
    """A path into an answer. `shape` is what stands at its end, where that can be told without an answer."""

    text: str
    compiled: ParsedResult
    shape: Shape | None

    def find(self, answer: Any) -> Any:
        """What stands at the path; None when there is nothing.

        Errors: ValueError when a function of the path refuses the value.
        """
        try:
            return self.compiled.search(answer)
        except _REFUSALS as error:
            raise ValueError(f"{escaped(cut(self.text))}: {' '.join(str(error).split())}") from None

    def finds_null(self, answer: Any) -> bool:
        """True when the path ends at a member that is there, and null."""
        tree, holder = self.compiled.parsed, answer
        while tree["type"] == "subexpression":
            *before, tree = tree["children"]
            for child in before:
                holder = TreeInterpreter().visit(child, holder)
        return tree["type"] == "field" and isinstance(holder, dict) and holder.get(tree["value"], "") is None


def read_path(text: str, position: Position, answer: Shape | None, what: str) -> AnswerPath:
    """The path that `text` says, into an answer of shape `answer` (None: there is no body)."""
    compiled = _compiled(text, position)
    if answer is None:
        raise position.error(f"{what} answers without a body, so there is no {quoted(text)}", "leave it out")
    return AnswerPath(text=text, compiled=compiled, shape=_follow(compiled.parsed, answer, position, what))


def _compiled(text: str, position: Position) -> ParsedResult:
    try:
        compiled = jmespath.compile(text)
    except RecursionError:
        raise position.error(f"{quoted(text)} is nested too deep", _EXAMPLE) from None
    except (JMESPathError, ValueError) as error:  # ValueError: an index of thousands of digits
        at = getattr(error, "lex_position", None)
        where = "" if at is None else f", from its character {at + 1} on"
        raise position.error(f"{quoted(text)} is not a JMESPath{where}", _EXAMPLE) from None
    for node, depth in _nodes(compiled.parsed):
        if depth > MAXIMUM_DEPTH:
            raise position.error(f"{quoted(text)} is nested more than {MAXIMUM_DEPTH} deep", _EXAMPLE)
        if node["type"] == "function_expression":
            _check_function(node["value"], len(node["children"]), position)
    return compiled


def _nodes(tree: Any) -> Iterator[tuple[Any, int]]:
    """Every node of a parsed path with its depth."""
    waiting = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting.extend((child, depth + 1) for child in node["children"] if isinstance(child, dict))


def _check_function(name: str, given: int, position: Position) -> None:
    known = Functions.FUNCTION_TABLE.get(name)
    if known is None:
        raise position.error(f"JMESPath has no function {quoted(name)}", advice(name, Functions.FUNCTION_TABLE))
    signature = known["signature"]
    is_open = bool(signature) and bool(signature[-1].get("variadic"))
    if given < len(signature) or (given > len(signature) and not is_open):
        wanted = f"{len(signature)} or more" if is_open else len(signature)
        raise position.error(f"JMESPath's {name}() takes {wanted} arguments, here are {given}")


def _follow(tree: Any, shape: Shape, position: Position, what: str) -> Shape | None:
    """The shape at the end of a path of plain fields and indexes; None from the first other thing on."""
    match tree["type"]:
        case "field":
            return _member(tree["value"], shape, position, what)
        case "subexpression" | "index_expression":
            inner: Shape | None = shape
            for child in tree["children"]:
                if inner is None:
                    return None
                inner = _follow(child, inner, position, what)
            return inner
        case "index" if shape.type is ShapeType.LIST and shape.element is not None:
            return model().shapes[shape.element]
        case _:
            return None


def _member(name: str, shape: Shape, position: Position, what: str) -> Shape | None:
    if shape.type is ShapeType.MAP and shape.value is not None:
        return model().shapes[shape.value]
    if shape.type is not ShapeType.STRUCTURE:
        raise position.error(f"{what} has nothing below a {shape.type.value}, so no {quoted(name)}")
    if name not in shape.members:
        raise position.error(f"{what} has no {quoted(name)}", advice(name, shape.members, shown=20))
    return model().shapes[shape.members[name]]
