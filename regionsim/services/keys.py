"""The key that a service's user has chosen: one of the three kinds that there are.

Source: KMS Developer Guide, "AWS KMS keys" (customer managed, AWS managed, AWS owned). `aws-owned` as a word for the
last is ours: AWS's services call it by a setting of their own (AES256, `AWS_OWNED_KMS_KEY`, ...).
"""

from __future__ import annotations

from enum import StrEnum

from regionsim.kms.aws_keys import owned_key_alias
from regionsim.names.dataclass import dataclass
from regionsim.names.ids import AWS_ALIAS_PREFIX

AWS_OWNED = "aws-owned"


class KeyKind(StrEnum):
    """Who has the key."""

    CUSTOMER_MANAGED = "customer managed"
    AWS_MANAGED = "AWS managed"
    AWS_OWNED = "AWS owned"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceKey:
    """A key as a service names it to KMS: `identifier` is a KeyId."""

    kind: KeyKind
    identifier: str

    @property
    def is_owned(self) -> bool:
        """True for a key that the service uses in its own name, for whomever it works."""
        return self.kind is KeyKind.AWS_OWNED


def chosen_key(given: str | None, *, service: str, region: str, managed: str) -> ServiceKey:
    """The key that a user named (a KeyId, `alias/aws/...` or `aws-owned`), or the service's AWS managed one where it
    was given none; `managed` is what follows `alias/aws/`."""
    if given == AWS_OWNED:
        return ServiceKey(kind=KeyKind.AWS_OWNED, identifier=owned_key_alias(region, service))
    identifier = given or f"{AWS_ALIAS_PREFIX}{managed}"
    is_managed = identifier.rpartition(":")[2].startswith(AWS_ALIAS_PREFIX)
    return ServiceKey(kind=KeyKind.AWS_MANAGED if is_managed else KeyKind.CUSTOMER_MANAGED, identifier=identifier)
