"""From what a caller writes as KeyId to the KMS key: key id, key ARN, alias name, alias ARN.

There is no look-up across Regions, not even for `mrk-` ids. Source: observed. The texts about ARNs that can be no KMS
key or alias, and that all operations refuse an alias in the same words, are UNVERIFIED (ours).
"""

from __future__ import annotations

from regionsim.authorization.principals import Principal
from regionsim.kms.errors import AccessDeniedException, InvalidArnException, KmsError, NotFoundException
from regionsim.kms.key import KmsKey
from regionsim.kms.model import model
from regionsim.kms.state import RegionState
from regionsim.names.arns import Arn, alias_arn, key_arn
from regionsim.names.ids import ALIAS_PREFIX, is_key_id
from regionsim.names.regions import partition_of

ALIASES_NOT_TAKEN = "Key Aliases are not supported for this operation."


def resolve(state: RegionState, caller: Principal, identifier: str, *, operation: str, takes_alias: bool) -> KmsKey:
    """The KMS key that `identifier` names in this Region.

    Errors: NotFoundException, InvalidArnException (an alias where none is taken, or, if the operation has that error,
    no KMS resource), and, for another
    account's key that is not there, AccessDeniedException: AWS does not tell strangers which keys exist.
    """
    account, resource = _split(state, caller, identifier, operation)
    if resource.startswith(ALIAS_PREFIX):
        if not takes_alias:
            raise InvalidArnException(ALIASES_NOT_TAKEN)
        return _of_alias(state, caller, account, resource, operation)
    key = state.key(resource)
    if key is not None and key.account == account:
        return key
    if account != caller.account:
        raise unknown_foreign_key(caller, operation)
    raise NotFoundException(f"Key '{key_arn(state.region, account, resource)}' does not exist")


def locate(state: RegionState, account: str, identifier: str) -> str | None:
    """The key id that `identifier` leads to, without an opinion on whether it may: None when it leads nowhere.

    A bare key id or alias name means the caller's own account; a key of another one is not found by it.
    """
    arn = Arn.parse(identifier)
    if arn is not None and not _is_of_here(state, arn):
        return None
    owner, resource = (arn.account, arn.resource.removeprefix("key/")) if arn else (account, identifier)
    if resource.startswith(ALIAS_PREFIX):
        alias = state.alias(owner, resource)
        return alias.target_key_id if alias else None
    key = state.key(resource)
    return resource if key is not None and key.account == owner else None


def alias_in(identifier: str) -> str | None:
    """The alias name when the caller named the key by an alias or its ARN (`kms:RequestAlias`), else None."""
    arn = Arn.parse(identifier)
    resource = arn.resource if arn else identifier
    return resource if resource.startswith(ALIAS_PREFIX) else None


def unknown_foreign_key(caller: Principal, operation: str) -> AccessDeniedException:
    """What a caller hears of a key in another account that is not there or not theirs to use."""
    return AccessDeniedException(
        f"User: {caller.arn} is not authorized to perform: kms:{operation} on this resource because the resource "
        "does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly "
        "denies access"
    )


def _split(state: RegionState, caller: Principal, identifier: str, operation: str) -> tuple[str, str]:
    """The account and the key id or alias name that `identifier` says."""
    if identifier.startswith("arn:"):
        arn = Arn.parse(identifier)
        if arn is None or arn.service != "kms" or arn.partition != partition_of(state.region).name:
            raise _no_key_arn(identifier, operation)
        if arn.region != state.region:
            raise NotFoundException(f"Invalid arn {arn.region}")
        kind, _, name = arn.resource.partition("/")
        if kind == "alias" and name:
            return arn.account, arn.resource
        if kind == "key" and is_key_id(name):
            return arn.account, name
        raise _no_key_arn(identifier, operation)
    if identifier.startswith(ALIAS_PREFIX) or is_key_id(identifier):
        return caller.account, identifier
    raise NotFoundException(f"Invalid keyId '{identifier}'")


def _no_key_arn(identifier: str, operation: str) -> KmsError:
    """What is said of an ARN that can be no key's: not every operation has an error of its own for it."""
    known = model().operations.get(operation)  # none of the name of a permission that is half an operation
    kind = InvalidArnException if known and "InvalidArnException" in known.errors else NotFoundException
    return kind(f"Invalid arn {identifier}")


def _is_of_here(state: RegionState, arn: Arn) -> bool:
    return (arn.partition, arn.service, arn.region) == (partition_of(state.region).name, "kms", state.region)


def _of_alias(state: RegionState, caller: Principal, account: str, name: str, operation: str) -> KmsKey:
    alias = state.alias(account, name)
    if alias is None:
        if account != caller.account:
            raise unknown_foreign_key(caller, operation)
        raise NotFoundException(f"Alias {alias_arn(state.region, account, name)} is not found.")
    key = state.key(alias.target_key_id)
    assert key is not None, "an alias goes with its key"
    return key
