"""Custom key stores in a Region: jobs of their keys go to what backs them, and connections come and go by the calendar.

A job of a key that a cluster keeps is done by the cluster. A job of a key with an external key is done by our HSMs and
by the external key's proxy: what our HSMs have encrypted is encrypted once more, and to decrypt it the proxy comes
first. A call has one job. ReEncrypt to or from a cluster is the exception: the plaintext has to pass from one keeper's
HSMs to the other's, so it is one job of each.

Source: KMS Developer Guide, "Custom key stores" and "How external key stores work" (double encryption).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from regionsim.authorization.circumstances import ENDPOINT, VIA_SERVICE, Circumstances
from regionsim.hsm.key_store_port import ExternallySealed, KeyStorePort, ProxyRequest
from regionsim.kms.ciphertext import MalformedBlob, build, parse
from regionsim.kms.errors import InvalidCiphertextException, KmsError, KMSInvalidStateException, ServerFault
from regionsim.kms.hsm_jobs import (
    CreateBackingKey,
    DataKeyGenerated,
    Decrypt,
    Decrypted,
    Encrypt,
    Encrypted,
    ForRecipient,
    GenerateDataKey,
    HsmAnswer,
    ReEncrypt,
    RequestJob,
    SealedForRecipient,
    SecretOpened,
)
from regionsim.kms.key import KmsKey
from regionsim.kms.key_stores import ConnectionState, KeyStore, brought_back, facts_of_membership, facts_of_removal
from regionsim.kms.key_usages import require_plaintext_fits
from regionsim.kms.outside import (
    AboutCluster,
    AboutExternalKey,
    AboutProxy,
    Inquiry,
    OutsideError,
    Problem,
    Word,
    connection_error_code,
    in_words,
    refusal_of_key,
    refusal_without_key,
)
from regionsim.kms.plan import Call, Plan
from regionsim.kms.recipients import Disclosing
from regionsim.kms.secret_jobs import OpenSecret, SealSecret
from regionsim.kms.writes import PutKey, PutKeyStore
from regionsim.region.incarnation import Incarnation, key_lock, key_store_lock
from regionsim.store.errors import StoreError


def is_of_stores(plan: Plan[Any]) -> bool:
    """True when the plan's job is not for our HSMs alone."""
    if plan.key_store is not None:
        return True
    for key in plan.keys:  # noqa: SIM110 - every call passes here, and a generator costs more than the loop
        if key.regional.key_store is not None:
            return True
    return False


def told_of_stores(plan: Plan[Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a record, with what CloudTrail adds of custom key stores."""
    added: dict[str, Any] = {}
    if plan.key_store is not None and plan.call.operation != "CreateCustomKeyStore":
        added["customKeyStoreName"] = plan.key_store.name
        added |= {} if plan.key_store.cluster_id is None else {"clusterId": plan.key_store.cluster_id}
    for key in plan.keys:
        added |= facts_of_membership(key)
        if plan.call.operation == "ScheduleKeyDeletion":
            added |= facts_of_removal(key)
    if not added:
        return dict(facts)
    return {**facts, "additionalEventData": {**facts.get("additionalEventData", {}), **added}}


class KeyStores:
    """The custom key stores of one incarnation of a Region's hosts."""

    def __init__(self, host: Incarnation, port: KeyStorePort) -> None:
        self._host = host
        self._port = port
        self._opened: dict[str, tuple[bytes, str]] = {}
        """Store -> its sealed secret, and that in clear."""

    def changed(self, store_id: str, store: KeyStore | None) -> None:
        """Forget the secret in clear of a store that is gone (None) or has another one."""
        known = self._opened.get(store_id)
        if known is not None and (store is None or store.sealed != known[0]):
            del self._opened[store_id]

    def secrets_for_scan(self) -> list[bytes]:
        """The secrets in clear that are in memory. For tests that look for them; for nothing else."""
        return [secret.encode() for _, secret in self._opened.values()]

    async def ask(self, inquiry: Inquiry) -> Word:
        """What backs a store, asked before a call is decided. Errors: KMSInternalException when no HSM serves."""
        match inquiry:
            case AboutProxy(secret=None, store_id=store_id) | AboutExternalKey(secret=None, store_id=store_id):
                store = self._host.state.key_store(store_id)
                assert store is not None, "it is locked"
                return await self._port.ask(replace(inquiry, secret=await self._secret(store)))
            case _:
                return await self._port.ask(inquiry)

    async def _secret(self, store: KeyStore) -> str:
        """A store's secret in clear. The hosts keep it in memory, or each request to a proxy would be two jobs."""
        if store.sealed is None:
            return ""
        known = self._opened.get(store.store_id)
        if known is None or known[0] != store.sealed:
            answer = await self._host.perform(OpenSecret(store_id=store.store_id, token=store.sealed))
            assert isinstance(answer, SecretOpened)
            known = (store.sealed, answer.secret)
            if self._host.state.key_store(store.store_id) is not None:  # else it was deleted meanwhile
                self._opened[store.store_id] = known
        return known[1]

    async def perform(self, plan: Plan[Any]) -> HsmAnswer:
        """The plan's job, by whoever keeps its keys. Errors: KmsError."""
        job, call = plan.job, plan.call
        assert job is not None, "only a plan with a job asks"
        if isinstance(job, SealSecret):
            return await self._host.perform(job, request=call.request_id)
        if plan.key_store is not None:
            return await self._in_store(job, plan.key_store, call.request_id)
        if isinstance(job, ReEncrypt):
            return await self._reencrypt(job, *plan.keys, call=call)
        return await self._perform(job, plan.key, call)

    async def _reencrypt(self, job: ReEncrypt, source: KmsKey, destination: KmsKey, *, call: Call) -> HsmAnswer:
        """Errors: KmsError."""
        cluster_id = _cluster_of(source)
        if cluster_id != _cluster_of(destination):
            decrypt = Decrypt(
                material=job.source,
                blob=job.blob,
                context=job.source_context,
                spec=job.source_spec,
                algorithm=job.source_algorithm,
            )
            opened = await self._perform(decrypt, source, call)
            assert isinstance(opened, Decrypted)
            require_plaintext_fits(job.destination_spec, job.destination_algorithm, opened.plaintext)
            encrypt = Encrypt(
                material=job.destination,
                plaintext=opened.plaintext,
                context=job.destination_context,
                spec=job.destination_spec,
                algorithm=job.destination_algorithm,
            )
            return await self._perform(encrypt, destination, call)
        if cluster_id is not None:
            return await self._perform(job, source, call)
        try:
            return await self._reencrypt_here(job, source, destination, call)
        except OutsideError as error:
            raise _unusable(error, job) from None

    async def _reencrypt_here(self, job: ReEncrypt, source: KmsKey, destination: KmsKey, call: Call) -> HsmAnswer:
        """One visit to our HSMs, between the proxies of the keys that have one. Errors: KmsError, OutsideError."""
        if source.regional.key_store is not None:
            asked = await self._asked_of_proxy(job, source, call)
            inner = await self._unsealed(asked, job.blob, job.source_context)
            made = await self._within(replace(job, blob=inner), call)
        else:
            made = await self._host.perform(job, request=call.request_id)
        assert isinstance(made, Encrypted)
        if destination.regional.key_store is None:
            return made
        asked = await self._asked_of_proxy(job, destination, call)
        return replace(made, blob=await self._sealed_again(asked, made.blob, job.destination_context))

    async def _in_store(self, job: RequestJob, store: KeyStore, request: str) -> HsmAnswer:
        """The job of no key, by a store's cluster. Errors: KmsError."""
        assert store.cluster_id is not None, "only a cluster does anything without a key"
        self._note(job, store, request)
        try:
            return await self._port.in_cluster(store.cluster_id, job)
        except OutsideError as error:
            raise refusal_without_key(error.problem) from None

    def _note(self, job: RequestJob, store: KeyStore, request: str) -> None:
        fields = {"job": type(job).__name__, "store": store.store_id, "request": request}
        self._host.trace.emit(self._host.region, "key_store_request", **fields)

    async def _perform(self, job: RequestJob, key: KmsKey, call: Call) -> HsmAnswer:
        membership = key.regional.key_store
        if membership is None:
            return await self._host.perform(job, request=call.request_id)
        try:
            if membership.cluster_id is not None:
                self._note(job, self._store_of(key), call.request_id)
                return await self._port.in_cluster(membership.cluster_id, job)
            return await self._through_proxy(job, key, call)
        except OutsideError as error:
            raise _unusable(error, job) from None

    def _store_of(self, key: KmsKey) -> KeyStore:
        membership = key.regional.key_store
        assert membership is not None, "the key is in a store"
        store = self._host.state.key_store(membership.store_id)
        assert store is not None, "a store goes after its keys"
        return store

    async def _asked_of_proxy(self, job: RequestJob, key: KmsKey, call: Call) -> ProxyRequest:
        """What goes along when the key's proxy is asked; it is noted that it is."""
        store, membership = self._store_of(key), key.regional.key_store
        self._note(job, store, call.request_id)
        assert store.proxy is not None, "an external key store has a proxy"
        assert membership is not None, "and this key is in it"
        assert membership.xks_key_id is not None, "with an external key of its own"
        return ProxyRequest(
            proxy=store.proxy,
            secret=await self._secret(store),
            xks_key_id=membership.xks_key_id,
            aws_principal_arn=call.caller.arn,
            kms_key_arn=key.arn,
            kms_operation=call.operation,
            kms_request_id=call.request_id,
            kms_via_service=_text(call.circumstances, VIA_SERVICE),
            # Only of callers of the key's own account.
            aws_source_vpce=_text(call.circumstances, ENDPOINT) if call.caller.account == key.account else None,
        )

    async def _through_proxy(self, job: RequestJob, key: KmsKey, call: Call) -> HsmAnswer:
        asked = await self._asked_of_proxy(job, key, call)
        match job:
            case CreateBackingKey():
                return await self._host.perform(job, request=call.request_id)
            case Encrypt(context=context):
                made = await self._host.perform(job, request=call.request_id)
                assert isinstance(made, Encrypted)
                return replace(made, blob=await self._sealed_again(asked, made.blob, context))
            case GenerateDataKey(context=context):
                generated = await self._host.perform(job, request=call.request_id)
                assert isinstance(generated, DataKeyGenerated)
                return replace(generated, blob=await self._sealed_again(asked, generated.blob, context))
            case Decrypt(blob=blob, context=context):
                inner = await self._unsealed(asked, blob, context)
                return await self._within(replace(job, blob=inner), call)
            case ForRecipient(job=disclosing):
                return await self._for_recipient(job, disclosing, asked, call)
            case _:
                raise AssertionError(f"{type(job).__name__} is for no key of an external key store")

    async def _for_recipient(
        self, job: ForRecipient, disclosing: Disclosing, asked: ProxyRequest, call: Call
    ) -> HsmAnswer:
        """What an enclave alone is to know: our HSMs seal it for the enclave, whatever the proxy's part is."""
        if isinstance(disclosing, Decrypt):
            inner = await self._unsealed(asked, disclosing.blob, disclosing.context)
            return await self._within(replace(job, job=replace(disclosing, blob=inner)), call)
        assert isinstance(disclosing, GenerateDataKey), f"{type(disclosing).__name__} is for no external key"
        made = await self._host.perform(job, request=call.request_id)
        assert isinstance(made, SealedForRecipient)
        assert isinstance(made.answer, DataKeyGenerated)
        blob = await self._sealed_again(asked, made.answer.blob, disclosing.context)
        return replace(made, answer=replace(made.answer, blob=blob))

    async def _within(self, job: RequestJob, call: Call) -> HsmAnswer:
        """Our HSMs' work on what an external key has opened. Errors: KmsError, OutsideError."""
        try:
            return await self._host.perform(job, request=call.request_id)
        except InvalidCiphertextException:
            # The external key has opened it, and what was inside is none of ours.
            raise OutsideError(Problem.XKS_INNER_CIPHERTEXT) from None

    async def _sealed_again(self, asked: ProxyRequest, blob: bytes, context: bytes) -> bytes:
        """The blob with its sealed part encrypted under the external key."""
        header = parse(blob)
        sealed = await self._port.seal(asked, header.iv + header.sealed, header.clear + context)
        return build(header.clear, sealed.iv, sealed.sealed)

    async def _unsealed(self, asked: ProxyRequest, blob: bytes, context: bytes) -> bytes:
        try:
            header = parse(blob)
        except MalformedBlob:
            raise InvalidCiphertextException from None  # as an HSM says it
        sealed = ExternallySealed(iv=header.iv, sealed=header.sealed)
        opened = await self._port.unseal(asked, sealed, header.clear + context)
        length = len(header.iv)
        return build(header.clear, opened[:length], opened[length:])

    # The calendar.

    async def remove(self, key_id: str) -> bool | None:
        """Have the backing key of a key that goes now removed by the cluster that keeps it; whether that could be done.
        None for a key that no cluster keeps."""
        key = self._host.state.key(key_id)
        membership = None if key is None else key.regional.key_store
        if key is None or membership is None or membership.cluster_id is None:
            return None
        if not self._store_of(key).is_connected:
            return False
        try:
            await self._port.remove(membership.cluster_id, tuple(known.material_id for known in key.shared.materials))
        except OutsideError:
            return False
        return True

    async def settle(self, store_id: str) -> bool:
        """End what is under way with a store, if its time has come."""
        host = self._host
        keys = [key_lock(key_id) for key_id in host.state.keys_in_store(store_id)]
        async with host.locks.hold([key_store_lock(store_id), *keys]):
            store, now_ns = host.state.key_store(store_id), host.clock.now_ns()
            if store is None or store.until_ns is None or store.until_ns > now_ns:
                return True
            if store.state is ConnectionState.DISCONNECTING:
                return await self._committed(store.changed(state=ConnectionState.DISCONNECTED, until_ns=None))
            return await self._connected(store)

    async def _connected(self, store: KeyStore) -> bool:
        try:
            problem = (await self._port.ask(_health_of(store, await self._secret(store)))).problem
        except ServerFault:
            return False  # no HSM opens the secret; the calendar comes back to it
        if problem is not None:
            code = connection_error_code(problem)
            return await self._committed(store.changed(state=ConnectionState.FAILED, error_code=code, until_ns=None))
        known = [self._host.state.key(key_id) for key_id in self._host.state.keys_in_store(store.store_id)]
        back = [(key, brought_back(key)) for key in known if key is not None]
        writes = tuple(PutKey(key=after) for before, after in back if after is not before)
        return await self._committed(
            store.changed(state=ConnectionState.CONNECTED, error_code=None, until_ns=None), writes
        )

    async def _committed(self, store: KeyStore, keys: tuple[PutKey, ...] = ()) -> bool:
        try:
            await self._host.commit(writes=(PutKeyStore(store=store), *keys))
        except StoreError as error:
            self._host.trace.emit(self._host.region, "key_store_not_stored", error=type(error).__name__)
            return False
        return True


def _cluster_of(key: KmsKey) -> str | None:
    """The cluster that keeps the key; None where our HSMs do, with an external key around it or without."""
    membership = key.regional.key_store
    return None if membership is None else membership.cluster_id


def _health_of(store: KeyStore, secret: str) -> Inquiry:
    if store.proxy is not None:
        return AboutProxy(store_id=store.store_id, proxy=store.proxy, secret=secret)
    assert store.cluster_id is not None, "a store has a cluster or a proxy"
    return AboutCluster(cluster_id=store.cluster_id, hsm_count=1, is_login=True, password=secret)


def _text(circumstances: Circumstances, name: str) -> str | None:
    value = circumstances.get(name)
    return value if isinstance(value, str) else None


def _unusable(error: OutsideError, job: RequestJob) -> KmsError:
    if isinstance(job, CreateBackingKey):
        return refusal_of_key(error.problem)
    return KMSInvalidStateException(in_words(error.problem))
