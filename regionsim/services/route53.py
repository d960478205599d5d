"""Amazon Route 53 DNSSEC signing: the key-signing key of a zone is a KMS key in us-east-1, wherever the zone is used.

    CreateKeySigningKey   DescribeKey, CreateGrant, GetPublicKey, Sign, as the service `dnssec-route53.amazonaws.com`
    DeleteKeySigningKey   RetireGrant
    SignZone              Sign: the DNSKEY record set, before its signature expires (Route 53 does so by itself)
    ResolveZone           what a validating resolver gets: NOERROR, or SERVFAIL once the signature has expired

A key that cannot be used leaves the key-signing key ACTION_NEEDED, and the zone valid until its signature expires.

Source: Route 53 Developer Guide, "Configuring DNSSEC signing in Amazon Route 53", "Working with customer managed keys
for DNSSEC"; RFC 4034. How long a signature holds is ours, that renewing is a request of its own, and what
the grant is for that Route 53 wants to be allowed to make (UNVERIFIED).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from regionsim.names.dataclass import dataclass
from regionsim.runtime.entropy import Stream
from regionsim.runtime.tasks import now_ns
from regionsim.services.door import KmsFailure
from regionsim.services.premises import Premises
from regionsim.services.service import Asked, Handler, Load, ServiceError, Takes, Worded

KEY_REGION = "us-east-1"
SIGNATURE_HOLDS_NS = 7 * 86_400_000_000_000

_PRINCIPAL = "dnssec-route53.amazonaws.com"
_WANTED = ("ECC_NIST_P256", "SIGN_VERIFY")


@dataclass(slots=True, kw_only=True)
class _Zone:
    key_arn: str
    grant_id: str
    valid_until_ns: int
    status: str = "ACTIVE"


class Route53(Worded):
    """Hosted zones as far as they are signed."""

    name = "route53"
    via = "route53"
    managed = "route53"
    well = "ACTIVE"
    other = "InvalidKeySigningKeyStatus"
    words = MappingProxyType({"NotFoundException": "InvalidKMSArn"})
    denied = "InvalidKMSArn"
    unavailable = "ServiceUnavailable"
    takes = MappingProxyType(
        {
            "CreateKeySigningKey": Takes(("HostedZoneId", "KeyManagementServiceArn")),
            "DeleteKeySigningKey": Takes(("HostedZoneId",)),
            "SignZone": Takes(("HostedZoneId",)),
            "GetDNSSEC": Takes(("HostedZoneId",)),
            "ResolveZone": Takes(("HostedZoneId",)),
        }
    )

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self._zones: dict[str, _Zone] = {}

    def principal(self, region: str) -> str:
        return _PRINCIPAL

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateKeySigningKey": self._create,
            "DeleteKeySigningKey": self._delete,
            "SignZone": self._renew,
            "GetDNSSEC": self._status,
            "ResolveZone": self._resolve,
        }

    def ill(self, failure: KmsFailure) -> str:
        return "ACTION_NEEDED" if self._is_refusal(failure) else super().ill(failure)

    @staticmethod
    def _is_refusal(failure: KmsFailure) -> bool:
        return not failure.is_failure and failure.code != "ThrottlingException"

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        return [Load("CreateKeySigningKey", {"HostedZoneId": workload, "KeyManagementServiceArn": given.get("key")})]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        return Load("SignZone", {"HostedZoneId": workload})

    async def _create(self, asked: Asked) -> dict[str, Any]:
        zone, key_arn = asked.text("HostedZoneId"), asked.text("KeyManagementServiceArn")
        source = _arn(zone)
        found = await asked.kms.as_itself("DescribeKey", source_arn=source, at=KEY_REGION, KeyId=key_arn)
        metadata = found["KeyMetadata"]
        if (metadata["KeySpec"], metadata["KeyUsage"]) != _WANTED:
            raise ServiceError("InvalidKMSArn", f"{' and '.join(_WANTED)} are wanted of a key-signing key's KMS key.")
        granted = await asked.kms.as_itself(
            "CreateGrant",
            source_arn=source,
            at=KEY_REGION,
            KeyId=key_arn,
            GranteePrincipal=_PRINCIPAL,
            RetiringPrincipal=_PRINCIPAL,
            Operations=["DescribeKey", "GetPublicKey", "Sign"],
        )
        await asked.kms.as_itself("GetPublicKey", source_arn=source, at=KEY_REGION, KeyId=key_arn)
        await _sign(asked, zone, key_arn)
        valid_until_ns = now_ns() + SIGNATURE_HOLDS_NS
        self._zones[zone] = _Zone(key_arn=key_arn, grant_id=granted["GrantId"], valid_until_ns=valid_until_ns)
        return {"State": "ACTIVE"}

    async def _renew(self, asked: Asked) -> dict[str, Any]:
        zone = self._zone(asked)
        try:
            await _sign(asked, asked.text("HostedZoneId"), zone.key_arn)
        except KmsFailure as failure:
            if self._is_refusal(failure):
                zone.status = "ACTION_NEEDED"
            raise
        zone.status, zone.valid_until_ns = "ACTIVE", now_ns() + SIGNATURE_HOLDS_NS
        return {"State": zone.status}

    async def _delete(self, asked: Asked) -> dict[str, Any]:
        """The zone is signed no more; what it signed last holds as long as it holds."""
        zone, source = self._zone(asked), _arn(asked.text("HostedZoneId"))
        given = {"KeyId": zone.key_arn, "GrantId": zone.grant_id}
        await asked.kms.as_itself("RetireGrant", source_arn=source, at=KEY_REGION, **given)
        del self._zones[asked.text("HostedZoneId")]
        return {}

    async def _status(self, asked: Asked) -> dict[str, Any]:
        return {"State": self._zone(asked).status}

    async def _resolve(self, asked: Asked) -> dict[str, Any]:
        return {"State": "NOERROR" if now_ns() < self._zone(asked).valid_until_ns else "SERVFAIL"}

    def _zone(self, asked: Asked) -> _Zone:
        found = self._zones.get(asked.text("HostedZoneId"))
        if found is None:
            raise ServiceError("NoSuchHostedZone", f"No hosted zone found with ID: {asked.text('HostedZoneId')}")
        return found


async def _sign(asked: Asked, zone: str, key_arn: str) -> None:
    """Sign the DNSKEY record set: ECDSAP256SHA256, algorithm 13."""
    await asked.kms.as_itself(
        "Sign",
        source_arn=_arn(zone),
        at=KEY_REGION,
        KeyId=key_arn,
        Message=f"DNSKEY {zone}".encode(),
        MessageType="RAW",
        SigningAlgorithm="ECDSA_SHA_256",
    )


def _arn(zone: str) -> str:
    return f"arn:aws:route53:::hostedzone/{zone}"
