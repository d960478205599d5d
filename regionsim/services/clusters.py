"""Services that keep a grant on the key of something long-lived: EKS clusters, ECR repositories, RDS instances.

    EKS  CreateCluster       DescribeKey, CreateGrant; Encrypt of the API server's seed as the cluster
         StartApiServer      Decrypt of the seed; then it is at hand, and secrets are read and written without KMS
    ECR  CreateRepository    DescribeKey, CreateGrant twice;  DeleteRepository: RetireGrant twice
         PutImage            GenerateDataKey as the repository;  PullImage: Decrypt
    RDS  CreateDBInstance    DescribeKey, CreateGrant; GenerateDataKeyWithoutPlaintext and Decrypt as the instance
         CheckDBInstance     Decrypt as the instance, which RDS does by itself

An instance whose key cannot be used is inaccessible-encryption-credentials-recoverable two hours after the first check
that failed, and inaccessible-encryption-credentials seven days later: then it can only be restored.

Source: EKS User Guide, "Encrypt Kubernetes secrets with KMS"; Kubernetes documentation, "Using a KMS provider" (v2);
ECR User Guide, "Encryption at rest"; RDS User Guide, "Encrypting Amazon RDS resources". Names of the identities that
hold the grants, and that checks are requests of their own, are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from regionsim.authorization.principals import Principal
from regionsim.runtime.entropy import Stream
from regionsim.runtime.tasks import now_ns
from regionsim.services.door import KmsFailure
from regionsim.services.keys import AWS_OWNED, ServiceKey
from regionsim.services.premises import Premises
from regionsim.services.service import Asked, Handler, Load, ServiceError, Takes, Worded, arn_of, made_identity

_HOUR_NS = 3_600_000_000_000
RECOVERABLE_AFTER_NS = 2 * _HOUR_NS
RESTORE_ONLY_AFTER_NS = RECOVERABLE_AFTER_NS + 7 * 24 * _HOUR_NS


@dataclass(slots=True, kw_only=True)
class _Held:
    """Something with a key: who uses it under which grants, and what it has wrapped."""

    arn: str
    key: ServiceKey
    key_arn: str
    user: Principal
    context: Mapping[str, str]
    grants: list[str]
    tokens: list[str] = field(repr=False)
    blobs: dict[str, bytes] = field(default_factory=dict, repr=False)
    inaccessible_since_ns: int | None = None
    is_degraded: bool = False

    async def ask(self, asked: Asked, operation: str, **parameters: Any) -> Mapping[str, Any]:
        """Call KMS under the grants, or in the service's name where AWS owns the key. Errors: KmsFailure."""
        given = {"EncryptionContext": dict(self.context), **parameters}
        if self.key.is_owned:
            return await asked.kms.as_itself(operation, source_arn=self.arn, **given)
        return await asked.kms.as_identity(operation, self.user, GrantTokens=self.tokens, **given)


async def _granted(
    asked: Asked,
    key: ServiceKey,
    arn: str,
    user: Principal,
    context: Mapping[str, str],
    operations: tuple[list[str], ...],
) -> _Held:
    """Describe the key and make a grant for each list of operations; none on a key that AWS owns."""
    held = _Held(arn=arn, key=key, key_arn=key.identifier, user=user, context=context, grants=[], tokens=[])
    if key.is_owned:
        return held
    held.key_arn = (await asked.kms.for_user("DescribeKey", KeyId=key.identifier))["KeyMetadata"]["Arn"]
    for granted in operations:
        made = await asked.kms.for_user(
            "CreateGrant",
            KeyId=held.key_arn,
            GranteePrincipal=user.arn,
            RetiringPrincipal=user.arn,
            Operations=granted,
            Constraints={"EncryptionContextSubset": dict(context)},
        )
        held.grants.append(made["GrantId"])
        held.tokens.append(made["GrantToken"])
    return held


class _Keeper(Worded):
    """What the three have in common: things by Region and name."""

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self._things: dict[tuple[str, str], _Held] = {}

    def _keep(self, asked: Asked, name: str, held: _Held) -> None:
        self._things[asked.region, name] = held

    def _thing(self, asked: Asked, parameter: str, missing: str) -> _Held:
        found = self._things.get((asked.region, asked.text(parameter)))
        if found is None:
            raise ServiceError(missing, f"{asked.text(parameter)} does not exist in {asked.region}.")
        return found


class Eks(_Keeper):
    """Clusters; without a key they are under one that AWS owns."""

    name = "eks"
    via = "eks"
    managed = "eks"
    default_key = AWS_OWNED
    other = "InvalidRequestException"
    takes = MappingProxyType(
        {
            "CreateCluster": Takes(("Name",), ("KeyArn",)),
            "StartApiServer": Takes(("Name",)),
            "ReadSecret": Takes(("Name",)),
            "DescribeCluster": Takes(("Name",)),
        }
    )

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateCluster": self._create,
            "StartApiServer": self._start,
            "ReadSecret": self._read,
            "DescribeCluster": self._describe,
        }

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        return [Load("CreateCluster", {"Name": workload, "KeyArn": given.get("key")})]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        return Load("ReadSecret" if number % 100 else "StartApiServer", {"Name": workload})

    async def _create(self, asked: Asked) -> dict[str, Any]:
        name, key = asked.text("Name"), self.key(asked, "KeyArn")
        user, context = made_identity(asked, "aws:eks-cluster", name), {"aws:eks:cluster": name}
        arn = arn_of(asked, "eks", f"cluster/{name}")
        held = await _granted(asked, key, arn, user, context, (["Encrypt", "Decrypt", "DescribeKey"],))
        made = await held.ask(asked, "Encrypt", KeyId=held.key_arn, Plaintext=b"seed of the API server")
        held.blobs["seed"] = made["CiphertextBlob"]
        self._keep(asked, name, held)
        return {"State": "ACTIVE"}

    async def _start(self, asked: Asked) -> dict[str, Any]:
        cluster = self._thing(asked, "Name", "ResourceNotFoundException")
        cluster.is_degraded = True
        await cluster.ask(asked, "Decrypt", CiphertextBlob=cluster.blobs["seed"])
        cluster.is_degraded = False
        return {"State": "ACTIVE"}

    async def _read(self, asked: Asked) -> dict[str, Any]:
        if self._thing(asked, "Name", "ResourceNotFoundException").is_degraded:
            raise ServiceError("InternalError", "failed to decrypt the seed: the KMS provider is not healthy")
        return {}

    async def _describe(self, asked: Asked) -> dict[str, Any]:
        cluster = self._thing(asked, "Name", "ResourceNotFoundException")
        return {"State": "DEGRADED" if cluster.is_degraded else "ACTIVE"}


class Ecr(_Keeper):
    """Repositories."""

    name = "ecr"
    via = "ecr"
    managed = "ecr"
    other = "KmsException"
    denied = "KmsException"
    takes = MappingProxyType(
        {
            "CreateRepository": Takes(("RepositoryName",), ("KmsKey",)),
            "PutImage": Takes(("RepositoryName", "ImageTag")),
            "PullImage": Takes(("RepositoryName", "ImageTag")),
            "DeleteRepository": Takes(("RepositoryName",)),
        }
    )

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateRepository": self._create,
            "PutImage": self._put,
            "PullImage": self._pull,
            "DeleteRepository": self._delete,
        }

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        named = {"RepositoryName": workload}
        return [
            Load("CreateRepository", {**named, "KmsKey": given.get("key")}),
            Load("PutImage", {**named, "ImageTag": "1"}),
        ]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        return Load("PullImage", {"RepositoryName": workload, "ImageTag": "1"})

    async def _create(self, asked: Asked) -> dict[str, Any]:
        name, key = asked.text("RepositoryName"), self.key(asked, "KmsKey")
        arn = arn_of(asked, "ecr", f"repository/{name}")
        user, context = made_identity(asked, "aws:ecr-repository", name), {"aws:ecr:arn": arn}
        granted = (["GenerateDataKey", "Decrypt"], ["Decrypt", "DescribeKey"])
        self._keep(asked, name, await _granted(asked, key, arn, user, context, granted))
        return {"RepositoryArn": arn}

    async def _put(self, asked: Asked) -> dict[str, Any]:
        repository, tag = self._thing(asked, "RepositoryName", "RepositoryNotFoundException"), asked.text("ImageTag")
        made = await repository.ask(
            asked,
            "GenerateDataKey",
            KeyId=repository.key_arn,
            KeySpec="AES_256",
            EncryptionContext=_layer(repository, tag),
        )
        repository.blobs[tag] = made["CiphertextBlob"]
        return {}

    async def _pull(self, asked: Asked) -> dict[str, Any]:
        repository, tag = self._thing(asked, "RepositoryName", "RepositoryNotFoundException"), asked.text("ImageTag")
        if tag not in repository.blobs:
            raise ServiceError("ImageNotFoundException", f"The image with tag '{tag}' does not exist.")
        context = _layer(repository, tag)
        await repository.ask(asked, "Decrypt", CiphertextBlob=repository.blobs[tag], EncryptionContext=context)
        return {}

    async def _delete(self, asked: Asked) -> dict[str, Any]:
        repository = self._thing(asked, "RepositoryName", "RepositoryNotFoundException")
        for grant_id in repository.grants:
            given = {"KeyId": repository.key_arn, "GrantId": grant_id}
            await asked.kms.as_identity("RetireGrant", repository.user, **given)
        del self._things[asked.region, asked.text("RepositoryName")]
        return {}


class Rds(_Keeper):
    """Database instances."""

    name = "rds"
    via = "rds"
    managed = "rds"
    other = "KMSKeyNotAccessibleFault"
    denied = "KMSKeyNotAccessibleFault"
    takes = MappingProxyType(
        {
            "CreateDBInstance": Takes(("DBInstanceIdentifier",), ("KmsKeyId",)),
            "CheckDBInstance": Takes(("DBInstanceIdentifier",)),
            "StartDBInstance": Takes(("DBInstanceIdentifier",)),
            "DescribeDBInstances": Takes(("DBInstanceIdentifier",)),
        }
    )

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateDBInstance": self._create,
            "CheckDBInstance": self._check,
            "StartDBInstance": self._start,
            "DescribeDBInstances": self._describe,
        }

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        return [Load("CreateDBInstance", {"DBInstanceIdentifier": workload, "KmsKeyId": given.get("key")})]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        return Load("CheckDBInstance", {"DBInstanceIdentifier": workload})

    async def _create(self, asked: Asked) -> dict[str, Any]:
        name, key = asked.text("DBInstanceIdentifier"), self.key(asked, "KmsKeyId")
        user, context = made_identity(asked, "aws:rds-instance", name), {"aws:rds:db-id": name}
        granted = (["GenerateDataKeyWithoutPlaintext", "Decrypt", "DescribeKey"],)
        held = await _granted(asked, key, arn_of(asked, "rds", f"db:{name}"), user, context, granted)
        made = await held.ask(asked, "GenerateDataKeyWithoutPlaintext", KeyId=held.key_arn, NumberOfBytes=64)
        held.blobs["storage"] = made["CiphertextBlob"]
        await held.ask(asked, "Decrypt", CiphertextBlob=held.blobs["storage"])
        self._keep(asked, name, held)
        return {"State": "available"}

    async def _check(self, asked: Asked) -> dict[str, Any]:
        instance = self._thing(asked, "DBInstanceIdentifier", "DBInstanceNotFound")
        try:
            await instance.ask(asked, "Decrypt", CiphertextBlob=instance.blobs["storage"])
        except KmsFailure as failure:
            if not failure.is_failure and instance.inaccessible_since_ns is None:
                instance.inaccessible_since_ns = now_ns()
            raise
        if _state(instance) == "available":
            instance.inaccessible_since_ns = None
        return {"State": _state(instance)}

    async def _start(self, asked: Asked) -> dict[str, Any]:
        """What an operator does once the key is back."""
        instance = self._thing(asked, "DBInstanceIdentifier", "DBInstanceNotFound")
        if _state(instance) == "inaccessible-encryption-credentials":
            raise ServiceError("InvalidDBInstanceState", "The instance can only be restored to a point in time.")
        await instance.ask(asked, "Decrypt", CiphertextBlob=instance.blobs["storage"])
        instance.inaccessible_since_ns = None
        return {"State": "available"}

    async def _describe(self, asked: Asked) -> dict[str, Any]:
        return {"State": _state(self._thing(asked, "DBInstanceIdentifier", "DBInstanceNotFound"))}


def _state(instance: _Held) -> str:
    since_ns = instance.inaccessible_since_ns
    past_ns = 0 if since_ns is None else now_ns() - since_ns
    if past_ns >= RESTORE_ONLY_AFTER_NS:
        return "inaccessible-encryption-credentials"
    return "available" if past_ns < RECOVERABLE_AFTER_NS else "inaccessible-encryption-credentials-recoverable"


def _layer(repository: _Held, tag: str) -> dict[str, str]:
    return {**repository.context, "aws:s3:arn": f"{repository.arn}/{tag}"}
