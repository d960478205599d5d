"""`organization:` and the `scps:` of accounts: levels of service control policies, the root's first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from regionsim.accounts.model import Account, NamedPolicy
from regionsim.accounts.organization import FULL_ACCESS, full_access, level_of
from regionsim.authorization.policy import PolicyKind
from regionsim.names.mistakes import advice
from regionsim.scenario import read
from regionsim.scenario.errors import quoted
from regionsim.scenario.nodes import MappingNode, Node, ScalarNode, SequenceNode
from regionsim.scenario.policies import read_policy
from regionsim.scenario.read import Findings
from regionsim.scenario.vocabulary import ORGANIZATION, UNIT

DEFAULT_ID = "o-exampleorgid"
_ID = re.compile(r"o-[a-z0-9]{10,32}")
_ROOT = "r-root"

Levels = tuple[tuple[NamedPolicy, ...], ...]


def read_levels(node: Node, what: str) -> Levels:
    """`scps:` of an account: its own policies in a list, or one list for each level."""
    items = read.items(node, what)
    nested = [isinstance(item, SequenceNode) for item in items]
    if any(nested) and not all(nested):
        wrong = items[nested.index(False)]
        raise wrong.position.error(f"{what}: levels and policies are mixed", "write a list for each level, root first")
    levels = items if any(nested) else (node,)
    return tuple(_level(level, what) for level in levels)


def organized(accounts: Mapping[str, Account], node: Node, findings: Findings) -> Mapping[str, Account]:
    """The accounts as members of the organization that `node` describes."""
    found = read.fields(node, ORGANIZATION, "organization", findings)
    organization_id = _organization_id(found.get("id"))
    management = None if "management" not in found else _account(found["management"], accounts)
    root = (_level(found["scps"], "scps"),) if "scps" in found else ((full_access(),),)
    places: dict[str, tuple[str, Levels]] = {}
    for name, entry in (read.entries(found["units"], "units") if "units" in found else {}).items():
        inside = read.fields(entry.value, UNIT, f"unit {name}", findings)
        level = _level(inside["scps"], "scps") if "scps" in inside else (full_access(),)
        for item in read.items(inside["accounts"], "accounts"):
            member = _account(item, accounts)
            if member in places:
                raise item.position.error(
                    f"account {quoted(member)} is in a unit already", "an account is in one place"
                )
            places[member] = (f"{organization_id}/{_ROOT}/ou-{name}/", (*root, level))
    direct = (
        list(accounts)
        if "accounts" not in found
        else [_account(item, accounts) for item in read.items(found["accounts"], "accounts")]
    )
    for member in [*direct, *([] if management is None else [management])]:
        places.setdefault(member, (f"{organization_id}/{_ROOT}/", root))
    members = {
        account_id: replace(
            accounts[account_id],
            scps=(*levels, *(accounts[account_id].scps or ((full_access(),),))),
            is_management=account_id == management,
            organization_id=organization_id,
            organization_path=path,
        )
        for account_id, (path, levels) in places.items()
    }
    return MappingProxyType({**accounts, **members})


def _level(node: Node, what: str) -> tuple[NamedPolicy, ...]:
    return level_of(tuple(_policy(item, f"scp-{at}") for at, item in enumerate(read.items(node, what), start=1)))


def _policy(node: Node, name: str) -> NamedPolicy:
    """`FullAWSAccess`, a document, or `{name: ..., policy: document}`."""
    if isinstance(node, ScalarNode) and node.text == FULL_ACCESS:
        return full_access()
    if isinstance(node, MappingNode) and set(node.entries) == {"name", "policy"}:
        name = read.text(node.entries["name"].value, "the policy's name")
        node = node.entries["policy"].value
    return NamedPolicy(name=name, policy=read_policy(node, PolicyKind.SCP, "the service control policy"))


def _organization_id(node: Node | None) -> str:
    if node is None:
        return DEFAULT_ID
    text = read.text(node, "id")
    if not _ID.fullmatch(text):
        raise node.position.error(
            f"{quoted(text)} is not an organization's id", "write o- and 10 to 32 letters or digits"
        )
    return text


def _account(node: Node, accounts: Mapping[str, Account]) -> str:
    text = node.text if isinstance(node, ScalarNode) else read.text(node, "account")
    if isinstance(node, ScalarNode) and not isinstance(node.value, str):
        raise node.position.error("an account id must be quoted", f'write "{text}"')
    if text not in accounts:
        raise node.position.error(f"there is no account {quoted(text)}", advice(text, accounts))
    return text
