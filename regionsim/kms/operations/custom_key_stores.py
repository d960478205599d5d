"""CreateCustomKeyStore, DescribeCustomKeyStores, UpdateCustomKeyStore, ConnectCustomKeyStore, DisconnectCustomKeyStore,
DeleteCustomKeyStore.

Source: KMS API Reference, the operations of these names; the texts are UNVERIFIED (ours).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from regionsim.kms.errors import (
    CloudHsmClusterInUseException,
    CustomKeyStoreHasCMKsException,
    CustomKeyStoreNameInUseException,
    CustomKeyStoreNotFoundException,
    LimitExceededException,
    ValidationException,
    XksProxyUriEndpointInUseException,
    XksProxyUriInUseException,
    XksProxyVpcEndpointServiceInUseException,
)
from regionsim.kms.hsm_jobs import (
    HsmAnswer,
    SecretSealed,
)
from regionsim.kms.key_stores import (
    DISCONNECTING_NS,
    STORES_PER_ACCOUNT,
    ConnectionState,
    KeyStore,
    ProxySettings,
    StoreType,
    new_store_id,
    put_away,
)
from regionsim.kms.metadata import epoch_seconds
from regionsim.kms.operations.key_store_requests import (
    PUBLIC,
    CreateCustomKeyStoreRequest,
    UpdateCustomKeyStoreRequest,
)
from regionsim.kms.outside import AboutCluster, AboutProxy, AboutService, Inquiry, Problem, refusal_of
from regionsim.kms.pages import page, read_marker
from regionsim.kms.permission import require_without_key
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.secret_jobs import SealSecret
from regionsim.kms.writes import PutKey, PutKeyStore, RemoveKeyStore, Write
from regionsim.names.dataclass import dataclass

R = TypeVar("R")


class CreateCustomKeyStore(Operation[CreateCustomKeyStoreRequest]):
    """A store that is not connected yet. A proxy with a public endpoint is asked whether it answers."""

    name = "CreateCustomKeyStore"
    request_type = CreateCustomKeyStoreRequest
    is_mutation = True
    is_read_only = False
    needs_fresh = True
    recorded = (
        "CustomKeyStoreName", "CloudHsmClusterId", "CustomKeyStoreType", "XksProxyUriEndpoint", "XksProxyUriPath",
        "XksProxyVpcEndpointServiceName", "XksProxyVpcEndpointServiceOwner", "XksProxyConnectivity",
    )  # fmt: skip

    def reads(self, request: CreateCustomKeyStoreRequest) -> Reads:
        return Reads(reads_all_key_stores=True)

    def plan(self, view: View, call: Call, request: CreateCustomKeyStoreRequest) -> Plan[CreateCustomKeyStoreRequest]:
        request.require_fitting()
        require_without_key(view, call.caller, "kms:CreateCustomKeyStore")
        account = call.caller.account
        store = KeyStore(
            store_id=new_store_id(view.fresh),
            account=account,
            name=request.custom_key_store_name,
            type=StoreType(request.custom_key_store_type),
            created_at_ns=view.now_ns,
            cluster_id=request.cloud_hsm_cluster_id,
            trust_anchor=request.trust_anchor_certificate,
            proxy=request.proxy(),
        )
        others = view.state.key_stores(account)
        if len(others) >= STORES_PER_ACCOUNT:
            raise LimitExceededException(f"The limit of {STORES_PER_ACCOUNT} custom key stores is reached.")
        _require_free(store, others)
        plan = Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, key_store=store)
        asked = _asked(view, plan, _question_about(store, request.secret, others))
        return _sealing(asked, request.secret)

    def answer(self, plan: Plan[CreateCustomKeyStoreRequest], answer: HsmAnswer | None) -> Outcome:
        assert isinstance(answer, SecretSealed)
        store = replace(plan.one_store, sealed=answer.token)
        return Outcome(
            response={"CustomKeyStoreId": store.store_id},
            writes=(PutKeyStore(store=store),),
            facts={"responseElements": {"customKeyStoreId": store.store_id}},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeCustomKeyStoresRequest:
    custom_key_store_id: str | None = None
    custom_key_store_name: str | None = None
    limit: int = 100
    marker: str | None = None


class DescribeCustomKeyStores(Operation[DescribeCustomKeyStoresRequest]):
    name = "DescribeCustomKeyStores"
    request_type = DescribeCustomKeyStoresRequest
    recorded = ("CustomKeyStoreId", "CustomKeyStoreName", "Limit", "Marker")

    def reads(self, request: DescribeCustomKeyStoresRequest) -> Reads:
        return Reads()

    def plan(
        self, view: View, call: Call, request: DescribeCustomKeyStoresRequest
    ) -> Plan[DescribeCustomKeyStoresRequest]:
        named = request.custom_key_store_id, request.custom_key_store_name
        if None not in named:
            raise ValidationException("Specify either CustomKeyStoreId or CustomKeyStoreName, not both.")
        after = read_marker(request.marker)
        require_without_key(view, call.caller, "kms:DescribeCustomKeyStores")
        stores = [
            store
            for store in view.state.key_stores(call.caller.account)
            if named == (None, None) or store.store_id == named[0] or store.name == named[1]
        ]
        if named != (None, None) and not stores:
            raise _not_found(named[0] or named[1] or "")
        shown = [store for store in stores if after is None or store.store_id > after][: request.limit + 1]
        more = shown[request.limit - 1].store_id if len(shown) > request.limit else None
        found = tuple(_entry(store) for store in shown[: request.limit])
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, found=found, next_marker=more)

    def answer(self, plan: Plan[DescribeCustomKeyStoresRequest], answer: HsmAnswer | None) -> Outcome:
        return Outcome(response=page("CustomKeyStores", [dict(entry) for entry in plan.found], plan.next_marker))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStoreRequest:
    """A request about one custom key store and nothing else."""

    custom_key_store_id: str


_SEEN_AT_ONCE = (Problem.CLUSTER_NOT_ACTIVE, Problem.INSUFFICIENT_CLOUDHSM_HSMS)
"""What a request to connect is refused for; what else is wrong with a cluster shows as the connection fails."""


class ConnectCustomKeyStore(Operation[KeyStoreRequest]):
    """Begins to connect the store, unless it is, or is being, connected."""

    name = "ConnectCustomKeyStore"
    request_type = KeyStoreRequest
    is_mutation = True
    is_read_only = False
    recorded = ("CustomKeyStoreId",)

    def reads(self, request: KeyStoreRequest) -> Reads:
        return Reads(key_stores=(request.custom_key_store_id,))

    def plan(self, view: View, call: Call, request: KeyStoreRequest) -> Plan[KeyStoreRequest]:
        store = _store(view, call, request.custom_key_store_id, self.name)
        plan = Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, key_store=store)
        if store.state is not ConnectionState.DISCONNECTED or store.cluster_id is None:
            return plan
        if view.outside_word is None:
            return replace(plan, inquiry=AboutCluster(cluster_id=store.cluster_id, hsm_count=1))
        if view.outside_word.problem in _SEEN_AT_ONCE:
            raise refusal_of(view.outside_word.problem)
        return plan

    def answer(self, plan: Plan[KeyStoreRequest], answer: HsmAnswer | None) -> Outcome:
        store = plan.one_store
        if store.state is not ConnectionState.DISCONNECTED:
            return Outcome(response={})
        until_ns = plan.now_ns + store.connecting_ns
        connecting = store.changed(state=ConnectionState.CONNECTING, error_code=None, until_ns=until_ns)
        return Outcome(response={}, writes=(PutKeyStore(store=connecting),))


class DisconnectCustomKeyStore(Operation[KeyStoreRequest]):
    """Begins to disconnect the store; its keys are Unavailable from now on."""

    name = "DisconnectCustomKeyStore"
    request_type = KeyStoreRequest
    is_mutation = True
    is_read_only = False
    recorded = ("CustomKeyStoreId",)

    def reads(self, request: KeyStoreRequest) -> Reads:
        return Reads(key_stores=(request.custom_key_store_id,), reads_keys_in_stores=True)

    def plan(self, view: View, call: Call, request: KeyStoreRequest) -> Plan[KeyStoreRequest]:
        store = _store(view, call, request.custom_key_store_id, self.name)
        keys = (view.state.key(key_id) for key_id in view.state.keys_in_store(store.store_id))
        away = ((key, put_away(key)) for key in keys if key is not None)
        gone: tuple[Write, ...] = tuple(PutKey(key=after) for before, after in away if after is not before)
        plan = Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, key_store=store)
        return replace(plan, besides=gone)

    def answer(self, plan: Plan[KeyStoreRequest], answer: HsmAnswer | None) -> Outcome:
        until_ns = plan.now_ns + DISCONNECTING_NS
        leaving = plan.one_store.changed(state=ConnectionState.DISCONNECTING, error_code=None, until_ns=until_ns)
        return Outcome(response={}, writes=(PutKeyStore(store=leaving), *plan.besides))


class DeleteCustomKeyStore(Operation[KeyStoreRequest]):
    """The store is gone; the cluster, or the external keys, are not touched."""

    name = "DeleteCustomKeyStore"
    request_type = KeyStoreRequest
    is_mutation = True
    is_read_only = False
    recorded = ("CustomKeyStoreId",)

    def reads(self, request: KeyStoreRequest) -> Reads:
        return Reads(key_stores=(request.custom_key_store_id,))

    def plan(self, view: View, call: Call, request: KeyStoreRequest) -> Plan[KeyStoreRequest]:
        store = _store(view, call, request.custom_key_store_id, self.name)
        if view.state.keys_in_store(store.store_id):
            raise CustomKeyStoreHasCMKsException(f"The custom key store {store.store_id} contains KMS keys.")
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, key_store=store)

    def answer(self, plan: Plan[KeyStoreRequest], answer: HsmAnswer | None) -> Outcome:
        return Outcome(response={}, writes=(RemoveKeyStore(store_id=plan.one_store.store_id),))


class UpdateCustomKeyStore(Operation[UpdateCustomKeyStoreRequest]):
    """Other properties for a store, of which most want it disconnected."""

    name = "UpdateCustomKeyStore"
    request_type = UpdateCustomKeyStoreRequest
    is_mutation = True
    is_read_only = False
    recorded = (
        "CustomKeyStoreId", "NewCustomKeyStoreName", "CloudHsmClusterId", "XksProxyUriEndpoint", "XksProxyUriPath",
        "XksProxyVpcEndpointServiceName", "XksProxyVpcEndpointServiceOwner", "XksProxyConnectivity",
    )  # fmt: skip

    def reads(self, request: UpdateCustomKeyStoreRequest) -> Reads:
        return Reads(key_stores=(request.custom_key_store_id,), reads_all_key_stores=True, reads_keys_in_stores=True)

    def plan(self, view: View, call: Call, request: UpdateCustomKeyStoreRequest) -> Plan[UpdateCustomKeyStoreRequest]:
        needs_rest = request.changes_cluster or request.changes_address
        rule = "UpdateCustomKeyStore" if needs_rest else "RenameCustomKeyStore"
        store = _store(view, call, request.custom_key_store_id, self.name, rule=rule)
        changed = request.applied_to(store)
        others = tuple(other for other in view.state.key_stores(store.account) if other.store_id != store.store_id)
        _require_free(changed, others)
        plan = Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, key_store=changed)
        plan = replace(plan, besides=_moved(view, store, changed))
        if not request.changes_cluster and not request.changes_proxy:
            return plan
        asked = _asked(view, plan, _question_about(changed, request.secret, others, before=store))
        return _sealing(asked, request.secret)

    def answer(self, plan: Plan[UpdateCustomKeyStoreRequest], answer: HsmAnswer | None) -> Outcome:
        store = plan.one_store
        if answer is not None:
            assert isinstance(answer, SecretSealed)
            store = replace(store, sealed=answer.token)
        return Outcome(response={}, writes=(PutKeyStore(store=store), *plan.besides))


def _moved(view: View, store: KeyStore, changed: KeyStore) -> tuple[Write, ...]:
    """The keys of a store whose cluster is another one from now on."""
    if store.cluster_id == changed.cluster_id:
        return ()
    keys = (view.state.key(key_id) for key_id in view.state.keys_in_store(store.store_id))
    moved = []
    for key in keys:
        if key is not None and key.regional.key_store is not None:
            membership = replace(key.regional.key_store, cluster_id=changed.cluster_id)
            moved.append(PutKey(key=key.with_regional(key_store=membership)))
    return tuple(moved)


def _store(view: View, call: Call, store_id: str, operation: str, *, rule: str | None = None) -> KeyStore:
    """The caller's store of that id, in a state that allows the operation. Errors: what stands against it."""
    require_without_key(view, call.caller, f"kms:{operation}")
    store = view.state.key_store(store_id)
    if store is None or store.account != call.caller.account:
        raise _not_found(store_id)
    store.require(rule or operation)
    return store


def _not_found(named: str) -> CustomKeyStoreNotFoundException:
    return CustomKeyStoreNotFoundException(f"The custom key store '{named}' does not exist.")


def _require_free(store: KeyStore, others: tuple[KeyStore, ...]) -> None:
    """Errors: the refusals for a name, cluster or proxy that another store of the account has."""
    if any(other.name == store.name for other in others):
        raise CustomKeyStoreNameInUseException(f"The custom key store name '{store.name}' is in use.")
    if store.cluster_id is not None and any(other.cluster_id == store.cluster_id for other in others):
        raise CloudHsmClusterInUseException(f"The cluster {store.cluster_id} is in use by another custom key store.")
    proxy = store.proxy
    proxies = [other.proxy for other in others if other.proxy is not None]
    if proxy is None:
        return
    if any(other.address == proxy.address for other in proxies):
        raise XksProxyUriInUseException(f"The proxy {''.join(proxy.address)} is in use by another custom key store.")
    service = proxy.vpc_service_name
    if service is not None and any(other.vpc_service_name == service for other in proxies):
        raise XksProxyVpcEndpointServiceInUseException(f"The VPC endpoint service {service} is in use.")
    others_there = [other for other in proxies if other.uri_endpoint == proxy.uri_endpoint]
    connectivities = {proxy.connectivity, *(other.connectivity for other in others_there)}
    if others_there and connectivities != {PUBLIC}:
        # A private DNS name is of one store, and of no public proxy.
        raise XksProxyUriEndpointInUseException(
            f"The endpoint {proxy.uri_endpoint} is in use by another custom key store."
        )


def _question_about(
    store: KeyStore, secret: str | None, others: Sequence[KeyStore], *, before: KeyStore | None = None
) -> Inquiry:
    """What must be known of a store's backing before it is made, or (`before`) changed. A proxy behind a VPC endpoint
    service is asked from the first change on: a new store only needs the service."""
    if store.proxy is not None:
        if before is None and store.proxy.connectivity != PUBLIC:
            return AboutService(proxy=store.proxy)
        return AboutProxy(store_id=store.store_id, proxy=store.proxy, secret=secret)
    assert store.cluster_id is not None, "a store has a cluster or a proxy"
    has_moved = before is not None and before.cluster_id != store.cluster_id
    return AboutCluster(
        cluster_id=store.cluster_id,
        trust_anchor=store.trust_anchor if before is None else None,
        related_to=before.cluster_id if before is not None and has_moved else None,
        others=tuple(other.cluster_id for other in others if other.cluster_id is not None),
    )


def _sealing(plan: Plan[R], secret: str | None) -> Plan[R]:
    """The plan, with the job that wraps a store's secret, if there is a new one: nobody keeps it in clear."""
    if secret is None or plan.inquiry is not None:
        return plan
    return replace(plan, job=SealSecret(store_id=plan.one_store.store_id, secret=secret))


def _asked(view: View, plan: Plan[Any], inquiry: Inquiry) -> Plan[Any]:
    """The plan, with what is still to be asked, or as the answer lets it be. Errors: what the answer refuses."""
    if view.outside_word is None:
        return replace(plan, inquiry=inquiry)
    if view.outside_word.problem is not None:
        raise refusal_of(view.outside_word.problem)
    return plan


def _entry(store: KeyStore) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "CustomKeyStoreId": store.store_id,
        "CustomKeyStoreName": store.name,
        "ConnectionState": store.state.value,
        "CreationDate": epoch_seconds(store.created_at_ns),
        "CustomKeyStoreType": store.type.value,
    }
    if store.cluster_id is not None:
        entry["CloudHsmClusterId"] = store.cluster_id
        entry["TrustAnchorCertificate"] = store.trust_anchor
    if store.error_code is not None:
        entry["ConnectionErrorCode"] = store.error_code
    if store.proxy is not None:
        entry["XksProxyConfiguration"] = _proxy_entry(store.proxy)
    return entry


def _proxy_entry(proxy: ProxySettings) -> dict[str, str]:
    entry = {
        "Connectivity": proxy.connectivity,
        "AccessKeyId": proxy.access_key_id,
        "UriEndpoint": proxy.uri_endpoint,
        "UriPath": proxy.uri_path,
    }
    if proxy.vpc_service_name is not None:
        entry["VpcEndpointServiceName"] = proxy.vpc_service_name
    if proxy.vpc_service_owner is not None:
        entry["VpcEndpointServiceOwner"] = proxy.vpc_service_owner
    return entry
