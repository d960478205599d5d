"""Policies as values: the grammar of IAM's JSON policy language, read strictly.

An unknown element, a wrong type, a doubled key or a condition that cannot be evaluated makes a policy malformed:
nothing that a policy says is ever passed over. Which well-formed policies KMS refuses all the same is in
`regionsim.authorization.findings`.
Source: KMS API Reference, PutKeyPolicy; IAM User Guide, "Grammar of the IAM JSON policy language".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from regionsim.authorization.arn_patterns import compile_resource
from regionsim.authorization.conditions import Condition, compile_condition, read_operator
from regionsim.authorization.documents import (
    PolicyError,
    as_list,
    check_elements,
    kind_of,
    load_json,
    optional_text,
    read_scalar,
    read_texts,
)
from regionsim.authorization.principals import ANYONE, NamedPrincipal, PrincipalForm, read_principal, read_service
from regionsim.names.dataclass import dataclass

VERSIONS = ("2012-10-17", "2008-10-17")
"""The policy language's versions; only the first has policy variables. The second is meant when none is named."""

INVALID_PRINCIPALS = "Policy contains a statement with one or more invalid principals."
"""AWS's words for a principal that does not exist or can be none. Source: observed."""

_POLICY_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS = frozenset(
    {
        "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
    }
)  # fmt: skip
_UNMATCHED_TYPES = frozenset({"Federated", "CanonicalUser"})


class PolicyKind(StrEnum):
    """Where a policy stands; it decides which elements a statement must and may not have."""

    KEY = "key_policy"
    IDENTITY = "identity"
    BOUNDARY = "boundary"
    SESSION = "session"
    SCP = "scp"
    RCP = "rcp"
    ENDPOINT = "vpc_endpoint"
    TRUST = "trust"

    @property
    def names_principals(self) -> bool:
        """True when its statements say whom they are about."""
        return self in _WITH_PRINCIPALS


_WITH_PRINCIPALS = frozenset({PolicyKind.KEY, PolicyKind.RCP, PolicyKind.ENDPOINT, PolicyKind.TRUST})


class Effect(StrEnum):
    """What a statement does when it applies."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """The values of Action, Resource or Principal, and whether the element is its `Not` form."""

    values: tuple[str, ...]
    inverted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement; `index` counts from 0.

    `actions` or `resources` of None: the element is absent. KMS accepts that, and the statement has no effect.
    """

    index: int
    sid: str | None
    effect: Effect
    principals: tuple[NamedPrincipal, ...] = ()
    principals_inverted: bool = False
    actions: Entries | None
    resources: Entries | None
    conditions: tuple[Condition, ...] = ()

    @property
    def path(self) -> str:
        """The statement's JSON path."""
        return f"$.Statement[{self.index}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy document, read. Statements keep the document's order; `document` is what was read, not to be changed."""

    kind: PolicyKind
    version: str | None
    policy_id: str | None
    statements: tuple[Statement, ...]
    document: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)

    @property
    def has_variables(self) -> bool:
        """True when the version gives `${...}` a meaning; else it is literal text."""
        return self.version == VERSIONS[0]


def parse_policy(document: str | Mapping[str, object], *, kind: PolicyKind) -> Policy:
    """The policy that a JSON text or its decoded mapping says.

    Errors: PolicyError with the path of what is malformed.
    """
    tree = load_json(document) if isinstance(document, str) else document
    if not isinstance(tree, Mapping):
        raise PolicyError("$", f"a policy is an object, not {kind_of(tree)}")
    check_elements(tree, _POLICY_ELEMENTS, "$")
    version = optional_text(tree, "Version", "$")
    if version is not None and version not in VERSIONS:
        raise PolicyError("$.Version", f"wants {' or '.join(VERSIONS)}, not '{version}'")
    listed = tree.get("Statement")
    statements = [listed] if isinstance(listed, Mapping) else as_list(listed)
    if not statements:
        raise PolicyError("$.Statement", "a policy wants at least one statement")
    variables = version == VERSIONS[0]
    return Policy(
        kind=kind,
        version=version,
        policy_id=optional_text(tree, "Id", "$"),
        statements=tuple(_read_statement(item, at, kind, variables) for at, item in enumerate(statements)),
        document=tree,
    )


def principals_named(policy: Policy) -> tuple[str, ...]:
    """Every principal that the policy names, as written, without `*`: callers check that they exist."""
    named = (principal for statement in policy.statements for principal in statement.principals)
    return tuple(dict.fromkeys(principal.text for principal in named if principal.form is not PrincipalForm.ANYONE))


def _read_statement(item: object, index: int, kind: PolicyKind, variables: bool) -> Statement:
    path = f"$.Statement[{index}]"
    if not isinstance(item, Mapping):
        raise PolicyError(path, f"a statement is an object, not {kind_of(item)}")
    check_elements(item, _STATEMENT_ELEMENTS, path)
    effect = item.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise PolicyError(f"{path}.Effect", f"wants Allow or Deny, not {kind_of(effect)}")
    principals, inverted = _read_principals(item, path, kind)
    return Statement(
        index=index,
        sid=optional_text(item, "Sid", path),
        effect=Effect(effect),
        principals=principals,
        principals_inverted=inverted,
        actions=_read_actions(item, path, kind),
        resources=_read_resources(item, path, kind, variables),
        conditions=_read_conditions(item.get("Condition"), f"{path}.Condition", variables),
    )


def _read_actions(item: Mapping[str, object], path: str, kind: PolicyKind) -> Entries | None:
    found = _read_entries(item, "Action", path, required=kind is not PolicyKind.KEY)
    for text in found.values if found else ():
        if ":" not in text and "*" not in text and "?" not in text:
            raise PolicyError(
                f"{path}.{'NotAction' if found and found.inverted else 'Action'}",
                f"Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc. ('{text}')",
            )
    return found


def _read_resources(item: Mapping[str, object], path: str, kind: PolicyKind, variables: bool) -> Entries | None:
    if kind is PolicyKind.TRUST:
        if "Resource" in item or "NotResource" in item:
            raise PolicyError(path, "a trust policy has no Resource")
        return None
    found = _read_entries(item, "Resource", path, required=kind is not PolicyKind.KEY)
    for text in found.values if found else ():
        where = f"{path}.{'NotResource' if found and found.inverted else 'Resource'}"
        if kind is not PolicyKind.KEY and text.strip("*") and not text.startswith("arn:"):
            raise PolicyError(where, f'Resource {text} must be in ARN format or "*".')
        try:
            compile_resource(text, variables=variables)
        except ValueError as error:
            raise PolicyError(where, str(error)) from None
    return found


def _read_entries(item: Mapping[str, object], name: str, path: str, *, required: bool) -> Entries | None:
    inverse = f"Not{name}"
    if name in item and inverse in item:
        raise PolicyError(path, f"has both {name} and {inverse}")
    if name not in item and inverse not in item:
        if required:
            raise PolicyError(path, f"wants {name} or {inverse}")
        return None
    inverted = inverse in item
    found = inverse if inverted else name
    values = read_texts(item[found], f"{path}.{found}")
    if inverted and not values:
        raise PolicyError(f"{path}.{found}", "an empty list would mean everything")
    return Entries(values=values, inverted=inverted)


def _read_principals(
    item: Mapping[str, object], path: str, kind: PolicyKind
) -> tuple[tuple[NamedPrincipal, ...], bool]:
    inverted = "NotPrincipal" in item
    if not kind.names_principals:
        if inverted or "Principal" in item:
            raise PolicyError(path, f"a policy of this kind ({kind.value}) names no principals")
        return (), False
    if inverted == ("Principal" in item):
        raise PolicyError(path, "wants either Principal or NotPrincipal")
    name = "NotPrincipal" if inverted else "Principal"
    value, where = item[name], f"{path}.{name}"
    if value == ANYONE:
        return (_named("AWS", ANYONE, where),), inverted
    if not isinstance(value, Mapping) or not value:
        raise PolicyError(where, INVALID_PRINCIPALS)
    named = [
        _named(str(principal_type), text, f"{where}.{principal_type}")
        for principal_type, texts in value.items()
        for text in read_texts(texts, f"{where}.{principal_type}")
    ]
    if not named:
        raise PolicyError(where, INVALID_PRINCIPALS)
    return tuple(named), inverted


def _named(principal_type: str, text: str, path: str) -> NamedPrincipal:
    named: NamedPrincipal | None = None
    if principal_type == "AWS":
        named = read_principal(text)
    elif principal_type == "Service":
        named = read_service(text)
    elif principal_type in _UNMATCHED_TYPES:
        named = NamedPrincipal(form=PrincipalForm.UNMATCHED, text=text, key=f"{principal_type}:{text}")
    if named is None:
        raise PolicyError(path, INVALID_PRINCIPALS)
    return named


def _read_conditions(block: object, path: str, variables: bool) -> tuple[Condition, ...]:
    if block is None:
        return ()
    if not isinstance(block, Mapping):
        raise PolicyError(path, f"a Condition is an object, not {kind_of(block)}")
    result: list[Condition] = []
    for operator, keys in block.items():
        if not isinstance(keys, Mapping):
            raise PolicyError(f"{path}.{operator}", f"wants an object of condition keys, not {kind_of(keys)}")
        for key, values in keys.items():
            result.append(_read_condition(str(operator), str(key), values, f"{path}.{operator}", variables))
    return tuple(result)


def _read_condition(operator: str, key: str, values: object, path: str, variables: bool) -> Condition:
    several = as_list(values)
    listed = [values] if several is None else several
    texts = tuple(read_scalar(value, f"{path}.{key}") for value in listed)
    try:
        set_operator, base, if_exists = read_operator(operator)
    except ValueError as error:
        raise PolicyError(path, str(error)) from None
    condition = Condition(operator=base, set_operator=set_operator, if_exists=if_exists, key=key, values=texts)
    try:
        compile_condition(condition, variables=variables)
    except ValueError as error:
        raise PolicyError(f"{path}.{key}", str(error)) from None
    return condition
