"""The faults that are on, as one value. A change gives a new value, so that sums of rules can be kept until then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import assert_never

from regionsim.faults.kinds import Fault, IamOutage, LinkCut, LinkLoss, OutageMode, Partition, RegionCrash, RegionOutage
from regionsim.faults.mistakes import FaultError
from regionsim.faults.verdicts import CallVerdict, LinkDraws, LinkRule, LinkVerdict, judge_link
from regionsim.faults.vocabulary import name_of
from regionsim.names.mistakes import advice

HEAL_ALL = "all"
"""What `heal:` takes to end every fault; no fault can be named so."""

_NOTHING: Mapping[str, Fault] = MappingProxyType({})
_OPEN = LinkRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveFaults:
    """The faults that are on, by name, in the order in which they were switched on."""

    by_name: Mapping[str, Fault] = field(default_factory=lambda: _NOTHING)
    _calls: Mapping[str, CallVerdict] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", MappingProxyType(dict(self.by_name)))
        object.__setattr__(self, "_calls", _calls_of(self.by_name.values()))

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

    def call_verdict(self, region: str) -> CallVerdict:
        """What a caller's try at a Region meets."""
        return self._calls.get(region, CallVerdict.PASS)

    def region_reachable(self, region: str) -> bool:
        """True when the Region's KMS can be called and its links can be used."""
        return region not in self._calls

    def unreachable_by(self, region: str) -> str:
        """The word of the first fault that makes a Region unreachable; "" when it is reachable."""
        if region not in self._calls:
            return ""
        return next(name_of(fault) for fault in self if _call_verdict(fault, region) is not CallVerdict.PASS)

    def names_making_unreachable(self, region: str) -> tuple[str, ...]:
        """The names of the faults that a caller's try at a Region, or an envelope that arrives there, meets."""
        if region not in self._calls:
            return ()
        return tuple(
            name for name, fault in self.by_name.items() if _call_verdict(fault, region) is not CallVerdict.PASS
        )

    def names_on_link(self, sender: str, receiver: str) -> tuple[str, ...]:
        """The names of the faults that an envelope meets as it is put on that link, whatever its luck."""
        on_link = (name for name, fault in self.by_name.items() if _link_rule(fault, sender, receiver) != _OPEN)
        return (*self.names_making_unreachable(sender), *on_link)

    def names_freezing_iam(self, region: str) -> tuple[str, ...]:
        """The names of the faults that keep changes of IAM from a Region."""
        return tuple(name for name, fault in self.by_name.items() if fault == IamOutage(region=region))

    def link_rule(self, sender: str, receiver: str) -> LinkRule:
        """What all faults together do to envelopes as `sender` puts them on its link to `receiver`.

        An unreachable sender cuts its own links. An unreachable receiver does not: its envelopes travel, and are lost
        if it is still unreachable when they arrive (ask `unreachable_by` then).
        """
        rule = LinkRule(cut_by=self.unreachable_by(sender))
        for fault in self:
            rule += _link_rule(fault, sender, receiver)
        return rule

    def link_verdict(self, sender: str, receiver: str, draws: LinkDraws) -> LinkVerdict:
        """What becomes of one envelope as far as faults go; a link judges with its own settings added."""
        return judge_link(self.link_rule(sender, receiver), draws)


def _link_rule(fault: Fault, sender: str, receiver: str) -> LinkRule:
    match fault:
        case LinkCut(between=between):
            return LinkRule(cut_by=name_of(fault)) if {sender, receiver} == set(between) else _OPEN
        case LinkLoss(between=between, probability=probability):
            covers = between is None or {sender, receiver} == set(between)
            return LinkRule(loss=probability) if covers else _OPEN
        case Partition(groups=groups):
            return LinkRule(cut_by=name_of(fault)) if _is_parted(groups, sender, receiver) else _OPEN
        case RegionOutage() | RegionCrash() | IamOutage():
            return _OPEN
        case _:
            assert_never(fault)


def _is_parted(groups: tuple[tuple[str, ...], ...], sender: str, receiver: str) -> bool:
    """True when both are in a group, and not in the same one."""
    sides = [group for group in groups if sender in group or receiver in group]
    return len(sides) > 1


def _call_verdict(fault: Fault, region: str) -> CallVerdict:
    match fault:
        case RegionOutage(region=lost, mode=mode) if lost == region:
            return CallVerdict.STALL if mode is OutageMode.HANG else CallVerdict.FAIL
        case RegionCrash(region=lost) if lost == region:
            return CallVerdict.FAIL  # the hosts are back in a moment, and nothing listens. Source: ours
        case RegionOutage() | RegionCrash() | LinkCut() | LinkLoss() | Partition() | IamOutage():
            return CallVerdict.PASS
        case _:
            assert_never(fault)


def _calls_of(faults: Iterable[Fault]) -> Mapping[str, CallVerdict]:
    """Unreachable Region -> what a call to it meets."""
    calls: dict[str, CallVerdict] = {}
    for fault in faults:
        if isinstance(fault, RegionOutage | RegionCrash):
            calls[fault.region] = calls.get(fault.region, CallVerdict.PASS) | _call_verdict(fault, fault.region)
    return calls
