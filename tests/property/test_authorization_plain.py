"""The engine against a second opinion on generated cases: every layer, every operator, every kind of caller."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from regionsim.authorization.cases import explain_case
from regionsim.authorization.decide import decide
from regionsim.authorization.grants import Grant, GrantIndex
from tests.property import plain_decision
from tests.property.plain_cases import CONDITIONS, Draw

HERE = Path(__file__).parent


def disagreements(cases: list[dict[str, Any]], verdicts: Counter[str]) -> list[str]:
    found = []
    for number, case in enumerate(cases):
        wanted = plain_decision.verdict(case)
        verdicts[wanted] += 1
        told = explain_case(case)
        grants = GrantIndex(each for each in told.policies.grants if isinstance(each, Grant))
        indexed = decide(told.request, replace(told.policies, grants=grants))
        if not told.decision.outcome.value == indexed.outcome.value == wanted:
            found.append(f"case {number}: {wanted}, but {told.decision.outcome} ({told.decision.code}): {case}")
    return found


def test_three_thousand_cases_agree():
    verdicts: Counter[str] = Counter()
    assert disagreements(list(Draw(1).cases(3000)), verdicts)[:3] == []
    assert min(verdicts.values()) > 100, "each verdict is met often"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_twenty_thousand_more_cases_agree(seed):
    assert disagreements(list(Draw(seed).cases(2000)), Counter())[:3] == []


def test_the_second_opinion_knows_nothing_of_the_product():
    for name in ("plain_decision", "plain_cases"):
        tree = ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))
        imported = [
            node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom | ast.Import)
        ]
        assert imported
        assert not [module for module in imported if module.startswith(("regionsim", "tests"))]


def test_every_operator_is_met():
    from regionsim.authorization.operators import OPERATORS

    met = {operator.lower() for _, operators, _ in CONDITIONS for operator in operators}
    assert met | {"null"} == set(OPERATORS)
