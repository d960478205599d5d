"""GetKeyPolicy, PutKeyPolicy, ListKeyPolicies. Exactly one key policy a key, named `default`.

Source: KMS API Reference, GetKeyPolicy, PutKeyPolicy; the texts about policies of other names are UNVERIFIED (ours).
"""

from __future__ import annotations

from types import MappingProxyType

from regionsim.kms.errors import NotFoundException, UnsupportedOperationException
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.key_identifiers import resolve
from regionsim.kms.key_policies import POLICY_NAME, checked_policy
from regionsim.kms.key_states import require_state
from regionsim.kms.permission import require_on_key
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.writes import PutKey
from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GetKeyPolicyRequest:
    key_id: str
    policy_name: str = POLICY_NAME


class GetKeyPolicy(Operation[GetKeyPolicyRequest]):
    name = "GetKeyPolicy"
    request_type = GetKeyPolicyRequest
    recorded = ("KeyId", "PolicyName")
    recorded_defaults = MappingProxyType({"PolicyName": POLICY_NAME})

    def reads(self, request: GetKeyPolicyRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: GetKeyPolicyRequest) -> Plan[GetKeyPolicyRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        require_on_key(view, call.caller, "kms:GetKeyPolicy", key)
        require_state(self.name, key)
        if request.policy_name != POLICY_NAME:
            raise NotFoundException("No such policy exists")
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,))

    def answer(self, plan: Plan[GetKeyPolicyRequest], answer: HsmAnswer | None) -> Outcome:
        return Outcome(response={"Policy": plan.key.regional.policy, "PolicyName": POLICY_NAME})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKeyPoliciesRequest:
    key_id: str
    limit: int = 100
    marker: str | None = None


class ListKeyPolicies(Operation[ListKeyPoliciesRequest]):
    name = "ListKeyPolicies"
    request_type = ListKeyPoliciesRequest
    recorded = ("KeyId", "Limit", "Marker")

    def reads(self, request: ListKeyPoliciesRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: ListKeyPoliciesRequest) -> Plan[ListKeyPoliciesRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        require_on_key(view, call.caller, "kms:ListKeyPolicies", key)
        require_state(self.name, key)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,))

    def answer(self, plan: Plan[ListKeyPoliciesRequest], answer: HsmAnswer | None) -> Outcome:
        return Outcome(response={"PolicyNames": [POLICY_NAME], "Truncated": False})


@dataclass(frozen=True, slots=True, kw_only=True)
class PutKeyPolicyRequest:
    key_id: str
    policy: str
    policy_name: str = POLICY_NAME
    bypass_policy_lockout_safety_check: bool = False


class PutKeyPolicy(Operation[PutKeyPolicyRequest]):
    name = "PutKeyPolicy"
    request_type = PutKeyPolicyRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId", "PolicyName", "Policy", "BypassPolicyLockoutSafetyCheck")
    recorded_defaults = MappingProxyType({"PolicyName": POLICY_NAME, "BypassPolicyLockoutSafetyCheck": False})

    def reads(self, request: PutKeyPolicyRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: PutKeyPolicyRequest) -> Plan[PutKeyPolicyRequest]:
        bypass = request.bypass_policy_lockout_safety_check
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        values = {"kms:BypassPolicyLockoutSafetyCheck": "true" if bypass else "false"}
        require_on_key(view, call.caller, "kms:PutKeyPolicy", key, values=values)
        require_state(self.name, key)
        if request.policy_name != POLICY_NAME:
            raise UnsupportedOperationException("Only default policy is supported")
        policy = checked_policy(view, call.caller, request.policy, key, bypass_lockout_check=bypass)
        changed = key.with_regional(policy=policy)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(changed,))

    def answer(self, plan: Plan[PutKeyPolicyRequest], answer: HsmAnswer | None) -> Outcome:
        return Outcome(writes=(PutKey(key=plan.key),), facts={"responseElements": {"keyId": plan.key.arn}})
