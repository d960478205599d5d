"""What a value of a shape must be, alone: its type, length, range, pattern and enum, each with AWS's sentence.

Source: observed (recorded answers of KMS) for the constraints. The texts about types were observed at other services of
AWS for blobs and numbers, and are ours for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import isfinite
from types import MappingProxyType
from typing import Any, NamedTuple

from regionsim.kms.model import Shape, ShapeType

_INTEGERS = range(-(2**31), 2**31)
_UNBOUNDED = 1 << 63
_LATEST_SECOND = 253_402_300_799  # the end of the year 9999, past which no calendar goes
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Rule(NamedTuple):
    """One constraint: whether it holds for a value of the right type, and AWS's sentence for when it does not."""

    holds: Callable[[Any], bool]
    sentence: str


def rules_of(shape: Shape) -> tuple[Rule, ...]:
    """The shape's own constraints, without those of its members or elements."""
    return (*_bounds(shape), *_pattern(shape), *_enum(shape))


def plainly_sound(shape: Shape) -> Callable[[Any], bool] | None:
    """One quick test that only sound values of the shape pass, and nearly all of them do; None where there is none."""
    least = 0 if shape.minimum is None else shape.minimum
    most = _UNBOUNDED if shape.maximum is None else shape.maximum
    matches = _matching(shape)
    match shape.type:
        case ShapeType.STRING if shape.enum:
            known = frozenset(shape.enum)
            return lambda value: type(value) is str and value in known
        case ShapeType.STRING if matches is not None:
            return lambda value: (
                type(value) is str and value.isascii() and least <= len(value) <= most and matches(value) is not None
            )
        case ShapeType.STRING:
            return lambda value: type(value) is str and value.isascii() and least <= len(value) <= most
        case ShapeType.BLOB:
            return lambda value: type(value) is bytes and least <= len(value) <= most
        case _:
            return None


def elements_rule(prefix: str, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The one rule (or none) that says all `rules` of all elements of a collection.

    Source: observed (AWS Certificate Manager, Lambda).
    """
    if not rules:
        return ()
    tests = [rule.holds for rule in rules]
    sentences = ", ".join(rule.sentence for rule in rules)
    return (Rule(lambda values: all(holds(value) for value in values for holds in tests), f"{prefix}: [{sentences}]"),)


PRESENT = Rule(lambda value: value is not None, "Member must not be null")


def type_fault(value: object, wanted: ShapeType) -> str:
    """What is wrong with a value that is not one of type `wanted`; the value itself is not told."""
    article = "an" if wanted is ShapeType.INTEGER else "a"
    return f"{_token(value)} can not be converted to {article} {wanted.capitalize()}"


def _bounds(shape: Shape) -> tuple[Rule, ...]:
    size, noun = _SIZES.get(shape.type, (len, "length"))
    most, least = shape.maximum, shape.minimum
    rules = []
    if most is not None:
        rules.append(Rule(lambda value: size(value) <= most, f"Member must have {noun} less than or equal to {most}"))
    if least is not None:
        sentence = f"Member must have {noun} greater than or equal to {least}"
        rules.append(Rule(lambda value: size(value) >= least, sentence))
    return tuple(rules)


def _matching(shape: Shape) -> Callable[[str], object] | None:
    return None if shape.pattern is None else re.compile(shape.pattern, re.ASCII).fullmatch


def _pattern(shape: Shape) -> tuple[Rule, ...]:
    matches = _matching(shape)
    if matches is None:
        return ()
    sentence = f"Member must satisfy regular expression pattern: {shape.pattern}"
    return (Rule(lambda value: matches(value) is not None, sentence),)


def _enum(shape: Shape) -> tuple[Rule, ...]:
    if not shape.enum:
        return ()
    sentence = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
    return (Rule(frozenset(shape.enum).__contains__, sentence),)


def _java_length(text: str) -> int:
    """The length as AWS counts it: in UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


_SIZES: dict[ShapeType, tuple[Callable[[Any], int], str]] = {
    ShapeType.STRING: (_java_length, "length"),
    ShapeType.INTEGER: (int, "value"),
}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and (value.isascii() or _LONE_SURROGATE.search(value) is None)


def _is_timestamp(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isfinite(value) and abs(value) <= _LATEST_SECOND


def _is_mapping(value: object) -> bool:
    return type(value) is dict or isinstance(value, Mapping)  # the first, because Mapping's own test is slow


TYPE_TESTS: Mapping[ShapeType, Callable[[object], bool]] = MappingProxyType(
    {
        ShapeType.STRUCTURE: _is_mapping,
        ShapeType.LIST: lambda value: isinstance(value, list | tuple),
        ShapeType.MAP: _is_mapping,
        ShapeType.STRING: _is_text,
        ShapeType.BLOB: lambda value: isinstance(value, bytes),
        ShapeType.INTEGER: lambda value: type(value) is int and value in _INTEGERS,
        ShapeType.BOOLEAN: lambda value: isinstance(value, bool),
        ShapeType.TIMESTAMP: _is_timestamp,
    }
)
"""Whether a value is one of the type."""


def _token(value: object) -> str:
    match value:
        case None:
            return "VALUE_NULL"
        case bool():
            return f"{str(value).upper()}_VALUE"
        case int() | float():
            return "NUMBER_VALUE"
        case list() | tuple():
            return "START_ARRAY"
        case Mapping():
            return "START_OBJECT"
        case _:
            return "STRING_VALUE"
