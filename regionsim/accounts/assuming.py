"""May somebody assume a role? The role's trust policy says whom it lets, and IAM says so where it names an account.

Source: IAM User Guide, "Methods to assume a role", "Cross-account policy evaluation logic"; STS API Reference,
AssumeRole (sts:TagSession for session tags).
"""

from __future__ import annotations

from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Role
from regionsim.authorization.compile import CompiledPolicy, compile_policy, first_holding
from regionsim.authorization.context import Context, principal_values
from regionsim.authorization.policy import PolicyKind
from regionsim.authorization.principals import ANYONE, Principal, PrincipalKind
from regionsim.names.arns import role_arn

ASSUME_ROLE, TAG_SESSION = "sts:assumerole", "sts:tagsession"


def may_assume(directory: Directory, by: Principal, account: str, role: Role, *, with_tags: bool = False) -> bool:
    """True when `by` can have a session of the role (and, `with_tags`, put tags on it)."""
    actions = (ASSUME_ROLE, TAG_SESSION) if with_tags else (ASSUME_ROLE,)
    return all(_may(directory, by, account, role, action) for action in actions)


def _may(directory: Directory, by: Principal, account: str, role: Role, action: str) -> bool:
    if role.trust is None:
        return False
    trust = compile_policy(role.trust, name="trust policy", kind=PolicyKind.TRUST)
    resource, context = role_arn(account, role.name, path=role.path), Context(principal_values(by))
    limits = (*directory.identity_policies(by), *directory.boundary_policies(by))
    by_key = trust.slice(action, resource).by_key
    if any(key in by_key and first_holding(by_key[key].denies, context) for key in by.all_keys):
        return False
    if any(first_holding(policy.slice(action, resource).denies, context) for policy in limits):
        return False

    def trusts(keys: tuple[str, ...]) -> bool:
        return any(key in by_key and first_holding(by_key[key].allows, context) is not None for key in keys)

    own = (*by.direct_keys, *filter(None, (by.role_key,)))
    if by.kind is PrincipalKind.SERVICE:
        return trusts(own)
    if by.account == account and trusts((*own, ANYONE)):
        return True
    iam = by.kind is PrincipalKind.ROOT or _allows(directory.identity_policies(by), action, resource, context)
    boundary = directory.boundary_policies(by)
    return trusts(by.all_keys) and iam and (not boundary or _allows(boundary, action, resource, context))


def _allows(policies: tuple[CompiledPolicy, ...], action: str, resource: str, context: Context) -> bool:
    return any(first_holding(policy.slice(action, resource).allows, context) is not None for policy in policies)
