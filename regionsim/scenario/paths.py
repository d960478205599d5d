"""JMESPath in `expect:` and `save:`: compiled at load, held against the shape of the answer as far as it is plain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from regionsim.kms.model import Shape, ShapeType, model
from regionsim.names.mistakes import advice
from regionsim.scenario.errors import quoted
from regionsim.scenario.nodes import Position


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
        except JMESPathError as error:
            raise ValueError(str(error).replace("\n", " ")) from None


def read_path(text: str, position: Position, answer: Shape | None, what: str) -> AnswerPath:
    """The path that `text` says, into an answer of shape `answer` (None: there is no body)."""
    try:
        compiled = jmespath.compile(text)
    except JMESPathError as error:
        at = getattr(error, "lex_position", None)
        where = "" if at is None else f", from its character {at + 1} on"
        raise position.error(f"{quoted(text)} is not a JMESPath{where}", "write it like KeyMetadata.KeyId") from None
    if answer is None:
        raise position.error(f"{what} answers without a body, so there is no {quoted(text)}", "leave it out")
    return AnswerPath(text=text, compiled=compiled, shape=_follow(compiled.parsed, answer, position, what))


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
