"""Frozen dataclasses that are made many times for each call, made quickly."""

from __future__ import annotations

from typing import TypeVar

from regionsim.names.dataclass import begin_by_fields

T = TypeVar("T")


def made_often(cls: type[T]) -> type[T]:
    """The frozen, slotted, keyword-only dataclass `cls`, whose instances nobody but mypy keeps from being changed.

    What keeps a frozen dataclass's fields from being set makes its own `__init__` set them by a call each, which costs
    twice what setting them does, and a call makes a dozen of them. So that guard goes. mypy, which every commit passes,
    refuses assignments as before. Source: ours, measured.
    """
    assert not hasattr(cls, "__post_init__"), f"{cls.__name__} has more to do when it is made"
    del cls.__setattr__, cls.__delattr__
    begin_by_fields(cls, is_guarded=False)
    return cls
