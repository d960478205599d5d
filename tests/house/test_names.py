"""Names say what a thing is: words that fit everything are not used for modules, classes and functions."""

from __future__ import annotations

import re

import pytest

from tests.house.sources import definitions, product_rooms, syntax_tree

EMPTY_WORDS = {
    "manager", "managers", "helper", "helpers", "util", "utils", "utility", "utilities", "common", "data", "info",
    "process", "misc", "stuff",
}  # fmt: skip
OTHERS_WORDS = {
    "cmk": "KMS key",
    "kek": "domain key",
    "dek": "data key",
    "master": "primary, or KMS key",
    "slave": "replica",
    "netsplit": "partition",
}
MEANT = ("data_key", "data_loss", "data_folder", "data_plane", "data_received")
"""Terms of AWS, of the interface, and of asyncio's protocols, in which an empty word has a meaning."""


def words(name: str) -> set[str]:
    """`GenerateDataKeyPair` and `generate_data_key_pair` are both generate, (data key), pair."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    for term in MEANT:
        snake = snake.replace(term, "")
    return set(snake.split("_"))


@pytest.mark.parametrize("room", product_rooms())
def test_names_use_the_houses_words(room):
    for path in product_rooms()[room]:
        names = [*path.with_suffix("").parts, *(node.name for node in definitions(syntax_tree(path)))]
        found = {name: words(name) & (EMPTY_WORDS | OTHERS_WORDS.keys()) for name in names}
        assert {name: bad for name, bad in found.items() if bad} == {}, str(path)


@pytest.mark.parametrize("name", ["KeyManager", "key_utils", "process_call", "RegionData", "MasterKey", "HTTPInfo"])
def test_the_scan_finds_an_empty_word(name):
    assert words(name) & (EMPTY_WORDS | OTHERS_WORDS.keys())


@pytest.mark.parametrize("name", ["GenerateDataKeyPair", "region_data_loss", "processes", "database_row", "informed"])
def test_the_scan_lets_meant_words_be(name):
    assert not words(name) & (EMPTY_WORDS | OTHERS_WORDS.keys())
