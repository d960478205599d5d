"""The world of a scenario: Regions, links, HSMs, accounts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from types import MappingProxyType
from typing import TypedDict

from regionsim.accounts.directory import Directory
from regionsim.accounts.model import AccessKey, Account, NamedPolicy, Role, User
from regionsim.authorization.policy import PolicyKind
from regionsim.hsm.profiles import PROFILES
from regionsim.names.ids import is_account_id
from regionsim.network.network import Latencies
from regionsim.runtime.clock import parse_instant
from regionsim.scenario import read
from regionsim.scenario.access_keys import read_access_keys
from regionsim.scenario.errors import quoted
from regionsim.scenario.nodes import Entry, MappingNode, Node, ScalarNode
from regionsim.scenario.organization import organized, read_levels
from regionsim.scenario.policies import read_policy, warnings_about
from regionsim.scenario.read import Findings
from regionsim.scenario.vocabulary import ACCOUNT, GRANTS, HSM, LINKS, REPLICATION, ROLE, USER

DEFAULT_START_NS = parse_instant("2026-01-01T00:00:00Z")
_MOST_REGIONS = 40
_MOST_HSMS = 100


class Links(TypedDict, total=False):
    """What `links:` says of a world."""

    latencies: Latencies
    jitter_ns: int
    loss: float


class Hsms(TypedDict, total=False):
    """What `hsm:` says of a world."""

    hsm_per_region: int
    hsm_profile: str


class Waits(TypedDict, total=False):
    """What `replication:` says of a world."""

    replica_wait_ns: int


class Consistency(TypedDict, total=False):
    """What `grants:` says of a world."""

    grant_delay_ns: int


def read_regions(node: Node) -> tuple[str, ...]:
    """The Regions of the world, in the file's order."""
    regions = read.regions(node, "regions", None)
    if len(regions) > _MOST_REGIONS:
        raise node.position.error(f"regions: at most {_MOST_REGIONS} in one world")
    return regions


def read_links(node: Node, regions: tuple[str, ...], findings: Findings) -> Links:
    """The network; what is left out is as every world has it."""
    found = read.fields(node, LINKS, "links", findings)
    links = Links()
    if "latencies" in found:
        links["latencies"] = _latencies(found["latencies"], regions)
    if "jitter" in found:
        links["jitter_ns"] = read.duration(found["jitter"], "jitter")
    if "loss" in found:
        links["loss"] = read.probability(found["loss"], "loss")
    return links


def _latencies(node: Node, regions: tuple[str, ...]) -> Latencies:
    if isinstance(node, ScalarNode) and node.text == "aws":
        return "aws"
    if isinstance(node, MappingNode):
        raise node.position.error(
            "latencies for single pairs are not in this version", "write aws, or one way like 40ms"
        )
    one_way_ns = read.duration(node, "latencies (aws, or one way)")
    return dict.fromkeys(combinations(regions, 2), one_way_ns)


def read_hsm(node: Node, findings: Findings) -> Hsms:
    """How many HSMs each Region has, and how long their jobs take."""
    found = read.fields(node, HSM, "hsm", findings)
    hsms = Hsms()
    if "per_region" in found:
        hsms["hsm_per_region"] = read.whole_number(found["per_region"], "per_region", least=1, most=_MOST_HSMS)
    if "profile" in found:
        hsms["hsm_profile"] = read.choice(found["profile"], "profile", tuple(sorted(PROFILES)))
    return hsms


def read_replication(node: Node, findings: Findings) -> Waits:
    """How long the Regions wait for each other."""
    found = read.fields(node, REPLICATION, "replication", findings)
    waits = Waits()
    if "lost_after" in found:
        waits["replica_wait_ns"] = read.duration(found["lost_after"], "lost_after", allow_zero=False)
    return waits


def read_grants(node: Node, findings: Findings) -> Consistency:
    """How soon a grant counts."""
    found = read.fields(node, GRANTS, "grants", findings)
    consistency = Consistency()
    if "delay" in found:
        consistency["grant_delay_ns"] = read.duration(found["delay"], "delay")
    return consistency


def read_accounts(node: Node, findings: Findings, organization: Node | None = None) -> Directory:
    """All accounts with their users and roles, in their organization if there is one.

    A user or role that has a mistake inside is there even so, bare, so that its callers are not found wanting too.
    """
    held = read.entries(node, "accounts")
    if not held:
        raise node.position.error("at least one account is needed", 'write "111122223333": {users: {alice: {}}}')
    accounts = [_account(entry, findings) for entry in held.values()]
    known: Mapping[str, Account] = {account.account_id: account for account in accounts}
    if organization is not None:
        known = findings.attempt(organized, known, organization, findings) or known
    return Directory(accounts=known)


def _account(entry: Entry, findings: Findings) -> Account:
    account_id = entry.key.text
    if not is_account_id(account_id):
        raise entry.key.position.error(f"{quoted(account_id)} is not an account id", "an account id has 12 digits")
    if not entry.key.is_quoted:
        # Unquoted digits are a number to YAML, and one with leading zeros loses them in other tools.
        raise entry.key.position.error("an account id must be quoted", f'write "{account_id}"')
    found = read.fields(entry.value, ACCOUNT, f"account {account_id}", findings)
    users = _identities(found.get("users"), "user", findings)
    roles = _identities(found.get("roles"), "role", findings)
    keys = findings.attempt(_access_keys, found.get("access_keys"), users)
    return Account(
        account_id=account_id,
        access_keys=MappingProxyType(keys or {}),
        users=MappingProxyType(
            {name: findings.attempt(_user, name, held, findings) or User(name=name) for name, held in users}
        ),
        roles=MappingProxyType(
            {name: findings.attempt(_role, name, held, findings) or Role(name=name) for name, held in roles}
        ),
        scps=(findings.attempt(read_levels, found["scps"], "scps") if "scps" in found else None) or (),
    )


def _access_keys(node: Node | None, users: list[tuple[str, Node]]) -> dict[str, AccessKey]:
    """The account's access keys, those that stand under its users included."""
    names = [name for name, _ in users]
    keys = {} if node is None else read_access_keys(node, names)
    for name, held in users:
        if isinstance(held, MappingNode) and "access_keys" in held.entries:
            keys |= read_access_keys(held.entries["access_keys"].value, names, owner=name)
    return keys


def _identities(node: Node | None, what: str, findings: Findings) -> list[tuple[str, Node]]:
    """The well-formed names among the users or roles, with what they hold."""
    held = () if node is None else read.entries(node, f"{what}s").values()
    named = ((findings.attempt(_identity_name, entry, what), entry.value) for entry in held)
    return [(name, value) for name, value in named if name is not None]


def _user(name: str, node: Node, findings: Findings) -> User:
    found = read.fields(node, USER, f"user {name}", findings)
    return User(
        name=name,
        path=_path(found.get("path")),
        policies=_policies(found.get("policies"), findings),
        boundary=_boundary(found.get("boundary")),
        tags=_tags(found.get("tags")),
    )


def _role(name: str, node: Node, findings: Findings) -> Role:
    found = read.fields(node, ROLE, f"role {name}", findings)
    trust = found.get("trust")
    return Role(
        name=name,
        path=_path(found.get("path")),
        policies=_policies(found.get("policies"), findings),
        trust=None if trust is None else read_policy(trust, PolicyKind.TRUST, "the trust policy"),
        boundary=_boundary(found.get("boundary")),
        tags=_tags(found.get("tags")),
    )


def _identity_name(entry: Entry, what: str) -> str:
    name = entry.key.text
    if not all(c.isascii() and (c.isalnum() or c in "_+=,.@-") for c in name) or not 1 <= len(name) <= 64:
        hint = "letters, digits and _+=,.@- are allowed, up to 64"
        raise entry.key.position.error(f"{quoted(name)} cannot name a {what}", hint)
    return name


def _policies(node: Node | None, findings: Findings) -> tuple[NamedPolicy, ...]:
    result = []
    for number, item in enumerate(() if node is None else read.items(node, "policies"), start=1):
        policy = findings.attempt(_identity_policy, item, f"policy-{number}", findings)
        if policy is not None:
            result.append(policy)
    return tuple(result)


def _identity_policy(node: Node, name: str, findings: Findings) -> NamedPolicy:
    """A document, or `{name: ..., policy: document}`."""
    if isinstance(node, MappingNode) and set(node.entries) == {"name", "policy"}:
        name = read.text(node.entries["name"].value, "the policy's name")
        node = node.entries["policy"].value
    policy = read_policy(node, PolicyKind.IDENTITY, "the policy")
    findings.warnings.extend(warnings_about(node, policy))
    return NamedPolicy(name=name, policy=policy)


def _boundary(node: Node | None) -> NamedPolicy | None:
    if node is None:
        return None
    return NamedPolicy(name="boundary", policy=read_policy(node, PolicyKind.BOUNDARY, "the permissions boundary"))


def _path(node: Node | None) -> str:
    if node is None:
        return "/"
    path = read.text(node, "path")
    if not path.startswith("/") or not path.endswith("/") or "//" in path or not path.isprintable():
        raise node.position.error(f"{quoted(path)} is not a path", "it begins and ends with a slash, like /team/")
    return path


def _tags(node: Node | None) -> MappingProxyType[str, str]:
    held = {} if node is None else read.entries(node, "tags")
    return MappingProxyType({name: read.text(entry.value, f"tag {name}") for name, entry in held.items()})
