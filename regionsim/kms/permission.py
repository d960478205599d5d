"""May this caller do this? Asks the authorization engine with the values that KMS supplies, and words the refusal as
AWS does.

Condition values are given as callables and computed only when a statement reads them.
Source: KMS Developer Guide, "Condition keys for AWS KMS"; Service Authorization Reference; texts observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from regionsim.accounts.organization import organization_values
from regionsim.authorization.circumstances import completed
from regionsim.authorization.compile import CompiledPolicy, compile_policy
from regionsim.authorization.context import (
    Context,
    DeferredContext,
    LazyValue,
    encryption_context_values,
    principal_values,
)
from regionsim.authorization.decide import Decision, Policies, decide
from regionsim.authorization.grants import Grant, GrantIndex, SettlingGrants
from regionsim.authorization.policy import PolicyKind
from regionsim.authorization.principals import Principal
from regionsim.authorization.request import ContextValue, Request, ResourceKind
from regionsim.authorization.sentences import aws_message
from regionsim.kms.errors import AccessDeniedException
from regionsim.kms.grants import read_token
from regionsim.kms.key import KmsKey, RegionalProperties, SharedProperties
from regionsim.kms.plan import View
from regionsim.names.arns import alias_arn

UNKNOWN_CIPHERTEXT_KEY = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, "
    "or you are not allowed to access."
)
"""What a caller hears of a blob whose key is not here, or is another account's and not theirs to use."""

_DAY_NS = 86_400 * 1_000_000_000
_NOTHING: Mapping[str, str] = {}


def require_on_key(
    view: View,
    caller: Principal,
    action: str,
    key: KmsKey,
    *,
    named: str = "",
    encryption_context: Mapping[str, str] = _NOTHING,
    values: Mapping[str, LazyValue] | None = None,
    is_named_by_ciphertext: bool = False,
) -> None:
    """Return when `caller` may do `action` (`kms:Encrypt`) on `key`.

    `named` is the alias by which the call named the key, if it did. `is_named_by_ciphertext`: the call has no KeyId, so
    a denial must not tell which key the blob belongs to. Errors: AccessDeniedException with AWS's sentence.
    """
    request = key_request(
        view, caller, action, key, named=named, encryption_context=encryption_context, values=values or {}
    )
    policies = policies_on_key(view, request, key.regional.policy)
    decision = decide(request, policies)
    if decision.is_allowed:
        return
    if is_named_by_ciphertext and key.account != caller.account:
        raise AccessDeniedException(UNKNOWN_CIPHERTEXT_KEY)
    message = aws_message(request, decision, names_ciphertext=is_named_by_ciphertext)
    raise AccessDeniedException(message, reason=(request, policies))


def days_unused(view: View, key: KmsKey) -> str:
    """The value of `kms:TrailingDaysWithoutKeyUsage`: whole days since the last use, or since the key's creation."""
    use = view.state.last_use(key.key_id)
    since_ns = key.regional.created_at_ns if use is None else use.at_ns
    return str((view.now_ns - since_ns) // _DAY_NS)


def require_about_grant(
    view: View, caller: Principal, action: str, key: KmsKey, grant: Grant, *, values: Mapping[str, LazyValue]
) -> None:
    """Return when `caller` may create or retire `grant` on `key`; its constraints stand for the encryption context.

    Errors: AccessDeniedException with AWS's sentence.
    """
    limits = grant.constraints
    pairs = limits.encryption_context_equals or limits.encryption_context_subset or {}
    request = key_request(view, caller, action, key, encryption_context=pairs, values=values, grant=grant)
    policies = policies_on_key(view, request, key.regional.policy)
    decision = decide(request, policies)
    if not decision.is_allowed:
        raise AccessDeniedException(aws_message(request, decision), reason=(request, policies))


def key_request(
    view: View,
    caller: Principal,
    action: str,
    key: KmsKey,
    *,
    named: str = "",
    encryption_context: Mapping[str, str] = _NOTHING,
    values: Mapping[str, LazyValue] = MappingProxyType({}),
    grant: Grant | None = None,
) -> Request:
    """The request to do `action` on `key`, with every condition value that KMS supplies."""
    return Request(
        principal=caller,
        action=action,
        resource=key.arn,
        resource_account=key.account,
        kind=ResourceKind.KEY,
        region=view.region,
        context=DeferredContext(lambda: _context(view, caller, key, encryption_context, values, named)),
        encryption_context=encryption_context,
        grant=grant,
    )


def require_on_alias(view: View, caller: Principal, action: str, account: str, alias_name: str) -> None:
    """Return when the caller's identity policies allow `action` on the alias (a key policy has no say on it)."""
    arn = alias_arn(view.region, account, alias_name)
    _require_by_identity(view, caller, action, arn, account, ResourceKind.ALIAS, {})


def require_without_key(
    view: View, caller: Principal, action: str, values: Mapping[str, LazyValue] | None = None
) -> None:
    """Return when the caller's identity policies allow an `action` that concerns no key (CreateKey, ListKeys, ...)."""
    _require_by_identity(view, caller, action, "*", caller.account, ResourceKind.NONE, values or {})


def decide_on_key(view: View, request: Request, key_policy: str) -> Decision:
    """The decision on a request about a key that has `key_policy` (the lockout check asks it of a policy not yet
    put)."""
    return decide(request, policies_on_key(view, request, key_policy))


def policies_on_key(view: View, request: Request, key_policy: str) -> Policies:
    """Everything that has a say on a request about a key."""
    grants = view.state.grants_of(request.resource.rpartition("/")[2])
    return _policies(view, request.principal, _compiled(key_policy), _as_they_count(view, grants))


def _as_they_count(view: View, grants: GrantIndex) -> GrantIndex | SettlingGrants:
    if not view.grant_delay_ns or not grants:
        return grants
    named = (read_token(view.region, token)[1] for token in view.grant_tokens)
    return SettlingGrants(grants, settled_until=view.now_ns - view.grant_delay_ns, named=named)


def key_values(shared: SharedProperties, regional: RegionalProperties) -> dict[str, LazyValue]:
    """The condition values that the key itself supplies.

    Source: KMS Developer Guide, "Condition keys for AWS KMS".
    """
    values: dict[str, LazyValue] = {
        "kms:keyspec": shared.spec.value,
        "kms:keyusage": shared.usage.value,
        "kms:keyorigin": shared.origin.value,
        "kms:customermasterkeyspec": shared.spec.value,
        "kms:customermasterkeyusage": shared.usage.value,
        "kms:multiregion": "true" if shared.is_multi_region else "false",
        "aws:resourceaccount": shared.account,
    }
    if shared.is_multi_region:
        values["kms:multiregionkeytype"] = "PRIMARY" if shared.primary_region == regional.region else "REPLICA"
    values.update({f"aws:resourcetag/{name.lower()}": text for name, text in regional.tags})
    return values


def _context(
    view: View,
    caller: Principal,
    key: KmsKey,
    encryption_context: Mapping[str, str],
    values: Mapping[str, LazyValue],
    named: str,
) -> Context:
    lazy: dict[str, LazyValue] = {
        "kms:resourcealiases": lambda: tuple(alias.name for alias in view.state.aliases_of(key.key_id)) or None,
    }
    if named:
        lazy["kms:requestalias"] = named
    owner = organization_values(view.directory.accounts.get(key.account), "Resource")
    return Context(_call_values(view, caller)).merged(
        key_values(key.shared, key.regional), owner, lazy, encryption_context_values(encryption_context), values
    )


def _call_values(view: View, caller: Principal) -> dict[str, LazyValue]:
    accounts = view.directory.accounts
    return {
        **principal_values(caller),
        **organization_values(accounts.get(caller.account), "Principal"),
        "kms:calleraccount": caller.account or None,
        "aws:requestedregion": view.region,
        "aws:epochtime": lambda: str(view.now_ns // 1_000_000_000),
        "aws:currenttime": lambda: str(view.now_ns // 1_000_000_000),
        "aws:securetransport": "true",
        "aws:viaawsservice": "false",
        "aws:sourceip": view.source_ip or None,
        "aws:useragent": view.user_agent or None,
        **_brought(view),
    }


def _brought(view: View) -> dict[str, ContextValue | None]:
    if not view.circumstances:
        return {}
    values = completed(view.circumstances)
    source = values.get("aws:sourceaccount")
    if isinstance(source, str):
        values = {**organization_values(view.directory.accounts.get(source), "Source"), **values}
    return values


def _require_by_identity(
    view: View,
    caller: Principal,
    action: str,
    resource: str,
    account: str,
    kind: ResourceKind,
    values: Mapping[str, LazyValue],
) -> None:
    request = Request(
        principal=caller,
        action=action,
        resource=resource,
        resource_account=account,
        kind=kind,
        region=view.region,
        context=DeferredContext(lambda: Context(_call_values(view, caller)).merged(values)),
    )
    policies = _policies(view, caller)
    decision = decide(request, policies)
    if not decision.is_allowed:
        raise AccessDeniedException(aws_message(request, decision), reason=(request, policies))


def _policies(
    view: View,
    caller: Principal,
    key_policy: CompiledPolicy | None = None,
    grants: GrantIndex | SettlingGrants | None = None,
) -> Policies:
    """Everything that has a say: what the directory says of the caller, the key's policy and its grants."""
    own = view.directory.policies_of(caller)
    if key_policy is None and grants is None:
        return own
    return Policies(
        key_policy=key_policy,
        identity=own.identity,
        boundary=own.boundary,
        session=own.session,
        scps=own.scps,
        grants=() if grants is None else grants,
    )


@lru_cache(maxsize=16_384)
def _compiled(key_policy: str) -> CompiledPolicy:
    return compile_policy(key_policy, name="key policy", kind=PolicyKind.KEY)
