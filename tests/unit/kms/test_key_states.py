"""The key-state table, cell by cell, against AWS's as the test has it."""

from __future__ import annotations

import pytest

from regionsim.kms.errors import KmsError
from regionsim.kms.key import KeyState, Origin
from regionsim.kms.key_states import TABLE, require_state
from regionsim.kms.model import model
from tests.unit.kms.key_state_guide import CELLS, origin_in, wanted
from tests.unit.kms.keys import a_key

KEYLESS = {
    "ConnectCustomKeyStore", "CreateCustomKeyStore", "CreateKey", "DeleteCustomKeyStore", "DescribeCustomKeyStores",
    "DisconnectCustomKeyStore", "GenerateRandom", "ListKeys", "ListRetirableGrants", "UpdateCustomKeyStore",
}  # fmt: skip


def said(operation: str, state: str, origin: str) -> str:
    key = a_key(state=KeyState(state), origin=Origin(origin))
    try:
        require_state(operation, key)
    except KmsError as refusal:
        return f"{refusal.code}: {refusal.message}"
    return "ok"


@pytest.mark.parametrize(("operation", "state"), CELLS)
def test_a_cell_says_what_the_guide_says(operation: str, state: str) -> None:
    origin = origin_in(state)
    assert said(operation, state, origin) == wanted(operation, state, arn=a_key().arn, origin=origin)


def test_the_table_has_the_guide_s_cells_and_no_others() -> None:
    assert {(operation, state.value) for operation, state in TABLE} == set(CELLS)


def test_every_operation_of_the_model_is_in_the_table_or_concerns_no_key() -> None:
    assert {operation for operation, _ in TABLE} == set(model().operations) - KEYLESS
    assert set(model().operations) >= KEYLESS


def test_every_state_of_the_model_is_a_column() -> None:
    assert {state.value for _, state in TABLE} == set(model().shapes["KeyState"].enum)


def test_what_is_not_in_the_table_is_a_bug_and_not_allowed() -> None:
    with pytest.raises(KeyError):
        require_state("CreateKey", a_key())
