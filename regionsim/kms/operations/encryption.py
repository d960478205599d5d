"""Encrypt, Decrypt, ReEncrypt.

With a key pair (RSA, SM2) the ciphertext is the algorithm's own, without a header: it names no key, and takes no
encryption context.

Source: KMS API Reference, Encrypt, Decrypt, ReEncrypt; texts observed, but those about an ignored ciphertext and about
an encryption context for a key pair are UNVERIFIED (ours).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from types import MappingProxyType
from typing import Any, NoReturn

from regionsim.kms import hsm_jobs
from regionsim.kms.ciphertext import MalformedBlob, parse
from regionsim.kms.encryption_context import canonical
from regionsim.kms.errors import (
    AccessDeniedException,
    DryRunOperationException,
    IncorrectKeyException,
    InvalidCiphertextException,
    KeyUnavailableException,
    ValidationException,
)
from regionsim.kms.grants import require_grant_tokens
from regionsim.kms.hsm_jobs import HsmAnswer, MaterialRef
from regionsim.kms.key import KmsKey
from regionsim.kms.key_identifiers import alias_in, resolve
from regionsim.kms.key_specs import SYMMETRIC_ALGORITHM, KeyUsage, is_symmetric
from regionsim.kms.key_states import require_state
from regionsim.kms.key_usages import require_algorithm, require_plaintext_fits, require_usage
from regionsim.kms.permission import UNKNOWN_CIPHERTEXT_KEY, require_on_key
from regionsim.kms.plan import Call, Operation, Outcome, Plan, Reads, View
from regionsim.kms.recipients import Attestation, for_recipient, recipient_facts, recipient_values, told
from regionsim.names.dataclass import dataclass
from regionsim.names.made_often import made_often

DRY_RUN = "The request would have succeeded, but the DryRun option is set."
WRONG_KEY = "The key ID in the request does not identify a CMK that can perform this operation."
SYMMETRIC = SYMMETRIC_ALGORITHM

_NO_CONTEXT: Mapping[str, str] = {}


def own_material(view: View, key: KmsKey) -> MaterialRef | None:
    """The backing key that a key uses now; None when this Region does not hold it."""
    if key.shared.current_material_id is None:
        return None
    return view.state.material(key.key_id, key.shared.current_material_id)


def current_material(view: View, key: KmsKey) -> MaterialRef:
    """The backing key that encrypts now; a key that is Enabled always holds it."""
    assert key.shared.current_material_id is not None
    material = own_material(view, key)
    if material is None:
        raise KeyUnavailableException  # a replica that was lost and has not caught up yet
    return material


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a decryption is about, before anybody has said that it may be.

    `key` is the one to be authorized: named by the caller, or by the blob's clear header. `is_other_key`: the blob
    says that another key made it. `material` is the backing key that opens the blob; None when this Region does not
    hold it, or when the bytes are no blob. `is_behind`: the key has that material, and it has not come here yet.
    """

    key: KmsKey
    is_other_key: bool = False
    material: MaterialRef | None = None
    is_behind: bool = False

    def require_same_key(self) -> None:
        """Errors: IncorrectKeyException when the named key did not make the blob, whatever its state or usage.
        Observed."""
        if self.is_other_key:
            raise IncorrectKeyException(WRONG_KEY)

    def opened_by(self) -> MaterialRef:
        """The backing key that opens the blob.

        Errors: InvalidCiphertextException; asked last, as cryptography is. KeyUnavailableException when another Region
        could open it by now.
        """
        if self.is_behind:
            raise KeyUnavailableException
        if self.material is None:
            raise InvalidCiphertextException
        return self.material


def require_fitting_use(operation: str, key: KmsKey, algorithm: str, context: Mapping[str, str]) -> None:
    """Return when the key encrypts with that algorithm and takes such an encryption context.

    Errors: what the state refuses; InvalidKeyUsageException; ValidationException.
    """
    require_state(operation, key)
    require_usage(operation, key, KeyUsage.ENCRYPT_DECRYPT)
    require_algorithm(key, algorithm)
    if context and not is_symmetric(key.shared.spec):
        raise ValidationException(f"EncryptionContext is not supported for key spec {key.shared.spec}.")


def raise_dry_run() -> NoReturn:
    """End a dry run that would have worked. Errors: DryRunOperationException, always."""
    raise DryRunOperationException(DRY_RUN)


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptRequest:
    key_id: str
    plaintext: bytes = field(repr=False)
    encryption_context: Mapping[str, str] = field(default_factory=dict)
    encryption_algorithm: str = SYMMETRIC
    grant_tokens: Sequence[str] = ()
    dry_run: bool = False


class Encrypt(Operation[EncryptRequest]):
    name = "Encrypt"
    job_type = hsm_jobs.Encrypt
    request_type = EncryptRequest
    recorded = ("EncryptionAlgorithm", "EncryptionContext", "KeyId")
    recorded_defaults = MappingProxyType({"EncryptionAlgorithm": SYMMETRIC})

    def reads(self, request: EncryptRequest) -> Reads:
        return Reads(keys=(request.key_id,))

    def plan(self, view: View, call: Call, request: EncryptRequest) -> Plan[EncryptRequest]:
        key = resolve(view.state, call.caller, request.key_id, operation=self.name, takes_alias=True)
        require_grant_tokens(view.region, request.grant_tokens)
        require_on_key(
            view,
            call.caller,
            "kms:Encrypt",
            key,
            named=alias_in(request.key_id) or "",
            encryption_context=request.encryption_context,
            values={"kms:EncryptionAlgorithm": request.encryption_algorithm},
        )
        require_fitting_use(self.name, key, request.encryption_algorithm, request.encryption_context)
        require_plaintext_fits(key.shared.spec, request.encryption_algorithm, request.plaintext)
        job = hsm_jobs.Encrypt(
            material=current_material(view, key),
            plaintext=request.plaintext,
            context=canonical(request.encryption_context),
            spec=key.shared.spec,
            algorithm=request.encryption_algorithm,
        )
        if request.dry_run:
            raise_dry_run()
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,), job=job)

    def answer(self, plan: Plan[EncryptRequest], answer: HsmAnswer | None) -> Outcome:
        assert isinstance(answer, hsm_jobs.Encrypted)
        response = {
            "CiphertextBlob": answer.blob,
            "KeyId": plan.key.arn,
            "EncryptionAlgorithm": plan.request.encryption_algorithm,
        }
        return Outcome(response=response, facts=material_facts(visible_material_id(plan.key)))


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class DecryptRequest:
    ciphertext_blob: bytes | None = None
    key_id: str | None = None
    encryption_context: Mapping[str, str] = field(default_factory=dict)
    encryption_algorithm: str = SYMMETRIC
    grant_tokens: Sequence[str] = ()
    recipient: Mapping[str, Any] | None = field(default=None, repr=False)
    dry_run: bool = False
    dry_run_modifiers: Sequence[str] = ()

    @property
    def ignores_ciphertext(self) -> bool:
        return self.dry_run and "IGNORE_CIPHERTEXT" in self.dry_run_modifiers


class Decrypt(Operation[DecryptRequest]):
    name = "Decrypt"
    job_type = hsm_jobs.Decrypt
    request_type = DecryptRequest
    recorded = ("EncryptionAlgorithm", "EncryptionContext", "KeyId")
    recorded_defaults = MappingProxyType({"EncryptionAlgorithm": SYMMETRIC})

    def reads(self, request: DecryptRequest) -> Reads:
        return Reads(keys=(request.key_id,) if request.key_id else (), ciphertext=request.ciphertext_blob)

    def plan(self, view: View, call: Call, request: DecryptRequest) -> Plan[DecryptRequest]:
        source = _source(view, call, request, self.name)
        key = source.key
        require_grant_tokens(view.region, request.grant_tokens)
        require_on_key(
            view,
            call.caller,
            "kms:Decrypt",
            key,
            named=alias_in(request.key_id or "") or "",
            encryption_context=request.encryption_context,
            values={
                "kms:EncryptionAlgorithm": request.encryption_algorithm,
                **recipient_values(view.attestation),
            },
            is_named_by_ciphertext=_is_found_by_blob(call, key, request.key_id),
        )
        source.require_same_key()
        require_fitting_use(self.name, key, request.encryption_algorithm, request.encryption_context)
        if request.ignores_ciphertext:
            raise_dry_run()
        assert request.ciphertext_blob is not None, "only a dry run has no ciphertext"
        job = hsm_jobs.Decrypt(
            material=source.opened_by(),
            blob=request.ciphertext_blob,
            context=canonical(request.encryption_context),
            spec=key.shared.spec,
            algorithm=request.encryption_algorithm,
        )
        plan = Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,), job=job)
        if view.attestation is None:
            return plan
        return replace(plan, job=for_recipient(view.attestation, job), attestation=view.attestation)

    def answer(self, plan: Plan[DecryptRequest], answer: HsmAnswer | None) -> Outcome:
        if plan.request.dry_run:
            raise_dry_run()
        said, job = told(answer), plan.job.job if isinstance(plan.job, hsm_jobs.ForRecipient) else plan.job
        assert isinstance(said.answer, hsm_jobs.Decrypted)
        assert isinstance(job, hsm_jobs.Decrypt)
        response = {
            "KeyId": plan.key.arn,
            "EncryptionAlgorithm": plan.request.encryption_algorithm,
            **said.shown("Plaintext", said.answer.plaintext),
        }
        material_id = visible_material_id(plan.key, job.material)
        if material_id is not None and said.sealed is None:
            response["KeyMaterialId"] = material_id
        return Outcome(response=response, facts=material_facts(material_id, plan.attestation))


def _source(view: View, call: Call, request: DecryptRequest, permission: str) -> Source:
    """What the request is about.

    Errors: what `resolve` refuses; without a KeyId also InvalidCiphertextException for bytes that are no blob, and
    AccessDeniedException for a key that is not here.
    """
    named = None
    if request.key_id is not None:
        named = _foreign_by_bare_id(view, call, request)
        named = named or resolve(view.state, call.caller, request.key_id, operation=permission, takes_alias=True)
    if request.ignores_ciphertext:
        if named is None:
            raise ValidationException("KeyId is required when the ciphertext is ignored.")
        return Source(key=named)
    if request.ciphertext_blob is None:
        raise ValidationException(
            "1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: "
            "Member must not be null"
        )
    return _of_blob(view, named, request.ciphertext_blob)


def _foreign_by_bare_id(view: View, call: Call, request: DecryptRequest) -> KmsKey | None:
    """Another account's key that is named by its bare id, which is taken where it has made the (symmetric) blob.

    Source: KMS API Reference, Decrypt: such a key "should" be named by its ARN, where others say "must"; of ReEncrypt
    by analogy. UNVERIFIED.
    """
    key = view.state.key(request.key_id or "")
    if key is None or key.account == call.caller.account or request.ciphertext_blob is None:
        return None
    try:
        made_by = view.state.key_by_bytes(parse(request.ciphertext_blob).key_id_bytes)
    except MalformedBlob:
        return None
    return key if made_by is key else None


def _is_found_by_blob(call: Call, key: KmsKey, identifier: str | None) -> bool:
    """True when the blob says which key it is: the caller names none, or another account's by its bare id."""
    return identifier is None or (key.account != call.caller.account and identifier == key.key_id)


def _of_blob(view: View, named: KmsKey | None, blob: bytes) -> Source:
    try:
        header = parse(blob)
    except MalformedBlob:
        if named is None:
            raise InvalidCiphertextException from None
        # A key pair's ciphertext names nothing: it was made by the key that the caller names, or it does not open.
        bare = None if is_symmetric(named.shared.spec) else own_material(view, named)
        return Source(key=named, material=bare)
    made_by = view.state.key_by_bytes(header.key_id_bytes)
    if named is not None and (made_by is None or made_by.key_id != named.key_id):
        return Source(key=named, is_other_key=True)
    if made_by is None:
        raise AccessDeniedException(UNKNOWN_CIPHERTEXT_KEY)
    prefix = header.material_prefix.hex()
    named_by_blob = (known for known in made_by.shared.all_materials if known.material_id.startswith(prefix))
    known = next(named_by_blob, None)
    if known is None:
        return Source(key=made_by)
    material = view.state.material(made_by.key_id, known.material_id)
    return Source(key=made_by, material=material, is_behind=material is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReEncryptRequest:
    ciphertext_blob: bytes | None = None
    source_key_id: str | None = None
    source_encryption_context: Mapping[str, str] = field(default_factory=dict)
    source_encryption_algorithm: str = SYMMETRIC
    destination_key_id: str
    destination_encryption_context: Mapping[str, str] = field(default_factory=dict)
    destination_encryption_algorithm: str = SYMMETRIC
    grant_tokens: Sequence[str] = ()
    dry_run: bool = False
    dry_run_modifiers: Sequence[str] = ()

    def decryption(self) -> DecryptRequest:
        """The half of this request that decrypts."""
        return DecryptRequest(
            ciphertext_blob=self.ciphertext_blob,
            key_id=self.source_key_id,
            encryption_context=self.source_encryption_context,
            encryption_algorithm=self.source_encryption_algorithm,
            dry_run=self.dry_run,
            dry_run_modifiers=self.dry_run_modifiers,
        )


class ReEncrypt(Operation[ReEncryptRequest]):
    """Two permissions: kms:ReEncryptFrom on the source key, kms:ReEncryptTo on the destination key."""

    name = "ReEncrypt"
    job_type = hsm_jobs.ReEncrypt
    request_type = ReEncryptRequest
    recorded = (
        "SourceEncryptionAlgorithm",
        "SourceEncryptionContext",
        "SourceKeyId",
        "DestinationKeyId",
        "DestinationEncryptionAlgorithm",
        "DestinationEncryptionContext",
    )
    recorded_defaults = MappingProxyType(
        {"SourceEncryptionAlgorithm": SYMMETRIC, "DestinationEncryptionAlgorithm": SYMMETRIC}
    )

    def reads(self, request: ReEncryptRequest) -> Reads:
        keys = (request.destination_key_id, *((request.source_key_id,) if request.source_key_id else ()))
        return Reads(keys=keys, ciphertext=request.ciphertext_blob)

    def plan(self, view: View, call: Call, request: ReEncryptRequest) -> Plan[ReEncryptRequest]:
        source = _source(view, call, request.decryption(), "ReEncryptFrom")
        destination = resolve(
            view.state, call.caller, request.destination_key_id, operation="ReEncryptTo", takes_alias=True
        )
        require_grant_tokens(view.region, request.grant_tokens)
        _require_both(view, call, request, source.key, destination)
        source.require_same_key()
        for key, algorithm, context in (
            (source.key, request.source_encryption_algorithm, request.source_encryption_context),
            (destination, request.destination_encryption_algorithm, request.destination_encryption_context),
        ):
            require_fitting_use(self.name, key, algorithm, context)
        if request.decryption().ignores_ciphertext:
            raise_dry_run()
        assert request.ciphertext_blob is not None, "only a dry run has no ciphertext"
        job = hsm_jobs.ReEncrypt(
            source=source.opened_by(),
            blob=request.ciphertext_blob,
            source_context=canonical(request.source_encryption_context),
            destination=current_material(view, destination),
            destination_context=canonical(request.destination_encryption_context),
            source_spec=source.key.shared.spec,
            source_algorithm=request.source_encryption_algorithm,
            destination_spec=destination.shared.spec,
            destination_algorithm=request.destination_encryption_algorithm,
        )
        keys = (source.key, destination)
        return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=keys, job=job)

    def answer(self, plan: Plan[ReEncryptRequest], answer: HsmAnswer | None) -> Outcome:
        assert isinstance(answer, hsm_jobs.Encrypted)
        assert isinstance(plan.job, hsm_jobs.ReEncrypt)
        if plan.request.dry_run:
            raise_dry_run()
        source, destination = plan.keys
        response = {
            "CiphertextBlob": answer.blob,
            "SourceKeyId": source.arn,
            "KeyId": destination.arn,
            "SourceEncryptionAlgorithm": plan.request.source_encryption_algorithm,
            "DestinationEncryptionAlgorithm": plan.request.destination_encryption_algorithm,
        }
        additional = {}
        for role, key, material in (
            ("Source", source, plan.job.source),
            ("Destination", destination, plan.job.destination),
        ):
            material_id = visible_material_id(key, material)
            if material_id is not None:
                response[f"{role}KeyMaterialId"] = material_id
                additional[f"{role.lower()}KeyMaterialId"] = material_id
        return Outcome(response=response, facts={"additionalEventData": additional} if additional else {})


def _require_both(view: View, call: Call, request: ReEncryptRequest, source: KmsKey, destination: KmsKey) -> None:
    same = "true" if source.arn == destination.arn else "false"
    require_on_key(
        view,
        call.caller,
        "kms:ReEncryptFrom",
        source,
        named=alias_in(request.source_key_id or "") or "",
        encryption_context=request.source_encryption_context,
        values={"kms:EncryptionAlgorithm": request.source_encryption_algorithm, "kms:ReEncryptOnSameKey": same},
        is_named_by_ciphertext=_is_found_by_blob(call, source, request.source_key_id),
    )
    require_on_key(
        view,
        call.caller,
        "kms:ReEncryptTo",
        destination,
        named=alias_in(request.destination_key_id) or "",
        encryption_context=request.destination_encryption_context,
        values={"kms:EncryptionAlgorithm": request.destination_encryption_algorithm, "kms:ReEncryptOnSameKey": same},
    )


def visible_material_id(key: KmsKey, used: MaterialRef | None = None) -> str | None:
    """The id of the material that was used (the current one unless `used`), for keys whose callers see such ids."""
    if not is_symmetric(key.shared.spec):
        return None
    return key.shared.current_material_id if used is None else used.material_id


def material_facts(material_id: str | None, attestation: Attestation | None = None) -> dict[str, Any]:
    """What CloudTrail adds to a cryptographic call on a symmetric key, and to one for an enclave."""
    added = {} if material_id is None else {"keyMaterialId": material_id}
    if attestation is not None:
        added |= recipient_facts(attestation)
    return {"additionalEventData": added} if added else {}
