"""Faults of what keeps the keys of custom key stores: which of them are meant, and how several add up."""

from __future__ import annotations

import pytest

from regionsim.faults.active import ActiveFaults
from regionsim.faults.keepers import ALL_HSMS, IN_ORDER, Keeper, KeeperKind, KeeperRule
from regionsim.faults.kinds import (
    CloudHsmHsmsLost,
    CloudHsmOutage,
    CloudHsmUserLockedOut,
    Fault,
    ProxyAnswer,
    RegionOutage,
    ServiceState,
    XksProxyErrors,
    XksProxyOutage,
    XksProxySlow,
    XksVpcServiceBroken,
)

US, EU = "us-east-1", "eu-west-1"
PROXY = Keeper(KeeperKind.PROXY, ("https://k.example", "https://k.example/kms/xks/v1"))
CLUSTER = Keeper(KeeperKind.CLUSTER, ("cluster-a",))
USER = Keeper(KeeperKind.USER, ("cluster-a",))
SERVICE = Keeper(KeeperKind.SERVICE, ("com.amazonaws.vpce.us-east-1.vpce-svc-0",))


def on(*faults: Fault) -> ActiveFaults:
    return ActiveFaults(by_name={str(number): fault for number, fault in enumerate(faults)})


@pytest.mark.parametrize(
    ("fault", "keeper", "rule"),
    [
        (XksProxyOutage(region=US), PROXY, KeeperRule(is_unreachable=True)),
        (XksProxySlow(region=US, latency_ns=5), PROXY, KeeperRule(slow_ns=5)),
        (
            XksProxyErrors(region=US, answer=ProxyAnswer.DENIED),
            PROXY,
            KeeperRule(answers=((ProxyAnswer.DENIED, 1.0),)),
        ),
        (CloudHsmOutage(region=US), CLUSTER, KeeperRule(is_unreachable=True)),
        (CloudHsmHsmsLost(region=US), CLUSTER, KeeperRule(lost_hsms=ALL_HSMS)),
        (CloudHsmHsmsLost(region=US, hsms=1), CLUSTER, KeeperRule(lost_hsms=1)),
        (CloudHsmUserLockedOut(region=US), USER, KeeperRule(is_locked_out=True)),
        (XksVpcServiceBroken(region=US), SERVICE, KeeperRule(service=ServiceState.MISSING)),
    ],
)
def test_a_fault_is_about_one_kind_of_keeper_of_one_region(fault: Fault, keeper: Keeper, rule: KeeperRule) -> None:
    faults = on(fault, RegionOutage(region=US))
    assert faults.keeper_rule(US, keeper) == rule
    assert faults.names_on_keeper(US, keeper) == ("0",)
    assert faults.keeper_rule(EU, keeper) == IN_ORDER
    others = {PROXY, CLUSTER, USER, SERVICE} - {keeper}
    assert all(faults.keeper_rule(US, other) == IN_ORDER for other in others)


@pytest.mark.parametrize("name", PROXY.names)
def test_a_proxy_is_named_by_its_endpoint_with_or_without_its_path(name: str) -> None:
    assert on(XksProxyOutage(region=US, proxy=name)).keeper_rule(US, PROXY).is_unreachable
    assert not on(XksProxyOutage(region=US, proxy=f"{name}/other")).keeper_rule(US, PROXY).is_unreachable


def test_several_add_up_in_whatever_order() -> None:
    faults = (
        XksProxySlow(region=US, latency_ns=5),
        XksProxySlow(region=US, latency_ns=7),
        XksProxyErrors(region=US, answer=ProxyAnswer.THROTTLED, probability=0.5),
        XksProxyErrors(region=US, answer=ProxyAnswer.THROTTLED, probability=0.5),
        XksProxyErrors(region=US, answer=ProxyAnswer.DENIED, probability=0.25),
    )
    rule = on(*faults).keeper_rule(US, PROXY)
    assert rule == on(*faults[::-1]).keeper_rule(US, PROXY)
    assert rule.slow_ns == 12
    assert rule.answers == ((ProxyAnswer.DENIED, 0.25), (ProxyAnswer.THROTTLED, 0.75))
    broken = (XksVpcServiceBroken(region=US, state=ServiceState.UNFIT), XksVpcServiceBroken(region=US))
    assert on(*broken).keeper_rule(US, SERVICE).service is ServiceState.MISSING
