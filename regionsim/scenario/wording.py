"""Calls in words, for transcripts: parameters as the file writes them, nothing that may be secret or long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from regionsim.authorization.circumstances import VIA_SERVICE
from regionsim.kms.model import ShapeType, model
from regionsim.scenario.model import Save, ScenarioCall
from regionsim.scenario.values import AsBlob, Interpolation, Reference, Tree

_LONGEST = 40


def call_in_words(call: ScenarioCall) -> str:
    """`alice KeyId=$orders ReplicaRegion=eu-west-1`: who, and the parameters that can be shown."""
    members = model().shapes[model().operations[call.operation].input].members
    shown = ((name, _shown(value, members[name])) for name, value in call.parameters.items())
    return " ".join([call.caller, *_way(call), *(f"{name}={value}" for name, value in shown if value is not None)])


def _way(call: ScenarioCall) -> Iterator[str]:
    """`via s3.us-east-1.amazonaws.com`, `for arn:...`: what sets one call of a caller apart from another."""
    for key, word in ((VIA_SERVICE, "via"), ("aws:sourcearn", "for"), ("aws:sourcevpce", "through")):
        if key in call.circumstances:
            yield f"{word} {call.circumstances[key]}"


def saved_in_words(saves: tuple[Save, ...]) -> str:
    """`, saved $orders`; empty when nothing was."""
    return f", saved {' '.join(f'${save.name}' for save in saves)}" if saves else ""


def tree_in_words(tree: Tree) -> str:
    """A text as the file writes it: `alias/k-{n}`, `$order-{n}`."""
    match tree:
        case Reference(name=name):
            return f"${name}"
        case Interpolation(parts=parts):
            return "".join(part if isinstance(part, str) else f"$({part.name})" for part in parts)
        case _:
            return str(tree)


def _shown(value: Any, shape_name: str) -> str | None:
    match value:
        case Reference(name=name) | AsBlob(of=Reference(name=name)):
            return f"${name}"
        case Interpolation():
            return tree_in_words(value)
        case bool():
            return str(value).lower()
        case str() | int():
            shape = model().shapes[shape_name]
            text = str(value)
            is_public = not shape.is_sensitive and shape.type in {ShapeType.STRING, ShapeType.INTEGER}
            return text if is_public and len(text) <= _LONGEST and text.isprintable() and " " not in text else None
        case _:
            return None
