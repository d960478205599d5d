"""Key states: one literal table, operation x state, and the refusal each cell stands for.

An operation that is not in the table concerns no single key (CreateKey, ListKeys, ...). Rules that depend on what kind
of key it is (its origin, its usage) are the operation's own and come after this table: AWS reports the state first.

Source: KMS Developer Guide, "Key states of AWS KMS keys", table of 2025/26. Where the guide offers "DisabledException
or KMSInvalidStateException" for keys pending deletion, it is the latter: UNVERIFIED (ours). UpdatePrimaryRegion under
Updating is refused like its neighbours (ours: the guide's "OK" there contradicts its own footnotes). Where a key can
never be in a state, as its usage is none that custom key stores have, the table lets it go on: the usage is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from regionsim.kms.errors import (
    DisabledException,
    KmsError,
    KMSInvalidStateException,
    UnsupportedOperationException,
)
from regionsim.kms.key import KeyState, KmsKey


class Cell(Enum):
    """What a cell of the table says: go on, or which refusal."""

    OK = "allowed"
    DISABLED = "is disabled."
    DELETION = "is pending deletion."
    NOT_DELETION = "is not pending deletion."
    IMPORT = "is pending import."
    UNAVAILABLE = "is unavailable."
    CREATING = "is creating."
    UPDATING = "is updating."
    ORIGIN = "origin is {origin} which is not valid for this operation."


_OK, _DIS, _DEL, _NOT, _IMP = Cell.OK, Cell.DISABLED, Cell.DELETION, Cell.NOT_DELETION, Cell.IMPORT
_UNA, _CRE, _UPD, _ORI = Cell.UNAVAILABLE, Cell.CREATING, Cell.UPDATING, Cell.ORIGIN

_COLUMNS = (
    KeyState.ENABLED,
    KeyState.DISABLED,
    KeyState.PENDING_DELETION,
    KeyState.PENDING_IMPORT,
    KeyState.UNAVAILABLE,
    KeyState.CREATING,
    KeyState.UPDATING,
)

_ROWS: Mapping[str, tuple[Cell, ...]] = {
    #                                       Enabled Disabled Deletion Import Unavail. Creating Updating
    "CancelKeyDeletion":                   (_NOT,   _NOT,    _OK,     _NOT,  _NOT,    _NOT,    _NOT),
    "CreateAlias":                         (_OK,    _OK,     _DEL,    _OK,   _OK,     _OK,     _OK),
    "CreateGrant":                         (_OK,    _DIS,    _DEL,    _IMP,  _OK,     _CRE,    _OK),
    "Decapsulate":                         (_OK,    _DIS,    _DEL,    _IMP,  _OK,     _CRE,    _OK),
    "Decrypt":                             (_OK,    _DIS,    _DEL,    _IMP,  _UNA,    _CRE,    _OK),
    "DeleteAlias":                         (_OK,    _OK,     _OK,     _OK,   _OK,     _OK,     _OK),
    "DeleteImportedKeyMaterial":           (_OK,    _OK,     _OK,     _OK,   _ORI,    _CRE,    _UPD),
    "DeriveSharedSecret":                  (_OK,    _DIS,    _DEL,    _IMP,  _OK,     _CRE,    _OK),
    "DescribeKey":                         (_OK,    _OK,     _OK,     _OK,   _OK,     _OK,     _OK),
    "DisableKey":                          (_OK,    _OK,     _DEL,    _IMP,  _OK,     _CRE,    _UPD),
    "DisableKeyRotation":                  (_OK,    _DIS,    _DEL,    _ORI,  _ORI,    _CRE,    _OK),
    "EnableKey":                           (_OK,    _OK,     _DEL,    _IMP,  _OK,     _CRE,    _UPD),
    "EnableKeyRotation":                   (_OK,    _DIS,    _DEL,    _ORI,  _ORI,    _CRE,    _OK),
    "Encapsulate":                         (_OK,    _DIS,    _DEL,    _IMP,  _OK,     _CRE,    _OK),
    "Encrypt":                             (_OK,    _DIS,    _DEL,    _IMP,  _UNA,    _CRE,    _OK),
    "GenerateDataKey":                     (_OK,    _DIS,    _DEL,    _IMP,  _UNA,    _CRE,    _OK),
    "GenerateDataKeyPair":                 (_OK,    _DIS,    _DEL,    _IMP,  _ORI,    _CRE,    _OK),
    "GenerateDataKeyPairWithoutPlaintext": (_OK,    _DIS,    _DEL,    _IMP,  _ORI,    _CRE,    _OK),
    "GenerateDataKeyWithoutPlaintext":     (_OK,    _DIS,    _DEL,    _IMP,  _UNA,    _CRE,    _OK),
    "GenerateMac":                         (_OK,    _DIS,    _DEL,    _IMP,  _OK,     _CRE,    _OK),
    "GetKeyLastUsage":                     (_OK,    _OK,     _OK,     _OK,   _OK,     _OK,     _OK),
    "GetKeyPolicy":                        (_OK,    _OK,     _OK,     _OK,   _OK,     _OK,     _OK),
    "GetKeyRotationStatus":                (_OK,    _OK,     _OK,     _ORI,  _ORI,    _OK,     _OK),
    "GetParametersForImport":              (_OK,    _OK,     _DEL,    _OK,   _ORI,    _CRE,    _UPD),
    "GetPublicKey":                        (_OK,    _OK,     _DEL,    _OK,   _ORI,    _CRE,    _OK),
    "ImportKeyMaterial":                   (_OK,    _OK,     _DEL,    _OK,   _ORI,    _CRE,    _OK),
    "ListAliases":                         (_OK,    _OK,     _OK,     _OK,   _OK,     _OK,     _OK),
    "ListGrants":                          (_OK,    _OK,     _OK,     _OK,   _OK,     _OK,     _OK),
    "ListKeyPolicies":                     (_OK,    _OK,     _OK,     _OK,   _OK,     _OK,     _OK),
    "ListKeyRotations":                    (_OK,    _OK,     _OK,     _OK,   _ORI,    _OK,     _OK),
    "ListResourceTags":                    (_OK,    _OK,     _OK,     _OK,   _OK,     _OK,     _OK),
    "PutKeyPolicy":                        (_OK,    _OK,     _OK,     _OK,   _OK,     _OK,     _OK),
    "ReEncrypt":                           (_OK,    _DIS,    _DEL,    _IMP,  _UNA,    _CRE,    _OK),
    "ReplicateKey":                        (_OK,    _DIS,    _DEL,    _IMP,  _ORI,    _CRE,    _UPD),
    "RetireGrant":                         (_OK,    _OK,     _OK,     _OK,   _OK,     _OK,     _OK),
    "RevokeGrant":                         (_OK,    _OK,     _OK,     _OK,   _OK,     _OK,     _OK),
    "RotateKeyOnDemand":                   (_OK,    _DIS,    _DEL,    _IMP,  _ORI,    _CRE,    _OK),
    "ScheduleKeyDeletion":                 (_OK,    _OK,     _DEL,    _OK,   _OK,     _OK,     _UPD),
    "Sign":                                (_OK,    _DIS,    _DEL,    _IMP,  _OK,     _CRE,    _OK),
    "TagResource":                         (_OK,    _OK,     _DEL,    _OK,   _OK,     _OK,     _OK),
    "UntagResource":                       (_OK,    _OK,     _DEL,    _OK,   _OK,     _OK,     _OK),
    "UpdateAlias":                         (_OK,    _OK,     _DEL,    _OK,   _OK,     _OK,     _OK),
    "UpdateKeyDescription":                (_OK,    _OK,     _DEL,    _OK,   _OK,     _OK,     _OK),
    "UpdatePrimaryRegion":                 (_OK,    _DIS,    _DEL,    _IMP,  _ORI,    _CRE,    _UPD),
    "Verify":                              (_OK,    _DIS,    _DEL,    _IMP,  _OK,     _CRE,    _OK),
    "VerifyMac":                           (_OK,    _DIS,    _DEL,    _IMP,  _OK,     _CRE,    _OK),
}  # fmt: skip

TABLE: Mapping[tuple[str, KeyState], Cell] = MappingProxyType(
    {
        (operation, state): cell
        for operation, cells in _ROWS.items()
        for state, cell in zip(_COLUMNS, cells, strict=True)
    }
    | {(operation, KeyState.PENDING_REPLICA_DELETION): cells[2] for operation, cells in _ROWS.items()}
)
"""(operation, state) -> cell, for every operation on one key and every state."""


def require_state(operation: str, key: KmsKey) -> None:
    """Return when the key's state lets `operation` go on.

    Errors: DisabledException, KMSInvalidStateException or UnsupportedOperationException, with AWS's text.
    """
    cell = TABLE[operation, key.state]
    if cell is not Cell.OK:
        raise _refusal(cell, key)


def _refusal(cell: Cell, key: KmsKey) -> KmsError:
    match cell:
        case Cell.DISABLED:
            return DisabledException(f"{key.arn} {cell.value}")
        case Cell.ORIGIN:
            return UnsupportedOperationException(f"{key.arn} {cell.value.format(origin=key.shared.origin)}")
        case Cell.DELETION if key.state is KeyState.PENDING_REPLICA_DELETION:
            return KMSInvalidStateException(f"{key.arn} is pending replica deletion.")
        case _:
            return KMSInvalidStateException(f"{key.arn} {cell.value}")
