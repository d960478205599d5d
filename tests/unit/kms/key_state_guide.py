"""AWS's key-state table, typed from the guide's page for the tests: what it says, not what the product says.

    ok   allowed                                   9   the key cannot hold imported material (origin)
    1    is disabled                               11  is unavailable
    3    is pending deletion                       14  is creating
    4    is not pending deletion                   15  is updating
    5    is pending import                         n/a a key of this type cannot be in this state
    6,7  imported material, custom key store (origin)

Cells that depend on the kind of key ("OK / 7") stand as the cell for a key of the right kind. Where the guide offers
"2 or 3" the test has 3, where it offers "8 or 9" the state comes first (KMSInvalidStateException). UpdatePrimaryRegion
of an Updating key is 15, as its neighbours have it. Encapsulate and Decapsulate are newer than the table, and stand as
the other cryptographic operations on asymmetric keys.

Source: KMS Developer Guide, "Key states of AWS KMS keys" (2025/26).
"""

from __future__ import annotations

from regionsim.kms.model import model

STATES = ("Enabled", "Disabled", "PendingDeletion", "PendingImport", "Unavailable", "Creating", "Updating")

_TABLE = """
    CancelKeyDeletion                    4   4   ok  4   4   4   4
    CreateAlias                          ok  ok  3   ok  ok  ok  ok
    CreateGrant                          ok  1   3   5   ok  14  ok
    Decapsulate                          ok  1   3   5   n/a 14  ok
    Decrypt                              ok  1   3   5   11  14  ok
    DeleteAlias                          ok  ok  ok  ok  ok  ok  ok
    DeleteImportedKeyMaterial            ok  ok  ok  ok  n/a 14  15
    DeriveSharedSecret                   ok  1   3   5   n/a 14  ok
    DescribeKey                          ok  ok  ok  ok  ok  ok  ok
    DisableKey                           ok  ok  3   5   ok  14  15
    DisableKeyRotation                   ok  1   3   6   7   14  ok
    EnableKey                            ok  ok  3   5   ok  14  15
    EnableKeyRotation                    ok  1   3   6   7   14  ok
    Encapsulate                          ok  1   3   5   n/a 14  ok
    Encrypt                              ok  1   3   5   11  14  ok
    GenerateDataKey                      ok  1   3   5   11  14  ok
    GenerateDataKeyPair                  ok  1   3   5   7   14  ok
    GenerateDataKeyPairWithoutPlaintext  ok  1   3   5   7   14  ok
    GenerateDataKeyWithoutPlaintext      ok  1   3   5   11  14  ok
    GenerateMac                          ok  1   3   5   n/a 14  ok
    GetKeyLastUsage                      ok  ok  ok  ok  ok  ok  ok
    GetKeyPolicy                         ok  ok  ok  ok  ok  ok  ok
    GetKeyRotationStatus                 ok  ok  ok  6   7   ok  ok
    GetParametersForImport               ok  ok  3   ok  9   14  15
    GetPublicKey                         ok  ok  3   ok  n/a 14  ok
    ImportKeyMaterial                    ok  ok  3   ok  9   14  ok
    ListAliases                          ok  ok  ok  ok  ok  ok  ok
    ListGrants                           ok  ok  ok  ok  ok  ok  ok
    ListKeyPolicies                      ok  ok  ok  ok  ok  ok  ok
    ListResourceTags                     ok  ok  ok  ok  ok  ok  ok
    ListKeyRotations                     ok  ok  ok  ok  7   ok  ok
    PutKeyPolicy                         ok  ok  ok  ok  ok  ok  ok
    ReEncrypt                            ok  1   3   5   11  14  ok
    ReplicateKey                         ok  1   3   5   n/a 14  15
    RetireGrant                          ok  ok  ok  ok  ok  ok  ok
    RevokeGrant                          ok  ok  ok  ok  ok  ok  ok
    RotateKeyOnDemand                    ok  1   3   5   7   14  ok
    ScheduleKeyDeletion                  ok  ok  3   ok  ok  ok  15
    Sign                                 ok  1   3   5   n/a 14  ok
    TagResource                          ok  ok  3   ok  ok  ok  ok
    UntagResource                        ok  ok  3   ok  ok  ok  ok
    UpdateAlias                          ok  ok  3   ok  ok  ok  ok
    UpdateKeyDescription                 ok  ok  3   ok  ok  ok  ok
    UpdatePrimaryRegion                  ok  1   3   5   n/a 14  15
    Verify                               ok  1   3   5   n/a 14  ok
    VerifyMac                            ok  1   3   5   n/a 14  ok
"""

_INVALID = "KMSInvalidStateException"
_UNSUPPORTED = "UnsupportedOperationException"
_NOT_OF_THIS_ORIGIN = (_UNSUPPORTED, "{arn} origin is {origin} which is not valid for this operation.")

_FOOTNOTES = {
    "1": ("DisabledException", "{arn} is disabled."),
    "3": (_INVALID, "{arn} is pending deletion."),
    "4": (_INVALID, "{arn} is not pending deletion."),
    "5": (_INVALID, "{arn} is pending import."),
    "6": _NOT_OF_THIS_ORIGIN,
    "7": _NOT_OF_THIS_ORIGIN,
    "9": _NOT_OF_THIS_ORIGIN,
    "11": (_INVALID, "{arn} is unavailable."),
    "14": (_INVALID, "{arn} is creating."),
    "15": (_INVALID, "{arn} is updating."),
    "n/a": _NOT_OF_THIS_ORIGIN,
}

ROWS = {line.split()[0]: dict(zip(STATES, line.split()[1:], strict=True)) for line in _TABLE.strip().splitlines()}
"""Operation -> state -> cell as the guide writes it."""

CELLS = [(operation, state) for operation in ROWS for state in (*STATES, "PendingReplicaDeletion")]
"""Every (operation, state) there is; PendingReplicaDeletion shares PendingDeletion's column."""


def wanted(operation: str, state: str, *, arn: str, origin: str) -> str:
    """`ok`, or `<code>: <text>` of the refusal."""
    cell = ROWS[operation]["PendingDeletion" if state == "PendingReplicaDeletion" else state]
    if cell == "ok" or (cell == "n/a" and _UNSUPPORTED not in model().operations[operation].errors):
        return "ok"  # the second: as far as the table goes, for the key's usage is another one
    code, text = _FOOTNOTES[cell]
    if cell == "3" and state == "PendingReplicaDeletion":
        text = "{arn} is pending replica deletion."
    return f"{code}: {text.format(arn=arn, origin=origin)}"


IMPORTING = frozenset({"DeleteImportedKeyMaterial", "GetParametersForImport", "ImportKeyMaterial"})
"""What is for imported material only."""


def origin_in(state: str, operation: str = "") -> str:
    """An origin that a key in this state, of a kind that fits the operation, can have."""
    usual = "EXTERNAL" if operation in IMPORTING else "AWS_KMS"
    return {"PendingImport": "EXTERNAL", "Unavailable": "AWS_CLOUDHSM"}.get(state, usual)
