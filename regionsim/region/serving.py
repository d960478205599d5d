"""One call on its way through the five steps, and the audit entries that its ways to end make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from regionsim.authorization.circumstances import ENDPOINT, SOURCE_IP, VIA_SERVICE, Circumstances, service_of
from regionsim.kms.errors import (
    DisabledException,
    DryRunOperationException,
    IncorrectKeyException,
    InvalidCiphertextException,
    InvalidKeyUsageException,
    KmsError,
    KMSInvalidStateException,
    SerializationException,
    ServerFault,
)
from regionsim.kms.key import KmsKey
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads
from regionsim.names.dataclass import dataclass
from regionsim.region.audit_entry import AuditEntry
from regionsim.region.incarnation import Incarnation
from regionsim.region.key_stores import is_of_stores, told_of_stores

_OF_THE_KEY = (
    DisabledException,
    DryRunOperationException,
    IncorrectKeyException,
    InvalidCiphertextException,
    InvalidKeyUsageException,
    KMSInvalidStateException,
    ServerFault,
)
"""Refusals that only a caller hears who is allowed to use the key."""


_NOTHING_READ = Reads()


@dataclass(slots=True, kw_only=True)
class Serving:
    """What a Region knows of a call so far; `key` is the one that it seems to be about."""

    host: Incarnation
    call: Call
    operation: Operation[Any]
    request: Any = None
    reads: Reads = _NOTHING_READ
    key: KmsKey | None = None

    def answered(self, plan: Plan[Any], outcome: Outcome) -> AuditEntry:
        """The entry of a call that succeeds."""
        keys, facts = plan.keys, outcome.facts
        resources = facts.get("resources")
        if resources is not None:
            facts = {name: value for name, value in facts.items() if name != "resources"}
        resources = resources or [key.arn for key in keys]
        if is_of_stores(plan):
            facts = told_of_stores(plan, facts)
        return self._entry(owners=[key.account for key in keys], resources=tuple(resources), facts=facts)

    def refused(self, refusal: KmsError) -> AuditEntry:
        """The entry of a refusal.

        A caller of another account who was not let through is told of in their own account's trail only, and that does
        not name a key which the answer did not admit to. Source: KMS Developer Guide, "Logging AWS KMS API calls with
        AWS CloudTrail".
        """
        key = self.key
        if key is not None and key.account != self.call.caller.account and not isinstance(refusal, _OF_THE_KEY):
            key = None
        return self._entry(
            owners=() if key is None else (key.account,),
            resources=() if key is None else (key.arn,),
            facts={},
            refusal=refusal,
        )

    def _entry(
        self,
        *,
        owners: Sequence[str],
        resources: tuple[str, ...],
        facts: Mapping[str, Any],
        refusal: KmsError | None = None,
    ) -> AuditEntry:
        call, given, own = self.call, self.call.parameters, self.call.caller.account
        if call.circumstances:
            facts = {**facts, **_told_of(call.circumstances)}
        if isinstance(refusal, SerializationException):
            given = {}  # what could not be read cannot be recorded either
        return AuditEntry(
            event_name=call.operation,
            instant_ns=self.host.clock.now_ns(),
            region=self.host.region,
            request_id=call.request_id,
            recipients=_each_once(own, owners),
            caller=call.caller,
            source_ip=str(call.circumstances.get(SOURCE_IP, call.source_ip)),
            user_agent=call.user_agent,
            is_read_only=self.operation.is_read_only,
            parameters={name: given[name] for name in self.operation.recorded if name in given},
            facts=facts,
            resources=resources,
            error_code=None if refusal is None else refusal.code,
            error_message="" if refusal is None else refusal.message,
        )


def _each_once(own: str, owners: Sequence[str]) -> tuple[str, ...]:
    """The accounts whose trail hears of it; a service has none."""
    if own and all(owner == own for owner in owners):
        return (own,)
    return tuple(dict.fromkeys(filter(None, (own, *owners))))


def _told_of(circumstances: Circumstances) -> dict[str, Any]:
    """What a record says of a call's way: the service through which it came, or the VPC endpoint."""
    told: dict[str, Any] = {}
    via, endpoint = circumstances.get(VIA_SERVICE), circumstances.get(ENDPOINT)
    if isinstance(via, str):
        told["invokedBy"] = service_of(via)
    if endpoint is not None:
        told["vpcEndpointId"] = endpoint
    return told
