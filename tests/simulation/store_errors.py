"""What can be wrong with calls about custom key stores: tries, for the tests of modelled errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from regionsim.faults.kinds import CloudHsmOutage, Fault, ServiceState, XksVpcServiceBroken
from regionsim.hsm.keepers import Cluster, ExternalKey, Proxy
from regionsim.kms.outside import Problem
from tests.simulation.key_stores import (
    ADDRESS,
    CLUSTER,
    CREDENTIAL,
    ENDPOINT,
    ON_CLUSTER,
    ON_PRIVATE_PROXY,
    ON_PROXY,
    OTHER_CLUSTER,
    PRIVATE_SERVICE,
)
from tests.simulation.one_region import HERE, OneRegion

Tried = Callable[..., Awaitable[None]]

PROXY_PROBLEMS = (
    Problem.XKS_PROXY_NOT_REACHABLE,
    Problem.XKS_PROXY_ACCESS_DENIED,
    Problem.XKS_PROXY_INVALID_CONFIGURATION,
    Problem.XKS_PROXY_INVALID_RESPONSE,
)
PRIVATE = {"XksProxyConnectivity": "VPC_ENDPOINT_SERVICE", "XksProxyVpcEndpointServiceName": PRIVATE_SERVICE}
SECOND_PATH = "/b/kms/xks/v1"


async def stores(kms: OneRegion) -> tuple[str, str]:
    """Two stores, neither connected: on a cluster, and behind a proxy."""
    made = [
        await kms.call("alice", "CreateCustomKeyStore", CustomKeyStoreName=name, **backing)
        for name, backing in (("ours", ON_CLUSTER), ("theirs", ON_PROXY))
    ]
    return made[0]["CustomKeyStoreId"], made[1]["CustomKeyStoreId"]


@contextmanager
def broken(kms: OneRegion, fault: Fault) -> Iterator[None]:
    """The fault is on while the block runs."""
    name = kms.simulation.begin_fault(fault)
    try:
        yield
    finally:
        kms.simulation.end_fault(name)


async def describe(kms: OneRegion, tried: Tried) -> None:
    await tried(Marker="none")
    await tried(CustomKeyStoreId="cks-none")


async def connect(kms: OneRegion, tried: Tried) -> None:
    ours, _ = await stores(kms)
    await tried(CustomKeyStoreId="cks-none")
    clusters = kms.simulation.key_stores[HERE].clusters
    for cluster in (Cluster(hsm_count=0), Cluster(is_active=False)):
        clusters[CLUSTER] = cluster
        await tried(CustomKeyStoreId=ours)
    clusters[CLUSTER] = Cluster()
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=ours)
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=ours)
    await tried(CustomKeyStoreId=ours)


async def disconnect(kms: OneRegion, tried: Tried) -> None:
    ours, _ = await stores(kms)
    await tried(CustomKeyStoreId="cks-none")
    await tried(CustomKeyStoreId=ours)


async def delete(kms: OneRegion, tried: Tried) -> None:
    ours, _ = await stores(kms)
    await tried(CustomKeyStoreId="cks-none")
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=ours)
    await tried(CustomKeyStoreId=ours)
    await kms.sleep_seconds(301)
    await kms.create_key("alice", Origin="AWS_CLOUDHSM", CustomKeyStoreId=ours)
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=ours)
    await kms.sleep_seconds(20)
    await tried(CustomKeyStoreId=ours)


async def create(kms: OneRegion, tried: Tried) -> None:
    outside = kms.simulation.key_stores[HERE]
    for problem in PROXY_PROBLEMS:
        outside.proxies[ADDRESS] = Proxy(problem=problem)
        await tried(CustomKeyStoreName="theirs", **ON_PROXY)
    for cluster in (Cluster(is_active=False), Cluster(hsm_count=1), Cluster(trust_anchor="another")):
        outside.clusters[CLUSTER] = cluster
        await tried(CustomKeyStoreName="ours", **ON_CLUSTER)
    outside.makes_what_is_missing = False
    await tried(CustomKeyStoreName="ours", **{**ON_CLUSTER, "CloudHsmClusterId": OTHER_CLUSTER})
    outside.makes_what_is_missing = True
    for state in ServiceState:
        with broken(kms, XksVpcServiceBroken(region=HERE, state=state)):
            await tried(CustomKeyStoreName="private", **ON_PRIVATE_PROXY)
    outside.clusters.clear()
    outside.proxies.clear()
    await stores(kms)
    for name, backing in (("ours", ON_CLUSTER), ("more", ON_CLUSTER), ("more", ON_PROXY)):
        await tried(CustomKeyStoreName=name, **backing)
    await tried(CustomKeyStoreName="more", **{**ON_PROXY, **PRIVATE, "XksProxyUriPath": SECOND_PATH})
    private = {**ON_PROXY, **PRIVATE, "XksProxyUriEndpoint": "https://private.example.com"}
    await kms.call("alice", "CreateCustomKeyStore", CustomKeyStoreName="private", **private)
    await tried(CustomKeyStoreName="more", **{**private, "XksProxyUriPath": SECOND_PATH})
    for number in range(7):
        other = {**ON_PROXY, "XksProxyUriPath": f"/n{number}/kms/xks/v1"}
        await kms.call("alice", "CreateCustomKeyStore", CustomKeyStoreName=f"store {number}", **other)
    await tried(CustomKeyStoreName="one too many", **ON_CLUSTER)


async def update(kms: OneRegion, tried: Tried) -> None:
    ours, theirs = await stores(kms)
    outside = kms.simulation.key_stores[HERE]
    await tried(CustomKeyStoreId="cks-none")
    await tried(CustomKeyStoreId=ours, NewCustomKeyStoreName="theirs")
    for problem in PROXY_PROBLEMS:
        outside.proxies[ADDRESS].problem = problem
        await tried(CustomKeyStoreId=theirs, XksProxyAuthenticationCredential=CREDENTIAL)
    outside.proxies[ADDRESS].problem = None
    moved = {"CustomKeyStoreId": ours, "CloudHsmClusterId": OTHER_CLUSTER}
    for cluster in (Cluster(is_active=False), Cluster(hsm_count=1), Cluster(certificate="another")):
        outside.clusters[OTHER_CLUSTER] = cluster
        await tried(**moved)
    del outside.clusters[OTHER_CLUSTER]
    outside.makes_what_is_missing = False
    await tried(**moved)
    outside.makes_what_is_missing = True
    await _update_address(kms, tried, theirs)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=ours)
    await tried(CustomKeyStoreId=ours, KeyStorePassword="newPassword")


async def _update_address(kms: OneRegion, tried: Tried, theirs: str) -> None:
    """What other stores have of addresses."""
    other = {**ON_PROXY, "XksProxyUriPath": SECOND_PATH}
    await kms.call("alice", "CreateCustomKeyStore", CustomKeyStoreName="more", **other)
    await tried(CustomKeyStoreId=theirs, XksProxyUriPath=SECOND_PATH)
    await tried(CustomKeyStoreId=theirs, **PRIVATE, XksProxyUriEndpoint=ENDPOINT)
    elsewhere = {**ON_PROXY, **PRIVATE, "XksProxyUriEndpoint": "https://private.example.com"}
    private = (await kms.call("alice", "CreateCustomKeyStore", CustomKeyStoreName="private", **elsewhere))[
        "CustomKeyStoreId"
    ]
    for state in ServiceState:
        with broken(kms, XksVpcServiceBroken(region=HERE, state=state)):
            await tried(CustomKeyStoreId=private, XksProxyUriPath=SECOND_PATH)
    await tried(CustomKeyStoreId=theirs, **PRIVATE, XksProxyUriEndpoint="https://another.example.com")


async def create_key(kms: OneRegion, tried: Tried) -> None:
    ours, theirs = await stores(kms)
    on_cluster: dict[str, Any] = {"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": ours}
    external: dict[str, Any] = {"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": theirs}
    await tried(**{**on_cluster, "CustomKeyStoreId": "cks-none"})
    await tried(**on_cluster)
    for store_id in (ours, theirs):
        await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(301)
    with broken(kms, CloudHsmOutage(region=HERE)):
        await tried(**on_cluster)
    outside = kms.simulation.key_stores[HERE]
    outside.clusters[CLUSTER].hsm_count = 1
    await tried(**on_cluster)
    proxy = outside.proxies[ADDRESS]
    proxy.has_any_key = False
    proxy.keys = {"fit": ExternalKey(bytes(32)), "off": ExternalKey(bytes(32), is_enabled=False)}
    await kms.call("alice", "CreateKey", XksKeyId="fit", **external)
    for key_id in ("fit", "off", "none"):
        await tried(XksKeyId=key_id, **external)


async def generate_random(kms: OneRegion, tried: Tried) -> None:
    ours, theirs = await stores(kms)
    for store_id in ("cks-none", ours, theirs):
        await tried(NumberOfBytes=8, CustomKeyStoreId=store_id)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=ours)
    await kms.sleep_seconds(301)
    with broken(kms, CloudHsmOutage(region=HERE)):
        await tried(NumberOfBytes=8, CustomKeyStoreId=ours)


OWN: dict[str, Callable[[OneRegion, Tried], Awaitable[None]]] = {
    "ConnectCustomKeyStore": connect,
    "CreateCustomKeyStore": create,
    "DeleteCustomKeyStore": delete,
    "DescribeCustomKeyStores": describe,
    "DisconnectCustomKeyStore": disconnect,
    "GenerateRandom": generate_random,
    "UpdateCustomKeyStore": update,
}
