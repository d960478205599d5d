"""The attestation document of a call, verified before the call is decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from regionsim.hsm.algorithms.attestation import verified
from regionsim.kms.errors import ValidationException
from regionsim.kms.recipients import Attestation
from regionsim.runtime.clock import ReadableClock


def attestation_in(request: object, roots: Collection[bytes], clock: ReadableClock) -> Attestation | None:
    """What the document of a call's request says; None when it brings none.

    Errors: ValidationException for one that is not believed, or that says only half of what is needed.
    """
    recipient: Mapping[str, Any] | None = getattr(request, "recipient", None)
    if recipient is None:
        return None
    document = recipient.get("AttestationDocument")
    if document is None or recipient.get("KeyEncryptionAlgorithm") is None:
        raise ValidationException("Recipient needs both KeyEncryptionAlgorithm and AttestationDocument.")
    return verified(document, roots, clock.now_ns())
