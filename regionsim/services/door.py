"""KMS as a service reaches it for one request of a user: through clients of its own, in its own Region.

Three ways to call, and each service has its own mix of them:

    for_user     forward access session   the user's principal, kms:ViaService
    as_itself    service principal        `dynamodb.amazonaws.com`, aws:SourceArn and aws:SourceAccount
    as_identity  an identity that the service made and gave a grant to

Source: IAM User Guide, "Forward access sessions"; KMS Developer Guide, "kms:ViaService".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regionsim.authorization.circumstances import VIA_SERVICE, Circumstances
from regionsim.authorization.principals import Principal, PrincipalKind
from regionsim.client.client import Client, Reply, Try
from regionsim.client.settings import ClientSettings, RetryMode
from regionsim.kms.aws_keys import OWNED_KEYS_ACCOUNT
from regionsim.services.keys import ServiceKey
from regionsim.simulation.simulation import Simulation


class KmsFailure(Exception):
    """KMS did not do what a service needs: AWS's code and text, or what the connection did."""

    def __init__(self, operation: str, reply: Reply, *, is_for_user: bool) -> None:
        super().__init__(f"{operation}: {reply.error}")
        self.operation = operation
        self.is_for_user = is_for_user
        """True for a call with the user's own permissions."""
        self.code = str(reply.error)
        self.message = reply.message
        self.is_failure = reply.is_failure


class Clients:
    """One service's KMS clients, one in each Region: AWS's SDK with its standard retries."""

    def __init__(self, simulation: Simulation, service: str) -> None:
        self._simulation = simulation
        self._service = service
        self._clients: dict[str, Client] = {}
        self._keys: dict[bytes, str] = {}

    def learn(self, blob: bytes, key_arn: str) -> None:
        """Remember under which key a blob is."""
        self._keys[_key_part(blob)] = key_arn

    def key_of(self, blob: bytes) -> str:
        """The key of a blob that one of these clients was given; empty for others."""
        return self._keys.get(_key_part(blob), "")

    def in_region(self, region: str) -> Client:
        """The client that runs in that Region."""
        known = self._clients.get(region)
        if known is None:
            settings = ClientSettings(near=region, regions=(region,), retries=RetryMode.STANDARD)
            known = self._clients[region] = Client(self._simulation, settings, f"{self._service}/{region}")
        return known


class KmsDoor:
    """KMS, for one request of `user` to a service. `tries` are all tries so far, of every call."""

    def __init__(self, clients: Clients, *, via: str, principal: str, region: str, user: Principal) -> None:
        self._clients = clients
        self._via = via
        self._service = Principal(kind=PrincipalKind.SERVICE, arn=principal, account="", name=principal)
        self.region = region
        self.user = user
        self.tries: list[Try] = []
        self.calls: list[str] = []
        """The operations that were called, in order; of a call elsewhere with its Region."""
        self.key = ""
        """The key that the last call was about: its id, an alias, or that AWS owns it."""
        self.is_refused = False
        """True when the last call had no answer, or a refusal."""

    async def for_user(self, operation: str, *, at: str | None = None, **parameters: Any) -> Mapping[str, Any]:
        """Call with the user's principal, through this service. Errors: KmsFailure."""
        region = at or self.region
        way: Circumstances = {VIA_SERVICE: f"{self._via}.{region}.amazonaws.com"}
        return await self._call(region, operation, parameters, self.user, way)

    async def as_itself(
        self, operation: str, *, source_arn: str, at: str | None = None, **parameters: Any
    ) -> Mapping[str, Any]:
        """Call in the service's own name, for a resource of the user's account. Errors: KmsFailure."""
        way: Circumstances = {"aws:sourcearn": source_arn, "aws:sourceaccount": self.user.account}
        return await self._call(at or self.region, operation, parameters, self._service, way)

    async def as_identity(
        self, operation: str, identity: Principal, *, at: str | None = None, **parameters: Any
    ) -> Mapping[str, Any]:
        """Call as somebody whom the service gave a grant. Errors: KmsFailure."""
        return await self._call(at or self.region, operation, parameters, identity, {})

    async def use(
        self, key: ServiceKey, operation: str, *, source_arn: str, at: str | None = None, **parameters: Any
    ) -> Mapping[str, Any]:
        """Use a key of any kind: in the service's own name one that AWS owns, else for the user. Errors: KmsFailure."""
        if key.is_owned:
            return await self.as_itself(operation, source_arn=source_arn, at=at, **parameters)
        return await self.for_user(operation, at=at, **parameters)

    async def _call(
        self,
        region: str,
        operation: str,
        parameters: Mapping[str, Any],
        caller: Principal,
        way: Circumstances,
    ) -> Mapping[str, Any]:
        self.calls.append(operation if region == self.region else f"{operation} in {region}")
        key = str(parameters.get("KeyId") or self._clients.key_of(parameters.get("CiphertextBlob", b"")))
        reply = await self._clients.in_region(region).call(operation, parameters, caller, way)
        self.tries += reply.tries
        answer = reply.response or {}
        if "CiphertextBlob" in answer:
            self._clients.learn(answer["CiphertextBlob"], answer["KeyId"])
        self.key = _in_words(str(answer.get("KeyId") or key))
        self.is_refused = reply.error is not None
        if reply.error is not None:
            raise KmsFailure(operation, reply, is_for_user=caller is self.user and bool(way))
        return answer


def _key_part(blob: bytes) -> bytes:
    """The part of a blob that names its backing key. Source: `kms.ciphertext`, which lays blobs out."""
    return blob[5:37]


def _in_words(key: str) -> str:
    """A key as its users know it: those of AWS's own account have no names."""
    if f":{OWNED_KEYS_ACCOUNT}:" in key:
        return "AWS owned"
    return key.rpartition(":key/")[2] or key
