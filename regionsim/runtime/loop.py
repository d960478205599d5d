"""The three ways to run a coroutine: flat out in virtual time, paced by the wall clock, in real time."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any, TypeVar

from regionsim.runtime.paced import PacedRun
from regionsim.runtime.stalls import DeadlockError, LivelockError
from regionsim.runtime.virtual_loop import Callback, VirtualLoop, run_virtual, running

__all__ = [
    "Callback",
    "DeadlockError",
    "LivelockError",
    "PacedRun",
    "VirtualLoop",
    "is_real_time",
    "run_real_time",
    "run_virtual",
]

T = TypeVar("T")

_real_time_loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


def run_real_time(main: Coroutine[Any, Any, T]) -> T:
    """What `main` returns, run in real time on uvloop where it is installed, else on asyncio's own loop.

    The loop is marked (`is_real_time`): seeded entropy refuses to work on it.
    """
    with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
        _real_time_loops.add(runner.get_loop())
        return runner.run(main)


def is_real_time() -> bool:
    """True inside `run_real_time`."""
    if running.loop is not None:
        return False
    try:
        return asyncio.get_running_loop() in _real_time_loops
    except RuntimeError:
        return False


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        uvloop = import_module("uvloop")  # optional, and not to be loaded by virtual runs
    except ImportError:
        return None
    new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return new_loop
