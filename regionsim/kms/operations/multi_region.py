"""ReplicateKey, UpdatePrimaryRegion, and what the other Region answers when it is asked about them.

Both are decided in two Regions: the primary's, which was called, asks the other one (`questions`) before it commits.
Source: KMS API Reference, ReplicateKey, UpdatePrimaryRegion. Observed is "is not a multi-region primary key."; the
other texts, and how Regions that cannot be meant are refused, are UNVERIFIED (ours).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from types import MappingProxyType
from typing import Any, assert_never

from regionsim.authorization.circumstances import as_texts
from regionsim.kms.errors import (
    REFUSALS,
    AlreadyExistsException,
    KmsError,
    KMSInvalidStateException,
    NotFoundException,
    UnsupportedOperationException,
    ValidationException,
)
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.key import KeyState, KmsKey, RegionalProperties
from regionsim.kms.key_identifiers import resolve
from regionsim.kms.key_policies import checked_policy, default_policy, stored_policy
from regionsim.kms.key_states import require_state
from regionsim.kms.messages import CreateReplica, ReplicaSeed
from regionsim.kms.metadata import key_metadata
from regionsim.kms.operations.lifecycle import require_room_for_key, tag_values
from regionsim.kms.operations.rotation import require_primary
from regionsim.kms.permission import require_on_key, require_without_key
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.questions import Answer, MayBecomePrimary, MayCreateReplica, Question
from regionsim.kms.replication import start_primary_move
from regionsim.kms.situation import announce
from regionsim.kms.tags import checked_tags, wire_tags
from regionsim.kms.writes import Announcement, PutKey
from regionsim.names.dataclass import dataclass
from regionsim.names.regions import PARTITION_OF


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicateKeyRequest:
    key_id: str
    replica_region: str
    policy: str | None = None
    bypass_policy_lockout_safety_check: bool = False
    description: str = ""
    tags: Sequence[Mapping[str, str]] = field(default=())


class ReplicateKey(Operation[ReplicateKeyRequest]):
    """A replica of a primary in another Region; what is not given takes CreateKey's defaults, never the primary's
    values."""

    name = "ReplicateKey"
    request_type = ReplicateKeyRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId", "ReplicaRegion", "Policy", "BypassPolicyLockoutSafetyCheck", "Description", "Tags")
    recorded_defaults = MappingProxyType({"BypassPolicyLockoutSafetyCheck": False, "Description": ""})

    def reads(self, request: ReplicateKeyRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: ReplicateKeyRequest) -> Plan[ReplicateKeyRequest]:
        tags = checked_tags(request.tags)
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        values = {"kms:ReplicaRegion": request.replica_region}
        require_on_key(view, call.caller, "kms:ReplicateKey", key, values=values)
        require_state(self.name, key)
        _require_multi_region(key)
        require_primary(key)
        _require_other_region(view, key, request.replica_region)
        if request.replica_region in key.shared.replica_regions:
            raise _taken(request.replica_region, key)
        plan = Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,))
        if view.remote_answer is not None:
            _require_yes(view.remote_answer)
            return plan
        question = MayCreateReplica(
            shared=key.shared,
            caller=call.caller,
            policy=request.policy,
            bypass_lockout_check=request.bypass_policy_lockout_safety_check,
            tags=tags,
            source_ip=call.source_ip,
            user_agent=call.user_agent,
            circumstances=as_texts(call.circumstances),
        )
        return replace(plan, question=question)

    def answer(self, plan: Plan[ReplicateKeyRequest], answer: HsmAnswer | None) -> Outcome:
        request, known = plan.request, plan.key
        shared = known.shared.with_replica(request.replica_region)
        primary = known.with_shared(shared)
        seed = ReplicaSeed(
            policy=(
                default_policy(request.replica_region, known.account)
                if request.policy is None
                else stored_policy(request.policy)
            ),
            description=request.description,
            tags=checked_tags(request.tags),
            requested_by=plan.call.caller.arn,
            request_id=plan.call.request_id,
        )
        creation = Announcement(destination=request.replica_region, message=CreateReplica(shared=shared, seed=seed))
        others = (told for told in announce(primary) if told.destination != request.replica_region)
        response = _replica_response(primary, seed, request.replica_region, plan.now_ns)
        return Outcome(
            response=response,
            writes=(PutKey(key=primary),),
            announcements=(creation, *others),
            facts={
                "responseElements": {
                    "replicaKeyMetadata": response["ReplicaKeyMetadata"],
                    "replicaPolicy": seed.policy,
                }
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePrimaryRegionRequest:
    key_id: str
    primary_region: str


class UpdatePrimaryRegion(Operation[UpdatePrimaryRegionRequest]):
    """Makes a replica the primary. The call goes to the old primary's Region: a replica cannot promote itself."""

    name = "UpdatePrimaryRegion"
    request_type = UpdatePrimaryRegionRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId", "PrimaryRegion")

    def reads(self, request: UpdatePrimaryRegionRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: UpdatePrimaryRegionRequest) -> Plan[UpdatePrimaryRegionRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        values = {"kms:PrimaryRegion": request.primary_region}
        require_on_key(view, call.caller, "kms:UpdatePrimaryRegion", key, values=values)
        require_state(self.name, key)
        _require_multi_region(key)
        require_primary(key)
        if request.primary_region not in key.shared.replica_regions:
            raise NotFoundException(f"No replica of {key.arn} exists in {request.primary_region}.")
        plan = Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,))
        if view.remote_answer is not None:
            _require_yes(view.remote_answer)
            return plan
        question = MayBecomePrimary(
            key_id=key.key_id,
            account=key.account,
            shared_version=key.shared.shared_version,
            caller=call.caller,
            primary_region=request.primary_region,
            source_ip=call.source_ip,
            user_agent=call.user_agent,
            circumstances=as_texts(call.circumstances),
        )
        return replace(plan, question=question)

    def answer(self, plan: Plan[UpdatePrimaryRegionRequest], answer: HsmAnswer | None) -> Outcome:
        moved, handover = start_primary_move(plan.key, plan.request.primary_region)
        return Outcome(writes=(PutKey(key=moved),), announcements=(handover,))


def asked_region(plan: Plan[Any]) -> str:
    """The Region that a plan's question is for."""
    match plan.request:
        case ReplicateKeyRequest(replica_region=region) | UpdatePrimaryRegionRequest(primary_region=region):
            return region
        case _:
            raise AssertionError(f"{plan.call.operation} asks no other Region")


def answer_question(view: View, question: Question) -> Answer:
    """This Region's word on another Region's question. Decided from committed state; changes nothing."""
    try:
        match question:
            case MayCreateReplica():
                _require_place_for_replica(view, question)
            case MayBecomePrimary():
                _require_ready_for_primary(view, question)
            case _:
                assert_never(question)
    except KmsError as refusal:
        return Answer(refusal_code=refusal.code, refusal_message=refusal.message)
    return Answer()


def _require_place_for_replica(view: View, question: MayCreateReplica) -> None:
    shared = question.shared
    values = {
        "kms:KeySpec": shared.spec.value,
        "kms:KeyUsage": shared.usage.value,
        "kms:KeyOrigin": shared.origin.value,
        "kms:MultiRegion": "true",
        "kms:MultiRegionKeyType": "REPLICA",
        "kms:BypassPolicyLockoutSafetyCheck": "true" if question.bypass_lockout_check else "false",
        **tag_values(question.tags),
    }
    require_without_key(view, question.caller, "kms:CreateKey", values)
    if question.tags:
        require_without_key(view, question.caller, "kms:TagResource", values)
    known = view.state.key(shared.key_id)
    if known is not None:
        raise _taken(view.region, known)
    require_room_for_key(view, shared.account)
    if question.policy is not None:
        bypass = question.bypass_lockout_check
        regional = RegionalProperties(
            region=view.region, state=KeyState.CREATING, policy=question.policy, created_at_ns=view.now_ns
        )
        replica = KmsKey(shared=shared, regional=regional)
        checked_policy(view, question.caller, question.policy, replica, bypass_lockout_check=bypass)


def _require_ready_for_primary(view: View, question: MayBecomePrimary) -> None:
    replica = view.state.key(question.key_id)
    if replica is None or replica.account != question.account:
        raise NotFoundException(f"No replica of key {question.key_id} exists in {view.region}.")
    values = {"kms:PrimaryRegion": question.primary_region}
    require_on_key(view, question.caller, "kms:UpdatePrimaryRegion", replica, values=values)
    require_state("UpdatePrimaryRegion", replica)
    is_behind = replica.shared.shared_version < question.shared_version
    if is_behind or view.state.missing_material_ids(replica):
        # Else what only the old primary has might never come here. Source: ours.
        raise KMSInvalidStateException(f"{replica.arn} is not synchronized.")


def _require_multi_region(key: KmsKey) -> None:
    if not key.shared.is_multi_region:
        raise UnsupportedOperationException(f"{key.arn} is not a multi-region primary key.")


def _require_other_region(view: View, key: KmsKey, region: str) -> None:
    """Errors: ValidationException for a Region of another partition or that does not exist here; AlreadyExists for its
    own."""
    partition = PARTITION_OF.get(region)
    if partition is None or partition is not PARTITION_OF[view.region] or region not in view.regions:
        raise ValidationException(f"Region {region} is not available for replicas of {key.arn}.")
    if region == view.region:
        raise _taken(region, key)


def _taken(region: str, key: KmsKey) -> AlreadyExistsException:
    return AlreadyExistsException(f"A related multi-Region key of {key.key_id} already exists in {region}.")


def _require_yes(answer: Answer) -> None:
    if answer.refusal_code is not None:
        raise REFUSALS[answer.refusal_code](answer.refusal_message)


def _replica_response(primary: KmsKey, seed: ReplicaSeed, region: str, now_ns: int) -> dict[str, Any]:
    regional = RegionalProperties(
        region=region,
        state=KeyState.CREATING,
        policy=seed.policy,
        description=seed.description,
        tags=seed.tags,
        created_at_ns=now_ns,
    )
    metadata = key_metadata(KmsKey(shared=primary.shared, regional=regional))
    response: dict[str, Any] = {"ReplicaKeyMetadata": metadata, "ReplicaPolicy": seed.policy}
    if seed.tags:
        response["ReplicaTags"] = wire_tags(seed.tags)
    return response
