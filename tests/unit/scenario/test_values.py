"""Saved names in values: found at load, filled in at play."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.nodes import Position, ScalarNode
from regionsim.scenario.values import (
    AsBlob,
    AsJson,
    Interpolation,
    MissingNameError,
    Names,
    Reference,
    blob,
    fill_in,
    is_literal,
    text_tree,
)

HERE = Position(path="f.yaml", line=4, column=9)
THERE = Position(path="f.yaml", line=8, column=1)


def tree(text: str, **names: Position):
    node = ScalarNode(position=HERE, value=text, text=text, is_quoted=True)
    return text_tree(node, Names(defined={"key": THERE, "a-b": THERE}, later={"late": THERE}))


def refused(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        tree(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain", "plain"),
        ("", ""),
        ("$key", Reference(name="key")),
        ("$a-b", Reference(name="a-b")),
        ("$$key", "$key"),
        ("5$$", "5$"),
        ("${aws:username}", "${aws:username}"),
        ("x/${aws:userid}/$$", "x/${aws:userid}/$"),
        ("alias/$(key)", Interpolation(parts=("alias/", Reference(name="key")))),
        ("$(key)", Interpolation(parts=(Reference(name="key"),))),
        ("$(key)$(a-b)/", Interpolation(parts=(Reference(name="key"), Reference(name="a-b"), "/"))),
    ],
)
def test_the_four_meanings_of_a_dollar(text, wanted):
    assert tree(text) == wanted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("$ky", "f.yaml:4:9: no step saves '$ky'; did you mean 'key'?"),
        ("$late", "f.yaml:4:9: no step before this one saves '$late'; it is saved later, in line 8"),
        ("alias/$key", "a lone $ in 'alias/$key'; a saved value inside text is $(name), a dollar is $$"),
        ("$", "a lone $ in '$'"),
        ("$()", "'$()' names nothing; inside text write $(name)"),
        ("$(key", "a lone $"),
        ("$(no such)", "'$(no such)' names nothing"),
    ],
)
def test_what_means_nothing_is_refused(text, told):
    assert told in refused(text)


def test_without_any_saved_name_the_advice_is_to_save_one():
    node = ScalarNode(position=HERE, value="$x", text="$x", is_quoted=False)
    with pytest.raises(ScenarioError, match=r"save it with save: \{x: <path>\}"):
        text_tree(node, Names())


def test_names_are_filled_in_wherever_they_stand():
    saved = {"key": "k-1", "blob": b"\x00\xff", "count": 3, "tags": [{"a": 1}]}
    reference = {name: Reference(name=name) for name in saved}
    held = {
        "KeyId": reference["key"],
        "Alias": Interpolation(parts=("alias/", reference["key"], "-", reference["count"], "-", reference["blob"])),
        "Plain": [1, None, "x", reference["tags"]],
        "Blob": AsBlob(of=reference["blob"]),
        "Text": AsBlob(of=Interpolation(parts=("<", reference["key"], ">"))),
        "Policy": AsJson(of={"Resource": [reference["key"], "${aws:userid}"]}),
    }
    assert not is_literal(held)
    filled = fill_in(held, saved)
    assert filled["KeyId"] == "k-1"
    assert filled["Alias"] == "alias/k-1-3-AP8="
    assert filled["Plain"] == [1, None, "x", [{"a": 1}]]
    assert filled["Blob"] == b"\x00\xff"
    assert filled["Text"] == b"<k-1>"
    assert json.loads(filled["Policy"]) == {"Resource": ["k-1", "${aws:userid}"]}
    assert is_literal(filled)


def test_a_name_without_a_value_is_told():
    with pytest.raises(MissingNameError) as caught:
        fill_in({"a": [AsBlob(of=Reference(name="gone"))]}, {"key": 1})
    assert caught.value.name == "gone"


def test_blobs_are_plain_text_or_base64():
    assert blob("grüße") == "grüße".encode()
    assert blob("base64:AP8=") == b"\x00\xff"
    assert fill_in(AsBlob(of=Reference(name="x")), {"x": "base64:AP8="}) == b"\x00\xff"
    with pytest.raises(ValueError, match="not base64"):
        blob("base64:?")


@given(st.text(st.characters(exclude_characters="$", codec="utf-8")))
def test_text_without_a_dollar_is_itself(text):
    assert tree(text) == text


@given(st.text(st.sampled_from("$(){}ak-ey "), max_size=20))
def test_any_text_is_read_or_refused_and_never_fails_otherwise(text):
    try:
        found = tree(text)
    except ScenarioError:
        return
    filled = fill_in(found, {"key": "K", "a-b": "AB"})
    assert isinstance(filled, str)
