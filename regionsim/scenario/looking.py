"""`expect_state` at play: what a key is in a Region, as the Region itself knows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from regionsim.kms.key import KmsKey
from regionsim.kms.metadata import key_metadata
from regionsim.names.arns import Arn
from regionsim.names.ids import ALIAS_PREFIX
from regionsim.region.region import Region
from regionsim.scenario.answers import plain_answer, shown, unmet
from regionsim.scenario.errors import quoted
from regionsim.scenario.model import ExpectStateStep
from regionsim.scenario.numbers import look_at
from regionsim.scenario.values import fill_in
from regionsim.scenario.wording import tree_in_words
from regionsim.simulation.simulation import Simulation


def look(
    step: ExpectStateStep, simulation: Simulation, saved: Mapping[str, Any], named: Callable[[str], str]
) -> tuple[str, str]:
    """What does not hold (empty: all does), and what was seen, in words (empty: nothing).

    Errors: MissingNameError.
    """
    region = simulation.regions[step.region]
    if not region.is_up:
        return f"{step.region} is down: nobody can look at its keys", ""
    accounts = tuple(simulation.world.directory.accounts)
    if step.over is None:
        return _look_once(step, region, accounts, saved, named)
    problems, alike = [], set()
    for number in range(1, step.over + 1):
        problem, words = _look_once(look_at(step, number), region, accounts, saved, named)
        alike.add(words.partition(": ")[2])
        if problem:
            problems.append(f"{number}: {problem}")
    told = next(iter(alike)) if len(alike) == 1 else f"{len(problems):,} of {step.over:,} otherwise"
    return failures(problems, step.over), f"{tree_in_words(step.key)}: {told} ({step.over:,} keys)"


def failures(problems: list[str], count: int) -> str:
    """What went wrong with some of many, the first three in words; empty when nothing did."""
    if not problems:
        return ""
    more = "; ..." if len(problems) > 3 else ""
    return f"{len(problems):,} of {count:,} were otherwise: {'; '.join(problems[:3])}{more}"


def _look_once(
    step: ExpectStateStep,
    region: Region,
    accounts: tuple[str, ...],
    saved: Mapping[str, Any],
    named: Callable[[str], str],
) -> tuple[str, str]:
    text = str(fill_in(step.key, saved))
    key = _key(text, region, accounts)
    shown_key = text if _is_alias(text) else named(_key_id(text))
    if key is None:
        return f"{step.region} has no key {shown_key}", ""
    rotations = key.shared.rotation_count
    problems = []
    if step.rotations is not None and rotations != step.rotations:
        problems.append(f"rotations: wanted {step.rotations}, got {rotations}")
    metadata = plain_answer(key_metadata(key))
    problems.append(unmet(step.expectations, metadata, saved))
    facts = [] if step.rotations is None else [f"rotations {rotations}"]
    facts += [f"{held.path.text} {_plain(held.path.find(metadata))}" for held in step.expectations]
    return "; ".join(problem for problem in problems if problem), f"{shown_key}: {', '.join(facts)}"


def _key(text: str, region: Region, accounts: tuple[str, ...]) -> KmsKey | None:
    """The key of an id, an ARN, an alias (of the first account) or an alias's ARN.

    Errors: ValueError for an alias that is not there.
    """
    if not _is_alias(text):
        return region.state.key(_key_id(text))
    arn = Arn.parse(text)
    account, name = (accounts[0], text) if arn is None else (arn.account, arn.resource)
    alias = region.state.alias(account, name)
    if alias is None:
        raise ValueError(f"{region.name} has no alias {quoted(name)} of account {account}")
    return region.state.key(alias.target_key_id)


def _is_alias(text: str) -> bool:
    arn = Arn.parse(text)
    return (text if arn is None else arn.resource).startswith(ALIAS_PREFIX)


def _key_id(text: str) -> str:
    """The id in a key's id or ARN."""
    arn = Arn.parse(text)
    return text if arn is None else arn.resource.removeprefix("key/")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else shown(value)
