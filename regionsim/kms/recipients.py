"""Attested recipients: enclaves for which KMS encrypts what it would else answer in clear.

The document that an enclave's platform has signed is verified before the call is decided; policies decide on what it
measures. Then the HSM that has the plaintext encrypts it for the enclave's public key, and nobody else sees it.

Source: KMS Developer Guide, "How AWS Nitro Enclaves uses AWS KMS"; KMS API Reference, RecipientInfo. Neither says
that keys in custom key stores are not used so, so they are (UNVERIFIED).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, TypeAlias

from regionsim.kms import hsm_jobs
from regionsim.kms.hsm_jobs import HsmAnswer, RequestJob
from regionsim.names.dataclass import dataclass

MALFORMED = "The attestation document is not valid."
"""UNVERIFIED (ours)."""


Disclosing: TypeAlias = (
    hsm_jobs.Decrypt
    | hsm_jobs.DeriveSharedSecret
    | hsm_jobs.GenerateDataKey
    | hsm_jobs.GenerateDataKeyPair
    | hsm_jobs.GenerateRandom
)
"""The jobs whose answers hold a plaintext."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """What a verified document says: which enclave (or instance with a NitroTPM), what was measured when it started,
    and its public key."""

    module_id: str
    pcrs: Mapping[int, bytes]
    public_key: bytes = field(repr=False)
    is_tpm: bool = False

    @property
    def image_digest(self) -> str | None:
        """The measure of an enclave's image, PCR 0; an instance has none."""
        return None if self.is_tpm else self.pcrs[0].hex()


def recipient_values(attestation: Attestation | None) -> dict[str, str]:
    """The condition values that a document supplies."""
    if attestation is None:
        return {}
    kind, image = "NitroTPMPCR" if attestation.is_tpm else "PCR", attestation.image_digest
    values = {f"kms:RecipientAttestation:{kind}{index}": digest.hex() for index, digest in attestation.pcrs.items()}
    return values if image is None else {**values, "kms:RecipientAttestation:ImageSha384": image}


def recipient_facts(attestation: Attestation | None) -> dict[str, Any]:
    """What the trail tells of the enclave."""
    if attestation is None:
        return {}
    told = {"attestationDocumentModuleId": attestation.module_id}
    if attestation.image_digest is not None:
        told["attestationDocumentEnclaveImageDigest"] = attestation.image_digest
    return {"recipient": told}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An HSM's answer, and what of it is for the enclave alone (None: the call brings none)."""

    answer: HsmAnswer | None
    sealed: bytes | None = None

    def shown(self, name: str, plaintext: object) -> dict[str, Any]:
        """The member of a response that holds the plaintext, or the one that holds it for the enclave."""
        return {name: plaintext} if self.sealed is None else {"CiphertextForRecipient": self.sealed}


def told(answer: HsmAnswer | None) -> Told:
    """What an HSM's answer says."""
    if isinstance(answer, hsm_jobs.SealedForRecipient):
        return Told(answer=answer.answer, sealed=answer.sealed)
    return Told(answer=answer)


def for_recipient(attestation: Attestation | None, job: Disclosing) -> RequestJob:
    """The job, its plaintext for nobody but the enclave if there is one."""
    return job if attestation is None else hsm_jobs.ForRecipient(job=job, public_key=attestation.public_key)
