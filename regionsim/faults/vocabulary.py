"""Faults read from, and written to, the mappings that people and programs write.

    {region_outage: us-east-1}                                   {region_outage: {region: us-east-1, mode: refuse}}
    {hsm_offline: us-east-1}             (all of them)           {hsm_offline: {region: us-east-1, hsms: 2}}
    {link_cut: [us-east-1, eu-west-1]}                           {link_cut: {between: [us-east-1, eu-west-1]}}
    {link_loss: 5%}                      (on every link)        {link_loss: {between: [us-east-1, eu-west-1], loss: 5%}}
    {partition: [[us-east-1], [eu-west-1, eu-central-1]]}

Reading and telling go by the table in `words`; what cannot be read is a FaultError with the path to the node at fault.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, assert_never

from regionsim.faults.kinds import KINDS, Fault
from regionsim.faults.mistakes import FaultError
from regionsim.faults.telling import as_mapping, describe, format_probability, name_of, regions_of
from regionsim.faults.words import ACTED_ON, FAULT_WORDS, OTHER_TOOLS_WORDS, FaultWord, Kind, Parameter
from regionsim.names.durations import parse_duration
from regionsim.names.mistakes import advice
from regionsim.names.regions import PARTITION_OF

__all__ = [
    "ACTED_ON",
    "FAULT_WORDS",
    "Fault",
    "FaultError",
    "FaultWord",
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
        raise FaultError((), f"a fault is a mapping of one word, not {shown(mapping)}", _EXAMPLE)
    (name, target), *_ = mapping.items()
    word = _word(name)
    return KINDS[word.name](**_read_parameters(word, target, regions))


def _word(name: object) -> FaultWord:
    word = FAULT_WORDS.get(name) if isinstance(name, str) else None
    if word is None:
        raise FaultError((str(name),), f"no such fault: {shown(name)}", _instead_of(str(name)))
    if not word.is_acted_on:
        raise FaultError((word.name,), f"fault '{name}' is not in this version", _THIS_VERSION)
    return word


def _instead_of(name: str) -> str:
    """Advice for a word that is none of ours; only what is acted on is offered."""
    if name in _STEP_WORDS:
        return f"'{name}' is a key of a step, it stands beside the fault, or alone: {{{name}: ...}}"
    ours = OTHER_TOOLS_WORDS.get(name)
    return advice(name, ACTED_ON, shown=len(ACTED_ON)) if ours is None else f"here the word is '{ours}'"


def _read_parameters(word: FaultWord, target: object, regions: Collection[str]) -> dict[str, Any]:
    """Field -> its value, typed by its parameter's kind; the short form is one parameter, at the word's own node."""
    known = {parameter.name: parameter for parameter in word.parameters}
    is_short = not isinstance(target, Mapping)
    given = _long_form(word, target)
    for name in given:
        if name not in known:
            raise FaultError((word.name, name), f"{word.name} has no {shown(name)}", advice(name, known))
    values = {}
    for name, value in given.items():
        path = (word.name,) if is_short else (word.name, name)
        values[known[name].field] = _read(known[name], value, path, regions)
    _check_complete(word, given)
    return values


def _long_form(word: FaultWord, target: object) -> dict[str, object]:
    if isinstance(target, Mapping):
        return {str(name): value for name, value in target.items()}
    if not word.short:
        raise FaultError((word.name,), f"{word.name} wants a mapping, found {shown(target)}", f"write {word.grammar}")
    return {word.short: target}


def _check_complete(word: FaultWord, given: Mapping[str, object]) -> None:
    for parameter in word.parameters:
        if parameter.is_required and parameter.name not in given:
            raise FaultError((word.name,), f"{word.name} wants '{parameter.name}'", f"write {word.grammar}")
    if word.wants_one_of and not any(name in given for name in word.wants_one_of):
        wanted = f"{', '.join(word.wants_one_of[:-1])} or {word.wants_one_of[-1]}"
        raise FaultError((word.name,), f"{word.name} wants {wanted}", f"write {word.grammar}")
    if given.get("one_way") and "between" not in given:
        raise FaultError((word.name, "one_way"), "one way of which link?", "add between: [FROM, TO]")


def _read(parameter: Parameter, value: object, path: Path, regions: Collection[str]) -> object:
    match parameter.kind:
        case Kind.REGION:
            return _region(value, path, regions)
        case Kind.TWO_REGIONS:
            return _two_regions(value, path, regions)
        case Kind.GROUPS:
            return _groups(value, path, regions)
        case Kind.PROBABILITY:
            return _told(parse_probability, value, path)
        case Kind.DURATION | Kind.SKEW:
            return _duration(value, path, is_signed=parameter.kind is Kind.SKEW)
        case Kind.FACTOR | Kind.COUNT:
            return _number(parameter, value, path)
        case Kind.FLAG:
            return _flag(parameter, value, path)
        case Kind.CHOICE | Kind.KEEPER:
            return (_choice if parameter.choices else _keeper)(parameter, value, path)
        case _:
            assert_never(parameter.kind)


def _told(read: Callable[[Any], object], value: object, path: Path) -> object:
    """What `read` makes of the value; its ValueError ("what; hint") told as a mistake at `path`."""
    try:
        return read(value)
    except ValueError as mistake:
        what, _, hint = str(mistake).partition("; ")
        raise FaultError(path, what, hint) from None


def _duration(value: object, path: Path, *, is_signed: bool) -> object:
    if not isinstance(value, str):
        raise FaultError(path, f"{shown(value)} is no duration", "write it like 250ms, 90s or 2h")
    text = value.removeprefix("+") if is_signed else value
    return _told(lambda written: parse_duration(written, is_signed=is_signed), text, path)


def _number(parameter: Parameter, value: object, path: Path) -> float:
    is_whole = parameter.kind is Kind.COUNT
    least, most = f"{parameter.least:g}", "" if parameter.most is None else f" to {parameter.most:g}"
    hint = f"write a{' whole' if is_whole else ''} number from {least}{most}"
    if isinstance(value, bool) or not isinstance(value, int if is_whole else int | float):
        raise FaultError(path, f"{parameter.name} cannot be {shown(value)}", hint)
    if not parameter.least <= value <= (math.inf if parameter.most is None else parameter.most):
        raise FaultError(path, f"{parameter.name} cannot be {shown(value)}", hint)
    return value if is_whole else float(value)


def _region(value: object, path: Path, regions: Collection[str]) -> str:
    if isinstance(value, str) and value in regions:
        return str(value)
    raise FaultError(path, f"{shown(value)} is not a Region here", advice(str(value), regions))


def _two_regions(value: object, path: Path, regions: Collection[str]) -> tuple[str, str]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise FaultError(path, f"wanted two Regions, found {shown(value)}", "write [us-east-1, eu-west-1]")
    first, second = (_region(region, (*path, index), regions) for index, region in enumerate(value))
    if first == second:
        raise FaultError((*path, 1), f"a link joins two Regions, '{first}' is both of them", "name another Region")
    return first, second


def _groups(value: object, path: Path, regions: Collection[str]) -> tuple[tuple[str, ...], ...]:
    example = "write [[us-east-1], [eu-west-1, eu-central-1]]"
    if not isinstance(value, list | tuple) or len(value) < 2:
        raise FaultError(path, f"wanted two or more groups of Regions, found {shown(value)}", example)
    seen: dict[str, int] = {}
    for number, group in enumerate(value):
        if not isinstance(group, list | tuple) or not group:
            raise FaultError((*path, number), f"a group is a list of Regions, this is {shown(group)}", example)
        for index, named in enumerate(group):
            region = _region(named, (*path, number, index), regions)
            if region in seen:
                raise FaultError((*path, number, index), f"'{region}' is in a group already", "name each Region once")
            seen[region] = number
    return tuple(tuple(group) for group in value)


def _flag(parameter: Parameter, value: object, path: Path) -> bool:
    if isinstance(value, bool):
        return value
    raise FaultError(path, f"{parameter.name} cannot be {shown(value)}", "write true or false")


def _keeper(parameter: Parameter, value: object, path: Path) -> str:
    """A name as CreateCustomKeyStore has it. That there is no such thing here is no mistake: it may come to be."""
    if isinstance(value, str) and value:
        return value
    raise FaultError(path, f"{parameter.name} cannot be {shown(value)}", f"write {_KEEPERS[parameter.name]}")


_KEEPERS: Mapping[str, str] = {
    "proxy": "its endpoint, https://keys.example.com, or that with its path",
    "cluster": "its id, like cluster-2a3b4c5d6e7",
    "service": "its name, like com.amazonaws.vpce.us-east-1.vpce-svc-0123456789",
}


def _choice(parameter: Parameter, value: object, path: Path) -> StrEnum:
    for choice in parameter.choices:
        if value == choice.value:
            return choice
    raise FaultError(path, f"{parameter.name} cannot be {shown(value)}", advice(str(value), parameter.choices))


def parse_probability(value: object) -> float:
    """A probability in 0..1 from a number or a text, `0.001`, `"0.1%"`.

    Errors: ValueError, "what was found; what to write".
    """
    hint = "write a share of one or a percentage, like 0.05 or 5%"
    if isinstance(value, str):
        found = _PROBABILITY.fullmatch(value)
        if found is None:
            raise ValueError(f"{shown(value)} is not a probability; {hint}")
        # Decimal, so that 0.7% and 0.007 are the same number: one scenario, one trace, however it is written.
        probability = float(Decimal(found[1]).scaleb(-2 if found[2] else 0))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        probability = value
    else:
        raise ValueError(f"{shown(value)} is not a probability; {hint}")
    if not 0 <= probability <= 1:
        raise ValueError(f"a probability is between 0 and 1 (0% and 100%), not {shown(value)}; {hint}")
    return float(probability)


def shown(value: object) -> str:
    """A value as found, short enough for one line."""
    if value is None:
        return "nothing"
    text = f"'{value}'" if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
