"""Each numbered rule of KMS has tests, and they are there."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from tests.house.rules_by_number import RULES
from tests.house.sources import CHECKOUT


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((CHECKOUT / "tests" / file).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


def test_no_number_is_missing() -> None:
    assert list(RULES) == list(range(1, 55))


@pytest.mark.parametrize("number", RULES)
def test_a_rule_is_held_by_tests_that_exist(number: int) -> None:
    rule, tests = RULES[number]
    assert rule
    assert tests
    for test in tests:
        file, _, name = test.partition("::")
        assert name in names_in(file), test
