"""AWS Secrets Manager and the SecureStrings of SSM Parameter Store: both always act for their caller, without grants.

    CreateSecret, PutSecretValue   GenerateDataKey, context SecretARN and SecretVersionId
    GetSecretValue                 Decrypt, the same context
    UpdateSecret (KmsKeyId)        GenerateDataKey, Decrypt with SecretVersionId = RequestToValidateKeyAccess; then for
                                   each version Decrypt under the old key, GenerateDataKey under the new one
    ReplicateSecretToRegions       Decrypt here, GenerateDataKey there, under the key of there
    PutParameter                   Encrypt (Advanced: GenerateDataKey), context PARAMETER_ARN
    GetParameter                   Decrypt

Source: Secrets Manager User Guide, "Secret encryption and decryption in AWS Secrets Manager"; Systems Manager User
Guide, "How AWS Systems Manager Parameter Store uses AWS KMS". Names of versions are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from types import MappingProxyType
from typing import Any

from regionsim.names.dataclass import dataclass
from regionsim.runtime.entropy import Stream
from regionsim.services.door import KmsFailure
from regionsim.services.keys import ServiceKey
from regionsim.services.premises import Premises
from regionsim.services.service import Asked, Handler, Load, ServiceError, Takes, Worded, arn_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wrapped:
    """A value and the blob that stands before it."""

    blob: bytes = field(repr=False)
    context: Mapping[str, str]
    value: str
    key: ServiceKey
    number: int = 1


class Secrets(Worded):
    """Secrets and their current versions."""

    name = "secretsmanager"
    via = "secretsmanager"
    managed = "secretsmanager"
    other = "DecryptionFailure"
    unavailable = "InternalServiceError"
    takes = MappingProxyType(
        {
            "CreateSecret": Takes(("Name",), ("SecretString", "KmsKeyId")),
            "UpdateSecret": Takes(("SecretId",), ("KmsKeyId", "SecretString")),
            "PutSecretValue": Takes(("SecretId",), ("SecretString",)),
            "GetSecretValue": Takes(("SecretId",)),
            "ReplicateSecretToRegions": Takes(("SecretId", "Region"), ("KmsKeyId",)),
        }
    )

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self._secrets: dict[tuple[str, str], _Wrapped] = {}
        self._previous: dict[tuple[str, str], _Wrapped] = {}

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateSecret": self._create,
            "UpdateSecret": self._update,
            "PutSecretValue": self._put,
            "GetSecretValue": self._get,
            "ReplicateSecretToRegions": self._replicate,
        }

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        return [Load("CreateSecret", {"Name": workload, "KmsKeyId": given.get("key")})]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        return Load("GetSecretValue", {"SecretId": workload})

    def error_of(self, failure: KmsFailure) -> ServiceError:
        """What cannot be encrypted has a code of its own."""
        error = super().error_of(failure)
        if error.code == self.other and failure.operation != "Decrypt":
            return ServiceError("EncryptionFailure", error.message)
        return error

    async def _create(self, asked: Asked) -> dict[str, Any]:
        name, key = asked.text("Name"), self.key(asked, "KmsKeyId")
        made = await self._new(asked, name, key, asked.optional("SecretString") or "", 1, asked.region)
        self._secrets[asked.region, name] = made
        return {"Name": name, "VersionId": made.context["SecretVersionId"]}

    async def _put(self, asked: Asked) -> dict[str, Any]:
        name, old = asked.text("SecretId"), self._secret(asked)
        value = asked.optional("SecretString") or ""
        made = await self._new(asked, name, old.key, value, old.number + 1, asked.region)
        self._previous[asked.region, name] = old
        self._secrets[asked.region, name] = made
        return {"VersionId": made.context["SecretVersionId"]}

    async def _update(self, asked: Asked) -> dict[str, Any]:
        """Another key, for the versions AWSCURRENT and AWSPREVIOUS; another value, if there is one."""
        name, there = asked.text("SecretId"), asked.region
        if asked.optional("KmsKeyId") is not None:
            current, key = self._secret(asked), self.key(asked, "KmsKeyId")
            await _validate(asked, key, current.context["SecretARN"])
            previous = self._previous.get((there, name))
            if previous is not None:
                self._previous[there, name] = await self._under(asked, previous, key)
            self._secrets[there, name] = await self._under(asked, current, key)
        return await self._put(asked) if asked.optional("SecretString") is not None else {}

    async def _under(self, asked: Asked, version: _Wrapped, key: ServiceKey) -> _Wrapped:
        """A version, encrypted anew under another key."""
        context = dict(version.context)
        await asked.kms.for_user("Decrypt", CiphertextBlob=version.blob, EncryptionContext=context)
        made = await asked.kms.for_user(
            "GenerateDataKey", KeyId=key.identifier, KeySpec="AES_256", EncryptionContext=context
        )
        return replace(version, blob=made["CiphertextBlob"], key=key)

    async def _get(self, asked: Asked) -> dict[str, Any]:
        held = self._secret(asked)
        await asked.kms.for_user("Decrypt", CiphertextBlob=held.blob, EncryptionContext=dict(held.context))
        return {"SecretString": held.value, "VersionId": held.context["SecretVersionId"]}

    async def _replicate(self, asked: Asked) -> dict[str, Any]:
        name, there, held = asked.text("SecretId"), asked.text("Region"), self._secret(asked)
        await asked.kms.for_user("Decrypt", CiphertextBlob=held.blob, EncryptionContext=dict(held.context))
        key = self.key(asked, "KmsKeyId", there)
        self._secrets[there, name] = await self._new(asked, name, key, held.value, held.number, there)
        return {"State": "InSync"}

    async def _new(self, asked: Asked, name: str, key: ServiceKey, value: str, number: int, region: str) -> _Wrapped:
        arn = arn_of(asked, "secretsmanager", f"secret:{name}").replace(asked.region, region)
        context = {"SecretARN": arn, "SecretVersionId": f"version-{number}"}
        made = await asked.kms.for_user(
            "GenerateDataKey", at=region, KeyId=key.identifier, KeySpec="AES_256", EncryptionContext=context
        )
        return _Wrapped(blob=made["CiphertextBlob"], context=context, value=value, key=key, number=number)

    def _secret(self, asked: Asked) -> _Wrapped:
        found = self._secrets.get((asked.region, asked.text("SecretId")))
        if found is None:
            raise ServiceError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return found


async def _validate(asked: Asked, key: ServiceKey, arn: str) -> None:
    """May the caller use the key? What comes of it is thrown away.

    Source: Secrets Manager User Guide, "Secret encryption and decryption in AWS Secrets Manager" (validate access).
    """
    context = {"SecretARN": arn, "SecretVersionId": "RequestToValidateKeyAccess"}
    made = await asked.kms.for_user(
        "GenerateDataKey", KeyId=key.identifier, KeySpec="AES_256", EncryptionContext=context
    )
    await asked.kms.for_user("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext=context)


class Ssm(Worded):
    """SecureString parameters."""

    name = "ssm"
    via = "ssm"
    managed = "ssm"
    other = "InvalidKeyId"
    takes = MappingProxyType(
        {"PutParameter": Takes(("Name", "Value"), ("KeyId", "Tier")), "GetParameter": Takes(("Name",))}
    )

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self._parameters: dict[tuple[str, str], _Wrapped] = {}

    def handlers(self) -> dict[str, Handler]:
        return {"PutParameter": self._put, "GetParameter": self._get}

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        return [Load("PutParameter", {"Name": workload, "Value": "x", "KeyId": given.get("key")})]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        return Load("GetParameter", {"Name": workload})

    async def _put(self, asked: Asked) -> dict[str, Any]:
        name, value, key = asked.text("Name"), asked.text("Value"), self.key(asked, "KeyId")
        context = {"PARAMETER_ARN": arn_of(asked, "ssm", f"parameter/{name}")}
        called: dict[str, Any] = {"KeyId": key.identifier, "EncryptionContext": context}
        if asked.optional("Tier") == "Advanced":
            made = await asked.kms.for_user("GenerateDataKey", KeySpec="AES_256", **called)
        else:
            made = await asked.kms.for_user("Encrypt", Plaintext=value.encode(), **called)
        held = _Wrapped(blob=made["CiphertextBlob"], context=context, value=value, key=key)
        self._parameters[asked.region, name] = held
        return {"Version": 1}

    async def _get(self, asked: Asked) -> dict[str, Any]:
        held = self._parameters.get((asked.region, asked.text("Name")))
        if held is None:
            raise ServiceError("ParameterNotFound", f"Parameter {asked.text('Name')} not found.")
        await asked.kms.for_user("Decrypt", CiphertextBlob=held.blob, EncryptionContext=dict(held.context))
        return {"Value": held.value}
