"""The decision: default deny, an explicit Deny anywhere wins, and then one side or both must allow.

    1  an applicable Deny in any policy                                          explicitly denied
    2  a level of SCPs, or the VPC endpoint policy, without an Allow             implicitly denied
    3  on a key, same account      the key policy names the caller itself, or it names the account and IAM allows
       on a key, other account     the key policy names caller or account, and IAM allows in the caller's account
       on an alias or on nothing   IAM allows
    4  a matching grant                                                          allowed
    5                                                                            implicitly denied

A permissions boundary and a session policy limit what IAM allows and what a key policy allows to a role's ARN. They do
not limit what it allows to a user's or session's own ARN or to `*`, nor a grant (ours), except by an explicit Deny.
Source: KMS Developer Guide, "Key policies in AWS KMS", "Grants in AWS KMS"; IAM User Guide, "Policy evaluation logic";
where they leave a point open, ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from regionsim.authorization.actions import CROSS_ACCOUNT_ACTIONS
from regionsim.authorization.compile import CompiledPolicy, CompiledStatement, Slice, first_holding
from regionsim.authorization.decision import Code, Deciding, Decision, Outcome
from regionsim.authorization.grants import Grant, GrantIndex, SettlingGrants
from regionsim.authorization.principals import ANYONE, Principal, PrincipalKind
from regionsim.authorization.request import ConditionValues, Request, ResourceKind
from regionsim.names.dataclass import dataclass
from regionsim.names.made_often import made_often

__all__ = ["Code", "Deciding", "Decision", "Outcome", "Policies", "Request", "ResourceKind", "decide"]

_RETIRE_GRANT = "kms:retiregrant"
_WITH_POLICY = (ResourceKind.KEY, ResourceKind.ROLE)
GRANT = "grant"
"""`policy_type` of a decision that a grant made; the others are values of `PolicyKind`."""


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """Everything that has a say in one request; empty = that layer does not exist for it.

    `key_policy` is the resource's own: of a role its trust policy. `identity`, `boundary`, `session` and `scps` (by
    level, root first) are the caller's; `rcps` are those of the key's account, and none for an AWS managed key. A
    layer's several policies count together, except that every level of SCPs must allow. Leave `scps` empty for a
    caller of the management account.
    """

    key_policy: CompiledPolicy | None = None
    identity: tuple[CompiledPolicy, ...] = ()
    boundary: tuple[CompiledPolicy, ...] = ()
    session: tuple[CompiledPolicy, ...] = ()
    scps: tuple[tuple[CompiledPolicy, ...], ...] = ()
    rcps: tuple[tuple[CompiledPolicy, ...], ...] = ()
    endpoint: tuple[CompiledPolicy, ...] = ()
    grants: tuple[Grant, ...] | GrantIndex | SettlingGrants = ()


class _Case(NamedTuple):
    """One request under its policies, with the action in lower case."""

    request: Request
    policies: Policies
    action: str
    principal: Principal
    context: ConditionValues


def decide(request: Request, policies: Policies) -> Decision:
    """The decision on `request` under `policies`, with the statement or grant that decided."""
    case = _Case(request, policies, request.action.lower(), request.principal, request.context)
    refused = _explicit_deny(case) or _missing_level(case)
    if refused is not None:
        return refused
    if case.action == _RETIRE_GRANT:
        return _retirement(case)
    if request.kind is not ResourceKind.KEY and request.kind is not ResourceKind.ROLE:
        return _without_key(case)
    if case.principal.kind is PrincipalKind.SERVICE or case.principal.account == request.resource_account:
        decision = _same_account(case)
    elif case.action in CROSS_ACCOUNT_ACTIONS or request.kind is ResourceKind.ROLE:
        decision = _other_account(case)
    else:
        return _denied(Code.NOT_USABLE_CROSS_ACCOUNT)
    if decision.outcome is Outcome.ALLOWED:
        return decision
    grant = _matching_grant(case)
    return decision if grant is None else _allowed_by_grant(grant)


def _explicit_deny(case: _Case) -> Decision | None:
    """The first applicable Deny, in the order in which AWS reports them."""
    policies = case.policies
    if policies.scps and is_bound_by_scps(case.principal):
        found = _first_deny((policy for level in policies.scps for policy in level), case)
        if found:
            return _explicit(Code.EXPLICIT_DENY_SCP, found)
    if policies.rcps and case.action != _RETIRE_GRANT and not case.principal.is_service_linked:
        found = _first_named_deny((policy for level in policies.rcps for policy in level), case)
        if found:
            return _explicit(Code.EXPLICIT_DENY_RCP, found)
    if policies.key_policy is not None and _key_policy_counts(case):
        found = _first_named_deny((policies.key_policy,), case)
        if found:
            return _explicit(Code.EXPLICIT_DENY_RESOURCE, found)
    found = _first_deny(policies.identity, case)
    if found:
        return _explicit(Code.EXPLICIT_DENY_IDENTITY, found)
    found = _first_deny(policies.boundary, case) if policies.boundary else None
    if found:
        return _explicit(Code.EXPLICIT_DENY_PB, found)
    found = _first_deny(policies.session, case) if policies.session else None
    if found:
        return _explicit(Code.EXPLICIT_DENY_SESSION, found)
    found = _first_named_deny(policies.endpoint, case) if policies.endpoint else None
    return _explicit(Code.EXPLICIT_DENY_VPCE, found) if found else None


def _key_policy_counts(case: _Case) -> bool:
    """A key policy speaks about its key only, and `kms:RetireGrant` in it has no effect (grant-manage)."""
    return case.request.kind in _WITH_POLICY and case.action != _RETIRE_GRANT


def is_bound_by_scps(principal: Principal) -> bool:
    """True but for AWS services and service-linked roles."""
    return principal.kind is not PrincipalKind.SERVICE and not principal.is_service_linked


def _first_deny(policies: Iterable[CompiledPolicy], case: _Case) -> CompiledStatement | None:
    for policy in policies:
        denies = policy.slice(case.action, case.request.resource).denies
        found = first_holding(denies, case.context) if denies else None
        if found is not None:
            return found
    return None


def _first_named_deny(policies: Iterable[CompiledPolicy], case: _Case) -> CompiledStatement | None:
    for policy in policies:
        fitting = policy.slice(case.action, case.request.resource)
        found = _named_deny(fitting, case) if fitting.can_deny else None
        if found is not None:
            return found
    return None


def _named_deny(fitting: Slice, case: _Case) -> CompiledStatement | None:
    """A Deny whose Principal is any of the caller's names, its account and `*` included."""
    for key in case.principal.all_keys:
        entries = fitting.by_key.get(key)
        if entries is not None and entries.denies:
            found = first_holding(entries.denies, case.context)
            if found is not None:
                return found
    for excepted, entry in fitting.excepting:
        if not is_exempt(case.principal, excepted, has_boundary=bool(case.policies.boundary)):
            found = first_holding((entry,), case.context)
            if found is not None:
                return found
    return None


def is_exempt(principal: Principal, excepted: frozenset[str], *, has_boundary: bool) -> bool:
    """NotPrincipal spares only a caller whose own (or role's) ARN and account are listed, and none with a boundary.

    Source: IAM User Guide, NotPrincipal (boundary); the rest is ours.
    """
    if has_boundary:
        return False
    if ANYONE in excepted:
        return True
    names_account = not principal.account_keys or any(key in excepted for key in principal.account_keys)
    own = (*principal.direct_keys, *filter(None, (principal.role_key,))) or principal.account_keys
    return names_account and any(key in excepted for key in own)


def _missing_level(case: _Case) -> Decision | None:
    """A level of SCPs, or the endpoint, that does not allow: none of what follows can make up for it."""
    scps = case.policies.scps
    if scps and is_bound_by_scps(case.principal) and not all(_allow(level, case) for level in scps):
        return _denied(Code.IMPLICIT_DENY_SCP)
    if case.policies.endpoint and not any(_named_allow(policy, case) for policy in case.policies.endpoint):
        return _denied(Code.IMPLICIT_DENY_VPCE)
    return None


def _allow(policies: Iterable[CompiledPolicy], case: _Case) -> CompiledStatement | None:
    for policy in policies:
        allows = policy.slice(case.action, case.request.resource).allows
        found = first_holding(allows, case.context) if allows else None
        if found is not None:
            return found
    return None


def _named_allow(policy: CompiledPolicy, case: _Case) -> CompiledStatement | None:
    """An Allow for any of the caller's names. In an endpoint policy the account stands for all in it (ours)."""
    return _holding(policy.slice(case.action, case.request.resource), case.principal.all_keys, case)


def _holding(fitting: Slice, keys: Iterable[str], case: _Case) -> CompiledStatement | None:
    for key in keys:
        entries = fitting.by_key.get(key)
        if entries is not None and entries.allows:
            found = first_holding(entries.allows, case.context)
            if found is not None:
                return found
    return None


def _key_policy_slice(case: _Case) -> Slice:
    if case.policies.key_policy is None:
        return Slice()
    return case.policies.key_policy.slice(case.action, case.request.resource)


def unlimited_keys(principal: Principal) -> tuple[str, ...]:
    """The principal keys whose Allow in a key policy needs neither IAM nor a limit's consent."""
    # `*` in an Allow does not stand for AWS services (ours); in a Deny it does.
    if principal.kind is PrincipalKind.SERVICE:
        return principal.direct_keys
    return (*principal.direct_keys, ANYONE)


def _same_account(case: _Case) -> Decision:
    principal, fitting = case.principal, _key_policy_slice(case)
    direct = _holding(fitting, unlimited_keys(principal), case)
    if direct is not None:
        return _allowed(Code.ALLOW_KEY_POLICY, direct)
    by_role = _holding(fitting, (principal.role_key,), case) if principal.role_key else None
    if by_role is not None:
        return _limited(case) or _allowed(Code.ALLOW_KEY_POLICY, by_role)
    by_account = _holding(fitting, principal.account_keys, case)
    identity = _allow(case.policies.identity, case)
    if by_account is None:
        return _denied(Code.NOTHING_ALLOWS if identity is None else Code.KEY_POLICY_DOES_NOT_DELEGATE)
    if identity is None and principal.kind is not PrincipalKind.ROOT:
        return _denied(Code.DELEGATED_BUT_NO_IAM_ALLOW)
    return _limited(case) or _allowed(Code.ALLOW_IAM_DELEGATED, identity or by_account)


def _other_account(case: _Case) -> Decision:
    principal = case.principal
    named = _holding(_key_policy_slice(case), principal.all_keys, case)
    if named is None:
        return _denied(Code.CROSS_ACCOUNT_NO_KEY_POLICY_ALLOW)
    identity = _allow(case.policies.identity, case)
    if identity is None and principal.kind is not PrincipalKind.ROOT:
        return _denied(Code.CROSS_ACCOUNT_NO_IAM_ALLOW)
    return _limited(case) or _allowed(Code.ALLOW_CROSS_ACCOUNT, identity or named)


def _without_key(case: _Case) -> Decision:
    principal, request = case.principal, case.request
    if request.kind is ResourceKind.ALIAS and principal.account != request.resource_account:
        return _denied(Code.NOT_USABLE_CROSS_ACCOUNT)
    identity = _allow(case.policies.identity, case)
    if identity is None and principal.kind is not PrincipalKind.ROOT:
        return _denied(Code.NO_IAM_ALLOW)
    return _limited(case) or _allowed(Code.ALLOW_IAM, identity)


def _limited(case: _Case) -> Decision | None:
    """The denial by a boundary or a session policy that does not allow, or None."""
    if case.policies.boundary and _allow(case.policies.boundary, case) is None:
        return _denied(Code.IMPLICIT_DENY_PB)
    if case.policies.session and _allow(case.policies.session, case) is None:
        return _denied(Code.IMPLICIT_DENY_SESSION)
    return None


def _matching_grant(case: _Case) -> Grant | None:
    """A grant to the caller itself or its role; or one to its account, which IAM must then allow (root: of itself)."""
    grants, principal = case.policies.grants, case.principal
    if not grants:
        return None
    for key in _own_keys(principal):
        found = _grant_for(key, case)
        if found is not None:
            return found
    if not principal.account_keys or not _account_acts(case):
        return None
    return next((grant for key in principal.account_keys if (grant := _grant_for(key, case)) is not None), None)


def _grant_for(key: str, case: _Case) -> Grant | None:
    grants = case.policies.grants
    if isinstance(grants, tuple):
        return next((grant for grant in grants if grant.grantee_key == key and grant.matches(case.request)), None)
    return grants.matching(key, case.request)


def _own_keys(principal: Principal) -> tuple[str, ...]:
    return principal.direct_keys if principal.role_key is None else (*principal.direct_keys, principal.role_key)


def _account_acts(case: _Case) -> bool:
    """May the caller act for its account: the root user, or whom IAM allows within boundary and session policy."""
    if case.principal.kind is not PrincipalKind.ROOT and _allow(case.policies.identity, case) is None:
        return False
    return _limited(case) is None


def _retirement(case: _Case) -> Decision:
    """RetireGrant is decided by the grant: its retiring principal, its grantee if it says so, the issuing account.

    Where the grant names an account, IAM says who acts for it. Source: KMS API Reference, RetireGrant; KMS Developer
    Guide, "Grants in AWS KMS".
    """
    grant, principal = case.request.grant, case.principal
    if grant is None:
        return _denied(Code.NOTHING_ALLOWS)
    entitled = {grant.retiring_key}
    if _RETIRE_GRANT in grant.actions:
        entitled.add(grant.grantee_key)
    if any(key in entitled for key in _own_keys(principal)):
        return _allowed_by_grant(grant)
    entitled.add(grant.issuing_account)
    if not any(key in entitled for key in principal.account_keys):
        return _denied(Code.NOTHING_ALLOWS)
    if _account_acts(case):
        return _allowed_by_grant(grant)
    return _limited(case) or _denied(Code.NO_IAM_ALLOW)


# Decisions are values and there are few, so they are made once: a denial by code, any other by code and statement.
_DENIALS = {code: Decision(outcome=Outcome.IMPLICITLY_DENIED, code=code) for code in Code}


def _denied(code: Code) -> Decision:
    return _DENIALS[code]


def _explicit(code: Code, statement: CompiledStatement) -> Decision:
    return _decided(Outcome.EXPLICITLY_DENIED, code, statement)


def _allowed(code: Code, statement: CompiledStatement | None) -> Decision:
    if statement is None:
        return Decision(outcome=Outcome.ALLOWED, code=code)
    return _decided(Outcome.ALLOWED, code, statement)


def _allowed_by_grant(grant: Grant) -> Decision:
    return _grant_decision(grant.grant_id, grant.name)


@lru_cache(maxsize=4096)
def _grant_decision(grant_id: str, name: str | None) -> Decision:
    deciding = Deciding(policy_type=GRANT, policy=grant_id, sid=name, index=1)
    return Decision(outcome=Outcome.ALLOWED, code=Code.ALLOW_GRANT, deciding=deciding)


def _decided(outcome: Outcome, code: Code, statement: CompiledStatement) -> Decision:
    made = statement.decisions.get(code)
    if made is None:
        sid, kind = statement.statement.sid, statement.kind.value
        deciding = Deciding(policy_type=kind, policy=statement.policy, sid=sid, index=statement.index)
        made = statement.decisions[code] = Decision(outcome=outcome, code=code, deciding=deciding)
    return made
