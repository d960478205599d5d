"""CreateAlias, UpdateAlias, DeleteAlias, ListAliases.

The three that change an alias need a permission on the alias (identity policies alone) and one on each key concerned.
Source: KMS API Reference, CreateAlias, UpdateAlias, DeleteAlias, ListAliases. Observed are the texts for a name without
the prefix, for one that is taken and for one that is not there; the other texts are UNVERIFIED (ours).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from regionsim.kms.aws_keys import PREDEFINED
from regionsim.kms.errors import (
    AlreadyExistsException,
    KMSInvalidStateException,
    LimitExceededException,
    NotAuthorized,
    NotFoundException,
    ValidationException,
)
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.key import Alias, KmsKey
from regionsim.kms.key_identifiers import alias_in, resolve, unknown_foreign_key
from regionsim.kms.key_states import require_state
from regionsim.kms.metadata import epoch_seconds
from regionsim.kms.pages import page, read_marker
from regionsim.kms.permission import require_on_alias, require_on_key, require_without_key
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.quotas import ALIASES_PER_KEY
from regionsim.kms.writes import PutAlias, RemoveAlias
from regionsim.names.arns import alias_arn
from regionsim.names.dataclass import dataclass
from regionsim.names.ids import ALIAS_PREFIX, AWS_ALIAS_PREFIX

_PREFIX_WANTED = (
    'Alias must start with the prefix "alias/". Please see '
    "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
)
_NAME = re.compile(r"alias/[A-Za-z0-9/_-]+")
_PAGE = 50
_LARGEST_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasTargetRequest:
    alias_name: str
    target_key_id: str


class CreateAlias(Operation[AliasTargetRequest]):
    name = "CreateAlias"
    request_type = AliasTargetRequest
    is_mutation = True
    is_read_only = False
    recorded = ("AliasName", "TargetKeyId")

    def reads(self, request: AliasTargetRequest) -> Reads:
        return Reads(keys=(request.target_key_id,), aliases=(request.alias_name,))

    def plan(self, view: View, call: Call, request: AliasTargetRequest) -> Plan[AliasTargetRequest]:
        _require_name(request.alias_name)
        account = call.caller.account
        require_on_alias(view, call.caller, "kms:CreateAlias", account, request.alias_name)
        key = _target(view, call, request.target_key_id, self.name)
        require_on_key(view, call.caller, "kms:CreateAlias", key)
        require_state(self.name, key)
        if view.state.alias(account, request.alias_name) is not None:
            arn = alias_arn(view.region, account, request.alias_name)
            raise AlreadyExistsException(f"An alias with the name {arn} already exists")
        _require_room(view, key)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,))

    def answer(self, plan: Plan[AliasTargetRequest], answer: HsmAnswer | None) -> Outcome:
        alias = Alias(
            account=plan.call.caller.account,
            name=plan.request.alias_name,
            target_key_id=plan.key.key_id,
            created_at_ns=plan.now_ns,
            updated_at_ns=plan.now_ns,
        )
        return Outcome(writes=(PutAlias(alias=alias),), facts=_facts(plan, alias))


class UpdateAlias(Operation[AliasTargetRequest]):
    """Points an alias at another key of the same kind and usage; three permissions (alias, old key, new key)."""

    name = "UpdateAlias"
    request_type = AliasTargetRequest
    is_mutation = True
    is_read_only = False
    recorded = ("AliasName", "TargetKeyId")

    def reads(self, request: AliasTargetRequest) -> Reads:
        return Reads(keys=(request.target_key_id, request.alias_name), aliases=(request.alias_name,))

    def plan(self, view: View, call: Call, request: AliasTargetRequest) -> Plan[AliasTargetRequest]:
        _require_name(request.alias_name)
        require_on_alias(view, call.caller, "kms:UpdateAlias", call.caller.account, request.alias_name)
        alias, old = _known_alias(view, call, request.alias_name)
        key = _target(view, call, request.target_key_id, self.name)
        require_on_key(view, call.caller, "kms:UpdateAlias", old)
        require_on_key(view, call.caller, "kms:UpdateAlias", key)
        require_state(self.name, key)
        if (_kind(old), old.shared.usage) != (_kind(key), key.shared.usage):
            raise KMSInvalidStateException(
                f"Alias {alias_arn(view.region, alias.account, alias.name)} and {key.arn} must be of the same key type "
                "and key usage."
            )
        if key.key_id != old.key_id:
            _require_room(view, key)
        return Plan(
            call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key, old), aliases=(alias,)
        )

    def answer(self, plan: Plan[AliasTargetRequest], answer: HsmAnswer | None) -> Outcome:
        known = plan.aliases[0]
        alias = replace(known, target_key_id=plan.key.key_id, updated_at_ns=plan.now_ns, version=known.version + 1)
        return Outcome(writes=(PutAlias(alias=alias),), facts=_facts(plan, alias))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAliasRequest:
    alias_name: str


class DeleteAlias(Operation[DeleteAliasRequest]):
    name = "DeleteAlias"
    request_type = DeleteAliasRequest
    is_mutation = True
    is_read_only = False
    recorded = ("AliasName",)

    def reads(self, request: DeleteAliasRequest) -> Reads:
        return Reads(keys=(request.alias_name,), aliases=(request.alias_name,))

    def plan(self, view: View, call: Call, request: DeleteAliasRequest) -> Plan[DeleteAliasRequest]:
        _require_name(request.alias_name)
        require_on_alias(view, call.caller, "kms:DeleteAlias", call.caller.account, request.alias_name)
        alias, key = _known_alias(view, call, request.alias_name)
        require_on_key(view, call.caller, "kms:DeleteAlias", key)
        require_state(self.name, key)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,), aliases=(alias,))

    def answer(self, plan: Plan[DeleteAliasRequest], answer: HsmAnswer | None) -> Outcome:
        alias = plan.aliases[0]
        return Outcome(writes=(RemoveAlias(account=alias.account, name=alias.name),), facts=_facts(plan, alias))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAliasesRequest:
    key_id: str | None = None
    limit: int = _PAGE
    marker: str | None = None


class ListAliases(Operation[ListAliasesRequest]):
    name = "ListAliases"
    request_type = ListAliasesRequest
    recorded = ("KeyId", "Limit", "Marker")

    def reads(self, request: ListAliasesRequest) -> Reads:
        return Reads(keys=(request.key_id,) if request.key_id else ())

    def plan(self, view: View, call: Call, request: ListAliasesRequest) -> Plan[ListAliasesRequest]:
        require_without_key(view, call.caller, "kms:ListAliases")
        account, limit = call.caller.account, min(request.limit, _LARGEST_PAGE)
        after = read_marker(request.marker)
        if request.key_id is None:
            names = _names_after(view, account, after, limit + 1)
        else:
            key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
            if key.account != account:
                raise unknown_foreign_key(call.caller, self.name)
            all_names = [alias.name for alias in view.state.aliases_of(key.key_id)]
            names = [name for name in all_names if after is None or name > after][: limit + 1]
        found = tuple(_entry(view, account, name) for name in names[:limit])
        more = names[limit - 1] if len(names) > limit else None
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, found=found, next_marker=more)

    def answer(self, plan: Plan[ListAliasesRequest], answer: HsmAnswer | None) -> Outcome:
        return Outcome(response=page("Aliases", [dict(entry) for entry in plan.found], plan.next_marker))


def _names_after(view: View, account: str, after: str | None, limit: int) -> list[str]:
    """Up to `limit` alias names of the account in order, AWS's predefined ones among them."""
    own = view.state.alias_names_after(account, after, limit)
    predefined = (name for name in PREDEFINED if after is None or name > after)
    return sorted({*own, *predefined})[:limit]


def _entry(view: View, account: str, name: str) -> dict[str, Any]:
    alias, named = (
        view.state.alias(account, name),
        {"AliasName": name, "AliasArn": alias_arn(view.region, account, name)},
    )
    if alias is None:  # a predefined one that has no key yet
        return named
    return {
        **named,
        "TargetKeyId": alias.target_key_id,
        "CreationDate": epoch_seconds(alias.created_at_ns),
        "LastUpdatedDate": epoch_seconds(alias.updated_at_ns),
    }


def _require_name(name: str) -> None:
    """Errors: ValidationException for the prefix or a character, NotAuthorized for AWS's own prefix."""
    if not name.startswith(ALIAS_PREFIX):
        raise ValidationException(_PREFIX_WANTED)
    if name.startswith(AWS_ALIAS_PREFIX):
        raise NotAuthorized
    if not _NAME.fullmatch(name):
        raise ValidationException(f"{name} contains invalid characters for an alias")


def _target(view: View, call: Call, identifier: str, operation: str) -> KmsKey:
    if alias_in(identifier) is not None:
        raise ValidationException("Aliases must refer to keys. Not aliases")
    # Another account's key is refused by authorization: no alias operation works across accounts.
    return resolve(view.state, call.caller, identifier, operation=operation, takes_alias=False)


def _known_alias(view: View, call: Call, name: str) -> tuple[Alias, KmsKey]:
    alias = view.state.alias(call.caller.account, name)
    if alias is None:
        raise NotFoundException(f"Alias {alias_arn(view.region, call.caller.account, name)} is not found.")
    key = view.state.key(alias.target_key_id)
    assert key is not None, "an alias goes with its key"
    return alias, key


def _require_room(view: View, key: KmsKey) -> None:
    if len(view.state.aliases_of(key.key_id)) >= ALIASES_PER_KEY:
        raise LimitExceededException(f"The limit of {ALIASES_PER_KEY} aliases for {key.arn} is reached.")


def _kind(key: KmsKey) -> str:
    """Symmetric, asymmetric or HMAC: what an alias may not change."""
    spec = key.shared.spec.value
    if spec == "SYMMETRIC_DEFAULT":
        return "symmetric"
    return "hmac" if spec.startswith("HMAC") else "asymmetric"


def _facts(plan: Plan[Any], alias: Alias) -> dict[str, Any]:
    arn = alias_arn(plan.region, alias.account, alias.name)
    resources = (arn, *(key.arn for key in plan.keys))
    return {"responseElements": {"keyId": plan.key.arn}, "resources": resources}
