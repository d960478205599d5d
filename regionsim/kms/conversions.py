"""Values of AWS JSON 1.1: blobs are base64 text, timestamps epoch seconds with milliseconds, null is absence.

Source: AWS JSON 1.1 protocol (Smithy); times and nulls observed.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from functools import cache
from typing import Any

from regionsim.kms.constraints import TYPE_TESTS, type_fault
from regionsim.kms.errors import SerializationException
from regionsim.kms.model import Shape, ShapeType, model

Convert = Callable[[Any], Any]


@cache
def converter(shape_name: str, *, decodes: bool) -> Convert:
    """What turns a value of the shape from JSON (`decodes`) or into JSON.

    From JSON: SerializationException where the value has another structure, or a blob is not base64.
    """
    shape = model().shapes[shape_name]
    match shape.type:
        case ShapeType.STRUCTURE:
            return _structure_converter(shape, decodes=decodes)
        case ShapeType.LIST:
            return _list_converter(converter(_name(shape.element), decodes=decodes))
        case ShapeType.MAP:
            return _map_converter(converter(_name(shape.value), decodes=decodes))
        case ShapeType.BLOB:
            return _blob_from_base64 if decodes else _base64_from_blob
        case ShapeType.TIMESTAMP if not decodes:
            return _milliseconds
        case _:
            return _unchanged


def _structure_converter(shape: Shape, *, decodes: bool) -> Convert:
    converters = {name: converter(member, decodes=decodes) for name, member in shape.members.items()}
    changed = {name: convert for name, convert in converters.items() if convert is not _unchanged}

    def convert(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            _require(value, ShapeType.STRUCTURE)
        assert decodes or value.keys() <= converters.keys(), f"not of {shape.name}: {value.keys() - converters.keys()}"
        return {
            name: changed[name](member) if name in changed else member
            for name, member in value.items()
            if member is not None and name in converters
        }

    return convert


def _list_converter(convert_element: Convert) -> Convert:
    def convert(value: Any) -> list[Any]:
        _require(value, ShapeType.LIST)
        if convert_element is _unchanged:
            return list(value)
        return [None if item is None else convert_element(item) for item in value]

    return convert


def _map_converter(convert_value: Convert) -> Convert:
    def convert(value: Any) -> dict[str, Any]:
        _require(value, ShapeType.MAP)
        return {name: None if item is None else convert_value(item) for name, item in value.items()}

    return convert


def _name(shape_name: str | None) -> str:
    assert shape_name is not None
    return shape_name


def _require(value: object, wanted: ShapeType) -> None:
    if not TYPE_TESTS[wanted](value):
        raise SerializationException(type_fault(value, wanted))


def _blob_from_base64(value: Any) -> bytes:
    if type(value) is not str or not value.isascii():
        _require(value, ShapeType.STRING)
    try:
        return a2b_base64(value, strict_mode=True)
    except ValueError:
        # Without the text: what was meant as a blob may be a secret.
        raise SerializationException("STRING_VALUE can not be converted to a Blob") from None


def _base64_from_blob(value: Any) -> str:
    return b2a_base64(value, newline=False).decode("ascii")


def _milliseconds(value: Any) -> Any:
    return round(value, 3)


def _unchanged(value: Any) -> Any:
    return value
