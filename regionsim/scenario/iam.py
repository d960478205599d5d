"""`iam:` of a step: one change of IAM, read and checked against what the steps before have made of it."""

from __future__ import annotations

from regionsim.accounts.changes import IAM_ACTIONS, IamAction, IamChange
from regionsim.authorization.policy import PolicyKind
from regionsim.names.mistakes import ConfigError, advice
from regionsim.scenario import read
from regionsim.scenario.errors import quoted
from regionsim.scenario.known import Known
from regionsim.scenario.nodes import Entry, Node
from regionsim.scenario.policies import read_policy, warnings_about
from regionsim.scenario.read import Findings

DEFAULT_POLICY_NAME = "inline"


def read_iam(node: Node, known: Known, findings: Findings) -> IamChange | None:
    """The change; None while the accounts are not known, for a mistake of their own."""
    held = read.entries(node, "iam")
    if len(held) != 1:
        raise node.position.error("iam: wants one change", "write iam: {put_user_policy: {user: alice, policy: {...}}}")
    (name, entry), *_ = held.items()
    action = IAM_ACTIONS.get(name)
    if action is None:
        raise entry.key.position.error(f"iam has no {quoted(name)}", advice(name, IAM_ACTIONS, shown=len(IAM_ACTIONS)))
    change = _change(action, entry, known, findings)
    if change is None or known.directory is None:
        return None
    try:
        known.directory = change.applied_to(known.directory)
    except ConfigError as error:
        what, _, hint = str(error).partition("; ")
        raise entry.value.position.error(what, hint) from None
    return change


def _change(action: IamAction, entry: Entry, known: Known, findings: Findings) -> IamChange | None:
    held = read.entries(entry.value, action.name)
    wanted = {"account": False, action.subject: True, "name": False, "policy": action.kind is not None}
    valid = [name for name in wanted if (name != "name" or action.names_policy) and (name != "policy" or action.kind)]
    for name, inner in held.items():
        if name not in valid:
            raise inner.key.position.error(f"{action.name} has no {quoted(name)}", advice(name, valid))
    for name in valid:
        if wanted[name] and name not in held:
            raise entry.key.position.error(f"{action.name} has no '{name}'", "add it")
    account = _account(entry, action, known)
    policy = None
    if action.kind is not None:
        policy = read_policy(held["policy"].value, action.kind, "the policy")
        if action.kind is PolicyKind.IDENTITY:
            findings.warnings.extend(warnings_about(held["policy"].value, policy))
    if account is None:
        return None
    return IamChange(
        action=action,
        account=account,
        subject=read.text(held[action.subject].value, action.subject),
        name=read.text(held["name"].value, "name") if "name" in held else DEFAULT_POLICY_NAME,
        policy=policy,
    )


def _account(entry: Entry, action: IamAction, known: Known) -> str | None:
    held = read.entries(entry.value, action.name)
    if known.directory is None:
        return None
    accounts = list(known.directory.accounts)
    if "account" in held:
        account = read.text(held["account"].value, "account")
        if account not in accounts:
            raise held["account"].value.position.error(f"no such account: {quoted(account)}", advice(account, accounts))
        return account
    if len(accounts) > 1:
        raise entry.key.position.error(f"{action.name} of which account?", f'add account: "{min(accounts)}"')
    return accounts[0]
