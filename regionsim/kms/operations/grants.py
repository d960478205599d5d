"""CreateGrant, ListGrants, ListRetirableGrants, RevokeGrant, RetireGrant.

Source: KMS API Reference, CreateGrant, ListGrants, ListRetirableGrants, RevokeGrant, RetireGrant; texts are UNVERIFIED
(ours), but for a grant that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import islice
from typing import Any

from regionsim.authorization.grants import Grant, Place, place_of
from regionsim.kms.errors import (
    InvalidMarkerException,
    LimitExceededException,
    NotFoundException,
    ValidationException,
)
from regionsim.kms.grants import (
    GRANTS_PER_KEY,
    constraints_of,
    grant_values,
    is_for_aws_resource,
    new_grant_id,
    new_token,
    read_token,
    require_fitting,
    require_grant_tokens,
    token_key_id,
    wire_grant,
)
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.key import KmsKey
from regionsim.kms.key_identifiers import resolve
from regionsim.kms.key_states import require_state
from regionsim.kms.operations.encryption import raise_dry_run
from regionsim.kms.pages import page, read_marker
from regionsim.kms.permission import require_about_grant, require_on_key, require_without_key
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.writes import PutGrant, RemoveGrant
from regionsim.names.dataclass import dataclass

_PAGE = 50
_LARGEST_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateGrantRequest:
    key_id: str
    operations: Sequence[str]
    grantee_principal: str | None = None
    grantee_service_principal: str | None = None
    retiring_principal: str | None = None
    retiring_service_principal: str | None = None
    constraints: Mapping[str, Any] | None = None
    grant_tokens: Sequence[str] = ()
    name: str | None = None
    dry_run: bool = False


class CreateGrant(Operation[CreateGrantRequest]):
    """A grant; the same `Name` with the same parameters again gives the same grant, with another token."""

    name = "CreateGrant"
    request_type = CreateGrantRequest
    is_mutation = True
    is_read_only = False
    needs_fresh = True
    recorded = (
        "KeyId", "GranteePrincipal", "GranteeServicePrincipal", "RetiringPrincipal", "RetiringServicePrincipal",
        "Operations", "Constraints", "Name",
    )  # fmt: skip

    def reads(self, request: CreateGrantRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: CreateGrantRequest) -> Plan[CreateGrantRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        require_grant_tokens(view.region, request.grant_tokens)
        grant = _wanted(view, call, key, request)
        values = {**grant_values(grant), "kms:GrantIsForAWSResource": is_for_aws_resource(view, call.caller)}
        require_about_grant(view, call.caller, "kms:CreateGrant", key, grant, values=values)
        require_state(self.name, key)
        _require_whole(request)
        require_fitting(view, key, grant)
        held = view.state.grants_of(key.key_id)
        known = next((other for other in held.named(request.name) if _is_same(other, grant)), None)
        if known is None and len(held) >= GRANTS_PER_KEY:
            raise LimitExceededException(f"The limit of {GRANTS_PER_KEY} grants for {key.arn} is reached.")
        if request.dry_run:
            raise_dry_run()
        token = new_token(view.region, key.key_id, (known or grant).grant_id, view.fresh)
        found = ({"grant": known or grant, "is_new": known is None, "token": token},)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,), found=found)

    def answer(self, plan: Plan[CreateGrantRequest], answer: HsmAnswer | None) -> Outcome:
        made = plan.found[0]
        grant: Grant = made["grant"]
        writes = (PutGrant(key_id=plan.key.key_id, grant=grant),) if made["is_new"] else ()
        facts = {"responseElements": {"grantId": grant.grant_id, "keyId": plan.key.arn}}
        return Outcome(response={"GrantId": grant.grant_id, "GrantToken": made["token"]}, writes=writes, facts=facts)


def _wanted(view: View, call: Call, key: KmsKey, request: CreateGrantRequest) -> Grant:
    return Grant(
        grant_id=new_grant_id(view.fresh),
        key_arn=key.arn,
        grantee=request.grantee_principal or request.grantee_service_principal or "",
        retiring=request.retiring_principal or request.retiring_service_principal,
        operations=frozenset(request.operations),
        issuing_account=call.caller.account,
        constraints=constraints_of(request.constraints),
        name=request.name,
        created_at=view.now_ns,
    )


def _require_whole(request: CreateGrantRequest) -> None:
    if (request.grantee_principal is None) == (request.grantee_service_principal is None):
        raise ValidationException("Specify either GranteePrincipal or GranteeServicePrincipal.")
    if request.retiring_principal is not None and request.retiring_service_principal is not None:
        raise ValidationException("Specify either RetiringPrincipal or RetiringServicePrincipal.")
    if request.grantee_service_principal is None:
        return
    has_source = bool(request.constraints and request.constraints.get("SourceArn"))
    if not has_source or not (request.retiring_principal or request.retiring_service_principal):
        raise ValidationException("GranteeServicePrincipal wants a SourceArn constraint and a retiring principal.")


def _is_same(known: Grant, wanted: Grant) -> bool:
    return replace(known, grant_id="", created_at=0) == replace(wanted, grant_id="", created_at=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListGrantsRequest:
    key_id: str
    limit: int = _PAGE
    marker: str | None = None
    grant_id: str | None = None
    grantee_principal: str | None = None
    grantee_service_principal: str | None = None


class ListGrants(Operation[ListGrantsRequest]):
    name = "ListGrants"
    request_type = ListGrantsRequest
    recorded = ("KeyId", "Limit", "Marker", "GrantId", "GranteePrincipal", "GranteeServicePrincipal")

    def reads(self, request: ListGrantsRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: ListGrantsRequest) -> Plan[ListGrantsRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        values = {"kms:GrantIsForAWSResource": is_for_aws_resource(view, call.caller)}
        require_on_key(view, call.caller, "kms:ListGrants", key, values=values)
        require_state(self.name, key)
        if request.grantee_principal is not None and request.grantee_service_principal is not None:
            raise ValidationException("Specify either GranteePrincipal or GranteeServicePrincipal.")
        grantee = request.grantee_principal or request.grantee_service_principal
        place, held = _place(request.marker), view.state.grants_of(key.key_id)
        one = None if request.grant_id is None else held.get(request.grant_id)
        known = held.after(place) if request.grant_id is None else iter([] if one is None else [one])
        fitting = (grant for grant in known if grantee in (None, grant.grantee))
        found, more = _page(view, fitting, request.limit)
        return Plan(
            call=call,
            request=request,
            region=view.region,
            now_ns=view.now_ns,
            keys=(key,),
            found=found,
            next_marker=more,
        )

    def answer(self, plan: Plan[ListGrantsRequest], answer: HsmAnswer | None) -> Outcome:
        return Outcome(response=page("Grants", [dict(entry) for entry in plan.found], plan.next_marker))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRetirableGrantsRequest:
    retiring_principal: str | None = None
    retiring_service_principal: str | None = None
    limit: int = _PAGE
    marker: str | None = None


class ListRetirableGrants(Operation[ListRetirableGrantsRequest]):
    """Every grant in this Region, on keys of any account, that a principal of the caller's account may retire."""

    name = "ListRetirableGrants"
    request_type = ListRetirableGrantsRequest
    recorded = ("RetiringPrincipal", "RetiringServicePrincipal", "Limit", "Marker")

    def reads(self, request: ListRetirableGrantsRequest) -> Reads:
        return Reads()

    def plan(self, view: View, call: Call, request: ListRetirableGrantsRequest) -> Plan[ListRetirableGrantsRequest]:
        require_without_key(view, call.caller, "kms:ListRetirableGrants")
        if (request.retiring_principal is None) == (request.retiring_service_principal is None):
            raise ValidationException("Specify either RetiringPrincipal or RetiringServicePrincipal.")
        retiring = request.retiring_principal or request.retiring_service_principal or ""
        asked = Grant(
            grant_id="", key_arn="", grantee=retiring, operations=frozenset(), issuing_account="", retiring=retiring
        )
        of_account = f"::{call.caller.account}:" in retiring or request.retiring_principal is None
        place = _place(request.marker)
        fitting = view.state.retirable_by(asked.retiring_key or "").after(place) if of_account else iter(())
        found, more = _page(view, fitting, request.limit)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, found=found, next_marker=more)

    def answer(self, plan: Plan[ListRetirableGrantsRequest], answer: HsmAnswer | None) -> Outcome:
        return Outcome(response=page("Grants", [dict(entry) for entry in plan.found], plan.next_marker))


def _page(view: View, grants: Iterator[Grant], limit: int) -> tuple[tuple[dict[str, Any], ...], str | None]:
    """A page of grants, oldest first, and the place of its last one when more follow."""
    size = min(limit, _LARGEST_PAGE)
    some = list(islice(grants, size + 1))
    more = "{}/{}".format(*place_of(some[size - 1])) if len(some) > size else None
    return tuple(wire_grant(grant, view.region) for grant in some[:size]), more


def _place(marker: str | None) -> Place | None:
    """Where the page before ended. Errors: InvalidMarkerException for a marker that was not given out."""
    name = read_marker(marker)
    if name is None:
        return None
    created_at, _, grant_id = name.partition("/")
    if not (created_at.isascii() and created_at.isdecimal() and len(created_at) < 20 and grant_id):
        raise InvalidMarkerException("The marker is not valid.")
    return int(created_at), grant_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeGrantRequest:
    key_id: str
    grant_id: str
    dry_run: bool = False


class RevokeGrant(Operation[RevokeGrantRequest]):
    name = "RevokeGrant"
    request_type = RevokeGrantRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId", "GrantId")

    def reads(self, request: RevokeGrantRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: RevokeGrantRequest) -> Plan[RevokeGrantRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        values = {"kms:GrantIsForAWSResource": is_for_aws_resource(view, call.caller)}
        require_on_key(view, call.caller, "kms:RevokeGrant", key, values=values)
        require_state(self.name, key)
        _known(view, key.key_id, request.grant_id)
        if request.dry_run:
            raise_dry_run()
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,))

    def answer(self, plan: Plan[RevokeGrantRequest], answer: HsmAnswer | None) -> Outcome:
        removal = RemoveGrant(key_id=plan.key.key_id, grant_id=plan.request.grant_id)
        return Outcome(writes=(removal,), facts={"responseElements": {"keyId": plan.key.arn}})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireGrantRequest:
    key_id: str | None = None
    grant_id: str | None = None
    grant_token: str | None = field(default=None, repr=False)
    dry_run: bool = False


class RetireGrant(Operation[RetireGrantRequest]):
    """Decided by the grant itself: its retiring principal, its grantee if it says so, the account that issued it."""

    name = "RetireGrant"
    request_type = RetireGrantRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId", "GrantId")

    def reads(self, request: RetireGrantRequest) -> Reads:
        if request.key_id is not None:
            return Reads(keys=(request.key_id,))
        key_id = token_key_id(request.grant_token or "")
        return Reads(own_keys=() if key_id is None else (key_id,))

    def plan(self, view: View, call: Call, request: RetireGrantRequest) -> Plan[RetireGrantRequest]:
        key, grant = self._named(view, call, request)
        values = {"kms:GrantConstraintType": grant_values(grant)["kms:GrantConstraintType"]}
        require_about_grant(view, call.caller, "kms:RetireGrant", key, grant, values=values)
        require_state(self.name, key)
        if request.dry_run:
            raise_dry_run()
        found = ({"grant_id": grant.grant_id},)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,), found=found)

    def answer(self, plan: Plan[RetireGrantRequest], answer: HsmAnswer | None) -> Outcome:
        grant_id: str = plan.found[0]["grant_id"]
        facts = {"responseElements": {"keyId": plan.key.arn}, "additionalEventData": {"grantId": grant_id}}
        return Outcome(writes=(RemoveGrant(key_id=plan.key.key_id, grant_id=grant_id),), facts=facts)

    def _named(self, view: View, call: Call, request: RetireGrantRequest) -> tuple[KmsKey, Grant]:
        """Errors: ValidationException unless the call has either a token or key and grant id; those of look-ups."""
        by_id = request.key_id is not None and request.grant_id is not None
        if by_id is (request.grant_token is not None) or (request.key_id is None) != (request.grant_id is None):
            raise ValidationException("Specify either GrantToken, or KeyId and GrantId.")
        if request.grant_token is not None:
            key_id, grant_id = read_token(view.region, request.grant_token)
            key = view.state.key(key_id)
            if key is None:
                raise _no_grant(grant_id)
            return key, _known(view, key_id, grant_id)
        assert request.key_id is not None
        assert request.grant_id is not None
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        return key, _known(view, key.key_id, request.grant_id)


def _known(view: View, key_id: str, grant_id: str) -> Grant:
    grant = view.state.grants_of(key_id).get(grant_id)
    if grant is None:
        raise _no_grant(grant_id)
    return grant


def _no_grant(grant_id: str) -> NotFoundException:
    return NotFoundException(f"Grant ID {grant_id} not found")
