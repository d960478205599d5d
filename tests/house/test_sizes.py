"""No file over 500 lines, no function over 60: past that a thing holds more than one thing."""

from __future__ import annotations

import ast

import pytest

from tests.house.sources import CHECKOUT, definitions, product_rooms, syntax_tree

MOST_LINES_OF_A_FILE = 500
MOST_LINES_OF_A_FUNCTION = 60


@pytest.mark.parametrize("room", product_rooms())
def test_files_are_short(room):
    lines = {str(path): (CHECKOUT / path).read_text(encoding="utf-8").count("\n") for path in product_rooms()[room]}
    long = {path: count for path, count in lines.items() if count > MOST_LINES_OF_A_FILE}
    assert long == {}, "split it by what it decides"


@pytest.mark.parametrize("room", product_rooms())
def test_functions_are_short(room):
    long = {
        f"{path}:{node.lineno} {node.name}": length
        for path in product_rooms()[room]
        for node in definitions(syntax_tree(path))
        if not isinstance(node, ast.ClassDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    }
    assert long == {}


@pytest.mark.parametrize("room", product_rooms())
def test_a_file_says_what_it_holds(room):
    silent = [str(path) for path in product_rooms()[room] if not ast.get_docstring(syntax_tree(path))]
    assert silent == [], "it has no docstring"
