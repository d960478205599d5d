"""The port behind which lives what backs custom key stores: CloudHSM clusters, proxies of external key managers.

In simulation actors inside the loop stand behind it (`simulated_stores`). Every method takes its own time; what backs a
store may refuse with `OutsideError`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Protocol

from regionsim.kms.hsm_jobs import HsmAnswer, RequestJob
from regionsim.kms.key_stores import ProxySettings
from regionsim.kms.outside import Inquiry, Word
from regionsim.names.dataclass import dataclass

PROXY_DEADLINE_NS = 250_000_000
"""How long KMS waits for a proxy. Source: KMS Developer Guide, "External key stores"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternallySealed:
    """What an external key has encrypted (AES-256-GCM): its IV, and the ciphertext with the tag behind it."""

    iv: bytes
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyRequest:
    """Whose key a proxy is asked to use, and for which call; signed with `secret`."""

    proxy: ProxySettings
    secret: str = field(repr=False)
    xks_key_id: str
    aws_principal_arn: str
    kms_key_arn: str
    kms_operation: str
    kms_request_id: str
    kms_via_service: str | None = None
    aws_source_vpce: str | None = None


class KeyStorePort(Protocol):
    """What backs the custom key stores of one Region."""

    async def ask(self, inquiry: Inquiry) -> Word:
        """The answer to an inquiry; a problem is an answer, too."""
        ...

    async def in_cluster(self, cluster_id: str, job: RequestJob) -> HsmAnswer:
        """One job of a key that the cluster keeps. Errors: OutsideError; what the job itself refuses."""
        ...

    async def remove(self, cluster_id: str, material_ids: tuple[str, ...]) -> None:
        """Let the cluster forget backing keys. Errors: OutsideError."""
        ...

    async def seal(self, request: ProxyRequest, plaintext: bytes, associated: bytes) -> ExternallySealed:
        """Encrypt under an external key. Errors: OutsideError."""
        ...

    async def unseal(self, request: ProxyRequest, sealed: ExternallySealed, associated: bytes) -> bytes:
        """Decrypt under an external key. Errors: OutsideError."""
        ...
