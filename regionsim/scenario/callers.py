"""Who calls, and with which client: `as:`, `in:`, `client:`."""

from __future__ import annotations

import json
import re
from types import MappingProxyType

from regionsim.accounts.assuming import AssumeRole, mistake_in
from regionsim.authorization.circumstances import BROUGHT, VIA_SERVICE, Circumstances
from regionsim.authorization.condition_keys import is_multi_valued
from regionsim.authorization.policy import PolicyKind
from regionsim.authorization.principals import Principal
from regionsim.authorization.request import ContextValue
from regionsim.client.settings import ClientSettings, RetryMode
from regionsim.names.arns import role_arn
from regionsim.names.durations import parse_duration
from regionsim.names.ids import is_account_id
from regionsim.names.mistakes import ConfigError, advice
from regionsim.scenario import read
from regionsim.scenario.errors import quoted
from regionsim.scenario.known import Known
from regionsim.scenario.model import Caller, SessionCaller
from regionsim.scenario.nodes import MappingNode, Node, ScalarNode, SequenceNode, kind_of, plain
from regionsim.scenario.policies import document, read_policy
from regionsim.scenario.read import Findings
from regionsim.scenario.vocabulary import CLIENT, SESSION

DEFAULT_TIMEOUT_NS = parse_duration("5s")
_VIA_SERVICE = re.compile(r"[a-z0-9-]+\.[a-z]{2}(-[a-z]+)+-[0-9]\.amazonaws\.com(\.cn)?")
_WITH_ACCOUNT = re.compile(r"[0-9]{12}/")


def read_caller(node: Node, known: Known) -> Caller | None:
    """Who `as:` names: a principal, or a session of a role, `{role: app, by: alice, ...}`.

    None while the accounts are not known, for a mistake of their own.
    """
    return _read_session(node, known) if isinstance(node, MappingNode) else _read_principal(node, known)


def principal_of(caller: Caller, known: Known) -> Principal:
    """The caller as the audit trail has it, whether or not it may assume its role."""
    if isinstance(caller, Principal):
        return caller
    assert known.directory is not None, "who calls was found in it"
    name = caller.asked.role_arn.rpartition("/")[2]
    return known.directory.session(
        caller.account, name, caller.asked.session_name, partition=caller.asked.role_arn.split(":")[1]
    )


def _read_principal(node: Node, known: Known) -> Principal | None:
    """The caller that `alice`, `role/app`, `root`, `111122223333/alice` or an ARN names."""
    if isinstance(node, ScalarNode) and isinstance(node.value, int) and is_account_id(node.text):
        raise node.position.error("an account id must be quoted", f'write "{node.text}/NAME"')
    spelling = read.text(node, "as")
    if known.directory is None:
        return None
    accounts = known.directory.accounts
    is_short = not spelling.startswith("arn:") and not _WITH_ACCOUNT.match(spelling)
    if is_short and len(accounts) > 1 and not spelling.startswith("service/"):
        what = f"{quoted(spelling)} of which account? there are {len(accounts)}"
        raise node.position.error(what, f'write "{min(accounts)}/{spelling}"')
    try:
        return known.directory.principal(next(iter(accounts)), spelling, partition=known.partition)
    except ConfigError as error:
        what, _, hint = str(error).partition("; ")
        raise node.position.error(what, hint) from None


def caller_in_words(node: Node) -> str:
    """The caller as the file spells it; of a session its role."""
    if isinstance(node, MappingNode):
        role = read.text(node.entries["role"].value, "role")
        return f"{role} by {caller_in_words(node.entries['by'].value)}"
    return read.text(node, "as")


def _read_session(node: MappingNode, known: Known) -> SessionCaller | None:
    """`{role: app, by: alice, session_policy: {...}, tags: {...}}`. Whether it may be is decided when it is needed."""
    findings = Findings()
    found = read.fields(node, SESSION, "a session", findings)
    findings.raise_any()
    by = read_caller(found["by"], known)
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
    except ConfigError as error:
        what, _, hint = str(error).partition("; ")
        raise found["role"].position.error(what, hint) from None
    asked = AssumeRole(
        role_arn=role_arn(account, name, path=role.path, partition=known.partition),
        session_name=_session_name(principal_of(by, known).name),
        policy=policy,
        tags=MappingProxyType(values),
    )
    mistake = mistake_in(asked)
    if mistake is not None:
        raise node.position.error(f"STS takes no such session: {mistake.message}")
    return SessionCaller(by=by, asked=asked)


def _session_name(by: str) -> str:
    """A session is named after who assumes the role (ours); STS wants two characters at least."""
    return by if len(by) > 1 else f"{by}-session"


def read_circumstances(node: Node | None) -> Circumstances:
    """`context:`: condition values that come with a call, under AWS's names."""
    given: dict[str, ContextValue] = {}
    for name, entry in ({} if node is None else read.entries(node, "context")).items():
        key = name.lower()
        if key not in BROUGHT:
            hint = advice(name, BROUGHT.values(), shown=len(BROUGHT))
            raise entry.key.position.error(f"no call brings the condition value {quoted(name)}", hint)
        values = tuple(_context_text(item, name) for item in _items(entry.value))
        if len(values) != 1 and not is_multi_valued(key):
            raise entry.value.position.error(f"{name} has one value, these are {len(values)}")
        if key == VIA_SERVICE and not _VIA_SERVICE.fullmatch(values[0]):
            hint = "write SERVICE.REGION.amazonaws.com"
            raise entry.value.position.error(f"{quoted(values[0])} is no value of {name}", hint)
        given[key] = values if is_multi_valued(key) else values[0]
    return given


def _items(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, SequenceNode) else (node,)


def _context_text(node: Node, name: str) -> str:
    """A value as policies compare it: text, a number as it is written, `true` or `false`."""
    if isinstance(node, ScalarNode) and node.value is not None:
        return node.text
    raise node.position.error(f"{name} must be text, a number, true or false, this is {kind_of(node)}")


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
