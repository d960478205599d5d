"""Does the operation fit what the key is for? Comes after the key-state table.

Source: observed.
"""

from __future__ import annotations

from regionsim.kms.errors import InvalidKeyUsageException
from regionsim.kms.key import KmsKey
from regionsim.kms.key_specs import KeyUsage, use_of


def require_usage(operation: str, key: KmsKey, wanted: KeyUsage) -> None:
    """Errors: InvalidKeyUsageException when the key's usage is another one."""
    if key.shared.usage is not wanted:
        raise InvalidKeyUsageException(f"{key.arn} key usage is {key.shared.usage} which is not valid for {operation}.")


def require_algorithm(key: KmsKey, algorithm: str) -> None:
    """Errors: InvalidKeyUsageException when the key's spec and usage do not have the algorithm."""
    use = use_of(key.shared.spec, key.shared.usage)
    if use is None or algorithm not in use.algorithms:
        raise InvalidKeyUsageException(f"Algorithm {algorithm} is incompatible with key spec {key.shared.spec}.")
