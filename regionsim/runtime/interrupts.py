"""Ctrl-C as a request that a run hears between two of its instants, not as an exception at any instruction.

A KeyboardInterrupt may land between the taking of a thread's answer and its delivery, and then somebody waits for that
answer for ever. So while a run is on, the first interrupt only asks it to stop; the second one is raised as usual.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType, TracebackType


class Interrupts(AbstractContextManager["Interrupts"]):
    """While entered, the first Ctrl-C makes `is_asked` true and calls what `hand_to` was given.

    It stands back where Ctrl-C is somebody else's business: outside the main thread, and where there is a handler
    other than Python's own.
    """

    def __init__(self) -> None:
        self.is_asked = False
        self._stop: Callable[[], object] | None = None
        self._is_hearing = False

    def __enter__(self) -> Interrupts:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._is_hearing = True
            signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_hearing:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def hand_to(self, stop: Callable[[], object]) -> None:
        """Call `stop` on the first interrupt, at once when there has been one."""
        self._stop = stop
        if self.is_asked:
            stop()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.is_asked:
            signal.default_int_handler(number, frame)
        self.is_asked = True
        if self._stop is not None:
            self._stop()
