"""The faults of this version, as values: what is broken, not from when until when (that is the timeline's business)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class OutageMode(StrEnum):
    """How an unreachable Region shows itself to a caller."""

    HANG = "hang"
    """Nothing answers: the caller runs into its time-out (`ConnectTimeout`)."""
    REFUSE = "refuse"
    """The connection is refused at once (`ConnectionRefused`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionOutage:
    """A Region's KMS and its links cannot be reached; nothing in it is lost."""

    region: str
    mode: OutageMode = OutageMode.HANG


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionCrash:
    """A Region's hosts lose their memory; store and HSMs keep theirs. It is down while the fault is on."""

    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCut:
    """Nothing passes between two Regions, in either direction."""

    between: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLoss:
    """Envelopes are lost, each with `probability`, between two Regions in both directions, or (None) on every link."""

    between: tuple[str, str] | None = None
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """Nothing passes between Regions of different groups. Regions in no group reach, and are reached by, everybody."""

    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IamOutage:
    """A Region's copy of IAM is frozen: what is changed meanwhile reaches it when the fault is over."""

    region: str


Fault: TypeAlias = RegionOutage | RegionCrash | LinkCut | LinkLoss | Partition | IamOutage
"""One cause of harm."""
