"""Frozen dataclasses that are made many times for each call, made quickly."""

from __future__ import annotations

from dataclasses import field, fields, make_dataclass
from typing import Any, TypeVar, cast

T = TypeVar("T")


def made_often(cls: type[T]) -> type[T]:
    """The frozen, slotted, keyword-only dataclass `cls`, whose instances nobody but mypy keeps from being changed.

    Python's own frozen dataclasses set each field by a call of `object.__setattr__`: five times the cost of setting it,
    and a call makes a dozen of them. So Python's guard goes, and `__init__` sets fields as that of any class does.
    mypy, which every commit passes, refuses assignments as before. Source: ours, measured.
    """
    assert not hasattr(cls, "__post_init__"), f"{cls.__name__} has more to do when it is made"
    known = fields(cast("Any", cls))
    assert all(one.init for one in known), f"{cls.__name__} has fields that are not given"
    same = [(one.name, Any, field(default=one.default, default_factory=one.default_factory)) for one in known]
    plain = make_dataclass(cls.__name__, same, kw_only=True, repr=False, eq=False)
    make = vars(plain)["__init__"]
    make.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = make  # type: ignore[method-assign]
    del cls.__setattr__, cls.__delattr__
    return cls
