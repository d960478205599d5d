"""Short ways to write principals, policies and requests for the tests of authorization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regionsim.authorization.compile import CompiledPolicy, compile_policy
from regionsim.authorization.context import Context, LazyValue, encryption_context_values, principal_values
from regionsim.authorization.decide import Decision, Policies, decide
from regionsim.authorization.grants import Grant, GrantConstraints
from regionsim.authorization.policy import PolicyKind
from regionsim.authorization.principals import Principal, PrincipalKind
from regionsim.authorization.request import Request, ResourceKind

HOME = "111122223333"
AWAY = "444455556666"
REGION = "us-west-2"
KEY = f"arn:aws:kms:{REGION}:{HOME}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_KEY = f"arn:aws:kms:{REGION}:{HOME}:key/0987dcba-09fe-87dc-65ba-ab0987654321"
ALIAS = f"arn:aws:kms:{REGION}:{HOME}:alias/orders"


def user(
    name: str = "alice", account: str = HOME, *, path: str = "/", tags: Mapping[str, str] | None = None
) -> Principal:
    return Principal(
        kind=PrincipalKind.USER,
        arn=f"arn:aws:iam::{account}:user{path}{name}",
        account=account,
        name=name,
        tags=tags or {},
        user_id="AIDAEXAMPLE",
    )


def session(role: str = "app", name: str = "s1", account: str = HOME, *, path: str = "/") -> Principal:
    return Principal(
        kind=PrincipalKind.ROLE_SESSION,
        arn=f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
        account=account,
        name=role,
        role_arn=f"arn:aws:iam::{account}:role{path}{role}",
        session_name=name,
        user_id=f"AROAEXAMPLE:{name}",
    )


def root(account: str = HOME) -> Principal:
    arn = f"arn:aws:iam::{account}:root"
    return Principal(kind=PrincipalKind.ROOT, arn=arn, account=account, name="root", user_id=account)


def service(name: str = "s3.amazonaws.com") -> Principal:
    return Principal(kind=PrincipalKind.SERVICE, arn=name, account="", name=name)


def account_arn(account: str = HOME) -> str:
    return f"arn:aws:iam::{account}:root"


def allow(
    principal: object = None, action: object = "kms:*", resource: object = "*", **others: object
) -> dict[str, Any]:
    return _statement("Allow", principal, action, resource, others)


def deny(
    principal: object = None, action: object = "kms:*", resource: object = "*", **others: object
) -> dict[str, Any]:
    return _statement("Deny", principal, action, resource, others)


def _statement(
    effect: str, principal: object, action: object, resource: object, others: Mapping[str, object]
) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": effect, "Action": action, "Resource": resource, **others}
    if principal is not None:
        is_whole = principal == "*" or isinstance(principal, Mapping)
        statement["Principal"] = principal if is_whole else {"AWS": principal}
    return statement


def compiled(
    *statements: Mapping[str, object],
    kind: PolicyKind = PolicyKind.IDENTITY,
    name: str = "policy",
    version: str = "2012-10-17",
) -> CompiledPolicy:
    return compile_policy({"Version": version, "Statement": list(statements)}, name=name, kind=kind)


def key_policy(*statements: Mapping[str, object], name: str = "key policy") -> CompiledPolicy:
    return compiled(*statements, kind=PolicyKind.KEY, name=name)


def delegating() -> CompiledPolicy:
    """The default key policy."""
    return key_policy(allow(account_arn(), Sid="Enable IAM User Permissions"))


def request(
    principal: Principal | None = None,
    action: str = "kms:Decrypt",
    resource: str = KEY,
    *,
    context: Mapping[str, LazyValue] | None = None,
    encryption_context: Mapping[str, str] | None = None,
    kind: ResourceKind | None = None,
    grant: Grant | None = None,
) -> Request:
    caller = principal or user()
    pairs = encryption_context or {}
    if kind is None:
        kind = ResourceKind.KEY if ":key/" in resource else ResourceKind.NONE if resource == "*" else ResourceKind.ALIAS
    return Request(
        principal=caller,
        action=action,
        resource=resource,
        resource_account=caller.account if resource == "*" else resource.split(":")[4],
        kind=kind,
        region=REGION,
        context=Context(principal_values(caller)).merged(encryption_context_values(pairs), context or {}),
        encryption_context=pairs,
        grant=grant,
    )


def grant(
    grantee: str,
    *operations: str,
    grant_id: str = "g1",
    equals: Mapping[str, str] | None = None,
    subset: Mapping[str, str] | None = None,
    source_arn: str | None = None,
    retiring: str | None = None,
    issuing_account: str = HOME,
    key_arn: str = KEY,
) -> Grant:
    return Grant(
        grant_id=grant_id,
        key_arn=key_arn,
        grantee=grantee,
        operations=frozenset(operations),
        issuing_account=issuing_account,
        retiring=retiring,
        constraints=GrantConstraints(
            encryption_context_equals=equals, encryption_context_subset=subset, source_arn=source_arn
        ),
    )


def decided(asked: Request, **layers: Any) -> Decision:
    return decide(asked, Policies(**layers))
