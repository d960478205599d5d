"""How a caller is set up: where it runs, whom it calls, how patient it is."""

from __future__ import annotations

from enum import StrEnum

from regionsim.names.dataclass import dataclass


class RetryMode(StrEnum):
    """How a client repeats a failed try in one Region."""

    NONE = "none"
    STANDARD = "standard"
    ADAPTIVE = "adaptive"
    """As standard, and the client sends less while it is throttled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Where a client runs (`near`), which Regions it calls in which order, how long it waits for each try."""

    near: str
    regions: tuple[str, ...]
    timeout_ns: int = 5_000_000_000
    retries: RetryMode = RetryMode.NONE
