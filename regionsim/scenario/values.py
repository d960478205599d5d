"""Values with names in them, as written at load and filled in at play.

    $orders                 the whole scalar: the saved value itself
    alias/$(name)           inside text
    ${aws:username}         left alone: a policy variable
    order-{n} $order-{n}    1, 2, 3, ... where a step or workload has `over:` (`numbers` puts them in)
    $$                      a dollar

A tree is a plain value (dict, list, scalar, bytes) in which the classes below stand for what must still be filled in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeAlias

from regionsim.kms.wrapping import WrappingAlgorithm
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import advice
from regionsim.scenario.errors import quoted
from regionsim.scenario.nodes import Position, ScalarNode

if TYPE_CHECKING:
    from regionsim.hsm.algorithms.enclaves import Enclave

Tree: TypeAlias = Any
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
COUNTER = "{n}"
SERIES = re.compile(r"[A-Za-z_](?:[A-Za-z0-9_-]|\{n\})*")
"""A name, or many: with the counter in it."""
BASE64 = "base64:"

_WHOLE = re.compile(rf"\$({SERIES.pattern})")
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
class AsWrapped:
    """Key material as its owner sends it to KMS: `material`, wrapped under the public key `under`."""

    material: Tree
    under: Tree
    algorithm: WrappingAlgorithm


@dataclass(frozen=True, slots=True, kw_only=True)
class AsDocument:
    """A new attestation document of an enclave."""

    enclave: Enclave


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOpened:
    """In an expectation: an envelope in which the enclave finds `holds`."""

    enclave: Enclave
    name: str
    holds: Tree


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sealed:
    """Equal to any envelope in which the enclave finds that plaintext."""

    enclave: Enclave
    name: str
    plaintext: bytes = field(repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, bytes) and self.found_in(other) == self.plaintext

    def found_in(self, envelope: bytes) -> bytes | None:
        """What the enclave finds in an envelope; None where it cannot open it."""
        try:
            return self.enclave.open(envelope)
        except ValueError:
            return None

    __hash__ = None  # type: ignore[assignment] # nothing that is equal to it has the same one

    def __str__(self) -> str:
        return f"what enclave '{self.name}' opens to what is wanted"


@dataclass(frozen=True, slots=True, kw_only=True)
class AsJson:
    """JSON text, once what it holds is filled in."""

    of: Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A name that a step saves, or a series of `count` names with the counter in it."""

    name: str
    position: Position
    count: int = 1


@dataclass(slots=True, kw_only=True)
class Names:
    """The names that a value may use: `defined` by steps before it; `later` by steps behind it (for the advice)."""

    defined: dict[str, Position] = field(default_factory=dict)
    later: dict[str, Position] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    """How far those with a counter in them count, defined or later."""
    over: int | None = None
    """How far the counter of what is being read counts; None: it has none."""

    def define(self, saved: Iterable[Saved]) -> None:
        """Add names."""
        for one in saved:
            self.defined[one.name] = one.position
            self.counts[one.name] = one.count

    def reference(self, name: str, position: Position) -> Reference:
        """The reference to a name, which must be defined."""
        if COUNTER in name:
            self._hold_count(name, position)
        elif name not in self.defined and any(self._is_one_of(name, series) for series in self.defined):
            return Reference(name=name)
        if name not in self.defined:
            if name in self.later:
                line = self.later[name].line
                raise position.error(f"no step before this one saves '${name}'", f"it is saved later, in line {line}")
            hint = advice(name, self.defined) if self.defined else "save it with save: {" + name + ": <path>}"
            raise position.error(f"no step saves '${name}'", hint)
        return Reference(name=name)

    def _hold_count(self, name: str, position: Position) -> None:
        if self.over is None:
            raise position.error(f"'${name}' counts, and nothing counts here", "add over: N beside it")
        count = self.counts.get(name)
        if count is not None and self.over > count:
            what = f"there are {count:,} of '${name}', and over: counts to {self.over:,}"
            raise position.error(what, f"write over: {count}")

    def _is_one_of(self, name: str, series: str) -> bool:
        """True when `order-7` is among those that `order-{n}` stands for."""
        before, counter, after = series.partition(COUNTER)
        number = name[len(before) : len(name) - len(after)]
        fits = bool(counter) and name == f"{before}{number}{after}" and number.isdecimal() and number[0] != "0"
        return fits and int(number) <= self.counts[series]


def text_tree(node: ScalarNode, names: Names) -> str | Reference | Interpolation:
    """The text of a scalar with the names in it found and checked."""
    whole = _WHOLE.fullmatch(node.text)
    if whole is not None:
        return names.reference(whole[1], node.position)
    parts = list(_merged(_parts(node, names)))
    if not parts:
        return ""
    if names.over is not None and any(isinstance(part, str) and COUNTER in part for part in parts):
        return Interpolation(parts=tuple(parts))
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else Interpolation(parts=tuple(parts))


def _parts(node: ScalarNode, names: Names) -> Iterator[str | Reference]:
    end = 0
    for found in _DOLLAR.finditer(node.text):
        yield node.text[end : found.start()]
        end = found.end()
        if found[1] is not None:
            if not SERIES.fullmatch(found[1]):
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
        case Reference() | Interpolation() | AsBlob() | AsJson() | AsWrapped() | AsDocument() | AsOpened():
            return False
        case dict():
            return all(is_literal(value) for value in tree.values())
        case list():
            return all(is_literal(item) for item in tree)
        case _:
            return True


def fill_in(tree: Tree, saved: Mapping[str, Any]) -> Any:
    """The tree with every name replaced by its saved value.

    Errors: MissingNameError; ValueError when a filled-in blob is not base64 after all, or cannot be wrapped so.
    """
    kind = type(tree)
    if kind is str or kind is bytes or kind is int:  # most of it, so first
        return tree
    if kind is dict:
        return {key: fill_in(value, saved) for key, value in tree.items()}
    if kind is list:
        return [fill_in(item, saved) for item in tree]
    return _filled_in(tree, saved)


def _filled_in(tree: Tree, saved: Mapping[str, Any]) -> Any:
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
        case AsDocument(enclave=enclave):
            return enclave.document()
        case AsOpened(enclave=enclave, name=name):
            return Sealed(enclave=enclave, name=name, plaintext=fill_in(tree.holds, saved))
        case AsWrapped(algorithm=algorithm):
            return _wrapped(fill_in(tree.material, saved), fill_in(tree.under, saved), algorithm)
        case _:
            return tree


def _wrapped(material: bytes, under: object, algorithm: WrappingAlgorithm) -> bytes:
    if not isinstance(under, bytes):
        raise ValueError("under: is no public key; save PublicKey of GetParametersForImport")
    from regionsim.hsm.algorithms.importing import wrapped_by_owner  # cryptography: most files are read without it

    # The owner's own AES key, of the algorithms in two steps: made of the material, so that a run repeats.
    return wrapped_by_owner(under, algorithm, material, hashlib.sha256(b"owner" + material).digest())


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value if isinstance(value, str) else json.dumps(value)
