"""AWS's own description of KMS: operations, shapes, refusals.

Read on first use from `model.json`, which a generator writes from botocore (`tests/generators/kms_model.py`); botocore
itself is needed only by the tests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pkgutil import get_data
from types import MappingProxyType
from typing import Any

from regionsim.names.dataclass import dataclass


class ShapeType(StrEnum):
    """What kind of value a shape describes."""

    STRUCTURE = "structure"
    LIST = "list"
    MAP = "map"
    STRING = "string"
    BLOB = "blob"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One shape. Which fields mean something depends on `type`; names of other shapes are keys of `Model.shapes`.

    `minimum` and `maximum` bound a number's value and any other shape's length.
    """

    name: str
    type: ShapeType
    members: Mapping[str, str]
    """Of a structure: member name -> shape name."""
    required: frozenset[str]
    element: str | None
    """Of a list: the shape of its elements."""
    key: str | None
    value: str | None
    enum: tuple[str, ...]
    minimum: int | None
    maximum: int | None
    pattern: str | None
    """As AWS writes it (Java's grammar, ASCII classes, the whole value must match)."""
    is_sensitive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation: the shapes of its request and response, and the refusals that AWS lists for it.

    `output` is None where the answer has no body.
    """

    name: str
    input: str
    output: str | None
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """All of KMS. `refusals`: name -> HTTP status, the modelled ones; `botocore`: the release this was taken from."""

    botocore: str
    operations: Mapping[str, Operation]
    shapes: Mapping[str, Shape]
    refusals: Mapping[str, int]


@cache
def model() -> Model:
    """The model of KMS, read once."""
    text = get_data("regionsim.kms", "model.json")  # importlib.resources costs 14 ms to import, this whole function 4
    assert text is not None, "model.json was not packaged"
    described = json.loads(text)
    return Model(
        botocore=described["botocore"],
        operations=MappingProxyType({name: _operation(name, d) for name, d in described["operations"].items()}),
        shapes=MappingProxyType({name: _shape(name, d) for name, d in described["shapes"].items()}),
        refusals=MappingProxyType(described["refusals"]),
    )


def _operation(name: str, described: Mapping[str, Any]) -> Operation:
    return Operation(name=name, input=described["input"], output=described["output"], errors=tuple(described["errors"]))


def _shape(name: str, described: Mapping[str, Any]) -> Shape:
    return Shape(
        name=name,
        type=ShapeType(described["type"]),
        members=MappingProxyType(described.get("members", {})),
        required=frozenset(described.get("required", ())),
        element=described.get("member"),
        key=described.get("key"),
        value=described.get("value"),
        enum=tuple(described.get("enum", ())),
        minimum=described.get("min"),
        maximum=described.get("max"),
        pattern=described.get("pattern"),
        is_sensitive=described.get("sensitive", False),
    )
