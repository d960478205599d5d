"""The lifecycle of grants: their tokens, what a grant may say, and how the API shows one.

What a grant allows is decided in `regionsim.authorization`. A token is opaque and no secret: it names key and grant,
and a checksum tells one that was given out from one that was made up. A grant counts as soon as it is committed, or,
where a world says so, after a delay, before which it counts for calls that come with its token (AWS: up to five
minutes).
Source: KMS Developer Guide, "Grants in AWS KMS"; KMS API Reference, CreateGrant; texts are UNVERIFIED (ours).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from regionsim.authorization.circumstances import VIA_SERVICE
from regionsim.authorization.grants import Grant, GrantConstraints
from regionsim.authorization.principals import Principal, PrincipalForm, PrincipalKind, read_principal, read_service
from regionsim.kms.errors import InvalidArnException, InvalidGrantTokenException, ValidationException
from regionsim.kms.key import KmsKey
from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.kms.metadata import epoch_seconds
from regionsim.kms.plan import View
from regionsim.names.arns import account_root_arn
from regionsim.names.regions import partition_of

GRANTS_PER_KEY = 50_000
MAX_PAIRS = 8
MAX_CONTEXT_VALUE = 384

_ALWAYS = frozenset({"CreateGrant", "RetireGrant", "DescribeKey"})
_SYMMETRIC = frozenset(
    {
        "Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
    }
)  # fmt: skip
_BY_USAGE = {
    "ENCRYPT_DECRYPT": frozenset({"Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo", "GetPublicKey"}),
    "SIGN_VERIFY": frozenset({"Sign", "Verify", "GetPublicKey"}),
    "GENERATE_VERIFY_MAC": frozenset({"GenerateMac", "VerifyMac"}),
    "KEY_AGREEMENT": frozenset({"DeriveSharedSecret", "GetPublicKey"}),
    "ENCAPSULATE_DECAPSULATE": frozenset({"Encapsulate", "Decapsulate", "GetPublicKey"}),
}
_CHECK_BYTES, _NONCE_BYTES = 16, 16


def new_grant_id(fresh: bytes) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(b"grant/" + fresh).hexdigest()


def new_token(region: str, key_id: str, grant_id: str, fresh: bytes) -> str:
    """A token for the grant; each one that is given out differs."""
    body = f"{key_id}/{grant_id}/{fresh[:_NONCE_BYTES].hex()}".encode()
    return base64.b64encode(_check(region, body) + body).decode()


def read_token(region: str, token: str) -> tuple[str, str]:
    """Key id and grant id that a token stands for. Errors: InvalidGrantTokenException."""
    try:
        raw = base64.b64decode(token, validate=True)
        check, body = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        key_id, grant_id, _ = body.decode("ascii").split("/")
    except (binascii.Error, ValueError):
        raise InvalidGrantTokenException(f"Invalid grant token: {token[:16]}") from None
    if check != _check(region, body):
        raise InvalidGrantTokenException(f"Invalid grant token: {token[:16]}")
    return key_id, grant_id


def token_key_id(token: str) -> str | None:
    """The key id that a token claims, for the look-up; None when it claims none."""
    try:
        return base64.b64decode(token, validate=True)[_CHECK_BYTES:].decode("ascii").partition("/")[0] or None
    except (binascii.Error, ValueError):
        return None


def require_grant_tokens(region: str, tokens: Sequence[str]) -> None:
    """Return when every token was given out in this Region. Errors: InvalidGrantTokenException."""
    for token in tokens:
        read_token(region, token)


def _check(region: str, body: bytes) -> bytes:
    return hashlib.sha256(b"grant token/" + region.encode() + b"/" + body).digest()[:_CHECK_BYTES]


def constraints_of(given: Mapping[str, Any] | None) -> GrantConstraints:
    """The constraints of a request."""
    limits = given or {}
    return GrantConstraints(
        encryption_context_equals=limits.get("EncryptionContextEquals"),
        encryption_context_subset=limits.get("EncryptionContextSubset"),
        source_arn=limits.get("SourceArn"),
    )


def require_fitting(view: View, key: KmsKey, grant: Grant) -> None:
    """Return when the key can have such a grant.

    Errors: ValidationException for operations or constraints that do not fit the key; InvalidArnException for a
    principal that does not exist or can be none.
    """
    possible = _ALWAYS | _operations_of(key)
    unfit = sorted(grant.operations - possible)
    if not grant.operations:
        raise ValidationException("Operations must name at least one operation.")
    if unfit:
        raise ValidationException(f"The operations {', '.join(unfit)} are not supported for this key.")
    limits = grant.constraints
    for pairs in (limits.encryption_context_equals, limits.encryption_context_subset):
        if pairs is None:
            continue
        if key.shared.spec is not KeySpec.SYMMETRIC_DEFAULT:
            raise ValidationException("Encryption context constraints are for symmetric encryption keys only.")
        if len(pairs) > MAX_PAIRS or any(len(text) > MAX_CONTEXT_VALUE for text in pairs.values()):
            raise ValidationException(
                f"A constraint takes up to {MAX_PAIRS} pairs, with values of up to {MAX_CONTEXT_VALUE} characters."
            )
    for text in (grant.grantee, grant.retiring):
        if text is not None and not _can_be_named(view, text):
            raise InvalidArnException(f"ARN does not refer to a valid principal: {text}")


def _operations_of(key: KmsKey) -> frozenset[str]:
    is_symmetric = key.shared.spec is KeySpec.SYMMETRIC_DEFAULT and key.shared.usage is KeyUsage.ENCRYPT_DECRYPT
    return _SYMMETRIC if is_symmetric else _BY_USAGE.get(key.shared.usage.value, frozenset())


def _can_be_named(view: View, text: str) -> bool:
    named = read_principal(text)
    if named is None:
        return read_service(text) is not None and view.directory.has_principal(text)
    is_somebody = named.form not in (PrincipalForm.ANYONE, PrincipalForm.UNMATCHED) and text.startswith("arn:")
    return is_somebody and view.directory.has_principal(text)


def is_for_aws_resource(view: View, caller: Principal) -> str:
    """`kms:GrantIsForAWSResource`: an integrated AWS service asks, on somebody's behalf or in its own name."""
    return "true" if VIA_SERVICE in view.circumstances or caller.kind is PrincipalKind.SERVICE else "false"


def grant_values(grant: Grant) -> dict[str, str | tuple[str, ...] | None]:
    """The condition values that a grant to create or retire supplies.

    Source: KMS Developer Guide, "Condition keys for AWS KMS".
    """
    limits = grant.constraints
    kind = "EncryptionContextEquals" if limits.encryption_context_equals is not None else None
    if kind is None and limits.encryption_context_subset is not None:
        kind = "EncryptionContextSubset"
    grantee, grantee_service = _sorted_out(grant.grantee)
    retiring, retiring_service = _sorted_out(grant.retiring)
    return {
        "kms:GrantOperations": tuple(sorted(grant.operations)),
        "kms:GrantConstraintType": kind,
        "kms:GrantConstraintSourceArn": limits.source_arn,
        "kms:GranteePrincipal": grantee,
        "kms:GranteeServicePrincipal": grantee_service,
        "kms:RetiringPrincipal": retiring,
        "kms:RetiringServicePrincipal": retiring_service,
    }


def wire_grant(grant: Grant, region: str) -> dict[str, Any]:
    """The grant under AWS's member names; never a token."""
    limits = grant.constraints
    grantee, grantee_service = _sorted_out(grant.grantee)
    retiring, retiring_service = _sorted_out(grant.retiring)
    constraints = {
        "EncryptionContextEquals": limits.encryption_context_equals,
        "EncryptionContextSubset": limits.encryption_context_subset,
        "SourceArn": limits.source_arn,
    }
    entry: dict[str, Any] = {
        "KeyId": grant.key_arn,
        "GrantId": grant.grant_id,
        "Name": grant.name or "",
        "CreationDate": epoch_seconds(grant.created_at),
        "GranteePrincipal": grantee,
        "GranteeServicePrincipal": grantee_service,
        "RetiringPrincipal": retiring,
        "RetiringServicePrincipal": retiring_service,
        "IssuingAccount": account_root_arn(grant.issuing_account, partition_of(region).name),
        "Operations": list(in_order(grant.operations)),
        "Constraints": {name: limit for name, limit in constraints.items() if limit is not None} or None,
    }
    return {name: value for name, value in entry.items() if value is not None}


def in_order(operations: frozenset[str]) -> tuple[str, ...]:
    """The operations in one fixed order (ours: AWS shows them in its own)."""
    return tuple(sorted(operations))


def _sorted_out(text: str | None) -> tuple[str | None, str | None]:
    """A principal as (ARN, service): one of them None, or both."""
    if text is None:
        return None, None
    return (None, text) if read_principal(text) is None else (text, None)
