"""One life of a Region's hosts: what they hold in memory, and what a crash takes with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from regionsim.hsm.fleet import Fleet
from regionsim.hsm.tokens import domain_key_id_of
from regionsim.kms.errors import KMSInternalException
from regionsim.kms.hsm_jobs import HsmAnswer, HsmJob, MaterialRef
from regionsim.kms.key import KmsKey
from regionsim.kms.key_stores import KeyStore
from regionsim.kms.plan import Outcome
from regionsim.kms.situation import Happening
from regionsim.kms.state import RegionState
from regionsim.kms.writes import (
    Announcement,
    PutKey,
    PutKeyStore,
    PutToken,
    RemoveKey,
    RemoveKeyStore,
    RemoveToken,
    ServiceEvent,
    Write,
)
from regionsim.region.audit import AuditTrail, segments
from regionsim.region.audit_entry import AuditEntry
from regionsim.region.locks import Locks
from regionsim.region.wire import pack_message
from regionsim.runtime.clock import ReadableClock
from regionsim.runtime.tasks import Scope
from regionsim.runtime.trace import Trace
from regionsim.store.errors import StoreError
from regionsim.store.store import Store
from regionsim.store.values import Acknowledgement, Commit, OutboxEntry

CALENDAR = "calendar"
"""Stands for the request id where it is the calendar that asks an HSM for something that else only callers ask for."""


class Incarnation:
    """The committed state in memory, the locks, the audit batch, and the way everything is committed."""

    def __init__(
        self, region: str, scope: Scope, store: Store, fleet: Fleet, clock: ReadableClock, trace: Trace
    ) -> None:
        self.region = region
        self.scope = scope
        self.store = store
        self.fleet = fleet
        self.clock = clock
        self.trace = trace
        self.state = RegionState(region)
        self.locks = Locks()
        self.trail = AuditTrail(scope, store, self._store_failed, self._kept)
        self.on_outbox: Callable[[Sequence[Announcement], int], None] = _nobody
        """Hears the announcements of each commit, and the instant (epoch ns) that their outbox rows bear."""
        self.on_key: Callable[[str, KmsKey | None], None] = _nobody_asks
        """Hears of each key that a commit changed; None: it is deleted."""
        self.on_key_store: Callable[[str, KeyStore | None], None] = _nobody_cares
        """Hears of each custom key store that a commit changed."""
        self._keys_being_made: Counter[str] = Counter()

    def end(self) -> None:
        """Let nobody act for this incarnation any more; what the store has been given it still commits."""
        self.on_outbox = _left_for_the_next_boot
        self.on_key = _nobody_asks
        self.on_key_store = _nobody_cares
        self.scope.fence()

    def keys_being_made(self, account: str) -> int:
        """Keys of the account that are planned and not yet committed; they count against its quota."""
        return self._keys_being_made[account]

    @contextmanager
    def making_room(self, account: str | None) -> Iterator[None]:
        """Count one key of the account as being made while the block runs (None: no key is being made)."""
        if account is None:
            yield
            return
        self._keys_being_made[account] += 1
        try:
            yield
        finally:
            self._keys_being_made[account] -= 1

    async def perform(self, job: HsmJob, *, request: str | None = None) -> HsmAnswer:
        """One visit to an HSM, for the call of that request id (None: for upkeep; `CALENDAR`: for what fell due).

        Tokens that it wrapped anew are kept. Errors: what the fleet or the job refuses.
        """
        # Traced here, where every job passes: what asks the fleet behind this line's back has a job too many.
        self.trace.emit(self.region, "hsm_request", job=type(job).__name__, request=request)
        try:
            answer = await self.fleet.perform(job)
        except KMSInternalException:
            self.trace.emit(self.region, "hsm_failed", job=type(job).__name__, request=request)
            raise
        for material in answer.rewrapped:
            if self._is_token_newer(material):
                self.trail.add_token(PutToken(material=material, is_rewrapped=True))
        return answer

    def _is_token_newer(self, material: MaterialRef) -> bool:
        """True when the token is under a later domain key than the one that is kept, or waits to be kept.

        Jobs end in another order than they began, and a domain key may be rotated between them.
        """
        known = self.trail.waiting_token(material.material_id)
        known = known or self.state.material(material.key_id, material.material_id)
        if known is None:
            return False  # its key is gone
        ours, theirs = domain_key_id_of(material.token), domain_key_id_of(known.token)
        oldest_first = [key.id for key in self.fleet.domain_keys]
        if ours not in oldest_first:
            return False  # no HSM in reach opens it; the next use wraps it anew
        return theirs not in oldest_first or oldest_first.index(ours) > oldest_first.index(theirs)

    def _kept(self, writes: tuple[Write, ...]) -> None:
        for write in writes:
            self.state.apply(write)

    async def commit(
        self,
        *,
        writes: tuple[Write, ...] = (),
        announcements: tuple[Announcement, ...] = (),
        acknowledged: tuple[Acknowledgement, ...] = (),
        entries: tuple[AuditEntry, ...] = (),
        events: tuple[ServiceEvent, ...] = (),
        happenings: tuple[Happening, ...] = (),
    ) -> None:
        """One transaction: key changes, outbox, audit. Only then is any of it visible, sent or answered.

        `happenings` are of the key that `writes` change. Errors: StoreError, and then nothing of it is visible.
        """
        told = (*entries, *(self.service_entry(event) for event in events))
        since_ns = self.clock.now_ns()
        outbox = tuple(_outbox_entry(announcement, since_ns) for announcement in announcements)

        def make_visible(_: tuple[int, ...]) -> None:
            for write in writes:
                self._apply(write)
            for happening in happenings:
                self.trace.emit(self.region, happening.value, key=_changed_key(writes))
            if announcements:
                self.on_outbox(announcements, since_ns)

        commit = Commit(writes=writes, outbox=outbox, acknowledged=acknowledged, audit=segments(told))
        # The store calls this in the order of the commits, so memory never shows what a reopened file would not.
        await self.store.commit(commit, then=make_visible)

    def _apply(self, write: Write) -> None:
        """Make a committed write visible, and tell who goes by it."""
        match write:
            case PutKey(key=key):
                self.state.apply(write)
                self._trace_key(key)
                self.on_key(key.key_id, key)
            case RemoveKey(key_id=key_id):
                held = self.state.material_ids(key_id)
                self.state.apply(write)
                self.fleet.forget(held)
                self.on_key(key_id, None)
            case PutKeyStore(store=store):
                self.state.apply(write)
                fields = {"store": store.store_id, "name": store.name, "state": store.state.value}
                self.trace.emit(self.region, "key_store_state", **fields, error=store.error_code)
                self.on_key_store(store.store_id, store)
            case RemoveKeyStore(store_id=store_id):
                self.state.apply(write)
                self.on_key_store(store_id, None)
            case RemoveToken(material_id=material_id):
                self.state.apply(write)
                self.fleet.forget((material_id,))
            case _:
                self.state.apply(write)

    async def commit_or_refuse(self, outcome: Outcome, *entries: AuditEntry) -> None:
        """`commit` for a caller who waits. Errors: KMSInternalException instead of a StoreError."""
        try:
            await self.commit(
                writes=outcome.writes,
                announcements=outcome.announcements,
                entries=entries,
                events=outcome.events,
                happenings=outcome.happenings,
            )
        except StoreError as error:
            self._store_failed(error)
            # The cause names files and SQL; it is in the trace, and none of the caller's business.
            raise KMSInternalException(may_have_happened=error.may_have_happened) from None

    def service_entry(self, event: ServiceEvent) -> AuditEntry:
        """The audit entry of something that KMS did by itself, or of a call that it made."""
        call = event.call
        facts: dict[str, Any] = {"serviceEventDetails": dict(event.details)} if event.details else {}
        if event.additional:
            facts["additionalEventData"] = dict(event.additional)
        if call is not None:
            facts = {
                "invokedBy": call.invoked_by,
                "responseElements": call.response,
                "onBehalfOf": call.on_behalf_of,
                "requestID": call.request_id,
                "namesKey": call.names_key,
            }
        return AuditEntry(
            event_name=event.name,
            instant_ns=self.clock.now_ns(),
            region=self.region,
            request_id=f"{event.key_arn}@{self.clock.now_ns()}",
            recipients=(event.account,),
            is_read_only=False,
            parameters={} if call is None else call.parameters,
            facts=facts,
            resources=(event.key_arn,),
        )

    def _trace_key(self, key: KmsKey) -> None:
        shared = key.shared
        self.trace.emit(
            self.region,
            "key_changed",
            key=key.key_id,
            state=key.state.value,
            version=key.version,
            shared_version=shared.shared_version,
            primary=shared.primary_region,
            materials=len(shared.materials),
            is_rotating=shared.pending_material is not None,
        )

    def _store_failed(self, error: StoreError) -> None:
        self.trace.emit(self.region, "store_failed", error=type(error).__name__)


def key_lock(key_id: str) -> str:
    """The name under which a KMS key is locked."""
    return f"key/{key_id}"


def key_store_lock(store_id: str) -> str:
    """The name under which a custom key store is locked."""
    return f"key_store/{store_id}"


def _outbox_entry(announcement: Announcement, since_ns: int) -> OutboxEntry:
    message = announcement.message
    return OutboxEntry(
        destination=announcement.destination,
        key_id=message.key_id,
        kind=message.kind.value,
        shared_version=message.shared_version,
        since_ns=since_ns,
        body=pack_message(message),
    )


def _changed_key(writes: Sequence[Write]) -> str:
    """The id of the one key that an outcome changes."""
    return next(write.key.key_id for write in writes if isinstance(write, PutKey))


def _nobody_asks(key_id: str, key: KmsKey | None) -> None:
    """Nothing: no calendar goes by it."""


def _nobody_cares(store_id: str, store: KeyStore | None) -> None:
    """Nothing: no calendar goes by it."""


def _left_for_the_next_boot(announcements: Sequence[Announcement], since_ns: int) -> None:
    """Nothing: the outbox has them."""


def _nobody(announcements: Sequence[Announcement], since_ns: int) -> None:
    raise AssertionError("an announcement before the replicator is there")
