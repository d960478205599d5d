"""Parts of answers, compared and shown."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from regionsim.scenario.answers import is_same, plain_answer, shown


def test_answers_become_dicts_and_lists():
    answer = MappingProxyType({"a": (1, MappingProxyType({"b": b"x"}))})
    assert plain_answer(answer) == {"a": [1, {"b": b"x"}]}
    assert type(plain_answer(answer)["a"]) is list
    assert plain_answer(None) is None


@pytest.mark.parametrize(
    ("actual", "wanted", "same"),
    [
        ("a", "a", True), ("a", "b", False), (None, None, True), (None, "a", False), (3, 3, True), (3, 3.0, True),
        (b"a", "a", True), (b"\xff", "base64:/w==", True), (b"a", "base64:?", False), (b"a", b"a", True),
        (True, True, True), (True, 1, False), (1, True, False), (False, None, False),
        ({"a": b"x"}, {"a": "x"}, True), ({"a": 1}, {"a": 1, "b": 2}, False), ([1, b"x"], [1, "x"], True), ([1], [1, 2], False),
    ],
)  # fmt: skip
def test_parts_compare_as_they_are_written(actual, wanted, same):
    assert is_same(actual, wanted) is same


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "nothing"), ("a", "'a'"), (True, "true"), (3, "3"), (b"word", "'word'"), (b"\x00\xff", "the bytes 00ff"),
     (bytes(100), "the bytes " + "00" * 24 + "..."), ([1, "a"], "'[1, 'a']'")],
)  # fmt: skip
def test_values_are_shown_in_messages(value, text):
    assert shown(value) == text
