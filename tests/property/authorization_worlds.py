"""Hypothesis strategies for the tests of authorization: small worlds in which policies meet often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from regionsim.authorization.compile import CompiledPolicy, compile_policy
from regionsim.authorization.context import Context, encryption_context_values, principal_values
from regionsim.authorization.decide import Decision, Policies, decide
from regionsim.authorization.grants import Grant, GrantConstraints
from regionsim.authorization.policy import PolicyKind
from regionsim.authorization.principals import Principal, PrincipalKind
from regionsim.authorization.request import Request, ResourceKind

HOME, AWAY = "111122223333", "444455556666"
KEYS = tuple(
    f"arn:aws:kms:{region}:{HOME}:key/mrk-{name}" for region in ("us-east-1", "eu-west-1") for name in ("a", "b")
)
ACTIONS = ("kms:Encrypt", "kms:Decrypt", "kms:DescribeKey", "kms:PutKeyPolicy", "kms:CreateGrant")

Statement = dict[str, Any]


def user(name: str, account: str) -> Principal:
    arn = f"arn:aws:iam::{account}:user/{name}"
    return Principal(
        kind=PrincipalKind.USER, arn=arn, account=account, name=name, user_id=f"AIDA{name}", tags={"team": name}
    )


def session(role: str, name: str, account: str) -> Principal:
    return Principal(
        kind=PrincipalKind.ROLE_SESSION,
        arn=f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
        account=account,
        name=role,
        role_arn=f"arn:aws:iam::{account}:role/{role}",
        session_name=name,
        user_id=f"AROA:{name}",
    )


CALLERS = (
    user("alice", HOME),
    user("bob", HOME),
    user("bob", AWAY),
    session("app", "s1", HOME),
    session("app", "s2", AWAY),
    Principal(kind=PrincipalKind.ROOT, arn=f"arn:aws:iam::{HOME}:root", account=HOME, name="root", user_id=HOME),
    Principal(kind=PrincipalKind.SERVICE, arn="s3.amazonaws.com", account="", name="s3.amazonaws.com"),
)
PRINCIPAL_TEXTS = (
    "*",
    HOME,
    f"arn:aws:iam::{HOME}:root",
    f"arn:aws:iam::{AWAY}:root",
    f"arn:aws:iam::{HOME}:user/alice",
    f"arn:aws:iam::{HOME}:role/app",
    f"arn:aws:sts::{HOME}:assumed-role/app/s1",
    f"arn:aws:iam::{AWAY}:user/bob",
)
CONDITIONS = (
    ("StringEquals", "kms:EncryptionContext:App", ["pay", "shop"]),
    ("StringNotEquals", "kms:EncryptionContext:App", ["pay"]),
    ("StringEqualsIfExists", "kms:ViaService", ["s3.us-east-1.amazonaws.com"]),
    ("StringLike", "aws:PrincipalArn", ["*:user/*"]),
    ("StringNotLike", "aws:PrincipalArn", ["*:role/*"]),
    ("Null", "kms:ViaService", ["true"]),
    ("StringEquals", "kms:EncryptionContext:App", ["${aws:username}"]),
    ("ForAnyValue:StringEquals", "kms:EncryptionContextKeys", ["App", "Env"]),
    ("ForAllValues:StringEquals", "kms:EncryptionContextKeys", ["App"]),
)

# Whole lists are drawn rather than their elements: fewer choices make smaller and faster examples.
_ACTION_LISTS = (
    ["kms:*"],
    ["*"],
    ["kms:Encrypt", "kms:Decrypt"],
    ["kms:*crypt", "kms:DescribeKey"],
    ["kms:De?rypt", "kms:DescribeKey", "s3:Get*"],
    ["kms:PutKeyPolicy", "kms:CreateGrant"],
)
_RESOURCE_LISTS = (
    ["*"],
    ["*"],
    [KEYS[0], KEYS[3]],
    [f"arn:aws:kms:*:{HOME}:key/*"],
    ["arn:aws:kms:eu-*:*:key/mrk-?", "arn:aws:s3:::x"],
)
_PRINCIPAL_LISTS = (
    *([text] for text in PRINCIPAL_TEXTS),
    [HOME, PRINCIPAL_TEXTS[4]],
    [PRINCIPAL_TEXTS[2], PRINCIPAL_TEXTS[5]],
)
_condition_lists = st.one_of(st.just([]), st.lists(st.sampled_from(CONDITIONS), max_size=2))


@st.composite
def statements(
    draw: st.DrawFn,
    *,
    effects: tuple[str, ...] = ("Allow", "Allow", "Allow", "Allow", "Deny"),
    with_principals: bool = False,
) -> Statement:
    """A statement; with principals for key policies."""
    result: Statement = {"Effect": draw(st.sampled_from(effects))}
    inverted = draw(st.sampled_from(["", "", "", "", "NotAction", "NotResource", "NotPrincipal"]))
    result["NotAction" if inverted == "NotAction" else "Action"] = draw(st.sampled_from(_ACTION_LISTS))
    result["NotResource" if inverted == "NotResource" else "Resource"] = draw(st.sampled_from(_RESOURCE_LISTS))
    block: dict[str, dict[str, list[str]]] = {}
    for operator, key, values in draw(_condition_lists):
        block.setdefault(operator, {})[key] = values
    if block:
        result["Condition"] = block
    if with_principals:
        principal: dict[str, object] = {"AWS": draw(st.sampled_from(_PRINCIPAL_LISTS))}
        if draw(st.booleans()):
            principal["Service"] = "s3.amazonaws.com"
        is_exception = inverted == "NotPrincipal" and result["Effect"] == "Deny"
        result["NotPrincipal" if is_exception else "Principal"] = principal
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A request and the documents that decide it, before they are compiled."""

    caller: Principal
    action: str
    resource: str
    encryption_context: Mapping[str, str]
    via_service: str | None
    key_policy: tuple[Statement, ...]
    identity: tuple[tuple[Statement, ...], ...]
    boundary: tuple[Statement, ...] = ()
    session: tuple[Statement, ...] = ()
    scp: tuple[Statement, ...] = ()
    grants: tuple[Grant, ...] = ()

    def request(self) -> Request:
        via = {"kms:viaservice": self.via_service}
        return Request(
            principal=self.caller,
            action=self.action,
            resource=self.resource,
            resource_account=HOME,
            kind=ResourceKind.KEY,
            region=self.resource.split(":")[3],
            context=Context(principal_values(self.caller)).merged(
                encryption_context_values(self.encryption_context), via
            ),
            encryption_context=self.encryption_context,
        )

    def policies(self) -> Policies:
        boundary = tuple(compiled([document], PolicyKind.BOUNDARY) for document in (self.boundary,) if document)
        limits = tuple(compiled([document], PolicyKind.SESSION) for document in (self.session,) if document)
        return Policies(
            key_policy=compiled([self.key_policy], PolicyKind.KEY) if self.key_policy else None,
            identity=tuple(compiled([document], PolicyKind.IDENTITY) for document in self.identity if document),
            boundary=boundary,
            session=limits,
            scps=((compiled([self.scp], PolicyKind.SCP),),) if self.scp else (),
            grants=self.grants,
        )

    def decide(self) -> Decision:
        return decide(self.request(), self.policies())

    def everybodys(self) -> list[World]:
        """The same documents, asked by every caller for every action on two keys."""
        return [
            replace(self, caller=caller, action=action, resource=resource)
            for caller in CALLERS
            for action in ACTIONS
            for resource in (KEYS[0], KEYS[3])
        ]

    def decisions(self) -> list[Decision]:
        """The decisions of `everybodys`, in its order, from policies that are compiled once."""
        policies = self.policies()
        return [decide(world.request(), policies) for world in self.everybodys()]

    def changed(self, **fields: Any) -> World:
        return replace(self, **fields)


def compiled(documents: list[tuple[Statement, ...]], kind: PolicyKind) -> CompiledPolicy:
    (document,) = documents
    return compile_policy({"Version": "2012-10-17", "Statement": list(document)}, name=kind.value, kind=kind)


_grants = st.lists(
    st.builds(
        Grant,
        grant_id=st.just("g"),
        key_arn=st.sampled_from(KEYS),
        grantee=st.sampled_from(PRINCIPAL_TEXTS[2:]),
        operations=st.frozensets(st.sampled_from(["Encrypt", "Decrypt", "DescribeKey"]), min_size=1),
        issuing_account=st.just(HOME),
        constraints=st.builds(
            GrantConstraints,
            encryption_context_equals=st.sampled_from([None, None, {"App": "pay"}, {}]),
            encryption_context_subset=st.sampled_from([None, None, {"app": "pay"}]),
        ),
    ),
    max_size=2,
).map(lambda grants: tuple(replace(grant, grant_id=f"g{number}") for number, grant in enumerate(grants)))


def documents(**options: Any) -> st.SearchStrategy[tuple[Statement, ...]]:
    return st.lists(statements(**options), max_size=3).map(tuple)


@st.composite
def worlds(draw: st.DrawFn, *, limits: bool = True) -> World:
    """A world; without `limits` only key policy and identity policies."""
    pairs = draw(
        st.dictionaries(st.sampled_from(["App", "Env"]), st.sampled_from(["pay", "shop", "alice"]), max_size=2)
    )
    others: dict[str, Any] = {}
    if limits:
        for layer in ("boundary", "session", "scp"):
            others[layer] = draw(st.one_of(st.just(()), st.just(()), documents()))
        others["grants"] = draw(_grants)
    return World(
        caller=draw(st.sampled_from(CALLERS)),
        action=draw(st.sampled_from(ACTIONS)),
        resource=draw(st.sampled_from(KEYS)),
        encryption_context=pairs,
        via_service=draw(st.sampled_from([None, "s3.us-east-1.amazonaws.com"])),
        key_policy=draw(documents(with_principals=True)),
        identity=tuple(draw(st.lists(documents(), max_size=2))),
        **others,
    )
