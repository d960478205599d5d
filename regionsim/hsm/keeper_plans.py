"""How a world describes what keeps the keys of custom key stores: clusters, proxies, and VPC endpoint services.

The same in every Region. What is not described comes to be when it is first named, healthy, unless `only_these`.
Source: KMS Developer Guide, "Assemble the prerequisites" of both kinds of key stores; the defaults are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType

from regionsim.names.dataclass import dataclass


class UserState(StrEnum):
    """Whether KMS can log into a cluster as its crypto user."""

    READY = "ready"
    MISSING = "missing"
    LOGGED_IN = "logged_in"
    """By somebody else."""
    LOCKED_OUT = "locked_out"


class SubnetState(StrEnum):
    """Whether KMS can reach a cluster through its subnets."""

    READY = "ready"
    MISSING = "missing"
    FULL = "full"
    """No address is free in one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPlan:
    """A CloudHSM cluster. `password` and `trust_anchor` None: any will do. Clusters of one `backup` are related; None:
    to every one that says nothing of it either."""

    hsms: int = 2
    is_active: bool = True
    backup: str | None = None
    kmsuser: UserState = UserState.READY
    subnets: SubnetState = SubnetState.READY
    password: str | None = field(default=None, repr=False)
    trust_anchor: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyPlan:
    """An external key store proxy. `secret` None: any will do. `keys` are the external keys, and whether each is
    enabled; None: a key that is asked for is there."""

    latency_ns: int = 20_000_000
    secret: str | None = field(default=None, repr=False)
    keys: Mapping[str, bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlan:
    """A VPC endpoint service. `private_dns` and `owner` None: any will do."""

    private_dns: str | None = None
    zones: int = 2
    needs_acceptance: bool = False
    is_verified: bool = True
    allows_kms: bool = True
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperPlans:
    """Clusters by id, proxies by address (endpoint and path), services by name."""

    clusters: Mapping[str, ClusterPlan] = field(default_factory=lambda: MappingProxyType({}))
    proxies: Mapping[tuple[str, str], ProxyPlan] = field(default_factory=lambda: MappingProxyType({}))
    services: Mapping[str, ServicePlan] = field(default_factory=lambda: MappingProxyType({}))
    only_these: bool = False


NO_PLANS = KeeperPlans()
