"""Who calls, and with which client: `as:`, `in:`, `client:`."""

from __future__ import annotations

import json
import re

from regionsim.accounts.assuming import may_assume
from regionsim.authorization.policy import PolicyKind
from regionsim.authorization.principals import Principal
from regionsim.client.settings import ClientSettings, RetryMode
from regionsim.names.durations import parse_duration
from regionsim.names.ids import is_account_id
from regionsim.names.mistakes import ConfigError
from regionsim.scenario import read
from regionsim.scenario.errors import quoted
from regionsim.scenario.known import Known
from regionsim.scenario.nodes import MappingNode, Node, ScalarNode, plain
from regionsim.scenario.policies import document, read_policy
from regionsim.scenario.read import Findings
from regionsim.scenario.vocabulary import CLIENT, SESSION

DEFAULT_TIMEOUT_NS = parse_duration("5s")
_WITH_ACCOUNT = re.compile(r"[0-9]{12}/")


def read_principal(node: Node, known: Known) -> Principal | None:
    """The caller that `alice`, `role/app`, `root`, `111122223333/alice` or an ARN names.

    None while the accounts are not known, for a mistake of their own.
    """
    if isinstance(node, MappingNode):
        return _read_session(node, known)
    if isinstance(node, ScalarNode) and isinstance(node.value, int) and is_account_id(node.text):
        raise node.position.error("an account id must be quoted", f'write "{node.text}/NAME"')
    spelling = read.text(node, "as")
    if known.directory is None:
        return None
    accounts = known.directory.accounts
    is_short = not spelling.startswith("arn:") and not _WITH_ACCOUNT.match(spelling)
    if is_short and len(accounts) > 1:
        what = f"{quoted(spelling)} of which account? there are {len(accounts)}"
        raise node.position.error(what, f'write "{min(accounts)}/{spelling}"')
    try:
        return known.directory.principal(next(iter(accounts)), spelling)
    except ConfigError as error:
        what, _, hint = str(error).partition("; ")
        raise node.position.error(what, hint) from None


def caller_in_words(node: Node) -> str:
    """The caller as the file spells it; of a session its role."""
    if isinstance(node, MappingNode):
        role, by = (read.text(node.entries[name].value, name) for name in ("role", "by"))
        return f"{role} by {by}"
    return read.text(node, "as")


def _read_session(node: MappingNode, known: Known) -> Principal | None:
    """`{role: app, by: alice, session_policy: {...}, tags: {...}}`: a session that its role's trust policy allows."""
    findings = Findings()
    found = read.fields(node, SESSION, "a session", findings)
    findings.raise_any()
    by = read_principal(found["by"], known)
    account, _, name = read.text(found["role"], "role").rpartition("/")
    account = account.removesuffix("role").removesuffix("/")
    policy = ""
    if "session_policy" in found:
        read_policy(found["session_policy"], PolicyKind.SESSION, "the session policy")
        held = document(found["session_policy"], "the session policy")
        policy = held.text if isinstance(held, ScalarNode) else json.dumps(plain(held))
    tags = read.entries(found["tags"], "tags") if "tags" in found else {}
    values = {tag: read.text(entry.value, f"tag {tag}") for tag, entry in tags.items()}
    if by is None or known.directory is None:
        return None
    account = account or by.account
    try:
        role = known.directory.role(account, name)
        session = known.directory.session(account, name, by.name, tags=values, session_policy=policy)
    except ConfigError as error:
        what, _, hint = str(error).partition("; ")
        raise found["role"].position.error(what, hint) from None
    if not may_assume(known.directory, by, account, role, with_tags=bool(values)):
        what = f"role {quoted(name)} does not let {quoted(read.text(found['by'], 'by'))} assume it"
        actions = "sts:AssumeRole and sts:TagSession" if values else "sts:AssumeRole"
        hint = f"its trust: must allow {actions}, and IAM too where that names an account"
        raise found["by"].position.error(what, hint)
    return session


def read_client(found: dict[str, Node], position_of: Node, known: Known, findings: Findings) -> ClientSettings:
    """The caller's SDK from `in:` and `client:` of a step or workload."""
    inside = read.fields(found["client"], CLIENT, "client", findings) if "client" in found else {}
    home = read.region(found["in"], "in", known.regions) if "in" in found else None
    regions = read.regions(inside["regions"], "regions", known.regions) if "regions" in inside else None
    if regions is None and home is None:
        raise position_of.position.error("which Region is called?", "add in: REGION, or client: {regions: [...]}")
    if regions is not None and home is not None and home != regions[0]:
        raise found["in"].position.error(f"in: {home} is not the client's first Region, {regions[0]}", "leave in: out")
    tried = regions or ((home,) if home is not None else ())
    near = read.region(inside["near"], "near", known.regions) if "near" in inside else None
    return ClientSettings(
        near=near or (known.regions or tried)[0],
        regions=tried,
        timeout_ns=_timeout(inside.get("timeout")),
        retries=_retries(inside.get("retries")),
    )


def _timeout(node: Node | None) -> int:
    return DEFAULT_TIMEOUT_NS if node is None else read.duration(node, "timeout", allow_zero=False)


def _retries(node: Node | None) -> RetryMode:
    if node is None:
        return RetryMode.NONE
    return RetryMode(read.choice(node, "retries", tuple(RetryMode)))
