"""What falls due in a Region: rotations, deletions, expiries of imported material, replicas that a rotation has waited
for long enough, and the daily rotation of its domain key.

Key errands follow the committed state of each key; the domain's follows its HSMs. Before a retired domain key is
forgotten, every token that is still under it is wrapped anew: else its backing key would be lost.

Source: KMS Developer Guide, "Rotate AWS KMS keys", "Deleting AWS KMS keys"; AWS KMS Cryptographic Details, domain keys.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from regionsim.hsm.domain import DOMAIN_KEY_PERIOD_DAYS, DomainKeyFacts
from regionsim.hsm.tokens import domain_key_id_of
from regionsim.kms import timetable
from regionsim.kms.errors import KMSInternalException, ServerFault
from regionsim.kms.hsm_jobs import (
    BackingKeyCreated,
    CreateBackingKey,
    MaterialRef,
    RewrapTokens,
    SecretSealed,
    TokensRewrapped,
)
from regionsim.kms.key import KeyMaterial, KmsKey, RotationType
from regionsim.kms.key_stores import KeyStore
from regionsim.kms.rotation import events_of_start, happenings_of_start, rotation_due_at_ns, start_rotation
from regionsim.kms.secret_jobs import RewrapSecret
from regionsim.kms.situation import Event, MaterialExpires, ReplicasOverdue, WaitingPeriodEnded, announce
from regionsim.kms.timetable import DueKind
from regionsim.kms.writes import PutKey, PutKeyStore, PutToken
from regionsim.names.mistakes import ConfigError
from regionsim.region.incarnation import CALENDAR, Incarnation, key_lock, key_store_lock
from regionsim.region.timers import Errand, Fired, Timers
from regionsim.runtime.clock import NS_PER_DAY
from regionsim.store.errors import StoreError

DOMAIN_KEY = "domain_key"
KEY_STORE = "key_store"
TOKENS_PER_BATCH = 256


class Calendar:
    """The errands of one incarnation.

    `happen` lets something happen to a key in the replication machine; it says whether that could be stored.
    `settle_store` ends what is under way with a custom key store, `remove_outside` has a cluster remove the backing key
    of a key that goes.
    """

    def __init__(
        self,
        host: Incarnation,
        happen: Callable[[str, Event], Awaitable[bool]],
        *,
        settle_store: Errand,
        remove_outside: Callable[[str], Awaitable[bool | None]],
        replica_wait_ns: int,
        on_fired: Callable[[Fired], None],
    ) -> None:
        self._host = host
        self._settle_store = settle_store
        self._remove_outside = remove_outside
        self._happen = happen
        self._replica_wait_ns = replica_wait_ns
        self._on_fired = on_fired
        self._booted_at_ns = host.clock.now_ns()
        self._unused: set[bytes] = set()
        """Domain keys that no token is under, and none will be."""
        self._errands: dict[DueKind, Errand] = {
            DueKind.ROTATION: self._rotate,
            DueKind.DELETION: self._delete,
            DueKind.REPLICAS_OVERDUE: self._give_up_on_replicas,
            DueKind.MATERIAL_EXPIRY: self._expire,
        }
        self.timers = Timers(host.region, host.scope, host.clock, self._note)

    def begin(self) -> None:
        """Set what committed state and the HSMs say."""
        for key in self._host.state.all_keys():
            self.key_changed(key.key_id, key)
        for store in self._host.state.key_stores():
            self.key_store_changed(store.store_id, store)
        self._set_domain_key_rotation()

    def _note(self, fired: Fired) -> None:
        subject = "store" if fired.what == KEY_STORE else "key"
        fields = {} if fired.what == DOMAIN_KEY else {subject: fired.subject}
        self._host.trace.emit(self._host.region, "due", what=fired.what, **fields)
        self._on_fired(fired)

    def key_changed(self, key_id: str, key: KmsKey | None) -> None:
        """Set the alarms of a key as its newest state says; None: it is deleted, and has none."""
        due = {} if key is None else timetable.of(key, self._replica_wait_ns)
        for kind, errand in self._errands.items():
            due_at_ns = due.get(kind)
            if due_at_ns is None:
                self.timers.drop(kind, key_id)
            elif kind is DueKind.REPLICAS_OVERDUE:
                # After a crash nobody remembers who has acknowledged what: replicas get time to say it again.
                self.timers.set(kind, key_id, max(due_at_ns, self._booted_at_ns + self._grace_ns), errand)
            else:
                self.timers.set(kind, key_id, due_at_ns, errand)

    def key_store_changed(self, store_id: str, store: KeyStore | None) -> None:
        """Set the alarm of a custom key store (None: it is gone): the end of what is under way with it."""
        if store is None or store.until_ns is None:
            self.timers.drop(KEY_STORE, store_id)
        else:
            self.timers.set(KEY_STORE, store_id, store.until_ns, self._settle_store)

    @property
    def _grace_ns(self) -> int:
        return min(self._replica_wait_ns, timetable.GRACE_AFTER_BOOT_NS)

    # Keys.

    async def _delete(self, key_id: str) -> bool:
        key = self._host.state.key(key_id)
        is_removed = None if key is None or key.regional.key_store is None else await self._remove_outside(key_id)
        return await self._happen(key_id, WaitingPeriodEnded(is_removed_outside=is_removed))

    async def _expire(self, key_id: str) -> bool:
        return await self._happen(key_id, MaterialExpires())

    async def _give_up_on_replicas(self, key_id: str) -> bool:
        return await self._happen(key_id, ReplicasOverdue())

    async def _rotate(self, key_id: str) -> bool:
        """Begin the automatic rotation of a key, unless it is not due any more."""
        host = self._host
        async with host.locks.hold([key_lock(key_id)]):
            key, now_ns = host.state.key(key_id), host.clock.now_ns()
            due_at_ns = None if key is None else rotation_due_at_ns(key)
            if key is None or due_at_ns is None or due_at_ns > now_ns:
                return True
            try:
                made = await host.perform(CreateBackingKey(key_id=key_id, spec=key.shared.spec), request=CALENDAR)
            except ServerFault:
                return False
            assert isinstance(made, BackingKeyCreated)
            return await self._begin_rotation(key, made.material, now_ns)

    async def _begin_rotation(self, key: KmsKey, ref: MaterialRef, now_ns: int) -> bool:
        material = KeyMaterial(material_id=ref.material_id, created_at_ns=now_ns, rotation_type=RotationType.AUTOMATIC)
        rotated = start_rotation(key, material, now_ns)
        try:
            await self._host.commit(
                writes=(PutToken(material=ref), PutKey(key=rotated)),
                announcements=announce(rotated),
                events=events_of_start(rotated, key),
                happenings=happenings_of_start(rotated),
            )
        except StoreError as error:
            self._host.trace.emit(self._host.region, "rotation_not_stored", error=type(error).__name__)
            return False
        return True

    # The domain.

    def _set_domain_key_rotation(self) -> None:
        keys = self._host.fleet.domain_keys
        since_ns = keys[-1].active_since_ns if keys else self._host.clock.now_ns()
        due_at_ns = since_ns + DOMAIN_KEY_PERIOD_DAYS * NS_PER_DAY
        self.timers.set(DOMAIN_KEY, "", due_at_ns, self._rotate_domain_key)

    async def _rotate_domain_key(self, _: str) -> bool:
        """Give the domain a new active key, once nothing is left under the one that is then forgotten."""
        keys = self._host.fleet.domain_keys
        if not keys:
            return False  # no HSM serves, or the domain is lost
        for key in _forgotten_at(keys, self._host.clock.now_ns()):
            if self._may_be_used(key) and not await self._wrap_anew(key.id):
                return False
        try:
            self._host.fleet.rotate_domain_key()
        except (KMSInternalException, ConfigError) as error:
            self._host.trace.emit(self._host.region, "domain_key_not_rotated", error=type(error).__name__)
            return False
        self._set_domain_key_rotation()
        return True

    def _may_be_used(self, key: DomainKeyFacts) -> bool:
        """False when no token is under that domain key for certain.

        All tokens are looked at once a month instead of every day: new ones are under the active key, so one that was
        retired when all were looked at, and had none, has none.
        """
        if key.id not in self._unused:
            known = [one.id for one in self._host.fleet.domain_keys]
            # Not the active key, and not the one before it: jobs that are under way may have used that.
            tokens = (*self._host.state.tokens(), *self._sealed().values())
            self._unused = set(known[:-2]).difference(map(domain_key_id_of, tokens))
        return key.id not in self._unused

    async def _wrap_anew(self, domain_key_id: bytes) -> bool:
        """Wrap every token that is under that domain key under the active one."""
        waiting = self._host.state.materials_where(lambda token: domain_key_id_of(token) == domain_key_id)
        for start in range(0, len(waiting), TOKENS_PER_BATCH):
            if not await self._wrap_batch(waiting[start : start + TOKENS_PER_BATCH]):
                return False
        stores = [store_id for store_id, token in self._sealed().items() if domain_key_id_of(token) == domain_key_id]
        return all([await self._seal_anew(store_id) for store_id in stores])

    def _sealed(self) -> dict[str, bytes]:
        """The sealed secrets of custom key stores."""
        stores = self._host.state.key_stores()
        return {store.store_id: store.sealed for store in stores if store.sealed is not None}

    async def _seal_anew(self, store_id: str) -> bool:
        host = self._host
        async with host.locks.hold([key_store_lock(store_id)]):
            store = host.state.key_store(store_id)
            if store is None or store.sealed is None:
                return True
            try:
                answer = await host.perform(RewrapSecret(store_id=store_id, token=store.sealed))
                assert isinstance(answer, SecretSealed)
                await host.commit(writes=(PutKeyStore(store=store.changed(sealed=answer.token)),))
            except (ServerFault, StoreError) as error:
                host.trace.emit(host.region, "tokens_not_rewrapped", error=type(error).__name__)
                return False
        return True

    async def _wrap_batch(self, batch: Sequence[MaterialRef]) -> bool:
        try:
            answer = await self._host.perform(RewrapTokens(materials=tuple(batch)))
            assert isinstance(answer, TokensRewrapped)
            await self._host.commit(
                writes=tuple(PutToken(material=material, is_rewrapped=True) for material in answer.materials)
            )
        except (ServerFault, StoreError) as error:
            self._host.trace.emit(self._host.region, "tokens_not_rewrapped", error=type(error).__name__)
            return False
        return True


def _forgotten_at(keys: Sequence[DomainKeyFacts], now_ns: int) -> tuple[DomainKeyFacts, ...]:
    """The domain keys that a rotation at that instant forgets."""
    return tuple(key for key in keys if key.expires_at_ns is not None and key.expires_at_ns <= now_ns)
