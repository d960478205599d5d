"""The two planes of KMS: using keys goes on while making, changing and looking at them fails.

Source: AWS Fault Isolation Boundaries, "Control planes and data planes": a control plane creates, reads and describes,
updates, deletes and lists. KMS Developer Guide, "Cryptographic operations", names what uses keys; the rest is control
plane, GetPublicKey too.
"""

from __future__ import annotations

DATA_PLANE = frozenset(
    {
        "Decapsulate", "Decrypt", "DeriveSharedSecret", "Encapsulate", "Encrypt", "GenerateDataKey",
        "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "GenerateMac",
        "GenerateRandom", "ReEncrypt", "Sign", "Verify", "VerifyMac",
    }
)  # fmt: skip
"""The operations that use keys, or random numbers, and nothing else."""
