"""RotateKeyOnDemand. Automatic rotation joins this family with the Region's calendar.

Source: KMS API Reference, RotateKeyOnDemand; KMS Developer Guide, "Perform on-demand key rotation"; texts observed, but
those for a replica and for a rotation in progress are UNVERIFIED (ours).
"""

from __future__ import annotations

from regionsim.kms import hsm_jobs
from regionsim.kms.errors import ConflictException, LimitExceededException, UnsupportedOperationException
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.key import KeyMaterial, KmsKey, Origin, RotationType
from regionsim.kms.key_identifiers import resolve
from regionsim.kms.key_specs import KeySpec
from regionsim.kms.key_states import require_state
from regionsim.kms.operations.lifecycle import KeyRequest
from regionsim.kms.permission import require_on_key
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.quotas import ON_DEMAND_ROTATIONS_PER_KEY
from regionsim.kms.replication import announce, rotation_event, start_rotation
from regionsim.kms.writes import PutKey, PutToken


def require_primary(key: KmsKey) -> None:
    """Errors: UnsupportedOperationException on a replica; shared properties change at the primary only."""
    if key.is_replica:
        raise UnsupportedOperationException(f"{key.arn} is not a multi-region primary key.")


class RotateKeyOnDemand(Operation[KeyRequest]):
    """New material now. A multi-Region key goes on with the old one until every Region of its set holds the new one."""

    name = "RotateKeyOnDemand"
    request_type = KeyRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId",)

    def reads(self, request: KeyRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: KeyRequest) -> Plan[KeyRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        require_on_key(view, call.caller, "kms:RotateKeyOnDemand", key)
        require_state(self.name, key)
        if key.shared.spec is not KeySpec.SYMMETRIC_DEFAULT:
            raise UnsupportedOperationException  # AWS sends no text here (recorded)
        if key.shared.origin is not Origin.AWS_KMS:
            raise UnsupportedOperationException(
                f"{key.arn} origin is {key.shared.origin} which is not valid for this operation."
            )
        require_primary(key)
        if key.shared.pending_material is not None:
            raise ConflictException(f"A rotation of {key.arn} is in progress.")
        if key.shared.on_demand_rotation_count >= ON_DEMAND_ROTATIONS_PER_KEY:
            raise LimitExceededException(
                "The on-demand rotations limit has been reached for the given keyId. "
                f"No more on-demand rotations can be performed for this key: {key.arn}"
            )
        job = hsm_jobs.CreateBackingKey(key_id=key.key_id, spec=key.shared.spec)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,), job=job)

    def answer(self, plan: Plan[KeyRequest], answer: HsmAnswer | None) -> Outcome:
        assert isinstance(answer, hsm_jobs.BackingKeyCreated)
        material = KeyMaterial(
            material_id=answer.material.material_id,
            created_at_ns=plan.now_ns,
            rotation_type=RotationType.ON_DEMAND,
        )
        rotated = start_rotation(plan.key, material, plan.now_ns)
        is_complete = rotated.shared.pending_material is None
        return Outcome(
            response={"KeyId": plan.key.arn},
            writes=(PutToken(material=answer.material), PutKey(key=rotated)),
            announcements=announce(rotated),
            events=(rotation_event(rotated, plan.key.shared.current_material_id),) if is_complete else (),
            facts={"responseElements": {"keyId": plan.key.arn}},
        )
