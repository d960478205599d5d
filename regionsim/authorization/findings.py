"""What is wrong or odd with a key policy that somebody wants to write: errors that KMS refuses, and warnings.

Whether the principals exist, and whether the caller would lock itself out, needs the world: callers check that
(`principals_named`, `decide`). Source: KMS API Reference, PutKeyPolicy; KMS Developer Guide, "Condition keys for AWS
KMS" (ForAllValues); the warnings are ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache

from regionsim.authorization.actions import CROSS_ACCOUNT_ACTIONS, KMS_ACTIONS
from regionsim.authorization.condition_keys import is_multi_valued, is_supplied
from regionsim.authorization.conditions import Condition, SetOperator
from regionsim.authorization.documents import PolicyError
from regionsim.authorization.globs import compile_glob, read_tokens
from regionsim.authorization.policy import INVALID_PRINCIPALS, Effect, Policy, PolicyKind, Statement, parse_policy
from regionsim.authorization.principals import PrincipalForm
from regionsim.names.dataclass import dataclass

MAX_KEY_POLICY_BYTES = 32_768
"""Source: KMS Developer Guide, "Resource quotas", Key policy document size."""

_ALLOWED_CHARACTERS = re.compile(r"[\t\n\r -\u00ff]*")
_OVERLY_PERMISSIVE = (
    "OverlyPermissiveCondition: Using the ForAllValues set operator with a single-valued condition key matches "
    "requests without the specified [encryption context or tag] or with an unspecified [encryption context or tag]. "
    "To fix, remove ForAllValues."
)
_OVERLY_PERMISSIVE_KEYS = ("kms:encryptioncontext:", "aws:requesttag/")


class Severity(StrEnum):
    """Errors are refused; warnings are accepted, and probably not what was meant."""

    ERROR = "error"
    WARNING = "warning"


class FindingCode(StrEnum):
    """What kind of finding; a closed list."""

    SIZE = "SIZE"
    CHARACTERS = "CHARACTERS"
    MALFORMED = "MALFORMED"
    INVALID_PRINCIPAL = "INVALID_PRINCIPAL"
    NOT_PRINCIPAL_WITH_ALLOW = "NOT_PRINCIPAL_WITH_ALLOW"
    OVERLY_PERMISSIVE_CONDITION = "OVERLY_PERMISSIVE_CONDITION"
    DUPLICATE_SID = "DUPLICATE_SID"
    NO_EFFECT = "NO_EFFECT"
    NOT_THIS_KEY = "NOT_THIS_KEY"
    VARIABLE_WITHOUT_VERSION = "VARIABLE_WITHOUT_VERSION"
    UNKNOWN_ACTION = "UNKNOWN_ACTION"
    UNKNOWN_CONDITION_KEY = "UNKNOWN_CONDITION_KEY"
    NOT_USABLE_CROSS_ACCOUNT = "NOT_USABLE_CROSS_ACCOUNT"
    RETIRE_GRANT = "RETIRE_GRANT"
    RESOURCE_ALIASES = "RESOURCE_ALIASES"
    SET_OPERATOR_ON_SINGLE = "SET_OPERATOR_ON_SINGLE"
    NO_SET_OPERATOR_ON_MULTI = "NO_SET_OPERATOR_ON_MULTI"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFinding:
    """One finding: `path` is a JSON path, `message` AWS's text where there is one."""

    severity: Severity
    code: FindingCode
    path: str
    message: str

    @property
    def is_error(self) -> bool:
        """True when KMS refuses the policy for it."""
        return self.severity is Severity.ERROR


def check_key_policy(
    document: str | Mapping[str, object], *, key_account: str | None = None
) -> tuple[PolicyFinding, ...]:
    """Everything that can be said about a key policy without knowing the world; errors first.

    `key_account` owns the key; with it, statements for other accounts are looked at too.
    """
    text = document if isinstance(document, str) else json.dumps(document, default=str, ensure_ascii=False)
    found = list(_check_text(text))
    try:
        policy = parse_policy(document, kind=PolicyKind.KEY)
    except PolicyError as error:
        invalid = error.message == INVALID_PRINCIPALS
        found.append(
            _error(FindingCode.INVALID_PRINCIPAL if invalid else FindingCode.MALFORMED, error.path, error.message)
        )
        return tuple(found)
    found.extend(_check_sids(policy))
    for statement in policy.statements:
        found.extend(_check_statement(statement, policy, key_account))
    return tuple(sorted(found, key=lambda finding: not finding.is_error))


def check_identity_policy(policy: Policy) -> tuple[PolicyFinding, ...]:
    """Warnings about an identity policy: actions written as KMS's that KMS does not have."""
    return tuple(
        _warning(FindingCode.UNKNOWN_ACTION, f"{statement.path}.Action", f"'{text}' names no action of KMS")
        for statement in policy.statements
        if statement.actions is not None and not statement.actions.inverted
        for text in statement.actions.values
        if text.lower().startswith("kms:") and not _actions_named(text)
    )


def _check_text(text: str) -> Iterator[PolicyFinding]:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_KEY_POLICY_BYTES:
        yield _error(FindingCode.SIZE, "$", f"the policy has {size} bytes; {MAX_KEY_POLICY_BYTES} are allowed")
    if not _ALLOWED_CHARACTERS.fullmatch(text):
        yield _error(
            FindingCode.CHARACTERS, "$", "characters allowed: tab, line feed, carriage return, U+0020 to U+00FF"
        )


def _check_sids(policy: Policy) -> Iterator[PolicyFinding]:
    seen: set[str] = set()
    for statement in policy.statements:
        if statement.sid is not None and statement.sid in seen:
            message = "Statement IDs (SID) in a single policy must be unique."
            yield _error(FindingCode.DUPLICATE_SID, f"{statement.path}.Sid", message)
        seen.add(statement.sid or "")


def _check_statement(statement: Statement, policy: Policy, key_account: str | None) -> Iterator[PolicyFinding]:
    if statement.principals_inverted and statement.effect is Effect.ALLOW:
        message = "NotPrincipal with Allow is not supported"
        yield _error(FindingCode.NOT_PRINCIPAL_WITH_ALLOW, f"{statement.path}.NotPrincipal", message)
    yield from _check_elements(statement)
    yield from _check_actions(statement, key_account)
    for condition in statement.conditions:
        yield from _check_condition(condition, statement)
    if not policy.has_variables and _mentions_variable(statement):
        message = 'policy variables work with "Version": "2012-10-17" only; here ${...} is literal text'
        yield _warning(FindingCode.VARIABLE_WITHOUT_VERSION, statement.path, message)


def _check_elements(statement: Statement) -> Iterator[PolicyFinding]:
    for name, element in (("Action", statement.actions), ("Resource", statement.resources)):
        if element is None or not element.values:
            message = f"a statement without {name} has no effect"
            yield _warning(FindingCode.NO_EFFECT, statement.path, message)
    resources = statement.resources
    if resources is not None and resources.values and not resources.inverted and "*" not in resources.values:
        message = 'in a key policy "*" means this key; another Resource may not match it'
        yield _warning(FindingCode.NOT_THIS_KEY, f"{statement.path}.Resource", message)


def _check_actions(statement: Statement, key_account: str | None) -> Iterator[PolicyFinding]:
    actions = statement.actions
    if actions is None or actions.inverted:
        return
    for text in actions.values:
        named = _actions_named(text)
        path = f"{statement.path}.Action"
        if not named:
            yield _warning(FindingCode.UNKNOWN_ACTION, path, f"'{text}' names no action of KMS")
        elif named == ("kms:RetireGrant",):
            message = "kms:RetireGrant has no effect in a key policy: the grant says who may retire it"
            yield _warning(FindingCode.RETIRE_GRANT, path, message)
        elif _is_for_others(statement, key_account) and not any(
            name.lower() in CROSS_ACCOUNT_ACTIONS for name in named
        ):
            message = f"'{text}' cannot be used from another account"
            yield _warning(FindingCode.NOT_USABLE_CROSS_ACCOUNT, path, message)


@lru_cache(maxsize=256)
def _actions_named(pattern: str) -> tuple[str, ...]:
    matches = compile_glob(read_tokens(pattern.lower(), wildcards=True, variables=False))
    return tuple(action for action in KMS_ACTIONS if matches(action.lower()))


def _is_for_others(statement: Statement, key_account: str | None) -> bool:
    """True for an Allow all of whose principals are in other accounts."""
    if key_account is None or statement.effect is Effect.DENY:
        return False
    return all(
        principal.account not in ("", key_account) and principal.form is not PrincipalForm.ANYONE
        for principal in statement.principals
    )


def _check_condition(condition: Condition, statement: Statement) -> Iterator[PolicyFinding]:
    path, key = f"{statement.path}.Condition", condition.key.lower()
    if condition.set_operator is SetOperator.ALL and key.startswith(_OVERLY_PERMISSIVE_KEYS):
        yield _error(FindingCode.OVERLY_PERMISSIVE_CONDITION, path, _OVERLY_PERMISSIVE)
    elif not is_supplied(key):
        yield _warning(
            FindingCode.UNKNOWN_CONDITION_KEY, path, f"no KMS request has the condition key '{condition.key}'"
        )
    elif key == "kms:resourcealiases":
        message = "kms:ResourceAliases works in IAM policies only"
        yield _warning(FindingCode.RESOURCE_ALIASES, path, message)
    elif condition.set_operator is not None and not is_multi_valued(key):
        message = f"{condition.set_operator.value} on '{condition.key}', which has one value"
        yield _warning(FindingCode.SET_OPERATOR_ON_SINGLE, path, message)
    elif condition.set_operator is None and is_multi_valued(key) and condition.operator.name != "Null":
        message = f"'{condition.key}' has several values: use ForAllValues or ForAnyValue"
        yield _warning(FindingCode.NO_SET_OPERATOR_ON_MULTI, path, message)


def _mentions_variable(statement: Statement) -> bool:
    texts = [value for condition in statement.conditions for value in condition.values]
    if statement.resources is not None:
        texts.extend(statement.resources.values)
    return any("${" in text for text in texts)


def _error(code: FindingCode, path: str, message: str) -> PolicyFinding:
    return PolicyFinding(severity=Severity.ERROR, code=code, path=path, message=message)


def _warning(code: FindingCode, path: str, message: str) -> PolicyFinding:
    return PolicyFinding(severity=Severity.WARNING, code=code, path=path, message=message)
