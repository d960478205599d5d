"""RotateKeyOnDemand, EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, ListKeyRotations.

Source: KMS API Reference; observed are the on-demand limit's text and the empty text for keys that never rotate. The
texts of ConflictException, and that a replica is refused in ReplicateKey's words, are UNVERIFIED (ours).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from regionsim.kms import hsm_jobs
from regionsim.kms.errors import (
    ConflictException,
    KMSInvalidStateException,
    LimitExceededException,
    UnsupportedOperationException,
)
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.imports import is_everywhere, material_state, rotated_to_pending
from regionsim.kms.key import AutomaticRotation, KeyMaterial, KeyState, KmsKey, Origin, RotationType
from regionsim.kms.key_identifiers import resolve
from regionsim.kms.key_specs import KeySpec
from regionsim.kms.key_states import require_state
from regionsim.kms.metadata import epoch_seconds, expiry_members
from regionsim.kms.operations.lifecycle import KeyRequest
from regionsim.kms.pages import page, read_marker
from regionsim.kms.permission import require_on_key
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.quotas import ON_DEMAND_ROTATIONS_PER_KEY
from regionsim.kms.rotation import (
    AUTOMATIC_SOON_NS,
    DEFAULT_PERIOD_DAYS,
    automatic_rotation,
    events_of_start,
    happenings_of_start,
    rotation_due_at_ns,
    start_rotation,
)
from regionsim.kms.situation import announce
from regionsim.kms.writes import PutKey, PutToken
from regionsim.names.dataclass import dataclass

_PENDING_DELETION = frozenset({KeyState.PENDING_DELETION, KeyState.PENDING_REPLICA_DELETION})


def require_primary(key: KmsKey) -> None:
    """Errors: UnsupportedOperationException on a replica; shared properties change at the primary only."""
    if key.is_replica:
        raise UnsupportedOperationException(f"{key.arn} is not a multi-region primary key.")


class RotateKeyOnDemand(Operation[KeyRequest]):
    """New material now: made by KMS, or imported before. A multi-Region key goes on with the old one until every Region
    of its set holds the new one."""

    name = "RotateKeyOnDemand"
    request_type = KeyRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId",)

    def reads(self, request: KeyRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: KeyRequest) -> Plan[KeyRequest]:
        key = _rotatable(view, call, request.key_id, self.name)
        require_primary(key)
        if key.shared.is_imported:
            _require_waiting_material(key)
        else:
            _require_no_other_rotation(key, view.now_ns)
        if key.shared.on_demand_rotation_count >= ON_DEMAND_ROTATIONS_PER_KEY:
            raise LimitExceededException(
                "The on-demand rotations limit has been reached for the given keyId. "
                f"No more on-demand rotations can be performed for this key: {key.arn}"
            )
        created = hsm_jobs.CreateBackingKey(key_id=key.key_id, spec=key.shared.spec)
        job = None if key.shared.is_imported else created
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,), job=job)

    def answer(self, plan: Plan[KeyRequest], answer: HsmAnswer | None) -> Outcome:
        if answer is None:
            return _rotated_to_waiting(plan.key, plan.now_ns)
        assert isinstance(answer, hsm_jobs.BackingKeyCreated)
        material = KeyMaterial(
            material_id=answer.material.material_id,
            created_at_ns=plan.now_ns,
            rotation_type=RotationType.ON_DEMAND,
        )
        rotated = start_rotation(plan.key, material, plan.now_ns)
        return Outcome(
            response={"KeyId": plan.key.arn},
            writes=(PutToken(material=answer.material), PutKey(key=rotated)),
            announcements=announce(rotated),
            events=events_of_start(rotated, plan.key),
            happenings=happenings_of_start(rotated),
            facts=_changed(plan.key),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableKeyRotationRequest:
    key_id: str
    rotation_period_in_days: int = DEFAULT_PERIOD_DAYS


class EnableKeyRotation(Operation[EnableKeyRotationRequest]):
    """Automatic rotation, the first time one period from now; called again, it begins a new period.

    A call without RotationPeriodInDays sets it to 365 days, also where another period was set: UNVERIFIED (ours).
    """

    name = "EnableKeyRotation"
    request_type = EnableKeyRotationRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId", "RotationPeriodInDays")

    def reads(self, request: EnableKeyRotationRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: EnableKeyRotationRequest) -> Plan[EnableKeyRotationRequest]:
        values = {"kms:RotationPeriodInDays": str(request.rotation_period_in_days)}
        key = _rotatable(view, call, request.key_id, self.name, values, needs_own_material=True)
        require_primary(key)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,))

    def answer(self, plan: Plan[EnableKeyRotationRequest], answer: HsmAnswer | None) -> Outcome:
        return _with_calendar(plan.key, automatic_rotation(plan.request.rotation_period_in_days, plan.now_ns))


class DisableKeyRotation(Operation[KeyRequest]):
    """No automatic rotation any more. An open rotation is completed; the material stays as it is."""

    name = "DisableKeyRotation"
    request_type = KeyRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId",)

    def reads(self, request: KeyRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: KeyRequest) -> Plan[KeyRequest]:
        key = _rotatable(view, call, request.key_id, self.name, needs_own_material=True)
        require_primary(key)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,))

    def answer(self, plan: Plan[KeyRequest], answer: HsmAnswer | None) -> Outcome:
        return _with_calendar(plan.key, None)


class GetKeyRotationStatus(Operation[KeyRequest]):
    """Whether and when the key is rotated. A key that is pending deletion says no, and keeps its calendar; a key of a
    kind that is never rotated says no (Terraform asks about every key that it made).

    Source: KMS API Reference, "GetKeyRotationStatus": "The key rotation status for these CMKs is always false."
    """

    name = "GetKeyRotationStatus"
    request_type = KeyRequest
    recorded = ("KeyId",)

    def reads(self, request: KeyRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: KeyRequest) -> Plan[KeyRequest]:
        key = _allowed(view, call, request.key_id, self.name, {})
        _require_origin(key)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,))

    def answer(self, plan: Plan[KeyRequest], answer: HsmAnswer | None) -> Outcome:
        key = plan.key
        calendar = None if key.state in _PENDING_DELETION else key.shared.automatic_rotation
        response: dict[str, Any] = {"KeyId": key.arn, "KeyRotationEnabled": calendar is not None}
        if calendar is not None:
            response["RotationPeriodInDays"] = calendar.period_days
            response["NextRotationDate"] = epoch_seconds(calendar.next_at_ns)
        pending = key.shared.pending_material  # imported material is no rotation until somebody asks for one
        if pending is not None and pending.rotation_type is RotationType.ON_DEMAND:
            response["OnDemandRotationStartDate"] = epoch_seconds(pending.created_at_ns)
        return Outcome(response=response)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKeyRotationsRequest:
    key_id: str
    include_key_material: str = "ROTATIONS_ONLY"
    limit: int = 100
    marker: str | None = None


class ListKeyRotations(Operation[ListKeyRotationsRequest]):
    """The materials of a key that are or were in use, oldest first, and imported material that waits for its rotation;
    material of KMS's own that a rotation waits to use is none."""

    name = "ListKeyRotations"
    request_type = ListKeyRotationsRequest
    recorded = ("KeyId", "IncludeKeyMaterial", "Limit", "Marker")

    def reads(self, request: ListKeyRotationsRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: ListKeyRotationsRequest) -> Plan[ListKeyRotationsRequest]:
        after = read_marker(request.marker)
        key = _rotatable(view, call, request.key_id, self.name)
        shown = [
            _entry(key, material)
            for material in (key.shared.all_materials if key.shared.is_imported else key.shared.materials)
            if material.rotated_at_ns is not None or request.include_key_material == "ALL_KEY_MATERIAL"
        ]
        found = _behind(shown, after)[: request.limit + 1]
        more = found[request.limit - 1]["KeyMaterialId"] if len(found) > request.limit else None
        return Plan(
            call=call,
            request=request,
            region=view.region,
            now_ns=view.now_ns,
            keys=(key,),
            found=tuple(found[: request.limit]),
            next_marker=more,
        )

    def answer(self, plan: Plan[ListKeyRotationsRequest], answer: HsmAnswer | None) -> Outcome:
        return Outcome(response=page("Rotations", [dict(entry) for entry in plan.found], plan.next_marker))


def _rotatable(
    view: View,
    call: Call,
    identifier: str,
    operation: str,
    values: dict[str, str] | None = None,
    *,
    needs_own_material: bool = False,
) -> KmsKey:
    """The key, allowed to be asked about and of a kind that is rotated at all.

    Errors: what `resolve`, the policy and the state refuse; UnsupportedOperationException for other kinds of key and,
    with `needs_own_material`, for material that KMS did not make.
    """
    key = _allowed(view, call, identifier, operation, values or {})
    if key.shared.spec is not KeySpec.SYMMETRIC_DEFAULT:
        raise UnsupportedOperationException  # AWS sends no text here (recorded)
    _require_origin(key, needs_own_material=needs_own_material)
    return key


def _allowed(view: View, call: Call, identifier: str, operation: str, values: dict[str, str]) -> KmsKey:
    """The key, of whatever kind, in a state that allows the operation. Errors: all others' but its kind's."""
    key = resolve(view.state, call.caller, identifier, operation=operation, takes_alias=False)
    require_on_key(view, call.caller, f"kms:{operation}", key, values=values)
    require_state(operation, key)
    return key


def _require_origin(key: KmsKey, *, needs_own_material: bool = False) -> None:
    if key.shared.origin is not Origin.AWS_KMS and (needs_own_material or key.shared.origin is not Origin.EXTERNAL):
        raise UnsupportedOperationException(
            f"{key.arn} origin is {key.shared.origin} which is not valid for this operation."
        )


def _require_no_other_rotation(key: KmsKey, now_ns: int) -> None:
    if key.shared.pending_material is not None:
        raise ConflictException(f"A rotation of {key.arn} is in progress.")
    due_at_ns = rotation_due_at_ns(key)
    if due_at_ns is not None and due_at_ns - now_ns < AUTOMATIC_SOON_NS:
        raise ConflictException(f"An automatic rotation of {key.arn} is about to begin.")


def _require_waiting_material(key: KmsKey) -> None:
    """Errors: KMSInvalidStateException when no material waits, or some Region of the set lacks it."""
    pending = key.shared.pending_material
    if pending is None or key.regional.imported(pending.material_id) is None:
        raise KMSInvalidStateException(f"No available key material pending rotation for the key: {key.arn}.")
    if not is_everywhere(key.shared, pending):
        raise KMSInvalidStateException(
            f"The key material (id: {pending.material_id}) pending rotation for the key {key.arn} has not been "
            "imported into all of its replica keys."
        )


def _rotated_to_waiting(key: KmsKey, now_ns: int) -> Outcome:
    rotated = rotated_to_pending(key, now_ns)
    return Outcome(
        response={"KeyId": key.arn},
        writes=(PutKey(key=rotated),),
        announcements=announce(rotated),
        events=events_of_start(rotated, key),
        happenings=happenings_of_start(rotated),
        facts=_changed(key),
    )


def _with_calendar(key: KmsKey, calendar: AutomaticRotation | None) -> Outcome:
    if calendar == key.shared.automatic_rotation:
        return Outcome(facts=_changed(key))
    changed = key.with_shared(key.shared.changed(automatic_rotation=calendar))
    return Outcome(writes=(PutKey(key=changed),), announcements=announce(changed), facts=_changed(key))


def _changed(key: KmsKey) -> dict[str, Any]:
    return {"responseElements": {"keyId": key.arn}}


def _entry(key: KmsKey, material: KeyMaterial) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "KeyId": key.arn,
        "KeyMaterialId": material.material_id,
        "KeyMaterialState": material_state(key.shared, material).value,
        **(_import_entry(key, material) if key.shared.is_imported else {}),
    }
    if material.rotated_at_ns is not None:
        entry["RotationDate"] = epoch_seconds(material.rotated_at_ns)
        entry["RotationType"] = (material.rotation_type or RotationType.ON_DEMAND).value
    return entry


def _import_entry(key: KmsKey, material: KeyMaterial) -> dict[str, Any]:
    """What only imported material has to say."""
    imported = key.regional.imported(material.material_id)
    entry: dict[str, Any] = {"ImportState": "PENDING_IMPORT" if imported is None else "IMPORTED"}
    if material.description:
        entry["KeyMaterialDescription"] = material.description
    if imported is not None:
        entry |= expiry_members(imported.valid_to_ns)
    return entry


def _behind(shown: Sequence[dict[str, Any]], after: str | None) -> Sequence[dict[str, Any]]:
    """The entries behind the one whose material a marker names; a marker of a material that is gone ends the list."""
    if after is None:
        return shown
    places = [place for place, entry in enumerate(shown) if entry["KeyMaterialId"] == after]
    return shown[places[0] + 1 :] if places else []
