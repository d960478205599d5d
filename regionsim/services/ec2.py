"""Amazon EBS volumes and the EC2 instances that they are attached to.

    CreateVolume     GenerateDataKeyWithoutPlaintext (64 bytes: AES-256-XTS has two keys), context aws:ebs:id;
                     of a snapshot nothing, but under another key ReEncrypt; of one that is not encrypted
                     CreateGrant, GenerateDataKeyWithoutPlaintext, Decrypt as the identity that writes it, RetireGrant
    AttachVolume     CreateGrant for the instance's identity, on behalf of the user; Decrypt as that identity
    DetachVolume     RetireGrant as that identity; the key is forgotten with the hardware's memory
    CreateSnapshot   nothing: the snapshot has the volume's wrapped key
    CopySnapshot     DescribeKey of the new key; CreateGrant, Decrypt where the source is;
                     GenerateDataKeyWithoutPlaintext, CreateGrant, Decrypt where the copy will be; RetireGrant of both

The plaintext volume key sits in hardware while a volume is attached: whatever happens to the KMS key, a running
instance goes on. Stop, start or attach again and KMS is asked anew.

Source: EBS User Guide, "How Amazon EBS encryption works"; KMS Developer Guide, "How Amazon EBS uses AWS KMS". That a
copy retires its grants at once, and the order of its calls, is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any

from regionsim.authorization.principals import Principal
from regionsim.names.dataclass import dataclass
from regionsim.runtime.entropy import Stream
from regionsim.services.door import KmsFailure
from regionsim.services.keys import KeyKind, ServiceKey
from regionsim.services.premises import Premises
from regionsim.services.service import Asked, Handler, Load, Service, ServiceError, Takes, made_identity

_VOLUME_KEY_BYTES = 64
_INFRASTRUCTURE = "aws:ec2-infrastructure"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """The grant under which an instance has the key of a volume."""

    instance: str
    identity: Principal
    grant_id: str
    key_arn: str


@dataclass(slots=True, kw_only=True)
class _Encrypted:
    """A volume or a snapshot: its wrapped key, and the id that the key was made for."""

    region: str
    key: ServiceKey
    key_arn: str
    blob: bytes = field(repr=False)
    bound_to: str
    use: _Use | None = None

    @property
    def context(self) -> dict[str, str]:
        return {"aws:ebs:id": self.bound_to}


class Ec2(Service):
    """Volumes, snapshots, and instances as far as volumes are attached to them."""

    name = "ec2"
    via = "ec2"
    managed = "ebs"
    takes = MappingProxyType(
        {
            "CreateVolume": Takes(("VolumeId",), ("KmsKeyId", "SnapshotId")),
            "AttachVolume": Takes(("VolumeId", "InstanceId")),
            "DetachVolume": Takes(("VolumeId",)),
            "RebootInstances": Takes(("InstanceId",)),
            "StopInstances": Takes(("InstanceId",)),
            "StartInstances": Takes(("InstanceId",)),
            "DescribeVolumes": Takes(("VolumeId",)),
            "ImportSnapshot": Takes(("SnapshotId",)),
            "CreateSnapshot": Takes(("VolumeId", "SnapshotId")),
            "CopySnapshot": Takes(("SnapshotId", "SourceSnapshotId", "SourceRegion"), ("KmsKeyId",)),
        }
    )

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self._volumes: dict[str, _Encrypted] = {}
        self._snapshots: dict[str, _Encrypted] = {}
        self._in_clear: set[tuple[str, str]] = set()
        """Snapshots that are not encrypted, by Region and name."""
        self._stopped: dict[str, list[str]] = {}

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateVolume": self._create,
            "AttachVolume": self._attach,
            "DetachVolume": self._detach,
            "RebootInstances": self._reboot,
            "StopInstances": self._stop,
            "StartInstances": self._start,
            "DescribeVolumes": self._describe,
            "ImportSnapshot": self._import,
            "CreateSnapshot": self._snapshot,
            "CopySnapshot": self._copy,
        }

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        return [Load("CreateVolume", {"VolumeId": f"vol-{workload}", "KmsKeyId": given.get("key")})]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        volume = f"vol-{workload}"
        if volume in self._volumes and self._volumes[volume].use is not None:
            return Load("DetachVolume", {"VolumeId": volume})
        return Load("AttachVolume", {"VolumeId": volume, "InstanceId": f"i-{workload}-{number}"})

    def error_of(self, failure: KmsFailure) -> ServiceError:
        if failure.is_failure:
            return ServiceError("InternalError", "An internal error has occurred.", is_failure=True)
        if failure.code == "ThrottlingException":
            return ServiceError("RequestLimitExceeded", failure.message)
        told = f"{failure.operation}: {failure.code}" + (f": {failure.message}" if failure.message else "")
        return ServiceError("Client.InvalidKMSKey.InvalidState" if _is_state(failure) else "Client.InternalError", told)

    # Volumes.

    async def _create(self, asked: Asked) -> dict[str, Any]:
        volume, source = asked.text("VolumeId"), asked.optional("SnapshotId")
        if source is not None and (asked.region, source) in self._in_clear:
            self._volumes[volume] = await self._written(asked, volume, self.key(asked, "KmsKeyId"))
            return {"VolumeId": volume, "State": "available"}
        if source is not None:
            snapshot = _of_region(self._snapshots, source, asked.region, "InvalidSnapshot.NotFound")
            is_other = asked.optional("KmsKeyId") is not None
            # Under the same key the data key goes on, and KMS is asked when the volume is attached.
            self._volumes[volume] = await self._moved(asked, volume, snapshot) if is_other else _copied(snapshot)
            return {"VolumeId": volume, "State": "available"}
        self._volumes[volume] = await self._new(asked, volume, self.key(asked, "KmsKeyId"))
        return {"VolumeId": volume, "State": "available"}

    async def _new(self, asked: Asked, bound_to: str, key: ServiceKey) -> _Encrypted:
        made = await asked.kms.for_user(
            "GenerateDataKeyWithoutPlaintext",
            KeyId=key.identifier,
            NumberOfBytes=_VOLUME_KEY_BYTES,
            EncryptionContext={"aws:ebs:id": bound_to},
        )
        return _Encrypted(
            region=asked.region, key=key, key_arn=made["KeyId"], blob=made["CiphertextBlob"], bound_to=bound_to
        )

    async def _written(self, asked: Asked, bound_to: str, key: ServiceKey) -> _Encrypted:
        """A volume that what was in clear is written into, by an identity with a grant for that."""
        key_arn = key.identifier
        if key.kind is KeyKind.AWS_MANAGED or key_arn.startswith("alias/"):  # no grant is made on an alias
            key_arn = (await asked.kms.for_user("DescribeKey", KeyId=key_arn))["KeyMetadata"]["Arn"]
        identity = made_identity(asked, _INFRASTRUCTURE, bound_to)
        granted = await self._grant(asked, asked.region, key_arn, identity, {"aws:ebs:id": bound_to})
        use = _Use(instance=bound_to, identity=identity, grant_id=granted["GrantId"], key_arn=key_arn)
        try:
            made = await self._new(asked, bound_to, key)
            await self._decrypt(asked, made, identity, granted["GrantToken"])
        finally:
            await _retired(asked, use, asked.region)
        return made

    async def _moved(self, asked: Asked, bound_to: str, source: _Encrypted) -> _Encrypted:
        """The data key of a snapshot, for a volume under another key."""
        key = self.key(asked, "KmsKeyId")
        made = await asked.kms.for_user(
            "ReEncrypt",
            CiphertextBlob=source.blob,
            SourceEncryptionContext=source.context,
            DestinationKeyId=key.identifier,
            DestinationEncryptionContext={"aws:ebs:id": bound_to},
        )
        return _Encrypted(
            region=asked.region, key=key, key_arn=made["KeyId"], blob=made["CiphertextBlob"], bound_to=bound_to
        )

    async def _attach(self, asked: Asked) -> dict[str, Any]:
        volume = _of_region(self._volumes, asked.text("VolumeId"), asked.region, "InvalidVolume.NotFound")
        if volume.use is not None:
            raise ServiceError("VolumeInUse", f"{asked.text('VolumeId')} is already attached to an instance")
        volume.use = await self._opened(asked, volume, asked.text("InstanceId"))
        return {"VolumeId": asked.text("VolumeId"), "State": "attached"}

    async def _opened(self, asked: Asked, volume: _Encrypted, who: str) -> _Use:
        """Give `who` the key of a volume: a grant for its identity, and the plaintext into its hardware."""
        identity = made_identity(asked, _INFRASTRUCTURE, who)
        granted = await self._grant(asked, volume.region, volume.key_arn, identity, volume.context)
        use = _Use(instance=who, identity=identity, grant_id=granted["GrantId"], key_arn=volume.key_arn)
        try:
            await self._decrypt(asked, volume, identity, granted["GrantToken"])
        except KmsFailure:
            await _retired(asked, use, volume.region)
            raise
        return use

    async def _grant(
        self, asked: Asked, region: str, key_arn: str, identity: Principal, context: Mapping[str, str]
    ) -> Mapping[str, Any]:
        return await asked.kms.for_user(
            "CreateGrant",
            at=region,
            KeyId=key_arn,
            GranteePrincipal=identity.arn,
            RetiringPrincipal=identity.arn,
            Operations=["Decrypt"],
            Constraints={"EncryptionContextSubset": dict(context)},
        )

    async def _decrypt(self, asked: Asked, volume: _Encrypted, identity: Principal, token: str) -> None:
        await asked.kms.as_identity(
            "Decrypt",
            identity,
            at=volume.region,
            CiphertextBlob=volume.blob,
            EncryptionContext=volume.context,
            GrantTokens=[token],
        )

    async def _detach(self, asked: Asked) -> dict[str, Any]:
        volume = _of_region(self._volumes, asked.text("VolumeId"), asked.region, "InvalidVolume.NotFound")
        if volume.use is not None:
            use, volume.use = volume.use, None
            await _retired(asked, use, volume.region)
        return {"VolumeId": asked.text("VolumeId"), "State": "available"}

    async def _describe(self, asked: Asked) -> dict[str, Any]:
        volume = _of_region(self._volumes, asked.text("VolumeId"), asked.region, "InvalidVolume.NotFound")
        state = "available" if volume.use is None else "in-use"
        return {"VolumeId": asked.text("VolumeId"), "State": state, "KmsKeyId": volume.key_arn}

    # Instances.

    async def _reboot(self, asked: Asked) -> dict[str, Any]:
        """The hardware goes on, and so do the keys in it."""
        return {"InstanceId": asked.text("InstanceId"), "State": "running"}

    async def _stop(self, asked: Asked) -> dict[str, Any]:
        instance = asked.text("InstanceId")
        stopped = [name for name, held in self._volumes.items() if held.use and held.use.instance == instance]
        self._stopped.setdefault(instance, []).extend(stopped)
        for name in stopped:
            use, self._volumes[name].use = self._volumes[name].use, None
            assert use is not None, "it was attached"
            await _retired(asked, use, asked.region)
        return {"InstanceId": instance, "State": "stopped"}

    async def _start(self, asked: Asked) -> dict[str, Any]:
        instance = asked.text("InstanceId")
        for name in list(self._stopped.get(instance, ())):
            self._volumes[name].use = await self._opened(asked, self._volumes[name], instance)
            self._stopped[instance].remove(name)
            self.premises.board.well(self.name, asked.region, name, "in-use", asked.kms.key)
        return {"InstanceId": instance, "State": "running"}

    # Snapshots.

    async def _import(self, asked: Asked) -> dict[str, Any]:
        """A disk from elsewhere, as it is: in clear."""
        self._in_clear.add((asked.region, asked.text("SnapshotId")))
        return {"SnapshotId": asked.text("SnapshotId"), "State": "completed"}

    async def _snapshot(self, asked: Asked) -> dict[str, Any]:
        volume = _of_region(self._volumes, asked.text("VolumeId"), asked.region, "InvalidVolume.NotFound")
        self._snapshots[asked.text("SnapshotId")] = _copied(volume)
        return {"SnapshotId": asked.text("SnapshotId"), "State": "completed"}

    async def _copy(self, asked: Asked) -> dict[str, Any]:
        source_region, copy = asked.text("SourceRegion"), asked.text("SnapshotId")
        source = _of_region(self._snapshots, asked.text("SourceSnapshotId"), source_region, "InvalidSnapshot.NotFound")
        key = self.key(asked, "KmsKeyId")
        await asked.kms.for_user("DescribeKey", KeyId=key.identifier)
        read = await self._opened(asked, source, copy)
        try:
            made = await self._new(asked, copy, key)
            written = await self._opened(asked, made, copy)
        finally:
            await _retired(asked, read, source.region)
        await _retired(asked, written, made.region)
        self._snapshots[copy] = made
        return {"SnapshotId": copy, "State": "completed"}


def _is_state(failure: KmsFailure) -> bool:
    return failure.code in ("DisabledException", "KMSInvalidStateException", "NotFoundException")


def _copied(source: _Encrypted) -> _Encrypted:
    return _Encrypted(
        region=source.region, key=source.key, key_arn=source.key_arn, blob=source.blob, bound_to=source.bound_to
    )


async def _retired(asked: Asked, use: _Use, region: str) -> None:
    """The grant goes. A KMS that cannot be asked keeps it, which does no harm: its grantee is gone."""
    try:
        await asked.kms.as_identity("RetireGrant", use.identity, at=region, KeyId=use.key_arn, GrantId=use.grant_id)
    except KmsFailure:
        return


def _of_region(held: Mapping[str, _Encrypted], name: str, region: str, missing: str) -> _Encrypted:
    found = held.get(name)
    if found is None or found.region != region:
        raise ServiceError(missing, f"'{name}' does not exist in {region}.")
    return found
