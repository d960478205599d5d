"""No file over 500 lines, no function over 60: past that a thing holds more than one thing."""

from __future__ import annotations

import ast

import pytest

from tests.house.sources import CHECKOUT, definitions, product_files, syntax_tree

MOST_LINES_OF_A_FILE = 500
MOST_LINES_OF_A_FUNCTION = 60


@pytest.mark.parametrize("path", product_files(), ids=str)
def test_a_file_is_short(path):
    lines = (CHECKOUT / path).read_text(encoding="utf-8").count("\n")
    assert lines <= MOST_LINES_OF_A_FILE, f"{path} has {lines} lines: split it by what it decides"


@pytest.mark.parametrize("path", product_files(), ids=str)
def test_functions_are_short(path):
    long = {
        f"{path}:{node.lineno} {node.name}": length
        for node in definitions(syntax_tree(path))
        if not isinstance(node, ast.ClassDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    }
    assert long == {}


@pytest.mark.parametrize("path", product_files(), ids=str)
def test_a_file_says_what_it_holds(path):
    assert ast.get_docstring(syntax_tree(path)), f"{path} has no docstring"
