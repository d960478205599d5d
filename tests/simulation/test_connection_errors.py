"""Every ConnectionErrorCode of AWS's model comes of something that a scenario can describe or break."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from regionsim.faults.vocabulary import parse_fault
from regionsim.hsm.keeper_plans import ClusterPlan, KeeperPlans, ProxyPlan, ServicePlan, SubnetState, UserState
from regionsim.hsm.keepers import Cluster
from regionsim.kms.model import model
from tests.simulation.key_stores import CLUSTER, ON_CLUSTER, ON_PRIVATE_PROXY, ON_PROXY, PRIVATE_SERVICE
from tests.simulation.one_region import HERE, OneRegion, one_region
from tests.simulation.test_custom_key_stores import described, store_of

PRIVATE_ADDRESS = ("https://private.example.com", "/kms/xks/v1")


def _plans(**plan: Any) -> KeeperPlans:
    return KeeperPlans(clusters=MappingProxyType({CLUSTER: ClusterPlan(**plan)}))


DESCRIBED: dict[str, tuple[KeeperPlans, dict[str, Any]]] = {
    "INVALID_CREDENTIALS": (_plans(password="another"), ON_CLUSTER),
    "USER_NOT_FOUND": (_plans(kmsuser=UserState.MISSING), ON_CLUSTER),
    "USER_LOGGED_IN": (_plans(kmsuser=UserState.LOGGED_IN), ON_CLUSTER),
    "USER_LOCKED_OUT": (_plans(kmsuser=UserState.LOCKED_OUT), ON_CLUSTER),
    "SUBNET_NOT_FOUND": (_plans(subnets=SubnetState.MISSING), ON_CLUSTER),
    "INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET": (_plans(subnets=SubnetState.FULL), ON_CLUSTER),
}
BROKEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "NETWORK_ERRORS": ({"cloudhsm_outage": HERE}, ON_CLUSTER),
    "INSUFFICIENT_CLOUDHSM_HSMS": ({"cloudhsm_hsms_lost": HERE}, ON_CLUSTER),
    "XKS_PROXY_NOT_REACHABLE": ({"xks_proxy_outage": HERE}, ON_PROXY),
    "XKS_PROXY_TIMED_OUT": ({"xks_proxy_slow": {"region": HERE, "latency": "1s"}}, ON_PROXY),
    "XKS_PROXY_ACCESS_DENIED": ({"xks_proxy_errors": {"region": HERE, "answer": "denied"}}, ON_PROXY),
    "XKS_PROXY_INVALID_RESPONSE": ({"xks_proxy_errors": {"region": HERE, "answer": "nonsense"}}, ON_PROXY),
    "XKS_PROXY_INVALID_CONFIGURATION": ({"xks_proxy_errors": {"region": HERE, "answer": "path"}}, ON_PROXY),
    "XKS_PROXY_INVALID_TLS_CONFIGURATION": ({"xks_proxy_errors": {"region": HERE, "answer": "tls"}}, ON_PROXY),
    "XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND": ({"xks_vpc_service_broken": HERE}, ON_PRIVATE_PROXY),
    "XKS_VPC_ENDPOINT_SERVICE_INVALID_CONFIGURATION": (
        {"xks_vpc_service_broken": {"region": HERE, "state": "unfit"}},
        ON_PRIVATE_PROXY,
    ),
}
NEVER = {"INTERNAL_ERROR": "KMS itself does not fail to connect: it waits for its HSMs"}


async def failed_with(kms: OneRegion, store_id: str) -> str:
    await kms.sleep_seconds(301)
    store = await described(kms, store_id)
    assert store["ConnectionState"] == "FAILED"
    code: str = store["ConnectionErrorCode"]
    return code


def test_every_code_is_met_or_accounted_for() -> None:
    met = {*DESCRIBED, *BROKEN, *NEVER, "CLUSTER_NOT_FOUND"}
    assert met == set(model().shapes["ConnectionErrorCodeType"].enum)


@pytest.mark.parametrize("code", DESCRIBED)
def test_what_is_described_shows_when_the_store_is_connected(code: str, tmp_path: Any) -> None:
    plans, backing = DESCRIBED[code]

    @one_region(keepers=plans)
    async def run(kms: OneRegion) -> None:
        store_id = await store_of(kms, backing)
        await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
        assert await failed_with(kms, store_id) == code

    run(tmp_path=tmp_path)


@pytest.mark.parametrize("code", BROKEN)
@one_region()
async def test_what_breaks_while_the_store_is_connected_shows_then(kms: OneRegion, code: str) -> None:
    fault, backing = BROKEN[code]
    store_id = await store_of(kms, backing)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    kms.simulation.begin_fault(parse_fault(fault))
    assert await failed_with(kms, store_id) == code


@one_region(keepers=KeeperPlans(clusters=MappingProxyType({CLUSTER: ClusterPlan()}), only_these=True))
async def test_a_cluster_that_is_deleted_is_not_found(kms: OneRegion) -> None:
    store_id = await store_of(kms, ON_CLUSTER)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    clusters: dict[str, Cluster] = kms.simulation.key_stores[HERE].clusters
    del clusters[CLUSTER]
    assert await failed_with(kms, store_id) == "CLUSTER_NOT_FOUND"


@pytest.mark.parametrize(
    ("plan", "refusal"),
    [
        (ServicePlan(zones=1), "XksProxyVpcEndpointServiceInvalidConfigurationException"),
        (ServicePlan(needs_acceptance=True), "XksProxyVpcEndpointServiceInvalidConfigurationException"),
        (ServicePlan(is_verified=False), "XksProxyVpcEndpointServiceInvalidConfigurationException"),
        (ServicePlan(private_dns="other.example.com"), "XksProxyVpcEndpointServiceInvalidConfigurationException"),
        (ServicePlan(allows_kms=False), "XksProxyVpcEndpointServiceNotFoundException"),
        (ServicePlan(owner="999988887777"), "XksProxyVpcEndpointServiceNotFoundException"),
        (None, "XksProxyVpcEndpointServiceNotFoundException"),
        (ServicePlan(private_dns="private.example.com", owner="111122223333"), None),
    ],
)
def test_what_kms_requires_of_a_vpc_endpoint_service(
    plan: ServicePlan | None, refusal: str | None, tmp_path: Any
) -> None:
    services = {} if plan is None else {PRIVATE_SERVICE: plan}
    proxies = MappingProxyType({PRIVATE_ADDRESS: ProxyPlan()})

    @one_region(keepers=KeeperPlans(services=MappingProxyType(services), proxies=proxies, only_these=True))
    async def run(kms: OneRegion) -> None:
        making = {**ON_PRIVATE_PROXY, "XksProxyVpcEndpointServiceOwner": "111122223333"}
        said = await kms.answer("alice", "CreateCustomKeyStore", CustomKeyStoreName="private", **making)
        assert said.partition(":")[0] == (refusal or "ok")

    run(tmp_path=tmp_path)
