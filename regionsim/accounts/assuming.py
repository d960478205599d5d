"""AssumeRole: may this caller have a session of a role, and which session does it get? Pure.

The role's trust policy is the resource's side and is decided on as a key policy is: who is named there needs no IAM in
the same account, an account that is named hands the decision to IAM, another account needs both sides.
Source: STS API Reference, AssumeRole; IAM User Guide, "Methods to assume a role", "Cross-account policy evaluation
logic", "Pass session tags in AWS STS". That root users may assume no role, and the sentences, are observed; texts about
malformed policies and tags are UNVERIFIED (ours).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Role
from regionsim.accounts.organization import organization_values
from regionsim.authorization.compile import compile_policy
from regionsim.authorization.context import Context, LazyValue, principal_values
from regionsim.authorization.decide import Policies, decide
from regionsim.authorization.documents import PolicyError
from regionsim.authorization.policy import PolicyKind, parse_policy
from regionsim.authorization.principals import Principal, PrincipalForm, PrincipalKind, read_principal
from regionsim.authorization.request import Request, ResourceKind
from regionsim.authorization.sentences import aws_message
from regionsim.names.arns import Arn, role_arn
from regionsim.names.dataclass import dataclass

ASSUME_ROLE, TAG_SESSION = "sts:AssumeRole", "sts:TagSession"

_SESSION_NAME = re.compile(r"[\w+=,.@-]*", re.ASCII)
_SESSION_NAME_PATTERN = "[\\w+=,.@-]*"
_SHORTEST_NAME, _LONGEST_NAME = 2, 64
_SHORTEST_ARN, _LONGEST_ARN = 20, 2048
_LONGEST_POLICY = 2048
_MOST_TAGS, _LONGEST_TAG_KEY, _LONGEST_TAG_VALUE = 50, 128, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumeRole:
    """What is asked of STS. `policy` is the JSON text of a session policy (empty: none); `values` are condition values
    that only the door knows (`aws:SourceIp`, `aws:CurrentTime`)."""

    role_arn: str
    session_name: str
    policy: str = field(default="", repr=False)
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    external_id: str = field(default="", repr=False)
    values: Mapping[str, LazyValue] = field(default_factory=dict, hash=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumeRoleRefusal:
    """STS's refusal: code, text and HTTP status as on the wire."""

    code: str
    message: str
    http_status: int = 400


def assume_role(directory: Directory, caller: Principal, asked: AssumeRole) -> Principal | AssumeRoleRefusal:
    """The session that `caller` gets of the role, or why it gets none."""
    mistake = mistake_in(asked)
    if mistake is not None:
        return mistake
    if caller.kind is PrincipalKind.ROOT:
        return _denied("Roles may not be assumed by root accounts.")
    arn = Arn.parse(asked.role_arn)
    named = read_principal(asked.role_arn)
    if arn is None or named is None or named.form is not PrincipalForm.ROLE:
        return _invalid("Request ARN is invalid")
    name = arn.resource.rpartition("/")[2]
    role = directory.find_role(arn.account, name)
    if role is None or role_arn(arn.account, name, path=role.path, partition=arn.partition) != asked.role_arn:
        # STS does not tell who has no such role from who may not have it.
        return _denied(_sentence(caller, ASSUME_ROLE, asked.role_arn))
    for action in (ASSUME_ROLE, TAG_SESSION) if asked.tags else (ASSUME_ROLE,):
        refusal = _refusal(directory, caller, arn.account, role, asked, action)
        if refusal is not None:
            return refusal
    return directory.session(
        arn.account,
        name,
        asked.session_name,
        partition=arn.partition,
        tags=asked.tags,
        session_policy=asked.policy,
    )


def mistake_in(asked: AssumeRole) -> AssumeRoleRefusal | None:
    """What STS refuses whoever asks; None when all values are as they must be."""
    return next(_mistakes(asked), None)


def _refusal(
    directory: Directory, caller: Principal, account: str, role: Role, asked: AssumeRole, action: str
) -> AssumeRoleRefusal | None:
    trust = None if role.trust is None else compile_policy(role.trust, name="trust policy", kind=PolicyKind.TRUST)
    request = Request(
        principal=caller,
        action=action,
        resource=asked.role_arn,
        resource_account=account,
        kind=ResourceKind.ROLE,
        region="",
        context=Context(principal_values(caller)).merged(
            organization_values(directory.accounts.get(caller.account), "Principal"),
            organization_values(directory.accounts.get(account), "Resource"),
            _values(role, asked),
            asked.values,
        ),
    )
    policies = Policies(
        key_policy=trust,
        identity=directory.identity_policies(caller),
        boundary=directory.boundary_policies(caller),
        session=directory.session_policies(caller),
        scps=directory.service_control_policies(caller),
    )
    decision = decide(request, policies)
    return None if decision.is_allowed else _denied(aws_message(request, decision))


def _values(role: Role, asked: AssumeRole) -> dict[str, LazyValue]:
    """Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS Security Token
    Service"."""
    return {
        "sts:RoleSessionName": asked.session_name,
        "sts:ExternalId": asked.external_id or None,
        "aws:TagKeys": tuple(asked.tags) or None,
        **{f"aws:RequestTag/{name}": text for name, text in asked.tags.items()},
        **{f"aws:ResourceTag/{name}": text for name, text in role.tags.items()},
        **{f"iam:ResourceTag/{name}": text for name, text in role.tags.items()},
    }


def _mistakes(asked: AssumeRole) -> Iterator[AssumeRoleRefusal]:
    if not _SHORTEST_ARN <= len(asked.role_arn) <= _LONGEST_ARN:
        yield _out_of_bounds("roleArn", asked.role_arn, _SHORTEST_ARN, _LONGEST_ARN)
    name = asked.session_name
    if not _SESSION_NAME.fullmatch(name):
        rule = f"Member must satisfy regular expression pattern: {_SESSION_NAME_PATTERN}"
        yield _constraint("roleSessionName", name, rule)
    if not _SHORTEST_NAME <= len(name) <= _LONGEST_NAME:
        yield _out_of_bounds("roleSessionName", name, _SHORTEST_NAME, _LONGEST_NAME)
    if len(asked.policy) > _LONGEST_POLICY:
        yield _out_of_bounds("policy", asked.policy, 1, _LONGEST_POLICY)
    if asked.policy:
        yield from _mistakes_of_policy(asked.policy)
    yield from _mistakes_of_tags(asked.tags)


def _mistakes_of_policy(text: str) -> Iterator[AssumeRoleRefusal]:
    try:
        parse_policy(text, kind=PolicyKind.SESSION)
    except PolicyError as error:
        yield AssumeRoleRefusal(code="MalformedPolicyDocument", message=error.message)


def _mistakes_of_tags(tags: Mapping[str, str]) -> Iterator[AssumeRoleRefusal]:
    if len(tags) > _MOST_TAGS:
        rule = f"Member must have length less than or equal to {_MOST_TAGS}"
        yield _constraint("tags", f"{len(tags)} tags", rule)
    for number, (key, text) in enumerate(tags.items(), start=1):
        if not 1 <= len(key) <= _LONGEST_TAG_KEY:
            yield _out_of_bounds(f"tags.{number}.member.key", key, 1, _LONGEST_TAG_KEY)
        if len(text) > _LONGEST_TAG_VALUE:
            yield _out_of_bounds(f"tags.{number}.member.value", text, 0, _LONGEST_TAG_VALUE)
        if key.lower().startswith("aws:"):
            yield _invalid(f"Tag keys beginning with aws: are reserved: {key}")


def _out_of_bounds(member: str, value: str, least: int, most: int) -> AssumeRoleRefusal:
    bound = f"less than or equal to {most}" if len(value) > most else f"greater than or equal to {least}"
    return _constraint(member, value, f"Member must have length {bound}")


def _constraint(member: str, value: str, rule: str) -> AssumeRoleRefusal:
    return _invalid(f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}")


def _invalid(message: str) -> AssumeRoleRefusal:
    return AssumeRoleRefusal(code="ValidationError", message=message)


def _denied(message: str) -> AssumeRoleRefusal:
    return AssumeRoleRefusal(code="AccessDenied", message=message, http_status=403)


def _sentence(caller: Principal, action: str, resource: str) -> str:
    return f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource}"
