"""Hypothesis strategies for anything that travels on the wire, derived from the dataclasses' annotations."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from regionsim.kms.messages import (
    Answered,
    Asked,
    CreateReplica,
    MaterialBatch,
    MaterialImported,
    MaterialImportNoted,
    MaterialRequest,
    Message,
    NoMaterial,
    ReplicaDeleted,
    ReplicaDeletionNoted,
    Synchronize,
    Synchronized,
)

KINDS: tuple[type, ...] = (
    CreateReplica,
    Synchronize,
    Synchronized,
    MaterialRequest,
    MaterialBatch,
    NoMaterial,
    Asked,
    Answered,
    ReplicaDeleted,
    ReplicaDeletionNoted,
    MaterialImported,
    MaterialImportNoted,
)
"""Every kind of message, in the order of `Message`; a test compares."""

INT64 = st.integers(-(2**63), 2**63 - 1)

_PLAIN: Mapping[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: INT64,
    bytes: st.binary(max_size=8),
    bool: st.booleans(),
    type(None): st.none(),
    Any: st.recursive(
        st.none() | st.booleans() | INT64 | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
        max_leaves=3,
    ),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value that a type annotation allows."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin in (Union, types.UnionType):
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, arguments))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=3)
    assert isinstance(hint, type), f"no strategy for {hint}"
    if issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    assert is_dataclass(hint), f"no strategy for {hint}"
    hints = get_type_hints(hint)
    return st.builds(hint, **{known.name: values_of(hints[known.name]) for known in fields(hint) if known.init})


def messages() -> st.SearchStrategy[Message]:
    """A message of any kind."""
    return st.one_of([values_of(kind) for kind in KINDS])


def msgpack_values() -> st.SearchStrategy[Any]:
    """Whatever msgpack can say."""
    scalars = st.none() | st.booleans() | INT64 | st.floats() | st.text(max_size=6) | st.binary(max_size=6)
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3) | INT64, inner, max_size=3),
        max_leaves=20,
    )
