"""What would turn a denial into an Allow: candidate edits, each tried on a copy before it is offered.

An edit is a JSON patch (RFC 6902: add, replace, remove) of one policy's document, of the list of grants, or of the case
(`/encryptionContext/...`). Where one edit is not enough the next missing one is added, up to a few. `Principal: "*"` is
never offered. Source: ours.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from regionsim.authorization.actions import GRANT_OPERATIONS
from regionsim.authorization.compile import CompiledPolicy, compile_policy
from regionsim.authorization.context import Context, encryption_context_values
from regionsim.authorization.decide import GRANT, Policies, decide
from regionsim.authorization.decision import Code, Deciding
from regionsim.authorization.documents import PolicyError
from regionsim.authorization.grants import Grant, SettlingGrants
from regionsim.authorization.policy import Effect, PolicyKind
from regionsim.authorization.principals import Principal, PrincipalKind
from regionsim.authorization.request import ConditionValues, ContextValue, Request, ResourceKind
from regionsim.authorization.walk import ReadValues, StatementReport, walk_policy
from regionsim.names.dataclass import dataclass

_MOST_STEPS = 4
_MOST_FIXES = 6
_CONTEXT_KEY = "kms:encryptioncontext:"

_NEEDS_KEY_POLICY = frozenset(
    {Code.NOTHING_ALLOWS, Code.KEY_POLICY_DOES_NOT_DELEGATE, Code.CROSS_ACCOUNT_NO_KEY_POLICY_ALLOW}
)
_NEEDS_IAM = frozenset({Code.DELEGATED_BUT_NO_IAM_ALLOW, Code.CROSS_ACCOUNT_NO_IAM_ALLOW, Code.NO_IAM_ALLOW})
_LIMITS = {
    Code.IMPLICIT_DENY_PB: "boundary",
    Code.IMPLICIT_DENY_SESSION: "session",
    Code.IMPLICIT_DENY_SCP: "scps",
    Code.IMPLICIT_DENY_VPCE: "endpoint",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One edit: `layer` and `policy` say of what, `edit` is the JSON patch, `about` says it in words."""

    kind: str
    layer: str
    policy: str | None
    about: str
    edit: tuple[Mapping[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """The step as JSON values."""
        return {
            "kind": self.kind,
            "layer": self.layer,
            "policy": self.policy,
            "about": self.about,
            "edit": [dict(part) for part in self.edit],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """Edits that together make the decision Allowed."""

    steps: tuple[Step, ...]

    @property
    def about(self) -> str:
        """What to do, in words."""
        return ", and ".join(step.about for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """The fix as JSON values: the only step, or `kind` of `combined` with `steps`."""
        if len(self.steps) == 1:
            return self.steps[0].as_json()
        return {"kind": "combined", "about": self.about, "steps": [step.as_json() for step in self.steps]}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """A request and policies after some steps."""

    request: Request
    policies: Policies
    steps: tuple[Step, ...] = ()


def find_fixes(request: Request, policies: Policies) -> tuple[Fix, ...]:
    """The fixes of a denial, the smallest first; none for what is allowed."""
    start = _Trial(request=request, policies=policies)
    decision = decide(request, policies)
    if decision.is_allowed:
        return ()
    found: list[Fix] = []
    for trial in _candidates(start, decision.code, decision.deciding):
        fix = _completed(trial)
        if fix is not None and fix not in found:
            found.append(fix)
    return tuple(sorted(found, key=lambda fix: len(fix.steps))[:_MOST_FIXES])


def _completed(trial: _Trial) -> Fix | None:
    """The trial's steps and, while it is still denied, the first next step each time."""
    while True:
        decision = decide(trial.request, trial.policies)
        if decision.is_allowed:
            return Fix(steps=trial.steps)
        if len(trial.steps) >= _MOST_STEPS:
            return None
        following = next(_candidates(trial, decision.code, decision.deciding), None)
        if following is None or following.steps[-1] in trial.steps:
            return None
        trial = following


def _candidates(trial: _Trial, code: Code, deciding: Deciding | None) -> Iterator[_Trial]:
    if deciding is not None:
        yield from _without_denial(trial, deciding)
    elif code in _LIMITS:
        yield from _allowed_by_limit(trial, _LIMITS[code])
    elif code in _NEEDS_KEY_POLICY and trial.request.kind is ResourceKind.KEY:
        yield from _with_token(trial)
        yield from _other_context(trial)
        yield from _named_in_key_policy(trial)
        yield from _delegated(trial)
        yield from _granted(trial)
    elif code in _NEEDS_IAM:
        yield from _with_token(trial)
        yield from _other_context(trial)
        yield from _allowed_by_identity(trial)
        if code is Code.DELEGATED_BUT_NO_IAM_ALLOW:
            yield from _named_in_key_policy(trial)
        if code is not Code.NO_IAM_ALLOW:
            yield from _granted(trial)


# ---------------------------------------------------------------------------------------------------- explicit denies


def _without_denial(trial: _Trial, deciding: Deciding) -> Iterator[_Trial]:
    policy, report = _denying(trial, deciding)
    if policy is None or report is None:
        return
    where = _statement_path(policy, report)
    block = _statement_of(policy, report).get("Condition")
    exception = {"aws:PrincipalArn": _name(trial.request.principal)}
    if not isinstance(block, Mapping) or not block:
        edit = {"op": "add", "path": f"{where}/Condition", "value": {"ArnNotEquals": exception}}
        about = f"except {exception['aws:PrincipalArn']} from the Deny in {policy.name} #{report.index}"
        yield from _edited(trial, policy, "deny_exception", about, edit)
    if len(policy.policy.statements) > 1:
        about = f"remove the Deny in {policy.name} #{report.index}"
        yield from _edited(trial, policy, "remove_deny", about, {"op": "remove", "path": where})
    elif policy.kind is PolicyKind.IDENTITY:
        step = Step(
            kind="remove_policy",
            layer=policy.kind.value,
            policy=policy.name,
            about=f"take the policy {policy.name} away",
            edit=({"op": "remove", "path": ""},),
        )
        kept = tuple(other for other in trial.policies.identity if other is not policy)
        yield _Trial(request=trial.request, policies=replace(trial.policies, identity=kept), steps=(*trial.steps, step))


def _denying(trial: _Trial, deciding: Deciding) -> tuple[CompiledPolicy | None, StatementReport | None]:
    for policy in _all_policies(trial.policies):
        if policy.kind.value == deciding.policy_type and policy.name == deciding.policy:
            for report in _walked(trial, policy):
                if report.index == deciding.index and report.applies and report.effect is Effect.DENY:
                    return policy, report
    return None, None


# ---------------------------------------------------------------------------------------------------------- key policy


def _named_in_key_policy(trial: _Trial) -> Iterator[_Trial]:
    policy, request = trial.policies.key_policy, trial.request
    caller = request.principal
    name = _name(caller)
    element = {"Service": name} if caller.kind is PrincipalKind.SERVICE else {"AWS": name}
    statement = {"Effect": "Allow", "Principal": element, "Action": request.action, "Resource": "*"}
    if policy is None:
        return
    for report in sorted(_walked(trial, policy), key=lambda report: report.index):
        if report.effect is Effect.ALLOW and report.failed == ("principal",):
            edit = _with_principal(policy, report, *next(iter(element.items())))
            if edit is not None:
                titled = f' "{report.sid}"' if report.sid else ""
                about = f"name {name} in key policy #{report.index}{titled}"
                yield from _edited(trial, policy, "key_policy_principal", about, edit)
    about = f"let the key policy allow {request.action} to {name}"
    yield from _edited(trial, policy, "key_policy_statement", about, _with_statement(policy, statement))


def _delegated(trial: _Trial) -> Iterator[_Trial]:
    policy, request, caller = trial.policies.key_policy, trial.request, trial.request.principal
    if policy is not None and caller.account == request.resource_account and caller.kind is not PrincipalKind.ROOT:
        account = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{caller.partition}:iam::{caller.account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
        about = "add the account statement, which hands decisions to IAM"
        yield from _edited(trial, policy, "key_policy_delegation", about, _with_statement(policy, account))


def _with_principal(policy: CompiledPolicy, report: StatementReport, kind: str, name: str) -> Mapping[str, Any] | None:
    principal = _statement_of(policy, report).get("Principal")
    where = f"{_statement_path(policy, report)}/Principal"
    if not isinstance(principal, Mapping):
        return None
    listed = principal.get(kind)
    match listed:
        case None:
            return {"op": "add", "path": f"{where}/{kind}", "value": name}
        case str():
            return {"op": "replace", "path": f"{where}/{kind}", "value": [listed, name]}
        case _:
            return {"op": "add", "path": f"{where}/{kind}/-", "value": name}


# ------------------------------------------------------------------------------------- IAM, limits, grants, the request


def _allowed_by_identity(trial: _Trial) -> Iterator[_Trial]:
    request, principal = trial.request, trial.request.principal
    if principal.kind in (PrincipalKind.SERVICE, PrincipalKind.ROOT):
        return
    name = f"Allow{request.action.partition(':')[2]}"
    statement = {"Effect": "Allow", "Action": request.action, "Resource": request.resource}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    made = _compiled(document, name, PolicyKind.IDENTITY)
    if made is None:
        return
    step = Step(
        kind="identity_policy",
        layer=PolicyKind.IDENTITY.value,
        policy=None,
        about=f"give {_name(principal)} an identity policy that allows {request.action}",
        edit=({"op": "add", "path": "/identityPolicies/-", "value": {"name": name, "policy": document}},),
    )
    policies = replace(trial.policies, identity=(*trial.policies.identity, made))
    yield _Trial(request=request, policies=policies, steps=(*trial.steps, step))


def _allowed_by_limit(trial: _Trial, layer: str) -> Iterator[_Trial]:
    request = trial.request
    held: Any = getattr(trial.policies, layer)
    levels: Sequence[tuple[CompiledPolicy, ...]] = held if layer == "scps" else (held,)
    for level in levels:
        allows = any(
            report.applies and report.effect is Effect.ALLOW for policy in level for report in _walked(trial, policy)
        )
        if allows or not level:
            continue
        policy = level[0]
        statement: dict[str, Any] = {"Effect": "Allow", "Action": request.action, "Resource": request.resource}
        if policy.kind.names_principals:
            statement["Principal"] = {"AWS": _name(request.principal)}
        about = f"let {policy.name} allow {request.action}"
        yield from _edited(trial, policy, f"{policy.kind.value}_statement", about, _with_statement(policy, statement))


def _granted(trial: _Trial) -> Iterator[_Trial]:
    request, principal = trial.request, trial.request.principal
    operation = request.action.partition(":")[2]
    if operation not in GRANT_OPERATIONS - {"CreateGrant", "RetireGrant"} or principal.kind in (
        PrincipalKind.SERVICE,
        PrincipalKind.ROOT,
    ):
        return
    name = _name(principal)
    grant = Grant(
        grant_id="new grant",
        key_arn=request.resource,
        grantee=name,
        operations=frozenset({operation}),
        issuing_account=request.resource_account,
    )
    step = Step(
        kind="grant",
        layer="grants",
        policy=None,
        about=f"create a grant: {operation} for {name}",
        edit=({"op": "add", "path": "/grants/-", "value": {"GranteePrincipal": name, "Operations": [operation]}},),
    )
    policies = replace(trial.policies, grants=(*trial.policies.grants, grant))
    yield _Trial(request=request, policies=policies, steps=(*trial.steps, step))


def _with_token(trial: _Trial) -> Iterator[_Trial]:
    """Where a new grant does not count for everybody yet: its token."""
    grants = trial.policies.grants
    if not isinstance(grants, SettlingGrants):
        return
    policies = replace(trial.policies, grants=grants.all)
    deciding = decide(trial.request, policies).deciding
    if deciding is None or deciding.policy_type != GRANT:
        return
    step = Step(
        kind="grant_token",
        layer="grants",
        policy=deciding.policy,
        about=f"send the token of the new grant {deciding.policy}, or wait until it counts without it",
        edit=({"op": "add", "path": "/grantTokens/-", "value": deciding.policy},),
    )
    yield _Trial(request=trial.request, policies=policies, steps=(*trial.steps, step))


def _other_context(trial: _Trial) -> Iterator[_Trial]:
    """Where an Allow fails by its wish for an encryption context only: send that context."""
    for policy in _all_policies(trial.policies):
        for report in _walked(trial, policy):
            if report.effect is not Effect.ALLOW or not report.failed or set(report.failed) != {"condition"}:
                continue
            wanted = _wanted_pairs(report)
            if wanted is None:
                continue
            pairs = {**trial.request.encryption_context, **wanted}
            step = Step(
                kind="encryption_context",
                layer="request",
                policy=None,
                about="send the encryption context " + ", ".join(f"{name}={text}" for name, text in wanted.items()),
                edit=tuple(
                    {"op": "add", "path": f"/encryptionContext/{_escaped(name)}", "value": text}
                    for name, text in wanted.items()
                ),
            )
            request = replace(trial.request, encryption_context=pairs, context=_Overlaid(trial.request.context, pairs))
            yield _Trial(request=request, policies=trial.policies, steps=(*trial.steps, step))


def _wanted_pairs(report: StatementReport) -> dict[str, str] | None:
    pairs: dict[str, str] = {}
    for condition in report.conditions:
        if condition.ok:
            continue
        is_plain = condition.operator in ("StringEquals", "StringLike") and condition.key.lower().startswith(
            _CONTEXT_KEY
        )
        if not is_plain or not condition.wanted or any(sign in condition.wanted[0] for sign in "*?$"):
            return None
        pairs[condition.key[len(_CONTEXT_KEY) :]] = condition.wanted[0]
    return pairs


class _Overlaid:
    """Condition values with another encryption context."""

    __slots__ = ("_over", "_under")

    def __init__(self, under: ConditionValues, pairs: Mapping[str, str]) -> None:
        self._under = under
        self._over = Context(encryption_context_values(pairs))

    def get(self, key: str, /) -> ContextValue | None:
        found = self._over.get(key)
        return self._under.get(key) if found is None else found


# ---------------------------------------------------------------------------------------------------------- the patches


def _edited(trial: _Trial, policy: CompiledPolicy, kind: str, about: str, edit: Mapping[str, Any]) -> Iterator[_Trial]:
    made = _compiled(patched(policy.policy.document, edit), policy.name, policy.kind)
    if made is None:
        return
    step = Step(kind=kind, layer=policy.kind.value, policy=policy.name, about=about, edit=(edit,))
    policies = _replaced(trial.policies, policy, made)
    yield _Trial(request=trial.request, policies=policies, steps=(*trial.steps, step))


def patched(document: Mapping[str, Any], edit: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `document` after one operation of a JSON patch whose place exists."""
    result: Any = copy.deepcopy(dict(document))
    *way, last = [_unescaped(part) for part in edit["path"].split("/")[1:]]
    place = result
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if isinstance(place, list):
        if edit["op"] == "remove":
            del place[int(last)]
        else:
            place.insert(len(place) if last == "-" else int(last), edit["value"])
    elif edit["op"] == "remove":
        del place[last]
    else:
        place[last] = edit["value"]
    made: dict[str, Any] = result
    return made


def _with_statement(policy: CompiledPolicy, statement: Mapping[str, Any]) -> Mapping[str, Any]:
    listed = policy.policy.document["Statement"]
    if isinstance(listed, Mapping):
        return {"op": "replace", "path": "/Statement", "value": [dict(listed), statement]}
    return {"op": "add", "path": "/Statement/-", "value": statement}


def _statement_path(policy: CompiledPolicy, report: StatementReport) -> str:
    is_single = isinstance(policy.policy.document["Statement"], Mapping)
    return "/Statement" if is_single else f"/Statement/{report.index - 1}"


def _statement_of(policy: CompiledPolicy, report: StatementReport) -> Mapping[str, Any]:
    listed: Any = policy.policy.document["Statement"]
    found: Mapping[str, Any] = listed if isinstance(listed, Mapping) else listed[report.index - 1]
    return found


def _compiled(document: Mapping[str, Any], name: str, kind: PolicyKind) -> CompiledPolicy | None:
    try:
        return compile_policy(document, name=name, kind=kind)
    except PolicyError:
        return None


def _replaced(policies: Policies, old: CompiledPolicy, new: CompiledPolicy) -> Policies:
    def swapped(layer: Iterable[CompiledPolicy]) -> tuple[CompiledPolicy, ...]:
        return tuple(new if policy is old else policy for policy in layer)

    return Policies(
        key_policy=new if policies.key_policy is old else policies.key_policy,
        identity=swapped(policies.identity),
        boundary=swapped(policies.boundary),
        session=swapped(policies.session),
        scps=tuple(swapped(level) for level in policies.scps),
        rcps=tuple(swapped(level) for level in policies.rcps),
        endpoint=swapped(policies.endpoint),
        grants=policies.grants,
    )


def _all_policies(policies: Policies) -> Iterator[CompiledPolicy]:
    if policies.key_policy is not None:
        yield policies.key_policy
    for layer in (policies.identity, policies.boundary, policies.session, *policies.scps, *policies.rcps):
        yield from layer
    yield from policies.endpoint


def _walked(trial: _Trial, policy: CompiledPolicy) -> tuple[StatementReport, ...]:
    values = ReadValues(trial.request.context)
    return walk_policy(policy, trial.request, values, has_boundary=bool(trial.policies.boundary))


def _name(principal: Principal) -> str:
    """How a policy should name this caller: of a session its role, of a service the service."""
    return principal.role_arn or principal.role_key or principal.arn


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
