"""DeriveSharedSecret, Encapsulate, Decapsulate.

Source: KMS API Reference, DeriveSharedSecret, Encapsulate, Decapsulate (botocore's model); that a public key of no use
is a refusal without text: observed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from regionsim.kms import hsm_jobs
from regionsim.kms.errors import InvalidCiphertextException
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.key import KmsKey
from regionsim.kms.key_specs import ENCAPSULATION_BYTES, KeyUsage
from regionsim.kms.operations.encryption import current_material, material_facts, raise_dry_run
from regionsim.kms.operations.key_use import allowed_key, plan_on, require_kind
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.recipients import for_recipient, recipient_values, told
from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeriveSharedSecretRequest:
    key_id: str
    key_agreement_algorithm: str
    public_key: bytes
    grant_tokens: Sequence[str] = ()
    recipient: Mapping[str, Any] | None = field(default=None, repr=False)
    dry_run: bool = False


class DeriveSharedSecret(Operation[DeriveSharedSecretRequest]):
    name = "DeriveSharedSecret"
    job_type = hsm_jobs.DeriveSharedSecret
    request_type = DeriveSharedSecretRequest
    recorded = ("KeyAgreementAlgorithm", "KeyId")

    def reads(self, request: DeriveSharedSecretRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: DeriveSharedSecretRequest) -> Plan[DeriveSharedSecretRequest]:
        values = {
            "kms:KeyAgreementAlgorithm": request.key_agreement_algorithm,
            **recipient_values(view.attestation),
        }
        key = allowed_key(view, call, request, values)
        require_kind(self.name, key, KeyUsage.KEY_AGREEMENT, request.key_agreement_algorithm)
        job = hsm_jobs.DeriveSharedSecret(
            material=current_material(view, key), spec=key.shared.spec, public_key=request.public_key
        )
        plan = plan_on(view, call, request, key, for_recipient(view.attestation, job))
        return replace(plan, attestation=view.attestation)

    def answer(self, plan: Plan[DeriveSharedSecretRequest], answer: HsmAnswer | None) -> Outcome:
        if plan.request.dry_run:
            raise_dry_run()
        said = told(answer)
        assert isinstance(said.answer, hsm_jobs.SharedSecretDerived)
        response = {
            "KeyId": plan.key.arn,
            "KeyAgreementAlgorithm": plan.request.key_agreement_algorithm,
            "KeyOrigin": plan.key.shared.origin.value,
            **said.shown("SharedSecret", said.answer.shared_secret),
        }
        return Outcome(response=response, facts=material_facts(None, plan.attestation))


@dataclass(frozen=True, slots=True, kw_only=True)
class EncapsulateRequest:
    key_id: str
    encapsulation_algorithm: str
    grant_tokens: Sequence[str] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DecapsulateRequest(EncapsulateRequest):
    shared_secret_ciphertext_blob: bytes


def _key_of(view: View, call: Call, request: EncapsulateRequest) -> KmsKey:
    key = allowed_key(view, call, request, {})
    require_kind(call.operation, key, KeyUsage.ENCAPSULATE_DECAPSULATE, request.encapsulation_algorithm)
    return key


class Encapsulate(Operation[EncapsulateRequest]):
    name = "Encapsulate"
    job_type = hsm_jobs.Encapsulate
    request_type = EncapsulateRequest
    recorded = ("EncapsulationAlgorithm", "KeyId")

    def reads(self, request: EncapsulateRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: EncapsulateRequest) -> Plan[EncapsulateRequest]:
        key = _key_of(view, call, request)
        material = current_material(view, key)
        if request.dry_run:
            raise_dry_run()
        return plan_on(view, call, request, key, hsm_jobs.Encapsulate(material=material, spec=key.shared.spec))

    def answer(self, plan: Plan[EncapsulateRequest], answer: HsmAnswer | None) -> Outcome:
        assert isinstance(answer, hsm_jobs.Encapsulated)
        return Outcome(
            response={
                "KeyId": plan.key.arn,
                "SharedSecret": answer.shared_secret,
                "SharedSecretCiphertextBlob": answer.ciphertext,
                "EncapsulationAlgorithm": plan.request.encapsulation_algorithm,
            }
        )


class Decapsulate(Operation[DecapsulateRequest]):
    """A ciphertext of the right length is never refused: another key's, or an altered one, gives another secret."""

    name = "Decapsulate"
    job_type = hsm_jobs.Decapsulate
    request_type = DecapsulateRequest
    recorded = ("EncapsulationAlgorithm", "KeyId")

    def reads(self, request: DecapsulateRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: DecapsulateRequest) -> Plan[DecapsulateRequest]:
        key = _key_of(view, call, request)
        ciphertext = request.shared_secret_ciphertext_blob
        if len(ciphertext) != ENCAPSULATION_BYTES[key.shared.spec]:
            raise InvalidCiphertextException
        material = current_material(view, key)
        if request.dry_run:
            raise_dry_run()
        job = hsm_jobs.Decapsulate(material=material, spec=key.shared.spec, ciphertext=ciphertext)
        return plan_on(view, call, request, key, job)

    def answer(self, plan: Plan[DecapsulateRequest], answer: HsmAnswer | None) -> Outcome:
        assert isinstance(answer, hsm_jobs.SharedSecretDerived)
        return Outcome(
            response={
                "KeyId": plan.key.arn,
                "SharedSecret": answer.shared_secret,
                "EncapsulationAlgorithm": plan.request.encapsulation_algorithm,
            }
        )
