"""The faults of this version, as values: what is broken, not from when until when (that is the timeline's business).

A fault's fields are the parameters of its word in `words`, by their `field` names; defaults are those of a parameter
that is left out.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar

from regionsim.names.dataclass import dataclass


class OutageMode(StrEnum):
    """How an unreachable Region shows itself to a caller."""

    HANG = "hang"
    """Nothing answers: the caller runs into its time-out (`ConnectTimeout`)."""
    REFUSE = "refuse"
    """The connection is refused at once (`ConnectionRefused`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One cause of harm. `word` is its name in the table of words."""

    word: ClassVar[str]


# Regions.


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionOutage(Fault):
    """A Region's KMS and its links cannot be reached; nothing in it is lost."""

    word = "region_outage"
    region: str
    mode: OutageMode = OutageMode.HANG


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionCrash(Fault):
    """A Region's hosts lose their memory; store and HSMs keep theirs. It is down while the fault is on."""

    word = "region_crash"
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AzOutage(Fault):
    """One availability zone of a Region has no power: its HSMs are out of reach, and have lost their keys.

    The Region's hosts are in all zones: they go on until the last zone is gone.
    """

    word = "az_outage"
    region: str
    az: int = 1


# HSMs. `hsms` is how many of a Region's it is about, counted from the first; None: all.


@dataclass(frozen=True, slots=True, kw_only=True)
class HsmOffline(Fault):
    """HSMs are out of the hosts' reach, and keep their keys."""

    word = "hsm_offline"
    region: str
    hsms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HsmZeroised(Fault):
    """HSMs have wiped their keys, and stay out of the domain until the fault is over."""

    word = "hsm_zeroised"
    region: str
    hsms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HsmSlow(Fault):
    """Jobs of HSMs take `factor` times as long."""

    word = "hsm_slow"
    region: str
    factor: float
    hsms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HsmErrors(Fault):
    """Jobs of HSMs fail, each with `probability`."""

    word = "hsm_errors"
    region: str
    probability: float
    hsms: int | None = None


# Links.


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCut(Fault):
    """Nothing passes between two Regions, in either direction."""

    word = "link_cut"
    between: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOneWay(Fault):
    """Nothing passes from one Region to another; the way back is open."""

    word = "link_one_way"
    sender: str
    receiver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OnLink(Fault):
    """What is on the links between two Regions, or (None) on every link.

    `is_one_way`: only on the way from the first of the two to the second.
    """

    between: tuple[str, str] | None = None
    is_one_way: bool = False

    def covers(self, sender: str, receiver: str) -> bool:
        """True when it is about envelopes from `sender` to `receiver`."""
        if self.between is None or self.between == (sender, receiver):
            return True
        return not self.is_one_way and self.between == (receiver, sender)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSlow(OnLink):
    """Envelopes take longer, by `latency_ns` and a drawn jitter of that mean; only so many bytes a second leave."""

    word = "link_slow"
    latency_ns: int = 0
    jitter_ns: int = 0
    bandwidth_bytes_per_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLoss(OnLink):
    """Envelopes are lost, each with `probability`."""

    word = "link_loss"
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDuplicate(OnLink):
    """Envelopes arrive a second time, each with `probability`."""

    word = "link_duplicate"
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkReorder(OnLink):
    """Envelopes are held back and overtaken, each with `probability`."""

    word = "link_reorder"
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition(Fault):
    """Nothing passes between Regions of different groups. Regions in no group reach, and are reached by, everybody."""

    word = "partition"
    groups: tuple[tuple[str, ...], ...]


# What a Region stands on.


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSlow(Fault):
    """Each operation of a Region's disk takes `latency_ns` longer."""

    word = "disk_slow"
    region: str
    latency_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskErrors(Fault):
    """Operations of a Region's disk fail, each with `probability`."""

    word = "disk_errors"
    region: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFull(Fault):
    """A Region's disk takes no more."""

    word = "disk_full"
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskTornWrite(Fault):
    """A crash of a Region's hosts leaves the last write half done."""

    word = "disk_torn_write"
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSkew(Fault):
    """A Region reads a time that is `skew_ns` ahead of the truth, or behind it when negative."""

    word = "clock_skew"
    region: str
    skew_ns: int


# What backs custom key stores. A fault that names no proxy, cluster or service is about all of its Region.


class ProxyAnswer(StrEnum):
    """What a proxy of an external key store says instead of doing what it is asked for."""

    CREDENTIALS = "credentials"
    """KMS cannot be authenticated."""
    DENIED = "denied"
    THROTTLED = "throttled"
    UNHEALTHY = "unhealthy"
    """It, or every key manager behind it, is out of order."""
    NONSENSE = "nonsense"
    PATH = "path"
    """Nothing is known by that path."""
    TLS = "tls"
    """Its certificate is not accepted."""
    KEY_DISABLED = "key_disabled"
    KEY_NOT_FOUND = "key_not_found"


class ServiceState(StrEnum):
    """What is wrong with a VPC endpoint service."""

    MISSING = "missing"
    """It is not there, or does not let KMS know of it."""
    UNFIT = "unfit"
    """It does not meet what KMS requires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XksProxyOutage(Fault):
    """Proxies of external key stores cannot be reached. `proxy`: an endpoint, with or without its path."""

    word = "xks_proxy_outage"
    region: str
    proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class XksProxySlow(Fault):
    """Proxies of external key stores answer `latency_ns` later; KMS waits for 250 ms."""

    word = "xks_proxy_slow"
    region: str
    latency_ns: int
    proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class XksProxyErrors(Fault):
    """Proxies of external key stores say `answer`, each time with `probability`."""

    word = "xks_proxy_errors"
    region: str
    answer: ProxyAnswer
    probability: float = 1.0
    proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudHsmOutage(Fault):
    """CloudHSM clusters cannot be reached, and keep their keys."""

    word = "cloudhsm_outage"
    region: str
    cluster: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudHsmHsmsLost(Fault):
    """CloudHSM clusters have lost so many of their HSMs (None: all); what is left keeps all keys, as backups do."""

    word = "cloudhsm_hsms_lost"
    region: str
    hsms: int | None = None
    cluster: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudHsmUserLockedOut(Fault):
    """The crypto user `kmsuser` is locked out of CloudHSM clusters: who is logged in stays so, nobody logs in."""

    word = "cloudhsm_user_locked_out"
    region: str
    cluster: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class XksVpcServiceBroken(Fault):
    """VPC endpoint services in front of proxies are gone, or not as KMS requires."""

    word = "xks_vpc_service_broken"
    region: str
    state: ServiceState = ServiceState.MISSING
    service: str | None = None


# What callers meet.


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle(Fault):
    """A Region's request quotas are `factor` of what they are."""

    word = "throttle"
    region: str
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlaneOutage(Fault):
    """Keys of a Region can be used, and neither changed nor looked at."""

    word = "control_plane_outage"
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsOutage(Fault):
    """A Region's endpoint name resolves to nothing: nobody can connect any more, and who is connected goes on."""

    word = "dns_outage"
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IamOutage(Fault):
    """A Region's copy of IAM is frozen: what is changed meanwhile reaches it when the fault is over."""

    word = "iam_outage"
    region: str


KINDS: MappingProxyType[str, type[Fault]] = MappingProxyType(
    {
        kind.word: kind
        for kind in (
            RegionOutage, RegionCrash, AzOutage, HsmOffline, HsmZeroised, HsmSlow, HsmErrors, LinkCut, LinkOneWay,
            LinkSlow, LinkLoss, LinkDuplicate, LinkReorder, Partition, DiskSlow, DiskErrors, DiskFull, DiskTornWrite,
            ClockSkew, XksProxyOutage, XksProxySlow, XksProxyErrors, CloudHsmOutage, CloudHsmHsmsLost,
            CloudHsmUserLockedOut, XksVpcServiceBroken, Throttle, ControlPlaneOutage, DnsOutage, IamOutage,
        )
    }
)  # fmt: skip
"""The word -> the fault, for every fault that this version acts on."""
