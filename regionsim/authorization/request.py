"""The question: may this principal perform this action on this resource, under this context?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from regionsim.authorization.principals import Principal
from regionsim.names.dataclass import dataclass
from regionsim.names.made_often import made_often

if TYPE_CHECKING:
    from regionsim.authorization.grants import Grant

ContextValue = str | tuple[str, ...]
"""One value, or (for a multi-valued key) the tuple of its values."""


class ConditionValues(Protocol):
    """What a condition reads: the value of a key (in lower case), or None when the request has not that key."""

    def get(self, key: str, /) -> ContextValue | None: ...


class ResourceKind(StrEnum):
    """Which resource a permission is about: of these a key and a role have a policy of their own.

    Source: Service Authorization Reference.
    """

    KEY = "key"
    ALIAS = "alias"
    ROLE = "role"
    NONE = "none"


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One permission asked for.

    `action` is the permission (`kms:Encrypt`; ReEncrypt asks twice, for `kms:ReEncryptFrom` and `kms:ReEncryptTo`).
    `resource` is a key ARN, an alias ARN, or `*`; `resource_account` owns it (for `*`: the caller's account).
    `encryption_context` is the call's own, as sent: grant constraints compare with it. `grant` is the grant that
    CreateGrant would make or that RetireGrant would retire.
    """

    principal: Principal
    action: str
    resource: str
    resource_account: str
    kind: ResourceKind
    region: str
    context: ConditionValues
    encryption_context: Mapping[str, str] = field(default_factory=dict, hash=False)
    grant: Grant | None = None
