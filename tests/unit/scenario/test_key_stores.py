"""`key_stores:` of a scenario: what keeps the keys of custom key stores, and the mistakes in saying so."""

from __future__ import annotations

import pytest

from regionsim.hsm.keeper_plans import ClusterPlan, KeeperPlans, ProxyPlan, ServicePlan, SubnetState, UserState
from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.load import read_scenario

TEXT = """\
regions: [us-east-1]
accounts: {"111122223333": {users: {alice: {}}}}
steps: [{say: hello}]
key_stores: %s
"""
WHOLE = """
  only_these: true
  clusters:
    cluster-2a3b4c5d6e7: {hsms: 3, active: false, password: secret-password, trust_anchor: anchor, backup: ours, kmsuser: locked_out, subnets: full}
    cluster-3b4c5d6e7f2: {}
  proxies:
    "https://a.example/kms/xks/v1": {latency: 5ms, secret: s3cret-of-proxy, keys: {one: enabled, two: disabled}}
    "https://b.example/team/kms/xks/v1": {}
  vpc_endpoint_services:
    com.amazonaws.vpce.us-east-1.vpce-svc-01:
      {private_dns: a.example, zones: 1, acceptance_required: true, verified: false, allows_kms: false, owner: "111122223333"}
"""


def test_all_of_it() -> None:
    plans = read_scenario(TEXT % WHOLE, "x.yaml").world.keepers
    assert plans == KeeperPlans(
        clusters={
            "cluster-2a3b4c5d6e7": ClusterPlan(
                hsms=3,
                is_active=False,
                password="secret-password",
                trust_anchor="anchor",
                backup="ours",
                kmsuser=UserState.LOCKED_OUT,
                subnets=SubnetState.FULL,
            ),
            "cluster-3b4c5d6e7f2": ClusterPlan(),
        },
        proxies={
            ("https://a.example", "/kms/xks/v1"): ProxyPlan(
                latency_ns=5_000_000, secret="s3cret-of-proxy", keys={"one": True, "two": False}
            ),
            ("https://b.example", "/team/kms/xks/v1"): ProxyPlan(),
        },
        services={
            "com.amazonaws.vpce.us-east-1.vpce-svc-01": ServicePlan(
                private_dns="a.example",
                zones=1,
                needs_acceptance=True,
                is_verified=False,
                allows_kms=False,
                owner="111122223333",
            )
        },
        only_these=True,
    )
    assert "secret-password" not in repr(plans)
    assert "s3cret" not in repr(plans)


def test_nothing_is_said_by_default() -> None:
    assert read_scenario(TEXT % "{}", "x.yaml").world.keepers == KeeperPlans()


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("{cluster: {}}", "key_stores has no key 'cluster'; did you mean 'clusters'?"),
        ("{clusters: {cluster-1: {}}}", "'cluster-1' is no cluster's id; write cluster-"),
        ("{clusters: {cluster-2a3b4c5d6e7: {hsm: 1}}}", "cluster-2a3b4c5d6e7 has no key 'hsm'; did you mean 'hsms'?"),
        ("{clusters: {cluster-2a3b4c5d6e7: {hsms: 29}}}", "hsms must be from 0 to 28"),
        ("{clusters: {cluster-2a3b4c5d6e7: {active: 1}}}", "active must be true or false"),
        ("{clusters: {cluster-2a3b4c5d6e7: {kmsuser: gone}}}", "kmsuser cannot be 'gone'; "),
        ("{proxies: {keys.example.com: {}}}", "'keys.example.com' is no proxy's address; write endpoint and path"),
        ('{proxies: {"https://a.example": {}}}', "'https://a.example' is no proxy's address"),
        ('{proxies: {"https://a.example/kms/xks/v1": {keys: {a: on}}}}', "a key cannot be 'on'; "),
        ("{vpc_endpoint_services: {svc: {}}}", "'svc' is no VPC endpoint service's name"),
        (
            "{vpc_endpoint_services: {com.amazonaws.vpce.us-east-1.vpce-svc-01: {owner: '1'}}}",
            "'1' is not an account id",
        ),
        ("{only_these: maybe}", "only_these must be true or false"),
        ("[]", "key_stores must be a mapping"),
    ],
)
def test_mistakes_say_where_and_what(said: str, what: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_scenario(TEXT % said, "x.yaml")
    assert what in str(caught.value)
    assert caught.value.line == 4
