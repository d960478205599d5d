"""A table that restates AWS says where it comes from."""

from __future__ import annotations

import re

import pytest

from tests.house.sources import CHECKOUT

TABLES = (
    "regionsim/kms/errors.py",
    "regionsim/kms/key_specs.py",
    "regionsim/kms/key_states.py",
    "regionsim/kms/quotas.py",
    "regionsim/names/regions.py",
    "regionsim/network/latencies.py",
    "regionsim/hsm/profiles.py",
)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_tells_its_source(name):
    told = re.findall(r"\bSource: *(\S.*)", (CHECKOUT / name).read_text(encoding="utf-8"))
    assert told, f"{name} has no `Source:` line"
