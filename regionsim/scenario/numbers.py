"""`over:`: one step or workload that stands for many calls, with `{n}` for 1, 2, 3, ... in its names and values."""

from __future__ import annotations

from dataclasses import replace

from regionsim.scenario.model import CallStep, Expectation, ExpectStateStep
from regionsim.scenario.values import COUNTER, AsBlob, AsJson, Interpolation, Reference, Tree


def numbered(tree: Tree, number: int) -> Tree:
    """The tree with `number` for the counter."""
    match tree:
        case Reference(name=name):
            return Reference(name=_put(name, number)) if COUNTER in name else tree
        case Interpolation(parts=parts):
            return Interpolation(parts=tuple(_part(part, number) for part in parts))
        case AsBlob(of=held):
            return AsBlob(of=numbered(held, number))
        case AsJson(of=held):
            return AsJson(of=numbered(held, number))
        case dict():
            return {key: numbered(value, number) for key, value in tree.items()}
        case list():
            return [numbered(item, number) for item in tree]
        case _:
            return tree


def call_at(step: CallStep, number: int) -> CallStep:
    """The one call of that number that a step stands for."""
    return replace(
        step,
        over=None,
        call=replace(step.call, parameters=numbered(step.call.parameters, number)),
        expectations=tuple(_expectation(held, number) for held in step.expectations),
        saves=tuple(replace(save, name=_put(save.name, number)) for save in step.saves),
    )


def look_at(step: ExpectStateStep, number: int) -> ExpectStateStep:
    """The one look at a key of that number that a step stands for."""
    return replace(
        step,
        over=None,
        key=numbered(step.key, number),
        expectations=tuple(_expectation(held, number) for held in step.expectations),
    )


def _expectation(expectation: Expectation, number: int) -> Expectation:
    return replace(expectation, wanted=numbered(expectation.wanted, number))


def _part(part: str | Reference, number: int) -> str | Reference:
    return _put(part, number) if isinstance(part, str) else Reference(name=_put(part.name, number))


def _put(text: str, number: int) -> str:
    return text.replace(COUNTER, str(number))
