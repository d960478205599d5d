"""Every statement of a policy, one by one, with what fits and what does not: the slow walk behind an explanation.

It walks the objects that decisions are made from (the same matchers, the same condition tests), not a second reading of
the policy. Source: ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regionsim.authorization.compile import CompiledPolicy, CompiledStatement, action_pattern
from regionsim.authorization.conditions import Condition
from regionsim.authorization.decide import is_exempt, unlimited_keys
from regionsim.authorization.policy import Effect, PolicyKind
from regionsim.authorization.principals import ANYONE, Principal
from regionsim.authorization.request import ConditionValues, ContextValue, Request
from regionsim.names.dataclass import dataclass

_WEIGHTS = {"action": 8, "resource": 4, "principal": 2, "condition": 1}


class ReadValues:
    """Condition values that remember which keys were read, as they are written in the policies, and what was found."""

    __slots__ = ("_values", "read")

    def __init__(self, values: ConditionValues) -> None:
        self._values = values
        self.read: dict[str, ContextValue | None] = {}

    def get(self, key: str, /) -> ContextValue | None:
        """The value of `key` (already in lower case), or None when the request has not that key."""
        value = self._values.get(key)
        if key:
            self.read[key] = value
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """Action, Resource or Principal of one statement: whether it fits, and by which of its values.

    Of a principal `by` is how it names the caller: `self`, `role`, `account`, `anyone`, `not_exempt`.
    """

    ok: bool
    by: str | None = None
    wanted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionReport:
    """One condition: what it wants, what the request has (None: the key is absent), whether it holds."""

    operator: str
    key: str
    wanted: tuple[str, ...]
    actual: ContextValue | None
    ok: bool

    def as_json(self) -> dict[str, Any]:
        """The condition as JSON values."""
        actual = list(self.actual) if isinstance(self.actual, tuple) else self.actual
        return {
            "operator": self.operator,
            "key": self.key,
            "wanted": list(self.wanted),
            "actual": actual,
            "present": actual is not None,
            "ok": self.ok,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementReport:
    """One statement against one request; `index` counts from 1, `path` is a JSON path into its policy."""

    policy: str
    index: int
    sid: str | None
    path: str
    effect: Effect
    action: Element
    resource: Element
    principal: Element | None
    conditions: tuple[ConditionReport, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """The elements that do not fit; `condition` once for each one."""
        named = (("action", self.action), ("principal", self.principal), ("resource", self.resource))
        elements = tuple(name for name, element in named if element is not None and not element.ok)
        return elements + tuple("condition" for condition in self.conditions if not condition.ok)

    @property
    def applies(self) -> bool:
        """True when everything fits."""
        return not self.failed

    @property
    def distance(self) -> int:
        """How far from applying; 0 when it applies. A statement about another action is the least interesting."""
        return sum(_WEIGHTS[name] for name in self.failed)

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        report: dict[str, Any] = {
            "policy": self.policy,
            "index": self.index,
            "sid": self.sid,
            "path": self.path,
            "effect": self.effect.value,
            "applies": self.applies,
            "failed": list(self.failed),
            "distance": self.distance,
            "action": _element(self.action),
            "resource": _element(self.resource),
        }
        if self.principal is not None:
            report["principal"] = {
                "ok": self.principal.ok,
                "match": self.principal.by,
                "wanted": list(self.principal.wanted),
            }
        report["conditions"] = [condition.as_json() for condition in self.conditions]
        return report


def walk_policy(
    policy: CompiledPolicy, request: Request, values: ReadValues, *, has_boundary: bool
) -> tuple[StatementReport, ...]:
    """Every statement of the policy against the request, in the document's order."""
    return tuple(
        _walk_statement(statement, policy, request, values, has_boundary=has_boundary)
        for statement in policy.statements
    )


def _walk_statement(
    compiled: CompiledStatement, policy: CompiledPolicy, request: Request, values: ReadValues, *, has_boundary: bool
) -> StatementReport:
    statement = compiled.statement
    return StatementReport(
        policy=policy.name,
        index=compiled.index,
        sid=statement.sid,
        path=statement.path,
        effect=statement.effect,
        action=_action(compiled, request.action.lower()),
        resource=_resource(compiled, request.resource, values),
        principal=_principal(compiled, request.principal, has_boundary) if policy.kind.names_principals else None,
        conditions=tuple(
            _condition(condition, test(values), values)
            for condition, test in zip(statement.conditions, compiled.conditions, strict=True)
        ),
    )


def _action(compiled: CompiledStatement, action: str) -> Element:
    actions = compiled.statement.actions
    if actions is None:
        return Element(ok=False)
    by = next((text for text in actions.values if action_pattern(text.lower())(action)), None)
    return Element(ok=compiled.fits_action(action), by=by, wanted=actions.values)


def _resource(compiled: CompiledStatement, resource: str, values: ReadValues) -> Element:
    resources = compiled.statement.resources
    if resources is None:
        return Element(ok=False)
    by = None
    for text, (early, late) in zip(resources.values, compiled.resources, strict=True):
        if (early is not None and early(resource)) or (late is not None and late(resource, values)):
            by = text
            break
    return Element(ok=(by is not None) is not resources.inverted, by=by, wanted=resources.values)


def _principal(compiled: CompiledStatement, principal: Principal, has_boundary: bool) -> Element:
    statement = compiled.statement
    wanted = tuple(named.text for named in statement.principals)
    is_deny = statement.effect is Effect.DENY
    if statement.principals_inverted:
        spared = is_exempt(principal, frozenset(compiled.keys), has_boundary=has_boundary)
        ok = is_deny and not spared
        return Element(ok=ok, by="not_exempt" if ok else None, wanted=wanted)
    # A key policy's Allow for `*` does not stand for AWS services; a Deny does.
    counts_anyone = is_deny or compiled.kind is not PolicyKind.KEY or ANYONE in unlimited_keys(principal)
    ways = (
        ("self", principal.direct_keys),
        ("role", () if principal.role_key is None else (principal.role_key,)),
        ("account", principal.account_keys),
        ("anyone", (ANYONE,) if counts_anyone else ()),
    )
    by = next((way for way, keys in ways if any(key in compiled.keys for key in keys)), None)
    return Element(ok=by is not None, by=by, wanted=wanted)


def _condition(condition: Condition, holds: bool, values: ReadValues) -> ConditionReport:
    prefix = f"{condition.set_operator.value}:" if condition.set_operator is not None else ""
    operator = f"{prefix}{condition.operator.name}{'IfExists' if condition.if_exists else ''}"
    actual = values.read.get(condition.key.lower())
    return ConditionReport(operator=operator, key=condition.key, wanted=condition.values, actual=actual, ok=holds)


def _element(element: Element) -> Mapping[str, Any]:
    return {"ok": element.ok, "by": element.by, "wanted": list(element.wanted)}
