"""A scenario's text with the policies and roots of its `file:` words in place of them: it can be played anywhere.

Everything else stays as its author wrote it, comments included.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from regionsim.names.dataclass import dataclass
from regionsim.scenario.attestation import PEM, pem_text
from regionsim.scenario.nodes import Entry, MappingNode, Node, ScalarNode, SequenceNode, plain
from regionsim.scenario.policies import document

_HOLD_POLICIES = frozenset({"Policy", "policy", "policies", "boundary", "trust", "session_policy", "scps"})
"""The keys under which a mapping with nothing but `file:` is a policy, or a list may have such mappings."""


_ROOTS = "roots"


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
    cuts = [_cut(entry, lines, is_root=is_root) for entry, is_root in _files(root, under="")]
    for cut in sorted(cuts, key=lambda cut: (cut.line, cut.begin), reverse=True):
        line = lines[cut.line]
        lines[cut.line] = line[: cut.begin] + cut.text + line[cut.end :]
    return "".join(lines)


def _files(node: Node, *, under: str) -> Iterator[tuple[Entry, bool]]:
    """The `file:` entries that name a policy, or (then True) the certificate of a root; an alias of a node that was met
    is met again, and counts once."""
    match node:
        case MappingNode(entries=entries) if list(entries) == ["file"] and under in (_ROOTS, *_HOLD_POLICIES):
            yield entries["file"], under == _ROOTS
        case MappingNode(entries=entries):
            for name, entry in entries.items():
                yield from _files(entry.value, under=name)
        case SequenceNode(items=items):
            for item in items:
                yield from _files(item, under=under)
        case _:
            pass


def _cut(entry: Entry, lines: list[str], *, is_root: bool) -> _Cut:
    """`file: policy.json` becomes the members of the policy, in a block each on a line of its own; `file: root.pem`
    becomes `pem:` and its text."""
    key, value = entry.key.position, entry.value.position
    holder = MappingNode(position=key, entries={"file": entry}, size=1, depth=1)
    held = {PEM: pem_text(holder)} if is_root else plain(document(holder, "the policy"))
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
