"""The audit trail of a Region: entries wait for the next flush, or ride in the transaction of the change they tell of.

Cryptographic calls, reads and refusals are answered first; their entries are committed within 100 ms. A crash may lose
at most that window. Source: ours; CloudTrail itself delivers within minutes.

No entry is ever dropped to make room. While the disk takes none they wait in memory, and once `MAX_WAITING` do, the
trail `is_full`: the Region then turns calls away at the door, where they leave nothing to record, until a flush has
made room. What waits is therefore bounded by that number and the calls that were already being served.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Sequence
from functools import partial

from regionsim.kms.hsm_jobs import MaterialRef
from regionsim.kms.last_use import TRACKED, LastUse
from regionsim.kms.writes import PutLastUse, PutToken, Write
from regionsim.names.arns import Arn
from regionsim.region.audit_entry import AuditEntry
from regionsim.region.audit_record import event_id
from regionsim.region.wire import pack_audit
from regionsim.runtime.tasks import Scope, future
from regionsim.store.errors import StoreError
from regionsim.store.store import Store
from regionsim.store.values import AuditSegment, Commit

FLUSH_AFTER_NS = 50_000_000
"""Half of what is promised: the commit itself takes time, too."""

TRIES_IN_A_ROW = 20
FLUSH_SELDOM_NS = 1_000_000_000
FLUSH_AT_LEAST_NS = 60_000_000_000
"""A disk that has taken nothing so many times is asked seldom, each time after twice as long up to a minute, and with
one entry, until it takes that. Source: ours."""

MAX_WAITING = 16_384
"""Entries that wait at most before calls are turned away: more than a second of the busiest Region that we simulate,
and some 30 MB. Source: ours."""

_ENTRIES_PER_SEGMENT = 1024


def segments(entries: Sequence[AuditEntry]) -> tuple[AuditSegment, ...]:
    """The entries as segments that the store keeps."""
    if not entries:
        return ()
    return (
        AuditSegment(
            first_ns=entries[0].instant_ns,
            last_ns=entries[-1].instant_ns,
            record_count=len(entries),
            body=pack_audit(entries),
        ),
    )


def last_uses(entries: Sequence[AuditEntry]) -> tuple[PutLastUse, ...]:
    """What the entries say of the last use of each key that they name."""
    newest = {
        arn: entry
        for entry in entries
        if entry.event_name in TRACKED and entry.error_code is None
        for arn in entry.resources
    }
    return tuple(_last_use(arn, entry) for arn, entry in newest.items())


def _last_use(text: str, entry: AuditEntry) -> PutLastUse:
    arn = Arn.parse(text)
    assert arn is not None, "an entry names keys by their ARNs"
    use = LastUse(
        operation=entry.event_name,
        at_ns=entry.instant_ns,
        request_id=entry.request_id,
        event_id=event_id(entry, arn.account),
    )
    return PutLastUse(key_id=arn.resource.removeprefix("key/"), use=use)


class AuditTrail:
    """Collects what may be committed a little later: audit entries, what they say of the last use of keys, and tokens
    that were wrapped anew in use."""

    def __init__(
        self,
        scope: Scope,
        store: Store,
        on_failure: Callable[[StoreError], None],
        on_kept: Callable[[tuple[Write, ...]], None],
    ) -> None:
        self._scope = scope
        self._store = store
        self._on_failure = on_failure
        self._on_kept = on_kept
        self._entries: list[AuditEntry] = []
        self._in_flight_count = 0
        self._all_landed: Future[None] | None = None
        self._tokens: dict[str, PutToken] = {}
        self._tokens_in_flight: dict[str, PutToken] = {}
        self._is_scheduled = False
        self._failures = 0

    @property
    def waiting_count(self) -> int:
        """Entries that a crash at this instant may lose: those that wait, and those on their way to the disk."""
        return len(self._entries) + self._in_flight_count

    @property
    def is_full(self) -> bool:
        """True while the Region must take no call."""
        return len(self._entries) + self._in_flight_count >= MAX_WAITING

    def add(self, entry: AuditEntry) -> None:
        """Commit this entry within 100 ms."""
        self._entries.append(entry)
        self._schedule()

    def add_token(self, write: PutToken) -> None:
        """Commit a token that was wrapped anew, in place of one of its material that waits; it is in use only then."""
        self._tokens[write.material.material_id] = write
        self._schedule()

    def waiting_token(self, material_id: str) -> MaterialRef | None:
        """The material's token that waits or is on its way to the disk, the newer of the two."""
        write = self._tokens.get(material_id) or self._tokens_in_flight.get(material_id)
        return None if write is None else write.material

    async def flush(self) -> None:
        """Commit what waits, and see what is on its way arrive.

        Errors: StoreError; then it waits on, and is tried again.
        """
        await self._flush_waiting()
        while self._in_flight_count:
            self._all_landed = self._all_landed or future()
            await self._all_landed
            await self._flush_waiting()  # what the disk did not take waits again

    async def _flush_waiting(self) -> None:
        while self._entries or self._tokens:
            count = 1 if self._is_seldom else _ENTRIES_PER_SEGMENT
            entries, tokens = self._entries[:count], tuple(self._tokens.values())
            self._entries, self._tokens = self._entries[count:], {}
            self._tokens_in_flight |= _by_material(tokens)
            self._in_flight_count += len(entries)
            writes: tuple[Write, ...] = (*tokens, *last_uses(entries))
            keep = partial(self._kept, tokens, writes)
            try:
                await self._store.commit(Commit(writes=writes, audit=segments(entries)), then=keep)
            except StoreError:
                self._entries = entries + self._entries
                self._landed(tokens)
                self._tokens = _by_material(tokens) | self._tokens
                self._failures += 1
                self._schedule()
                raise
            else:
                self._failures = 0
            finally:
                self._in_flight_count -= len(entries)
                if not self._in_flight_count:
                    self._tell_all_landed()

    @property
    def _is_seldom(self) -> bool:
        return self._failures >= TRIES_IN_A_ROW

    @property
    def _pause_ns(self) -> int:
        if not self._is_seldom:
            return FLUSH_AFTER_NS
        return min(FLUSH_SELDOM_NS << min(self._failures - TRIES_IN_A_ROW, 10), FLUSH_AT_LEAST_NS)

    def _tell_all_landed(self) -> None:
        if self._all_landed is not None and not self._all_landed.done():
            self._all_landed.set_result(None)
        self._all_landed = None

    def _kept(self, tokens: tuple[PutToken, ...], writes: tuple[Write, ...], _: tuple[int, ...]) -> None:
        self._landed(tokens)
        if writes:
            self._on_kept(writes)

    def _landed(self, tokens: tuple[PutToken, ...]) -> None:
        for write in tokens:
            if self._tokens_in_flight.get(write.material.material_id) is write:
                del self._tokens_in_flight[write.material.material_id]

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._scope.call_later_ns(self._pause_ns, self._start_flush)

    def _start_flush(self) -> None:
        self._scope.begin(self._flush_now(), name="audit")

    async def _flush_now(self) -> None:
        self._is_scheduled = False
        try:
            await self._flush_waiting()
        except StoreError as error:
            self._on_failure(error)


def _by_material(tokens: tuple[PutToken, ...]) -> dict[str, PutToken]:
    return {write.material.material_id: write for write in tokens}
