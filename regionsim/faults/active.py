"""The faults that are on, as one value. A change gives a new value, so that sums of rules can be kept until then.

For each thing that faults act on there is a question for what they do to it, and one for the names of those that do:

    a caller's try            call_verdict, dns_verdict           names_making_unreachable, names_hiding
    an envelope on a link     link_rule                           names_on_link
    a call at the door        door_rule                           (the rule has them)
    an HSM                    hsm_rules                           names_on_hsms
    a Region's disk           disk_rule                           names_on_disk
    a Region's clock          skew_ns                             names_skewing
    a Region's hosts          has_power                           names_taking_power
    a Region's copy of IAM                                        names_freezing_iam
    a keeper of custom keys   keeper_rule                    names_on_keeper
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from functools import reduce
from operator import add, or_
from types import MappingProxyType

from regionsim.faults.effects import disk_rule, door_rule, hsm_rule, link_rule
from regionsim.faults.keepers import IN_ORDER, Keeper, KeeperRule, keeper_rule
from regionsim.faults.kinds import (
    AzOutage,
    ClockSkew,
    DnsOutage,
    Fault,
    IamOutage,
    OutageMode,
    RegionCrash,
    RegionOutage,
)
from regionsim.faults.mistakes import FaultError
from regionsim.faults.telling import name_of
from regionsim.faults.verdicts import (
    OPEN_DOOR,
    OPEN_LINK,
    SOUND,
    WORKING,
    CallVerdict,
    DiskRule,
    DoorRule,
    HsmRule,
    LinkDraws,
    LinkRule,
    LinkVerdict,
    judge_link,
)
from regionsim.faults.words import ZONES
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import advice

HEAL_ALL = "all"
"""What `heal:` takes to end every fault; no fault can be named so."""

_NOTHING: Mapping[str, Fault] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveFaults:
    """The faults that are on, by name, in the order in which they were switched on."""

    by_name: Mapping[str, Fault] = field(default_factory=lambda: _NOTHING)
    _calls: Mapping[str, Mapping[str, CallVerdict]] = field(init=False, repr=False, compare=False)
    """Unreachable Region -> name of a fault that makes it so -> what a call to it meets."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", MappingProxyType(dict(self.by_name)))
        object.__setattr__(self, "_calls", _calls_of(self.by_name))

    def __len__(self) -> int:
        return len(self.by_name)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.by_name.values())

    def free_name(self, fault: Fault) -> str:
        """The name that a fault gets when nobody names it: its word, numbered from 2 when that is taken."""
        name, number = name_of(fault), 1
        while name in self.by_name or name == HEAL_ALL:
            number += 1
            name = f"{name_of(fault)}-{number}"
        return name

    def add(self, name: str, fault: Fault) -> ActiveFaults:
        """These faults and one more.

        Errors: FaultError when the name is taken, or is `all`.
        """
        if name == HEAL_ALL or not name:
            raise FaultError((), f"a fault cannot be named '{name}'", f"'heal: {HEAL_ALL}' means every fault")
        if name in self.by_name:
            raise FaultError((), f"a fault named '{name}' is on already", "give it another name, or heal the first")
        return ActiveFaults(by_name={**self.by_name, name: fault})

    def heal(self, name: str) -> ActiveFaults:
        """These faults without the one of that name, or none at all for `all`.

        Errors: FaultError naming the nearest fault when none of that name is on.
        """
        if name == HEAL_ALL:
            return ActiveFaults()
        if name not in self.by_name:
            raise FaultError((), f"no fault named '{name}' is on", advice(name, self.by_name))
        return ActiveFaults(by_name={other: fault for other, fault in self.by_name.items() if other != name})

    def _named(self, is_meant: Callable[[Fault], bool]) -> tuple[str, ...]:
        return tuple(name for name, fault in self.by_name.items() if is_meant(fault))

    # Callers.

    def call_verdict(self, region: str) -> CallVerdict:
        """What a caller's try at a Region meets."""
        return reduce(or_, self._calls.get(region, {}).values(), CallVerdict.PASS)

    def region_reachable(self, region: str) -> bool:
        """True when the Region's KMS can be called and its links can be used."""
        return region not in self._calls

    def unreachable_by(self, region: str) -> str:
        """The word of the first fault that makes a Region unreachable; "" when it is reachable."""
        names = self._calls.get(region)
        return name_of(self.by_name[next(iter(names))]) if names else ""

    def names_making_unreachable(self, region: str) -> tuple[str, ...]:
        """The names of the faults that a caller's try at a Region, or an envelope that arrives there, meets."""
        return tuple(self._calls.get(region, ()))

    def dns_verdict(self, region: str) -> CallVerdict:
        """What a caller meets who has no open connection to a Region, and looks up its name to make one."""
        return CallVerdict.FAIL if self.names_hiding(region) else CallVerdict.PASS

    def names_hiding(self, region: str) -> tuple[str, ...]:
        """The names of the faults that keep new connections from a Region, and leave open ones alone."""
        return self._named(lambda fault: isinstance(fault, DnsOutage) and fault.region == region)

    def door_rule(self, region: str) -> DoorRule:
        """What all faults together do to calls that have reached a Region."""
        return reduce(add, (door_rule(name, fault, region) for name, fault in self.by_name.items()), OPEN_DOOR)

    # Hosts.

    def has_power(self, region: str) -> bool:
        """False while a Region's hosts are down, their memory lost."""
        return not self.names_taking_power(region)

    def names_taking_power(self, region: str) -> tuple[str, ...]:
        """The names of the faults that keep a Region's hosts down: a crash, or no zone left with power."""
        crashes = self._named(lambda fault: isinstance(fault, RegionCrash) and fault.region == region)
        return (*crashes, *_zones_all_out(self.by_name, region))

    def names_freezing_iam(self, region: str) -> tuple[str, ...]:
        """The names of the faults that keep changes of IAM from a Region."""
        return self._named(lambda fault: fault == IamOutage(region=region))

    def skew_ns(self, region: str) -> int:
        """How far a Region's reading of the time is ahead of the truth."""
        return sum(fault.skew_ns for fault in self if isinstance(fault, ClockSkew) and fault.region == region)

    def names_skewing(self, region: str) -> tuple[str, ...]:
        """The names of the faults that make a Region read a wrong time."""
        return self._named(lambda fault: isinstance(fault, ClockSkew) and fault.region == region)

    def disk_rule(self, region: str) -> DiskRule:
        """What all faults together do to operations of a Region's disk."""
        return reduce(add, (disk_rule(fault, region) for fault in self), WORKING)

    def names_on_disk(self, region: str) -> tuple[str, ...]:
        """The names of the faults that an operation of a Region's disk meets, whatever its luck."""
        return self._named(lambda fault: disk_rule(fault, region) != WORKING)

    # HSMs.

    def hsm_rules(self, region: str, hsm_count: int) -> tuple[HsmRule, ...]:
        """What all faults together do to each of a Region's HSMs."""
        return tuple(
            reduce(add, (hsm_rule(fault, region, index) for fault in self), SOUND) for index in range(hsm_count)
        )

    def names_on_hsms(self, region: str) -> tuple[str, ...]:
        """The names of the faults that are about HSMs of a Region: who asks its fleet meets them."""
        return self._named(lambda fault: hsm_rule(fault, region, None) != SOUND)

    # What backs custom key stores.

    def keeper_rule(self, region: str, keeper: Keeper) -> KeeperRule:
        """What all faults together do to what keeps the keys of custom key stores."""
        return reduce(add, (keeper_rule(fault, region, keeper) for fault in self), IN_ORDER)

    def names_on_keeper(self, region: str, keeper: Keeper) -> tuple[str, ...]:
        """The names of the faults that who asks a keeper meets, whatever its luck."""
        return self._named(lambda fault: keeper_rule(fault, region, keeper) != IN_ORDER)

    # Links.

    def names_on_link(self, sender: str, receiver: str) -> tuple[str, ...]:
        """The names of the faults that an envelope meets as it is put on that link, whatever its luck."""
        on_link = self._named(lambda fault: link_rule(fault, sender, receiver) != OPEN_LINK)
        return (*self.names_making_unreachable(sender), *on_link)

    def link_rule(self, sender: str, receiver: str) -> LinkRule:
        """What all faults together do to envelopes as `sender` puts them on its link to `receiver`.

        An unreachable sender cuts its own links. An unreachable receiver does not: its envelopes travel, and are lost
        if it is still unreachable when they arrive (ask `unreachable_by` then).
        """
        own = LinkRule(cut_by=self.unreachable_by(sender))
        return reduce(add, (link_rule(fault, sender, receiver) for fault in self), own)

    def link_verdict(self, sender: str, receiver: str, draws: LinkDraws) -> LinkVerdict:
        """What becomes of one envelope as far as faults go; a link judges with its own settings added."""
        return judge_link(self.link_rule(sender, receiver), draws)


def _calls_of(faults: Mapping[str, Fault]) -> Mapping[str, Mapping[str, CallVerdict]]:
    """Unreachable Region -> name of a fault that makes it so -> what a call to it meets."""
    calls: dict[str, dict[str, CallVerdict]] = {}
    for name, fault in faults.items():
        match fault:
            case RegionOutage(region=region, mode=mode):
                verdict = CallVerdict.STALL if mode is OutageMode.HANG else CallVerdict.FAIL
                calls.setdefault(region, {})[name] = verdict
            case RegionCrash(region=region):
                # The hosts are back in a moment, and nothing listens. Source: ours.
                calls.setdefault(region, {})[name] = CallVerdict.FAIL
            case AzOutage(region=region) if name in _zones_all_out(faults, region):
                calls.setdefault(region, {})[name] = CallVerdict.STALL
            case _:
                pass
    return calls


def _zones_all_out(faults: Mapping[str, Fault], region: str) -> tuple[str, ...]:
    """The names of the faults that together leave no zone of a Region with power; none while one has some."""
    out = {name: fault.az for name, fault in faults.items() if isinstance(fault, AzOutage) and fault.region == region}
    return tuple(out) if len(set(out.values())) == ZONES else ()
