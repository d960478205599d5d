"""Failure files: a scenario with the seed, the versions and the checker that failed in its head, to be played again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from regionsim.names.mistakes import ConfigError
from regionsim.scenario.embedding import with_policies_embedded
from regionsim.scenario.nodes import MappingNode, plain
from regionsim.scenario.parse import parse
from regionsim.scenario.results import RunResult
from regionsim.scenario.source import read_source

_HEAD = ("seed", "versions", "failed")
_TOP_KEY = re.compile(r"[A-Za-z_]+ *:")


def failed_checker(result: RunResult) -> str:
    """What did not hold first: `step 3` or an invariant's name; empty when all held."""
    steps = [
        (step.at_ns, f"step {step.step}" if step.step else "workload")
        for step in result.expectations
        if not step.passed
    ]
    broken = [(known.at_ns or 0, known.name) for known in result.invariants if known.passed is False]
    return min([*steps, *broken])[1] if steps or broken else ""


def failure_text(scenario_path: str, result: RunResult, versions: Mapping[str, str]) -> str:
    """The failure file of a run that did not hold.

    The scenario stands in it as its author wrote it, comments included, behind a new head, with the policies that it
    keeps in files. Errors: ScenarioError when the scenario's file, or one of those, cannot be read any more.
    """
    text = read_source(Path(scenario_path), scenario_path)
    root = parse(text, scenario_path)
    assert isinstance(root, MappingNode), "it was played"
    text = with_policies_embedded(text, root)
    root = parse(text, scenario_path)
    assert isinstance(root, MappingNode), "it is the same scenario"
    head = [
        f"seed: {result.seed}",
        f"versions: {json.dumps(dict(versions))}",
        f"failed: {json.dumps(failed_checker(result))}",
    ]
    body = _without_head(text, root)
    if body is None:  # written as one {...}: a head cannot stand above that
        held = {name: value for name, value in plain(root).items() if name not in _HEAD}
        body = yaml.safe_dump(held, sort_keys=False, allow_unicode=True)
    return "\n".join(head) + "\n" + body


def write_failure(where: str, scenario_path: str, result: RunResult, versions: Mapping[str, str]) -> None:
    """Write the failure file. Errors: ConfigError."""
    try:
        Path(where).write_text(failure_text(scenario_path, result, versions), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the failure file cannot be written to '{where}': {error.strerror}") from None


def _without_head(text: str, root: MappingNode) -> str | None:
    """The text without the keys of an earlier head; None when its keys do not begin lines."""
    lines = text.splitlines(keepends=True)
    starts = sorted((entry.key.position.line - 1, name) for name, entry in root.entries.items())
    if any(not _TOP_KEY.match(lines[line]) for line, _ in starts) or len({line for line, _ in starts}) < len(starts):
        return None
    ends = [*(line for line, _ in starts[1:]), len(lines)]
    dropped: set[int] = set()
    for (line, name), end in zip(starts, ends, strict=True):
        if name in _HEAD:
            while end - 1 > line and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
                end -= 1  # noqa: PLW2901 - what stands before the next key is that key's
            dropped.update(range(line, end))
    return "".join(line for number, line in enumerate(lines) if number not in dropped and line.rstrip() != "---")
