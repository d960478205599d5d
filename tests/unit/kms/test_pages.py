"""Pages of lists: any walk covers each item once; what was not given out as a marker is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionsim.kms.aws_keys import PREDEFINED
from regionsim.kms.errors import InvalidMarkerException
from regionsim.kms.operations.aliases import ListAliases, ListAliasesRequest
from regionsim.kms.operations.lifecycle import ListKeys, ListKeysRequest
from regionsim.kms.pages import page, read_marker
from regionsim.kms.plan import Call, Outcome, View
from regionsim.kms.shapes import problems
from regionsim.kms.state import RegionState
from regionsim.kms.writes import PutAlias, PutKey
from tests.unit.kms.keys import AWAY, HERE, KEY_ID, NOW_NS, a_key, an_alias, caller, directory, key_id_of, state_with

LIMITS = st.lists(st.integers(1, 1000), min_size=1, max_size=5)


def answered(operation: Any, request: Any, state: RegionState, name: str) -> dict[str, Any]:
    view = View(state=state, directory=directory(), now_ns=NOW_NS, regions=(HERE,))
    call = Call(operation=name, parameters={}, caller=caller(), request_id="r")
    outcome: Outcome = operation.answer(operation.plan(view, call, request), None)
    assert outcome.response is not None
    return dict(outcome.response)


def walked(operation: Any, request_type: Any, state: RegionState, limits: list[int], result_key: str) -> list[Any]:
    """All entries of a walk whose pages have the limits given, over and over."""
    entries, marker, number = [], None, 0
    while True:
        limit = limits[number % len(limits)]
        response = answered(operation, request_type(limit=limit, marker=marker), state, operation.name)
        assert len(response[result_key]) <= limit
        assert ("NextMarker" in response) == response["Truncated"]
        entries += response[result_key]
        if not response["Truncated"]:
            return entries
        assert response[result_key], "a page that is not the last brings something"
        marker, number = response["NextMarker"], number + 1
        assert not problems(operation.name, {"Marker": marker})


@given(count=st.integers(0, 30), limits=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_a_walk_over_keys_covers_each_of_the_account_once(count: int, limits: list[int]) -> None:
    own = [key_id_of(number * 7919 % 1009) for number in range(count)]
    foreign = [key_id_of(5000 + number) for number in range(3)]
    state = state_with(
        *(PutKey(key=a_key(key_id)) for key_id in own), *(PutKey(key=a_key(key_id, account=AWAY)) for key_id in foreign)
    )
    entries = walked(ListKeys(), ListKeysRequest, state, limits, "Keys")
    assert sorted(entry["KeyId"] for entry in entries) == sorted(own)
    assert all(entry["KeyArn"] == a_key(entry["KeyId"]).arn for entry in entries)


@given(names=st.sets(st.from_regex(r"alias/[A-Za-z0-9/_-]{1,12}", fullmatch=True), max_size=20), limits=LIMITS)
def test_a_walk_over_aliases_covers_each_once(names: set[str], limits: list[int]) -> None:
    state = state_with(PutKey(key=a_key()), *(PutAlias(alias=an_alias(name)) for name in names))
    entries = walked(ListAliases(), ListAliasesRequest, state, limits, "Aliases")
    assert [entry["AliasName"] for entry in entries] == sorted({*names, *PREDEFINED})


@given(limits=LIMITS, count=st.integers(0, 12))
def test_a_walk_over_one_key_s_aliases_covers_those_alone(limits: list[int], count: int) -> None:
    other = key_id_of(1)
    state = state_with(
        PutKey(key=a_key()),
        PutKey(key=a_key(other)),
        *(PutAlias(alias=an_alias(f"alias/{number:02}", KEY_ID if number % 2 else other)) for number in range(count)),
    )

    def of_one(**given: Any) -> ListAliasesRequest:
        return ListAliasesRequest(key_id=KEY_ID, **given)

    entries = walked(ListAliases(), of_one, state, limits, "Aliases")
    assert [entry["AliasName"] for entry in entries] == [f"alias/{number:02}" for number in range(1, count, 2)]


def test_a_walk_goes_on_when_the_marked_item_is_gone() -> None:
    state = state_with(*(PutKey(key=a_key(key_id_of(number))) for number in (1, 3)))
    after = answered(ListKeys(), ListKeysRequest(limit=1), state, "ListKeys")["NextMarker"]
    assert read_marker(after) == key_id_of(1)
    later = state_with(*(PutKey(key=a_key(key_id_of(number))) for number in (2, 3)))
    response = answered(ListKeys(), ListKeysRequest(marker=after), later, "ListKeys")
    assert [entry["KeyId"] for entry in response["Keys"]] == [key_id_of(2), key_id_of(3)]


def test_pages_of_aliases_hold_50_unless_told_and_100_at_most() -> None:
    state = state_with(PutKey(key=a_key()), *(PutAlias(alias=an_alias(f"alias/{n:03}")) for n in range(120)))
    sizes = [
        len(answered(ListAliases(), request, state, "ListAliases")["Aliases"])
        for request in (ListAliasesRequest(), ListAliasesRequest(limit=100), ListAliasesRequest(limit=1000))
    ]
    assert sizes == [50, 100, 100]


def test_pages_of_keys_hold_100_unless_told() -> None:
    state = state_with(*(PutKey(key=a_key(key_id_of(number))) for number in range(130)))
    assert len(answered(ListKeys(), ListKeysRequest(), state, "ListKeys")["Keys"]) == 100
    assert len(answered(ListKeys(), ListKeysRequest(limit=1000), state, "ListKeys")["Keys"]) == 130


@given(st.text(max_size=300))
def test_a_marker_gives_back_the_name_it_was_made_of(name: str) -> None:
    assert read_marker(page("Keys", [{}], name)["NextMarker"]) == name


def test_the_last_page_has_no_marker() -> None:
    assert page("Keys", [{"KeyId": "x"}], None) == {"Keys": [{"KeyId": "x"}], "Truncated": False}
    assert read_marker(None) is None


def encoded(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "marker",
    [
        "",
        "nonsense",
        "é",
        "AAAA",
        "\u00ff" * 8,
        base64.b64encode(b"\xff\xfe{").decode(),
        base64.b64encode(b"[" * 700).decode(),
        encoded("alias/x"),
        encoded(["b"]),
        encoded({"b": 1}),
        encoded({"b": None}),
        encoded({"grantId": "x"}),
        encoded({"b": "x", "c": "y"}),
        encoded({"b": "x"}) + " ",
        encoded({"b": "x"}).rstrip("="),
    ],
)
def test_what_was_not_given_out_is_refused(marker: str) -> None:
    with pytest.raises(InvalidMarkerException):
        read_marker(marker)


@given(st.text(max_size=60))
def test_any_text_is_a_marker_or_refused(marker: str) -> None:
    try:
        name = read_marker(marker)
    except InvalidMarkerException:
        return
    assert isinstance(name, str)
