"""What goes into a commit, and what comes out of the store."""

from __future__ import annotations

from dataclasses import field

from regionsim.kms.writes import Write
from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """A message that must reach `destination`. `body` is opaque here.

    Of the entries with one destination, key and kind only the newest is kept; its `shared_version` is never below the
    one that it replaces. `since_ns` (epoch) is when it was committed; it takes over an earlier one from the entry that
    it replaces, because the destination has been behind since then.
    """

    destination: str
    key_id: str
    kind: str
    shared_version: int
    since_ns: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow(OutboxEntry):
    """An entry as it waits in the outbox.

    An entry that replaces another gets a `sequence` of its own, so that a sequence names one body for ever, and the
    outbox is in order of last change.
    """

    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """The destination has this key as of `shared_version`: what of this kind waits for it up to there need not be sent
    again.

    A newer entry stays: it is not what was acknowledged.
    """

    destination: str
    key_id: str
    kind: str
    shared_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSegment:
    """Audit records of one flush, as opaque bytes; `first_ns` and `last_ns` are the instants of its first and last
    record."""

    first_ns: int
    last_ns: int
    record_count: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSegment(AuditSegment):
    """A segment read back; `sequence` is its place in the order of commits."""

    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One outcome: all of it is committed, or nothing."""

    writes: tuple[Write, ...] = ()
    outbox: tuple[OutboxEntry, ...] = ()
    acknowledged: tuple[Acknowledgement, ...] = ()
    audit: tuple[AuditSegment, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.writes or self.outbox or self.acknowledged or self.audit)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedState:
    """Everything that a Region needs at boot: writes that rebuild its state (keys in order of creation), and its
    outbox."""

    writes: tuple[Write, ...]
    outbox: tuple[OutboxRow, ...]
