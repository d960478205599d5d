"""A scenario's text with the policies of its `file:` words in place of them, so that it can be played anywhere.

Everything else stays as its author wrote it, comments included.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from regionsim.names.dataclass import dataclass
from regionsim.scenario.nodes import Entry, MappingNode, Node, ScalarNode, SequenceNode, plain
from regionsim.scenario.policies import document

_HOLD_POLICIES = frozenset({"Policy", "policy", "policies", "boundary", "trust", "session_policy", "scps"})
"""The keys under which a mapping with nothing but `file:` is a policy, or a list may have such mappings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """What to put in place of a part of one line (counted from 0)."""

    line: int
    begin: int
    end: int
    text: str


def with_policies_embedded(text: str, root: Node) -> str:
    """The text of the scenario `root`, with every policy file's content where the file was named."""
    lines = text.splitlines(keepends=True)
    cuts = [_cut(entry, lines) for entry in _files(root, is_policy=False)]
    for cut in sorted(cuts, key=lambda cut: (cut.line, cut.begin), reverse=True):
        line = lines[cut.line]
        lines[cut.line] = line[: cut.begin] + cut.text + line[cut.end :]
    return "".join(lines)


def _files(node: Node, *, is_policy: bool) -> Iterator[Entry]:
    """The `file:` entries that name a policy; an alias of a node that was met is met again, and counts once."""
    match node:
        case MappingNode(entries=entries) if is_policy and list(entries) == ["file"]:
            yield entries["file"]
        case MappingNode(entries=entries):
            for name, entry in entries.items():
                yield from _files(entry.value, is_policy=name in _HOLD_POLICIES)
        case SequenceNode(items=items):
            for item in items:
                yield from _files(item, is_policy=is_policy)
        case _:
            pass


def _cut(entry: Entry, lines: list[str]) -> _Cut:
    """`file: policy.json` becomes the members of the policy; in a block each on a line of its own."""
    key, value = entry.key.position, entry.value.position
    holder = MappingNode(position=key, entries={"file": entry}, size=1, depth=1)
    held = plain(document(holder, "the policy"))
    assert isinstance(held, dict), "it was read as a policy"
    members = [f"{json.dumps(name)}: {json.dumps(member)}" for name, member in held.items()]
    line = lines[key.line - 1]
    begin, indent = key.column - 1, " " * (key.column - 1)
    is_flow = line[:begin].rstrip().endswith("{")
    assert isinstance(entry.value, ScalarNode), "a file's name is text"
    assert value.line == key.line, "and stands on the line of its key"
    return _Cut(
        line=key.line - 1,
        begin=begin,
        end=_end_of(line, value.column - 1, entry.value),
        text=", ".join(members) if is_flow else f"\n{indent}".join(members),
    )


def _end_of(line: str, begin: int, name: ScalarNode) -> int:
    if not name.is_quoted:
        return begin + len(name.text)
    quote = line[begin]
    end = begin + 1
    while line[end] != quote:
        end += 2 if line[end] == "\\" and quote == '"' else 1
    return end + 1
