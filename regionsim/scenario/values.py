"""Values with names in them, as written at load and filled in at play.

    $orders                 the whole scalar: the saved value itself
    alias/$(name)           inside text
    ${aws:username}         left alone: a policy variable
    $$                      a dollar

A tree is a plain value (dict, list, scalar, bytes) in which the classes below stand for what must still be filled in.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from regionsim.names.mistakes import advice
from regionsim.scenario.errors import quoted
from regionsim.scenario.nodes import Position, ScalarNode

Tree: TypeAlias = Any
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
BASE64 = "base64:"

_WHOLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_-]*)")
_DOLLAR = re.compile(r"\$\$|\$\(([^()]*)\)|\$\{[^{}]*\}|\$")


class MissingNameError(Exception):
    """A `$name` was needed that no step has saved (its step was refused, or has no answer yet)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The saved value of that name."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpolation:
    """Text with saved values in it."""

    parts: tuple[str | Reference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AsBlob:
    """Bytes, once what it holds is filled in: text in UTF-8 or `base64:`, or bytes that were saved."""

    of: Reference | Interpolation


@dataclass(frozen=True, slots=True, kw_only=True)
class AsJson:
    """JSON text, once what it holds is filled in."""

    of: Tree


@dataclass(slots=True, kw_only=True)
class Names:
    """The names that a value may use: `defined` by steps before it; `later` by steps behind it (for the advice)."""

    defined: dict[str, Position] = field(default_factory=dict)
    later: dict[str, Position] = field(default_factory=dict)

    def reference(self, name: str, position: Position) -> Reference:
        """The reference to a name, which must be defined."""
        if name not in self.defined:
            if name in self.later:
                line = self.later[name].line
                raise position.error(f"no step before this one saves '${name}'", f"it is saved later, in line {line}")
            hint = advice(name, self.defined) if self.defined else "save it with save: {" + name + ": <path>}"
            raise position.error(f"no step saves '${name}'", hint)
        return Reference(name=name)


def text_tree(node: ScalarNode, names: Names) -> str | Reference | Interpolation:
    """The text of a scalar with the names in it found and checked."""
    whole = _WHOLE.fullmatch(node.text)
    if whole is not None:
        return names.reference(whole[1], node.position)
    parts = list(_merged(_parts(node, names)))
    if not parts:
        return ""
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else Interpolation(parts=tuple(parts))


def _parts(node: ScalarNode, names: Names) -> Iterator[str | Reference]:
    end = 0
    for found in _DOLLAR.finditer(node.text):
        yield node.text[end : found.start()]
        end = found.end()
        if found[1] is not None:
            if not NAME.fullmatch(found[1]):
                raise node.position.error(f"{quoted(found[0])} names nothing", "inside text write $(name)")
            yield names.reference(found[1], node.position)
        elif found[0] == "$":
            raise node.position.error(
                f"a lone $ in {quoted(node.text)}", "a saved value inside text is $(name), a dollar is $$"
            )
        else:
            yield "$" if found[0] == "$$" else found[0]
    yield node.text[end:]


def _merged(parts: Iterator[str | Reference]) -> Iterator[str | Reference]:
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        if text:
            yield text
        text = ""
        yield part
    if text:
        yield text


def blob(text: str) -> bytes:
    """The bytes that text says: UTF-8, or what follows `base64:`.

    Errors: ValueError when that is not base64.
    """
    if not text.startswith(BASE64):
        return text.encode("utf-8")
    try:
        return base64.b64decode(text.removeprefix(BASE64), validate=True)
    except binascii.Error as error:
        raise ValueError(f"this is not base64: {error}") from None


def is_literal(tree: Tree) -> bool:
    """True when nothing in the tree waits to be filled in."""
    match tree:
        case Reference() | Interpolation() | AsBlob() | AsJson():
            return False
        case dict():
            return all(is_literal(value) for value in tree.values())
        case list():
            return all(is_literal(item) for item in tree)
        case _:
            return True


def fill_in(tree: Tree, saved: Mapping[str, Any]) -> Any:
    """The tree with every name replaced by its saved value.

    Errors: MissingNameError; ValueError when a filled-in blob is not base64 after all.
    """
    match tree:
        case Reference(name=name):
            if name not in saved:
                raise MissingNameError(name)
            return saved[name]
        case Interpolation(parts=parts):
            return "".join(part if isinstance(part, str) else _as_text(fill_in(part, saved)) for part in parts)
        case AsBlob(of=held):
            value = fill_in(held, saved)
            return blob(value) if isinstance(value, str) else value
        case AsJson(of=held):
            return json.dumps(fill_in(held, saved))
        case dict():
            return {key: fill_in(value, saved) for key, value in tree.items()}
        case list():
            return [fill_in(item, saved) for item in tree]
        case _:
            return tree


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value if isinstance(value, str) else json.dumps(value)
