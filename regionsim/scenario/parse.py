"""YAML text -> a tree of nodes with positions.

PyYAML scans (its C scanner where there is one) and gives events; which values they are is decided here, by the core
schema of YAML 1.2: `true`, `false`, `null`, `~`, integers and floats, and everything else is text (no dates, no `yes`,
no base 60). Duplicate keys, self-containing anchors, foreign tags, a second document, nesting over 50 deep and
expansion over 250,000 values are refused while the events arrive, before anything is built from them.
"""

from __future__ import annotations

import re
from dataclasses import field
from types import MappingProxyType

import yaml

from regionsim.names.dataclass import dataclass
from regionsim.scenario.errors import ScenarioError, quoted
from regionsim.scenario.nodes import Entry, MappingNode, Node, Position, ScalarNode, SequenceNode

MAXIMUM_DEPTH = 50
MAXIMUM_VALUES = 250_000
_TOO_DEEP = f"nested more than {MAXIMUM_DEPTH} deep"
_SCANNER_TOO_DEEP = "exceeded maximum nesting depth"
"""What newer C scanners say, looking ahead, before they have given any event. Source: libyaml, `max_nest_level`."""

_LOADER = getattr(yaml, "CLoader", yaml.Loader)  # only its scanner is used: nothing is constructed from tags
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = MappingProxyType({"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False})
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_OCTAL = re.compile(r"0o[0-7]{1,300}")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,300}|[0-9]{1,300}(\.[0-9]{0,300})?)([eE][-+]?[0-9]{1,10})?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
_BARE_COUNTER = re.compile(r"""[^\s"'{},:\[\]]\{n\}""")
_NOT_A_NUMBER = frozenset({".nan", ".NaN", ".NAN"})
"""Source: YAML 1.2.2, 10.3.2 (core schema, tag resolution); the bounds on digits are ours: longer ones stay text."""

_TAG = "tag:yaml.org,2002:"


def parse(text: str, path: str) -> Node:
    """The tree that `text` holds; `path` is what messages call the file.

    Errors: ScenarioError at the place where YAML, or one of the limits above, is broken.
    """
    builder = _Builder(path)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, path, text) from None
    if builder.root is None:
        raise ScenarioError(
            path, 1, 1, "the file holds no value", "a scenario is a mapping: name, regions, accounts, steps"
        )
    return builder.root


def core_value(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar under YAML 1.2's core schema."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEXADECIMAL.fullmatch(text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text) or text in _NOT_A_NUMBER:
        return float(text.replace(".", "", 1).lower())
    return text


def _syntax_error(error: yaml.MarkedYAMLError, path: str, text: str) -> ScenarioError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    if error.problem == _SCANNER_TOO_DEEP:
        return ScenarioError(path, line, column, _TOO_DEEP)
    what = f"not YAML: {error.problem or error.context or 'unreadable'}"
    advice = f"{error.context}" if error.context and error.problem else ""
    lines = text.splitlines()[line - 1 : line]
    if any(_BARE_COUNTER.search(found) for found in lines):
        # To YAML a brace begins a mapping wherever it stands inside another one.
        return ScenarioError(path, line, column, what, 'put text with {n} between quotes: "order-{n}"')
    if error.context_mark is not None and advice:
        advice += f" begun in line {error.context_mark.line + 1}"
    return ScenarioError(path, line, column, what, advice)


@dataclass(slots=True, kw_only=True)
class _Open:
    """A collection whose end has not come yet; for a mapping, `key` waits for its value."""

    position: Position
    anchor: str | None
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: ScalarNode | None = None
    size: int = 1
    depth: int = 0

    def closed(self) -> Node:
        if self.is_mapping:
            entries = MappingProxyType(self.entries)
            return MappingNode(position=self.position, entries=entries, size=self.size, depth=self.depth + 1)
        return SequenceNode(position=self.position, items=tuple(self.items), size=self.size, depth=self.depth + 1)


class _Builder:
    """Takes events in order; `root` is the tree once the document has ended."""

    def __init__(self, path: str) -> None:
        self.root: Node | None = None
        self._path = path
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._finish(self._scalar(event), event.anchor)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._begin(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                ended = self._stack.pop()
                self._finish(ended.closed(), ended.anchor)
            case yaml.AliasEvent():
                self._finish(self._alias(event), None)
            case yaml.DocumentStartEvent() if self.root is not None:
                raise self._at(event).error(
                    "a second document begins here", "a scenario file holds one; remove the '---'"
                )
            case _:
                pass

    def _at(self, event: yaml.Event) -> Position:
        mark = event.start_mark
        assert mark is not None, "both scanners mark every event"
        return Position(path=self._path, line=mark.line + 1, column=mark.column + 1)

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        position = self._at(event)
        if len(self._stack) >= MAXIMUM_DEPTH:
            raise position.error(_TOO_DEEP)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in {None, _TAG + ("map" if is_mapping else "seq")}:
            raise position.error(f"the tag {quoted(event.tag)} is not used in scenarios", "remove it")
        self._stack.append(_Open(position=position, anchor=event.anchor, is_mapping=is_mapping))

    def _scalar(self, event: yaml.ScalarEvent) -> ScalarNode:
        position, is_quoted = self._at(event), bool(event.style)  # plain: None of one scanner, "" of the other
        if event.tag not in {None, "!", _TAG + "str"}:
            raise position.error(f"the tag {quoted(event.tag)} is not used in scenarios", "remove it")
        is_text = is_quoted or event.tag is not None
        value = event.value if is_text else core_value(event.value)
        return ScalarNode(position=position, value=value, text=event.value, is_quoted=is_text)

    def _alias(self, event: yaml.AliasEvent) -> Node:
        position, anchor = self._at(event), str(event.anchor)
        if any(collection.anchor == anchor for collection in self._stack):
            raise position.error(
                f"the anchor {quoted(anchor)} contains itself", "an alias may not stand inside its own anchor"
            )
        node = self._anchors.get(anchor)
        if node is None:
            raise position.error(f"no anchor {quoted(anchor)} before this alias")
        if len(self._stack) + node.depth > MAXIMUM_DEPTH:
            raise position.error(f"{_TOO_DEEP} once this alias is written out")
        return node

    def _finish(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth)
        if parent.size > MAXIMUM_VALUES:
            raise parent.position.error(f"more than {MAXIMUM_VALUES:,} values, aliases written out")
        if not parent.is_mapping:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = self._key(node, parent)
        else:
            parent.entries[parent.key.text] = Entry(key=parent.key, value=node)
            parent.key = None

    def _key(self, node: Node, parent: _Open) -> ScalarNode:
        if not isinstance(node, ScalarNode):
            raise node.position.error("a key must be a single word, not a list or a mapping")
        if node.value is None and not node.is_quoted:
            raise node.position.error("a key is missing")
        first = parent.entries.get(node.text)
        if first is not None:
            line = first.key.position.line
            raise node.position.error(
                f"the key {quoted(node.text)} stands here twice", f"it was given in line {line} already"
            )
        return node
