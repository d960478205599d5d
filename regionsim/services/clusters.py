"""Services that keep grants on the key of something long-lived: EKS clusters and ECR repositories.

    EKS  CreateCluster       DescribeKey, CreateGrant; Encrypt of the API server's seed as the cluster
         StartApiServer      Decrypt of the seed; then it is at hand, and secrets are read and written without KMS
    ECR  CreateRepository    DescribeKey, CreateGrant twice;  DeleteRepository: RetireGrant twice
         PutImage            GenerateDataKey as the repository;  PullImage: Decrypt

Source: EKS User Guide, "Encrypt Kubernetes secrets with KMS"; EKS API Reference, ClusterIssue; Kubernetes
documentation, "Using a KMS provider" (v2); ECR User Guide, "Encryption at rest". Names of the identities that hold the
grants are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any

from regionsim.names.dataclass import dataclass
from regionsim.runtime.entropy import Stream
from regionsim.services.door import KmsFailure
from regionsim.services.holdings import Held, Keeper, grants_for
from regionsim.services.keys import AWS_OWNED
from regionsim.services.service import Asked, Handler, Load, ServiceError, Takes, arn_of, made_identity

_ISSUES = MappingProxyType(
    {
        "DisabledException": "KmsKeyDisabled",
        "NotFoundException": "KmsKeyNotFound",
        "AccessDeniedException": "KmsGrantRevoked",
    }
)
"""KMS's codes as EKS's: codes of a cluster's health issues."""


def _issue(failure: KmsFailure) -> str:
    if "pending deletion" in failure.message:
        return "KmsKeyMarkedForDeletion"
    return _ISSUES.get(failure.code, "InternalFailure")


@dataclass(slots=True, kw_only=True)
class _Cluster:
    """A cluster. `issue` is why its API server has no secrets; empty: it has them."""

    held: Held
    seed: bytes = field(repr=False)
    issue: str = ""


class Eks(Keeper[_Cluster]):
    """Clusters; without a key they are under one that AWS owns."""

    name = "eks"
    via = "eks"
    managed = "eks"
    offers_owned = True
    default_key = AWS_OWNED
    well = "ACTIVE"
    other = "InvalidRequestException"
    denied = "InvalidRequestException"
    unavailable = "ServerException"
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
        held = await grants_for(asked.kms, key, arn, user, context, (["Encrypt", "Decrypt", "DescribeKey"],))
        made = await held.ask(asked.kms, "Encrypt", KeyId=held.key_arn, Plaintext=b"seed of the API server")
        self.keep(asked, name, _Cluster(held=held, seed=made["CiphertextBlob"]))
        return {"State": "ACTIVE"}

    async def _start(self, asked: Asked) -> dict[str, Any]:
        cluster = self.thing(asked, "Name", "ResourceNotFoundException")
        try:
            await cluster.held.ask(asked.kms, "Decrypt", CiphertextBlob=cluster.seed)
        except KmsFailure as failure:
            cluster.issue = _issue(failure)
            raise
        cluster.issue = ""
        return {"State": "ACTIVE"}

    async def _read(self, asked: Asked) -> dict[str, Any]:
        if self.thing(asked, "Name", "ResourceNotFoundException").issue:
            raise ServiceError("InternalError", "failed to decrypt the seed: the KMS provider is not healthy")
        return {}

    async def _describe(self, asked: Asked) -> dict[str, Any]:
        cluster = self.thing(asked, "Name", "ResourceNotFoundException")
        return {"State": "DEGRADED", "Issue": cluster.issue} if cluster.issue else {"State": "ACTIVE"}

    def ill(self, failure: KmsFailure) -> str:
        """A cluster is DEGRADED, by whatever of its health issues."""
        return f"DEGRADED: {_issue(failure)}"


class Ecr(Keeper[Held]):
    """Repositories."""

    name = "ecr"
    via = "ecr"
    managed = "ecr"
    offers_owned = True
    other = "KmsException"
    denied = "KmsException"
    throttled = "KmsException"
    unavailable = "ServerException"
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
        self.keep(asked, name, await grants_for(asked.kms, key, arn, user, context, granted))
        return {"RepositoryArn": arn}

    async def _put(self, asked: Asked) -> dict[str, Any]:
        repository, tag = self.thing(asked, "RepositoryName", "RepositoryNotFoundException"), asked.text("ImageTag")
        made = await repository.ask(
            asked.kms,
            "GenerateDataKey",
            KeyId=repository.key_arn,
            KeySpec="AES_256",
            EncryptionContext=_layer(repository, tag),
        )
        repository.blobs[tag] = made["CiphertextBlob"]
        return {}

    async def _pull(self, asked: Asked) -> dict[str, Any]:
        repository, tag = self.thing(asked, "RepositoryName", "RepositoryNotFoundException"), asked.text("ImageTag")
        if tag not in repository.blobs:
            raise ServiceError("ImageNotFoundException", f"The image with tag '{tag}' does not exist.")
        context = _layer(repository, tag)
        await repository.ask(asked.kms, "Decrypt", CiphertextBlob=repository.blobs[tag], EncryptionContext=context)
        return {}

    async def _delete(self, asked: Asked) -> dict[str, Any]:
        repository = self.thing(asked, "RepositoryName", "RepositoryNotFoundException")
        for grant_id in repository.grants:
            given = {"KeyId": repository.key_arn, "GrantId": grant_id}
            await asked.kms.for_user("RetireGrant", **given)  # whoever deletes it needs kms:RetireGrant
        del self.things[asked.region, asked.text("RepositoryName")]
        return {}


def _layer(repository: Held, tag: str) -> dict[str, str]:
    return {**repository.context, "aws:s3:arn": f"{repository.arn}/{tag}"}
