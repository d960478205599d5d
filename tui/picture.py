"""What the screens are drawn from: frozen values, made in the simulation's thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from regionsim.names.dataclass import dataclass
from regionsim.snapshot import Glance

if TYPE_CHECKING:
    from regionsim.authorization.decide import Policies
    from regionsim.authorization.request import Request


class Kind(StrEnum):
    """What sort of event a row tells of."""

    CALL = "call"
    DENIED = "denied"
    REFUSED = "refused"
    FAILED = "failed"
    CHANGE = "change"
    FAULT = "fault"
    LIFE = "life"
    STEP = "step"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A call that was denied, with AWS's sentence and what was decided on."""

    message: str
    request: Request | None = field(default=None, repr=False)
    policies: Policies | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One line of the list of events; instants are the run's, in nanoseconds."""

    number: int
    at_ns: int
    region: str
    what: str
    who: str = ""
    subject: str = ""
    outcome: str = ""
    kind: Kind
    denial: Denial | None = None

    @property
    def text(self) -> str:
        """What a filter looks into."""
        return f"{self.region} {self.what} {self.who} {self.subject} {self.outcome} {self.kind}".lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """One KMS key in one Region."""

    name: str
    key_id: str
    region: str
    role: str
    state: str
    rotations: int
    rotates_at_ns: int | None
    is_rotating: bool
    where: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    """One resource of an integrated service: its state, since when, under which key; `because` is KMS's code, empty
    while it is well."""

    service: str
    name: str
    region: str
    state: str
    key: str
    key_id: str
    because: str
    since_ns: int

    @property
    def is_well(self) -> bool:
        return not self.because


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Everything at one instant. `activity` are calls in equal slices of time, the newest last; latencies are callers',
    in nanoseconds, of late."""

    title: str
    seed: int
    at_ns: int
    end_ns: int
    rate: float
    is_over: bool
    glance: Glance
    activity: Mapping[str, tuple[int, ...]]
    slice_ns: int
    latency_ns: Mapping[str, tuple[int, int]]
    links_ns: Mapping[tuple[str, str], int]
    notables: tuple[tuple[int, Kind], ...]
    caption: str
    event_count: int
    """Events by then: a list that shows no later ones agrees with the rest of the picture."""
    denied: int
    key_region: str
    key_offset: int
    keys: tuple[KeyRow, ...]
    """A window of the keys of `key_region`, from `key_offset` on; it has `key_count` in all."""
    key_count: int
    services: tuple[ServiceRow, ...] = ()
    verdict: str = ""
