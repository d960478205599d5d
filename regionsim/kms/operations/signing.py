"""Sign, Verify, GetPublicKey.

Source: KMS API Reference, Sign, Verify, GetPublicKey; that a wrong signature is a refusal without text: observed. The
text about a key without a public half is UNVERIFIED (ours).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from types import MappingProxyType

from regionsim.kms import hsm_jobs
from regionsim.kms.errors import KMSInvalidStateException, UnsupportedOperationException
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.key import KmsKey
from regionsim.kms.key_specs import KeyUsage, is_mac, is_symmetric
from regionsim.kms.metadata import algorithm_list
from regionsim.kms.operations.encryption import current_material, raise_dry_run
from regionsim.kms.operations.key_use import allowed_key, plan_on, require_kind
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.signatures import MessageType, require_message
from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SignRequest:
    key_id: str
    message: bytes = field(repr=False)
    message_type: str = MessageType.RAW.value
    signing_algorithm: str
    grant_tokens: Sequence[str] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest(SignRequest):
    signature: bytes


def _key_of(view: View, call: Call, request: SignRequest) -> KmsKey:
    """The key, for a message that its algorithm takes."""
    values = {"kms:SigningAlgorithm": request.signing_algorithm, "kms:MessageType": request.message_type}
    key = allowed_key(view, call, request, values)
    require_kind(call.operation, key, KeyUsage.SIGN_VERIFY, request.signing_algorithm)
    require_message(request.signing_algorithm, MessageType(request.message_type), request.message)
    return key


class Sign(Operation[SignRequest]):
    name = "Sign"
    job_type = hsm_jobs.Sign
    request_type = SignRequest
    recorded = ("MessageType", "KeyId", "SigningAlgorithm")
    recorded_defaults = MappingProxyType({"MessageType": MessageType.RAW.value})

    def reads(self, request: SignRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: SignRequest) -> Plan[SignRequest]:
        key = _key_of(view, call, request)
        material = current_material(view, key)
        if request.dry_run:
            raise_dry_run()
        job = hsm_jobs.Sign(
            material=material,
            spec=key.shared.spec,
            algorithm=request.signing_algorithm,
            message_type=MessageType(request.message_type),
            message=request.message,
        )
        return plan_on(view, call, request, key, job)

    def answer(self, plan: Plan[SignRequest], answer: HsmAnswer | None) -> Outcome:
        assert isinstance(answer, hsm_jobs.Signed)
        return Outcome(
            response={
                "KeyId": plan.key.arn,
                "Signature": answer.signature,
                "SigningAlgorithm": plan.request.signing_algorithm,
            }
        )


class Verify(Operation[VerifyRequest]):
    """A signature that is not the key's is KMSInvalidSignatureException, never an answer `false`."""

    name = "Verify"
    job_type = hsm_jobs.Verify
    request_type = VerifyRequest
    recorded = ("MessageType", "KeyId", "SigningAlgorithm")
    recorded_defaults = MappingProxyType({"MessageType": MessageType.RAW.value})

    def reads(self, request: VerifyRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: VerifyRequest) -> Plan[VerifyRequest]:
        key = _key_of(view, call, request)
        job = hsm_jobs.Verify(
            material=current_material(view, key),
            spec=key.shared.spec,
            algorithm=request.signing_algorithm,
            message_type=MessageType(request.message_type),
            message=request.message,
            signature=request.signature,
        )
        return plan_on(view, call, request, key, job)

    def answer(self, plan: Plan[VerifyRequest], answer: HsmAnswer | None) -> Outcome:
        if plan.request.dry_run:
            raise_dry_run()
        return Outcome(
            response={
                "KeyId": plan.key.arn,
                "SignatureValid": True,
                "SigningAlgorithm": plan.request.signing_algorithm,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetPublicKeyRequest:
    key_id: str
    grant_tokens: Sequence[str] = ()


class GetPublicKey(Operation[GetPublicKeyRequest]):
    name = "GetPublicKey"
    job_type = hsm_jobs.ReadPublicKey
    request_type = GetPublicKeyRequest
    recorded = ("KeyId",)

    def reads(self, request: GetPublicKeyRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: GetPublicKeyRequest) -> Plan[GetPublicKeyRequest]:
        key = allowed_key(view, call, request, {})
        spec = key.shared.spec
        if is_symmetric(spec) or is_mac(spec):
            raise UnsupportedOperationException(f"{key.arn} key spec is {spec} which is not valid for {self.name}.")
        current = key.shared.current_material_id
        if current is None or (key.shared.is_imported and view.state.material(key.key_id, current) is None):
            # The table lets a key that waits for its material through; it has no public half yet. Source: ours.
            raise KMSInvalidStateException(f"{key.arn} is pending import.")
        job = hsm_jobs.ReadPublicKey(material=current_material(view, key), spec=spec)
        return plan_on(view, call, request, key, job)

    def answer(self, plan: Plan[GetPublicKeyRequest], answer: HsmAnswer | None) -> Outcome:
        assert isinstance(answer, hsm_jobs.PublicKeyRead)
        shared = plan.key.shared
        response = {
            "KeyId": plan.key.arn,
            "PublicKey": answer.public_key,
            "CustomerMasterKeySpec": shared.spec.value,
            "KeySpec": shared.spec.value,
            "KeyUsage": shared.usage.value,
        }
        return Outcome(response=response | algorithm_list(shared))
