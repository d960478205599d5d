"""`key_stores:`: what keeps the keys of custom key stores outside of KMS."""

from __future__ import annotations

import re
from enum import StrEnum
from types import MappingProxyType

from regionsim.hsm.keeper_plans import ClusterPlan, KeeperPlans, ProxyPlan, ServicePlan, SubnetState, UserState
from regionsim.names.ids import is_account_id
from regionsim.scenario import read
from regionsim.scenario.errors import quoted
from regionsim.scenario.nodes import Entry, Node
from regionsim.scenario.read import Findings
from regionsim.scenario.vocabulary import CLUSTER, KEY_STORES, PROXY, VPC_SERVICE

_CLUSTER_ID = re.compile(r"cluster-[2-7a-zA-Z]{11,16}")
_ADDRESS = re.compile(r"(https://[a-zA-Z0-9.-]+)((?:/[a-zA-Z0-9/_-]+)?/kms/xks/v\d{1,2})")
_SERVICE = re.compile(r"(?:com|eu)\.amazonaws\.vpce\.(?:[a-z]+-){2,3}\d+\.vpce-svc-[0-9a-z]+")
"""As CreateCustomKeyStore has them. Source: AWS's model."""

_KEY_STATES = ("enabled", "disabled")
_MOST_HSMS = 28
"""Source: AWS CloudHSM quotas."""


def read_key_stores(node: Node, findings: Findings) -> KeeperPlans:
    """All of them; mistakes inside of one are findings."""
    found = read.fields(node, KEY_STORES, "key_stores", findings)
    held = {
        name: read.entries(found[name], name).values() if name in found else ()
        for name in ("clusters", "proxies", "vpc_endpoint_services")
    }
    clusters = (findings.attempt(_cluster, entry, findings) for entry in held["clusters"])
    proxies = (findings.attempt(_proxy, entry, findings) for entry in held["proxies"])
    services = (findings.attempt(_service, entry, findings) for entry in held["vpc_endpoint_services"])
    return KeeperPlans(
        clusters=MappingProxyType(dict(one for one in clusters if one is not None)),
        proxies=MappingProxyType(dict(one for one in proxies if one is not None)),
        services=MappingProxyType(dict(one for one in services if one is not None)),
        only_these=read.switch(found["only_these"], "only_these") if "only_these" in found else False,
    )


def _cluster(entry: Entry, findings: Findings) -> tuple[str, ClusterPlan]:
    name = entry.key.text
    if not _CLUSTER_ID.fullmatch(name):
        raise entry.key.position.error(f"{quoted(name)} is no cluster's id", "write cluster- and 11 to 16 of 2-7, a-z")
    found = read.fields(entry.value, CLUSTER, name, findings)
    usual = ClusterPlan()
    return name, ClusterPlan(
        hsms=read.whole_number(found["hsms"], "hsms", least=0, most=_MOST_HSMS) if "hsms" in found else usual.hsms,
        is_active=_switch(found, "active", usual=True),
        backup=_text(found, "backup"),
        kmsuser=UserState(_choice(found, "kmsuser", UserState)),
        subnets=SubnetState(_choice(found, "subnets", SubnetState)),
        password=_text(found, "password"),
        trust_anchor=_text(found, "trust_anchor"),
    )


def _proxy(entry: Entry, findings: Findings) -> tuple[tuple[str, str], ProxyPlan]:
    name = entry.key.text
    address = _ADDRESS.fullmatch(name)
    if address is None:
        hint = "write endpoint and path, https://keys.example.com/kms/xks/v1"
        raise entry.key.position.error(f"{quoted(name)} is no proxy's address", hint)
    found = read.fields(entry.value, PROXY, name, findings)
    keys = None
    if "keys" in found:
        held = read.entries(found["keys"], "keys").values()
        states = {one.key.text: read.choice(one.value, "a key", _KEY_STATES) for one in held}
        keys = MappingProxyType({key_id: state == "enabled" for key_id, state in states.items()})
    latency_ns = read.duration(found["latency"], "latency") if "latency" in found else ProxyPlan().latency_ns
    return (address[1], address[2]), ProxyPlan(latency_ns=latency_ns, secret=_text(found, "secret"), keys=keys)


def _service(entry: Entry, findings: Findings) -> tuple[str, ServicePlan]:
    name = entry.key.text
    if not _SERVICE.fullmatch(name):
        hint = "write it like com.amazonaws.vpce.us-east-1.vpce-svc-0123456789"
        raise entry.key.position.error(f"{quoted(name)} is no VPC endpoint service's name", hint)
    found = read.fields(entry.value, VPC_SERVICE, name, findings)
    owner = _text(found, "owner")
    if owner is not None and not is_account_id(owner):
        raise found["owner"].position.error(f"{quoted(owner)} is not an account id", "an account id has 12 digits")
    return name, ServicePlan(
        private_dns=_text(found, "private_dns"),
        zones=read.whole_number(found["zones"], "zones", least=0, most=6) if "zones" in found else 2,
        needs_acceptance=_switch(found, "acceptance_required", usual=False),
        is_verified=_switch(found, "verified", usual=True),
        allows_kms=_switch(found, "allows_kms", usual=True),
        owner=owner,
    )


def _text(found: dict[str, Node], name: str) -> str | None:
    return read.text(found[name], name) if name in found else None


def _choice(found: dict[str, Node], name: str, states: type[StrEnum]) -> str:
    """The state that is said; the first one where nothing is."""
    known = tuple(state.value for state in states)
    return read.choice(found[name], name, known) if name in found else known[0]


def _switch(found: dict[str, Node], name: str, *, usual: bool) -> bool:
    return read.switch(found[name], name) if name in found else usual
