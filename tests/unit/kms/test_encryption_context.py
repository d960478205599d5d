"""The canonical bytes of an encryption context, against its layout, its limit and text that has no UTF-8 form."""

import pytest

from regionsim.kms.encryption_context import MAX_CANONICAL_BYTES, canonical
from regionsim.kms.errors import ValidationException


def test_no_pairs_are_a_count_of_zero() -> None:
    assert canonical({}) == b"\0\0"


def test_pairs_stand_behind_their_lengths_in_the_order_of_their_names() -> None:
    assert canonical({"b": "xyz", "a": ""}) == b"\0\2" + b"\0\1a" + b"\0\0" + b"\0\1b" + b"\0\3xyz"


def test_names_are_sorted_by_their_utf_8_bytes_not_by_their_code_units() -> None:
    # U+10000 sorts before U+FFFF by UTF-16 code units and after it by UTF-8 bytes.
    assert canonical({"\U00010000": "", "\uffff": ""}).index("\uffff".encode()) == 4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "bc"}, {"ab": "c"}),
        ({"a": "b"}, {"A": "b"}),
        ({"a": "b"}, {"b": "a"}),
        ({"a": "b", "c": "d"}, {"a": "b\0\1c\0\1d"}),
        ({"a": ""}, {}),
        ({"é": ""}, {"e\u0301": ""}),
    ],
)
def test_different_contexts_have_different_bytes(one: dict[str, str], other: dict[str, str]) -> None:
    assert canonical(one) != canonical(other)


def test_the_limit_is_on_the_canonical_bytes() -> None:
    fitting = {"n": "v" * (MAX_CANONICAL_BYTES - 7)}
    assert len(canonical(fitting)) == MAX_CANONICAL_BYTES
    with pytest.raises(ValidationException, match="must not exceed 8192 bytes"):
        canonical({"n": fitting["n"] + "v"})
    with pytest.raises(ValidationException):
        canonical({str(number): "" for number in range(3000)})


@pytest.mark.parametrize("context", [{"\ud800": "v"}, {"n": "\udfff"}])
def test_half_a_surrogate_pair_is_refused(context: dict[str, str]) -> None:
    with pytest.raises(ValidationException, match="well-formed Unicode"):
        canonical(context)
