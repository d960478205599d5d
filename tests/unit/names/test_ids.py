from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionsim.names.ids import (
    is_account_id,
    is_key_id,
    is_material_id,
    is_multi_region_key_id,
    key_id_bytes,
    new_key_id,
    new_uuid,
)

SIXTEEN = st.binary(min_size=16, max_size=16)


@given(SIXTEEN, st.booleans())
def test_a_new_key_id_is_well_formed_and_of_its_kind(raw, multi_region):
    key_id = new_key_id(raw, multi_region=multi_region)
    assert is_key_id(key_id)
    assert is_multi_region_key_id(key_id) == multi_region


@given(SIXTEEN, st.booleans())
def test_a_key_id_is_a_version_4_uuid_and_its_bytes_give_it_back(raw, multi_region):
    key_id = new_key_id(raw, multi_region=multi_region)
    assert uuid.UUID(bytes=key_id_bytes(key_id)).version == 4
    assert new_key_id(key_id_bytes(key_id), multi_region=multi_region) == key_id


@given(SIXTEEN)
def test_both_kinds_of_id_hold_the_same_bytes(raw):
    assert key_id_bytes(new_key_id(raw, multi_region=True)) == key_id_bytes(new_key_id(raw, multi_region=False))


def test_ids_have_awss_forms():
    raw = bytes(range(16))
    assert new_key_id(raw, multi_region=False) == new_uuid(raw) == "00010203-0405-4607-8809-0a0b0c0d0e0f"
    assert new_key_id(raw, multi_region=True) == "mrk-00010203040546078809" + "0a0b0c0d0e0f"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mrk-fake-key-id",
        "1234abcd12ab34cd56ef1234567890ab",
        "1234ABCD-12ab-34cd-56ef-1234567890ab",
        "1234abcd-12ab-34cd-56ef-1234567890ab\n",
        "mrk-1234ABCD12ab34cd56ef1234567890ab",
        "mrk-1234abcd12ab34cd56ef1234567890abc",
        "alias/orders",
    ],
)
def test_what_is_no_key_id(text):
    assert not is_key_id(text)
    assert not is_multi_region_key_id(text)


def test_material_ids_are_64_lower_case_hexadecimal_digits():
    assert is_material_id("0f" * 32)
    assert not any(map(is_material_id, ["", "0f" * 31, "0F" * 32, "0f" * 32 + "\n", "0g" * 32]))


def test_account_ids_are_twelve_digits():
    assert is_account_id("111122223333")
    assert not any(map(is_account_id, ["", "11112222333", "1111222233334", "11112222333x", "111122223333\n"]))
