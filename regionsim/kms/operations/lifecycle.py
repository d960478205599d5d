"""CreateKey, DescribeKey, ListKeys, EnableKey, DisableKey.

Source: KMS API Reference, CreateKey, DescribeKey, ListKeys, EnableKey, DisableKey. Observed are the answers and the
texts about KeyUsage; the other texts are UNVERIFIED (ours).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from regionsim.authorization.context import LazyValue
from regionsim.kms import hsm_jobs
from regionsim.kms.errors import (
    CustomKeyStoreNotFoundException,
    LimitExceededException,
    UnsupportedOperationException,
    ValidationException,
    XksKeyAlreadyInUseException,
)
from regionsim.kms.grants import require_grant_tokens
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.imports import rest_state
from regionsim.kms.key import (
    KeyMaterial,
    KeyState,
    KmsKey,
    Origin,
    RegionalProperties,
    SharedProperties,
    StoreMembership,
)
from regionsim.kms.key_identifiers import alias_in, resolve
from regionsim.kms.key_policies import checked_policy, default_policy
from regionsim.kms.key_specs import KeySpec, KeyUsage, is_offered, is_symmetric, use_of
from regionsim.kms.key_states import require_state
from regionsim.kms.key_stores import turned
from regionsim.kms.metadata import key_metadata
from regionsim.kms.outside import AboutCluster, AboutExternalKey, Inquiry, refusal_of_key
from regionsim.kms.pages import page, read_marker
from regionsim.kms.permission import days_unused, require_on_key, require_without_key
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.quotas import KEYS_PER_ACCOUNT
from regionsim.kms.tags import checked_tags
from regionsim.kms.wrapping import is_importable
from regionsim.kms.writes import PutKey, PutToken, Write
from regionsim.names.arns import key_arn
from regionsim.names.dataclass import dataclass
from regionsim.names.ids import new_key_id
from regionsim.names.regions import partition_of

_USAGE_WANTED = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateKeyRequest:
    policy: str | None = None
    description: str = ""
    key_usage: str | None = None
    customer_master_key_spec: str | None = None
    key_spec: str | None = None
    origin: str = Origin.AWS_KMS.value
    custom_key_store_id: str | None = None
    bypass_policy_lockout_safety_check: bool = False
    tags: Sequence[Mapping[str, str]] = ()
    multi_region: bool = False
    xks_key_id: str | None = None

    def kind(self, region: str) -> tuple[KeySpec, KeyUsage]:
        """The spec and usage asked for.

        Errors: ValidationException for a pair that is not compatible, UnsupportedOperationException for a spec that
        the Region does not have.
        """
        if self.key_spec is not None and self.customer_master_key_spec is not None:
            raise ValidationException("You cannot specify KeySpec and CustomerMasterKeySpec in the same request.")
        spec = KeySpec(self.key_spec or self.customer_master_key_spec or KeySpec.SYMMETRIC_DEFAULT)
        if self.key_usage is None and spec is not KeySpec.SYMMETRIC_DEFAULT:
            raise ValidationException(_USAGE_WANTED)
        usage = KeyUsage(self.key_usage or KeyUsage.ENCRYPT_DECRYPT)
        if use_of(spec, usage) is None:
            raise ValidationException(f"KeyUsage {usage} is not compatible with KeySpec {spec}")
        if not is_offered(spec, partition_of(region).name):
            raise UnsupportedOperationException(f"KeySpec {spec} is not supported in {region}.")
        return spec, usage

    def require_fitting_origin(self, spec: KeySpec) -> None:
        """Errors: ValidationException where the parameters of a custom key store do not fit together;
        UnsupportedOperationException for a kind of key that does not have the origin."""
        in_store = self.origin in (Origin.AWS_CLOUDHSM, Origin.EXTERNAL_KEY_STORE)
        is_external = self.origin == Origin.EXTERNAL_KEY_STORE
        for name, is_wanted, is_given in (
            ("CustomKeyStoreId", in_store, self.custom_key_store_id is not None),
            ("XksKeyId", is_external, self.xks_key_id is not None),
        ):
            if is_wanted != is_given:
                what = "is required" if is_wanted else "is not valid"
                raise ValidationException(f"{name} {what} with Origin {self.origin}.")
        if in_store and (self.multi_region or not is_symmetric(spec)):
            raise UnsupportedOperationException("A custom key store holds symmetric, single-Region keys only.")
        if self.origin == Origin.EXTERNAL and not is_importable(spec):
            raise UnsupportedOperationException(f"KeySpec {spec} is not supported with Origin {self.origin}.")


class CreateKey(Operation[CreateKeyRequest]):
    name = "CreateKey"
    request_type = CreateKeyRequest
    is_mutation = True
    is_read_only = False
    needs_fresh = True
    recorded = (
        "Description",
        "Origin",
        "BypassPolicyLockoutSafetyCheck",
        "CustomerMasterKeySpec",
        "KeySpec",
        "KeyUsage",
        "Policy",
        "MultiRegion",
        "Tags",
        "CustomKeyStoreId",
        "XksKeyId",
    )
    recorded_defaults = MappingProxyType(
        {
            "Description": "",
            "Origin": Origin.AWS_KMS.value,
            "BypassPolicyLockoutSafetyCheck": False,
            "CustomerMasterKeySpec": KeySpec.SYMMETRIC_DEFAULT.value,
            "KeySpec": KeySpec.SYMMETRIC_DEFAULT.value,
            "KeyUsage": KeyUsage.ENCRYPT_DECRYPT.value,
            "MultiRegion": False,
        }
    )

    def reads(self, request: CreateKeyRequest) -> Reads:
        store_id = request.custom_key_store_id
        return Reads() if store_id is None else Reads(key_stores=(store_id,))

    def plan(self, view: View, call: Call, request: CreateKeyRequest) -> Plan[CreateKeyRequest]:
        spec, usage = request.kind(view.region)
        tags = checked_tags(request.tags)
        require_may_create(view, call, spec, usage, request)
        request.require_fitting_origin(spec)
        membership = _place_in_store(view, call, request)
        require_room_for_key(view, call.caller.account)
        account = call.caller.account
        shared = SharedProperties(
            key_id=new_key_id(view.fresh, multi_region=request.multi_region),
            account=account,
            spec=spec,
            usage=usage,
            origin=Origin(request.origin),
            primary_region=view.region if request.multi_region else None,
        )
        regional = RegionalProperties(
            region=view.region,
            state=rest_state(shared, ()),
            policy=default_policy(view.region, account),
            description=request.description,
            tags=tags,
            created_at_ns=view.now_ns,
            key_store=membership,
        )
        key = KmsKey(shared=shared, regional=regional)
        if request.policy is not None:
            bypass = request.bypass_policy_lockout_safety_check
            policy = checked_policy(view, call.caller, request.policy, key, bypass_lockout_check=bypass)
            key = KmsKey(shared=shared, regional=replace(regional, policy=policy))
        job = None if shared.is_imported else hsm_jobs.CreateBackingKey(key_id=shared.key_id, spec=spec)
        plan = Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,), job=job)
        plan = replace(plan, makes_key_for=account)
        if membership is None:
            return plan
        if view.outside_word is None:
            return replace(plan, inquiry=_inquiry_about(view, membership))
        if view.outside_word.problem is not None:
            raise refusal_of_key(view.outside_word.problem)
        return plan

    def answer(self, plan: Plan[CreateKeyRequest], answer: HsmAnswer | None) -> Outcome:
        key = plan.key
        writes: tuple[Write, ...] = (PutKey(key=key),)
        if answer is not None:
            assert isinstance(answer, hsm_jobs.BackingKeyCreated)
            key = with_first_material(plan.key, answer.material.material_id, plan.now_ns)
            writes = (PutKey(key=key), PutToken(material=answer.material))
        metadata = key_metadata(key)
        return Outcome(
            response={"KeyMetadata": metadata},
            writes=writes,
            facts={"responseElements": {"keyMetadata": metadata}, "resources": (key.arn,)},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeKeyRequest:
    key_id: str
    grant_tokens: Sequence[str] = ()


class DescribeKey(Operation[DescribeKeyRequest]):
    name = "DescribeKey"
    request_type = DescribeKeyRequest
    recorded = ("KeyId",)

    def reads(self, request: DescribeKeyRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: DescribeKeyRequest) -> Plan[DescribeKeyRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=True)
        require_grant_tokens(view.region, request.grant_tokens)
        require_on_key(view, call.caller, "kms:DescribeKey", key, named=alias_in(request.key_id) or "")
        require_state(self.name, key)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,))

    def answer(self, plan: Plan[DescribeKeyRequest], answer: HsmAnswer | None) -> Outcome:
        return Outcome(response={"KeyMetadata": key_metadata(plan.key)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKeysRequest:
    limit: int = 100
    marker: str | None = None


class ListKeys(Operation[ListKeysRequest]):
    name = "ListKeys"
    request_type = ListKeysRequest
    recorded = ("Limit", "Marker")

    def reads(self, request: ListKeysRequest) -> Reads:
        return Reads()

    def plan(self, view: View, call: Call, request: ListKeysRequest) -> Plan[ListKeysRequest]:
        require_without_key(view, call.caller, "kms:ListKeys")
        account = call.caller.account
        key_ids = view.state.key_ids_after(account, read_marker(request.marker), request.limit + 1)
        found = tuple(
            {"KeyId": key_id, "KeyArn": key_arn(view.region, account, key_id)} for key_id in key_ids[: request.limit]
        )
        more = found[-1]["KeyId"] if len(key_ids) > request.limit else None
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, found=found, next_marker=more)

    def answer(self, plan: Plan[ListKeysRequest], answer: HsmAnswer | None) -> Outcome:
        return Outcome(response=page("Keys", [dict(entry) for entry in plan.found], plan.next_marker))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """A request about one key and nothing else."""

    key_id: str


class EnableKey(Operation[KeyRequest]):
    name = "EnableKey"
    request_type = KeyRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId",)
    state_after = KeyState.ENABLED
    tells_days_unused = False

    def reads(self, request: KeyRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: KeyRequest) -> Plan[KeyRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        told: dict[str, LazyValue] = {"kms:TrailingDaysWithoutKeyUsage": lambda: days_unused(view, key)}
        values = told if self.tells_days_unused else {}
        require_on_key(view, call.caller, f"kms:{self.name}", key, values=values)
        require_state(self.name, key)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,))

    def answer(self, plan: Plan[KeyRequest], answer: HsmAnswer | None) -> Outcome:
        facts = {"responseElements": {"keyId": plan.key.arn}}
        after = turned(plan.key, self.state_after)
        return Outcome(writes=() if after is plan.key else (PutKey(key=after),), facts=facts)


class DisableKey(EnableKey):
    name = "DisableKey"
    state_after = KeyState.DISABLED
    tells_days_unused = True


def _place_in_store(view: View, call: Call, request: CreateKeyRequest) -> StoreMembership | None:
    """Where the key is to be kept, when that is a custom key store.

    Errors: the refusals for a store that is not there, not connected or of another type, and for an external key that
    another key has.
    """
    if request.custom_key_store_id is None:
        return None
    store = view.state.key_store(request.custom_key_store_id)
    if store is None or store.account != call.caller.account:
        raise CustomKeyStoreNotFoundException(f"The custom key store '{request.custom_key_store_id}' does not exist.")
    if store.type != request.origin:
        raise ValidationException(f"Origin {request.origin} does not go with a {store.type} key store.")
    store.require("CreateKey")
    membership = StoreMembership(store_id=store.store_id, cluster_id=store.cluster_id, xks_key_id=request.xks_key_id)
    for key_id in view.state.keys_in_store(store.store_id):
        key = view.state.key(key_id)
        others = None if key is None else key.regional.key_store
        if request.xks_key_id is not None and others is not None and others.xks_key_id == request.xks_key_id:
            raise XksKeyAlreadyInUseException(f"The external key {request.xks_key_id} is in use by another KMS key.")
    return membership


def _inquiry_about(view: View, membership: StoreMembership) -> Inquiry:
    """What must be known before a key is made in a store."""
    store = view.state.key_store(membership.store_id)
    assert store is not None, "it was found just now"
    if store.proxy is not None and membership.xks_key_id is not None:
        return AboutExternalKey(store_id=store.store_id, proxy=store.proxy, xks_key_id=membership.xks_key_id)
    assert store.cluster_id is not None, "a store has a cluster or a proxy"
    return AboutCluster(cluster_id=store.cluster_id)


def require_may_create(view: View, call: Call, spec: KeySpec, usage: KeyUsage, request: CreateKeyRequest) -> None:
    """Return when IAM lets the caller create this key (and tag it, when tags are given)."""
    values = {
        "kms:KeySpec": spec.value,
        "kms:KeyUsage": usage.value,
        "kms:KeyOrigin": request.origin,
        "kms:MultiRegion": "true" if request.multi_region else "false",
        "kms:MultiRegionKeyType": "PRIMARY" if request.multi_region else None,
        "kms:BypassPolicyLockoutSafetyCheck": "true" if request.bypass_policy_lockout_safety_check else "false",
        **tag_values(tuple((tag["TagKey"], tag["TagValue"]) for tag in request.tags)),
    }
    require_without_key(view, call.caller, "kms:CreateKey", values)
    if request.tags:
        require_without_key(view, call.caller, "kms:TagResource", values)


def tag_values(tags: tuple[tuple[str, str], ...]) -> dict[str, str | tuple[str, ...]]:
    """The condition values of tags in a request."""
    values: dict[str, str | tuple[str, ...]] = {f"aws:RequestTag/{name}": text for name, text in tags}
    if tags:
        values["aws:TagKeys"] = tuple(name for name, _ in tags)
    return values


def require_room_for_key(view: View, account: str) -> None:
    """Errors: LimitExceededException when the account has as many keys here as it may."""
    if view.state.key_count(account) + view.keys_being_made >= KEYS_PER_ACCOUNT:
        raise LimitExceededException(f"The limit of {KEYS_PER_ACCOUNT} KMS keys in this account and Region is reached.")


def with_first_material(key: KmsKey, material_id: str, now_ns: int) -> KmsKey:
    """A key not yet committed, with its first material."""
    material = KeyMaterial(material_id=material_id, created_at_ns=now_ns)
    return replace(key, shared=replace(key.shared, materials=(material,), current_material_id=material_id))
