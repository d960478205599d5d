"""The tables of permissions agree with AWS's model and with one another."""

from __future__ import annotations

from botocore.session import get_session

from regionsim.authorization.actions import CROSS_ACCOUNT_ACTIONS, GRANT_OPERATIONS, KMS_ACTIONS
from regionsim.authorization.condition_keys import MULTI_VALUED, is_multi_valued, is_supplied


def test_every_operation_has_its_permission():
    """ReEncrypt is asked for as ReEncryptFrom and ReEncryptTo; SynchronizeMultiRegionKey is an internal permission."""
    operations = set(get_session().get_service_model("kms").operation_names)
    expected = (operations - {"ReEncrypt"}) | {"ReEncryptFrom", "ReEncryptTo", "SynchronizeMultiRegionKey"}
    assert {action.removeprefix("kms:") for action in KMS_ACTIONS} == expected


def test_grant_operations_are_those_of_the_model():
    assert set(get_session().get_service_model("kms").shape_for("GrantOperation").enum) == GRANT_OPERATIONS


def test_actions_usable_across_accounts_are_actions():
    assert {action.lower() for action in KMS_ACTIONS} >= CROSS_ACCOUNT_ACTIONS
    assert {f"kms:{operation}".lower() for operation in GRANT_OPERATIONS} <= CROSS_ACCOUNT_ACTIONS


def test_condition_keys():
    assert all(is_supplied(key) for key in MULTI_VALUED)
    assert is_supplied("kms:EncryptionContext:Anything")
    assert is_supplied("aws:ResourceTag/Team")
    assert not is_supplied("kms:EncryptionContexts")
    assert is_multi_valued("KMS:ResourceAliases")
    assert not is_multi_valued("kms:RequestAlias")
