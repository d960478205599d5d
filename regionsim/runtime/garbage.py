"""Python's search for garbage, made seldom while a run lasts."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG_COUNT = 20_000
"""New objects before the young ones are searched. Python's own 700 have every call of a busy run searched for next to
nothing: what a call leaves behind is freed as it ends. Source: ours, measured."""

_ROUNDS = 20


@contextmanager
def searched_seldom() -> Iterator[None]:
    """Leave alone what is there already, and search the rest seldom, while the block runs."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_YOUNG_COUNT, _ROUNDS, _ROUNDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if before[0] != _YOUNG_COUNT:  # else it is still seldom that one around this one wants
            gc.unfreeze()
