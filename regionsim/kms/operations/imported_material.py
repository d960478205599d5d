"""GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial.

Source: KMS API Reference, GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial. Observed are the texts
about a missing ValidTo, about material that waits already, and about an origin that is not EXTERNAL; the other texts,
and which refusal an unfit wrapping algorithm gets, are UNVERIFIED (ours).
"""

from __future__ import annotations

from dataclasses import field, replace
from enum import StrEnum
from typing import Any

from regionsim.kms import hsm_jobs
from regionsim.kms.errors import (
    ExpiredImportTokenException,
    IncorrectKeyMaterialException,
    InvalidImportTokenException,
    KMSInvalidStateException,
    NotFoundException,
    UnsupportedOperationException,
    ValidationException,
)
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.imports import (
    LONGEST_VALIDITY_DAYS,
    TOKEN_HOURS,
    told_to_primary,
    with_import,
    without_imports,
)
from regionsim.kms.key import Import, KeyMaterial, KeyState, KmsKey, SharedProperties
from regionsim.kms.key_identifiers import resolve
from regionsim.kms.key_specs import is_symmetric
from regionsim.kms.key_states import require_state
from regionsim.kms.metadata import epoch_seconds
from regionsim.kms.permission import require_on_key
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.situation import Happening, announce
from regionsim.kms.wrapping import BAD_TOKEN, ImportToken, WrappingAlgorithm, WrappingKeySpec, fits, read_token
from regionsim.kms.writes import PutKey, PutToken, RemoveToken
from regionsim.names.dataclass import dataclass
from regionsim.names.ids import key_id_bytes
from regionsim.names.regions import partition_of

_HOUR_NS = 3_600 * 1_000_000_000
_DAY_NS = 24 * _HOUR_NS
_EXPIRES = "KEY_MATERIAL_EXPIRES"
_OTHER_MATERIAL = "The key material is not the material that was imported into this KMS key before."


class ImportType(StrEnum):
    """Whether material is the key's already."""

    NEW = "NEW_KEY_MATERIAL"
    EXISTING = "EXISTING_KEY_MATERIAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class GetParametersForImportRequest:
    key_id: str
    wrapping_algorithm: str
    wrapping_key_spec: str


class GetParametersForImport(Operation[GetParametersForImportRequest]):
    """A wrapping key, and the token that goes with it: for 24 hours, and this key only."""

    name = "GetParametersForImport"
    job_type = hsm_jobs.MakeWrappingKey
    request_type = GetParametersForImportRequest
    recorded = ("KeyId", "WrappingAlgorithm", "WrappingKeySpec")

    def reads(self, request: GetParametersForImportRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(
        self, view: View, call: Call, request: GetParametersForImportRequest
    ) -> Plan[GetParametersForImportRequest]:
        values = {
            "kms:WrappingAlgorithm": request.wrapping_algorithm,
            "kms:WrappingKeySpec": request.wrapping_key_spec,
        }
        key = _importable(view, call, request.key_id, self.name, values)
        algorithm = WrappingAlgorithm(request.wrapping_algorithm)
        spec = WrappingKeySpec(request.wrapping_key_spec)
        if not fits(key.shared.spec, algorithm, spec, partition_of(view.region).name):
            raise UnsupportedOperationException(
                f"Wrapping algorithm {algorithm} with wrapping key spec {spec} is not supported for key spec "
                f"{key.shared.spec}."
            )
        token = _unsealed(key, algorithm, spec, view.now_ns)
        job = hsm_jobs.MakeWrappingKey(wrapping_spec=spec, names=token.names())
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,), job=job)

    def answer(self, plan: Plan[GetParametersForImportRequest], answer: HsmAnswer | None) -> Outcome:
        assert isinstance(answer, hsm_jobs.WrappingKeyMade)
        algorithm = WrappingAlgorithm(plan.request.wrapping_algorithm)
        token = _unsealed(plan.key, algorithm, WrappingKeySpec(plan.request.wrapping_key_spec), plan.now_ns)
        response = {
            "KeyId": plan.key.arn,
            "ImportToken": replace(token, sealed=answer.token).packed(),
            "PublicKey": answer.public_key,
            "ParametersValidTo": epoch_seconds(token.valid_to_ns),
        }
        return Outcome(response=response)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportKeyMaterialRequest:
    key_id: str
    import_token: bytes = field(repr=False)
    encrypted_key_material: bytes = field(repr=False)
    valid_to: float | None = None
    expiration_model: str = _EXPIRES
    import_type: str | None = None
    key_material_description: str | None = None
    key_material_id: str | None = None

    def valid_to_ns(self, now_ns: int) -> int | None:
        """Until when the material is valid; None: for good. Errors: ValidationException."""
        if self.expiration_model != _EXPIRES:
            if self.valid_to is not None:
                raise ValidationException("A validTo date must not be set if the ExpirationModel is not " + _EXPIRES)
            return None
        if self.valid_to is None:
            raise ValidationException(f"A validTo date must be set if the ExpirationModel is {_EXPIRES}")
        valid_to_ns = round(self.valid_to * 1_000) * 1_000_000
        if not now_ns < valid_to_ns <= now_ns + LONGEST_VALIDITY_DAYS * _DAY_NS:
            raise ValidationException(
                f"The validTo date must be in the future, and at most {LONGEST_VALIDITY_DAYS} days from now"
            )
        return valid_to_ns

    def kind(self, key: KmsKey) -> ImportType:
        """Whether the material is to be new to the key.

        Errors: ValidationException for what only symmetric keys take, and for a new material's id;
        UnsupportedOperationException for new material at a replica.
        """
        told = (self.import_type, self.key_material_description, self.key_material_id)
        if not is_symmetric(key.shared.spec) and any(one is not None for one in told):
            raise ValidationException(
                "ImportType, KeyMaterialDescription and KeyMaterialId are only valid for symmetric encryption KMS keys."
            )
        default = ImportType.EXISTING if key.shared.materials else ImportType.NEW
        kind = default if self.import_type is None else ImportType(self.import_type)
        if kind is ImportType.NEW and self.key_material_id is not None:
            raise ValidationException(f"KeyMaterialId cannot be specified with ImportType {ImportType.NEW}.")
        if kind is ImportType.NEW and key.is_replica:
            raise UnsupportedOperationException(f"{key.arn} is not a multi-region primary key.")
        return kind


class ImportKeyMaterial(Operation[ImportKeyMaterialRequest]):
    """Material for a key that KMS made none for: its first, one that it had before, or one for its next rotation."""

    name = "ImportKeyMaterial"
    request_type = ImportKeyMaterialRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId", "ValidTo", "ExpirationModel", "ImportType", "KeyMaterialDescription", "KeyMaterialId")

    def reads(self, request: ImportKeyMaterialRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: ImportKeyMaterialRequest) -> Plan[ImportKeyMaterialRequest]:
        request.valid_to_ns(view.now_ns)
        values = {"kms:ExpirationModel": request.expiration_model}
        if request.valid_to is not None:
            values["kms:ValidTo"] = str(request.valid_to)
        key = _importable(view, call, request.key_id, self.name, values)
        if request.kind(key) is ImportType.EXISTING and not key.shared.materials:
            raise IncorrectKeyMaterialException(_OTHER_MATERIAL)
        token = _presented(key, request.import_token, view.now_ns)
        job = hsm_jobs.ImportMaterial(
            key_id=key.key_id,
            spec=key.shared.spec,
            algorithm=token.algorithm,
            wrapping_token=token.sealed,
            names=token.names(),
            wrapped=request.encrypted_key_material,
        )
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,), job=job)

    def answer(self, plan: Plan[ImportKeyMaterialRequest], answer: HsmAnswer | None) -> Outcome:
        assert isinstance(answer, hsm_jobs.MaterialImported)
        key, request, material_id = plan.key, plan.request, answer.material.material_id
        if request.kind(key) is ImportType.NEW:
            shared = _with_new_material(key, material_id, request.key_material_description or "", plan.now_ns)
        else:
            shared = _with_known_material(key, material_id, request)
        imported = Import(material_id=material_id, valid_to_ns=request.valid_to_ns(plan.now_ns))
        changed = with_import(key, imported, shared)
        has_news = shared.shared_version > key.shared.shared_version
        return Outcome(
            response={"KeyId": key.arn, **_named(key, material_id)},
            writes=(PutToken(material=answer.material), PutKey(key=changed)),
            announcements=(*(announce(changed) if has_news else ()), *told_to_primary(changed, material_id)),
            happenings=(Happening.MATERIAL_IMPORTED,),
            facts=_facts(key, material_id),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteImportedKeyMaterialRequest:
    key_id: str
    key_material_id: str | None = None


class DeleteImportedKeyMaterial(Operation[DeleteImportedKeyMaterialRequest]):
    """Imported material is gone at once, in this Region; the key waits for it, or for its own deletion."""

    name = "DeleteImportedKeyMaterial"
    request_type = DeleteImportedKeyMaterialRequest
    is_mutation = True
    is_read_only = False
    recorded = ("KeyId", "KeyMaterialId")

    def reads(self, request: DeleteImportedKeyMaterialRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(
        self, view: View, call: Call, request: DeleteImportedKeyMaterialRequest
    ) -> Plan[DeleteImportedKeyMaterialRequest]:
        key = _importable(view, call, request.key_id, self.name, {})
        if request.key_material_id is not None and key.shared.material(request.key_material_id) is None:
            raise NotFoundException(f"Key material '{request.key_material_id}' does not exist in {key.arn}")
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,))

    def answer(self, plan: Plan[DeleteImportedKeyMaterialRequest], answer: HsmAnswer | None) -> Outcome:
        key = plan.key
        material_id = plan.request.key_material_id or key.shared.current_material_id
        response, facts = {"KeyId": key.arn, **_named(key, material_id)}, _facts(key, material_id)
        if material_id is None or key.regional.imported(material_id) is None:
            return Outcome(response=response, facts=facts)
        left = without_imports(key, frozenset({material_id}))
        has_news = left.shared.shared_version > key.shared.shared_version
        return Outcome(
            response=response,
            writes=(PutKey(key=left), RemoveToken(key_id=key.key_id, material_id=material_id)),
            announcements=announce(left) if has_news else (),
            happenings=(Happening.MATERIAL_DELETED,),
            facts=facts,
        )


def _importable(view: View, call: Call, identifier: str, operation: str, values: dict[str, str]) -> KmsKey:
    """The key, allowed to be asked about and of imported material.

    Errors: what `resolve`, the policy and the state refuse; UnsupportedOperationException for other origins.
    """
    key = resolve(view.state, call.caller, identifier, operation=operation, takes_alias=False)
    require_on_key(view, call.caller, f"kms:{operation}", key, values=values)
    # Of a key that never holds imported material, that is told before its deletion. Source: the table of key states.
    if key.shared.is_imported or key.state not in (KeyState.PENDING_DELETION, KeyState.PENDING_REPLICA_DELETION):
        require_state(operation, key)
    if not key.shared.is_imported:
        raise UnsupportedOperationException(
            f"{key.arn} origin is {key.shared.origin} which is not valid for this operation."
        )
    return key


def _named(key: KmsKey, material_id: str | None) -> dict[str, str]:
    """The material's id, where KMS says it: of symmetric keys."""
    return {"KeyMaterialId": material_id} if material_id is not None and is_symmetric(key.shared.spec) else {}


def _facts(key: KmsKey, material_id: str | None) -> dict[str, Any]:
    said = _named(key, material_id).get("KeyMaterialId")
    return {"responseElements": {"keyId": key.arn} if said is None else {"keyId": key.arn, "keyMaterialId": said}}


def _unsealed(key: KmsKey, algorithm: WrappingAlgorithm, spec: WrappingKeySpec, now_ns: int) -> ImportToken:
    """The token of a wrapping key that is still to be made."""
    return ImportToken(
        key_id_bytes=key_id_bytes(key.key_id),
        algorithm=algorithm,
        wrapping_spec=spec,
        valid_to_ns=now_ns + TOKEN_HOURS * _HOUR_NS,
        sealed=b"",
    )


def _presented(key: KmsKey, text: bytes, now_ns: int) -> ImportToken:
    """The token that a caller brings. Errors: InvalidImportTokenException, ExpiredImportTokenException."""
    token = read_token(text)
    if token is None or token.key_id_bytes != key_id_bytes(key.key_id):
        raise InvalidImportTokenException(BAD_TOKEN)
    if token.valid_to_ns <= now_ns:
        raise ExpiredImportTokenException("The import token has expired.")
    return token


def _with_new_material(key: KmsKey, material_id: str, description: str, now_ns: int) -> SharedProperties:
    """The key's shared properties with material that it did not have: current when it is the first, else waiting.

    Errors: IncorrectKeyMaterialException for material that it has; KMSInvalidStateException while other waits.
    """
    shared = key.shared
    if shared.material(material_id) is not None:
        raise IncorrectKeyMaterialException("The key material was imported into this KMS key before.")
    material = KeyMaterial(material_id=material_id, created_at_ns=now_ns, description=description)
    if not shared.materials:
        return shared.changed(materials=(material,), current_material_id=material_id)
    if not is_symmetric(shared.spec):
        raise IncorrectKeyMaterialException(_OTHER_MATERIAL)
    if shared.pending_material is not None:
        raise KMSInvalidStateException(
            f"New key material (id: {material_id}) cannot be imported into KMS key {key.key_id}, because another key "
            f"material (id: {shared.pending_material.material_id}) is pending rotation."
        )
    return shared.changed(pending_material=material)


def _with_known_material(key: KmsKey, material_id: str, request: ImportKeyMaterialRequest) -> SharedProperties:
    """The key's shared properties, perhaps with a new description of a material that it has.

    A description given at a replica changes nothing: the primary's counts. Errors: IncorrectKeyMaterialException.
    """
    shared, description = key.shared, request.key_material_description
    known = shared.material(material_id)
    if known is None or request.key_material_id not in (None, material_id):
        raise IncorrectKeyMaterialException(_OTHER_MATERIAL)
    if description is None or description == known.description or key.is_replica:
        return shared
    described = replace(known, description=description)
    if known == shared.pending_material:
        return shared.changed(pending_material=described)
    return shared.changed(materials=tuple(described if one == known else one for one in shared.materials))
