"""How often the screen asks, and when it must not: a slow terminal gets fewer frames, never a standing loop."""

from __future__ import annotations

import math
from typing import Any

MOTION_HZ, FIGURES_HZ, FLAT_OUT_HZ = 10.0, 4.0, 2.0
_FULL_QUEUE = 2


def frames_per_second(rate: float, *, most: float) -> float:
    """How often to look: at rest not at all, flat out seldom."""
    if rate == 0:
        return 0.0
    return min(most, FLAT_OUT_HZ if math.isinf(rate) else MOTION_HZ if rate <= 60 else FIGURES_HZ)


def is_terminal_behind(driver: Any) -> bool:
    """True while the terminal has not taken the last frames; drawing more would make the loop wait for it.

    Textual's writer queue is private; where there is none (tests, other drivers) nothing is ever behind.
    """
    writer = getattr(driver, "_writer_thread", None)
    queue = getattr(writer, "_queue", None)
    return queue is not None and queue.qsize() > _FULL_QUEUE
