"""The audit trail of a Region: entries wait for the next flush, or ride in the transaction of the change they tell of.

Cryptographic calls, reads and refusals are answered first; their entries are committed within 100 ms. A crash may lose
at most that window. Source: ours; CloudTrail itself delivers within minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from regionsim.kms.writes import PutToken
from regionsim.region.audit_entry import AuditEntry
from regionsim.region.wire import pack_audit
from regionsim.runtime.tasks import Scope
from regionsim.store.errors import StoreError
from regionsim.store.store import Store
from regionsim.store.values import AuditSegment, Commit

FLUSH_AFTER_NS = 50_000_000
"""Half of what is promised: the commit itself takes time, too."""

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


class AuditTrail:
    """Collects what may be committed a little later: audit entries, and tokens that were wrapped anew in use."""

    def __init__(self, scope: Scope, store: Store, on_failure: Callable[[StoreError], None]) -> None:
        self._scope = scope
        self._store = store
        self._on_failure = on_failure
        self._entries: list[AuditEntry] = []
        self._tokens: dict[str, PutToken] = {}
        self._is_scheduled = False

    @property
    def waiting_count(self) -> int:
        """Entries that a crash at this instant would lose."""
        return len(self._entries)

    def add(self, entry: AuditEntry) -> None:
        """Commit this entry within 100 ms."""
        self._entries.append(entry)
        self._schedule()

    def add_token(self, write: PutToken) -> None:
        """Commit a token that was wrapped anew; of one material the newest counts."""
        self._tokens[write.material.material_id] = write
        self._schedule()

    async def flush(self) -> None:
        """Commit what waits. Errors: StoreError; then it waits on, and is tried again."""
        while self._entries or self._tokens:
            entries, tokens = self._entries[:_ENTRIES_PER_SEGMENT], tuple(self._tokens.values())
            self._entries, self._tokens = self._entries[_ENTRIES_PER_SEGMENT:], {}
            try:
                await self._store.commit(Commit(writes=tokens, audit=segments(entries)))
            except StoreError:
                self._entries = entries + self._entries
                self._tokens = {write.material.material_id: write for write in tokens} | self._tokens
                self._schedule()
                raise

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._scope.call_later_ns(FLUSH_AFTER_NS, self._start_flush)

    def _start_flush(self) -> None:
        self._scope.spawn(self._flush_now(), name="audit")

    async def _flush_now(self) -> None:
        self._is_scheduled = False
        try:
            await self.flush()
        except StoreError as error:
            self._on_failure(error)
