"""`access_keys:` of an account or of a user: what signs requests to a live endpoint; and a file of accounts.

access_keys: {AKIAALICE: {user: alice, secret: ...}}            of an account
access_keys: [{id: AKIAALICE, user: alice, secret: ...}]        the same
users: {alice: {access_keys: {AKIAALICE: ...}}}                 of a user, id -> secret
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from regionsim.accounts.directory import Directory
from regionsim.accounts.model import AccessKey
from regionsim.names.mistakes import advice
from regionsim.scenario import read
from regionsim.scenario.errors import quoted
from regionsim.scenario.nodes import MappingNode, Node, ScalarNode, SequenceNode, kind_of
from regionsim.scenario.parse import parse
from regionsim.scenario.read import EnoughFoundError, Findings
from regionsim.scenario.source import read_source

ROOT = "root"
_EXAMPLE = "write access_keys: {AKIAALICE: {user: alice, secret: ...}}"
_SPELLINGS = {"access_key_id": "id", "secret_access_key": "secret"}
_OF_ONE = ("id", "user", "secret")


def read_access_keys(node: Node, users: Collection[str], owner: str | None = None) -> dict[str, AccessKey]:
    """Access keys by id. `owner` is the user in whose entry they stand; None in an account's, which names users.

    Errors: ScenarioError.
    """
    keys: dict[str, AccessKey] = {}
    for key_id, where, held in _listed(node):
        if (
            not 1 <= len(key_id) <= 128
            or not key_id.isascii()
            or not key_id.isprintable()
            or set(key_id) & set(' /,="')
        ):
            raise where.position.error(f"{quoted(key_id)} is not an access key id", "letters and digits are wanted")
        if key_id in keys:
            raise where.position.error(f"the access key {quoted(key_id)} is there twice")
        keys[key_id] = _key(where, held, users, owner)
    return keys


def read_accounts_file(path: Path) -> Directory:
    """The accounts in a file: the `accounts:` block of a scenario, with or without that word above it.

    Errors: ScenarioError.
    """
    from regionsim.scenario.world import read_accounts

    shown = str(path)
    root = parse(read_source(path, shown), shown)
    if not isinstance(root, MappingNode):
        what = f"accounts are a mapping, this is {kind_of(root)}"
        raise root.position.error(what, 'write "111122223333": {users: {alice: {}}}')
    findings = Findings()
    block: Node = root.entries["accounts"].value if "accounts" in root.entries else root
    for name, entry in root.entries.items() if block is not root else ():
        if name not in ("accounts", "access_keys"):
            hint = advice(name, ("accounts", "access_keys"))
            raise entry.key.position.error(f"a file of accounts has no {quoted(name)}", hint)
    try:
        directory = findings.attempt(read_accounts, block, findings)
    except EnoughFoundError:
        directory = None
    findings.raise_any()
    assert directory is not None
    if block is not root and "access_keys" in root.entries:
        directory = _with_keys(directory, root.entries["access_keys"].value)
    return directory


def _with_keys(directory: Directory, node: Node) -> Directory:
    """The directory with keys that stand beside the accounts and name theirs (or there is only one)."""
    for key_id, where, held in _listed(node):
        parts = _parts(where, held, (*_OF_ONE, "account"))
        account = parts.get("account", min(directory.accounts))
        if account not in directory.accounts or ("account" not in parts and len(directory.accounts) > 1):
            hint = advice(account, directory.accounts)
            raise where.position.error(f"the access key {quoted(key_id)} is of which account?", hint)
        home = directory.accounts[account]
        key = _checked(where, parts, home.users, None)
        directory = directory.with_account(replace(home, access_keys={**home.access_keys, key_id: key}))
    return directory


def _listed(node: Node) -> Iterator[tuple[str, Node, Node]]:
    """Access key id, where it stands, and what is said of it."""
    if isinstance(node, SequenceNode):
        for item in node.items:
            parts = _parts(item, item, (*_OF_ONE, "account"))
            if "id" not in parts:
                raise item.position.error("an access key has no 'id'", _EXAMPLE)
            yield parts["id"], item, item
    else:
        for entry in read.entries(node, "access_keys").values():
            yield entry.key.text, entry.key, entry.value


def _key(where: Node, held: Node, users: Collection[str], owner: str | None) -> AccessKey:
    if isinstance(held, ScalarNode):
        if owner is None:
            raise held.position.error("an access key of an account names its user", _EXAMPLE)
        return AccessKey(user=owner, secret=_secret(held, read.text(held, "the secret")))
    return _checked(where, _parts(where, held, _OF_ONE), users, owner)


def _checked(where: Node, parts: Mapping[str, str], users: Collection[str], owner: str | None) -> AccessKey:
    user = parts.get("user", owner)
    if user is None or "secret" not in parts:
        raise where.position.error(f"an access key has no '{'user' if user is None else 'secret'}'", _EXAMPLE)
    if user != ROOT and user not in users:
        raise where.position.error(f"no such user: {quoted(user)}", advice(user, (*users, ROOT)))
    if owner is not None and user != owner:
        raise where.position.error(f"this access key stands under {quoted(owner)} and names {quoted(user)}")
    return AccessKey(user=user, secret=_secret(where, parts["secret"]))


def _parts(where: Node, held: Node, known: tuple[str, ...]) -> dict[str, str]:
    if not isinstance(held, MappingNode):
        raise held.position.error(f"an access key is a mapping, this is {kind_of(held)}", _EXAMPLE)
    parts: dict[str, str] = {}
    for name, entry in held.entries.items():
        plain = _SPELLINGS.get(name, name)
        if plain not in known:
            raise entry.key.position.error(f"an access key has no {quoted(name)}", advice(name, known))
        parts[plain] = read.text(entry.value, plain)
    return parts


def _secret(where: Node, text: str) -> str:
    if not text or len(text) > 256 or not text.isascii() or not text.isprintable():
        raise where.position.error("the secret of an access key is 1 to 256 printable ASCII characters")
    return text
