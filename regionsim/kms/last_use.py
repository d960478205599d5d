"""The last successful use of a key in cryptography, as GetKeyLastUsage tells it.

It follows the trail: what a use leaves is committed with its audit entry, within 100 ms, and is shown from then on.
Each Region remembers the uses of its own keys.

Source: KMS API Reference, GetKeyLastUsage.
"""

from __future__ import annotations

from regionsim.names.dataclass import dataclass

TRACKED = frozenset(
    {
        "Decapsulate", "Decrypt", "DeriveSharedSecret", "Encapsulate", "Encrypt", "GenerateDataKey",
        "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "GenerateMac",
        "ReEncrypt", "Sign", "Verify", "VerifyMac",
    }
)  # fmt: skip
"""The operations that count. Source: botocore's model, KeyLastUsageTrackingOperation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastUse:
    """One use: by which operation, when, and under which ids it stands in the trail of the key's owner."""

    operation: str
    at_ns: int
    request_id: str
    event_id: str
