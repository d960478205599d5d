"""YAML to nodes: the core schema, positions, and everything that is refused."""

from __future__ import annotations

import math

import pytest
import yaml

from regionsim.scenario import parse as parse_module
from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.nodes import MappingNode, ScalarNode, SequenceNode, kind_of, locate, plain
from regionsim.scenario.parse import MAXIMUM_DEPTH, MAXIMUM_VALUES, core_value, parse


@pytest.fixture(params=["scanner in C", "scanner in Python"], autouse=True)
def scanner(request, monkeypatch):
    monkeypatch.setattr(parse_module, "_LOADER", yaml.CLoader if request.param == "scanner in C" else yaml.Loader)


def refused(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        parse(text, "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("12", 12), ("-3", -3), ("+4", 4),
        ("0o17", 15), ("0xfF", 255), ("1.5", 1.5), (".5", 0.5), ("2.", 2.0), ("1e3", 1000.0), ("-.inf", -math.inf),
        # Numbers, dates and booleans of YAML 1.1, and nothing but text in 1.2:
        ("yes", "yes"), ("off", "off"), ("2012-10-17", "2012-10-17"), ("1:30:00", "1:30:00"), ("1_000", "1_000"),
        ("0b11", "0b11"), ("10m5s", "10m5s"), ("=", "="), ("9" * 400, "9" * 400),
    ],
)  # fmt: skip
def test_an_unquoted_scalar_is_what_the_core_schema_of_yaml_1_2_says(text, value):
    assert core_value(text) == value
    assert type(core_value(text)) is type(value)


def test_leading_zeros_are_decimal():
    assert core_value("0123") == 123


def test_not_a_number_is_one_float():
    assert math.isnan(core_value(".nan"))


def test_quoted_scalars_stay_text():
    root = parse("a: '12'\nb: \"true\"\nc: !!str 5\nd: |\n  7\n", "f.yaml")
    assert plain(root) == {"a": "12", "b": "true", "c": "5", "d": "7\n"}


def test_every_node_knows_its_place():
    root = parse("a:\n  - x\n  - {b: [1, 2]}\n", "f.yaml")
    assert (root.position.line, root.position.column) == (1, 1)
    place = locate(root, ("a", 1, "b", 1)).position
    assert (place.path, place.line, place.column) == ("f.yaml", 3, 13)


def test_columns_count_characters_not_bytes():
    root = parse("é: [ü, ö]\n", "f.yaml")
    assert locate(root, ("é", 1)).position.column == 8


def test_locating_stops_at_the_last_node_that_exists():
    root = parse("a: [1]\n", "f.yaml")
    assert plain(locate(root, ("a", 7, "b"))) == [1]
    assert locate(root, ("z",)) is root


def test_an_alias_is_the_node_of_its_anchor():
    root = parse("a: &x {k: 1}\nb: *x\nc: [*x, *x]\n", "f.yaml")
    assert plain(root) == {"a": {"k": 1}, "b": {"k": 1}, "c": [{"k": 1}, {"k": 1}]}
    assert root.get("b") is root.get("a")


def test_merge_keys_are_ordinary_keys():
    assert plain(parse("a: &x {k: 1}\nb: {<<: *x}\n", "f.yaml")) == {"a": {"k": 1}, "b": {"<<": {"k": 1}}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the key 'a' stands here twice; it was given in line 1 already"),
        ("{1: a, '1': b}", "f.yaml:1:8: the key '1' stands here twice"),
        ("a: &x [1, *x]\n", "f.yaml:1:11: the anchor 'x' contains itself"),
        ("a: &x {b: {c: *x}}\n", "f.yaml:1:15: the anchor 'x' contains itself"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document begins here"),
        ("a: !!python/object/apply:os.system [ls]\n", "f.yaml:1:4: the tag 'tag:yaml.org,2002:python/object/apply"),
        ("a: !secret x\n", "f.yaml:1:4: the tag '!secret' is not used in scenarios"),
        ("a: !!binary aGk=\n", "f.yaml:1:4: the tag 'tag:yaml.org,2002:binary' is not used in scenarios"),
        ("? [a, b]\n: 1\n", "f.yaml:1:3: a key must be a single word"),
        ("a: 1\n?\n: 2\n", "a key is missing"),
        ("a: [1, 2\nb: 3\n", "f.yaml:2:"),
        ("a: 'open\n", "f.yaml:2:1: not YAML: found unexpected end of stream"),
        ("\ta: 1\n", "f.yaml:1:1: not YAML:"),
        ("# nothing but a remark\n", "f.yaml:1:1: the file holds no value"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_at_its_place(text, told):
    assert told in refused(text)


def test_an_alias_of_nothing_is_refused():
    assert refused("a: *x\n").startswith("f.yaml:1:4: no")


def test_a_key_that_is_an_empty_text_is_a_key():
    assert plain(parse("'': 1\n", "f.yaml")) == {"": 1}


def test_nesting_is_bounded():
    deep = "[" * MAXIMUM_DEPTH + "]" * MAXIMUM_DEPTH
    assert parse(deep, "f.yaml").depth == MAXIMUM_DEPTH
    assert refused(f"[{deep}]") == f"f.yaml:1:{MAXIMUM_DEPTH + 1}: nested more than {MAXIMUM_DEPTH} deep"


def test_nesting_through_aliases_is_bounded():
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, MAXIMUM_DEPTH + 1)]
    assert "once this alias is written out" in refused("\n".join(lines))


def test_an_alias_bomb_is_refused_without_being_expanded():
    lines = ["a0: &a0 [" + "x, " * 9 + "x]"]
    lines += [f"a{n}: &a{n} [" + f"*a{n - 1}, " * 9 + f"*a{n - 1}]" for n in range(1, 12)]
    assert f"more than {MAXIMUM_VALUES:,} values" in refused("\n".join(lines))


def test_a_million_open_brackets_end_at_once():
    assert "nested more than" in refused("[" * 1_000_000)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[1]", "a list"),
        ("{a: 1}", "a mapping"),
        ("word", "text"),
        ("3", "a number"),
        ("true", "true or false"),
        ("~", "nothing"),
    ],
)
def test_messages_name_the_kind_of_a_node(text, kind):
    assert kind_of(parse(text, "f.yaml")) == kind


def test_nodes_are_of_their_classes():
    root = parse("a: [1]", "f.yaml")
    assert isinstance(root, MappingNode)
    assert isinstance(root.get("a"), SequenceNode)
    assert isinstance(root.entries["a"].key, ScalarNode)
    assert root.get("b") is None
