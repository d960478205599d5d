"""Faults read from, and written to, the mappings that people and programs write.

    {region_outage: us-east-1}                                   {region_outage: {region: us-east-1, mode: refuse}}
    {region_crash: us-east-1}
    {link_cut: [us-east-1, eu-west-1]}                           {link_cut: {between: [us-east-1, eu-west-1]}}
    {link_loss: 5%}                      (on every link)        {link_loss: {between: [us-east-1, eu-west-1], loss: 5%}}
    {partition: [[us-east-1], [eu-west-1, eu-central-1]]}

Reading goes by the table in `words`; what cannot be read is a FaultError with the path to the node at fault.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, assert_never

from regionsim.faults.kinds import Fault, IamOutage, LinkCut, LinkLoss, OutageMode, Partition, RegionCrash, RegionOutage
from regionsim.faults.mistakes import FaultError
from regionsim.faults.words import ACTED_ON, FAULT_WORDS, OTHER_TOOLS_WORDS, FaultWord, Kind, Parameter
from regionsim.names.mistakes import advice
from regionsim.names.regions import PARTITION_OF

__all__ = [
    "ACTED_ON",
    "FAULT_WORDS",
    "Fault",
    "FaultError",
    "FaultWord",
    "IamOutage",
    "LinkCut",
    "LinkLoss",
    "OutageMode",
    "Partition",
    "RegionCrash",
    "RegionOutage",
    "as_mapping",
    "describe",
    "format_probability",
    "name_of",
    "parse_fault",
    "parse_probability",
    "regions_of",
]

Path = tuple[str | int, ...]

_EXAMPLE = "write one word with its target, like {region_outage: us-east-1}"
_THIS_VERSION = f"it has: {', '.join(ACTED_ON)}"
_STEP_WORDS = frozenset({"heal", "for", "at", "name"})
_PROBABILITY = re.compile(r"([0-9]{1,20}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(%?)")


def parse_fault(mapping: object, *, regions: Collection[str] = PARTITION_OF) -> Fault:
    """The fault that a mapping of one word says.

    `regions` are the Regions that may be named: those of the world, by default all of AWS.
    Errors: FaultError with the path to the node at fault, relative to `mapping`.
    """
    if not isinstance(mapping, Mapping) or len(mapping) != 1:
        raise FaultError((), f"a fault is a mapping of one word, not {_shown(mapping)}", _EXAMPLE)
    (name, target), *_ = mapping.items()
    word = _word(name)
    return _build(word, _read_parameters(word, target, regions))


def _word(name: object) -> FaultWord:
    word = FAULT_WORDS.get(name) if isinstance(name, str) else None
    if word is None:
        raise FaultError((str(name),), f"no such fault: {_shown(name)}", _instead_of(str(name)))
    if not word.is_acted_on:
        raise FaultError((word.name,), f"fault '{name}' is not in this version", _THIS_VERSION)
    return word


def _instead_of(name: str) -> str:
    """Advice for a word that is none of ours; only what is acted on is offered."""
    if name in _STEP_WORDS:
        return f"'{name}' is a key of a step, it stands beside the fault, or alone: {{{name}: ...}}"
    ours = OTHER_TOOLS_WORDS.get(name)
    if ours is None:
        return advice(name, ACTED_ON, shown=len(ACTED_ON))
    if FAULT_WORDS[ours].is_acted_on:
        return f"here the word is '{ours}'"
    return f"here the word is '{ours}', which is not in this version; {_THIS_VERSION}"


def _read_parameters(word: FaultWord, target: object, regions: Collection[str]) -> dict[str, Any]:
    """Parameter name -> its value, typed by its kind; the short form is one parameter, at the word's own node."""
    known = {parameter.name: parameter for parameter in word.parameters}
    if not isinstance(target, Mapping):
        values: dict[str, Any] = {word.short: _read(known[word.short], target, (word.name,), regions)}
    else:
        for name in target:
            if name not in known:
                raise FaultError(
                    (word.name, str(name)), f"{word.name} has no {_shown(str(name))}", advice(str(name), known)
                )
        values = {name: _read(known[name], value, (word.name, name), regions) for name, value in target.items()}
    for parameter in word.parameters:
        if parameter.is_required and parameter.name not in values:
            raise FaultError((word.name,), f"{word.name} wants '{parameter.name}'", f"write {word.grammar}")
    return values


def _read(parameter: Parameter, value: object, path: Path, regions: Collection[str]) -> object:
    match parameter.kind:
        case Kind.REGION:
            return _region(value, path, regions)
        case Kind.TWO_REGIONS:
            return _two_regions(value, path, regions)
        case Kind.PROBABILITY:
            try:
                return parse_probability(value)
            except ValueError as mistake:
                what, _, hint = str(mistake).partition("; ")
                raise FaultError(path, what, hint) from None
        case Kind.CHOICE:
            return _choice(parameter, value, path)
        case Kind.GROUPS:
            return _groups(value, path, regions)
        case Kind.DURATION | Kind.NUMBER:
            raise AssertionError(f"no fault acted on takes {parameter.kind}")
        case _:
            assert_never(parameter.kind)


def _region(value: object, path: Path, regions: Collection[str]) -> str:
    if isinstance(value, str) and value in regions:
        return str(value)
    raise FaultError(path, f"{_shown(value)} is not a Region here", advice(str(value), regions))


def _two_regions(value: object, path: Path, regions: Collection[str]) -> tuple[str, str]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise FaultError(path, f"wanted two Regions, found {_shown(value)}", "write [us-east-1, eu-west-1]")
    first, second = (_region(region, (*path, index), regions) for index, region in enumerate(value))
    if first == second:
        raise FaultError((*path, 1), f"a link joins two Regions, '{first}' is both of them", "name another Region")
    return first, second


def _groups(value: object, path: Path, regions: Collection[str]) -> tuple[tuple[str, ...], ...]:
    example = "write [[us-east-1], [eu-west-1, eu-central-1]]"
    if not isinstance(value, list | tuple) or len(value) < 2:
        raise FaultError(path, f"wanted two or more groups of Regions, found {_shown(value)}", example)
    seen: dict[str, int] = {}
    for number, group in enumerate(value):
        if not isinstance(group, list | tuple) or not group:
            raise FaultError((*path, number), f"a group is a list of Regions, this is {_shown(group)}", example)
        for index, named in enumerate(group):
            region = _region(named, (*path, number, index), regions)
            if region in seen:
                raise FaultError((*path, number, index), f"'{region}' is in a group already", "name each Region once")
            seen[region] = number
    return tuple(tuple(group) for group in value)


def _choice(parameter: Parameter, value: object, path: Path) -> str:
    if isinstance(value, str) and value in parameter.choices:
        return str(value)
    raise FaultError(path, f"{parameter.name} cannot be {_shown(value)}", advice(str(value), parameter.choices))


def _build(word: FaultWord, values: dict[str, Any]) -> Fault:
    match word.name:
        case "region_outage":
            return RegionOutage(region=values["region"], mode=OutageMode(values.get("mode", OutageMode.HANG)))
        case "region_crash":
            return RegionCrash(region=values["region"])
        case "iam_outage":
            return IamOutage(region=values["region"])
        case "link_cut":
            return LinkCut(between=values["between"])
        case "partition":
            return Partition(groups=values["groups"])
        case "link_loss":
            return LinkLoss(between=values.get("between"), probability=values["loss"])
        case _:
            raise AssertionError(f"'{word.name}' is said to be acted on, and nothing builds it")


def as_mapping(fault: Fault) -> dict[str, Any]:
    """The mapping that `parse_fault` reads back to an equal fault; JSON and YAML take it as it is."""
    match fault:
        case RegionOutage(region=region, mode=OutageMode.HANG) | RegionCrash(region=region) | IamOutage(region=region):
            return {name_of(fault): region}
        case RegionOutage(region=region, mode=mode):
            return {name_of(fault): {"region": region, "mode": mode.value}}
        case LinkCut(between=between):
            return {name_of(fault): list(between)}
        case Partition(groups=groups):
            return {name_of(fault): [list(group) for group in groups]}
        case LinkLoss(between=between, probability=probability):
            loss = format_probability(probability)
            return {name_of(fault): {"between": list(between), "loss": loss} if between else loss}
        case _:
            assert_never(fault)


def name_of(fault: Fault) -> str:
    """The word for a fault: `region_outage`."""
    match fault:
        case RegionOutage():
            return "region_outage"
        case RegionCrash():
            return "region_crash"
        case IamOutage():
            return "iam_outage"
        case LinkCut():
            return "link_cut"
        case LinkLoss():
            return "link_loss"
        case Partition():
            return "partition"
        case _:
            assert_never(fault)


def regions_of(fault: Fault) -> tuple[str, ...]:
    """The Regions that a fault names, as written; none when it is about every link."""
    match fault:
        case RegionOutage(region=region) | RegionCrash(region=region) | IamOutage(region=region):
            return (region,)
        case LinkCut(between=between):
            return between
        case LinkLoss(between=between):
            return between or ()
        case Partition(groups=groups):
            return tuple(region for group in groups for region in group)
        case _:
            assert_never(fault)


def describe(fault: Fault) -> str:
    """A fault in one short line of ASCII for transcripts: `link_loss 5% us-east-1 <-> eu-west-1`."""
    match fault:
        case RegionOutage(region=region, mode=OutageMode.REFUSE):
            return f"region_outage {region} (refuse)"
        case LinkLoss(probability=probability):
            where = " <-> ".join(regions_of(fault)) or "every link"
            return f"link_loss {format_probability(probability)} {where}"
        case Partition(groups=groups):
            return f"partition {' | '.join(' '.join(group) for group in groups)}"
        case _:
            return f"{name_of(fault)} {' <-> '.join(regions_of(fault))}"


def parse_probability(value: object) -> float:
    """A probability in 0..1 from a number or a text, `0.001`, `"0.1%"`.

    Errors: ValueError, "what was found; what to write".
    """
    hint = "write a share of one or a percentage, like 0.05 or 5%"
    if isinstance(value, str):
        found = _PROBABILITY.fullmatch(value)
        if found is None:
            raise ValueError(f"{_shown(value)} is not a probability; {hint}")
        # Decimal, so that 0.7% and 0.007 are the same number: one scenario, one trace, however it is written.
        probability = float(Decimal(found[1]).scaleb(-2 if found[2] else 0))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        probability = value
    else:
        raise ValueError(f"{_shown(value)} is not a probability; {hint}")
    if not 0 <= probability <= 1:
        raise ValueError(f"a probability is between 0 and 1 (0% and 100%), not {_shown(value)}; {hint}")
    return float(probability)


def format_probability(probability: float) -> str:
    """A percentage that `parse_probability` reads back to the same number: `0.1%`."""
    percent = f"{Decimal(repr(probability)).scaleb(2):f}"
    return f"{percent.rstrip('0').rstrip('.') if '.' in percent else percent}%"


def _shown(value: object) -> str:
    """A value as found, short enough for one line."""
    if value is None:
        return "nothing"
    text = f"'{value}'" if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
