"""Attestation documents of enclaves: COSE_Sign1 over CBOR, signed under a chain of certificates.

    [ {alg: ES384}, {}, payload, signature ]      payload: {module_id, digest, timestamp, pcrs, certificate, cabundle,
                                                            public_key, user_data, nonce}

That of an instance with a NitroTPM has `nitrotpm_pcrs` in place of `pcrs`.

A document is believed when its bundle begins with a root that the Region trusts, each certificate is signed by the one
before it and valid now, and the last one's key has signed the payload.

Source: AWS Nitro Enclaves, "Verifying the root of trust"; Amazon EC2, "Validate a NitroTPM Attestation Document"; RFC
9052, 4.4 (what is signed).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding

from regionsim.hsm.algorithms.enveloped import recipient_key
from regionsim.hsm.cbor import CborError, Tagged, decode, encode
from regionsim.kms.errors import ValidationException
from regionsim.kms.recipients import MALFORMED, Attestation
from regionsim.names.mistakes import ConfigError

_COSE_SIGN1 = 18
_ES384 = {1: -35}
_SIGNATURE_BYTES = 96
_PCR_BYTES = frozenset({32, 48, 64})
_PCR_COUNT = 32
_TPM_PCRS = "nitrotpm_pcrs"
_TPM_PCR_COUNT = 24


class _UnbelievedError(Exception):
    """Something about the document does not hold; which thing is told to nobody."""


def roots_in(pem: str, what: str) -> frozenset[bytes]:
    """The certificates in PEM, in DER; `what` names the text in messages. Errors: ConfigError."""
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        advice = "a root is written in PEM, from -----BEGIN CERTIFICATE----- to its end"
        raise ConfigError(f"{what} holds no certificate of a root; {advice}") from None
    for certificate in found:
        if not _may_issue(certificate):
            raise ConfigError(f"{what} holds a certificate that may not issue others, so no root")
    return frozenset(certificate.public_bytes(Encoding.DER) for certificate in found)


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def verified(document: bytes, roots: Collection[bytes], now_ns: int) -> Attestation:
    """What the document says, once all of it is verified. `roots` are certificates in DER.

    Errors: ValidationException, always the same one.
    """
    try:
        return _verified(document, roots, datetime.fromtimestamp(now_ns / 1_000_000_000, UTC))
    except (_UnbelievedError, CborError, ValueError, TypeError, KeyError, InvalidSignature):
        # Whoever forges learns nothing from the difference between a wrong root, date or signature.
        raise ValidationException(MALFORMED) from None


def _verified(document: bytes, roots: Collection[bytes], now: datetime) -> Attestation:
    parts = decode(document)
    if isinstance(parts, Tagged) and parts.tag == _COSE_SIGN1:
        parts = parts.value
    protected, _, payload, signature = parts
    if decode(protected) != _ES384 or len(signature) != _SIGNATURE_BYTES:
        raise _UnbelievedError
    said = decode(payload)
    chain = [x509.load_der_x509_certificate(known) for known in (*said["cabundle"], said["certificate"])]
    _require_chain(chain, roots, now)
    key = chain[-1].public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp384r1":
        raise _UnbelievedError
    middle = _SIGNATURE_BYTES // 2
    numbers = (int.from_bytes(signature[:middle]), int.from_bytes(signature[middle:]))
    key.verify(encode_dss_signature(*numbers), to_be_signed(protected, payload), ec.ECDSA(SHA384()))
    return _attestation(said)


def to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """What the signature of a COSE_Sign1 is over."""
    return encode(["Signature1", protected, b"", payload])


def _require_chain(chain: list[x509.Certificate], roots: Collection[bytes], now: datetime) -> None:
    if chain[0].public_bytes(Encoding.DER) not in roots:
        raise _UnbelievedError
    for issuer, issued in pairwise(chain):
        issued.verify_directly_issued_by(issuer)
        if not _may_issue(issuer):
            raise _UnbelievedError
    if any(not known.not_valid_before_utc <= now <= known.not_valid_after_utc for known in chain):
        raise _UnbelievedError


def _attestation(said: dict[Any, Any]) -> Attestation:
    is_tpm = _TPM_PCRS in said
    pcrs: dict[Any, bytes] = said[_TPM_PCRS] if is_tpm else said["pcrs"]
    numbers = range(_TPM_PCR_COUNT if is_tpm else _PCR_COUNT)
    are_sound = all(index in numbers and len(digest) in _PCR_BYTES for index, digest in pcrs.items())
    is_measured = bool(pcrs) if is_tpm else 0 in pcrs
    module_id = said["module_id"]
    if said["digest"] != "SHA384" or not is_measured or not are_sound or (is_tpm and "pcrs" in said):
        raise _UnbelievedError
    if not module_id or not isinstance(module_id, str):
        raise _UnbelievedError
    recipient_key(said["public_key"])
    return Attestation(module_id=module_id, pcrs=pcrs, public_key=said["public_key"], is_tpm=is_tpm)
