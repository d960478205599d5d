"""Requests and responses held against AWS's shapes: validation with AWS's texts, and the values of AWS JSON 1.1.

Values are plain Python: str, int, float, bool, bytes for blobs, list, dict, and epoch seconds for timestamps. On the
wire blobs are base64 text. An operation's checks are compiled to closures once, on first use.

Source: observed (recorded answers of KMS).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from regionsim.kms.constraints import (
    PRESENT,
    TYPE_TESTS,
    Rule,
    elements_rule,
    plainly_sound,
    rules_of,
    type_fault,
)
from regionsim.kms.conversions import converter
from regionsim.kms.errors import SerializationException, UnknownOperationException, ValidationException
from regionsim.kms.model import Operation, Shape, ShapeType, model
from regionsim.names.dataclass import dataclass

MemberPath = tuple[str | int, ...]
"""Where a value stands in a request: member names and list positions from 0, as in `("Tags", 0, "TagKey")`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a request. `text` is AWS's; the value is left out of it where it may be a secret."""

    path: MemberPath
    text: str
    is_mistyped: bool
    """True when the value is not of the shape's type at all, so that AWS cannot even read the request."""


_Check = Callable[[Any, MemberPath, list[Problem]], None]

_CONTAINERS = (ShapeType.STRUCTURE, ShapeType.LIST, ShapeType.MAP)


def validate(operation: str, parameters: Mapping[str, object]) -> None:
    """Returns when the parameters fit the request shape; None counts as absent, unknown members are ignored.

    Errors: SerializationException for a value of the wrong type; else one ValidationException with every broken rule.
    """
    found = problems(operation, parameters)
    if not found:
        return
    for problem in found:
        if problem.is_mistyped:
            raise SerializationException(problem.text)
    count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected"
    raise ValidationException(f"{count}: {'; '.join(problem.text for problem in found)}")


def problems(operation: str, parameters: Mapping[str, object]) -> list[Problem]:
    """All that `validate` would refuse, each with its place."""
    found: list[Problem] = []
    _checker(_operation(operation).input)(parameters, (), found)
    return found


def unknown_members(operation: str, parameters: Mapping[str, object]) -> list[MemberPath]:
    """The members that the request shape does not have, in the order they stand. AWS ignores them on the wire."""
    return list(_unknown(_shape(_operation(operation).input), parameters, ()))


def decode(operation: str, request: object) -> dict[str, object]:
    """The parameters in a request's parsed JSON body: blobs as bytes, nulls and unknown members left out.

    Errors: SerializationException where the JSON does not have the shape's structure, or a blob is not base64.
    """
    decoded: dict[str, object] = converter(_operation(operation).input, decodes=True)(request)
    return decoded


def encode(operation: str, response: Mapping[str, object]) -> dict[str, object]:
    """The response as JSON values: blobs as base64 text, None left out. Empty where the answer has no body."""
    output = _operation(operation).output
    if output is None:
        assert not response, f"{operation} answers without a body"
        return {}
    encoded: dict[str, object] = converter(output, decodes=False)(response)
    return encoded


def _operation(name: str) -> Operation:
    try:
        return model().operations[name]
    except KeyError:
        raise UnknownOperationException from None


def _shape(name: str | None) -> Shape:
    assert name is not None
    return model().shapes[name]


# --- validation: one closure per shape ---


@cache
def _checker(shape_name: str) -> _Check:
    shape = _shape(shape_name)
    match shape.type:
        case ShapeType.STRUCTURE:
            return _structure_checker(shape)
        case ShapeType.LIST if _shape(shape.element).type in _CONTAINERS:
            return _list_of_containers_checker(shape)
        case ShapeType.LIST:
            return _list_of_scalars_checker(shape)
        case ShapeType.MAP:
            return _map_checker(shape)
        case _:
            return _scalar_checker(shape)


def _structure_checker(shape: Shape) -> _Check:
    is_typed = TYPE_TESTS[shape.type]
    members = [
        (name, name in shape.required, plainly_sound(_shape(member_shape)), _checker(member_shape))
        for name, member_shape in shape.members.items()
    ]

    def check(value: Any, path: MemberPath, found: list[Problem]) -> None:
        if not is_typed(value):
            found.append(_mistyped(value, shape, path))
            return
        for name, is_required, is_sound, check_member in members:
            member = value.get(name)
            if member is None:
                if is_required:
                    found.append(_broken(None, (*path, name), PRESENT))
            elif is_sound is None or not is_sound(member):
                check_member(member, (*path, name), found)

    return check


def _list_of_scalars_checker(shape: Shape) -> _Check:
    element = _shape(shape.element)
    is_typed = TYPE_TESTS[shape.type]
    rules = rules_of(shape) + elements_rule("Member must satisfy constraint", rules_of(element))
    is_told = not _is_hidden(element)

    def check(value: Any, path: MemberPath, found: list[Problem]) -> None:
        if not is_typed(value):
            found.append(_mistyped(value, shape, path))
            return
        if _are_elements_sound(value, element, path, found):
            _apply(rules, value, path, found, is_told=is_told)

    return check


def _are_elements_sound(values: list[Any], element: Shape, path: MemberPath, found: list[Problem]) -> bool:
    """Whether all elements are there and of the right type, so that rules about their values can be asked."""
    is_typed = TYPE_TESTS[element.type]
    count = len(found)
    for index, item in enumerate(values):
        if item is None:
            found.append(_broken(None, (*path, index), PRESENT))
        elif not is_typed(item):
            found.append(_mistyped(item, element, (*path, index)))
    return len(found) == count


def _list_of_containers_checker(shape: Shape) -> _Check:
    is_typed = TYPE_TESTS[shape.type]
    rules = rules_of(shape)
    check_element = _checker(_shape(shape.element).name)

    def check(value: Any, path: MemberPath, found: list[Problem]) -> None:
        if not is_typed(value):
            found.append(_mistyped(value, shape, path))
            return
        _apply(rules, value, path, found, is_told=False)
        for index, item in enumerate(value):
            if item is None:
                found.append(_broken(None, (*path, index), PRESENT))
            else:
                check_element(item, (*path, index), found)

    return check


def _map_checker(shape: Shape) -> _Check:
    key, item = _shape(shape.key), _shape(shape.value)
    is_key_typed, is_item_typed = TYPE_TESTS[key.type], TYPE_TESTS[item.type]
    key_rules = elements_rule("Map keys must satisfy constraint", rules_of(key))
    item_rules = elements_rule("Map value must satisfy constraint", (PRESENT, *rules_of(item)))
    is_typed = TYPE_TESTS[shape.type]
    rules = rules_of(shape)

    def check(value: Any, path: MemberPath, found: list[Problem]) -> None:
        if not is_typed(value):
            found.append(_mistyped(value, shape, path))
            return
        for name, held in value.items():
            if not is_key_typed(name):
                found.append(_mistyped(name, key, path))
                return
            if held is not None and not is_item_typed(held):
                found.append(_mistyped(held, item, (*path, name)))
                return
        _apply(rules, value, path, found, is_told=False)
        _apply(key_rules, value, path, found, is_told=False)
        _apply(item_rules, value.values(), path, found, is_told=False)

    return check


def _scalar_checker(shape: Shape) -> _Check:
    is_typed = TYPE_TESTS[shape.type]
    rules = rules_of(shape)
    is_told = not _is_hidden(shape)

    def check(value: Any, path: MemberPath, found: list[Problem]) -> None:
        if not is_typed(value):
            found.append(_mistyped(value, shape, path))
            return
        _apply(rules, value, path, found, is_told=is_told)

    return check


def _mistyped(value: object, shape: Shape, path: MemberPath) -> Problem:
    return Problem(path=path, text=type_fault(value, shape.type), is_mistyped=True)


def _apply(rules: tuple[Rule, ...], value: object, path: MemberPath, found: list[Problem], *, is_told: bool) -> None:
    for rule in rules:
        if not rule.holds(value):
            found.append(_broken(value, path, rule, is_told=is_told))


def _is_hidden(shape: Shape) -> bool:
    return shape.is_sensitive or shape.type is ShapeType.BLOB


def _broken(value: object, path: MemberPath, rule: Rule, *, is_told: bool = True) -> Problem:
    told = f" {_told(value)}" if is_told else ""
    text = f"Value{told} at '{_aws_path(path)}' failed to satisfy constraint: {rule.sentence}"
    return Problem(path=path, text=text, is_mistyped=False)


def _told(value: object) -> str:
    if value is None:
        return "null"
    return f"'[{', '.join(map(str, value))}]'" if isinstance(value, list | tuple) else f"'{value}'"


def _aws_path(path: MemberPath) -> str:
    """`("Tags", 0, "TagKey")` as AWS writes it: `tags.1.member.tagKey`."""
    return ".".join(f"{step + 1}.member" if isinstance(step, int) else f"{step[:1].lower()}{step[1:]}" for step in path)


# --- unknown members ---


def _unknown(shape: Shape, value: object, path: MemberPath) -> Iterator[MemberPath]:
    if shape.type is ShapeType.STRUCTURE and isinstance(value, Mapping):
        for name, member in value.items():
            if name not in shape.members:
                yield (*path, name)
            else:
                yield from _unknown(_shape(shape.members[name]), member, (*path, name))
    elif shape.type is ShapeType.LIST and isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _unknown(_shape(shape.element), item, (*path, index))
