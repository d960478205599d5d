"""What a YAML file holds, as a tree in which every value knows its place.

Nodes are immutable, so an alias is the very node that its anchor named: `size` and `depth` count what it stands for
when written out, which is how expansion is bounded without ever being done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from regionsim.names.dataclass import dataclass
from regionsim.scenario.errors import ScenarioError


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a file; line and column count from 1."""

    path: str
    line: int
    column: int

    def error(self, what: str, advice: str = "") -> ScenarioError:
        """The mistake `what` at this place, to be raised."""
        return ScenarioError(self.path, self.line, self.column, what, advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarNode:
    """One value. `text` is as in the file (unquoted, unescaped); `value` is what YAML's core schema makes of it."""

    position: Position
    value: str | int | float | bool | None
    text: str
    is_quoted: bool
    size: int = 1
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceNode:
    """A list."""

    position: Position
    items: tuple[Node, ...]
    size: int
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key of a mapping, and what it holds."""

    key: ScalarNode
    value: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingNode:
    """A mapping by the text of its keys, in the order of the file."""

    position: Position
    entries: Mapping[str, Entry]
    size: int
    depth: int

    def get(self, key: str) -> Node | None:
        """What `key` holds, or None when it is not there."""
        entry = self.entries.get(key)
        return None if entry is None else entry.value


Node: TypeAlias = ScalarNode | SequenceNode | MappingNode


def plain(node: Node) -> Any:
    """The node as dicts, lists and scalars."""
    match node:
        case ScalarNode():
            return node.value
        case SequenceNode():
            return [plain(item) for item in node.items]
        case MappingNode():
            return {key: plain(entry.value) for key, entry in node.entries.items()}


def locate(node: Node, path: tuple[str | int, ...]) -> Node:
    """The node that `path` (keys and indexes) leads to from `node`, or the last one on the way that exists."""
    for part in path:
        match node:
            case MappingNode() if str(part) in node.entries:
                node = node.entries[str(part)].value
            case SequenceNode() if isinstance(part, int) and 0 <= part < len(node.items):
                node = node.items[part]
            case _:
                break
    return node


def kind_of(node: Node) -> str:
    """What a message calls the node: `a list`, `a mapping`, `text`, `a number`, ..."""
    match node:
        case SequenceNode():
            return "a list"
        case MappingNode():
            return "a mapping"
        case ScalarNode(value=None):
            return "nothing"
        case ScalarNode(value=bool()):
            return "true or false"
        case ScalarNode(value=str(), is_quoted=False, text=text) if text.lstrip("-+").isdecimal():
            return f"a number of {len(text)} digits"  # too long to be read as one
        case ScalarNode(value=str()):
            return "text"
        case ScalarNode():
            return "a number"
