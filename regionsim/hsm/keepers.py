"""What keeps the keys of custom key stores in simulation, one by one: clusters, proxies, external keys.

They can be changed while a world runs: so they are broken and mended by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

from regionsim.hsm.algorithms.symmetric import AeadKey
from regionsim.hsm.confined import Confined
from regionsim.hsm.keeper_plans import ClusterPlan, ProxyPlan, SubnetState, UserState
from regionsim.hsm.memory import HsmMemory
from regionsim.kms.outside import Problem
from regionsim.names.dataclass import dataclass

_MS = 1_000_000
_USER_PROBLEMS: Mapping[UserState, Problem] = MappingProxyType(
    {
        UserState.MISSING: Problem.USER_NOT_FOUND,
        UserState.LOGGED_IN: Problem.USER_LOGGED_IN,
        UserState.LOCKED_OUT: Problem.USER_LOCKED_OUT,
    }
)
_SUBNET_PROBLEMS: Mapping[SubnetState, Problem] = MappingProxyType(
    {SubnetState.MISSING: Problem.SUBNET_NOT_FOUND, SubnetState.FULL: Problem.INSUFFICIENT_FREE_ADDRESSES}
)


@dataclass(slots=True, kw_only=True)
class Cluster:
    """One CloudHSM cluster. `password` and `trust_anchor` None: any will do. Of one `certificate` are clusters that are
    related; those that have none are related, and can be in use side by side."""

    is_active: bool = True
    is_reachable: bool = True
    hsm_count: int = 2
    certificate: str | None = None
    password: str | None = None
    trust_anchor: str | None = None
    user_problem: Problem | None = None
    subnet_problem: Problem | None = None
    memory: HsmMemory | None = None


@dataclass(slots=True, kw_only=True)
class Proxy:
    """One external key store proxy, with the keys behind it. `secret` None: any will do. `problem` is what every
    question to it comes to.

    `has_any_key`: a key that is asked for and not there is made; else only those that it `offers`, which may be off.
    """

    latency_ns: int = 20 * _MS
    is_reachable: bool = True
    is_healthy: bool = True
    is_sound: bool = True
    secret: str | None = None
    problem: Problem | None = None
    has_any_key: bool = True
    offers: Mapping[str, bool] = field(default_factory=dict)
    keys: dict[str, ExternalKey] = field(default_factory=dict)


class ExternalKey(Confined):
    """An AES-256 key of somebody else's key manager."""

    __slots__ = ("aead", "is_enabled")

    def __init__(self, raw: bytes, *, is_enabled: bool = True) -> None:
        self.aead = AeadKey(raw)
        self.is_enabled = is_enabled


def cluster_of(plan: ClusterPlan) -> Cluster:
    """The cluster as it is described."""
    return Cluster(
        is_active=plan.is_active,
        hsm_count=plan.hsms,
        certificate=plan.backup,
        password=plan.password,
        trust_anchor=plan.trust_anchor,
        user_problem=_USER_PROBLEMS.get(plan.kmsuser),
        subnet_problem=_SUBNET_PROBLEMS.get(plan.subnets),
    )


def proxy_of(plan: ProxyPlan) -> Proxy:
    """The proxy as it is described."""
    return Proxy(latency_ns=plan.latency_ns, secret=plan.secret, has_any_key=plan.keys is None, offers=plan.keys or {})
