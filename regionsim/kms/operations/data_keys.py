"""GenerateDataKey, GenerateDataKeyWithoutPlaintext, GenerateRandom.

Source: KMS API Reference, GenerateDataKey, GenerateDataKeyWithoutPlaintext, GenerateRandom; texts observed, but the one
for both or neither of NumberOfBytes and KeySpec is UNVERIFIED (ours).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from types import MappingProxyType
from typing import Any

from regionsim.kms import hsm_jobs
from regionsim.kms.encryption_context import canonical
from regionsim.kms.errors import CustomKeyStoreNotFoundException, UnsupportedOperationException, ValidationException
from regionsim.kms.grants import require_grant_tokens
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.key_identifiers import alias_in, resolve
from regionsim.kms.key_specs import KeyUsage
from regionsim.kms.key_states import require_state
from regionsim.kms.key_stores import KeyStore
from regionsim.kms.key_usages import require_algorithm, require_usage
from regionsim.kms.operations.encryption import (
    SYMMETRIC,
    current_material,
    material_facts,
    raise_dry_run,
)
from regionsim.kms.permission import require_on_key, require_without_key
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.recipients import for_recipient, recipient_values, told
from regionsim.names.dataclass import dataclass
from regionsim.names.made_often import made_often

_BYTES_OF_SPEC: Mapping[str, int] = MappingProxyType({"AES_128": 16, "AES_256": 32})


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateDataKeyWithoutPlaintextRequest:
    key_id: str
    key_spec: str | None = None
    number_of_bytes: int | None = None
    encryption_context: Mapping[str, str] = field(default_factory=dict)
    grant_tokens: Sequence[str] = ()
    dry_run: bool = False

    def byte_count(self) -> int:
        """How long the data key shall be. Errors: ValidationException unless exactly one of the two is given."""
        if (self.key_spec is None) == (self.number_of_bytes is None):
            raise ValidationException("Please specify either number of bytes or key spec.")
        return self.number_of_bytes or _BYTES_OF_SPEC[self.key_spec or ""]


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateDataKeyRequest(GenerateDataKeyWithoutPlaintextRequest):
    recipient: Mapping[str, Any] | None = field(default=None, repr=False)


class GenerateDataKeyWithoutPlaintext(Operation[GenerateDataKeyWithoutPlaintextRequest]):
    name = "GenerateDataKeyWithoutPlaintext"
    job_type = hsm_jobs.GenerateDataKey
    request_type = GenerateDataKeyWithoutPlaintextRequest
    recorded = ("KeyId", "KeySpec", "NumberOfBytes", "EncryptionContext")
    wants_plaintext = False

    def reads(self, request: GenerateDataKeyWithoutPlaintextRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(
        self, view: View, call: Call, request: GenerateDataKeyWithoutPlaintextRequest
    ) -> Plan[GenerateDataKeyWithoutPlaintextRequest]:
        byte_count = request.byte_count()
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=True)
        require_grant_tokens(view.region, request.grant_tokens)
        require_on_key(
            view,
            call.caller,
            f"kms:{self.name}",
            key,
            named=alias_in(request.key_id) or "",
            encryption_context=request.encryption_context,
            values={"kms:EncryptionAlgorithm": SYMMETRIC, **recipient_values(view.attestation)},
        )
        require_state(self.name, key)
        require_usage(self.name, key, KeyUsage.ENCRYPT_DECRYPT)
        require_algorithm(key, SYMMETRIC)
        job = hsm_jobs.GenerateDataKey(
            material=current_material(view, key),
            context=canonical(request.encryption_context),
            byte_count=byte_count,
            wants_plaintext=self.wants_plaintext,
        )
        if request.dry_run:
            raise_dry_run()
        plan = Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,), job=job)
        if view.attestation is None or not self.wants_plaintext:
            return plan
        return replace(plan, job=for_recipient(view.attestation, job), attestation=view.attestation)

    def answer(self, plan: Plan[GenerateDataKeyWithoutPlaintextRequest], answer: HsmAnswer | None) -> Outcome:
        said = told(answer)
        assert isinstance(said.answer, hsm_jobs.DataKeyGenerated)
        material_id = plan.key.shared.current_material_id
        response: dict[str, Any] = {"CiphertextBlob": said.answer.blob, "KeyId": plan.key.arn}
        if said.sealed is None:
            response["KeyMaterialId"] = material_id
        if self.wants_plaintext:
            response |= said.shown("Plaintext", said.answer.plaintext)
        return Outcome(response=response, facts=material_facts(material_id, plan.attestation))


class GenerateDataKey(GenerateDataKeyWithoutPlaintext):
    name = "GenerateDataKey"
    request_type = GenerateDataKeyRequest
    wants_plaintext = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRandomRequest:
    number_of_bytes: int | None = None
    custom_key_store_id: str | None = None
    recipient: Mapping[str, Any] | None = field(default=None, repr=False)


def _cluster_store(view: View, call: Call, store_id: str) -> KeyStore:
    """The caller's connected store of that id, with a cluster that can draw random numbers. Errors: what stands against
    it."""
    store = view.state.key_store(store_id)
    if store is None or store.account != call.caller.account:
        raise CustomKeyStoreNotFoundException(f"The custom key store '{store_id}' does not exist.")
    if store.cluster_id is None:
        raise UnsupportedOperationException(f"A {store.type} key store generates no random bytes.")
    store.require("GenerateRandom")
    return store


class GenerateRandom(Operation[GenerateRandomRequest]):
    name = "GenerateRandom"
    job_type = hsm_jobs.GenerateRandom
    request_type = GenerateRandomRequest
    recorded = ("NumberOfBytes",)

    def reads(self, request: GenerateRandomRequest) -> Reads:
        return Reads()

    def plan(self, view: View, call: Call, request: GenerateRandomRequest) -> Plan[GenerateRandomRequest]:
        if request.number_of_bytes is None:
            raise ValidationException("NumberOfBytes is required.")
        require_without_key(view, call.caller, "kms:GenerateRandom", recipient_values(view.attestation))
        store = None
        if request.custom_key_store_id is not None:
            store = _cluster_store(view, call, request.custom_key_store_id)
        job = for_recipient(view.attestation, hsm_jobs.GenerateRandom(byte_count=request.number_of_bytes))
        plan = Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, job=job, key_store=store)
        return plan if view.attestation is None else replace(plan, attestation=view.attestation)

    def answer(self, plan: Plan[GenerateRandomRequest], answer: HsmAnswer | None) -> Outcome:
        said = told(answer)
        assert isinstance(said.answer, hsm_jobs.RandomGenerated)
        facts = material_facts(None, plan.attestation)
        return Outcome(response=said.shown("Plaintext", said.answer.random_bytes), facts=facts)
