"""Reading of single values from nodes: each function gives a typed value or raises the mistake at its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from regionsim.faults.vocabulary import parse_probability
from regionsim.names.durations import parse_duration
from regionsim.names.mistakes import advice, nearest
from regionsim.names.regions import PARTITION_OF
from regionsim.runtime.clock import parse_instant
from regionsim.scenario.errors import ScenarioError, cut, escaped, quoted
from regionsim.scenario.nodes import Entry, MappingNode, Node, ScalarNode, SequenceNode, kind_of
from regionsim.scenario.vocabulary import Keys

T = TypeVar("T")
P = ParamSpec("P")

# So that every instant of every run is one that calendars can show.
_LONGEST_NS = parse_duration("36525d")
_LATEST_NS = parse_instant("2200-01-01T00:00:00Z")


MOST_MISTAKES = 1_000
"""After so many, a file is not read any further."""


class EnoughFoundError(Exception):
    """A file has so many mistakes that nobody reads more of them."""


class Findings:
    """The mistakes found so far in one file; reading goes on behind each."""

    def __init__(self) -> None:
        self.warnings: list[ScenarioError] = []
        """What is odd, and no mistake."""
        self._errors: dict[tuple[str, int, int, str], ScenarioError] = {}

    def add(self, error: ScenarioError) -> None:
        """Keep one mistake; the same one, met again through an alias, counts once. Errors: EnoughFoundError."""
        self._errors.setdefault((error.path, error.line, error.column, error.what), error)
        if len(self._errors) >= MOST_MISTAKES:
            raise EnoughFoundError

    def attempt(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What `read` gives, or None when it finds a mistake (which is kept)."""
        try:
            return read(*args, **kwargs)
        except ScenarioError as error:
            self.add(error)
            return None

    def raise_any(self) -> None:
        """Raise the first mistake by place, with the others as its `further`."""
        found = sorted(self._errors.values(), key=lambda error: (error.line, error.column))
        if found:
            first, *others = found
            first.further = tuple(others)
            raise first


def fields(node: Node, keys: Keys, what: str, findings: Findings, *, goes_on_without: bool = False) -> dict[str, Node]:
    """The values of a mapping by key. Unknown keys and keys of later versions become findings.

    With `goes_on_without` so does a required key that is missing: the others are worth reading all the same.
    Errors: ScenarioError when it is no mapping, or a required key is missing.
    """
    found = {}
    unknown = []
    for name, entry in entries(node, what).items():
        known = keys.get(name)
        if known is not None and not known.is_later:
            found[name] = entry.value
        elif known is not None:
            findings.add(entry.key.position.error(f"'{name}' is not in this version ({known.about})", "leave it out"))
        else:
            unknown.append(entry.key)
            findings.add(unknown_key(entry.key, keys, what))
    for key in keys.values():
        if key.is_required and key.name not in found:
            misspelt = [word for word in unknown if nearest(word.text, keys) == key.name]
            missing = node.position.error(f"{what} has no '{key.name}'", f"add it: {key.about}")
            # A misspelt key is found already, and the same mistake is not told twice.
            mistake = unknown_key(misspelt[0], keys, what) if misspelt else missing
            if not goes_on_without:
                raise mistake
            findings.add(mistake)
    return found


def unknown_key(key: ScalarNode, keys: Keys, what: str) -> ScenarioError:
    """The mistake of a key that is none."""
    known = [name for name, known in keys.items() if not known.is_later]
    return key.position.error(f"{what} has no key {quoted(key.text)}", advice(key.text, known, shown=16))


def entries(node: Node, what: str) -> dict[str, Entry]:
    """The entries of a mapping by the text of their keys."""
    if not isinstance(node, MappingNode):
        raise node.position.error(f"{what} must be a mapping (key: value), this is {kind_of(node)}")
    return dict(node.entries)


def items(node: Node, what: str) -> tuple[Node, ...]:
    """The items of a list."""
    if not isinstance(node, SequenceNode):
        raise node.position.error(f"{what} must be a list, this is {kind_of(node)}")
    return node.items


def text(node: Node, what: str) -> str:
    """Text. A number or a boolean is refused with the advice to quote it."""
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        return node.value
    is_scalar = isinstance(node, ScalarNode) and node.value is not None
    hint = f'put it between quotes: "{cut(node.text)}"' if isinstance(node, ScalarNode) and is_scalar else ""
    raise node.position.error(f"{what} must be text, this is {kind_of(node)}", hint)


def choice(node: Node, what: str, choices: tuple[str, ...]) -> str:
    """One of a few words."""
    if isinstance(node, ScalarNode) and not isinstance(node.value, str) and node.text not in choices:
        raise node.position.error(f"{what} cannot be '{cut(node.text)}'", advice(node.text, choices))
    word = text(node, what)
    if word not in choices:
        raise node.position.error(f"{what} cannot be {quoted(word)}", advice(word, choices))
    return word


def whole_number(node: Node, what: str, *, least: int, most: int) -> int:
    """A whole number from `least` to `most`."""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, int) or isinstance(node.value, bool):
        is_fraction = isinstance(node, ScalarNode) and isinstance(node.value, float)
        found = quoted(node.text) if isinstance(node, ScalarNode) and is_fraction else kind_of(node)
        raise node.position.error(f"{what} must be a whole number, this is {found}")
    if not least <= node.value <= most:
        raise node.position.error(f"{what} must be from {least} to {most}, this is {quoted(node.text)}")
    return node.value


def switch(node: Node, what: str) -> bool:
    """True or false."""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, bool):
        raise node.position.error(f"{what} must be true or false, this is {kind_of(node)}")
    return node.value


def duration(node: Node, what: str, *, allow_zero: bool = True) -> int:
    """Nanoseconds of a duration such as `10m5s`."""
    if not isinstance(node, ScalarNode):
        raise node.position.error(f"{what} must be a duration, this is {kind_of(node)}", "write it like 90s or 10m5s")
    try:
        length = parse_duration(node.text)
    except ValueError as mistake:
        raise told_by(mistake, node, what) from None
    if length > _LONGEST_NS:
        raise node.position.error(f"{what} is longer than 100 years: {quoted(node.text)}")
    if length == 0 and not allow_zero:
        raise node.position.error(f"{what} must be longer than nothing, this is {quoted(node.text)}")
    return length


def instant(node: Node, what: str) -> int:
    """Nanoseconds since 1970 of an instant such as `2026-01-01T00:00:00Z`."""
    try:
        instant_ns = parse_instant(text(node, what))
    except ValueError as mistake:
        raise told_by(mistake, node, what) from None
    if not 0 <= instant_ns <= _LATEST_NS:
        raise node.position.error(f"{what} must lie between 1970 and 2200")
    return instant_ns


def probability(node: Node, what: str) -> float:
    """A probability such as `0.1%` or `0.001`."""
    try:
        return parse_probability(node.value if isinstance(node, ScalarNode) else kind_of(node))
    except ValueError as mistake:
        raise told_by(mistake, node, what) from None


def region(node: Node, what: str, world: tuple[str, ...] | None) -> str:
    """A Region of the world; `world` is None while the world's Regions are not known for a mistake of their own."""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        raise node.position.error(f"{what}: a Region has a name like us-east-1, this is {kind_of(node)}")
    name = node.value
    if name not in PARTITION_OF:
        raise node.position.error(f"{what}: there is no Region {quoted(name)}", advice(name, world or PARTITION_OF))
    if world is not None and name not in world:
        raise node.position.error(
            f"{what}: the Region '{name}' is not in this world", f"its regions are: {', '.join(world)}"
        )
    return name


def regions(node: Node, what: str, world: tuple[str, ...] | None) -> tuple[str, ...]:
    """At least one Region, none twice."""
    names: list[str] = []
    for item in items(node, what):
        name = region(item, what, world)
        if name in names:
            raise item.position.error(f"{what}: the Region '{name}' stands here twice")
        names.append(name)
    if not names:
        raise node.position.error(f"{what}: at least one Region is needed")
    return tuple(names)


def told_by(mistake: ValueError, node: Node, what: str, hint: str = "") -> ScenarioError:
    """A mistake found by a parser below, whose text is "what was found; what to write"; `hint` wins over the latter."""
    told, _, told_hint = str(mistake).partition("; ")
    if isinstance(node, ScalarNode):
        told = told.replace(node.text, escaped(cut(node.text)))
    return node.position.error(f"{what}: {told}", hint or told_hint)
