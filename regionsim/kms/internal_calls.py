"""What CloudTrail shows of KMS's own calls: where a multi-Region key changes in another Region than the one called, and
where an AWS managed key is made.

Source: KMS Developer Guide, "Logging AWS KMS API calls with AWS CloudTrail" (ReplicateKey, SynchronizeMultiRegionKey,
UpdatePrimaryRegion). That the second record of UpdatePrimaryRegion has a request id of its own is ours: AWS repeats
that of the call, which a replica is not told. What the record of a new AWS managed key says of who caused it is ours.
"""

from __future__ import annotations

from regionsim.kms.key import KmsKey
from regionsim.kms.messages import ReplicaSeed
from regionsim.kms.metadata import key_metadata
from regionsim.kms.tags import wire_tags
from regionsim.kms.writes import InternalCall, ServiceEvent

_KMS = "kms.amazonaws.com"


def replica_creation(replica: KmsKey, seed: ReplicaSeed) -> ServiceEvent:
    """The CreateKey that ReplicateKey makes in the replica's Region, for whoever called there."""
    shared = replica.shared
    parameters = {
        "Description": seed.description,
        "Origin": shared.origin.value,
        "KeySpec": shared.spec.value,
        "KeyUsage": shared.usage.value,
        "MultiRegion": True,
        **({"Tags": wire_tags(seed.tags)} if seed.tags else {}),
    }
    call = InternalCall(
        parameters=parameters,
        response={"keyMetadata": key_metadata(replica)},
        invoked_by=_KMS,
        on_behalf_of=seed.requested_by,
        request_id=seed.request_id,
    )
    return _event("CreateKey", replica, call)


def managed_key_creation(key: KmsKey, caused_by: str, request_id: str) -> ServiceEvent:
    """The CreateKey of an AWS managed key, made because `caused_by` (an ARN) was the first to need it."""
    shared = key.shared
    parameters = {
        "Description": key.regional.description,
        "Origin": shared.origin.value,
        "KeySpec": shared.spec.value,
        "KeyUsage": shared.usage.value,
        "MultiRegion": False,
    }
    call = InternalCall(
        parameters=parameters,
        response={"keyMetadata": key_metadata(key)},
        on_behalf_of=caused_by,
        request_id=request_id,
    )
    return _event("CreateKey", key, call)


def synchronization(key: KmsKey) -> ServiceEvent:
    """Shared properties were brought into step here."""
    return _event("SynchronizeMultiRegionKey", key, InternalCall(response={"keyId": key.arn}))


def primary_change(key: KmsKey) -> ServiceEvent:
    """The replica here has become the primary: what the new primary's Region records."""
    parameters = {"KeyId": key.arn, "PrimaryRegion": key.region}
    return _event("UpdatePrimaryRegion", key, InternalCall(parameters=parameters, invoked_by=_KMS, names_key=False))


def _event(name: str, key: KmsKey, call: InternalCall) -> ServiceEvent:
    return ServiceEvent(name=name, key_arn=key.arn, account=key.account, call=call)
