"""GetKeyLastUsage.

Source: KMS API Reference, GetKeyLastUsage. Tracking begins with the key's creation here: ours; AWS began on a day of
2026 for all keys.
"""

from __future__ import annotations

from typing import Any

from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.key_identifiers import resolve
from regionsim.kms.key_states import require_state
from regionsim.kms.last_use import LastUse
from regionsim.kms.metadata import epoch_seconds
from regionsim.kms.operations.lifecycle import KeyRequest
from regionsim.kms.permission import require_on_key
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View


class GetKeyLastUsage(Operation[KeyRequest]):
    """The last successful cryptographic operation with the key in this Region."""

    name = "GetKeyLastUsage"
    request_type = KeyRequest
    recorded = ("KeyId",)

    def reads(self, request: KeyRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: KeyRequest) -> Plan[KeyRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        require_on_key(view, call.caller, "kms:GetKeyLastUsage", key)
        require_state(self.name, key)
        use = view.state.last_use(key.key_id)
        found = ({} if use is None else _told(use),)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,), found=found)

    def answer(self, plan: Plan[KeyRequest], answer: HsmAnswer | None) -> Outcome:
        created = epoch_seconds(plan.key.regional.created_at_ns)
        (usage,) = plan.found
        response = {
            "KeyId": plan.key.arn,
            "KeyLastUsage": dict(usage),
            "TrackingStartDate": created,
            "KeyCreationDate": created,
        }
        return Outcome(response=response)


def _told(use: LastUse) -> dict[str, Any]:
    return {
        "Operation": use.operation,
        "Timestamp": epoch_seconds(use.at_ns),
        "CloudTrailEventId": use.event_id,
        "KmsRequestId": use.request_id,
    }
