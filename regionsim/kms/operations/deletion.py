"""ScheduleKeyDeletion, CancelKeyDeletion. What happens when the waiting period ends is in `kms.removal`.

Source: KMS API Reference, ScheduleKeyDeletion, CancelKeyDeletion. The text about a window that AWS's model admits and
KMS does not (1 to 6 and 31 to 365 days) is UNVERIFIED (ours).
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from regionsim.authorization.context import LazyValue
from regionsim.kms.errors import ValidationException
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.key import KeyState, KmsKey
from regionsim.kms.key_identifiers import resolve
from regionsim.kms.key_states import require_state
from regionsim.kms.key_stores import put_away
from regionsim.kms.metadata import epoch_seconds
from regionsim.kms.operations.lifecycle import KeyRequest
from regionsim.kms.permission import days_unused, require_on_key
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.removal import deletion_cancelled, scheduled_for_deletion
from regionsim.kms.writes import PutKey
from regionsim.names.dataclass import dataclass

SHORTEST_WINDOW_DAYS = 7
LONGEST_WINDOW_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleKeyDeletionRequest:
    key_id: str
    pending_window_in_days: int = LONGEST_WINDOW_DAYS


class ScheduleKeyDeletion(Operation[ScheduleKeyDeletionRequest]):
    """The key cannot be used any more, and is deleted when its waiting period ends.

    That of a primary with replicas begins when the last of them is deleted.
    """

    name = "ScheduleKeyDeletion"
    request_type = ScheduleKeyDeletionRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId", "PendingWindowInDays")
    recorded_defaults = MappingProxyType({"PendingWindowInDays": LONGEST_WINDOW_DAYS})

    def reads(self, request: ScheduleKeyDeletionRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: ScheduleKeyDeletionRequest) -> Plan[ScheduleKeyDeletionRequest]:
        days = request.pending_window_in_days
        if not SHORTEST_WINDOW_DAYS <= days <= LONGEST_WINDOW_DAYS:
            raise ValidationException(
                f"PendingWindowInDays must be between {SHORTEST_WINDOW_DAYS} and {LONGEST_WINDOW_DAYS} (inclusive)."
            )
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        values: dict[str, LazyValue] = {
            "kms:ScheduleKeyDeletionPendingWindowInDays": str(days),
            "kms:TrailingDaysWithoutKeyUsage": lambda: days_unused(view, key),
        }
        require_on_key(view, call.caller, "kms:ScheduleKeyDeletion", key, values=values)
        require_state(self.name, key)
        scheduled = scheduled_for_deletion(key, days, view.now_ns)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(scheduled,))

    def answer(self, plan: Plan[ScheduleKeyDeletionRequest], answer: HsmAnswer | None) -> Outcome:
        key, days = plan.key, plan.request.pending_window_in_days
        response: dict[str, Any] = {"KeyId": key.arn, "KeyState": key.state.value, "PendingWindowInDays": days}
        recorded: dict[str, Any] = {"keyId": key.arn, "keyState": key.state.value}
        if key.state is KeyState.PENDING_DELETION:
            assert key.regional.deletion_at_ns is not None, "a waiting period that has begun has an end"
            response["DeletionDate"] = epoch_seconds(key.regional.deletion_at_ns)
            recorded["deletionDate"] = response["DeletionDate"]
        else:
            recorded["pendingWindowInDays"] = days
        return Outcome(response=response, writes=(PutKey(key=key),), facts={"responseElements": recorded})


def _cancelled(view: View, key: KmsKey) -> KmsKey:
    """The key as CancelKeyDeletion leaves it; Unavailable, while its custom key store is not connected."""
    membership = key.regional.key_store
    store = None if membership is None else view.state.key_store(membership.store_id)
    if store is None or store.is_connected:
        return deletion_cancelled(key)
    return replace(put_away(deletion_cancelled(key)), version=key.version + 1)


class CancelKeyDeletion(Operation[KeyRequest]):
    """The key is Disabled, whatever it was before."""

    name = "CancelKeyDeletion"
    request_type = KeyRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId",)

    def reads(self, request: KeyRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: KeyRequest) -> Plan[KeyRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=False)
        require_on_key(view, call.caller, "kms:CancelKeyDeletion", key)
        require_state(self.name, key)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(_cancelled(view, key),))

    def answer(self, plan: Plan[KeyRequest], answer: HsmAnswer | None) -> Outcome:
        arn = plan.key.arn
        return Outcome(
            response={"KeyId": arn}, writes=(PutKey(key=plan.key),), facts={"responseElements": {"keyId": arn}}
        )
