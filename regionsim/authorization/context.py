"""Condition values of one request: computed when read, at most once, and only those that a statement reads.

Source of the keys that the principal supplies: IAM User Guide, "AWS global condition context keys" and "Principal key
values".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from regionsim.authorization.principals import Principal, PrincipalKind
from regionsim.authorization.request import ContextValue

LazyValue = ContextValue | None | Callable[[], ContextValue | None]
"""A value, or what computes it; None means that the request has not that key."""

_PRINCIPAL_TYPES = {
    PrincipalKind.ROOT: "Account",
    PrincipalKind.USER: "User",
    PrincipalKind.ROLE_SESSION: "AssumedRole",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
    PrincipalKind.SERVICE: "Service",
}


class Context:
    """Condition values under lower-cased keys; a value given as a callable is computed at its first reading."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, LazyValue] | None = None) -> None:
        self._values: dict[str, LazyValue] = {key.lower(): value for key, value in (values or {}).items()}

    def get(self, key: str, /) -> ContextValue | None:
        """The value of `key` (already in lower case), or None when the request has not that key."""
        value = self._values.get(key)
        if callable(value):
            value = self._values[key] = value()
        return value

    def merged(self, *others: Mapping[str, LazyValue]) -> Context:
        """A context with the values of `others` besides; where a key comes twice the last one holds."""
        result = Context()
        result._values.update(self._values)
        for other in others:
            result._values.update({key.lower(): value for key, value in other.items()})
        return result

    def __iter__(self) -> Iterator[str]:
        """The keys, in lower case, in the order in which they were given."""
        return iter(self._values)

    def __repr__(self) -> str:
        return f"Context({', '.join(self._values)})"


class DeferredContext:
    """A context that is made when the first of its values is read: most decisions read none."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Context]) -> None:
        self._make = make
        self._made: Context | None = None

    def get(self, key: str, /) -> ContextValue | None:
        """The value of `key` (already in lower case), or None when the request has not that key."""
        return self._context().get(key)

    def __iter__(self) -> Iterator[str]:
        """The keys, in lower case, in the order in which they were given."""
        return iter(self._context())

    def __repr__(self) -> str:
        return repr(self._context())

    def _context(self) -> Context:
        if self._made is None:
            self._made = self._make()
        return self._made


def principal_values(principal: Principal) -> dict[str, LazyValue]:
    """What the caller's identity says about itself: `aws:Principal*`, `aws:username`, `aws:userid`.

    `aws:PrincipalArn` of a session is the role's ARN, with its path; `aws:username` exists for IAM users only.
    """
    is_service = principal.kind is PrincipalKind.SERVICE
    values: dict[str, LazyValue] = {
        "aws:principaltype": _PRINCIPAL_TYPES[principal.kind],
        "aws:principalisawsservice": "true" if is_service else "false",
    }
    if is_service:
        values["aws:principalservicename"] = principal.arn
        values["aws:principalservicenameslist"] = (principal.arn,)
        return values
    values["aws:principalarn"] = principal.role_arn or principal.role_key or principal.arn
    values["aws:principalaccount"] = principal.account
    if principal.kind in (PrincipalKind.ROLE_SESSION, PrincipalKind.FEDERATED_USER):
        # Temporary credentials always say; long-term ones never do. Whoever has a device brings "true" along.
        values["aws:multifactorauthpresent"] = "false"
    if principal.user_id:
        values["aws:userid"] = principal.user_id
    if principal.kind is PrincipalKind.USER:
        values["aws:username"] = principal.name
    values.update({f"aws:principaltag/{tag.lower()}": text for tag, text in principal.tags.items()})
    return values


def encryption_context_values(pairs: Mapping[str, str]) -> dict[str, LazyValue]:
    """`kms:EncryptionContext:*` and `kms:EncryptionContextKeys` for an encryption context; nothing for an empty one.

    Names that differ by case only share one condition key, whose value is then a tuple: no single value would be right,
    and a condition without a set operator treats a tuple as no match. Source: ours (AWS advises against such names).
    """
    values: dict[str, LazyValue] = {}
    for name, text in pairs.items():
        key = f"kms:encryptioncontext:{name.lower()}"
        match values.get(key):
            case str() as earlier:
                values[key] = (earlier, text)
            case tuple() as several:
                values[key] = (*several, text)
            case _:
                values[key] = text
    if pairs:
        values["kms:encryptioncontextkeys"] = tuple(pairs)
    return values
