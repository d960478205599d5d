"""CBOR as attestation documents use it: examples of the standard, and anything else refused."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionsim.hsm.cbor import CborError, Tagged, decode, encode


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        ("00", 0),
        ("17", 23),
        ("1818", 24),
        ("1903e8", 1000),
        ("1bffffffffffffffff", 18446744073709551615),
        ("20", -1),
        ("3903e7", -1000),
        ("f4", False),
        ("f5", True),
        ("f6", None),
        ("4401020304", b"\x01\x02\x03\x04"),
        ("62c3bc", "\u00fc"),
        ("83010203", [1, 2, 3]),
        ("a201020304", {1: 2, 3: 4}),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
        ("c11a514b67b0", Tagged(1, 1363896240)),
    ],
)
def test_examples_of_the_standard(encoded: str, value: Any) -> None:
    assert decode(bytes.fromhex(encoded)) == value
    assert encode(value) == bytes.fromhex(encoded)


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "18",  # a number without its byte
        "4401",  # bytes that are not there
        "5f42010243030405ff",  # a length that is not said before
        "f90000",  # a fraction
        "f7",  # undefined
        "61ff",  # no UTF-8
        "0000",  # two values
        "8301",  # a list without its items
        "9bffffffffffffffff",  # one with more items than there are bytes
        "a10102" + "00",
        "a201020103",  # a key twice
        "a14001",  # bytes as a key
        "81" * 40 + "00",  # too deep
    ],
)
def test_anything_else_is_refused(encoded: str) -> None:
    with pytest.raises(CborError):
        decode(bytes.fromhex(encoded))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 99) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
def test_what_is_written_is_read(value: Any) -> None:
    assert decode(encode(value)) == value


@given(st.binary(max_size=80))
def test_no_bytes_do_anything_but_be_read_or_refused(encoded: bytes) -> None:
    with suppress(CborError):
        decode(encoded)
