"""The literal table of fault words: each with its parameters, and which parameter the short form sets.

Words that this version does not act on stand here too, so that asking for one says so, and so that the word means
the same thing on the day it is acted on. Source: ours; the parameters of link faults are named as toxiproxy and
tc-netem name them, where they have one.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from regionsim.faults.kinds import OutageMode, ProxyAnswer, ServiceState
from regionsim.names.dataclass import dataclass


class Kind(StrEnum):
    """What a parameter takes, in words for people."""

    REGION = "a Region"
    TWO_REGIONS = "two Regions"
    GROUPS = "groups of Regions"
    PROBABILITY = "a probability, like 5% or 0.05"
    DURATION = "a duration, like 250ms"
    SKEW = "a duration, like 5m or -5m"
    FACTOR = "a number"
    COUNT = "a whole number"
    FLAG = "true or false"
    CHOICE = "one of a few words"
    KEEPER = "a name: of a cluster, a service, or the endpoint of a proxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a fault word.

    `field` is what the fault as a value calls it. `choices` only for `Kind.CHOICE`; `least` and `most` bound a factor
    or a count (`most` None: without limit).
    """

    name: str
    kind: Kind
    field: str
    is_required: bool = False
    choices: tuple[StrEnum, ...] = ()
    least: float = 0
    most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultWord:
    """A fault as people name it.

    `short` is the parameter that a bare value sets: `{region_crash: R}` is `{region_crash: {region: R}}`; "" where no
    single value says enough. `wants_one_of` are parameters of which at least one must be given.
    """

    name: str
    means: str
    parameters: tuple[Parameter, ...]
    short: str = "region"
    wants_one_of: tuple[str, ...] = ()

    @property
    def is_acted_on(self) -> bool:
        """False while this version only knows what the word means."""
        return self.name not in _LATER

    def parameter(self, name: str) -> Parameter:
        """Its parameter of that name."""
        return next(parameter for parameter in self.parameters if parameter.name == name)

    @property
    def grammar(self) -> str:
        """The long form with what each parameter takes, optional ones in brackets."""
        parts = (p.name if p.is_required else f"[{p.name}]" for p in self.parameters)
        return f"{{{self.name}: {{{', '.join(parts)}}}}}"


_LATER = frozenset({"region_data_loss"})

ZONES = 3
"""Availability zones of a Region, numbered from 1. Source: AWS KMS Cryptographic Details: at least three."""


def _parameter(  # one line a parameter in the table below
    name: str,
    kind: Kind,
    *,
    field: str = "",
    required: bool = False,
    choices: tuple[StrEnum, ...] = (),
    least: float = 0,
    most: float | None = None,
) -> Parameter:
    return Parameter(
        name=name, kind=kind, field=field or name, is_required=required, choices=choices, least=least, most=most
    )


def _probability(name: str) -> Parameter:
    return _parameter(name, Kind.PROBABILITY, field="probability", required=True)


def _latency(*, required: bool = False) -> Parameter:
    return _parameter("latency", Kind.DURATION, field="latency_ns", required=required)


_REGION = _parameter("region", Kind.REGION, required=True)
_BETWEEN = _parameter("between", Kind.TWO_REGIONS, required=True)
_ON_LINK = (_parameter("between", Kind.TWO_REGIONS), _parameter("one_way", Kind.FLAG, field="is_one_way"))
_HSMS = _parameter("hsms", Kind.COUNT, least=1)
_MODE = _parameter("mode", Kind.CHOICE, choices=tuple(OutageMode))
_CLUSTER = _parameter("cluster", Kind.KEEPER)
_PROXY = _parameter("proxy", Kind.KEEPER)
_ANSWER = _parameter("answer", Kind.CHOICE, choices=tuple(ProxyAnswer), required=True)
_SERVICE_STATE = _parameter("state", Kind.CHOICE, choices=tuple(ServiceState))

_TABLE = (
    FaultWord(name="region_outage", means="a Region is unreachable, nothing is lost", parameters=(_REGION, _MODE)),
    FaultWord(name="region_crash", means="hosts lose memory, store and HSMs keep theirs", parameters=(_REGION,)),
    FaultWord(name="region_data_loss", means="the Region's store is gone too", parameters=(_REGION,)),
    FaultWord(name="az_outage", means="an availability zone with its HSMs has no power",
              parameters=(_REGION, _parameter("az", Kind.COUNT, least=1, most=ZONES))),
    FaultWord(name="hsm_offline", means="HSMs do not answer, and keep their keys", parameters=(_REGION, _HSMS)),
    FaultWord(name="hsm_zeroised", means="HSMs have wiped their keys", parameters=(_REGION, _HSMS)),
    FaultWord(name="hsm_slow", means="HSM jobs take several times as long",
              parameters=(_REGION, _parameter("factor", Kind.FACTOR, required=True, least=1, most=1e6), _HSMS),
              short=""),
    FaultWord(name="hsm_errors", means="HSM jobs fail by chance",
              parameters=(_REGION, _probability("probability"), _HSMS), short=""),
    FaultWord(name="link_cut", means="nothing passes between two Regions", parameters=(_BETWEEN,), short="between"),
    FaultWord(name="link_one_way", means="nothing passes from one Region to another",
              parameters=(_parameter("from", Kind.REGION, field="sender", required=True),
                          _parameter("to", Kind.REGION, field="receiver", required=True)), short=""),
    FaultWord(name="link_slow", means="a link takes longer, or carries less",
              parameters=(*_ON_LINK, _latency(), _parameter("jitter", Kind.DURATION, field="jitter_ns"),
                          _parameter("bandwidth", Kind.COUNT, field="bandwidth_bytes_per_s", least=1)),
              short="latency", wants_one_of=("latency", "jitter", "bandwidth")),
    FaultWord(name="link_loss", means="a link loses envelopes",
              parameters=(*_ON_LINK, _probability("loss")), short="loss"),
    FaultWord(name="link_duplicate", means="a link delivers some envelopes twice",
              parameters=(*_ON_LINK, _probability("duplicate")), short="duplicate"),
    FaultWord(name="link_reorder", means="a link lets some envelopes be overtaken",
              parameters=(*_ON_LINK, _probability("reorder")), short="reorder"),
    FaultWord(name="partition", means="nothing passes between groups of Regions",
              parameters=(_parameter("groups", Kind.GROUPS, required=True),), short="groups"),
    FaultWord(name="disk_slow", means="a Region's disk is slower", parameters=(_REGION, _latency(required=True)),
              short=""),
    FaultWord(name="disk_errors", means="a Region's disk fails by chance",
              parameters=(_REGION, _probability("probability")), short=""),
    FaultWord(name="disk_full", means="a Region's disk takes no more", parameters=(_REGION,)),
    FaultWord(name="disk_torn_write", means="a crash leaves the last write half done", parameters=(_REGION,)),
    FaultWord(name="clock_skew", means="a Region reads a wrong time",
              parameters=(_REGION, _parameter("skew", Kind.SKEW, field="skew_ns", required=True)), short=""),
    FaultWord(name="xks_proxy_outage", means="proxies of external key stores cannot be reached",
              parameters=(_REGION, _PROXY)),
    FaultWord(name="xks_proxy_slow", means="proxies of external key stores answer later, or too late",
              parameters=(_REGION, _latency(required=True), _PROXY), short=""),
    FaultWord(name="xks_proxy_errors", means="proxies of external key stores answer with an error",
              parameters=(_REGION, _ANSWER, _parameter("probability", Kind.PROBABILITY), _PROXY), short=""),
    FaultWord(name="cloudhsm_outage", means="CloudHSM clusters cannot be reached", parameters=(_REGION, _CLUSTER)),
    FaultWord(name="cloudhsm_hsms_lost", means="CloudHSM clusters have lost HSMs",
              parameters=(_REGION, _HSMS, _CLUSTER)),
    FaultWord(name="cloudhsm_user_locked_out", means="kmsuser is locked out of CloudHSM clusters",
              parameters=(_REGION, _CLUSTER)),
    FaultWord(name="xks_vpc_service_broken", means="VPC endpoint services in front of proxies are gone, or unfit",
              parameters=(_REGION, _SERVICE_STATE, _parameter("service", Kind.KEEPER))),
    FaultWord(name="throttle", means="a Region's request quotas shrink",
              parameters=(_REGION, _parameter("factor", Kind.FACTOR, required=True, most=1)), short=""),
    FaultWord(name="control_plane_outage", means="keys can be used, and neither changed nor looked at",
              parameters=(_REGION,)),
    FaultWord(name="dns_outage", means="a Region's endpoint name resolves to nothing", parameters=(_REGION,)),
    FaultWord(name="iam_outage", means="a Region's copy of IAM is frozen", parameters=(_REGION,)),
)  # fmt: skip

FAULT_WORDS = MappingProxyType({word.name: word for word in _TABLE})
"""Fault name -> its word, for every fault of the interface."""

ACTED_ON = tuple(word.name for word in _TABLE if word.is_acted_on)
"""The names of the faults that this version acts on."""

OTHER_TOOLS_WORDS = MappingProxyType(
    {
        "latency": "link_slow",
        "jitter": "link_slow",
        "bandwidth": "link_slow",
        "slicer": "link_slow",
        "timeout": "link_cut",
        "reset_peer": "link_cut",
        "limit_data": "link_cut",
        "down": "link_cut",
        "netsplit": "partition",
        "kill": "region_crash",
    }
)
"""What toxiproxy, Jepsen and their users say -> our word. Source: toxiproxy README, "Toxics"; Jepsen nemeses."""
