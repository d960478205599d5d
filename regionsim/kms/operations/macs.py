"""GenerateMac, VerifyMac.

Source: KMS API Reference, GenerateMac, VerifyMac; that a wrong MAC is a refusal without text: observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from regionsim.kms import hsm_jobs
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.key import KmsKey
from regionsim.kms.key_specs import KeyUsage
from regionsim.kms.operations.encryption import current_material, raise_dry_run
from regionsim.kms.operations.key_use import allowed_key, plan_on, require_kind
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateMacRequest:
    key_id: str
    message: bytes = field(repr=False)
    mac_algorithm: str
    grant_tokens: Sequence[str] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyMacRequest(GenerateMacRequest):
    mac: bytes


def _key_of(view: View, call: Call, request: GenerateMacRequest) -> KmsKey:
    key = allowed_key(view, call, request, {"kms:MacAlgorithm": request.mac_algorithm})
    require_kind(call.operation, key, KeyUsage.GENERATE_VERIFY_MAC, request.mac_algorithm)
    return key


class GenerateMac(Operation[GenerateMacRequest]):
    name = "GenerateMac"
    job_type = hsm_jobs.GenerateMac
    request_type = GenerateMacRequest
    recorded = ("MacAlgorithm", "KeyId")

    def reads(self, request: GenerateMacRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: GenerateMacRequest) -> Plan[GenerateMacRequest]:
        key = _key_of(view, call, request)
        material = current_material(view, key)
        if request.dry_run:
            raise_dry_run()
        job = hsm_jobs.GenerateMac(material=material, spec=key.shared.spec, message=request.message)
        return plan_on(view, call, request, key, job)

    def answer(self, plan: Plan[GenerateMacRequest], answer: HsmAnswer | None) -> Outcome:
        assert isinstance(answer, hsm_jobs.MacGenerated)
        return Outcome(response={"Mac": answer.mac, "MacAlgorithm": plan.request.mac_algorithm, "KeyId": plan.key.arn})


class VerifyMac(Operation[VerifyMacRequest]):
    """A MAC that is not the message's is KMSInvalidMacException, never an answer `false`."""

    name = "VerifyMac"
    job_type = hsm_jobs.VerifyMac
    request_type = VerifyMacRequest
    recorded = ("MacAlgorithm", "KeyId")

    def reads(self, request: VerifyMacRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: VerifyMacRequest) -> Plan[VerifyMacRequest]:
        key = _key_of(view, call, request)
        job = hsm_jobs.VerifyMac(
            material=current_material(view, key), spec=key.shared.spec, message=request.message, mac=request.mac
        )
        return plan_on(view, call, request, key, job)

    def answer(self, plan: Plan[VerifyMacRequest], answer: HsmAnswer | None) -> Outcome:
        if plan.request.dry_run:
            raise_dry_run()
        return Outcome(response={"KeyId": plan.key.arn, "MacValid": True, "MacAlgorithm": plan.request.mac_algorithm})
