"""Levels of service control policies, and what an account's membership says."""

from __future__ import annotations

import pytest

from regionsim.accounts.changes import IAM_ACTIONS, IamChange
from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Account, NamedPolicy, User
from regionsim.accounts.organization import FULL_ACCESS, full_access, level_of, organization_values
from regionsim.authorization.policy import PolicyKind, parse_policy
from regionsim.names.mistakes import ConfigError

HOME = "111122223333"


def scp(name: str, effect: str = "Deny") -> NamedPolicy:
    statement = {"Effect": effect, "Action": "kms:Decrypt", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": statement}
    return NamedPolicy(name=name, policy=parse_policy(document, kind=PolicyKind.SCP))


def test_what_only_denies_stands_beside_full_access_and_an_allow_stands_instead_of_it():
    assert [named.name for named in level_of((scp("no"),))] == [FULL_ACCESS, "no"]
    assert [named.name for named in level_of((scp("yes", "Allow"), scp("no")))] == ["yes", "no"]
    assert [named.name for named in level_of(())] == [FULL_ACCESS]


def changed(directory: Directory, action: str, name: str, policy: NamedPolicy | None = None) -> Directory:
    change = IamChange(
        action=IAM_ACTIONS[action],
        account=HOME,
        subject=HOME,
        name=name,
        policy=None if policy is None else policy.policy,
    )
    return change.applied_to(directory)


def names(directory: Directory) -> list[list[str]]:
    return [[named.name for named in level] for level in directory.accounts[HOME].scps]


def test_an_scp_is_attached_to_the_account_s_own_level():
    levels = ((full_access(),), (full_access(),))
    directory = Directory(accounts={HOME: Account(account_id=HOME, scps=levels)})
    attached = changed(directory, "attach_scp", "freeze", scp("freeze"))
    assert names(attached) == [[FULL_ACCESS], [FULL_ACCESS, "freeze"]]
    listed = changed(changed(attached, "detach_scp", FULL_ACCESS), "attach_scp", "freeze", scp("freeze", "Allow"))
    assert names(listed) == [[FULL_ACCESS], ["freeze"]]
    with pytest.raises(ConfigError, match="'freeze' is the last policy"):
        changed(listed, "detach_scp", "freeze")


def test_an_account_without_levels_begins_with_full_access():
    directory = Directory(accounts={HOME: Account(account_id=HOME)})
    assert names(changed(directory, "attach_scp", "freeze", scp("freeze"))) == [[FULL_ACCESS, "freeze"]]


def test_the_management_account_is_bound_by_none():
    users = {"alice": User(name="alice")}
    member = Account(account_id=HOME, users=users, scps=((full_access(),), (scp("no"),)))
    for is_management, count in ((False, 2), (True, 0)):
        account = Account(account_id=HOME, users=users, scps=member.scps, is_management=is_management)
        directory = Directory(accounts={HOME: account})
        assert len(directory.service_control_policies(directory.principal(HOME, "alice"))) == count


def test_membership_gives_condition_values():
    account = Account(account_id=HOME, organization_id="o-1", organization_path="o-1/r-root/ou-a/")
    assert organization_values(account, "Principal") == {
        "aws:principalorgid": "o-1",
        "aws:principalorgpaths": ("o-1/r-root/ou-a/",),
    }
    assert organization_values(Account(account_id=HOME), "Resource") == {}
    assert organization_values(None, "Resource") == {}
