"""The two ways in which a virtual run stops getting anywhere, and words for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Protocol

_SHOWN_TASK_COUNT = 20
_SHOWN_CALLBACK_COUNT = 5


class DeadlockError(AssertionError):
    """Nothing can ever happen again, yet tasks wait; the message names them."""


class LivelockError(AssertionError):
    """The loop ran a million callbacks without time moving."""


class Waiting(Protocol):
    """A task, or what stands for one: it has a name and a coroutine, and ends a little after it is cancelled."""

    def get_name(self) -> str: ...

    def get_coro(self) -> Any: ...

    def done(self) -> bool: ...

    def cancel(self) -> object: ...

    def add_done_callback(self, callback: Callable[[Any], object], /) -> object: ...


def describe_deadlock(now_ns: int, tasks: Iterable[Waiting]) -> str:
    """A sentence naming the tasks that wait, and the functions in which they do."""
    waiting = [_place(task) for task in tasks if not task.done()]
    shown = ", ".join(waiting[:_SHOWN_TASK_COUNT])
    unshown_count = len(waiting) - _SHOWN_TASK_COUNT
    more = f", and {unshown_count} more" if unshown_count > 0 else ""
    return f"deadlock at {now_ns} ns: no timer is set and {len(waiting)} tasks wait: {shown}{more}"


def describe_livelock(now_ns: int, count: int, upcoming: Iterable[asyncio.Handle]) -> str:
    """A sentence naming the callbacks that would come next."""
    names = [_callback_name(handle) for handle in islice(upcoming, _SHOWN_CALLBACK_COUNT)]
    return f"livelock: {count} callbacks at {now_ns} ns; next: {', '.join(names) or 'none'}"


def _place(task: Waiting) -> str:
    """A task's name and the innermost function in which it waits."""
    coroutine: Any = task.get_coro()
    place = ""
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        place = f" (waits in {frame.f_code.co_qualname}, line {frame.f_lineno})"
        coroutine = coroutine.cr_await
    return task.get_name() + place


def _callback_name(handle: asyncio.Handle) -> str:
    callback = getattr(handle, "_callback", None)
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return f"task '{owner.get_name()}'"
    return str(getattr(callback, "__qualname__", type(callback).__name__))
