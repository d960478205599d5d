"""Tags: duplicates, reserved names, how many."""

from __future__ import annotations

import pytest

from regionsim.kms.errors import TagException
from regionsim.kms.tags import checked_tags, wire_tags


def tags(*names: str) -> list[dict[str, str]]:
    return [{"TagKey": name, "TagValue": f"value of {name}"} for name in names]


def refusal(*names: str) -> str:
    with pytest.raises(TagException) as caught:
        checked_tags(tags(*names))
    return caught.value.message


def test_tags_keep_their_order_and_go_back_to_the_wire() -> None:
    assert checked_tags(tags("b", "a")) == (("b", "value of b"), ("a", "value of a"))
    assert wire_tags(checked_tags(tags("b", "a"))) == tags("b", "a")


def test_names_are_case_sensitive() -> None:
    assert len(checked_tags(tags("Team", "team"))) == 2


def test_a_name_twice() -> None:
    assert refusal("a", "b", "a") == "Duplicate tag keys"


@pytest.mark.parametrize("name", ["aws:x", "AWS:x", "aWs:", "Aws:cloudformation:stack-id"])
def test_names_that_aws_keeps_for_itself(name: str) -> None:
    assert refusal("ok", name) == "Tags beginning with aws: are reserved"


@pytest.mark.parametrize("name", ["aws", "awsx", " aws:x", "x-aws:y"])
def test_names_that_only_look_like_it(name: str) -> None:
    assert checked_tags(tags(name))


def test_fifty_and_one_more() -> None:
    assert len(checked_tags(tags(*map(str, range(50))))) == 50
    assert refusal(*map(str, range(51))) == "Too many tags"


def test_an_empty_value_is_a_value() -> None:
    assert checked_tags([{"TagKey": "a", "TagValue": ""}]) == (("a", ""),)
