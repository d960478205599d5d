"""Does the operation fit what the key is for? Comes after the key-state table.

Source: observed.
"""

from __future__ import annotations

from regionsim.kms.errors import InvalidKeyUsageException, ValidationException
from regionsim.kms.key import KmsKey
from regionsim.kms.key_specs import KeySpec, KeyUsage, is_symmetric, most_plaintext_bytes, use_of


def require_usage(operation: str, key: KmsKey, wanted: KeyUsage) -> None:
    """Errors: InvalidKeyUsageException when the key's usage is another one."""
    if key.shared.usage is not wanted:
        raise InvalidKeyUsageException(f"{key.arn} key usage is {key.shared.usage} which is not valid for {operation}.")


def require_algorithm(key: KmsKey, algorithm: str) -> None:
    """Errors: InvalidKeyUsageException when the key's spec and usage do not have the algorithm."""
    use = use_of(key.shared.spec, key.shared.usage)
    if use is None or algorithm not in use.algorithms:
        raise InvalidKeyUsageException(f"Algorithm {algorithm} is incompatible with key spec {key.shared.spec}.")


def require_plaintext_fits(spec: KeySpec, algorithm: str, plaintext: bytes) -> None:
    """Errors: ValidationException when one encryption with such a key pair does not take so much. (What a symmetric key
    takes is in AWS's model.)"""
    if is_symmetric(spec):
        return
    most = most_plaintext_bytes(spec, algorithm)
    if len(plaintext) > most:
        raise ValidationException(
            f"Algorithm {algorithm} and key spec {spec} cannot encrypt data larger than {most} bytes."
        )
