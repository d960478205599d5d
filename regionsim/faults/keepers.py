"""What the faults that are on do to what keeps the keys of custom key stores: clusters, proxies, and the ways to them.

A keeper is known by the names that people have for it; a fault that names none is about every one of its Region. As
with links and disks several faults add up to one rule.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from regionsim.faults.kinds import (
    CloudHsmHsmsLost,
    CloudHsmOutage,
    CloudHsmUserLockedOut,
    Fault,
    ProxyAnswer,
    ServiceState,
    XksProxyErrors,
    XksProxyOutage,
    XksProxySlow,
    XksVpcServiceBroken,
)
from regionsim.faults.verdicts import either
from regionsim.names.dataclass import dataclass

ALL_HSMS = 1_000


class KeeperKind(StrEnum):
    """What a fault can be about. `USER` is `kmsuser` in a cluster."""

    CLUSTER = "cluster"
    USER = "user"
    PROXY = "proxy"
    SERVICE = "service"


class Keeper(NamedTuple):
    """One of them, and all names that a fault may have for it."""

    kind: KeeperKind
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperRule:
    """What faults do to one keeper. The default does nothing.

    `answers` are what a proxy says instead, with their probabilities; `lost_hsms` is how many of a cluster's are gone.
    """

    is_unreachable: bool = False
    slow_ns: int = 0
    answers: tuple[tuple[ProxyAnswer, float], ...] = ()
    lost_hsms: int = 0
    is_locked_out: bool = False
    service: ServiceState | None = None

    def __add__(self, other: KeeperRule) -> KeeperRule:
        """Both rules at once; a service that is missing is not unfit as well."""
        states = [state for state in (self.service, other.service) if state is not None]
        chances: dict[ProxyAnswer, float] = {}
        for answer, probability in (*self.answers, *other.answers):
            chances[answer] = either(chances.get(answer, 0.0), probability)
        return KeeperRule(
            is_unreachable=self.is_unreachable or other.is_unreachable,
            slow_ns=self.slow_ns + other.slow_ns,
            answers=tuple(sorted(chances.items())),
            lost_hsms=self.lost_hsms + other.lost_hsms,
            is_locked_out=self.is_locked_out or other.is_locked_out,
            service=min(states, key=list(ServiceState).index, default=None),
        )


IN_ORDER = KeeperRule()


def keeper_rule(fault: Fault, region: str, keeper: Keeper) -> KeeperRule:
    """What a fault does to a keeper of a Region."""
    match fault:
        case XksProxyOutage(region=where, proxy=name):
            kind, rule = KeeperKind.PROXY, KeeperRule(is_unreachable=True)
        case XksProxySlow(region=where, proxy=name, latency_ns=latency_ns):
            kind, rule = KeeperKind.PROXY, KeeperRule(slow_ns=latency_ns)
        case XksProxyErrors(region=where, proxy=name, answer=answer, probability=probability):
            kind, rule = KeeperKind.PROXY, KeeperRule(answers=((answer, probability),))
        case CloudHsmOutage(region=where, cluster=name):
            kind, rule = KeeperKind.CLUSTER, KeeperRule(is_unreachable=True)
        case CloudHsmHsmsLost(region=where, cluster=name, hsms=hsms):
            kind, rule = KeeperKind.CLUSTER, KeeperRule(lost_hsms=ALL_HSMS if hsms is None else hsms)
        case CloudHsmUserLockedOut(region=where, cluster=name):
            kind, rule = KeeperKind.USER, KeeperRule(is_locked_out=True)
        case XksVpcServiceBroken(region=where, service=name, state=state):
            kind, rule = KeeperKind.SERVICE, KeeperRule(service=state)
        case _:
            return IN_ORDER
    is_meant = keeper.kind is kind and where == region and (name is None or name in keeper.names)
    return rule if is_meant else IN_ORDER
