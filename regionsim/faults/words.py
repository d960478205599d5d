"""The literal table of fault words: each with its parameters, and which parameter the short form sets.

Words that this version does not act on stand here too, so that asking for one says so, and so that the word means
the same thing on the day it is acted on. Source: ours; the parameters of link faults are named as toxiproxy and
tc-netem name them, where they have one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """What a parameter takes, in words for people."""

    REGION = "a Region"
    TWO_REGIONS = "two Regions"
    GROUPS = "groups of Regions"
    PROBABILITY = "a probability, like 5% or 0.05"
    DURATION = "a duration, like 250ms"
    NUMBER = "a number"
    CHOICE = "one of a few words"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a fault word; `choices` only for `Kind.CHOICE`."""

    name: str
    kind: Kind
    is_required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultWord:
    """A fault as people name it.

    `short` is the parameter that a bare value sets: `{region_crash: R}` is `{region_crash: {region: R}}`.
    """

    name: str
    means: str
    parameters: tuple[Parameter, ...]
    short: str
    is_acted_on: bool = False

    @property
    def grammar(self) -> str:
        """The long form with what each parameter takes, optional ones in brackets."""
        parts = (p.name if p.is_required else f"[{p.name}]" for p in self.parameters)
        return f"{{{self.name}: {{{', '.join(parts)}}}}}"


_REGION = Parameter(name="region", kind=Kind.REGION, is_required=True)
_BETWEEN = Parameter(name="between", kind=Kind.TWO_REGIONS, is_required=True)
_ANY_LINK = Parameter(name="between", kind=Kind.TWO_REGIONS)
_AZ = Parameter(name="az", kind=Kind.NUMBER)
_HSMS = Parameter(name="hsms", kind=Kind.NUMBER)


def _probability(name: str, *, is_required: bool = True) -> Parameter:
    return Parameter(name=name, kind=Kind.PROBABILITY, is_required=is_required)


def _duration(name: str, *, is_required: bool = False) -> Parameter:
    return Parameter(name=name, kind=Kind.DURATION, is_required=is_required)


def _word(name: str, means: str, *parameters: Parameter, short: str = "region", is_acted_on: bool = False) -> FaultWord:
    return FaultWord(name=name, means=means, parameters=parameters, short=short, is_acted_on=is_acted_on)


_MODE = Parameter(name="mode", kind=Kind.CHOICE, choices=("hang", "refuse"))
_FACTOR = Parameter(name="factor", kind=Kind.NUMBER, is_required=True)

_TABLE = (
    _word("region_outage", "a Region is unreachable, nothing is lost", _REGION, _MODE, is_acted_on=True),
    _word("region_crash", "hosts lose memory, store and HSMs keep theirs", _REGION, is_acted_on=True),
    _word("region_data_loss", "the Region's store is gone too", _REGION),
    _word("az_outage", "an availability zone with its HSMs is gone", _REGION, _AZ),
    _word("hsm_offline", "HSMs do not answer, and keep their keys", _REGION, _HSMS),
    _word("hsm_zeroised", "HSMs have wiped their keys", _REGION, _HSMS),
    _word("hsm_slow", "HSM jobs take several times as long", _REGION, _FACTOR),
    _word("hsm_errors", "HSM jobs fail by chance", _REGION, _probability("probability")),
    _word("link_cut", "nothing passes between two Regions", _BETWEEN, short="between", is_acted_on=True),
    _word("link_one_way", "nothing passes from one Region to another",
          Parameter(name="from", kind=Kind.REGION, is_required=True),
          Parameter(name="to", kind=Kind.REGION, is_required=True), short="from"),
    _word("link_slow", "a link is slower",
          _ANY_LINK, _duration("latency"), _duration("jitter"), Parameter(name="bandwidth", kind=Kind.NUMBER),
          short="latency"),
    _word("link_loss", "a link loses envelopes", _ANY_LINK, _probability("loss"), short="loss", is_acted_on=True),
    _word("link_duplicate", "a link delivers some envelopes twice",
          _ANY_LINK, _probability("duplicate"), short="duplicate"),
    _word("link_reorder", "a link lets some envelopes be overtaken",
          _ANY_LINK, _probability("reorder"), short="reorder"),
    _word("partition", "nothing passes between groups of Regions",
          Parameter(name="groups", kind=Kind.GROUPS, is_required=True), short="groups", is_acted_on=True),
    _word("disk_slow", "a Region's disk is slower", _REGION, _duration("latency", is_required=True)),
    _word("disk_errors", "a Region's disk fails by chance", _REGION, _probability("probability")),
    _word("disk_full", "a Region's disk takes no more", _REGION),
    _word("disk_torn_write", "a crash leaves the last write half done", _REGION),
    _word("clock_skew", "a Region reads a wrong time", _REGION, _duration("skew", is_required=True)),
    _word("throttle", "a Region's request quotas shrink", _REGION, _FACTOR),
    _word("control_plane_outage", "keys cannot be changed, only used", _REGION),
    _word("dns_outage", "a Region's endpoint name resolves to nothing", _REGION),
    _word("iam_outage", "a Region's copy of IAM is frozen", _REGION, is_acted_on=True),
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
        "timeout": "link_cut",
        "down": "link_cut",
        "netsplit": "partition",
        "kill": "region_crash",
    }
)
"""What toxiproxy, Jepsen and their users say -> our word. Source: toxiproxy README, "Toxics"; Jepsen nemeses."""
