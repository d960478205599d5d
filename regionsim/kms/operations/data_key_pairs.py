"""GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext.

Source: KMS API Reference, GenerateDataKeyPair; the text about a key pair that a Region does not have is UNVERIFIED
(ours).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from regionsim.kms import hsm_jobs
from regionsim.kms.encryption_context import canonical
from regionsim.kms.errors import UnsupportedOperationException
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.key_specs import KeySpec, KeyUsage, is_offered
from regionsim.kms.operations.encryption import (
    SYMMETRIC,
    current_material,
    material_facts,
    raise_dry_run,
)
from regionsim.kms.operations.key_use import allowed_key, plan_on, require_kind
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.recipients import for_recipient, recipient_values, told
from regionsim.names.dataclass import dataclass
from regionsim.names.regions import partition_of


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateDataKeyPairWithoutPlaintextRequest:
    key_id: str
    key_pair_spec: str
    encryption_context: Mapping[str, str] = field(default_factory=dict)
    grant_tokens: Sequence[str] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateDataKeyPairRequest(GenerateDataKeyPairWithoutPlaintextRequest):
    recipient: Mapping[str, Any] | None = field(default=None, repr=False)


class GenerateDataKeyPairWithoutPlaintext(Operation[GenerateDataKeyPairWithoutPlaintextRequest]):
    name = "GenerateDataKeyPairWithoutPlaintext"
    job_type = hsm_jobs.GenerateDataKeyPair
    request_type = GenerateDataKeyPairWithoutPlaintextRequest
    recorded = ("KeyPairSpec", "EncryptionContext", "KeyId")
    wants_plaintext = False

    def reads(self, request: GenerateDataKeyPairWithoutPlaintextRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(
        self, view: View, call: Call, request: GenerateDataKeyPairWithoutPlaintextRequest
    ) -> Plan[GenerateDataKeyPairWithoutPlaintextRequest]:
        values = {
            "kms:DataKeyPairSpec": request.key_pair_spec,
            "kms:EncryptionAlgorithm": SYMMETRIC,
            **recipient_values(view.attestation),
        }
        key = allowed_key(view, call, request, values, request.encryption_context)
        if key.regional.key_store is not None:
            raise UnsupportedOperationException(
                f"{key.arn} origin is {key.shared.origin} which is not valid for this operation."
            )
        require_kind(self.name, key, KeyUsage.ENCRYPT_DECRYPT, SYMMETRIC)
        spec = KeySpec(request.key_pair_spec)
        if not is_offered(spec, partition_of(view.region).name):
            raise UnsupportedOperationException(f"KeyPairSpec {spec} is not supported in {view.region}.")
        job = hsm_jobs.GenerateDataKeyPair(
            material=current_material(view, key),
            context=canonical(request.encryption_context),
            spec=spec,
            wants_plaintext=self.wants_plaintext,
        )
        if request.dry_run:
            raise_dry_run()
        if view.attestation is None or not self.wants_plaintext:
            return plan_on(view, call, request, key, job)
        plan = plan_on(view, call, request, key, for_recipient(view.attestation, job))
        return replace(plan, attestation=view.attestation)

    def answer(self, plan: Plan[GenerateDataKeyPairWithoutPlaintextRequest], answer: HsmAnswer | None) -> Outcome:
        said = told(answer)
        assert isinstance(said.answer, hsm_jobs.DataKeyPairGenerated)
        material_id = plan.key.shared.current_material_id
        response = {
            "PrivateKeyCiphertextBlob": said.answer.blob,
            "PublicKey": said.answer.public_key,
            "KeyId": plan.key.arn,
            "KeyPairSpec": plan.request.key_pair_spec,
            "KeyMaterialId": material_id,
        }
        if self.wants_plaintext:
            response |= said.shown("PrivateKeyPlaintext", said.answer.private_key)
        return Outcome(response=response, facts=material_facts(material_id, plan.attestation))


class GenerateDataKeyPair(GenerateDataKeyPairWithoutPlaintext):
    name = "GenerateDataKeyPair"
    request_type = GenerateDataKeyPairRequest
    wants_plaintext = True
