"""What services with long-lived things share: a thing has a key, and an identity that uses it under grants.

Source: KMS Developer Guide, "Grants in AWS KMS"; the guides of the services. The names of the identities that hold the
grants are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Generic, TypeVar

from regionsim.authorization.principals import Principal
from regionsim.names.dataclass import dataclass
from regionsim.services.door import KmsDoor
from regionsim.services.keys import ServiceKey
from regionsim.services.premises import Premises
from regionsim.services.service import Asked, ServiceError, Worded

Thing = TypeVar("Thing")


@dataclass(slots=True, kw_only=True)
class Held:
    """Something with a key: who uses it under which grants, and what it has wrapped."""

    arn: str
    key: ServiceKey
    key_arn: str
    user: Principal
    context: Mapping[str, str]
    grants: list[str]
    tokens: list[str] = field(repr=False)
    blobs: dict[str, bytes] = field(default_factory=dict, repr=False)

    async def ask(self, door: KmsDoor, operation: str, **parameters: Any) -> Mapping[str, Any]:
        """Call KMS under the grants, or in the service's name where AWS owns the key. Errors: KmsFailure."""
        given = {"EncryptionContext": dict(self.context), **parameters}
        if self.key.is_owned:
            return await door.as_itself(operation, source_arn=self.arn, **given)
        return await door.as_identity(operation, self.user, GrantTokens=self.tokens, **given)


async def grants_for(
    door: KmsDoor,
    key: ServiceKey,
    arn: str,
    user: Principal,
    context: Mapping[str, str],
    operations: tuple[list[str], ...],
) -> Held:
    """Describe the key and make a grant for each list of operations; none on a key that AWS owns."""
    held = Held(arn=arn, key=key, key_arn=key.identifier, user=user, context=context, grants=[], tokens=[])
    if key.is_owned:
        return held
    held.key_arn = (await door.for_user("DescribeKey", KeyId=key.identifier))["KeyMetadata"]["Arn"]
    for granted in operations:
        made = await door.for_user(
            "CreateGrant",
            KeyId=held.key_arn,
            GranteePrincipal=user.arn,
            RetiringPrincipal=user.arn,
            Operations=granted,
            Constraints={"EncryptionContextSubset": dict(context)},
        )
        held.grants.append(made["GrantId"])
        held.tokens.append(made["GrantToken"])
    return held


class Keeper(Worded, Generic[Thing]):
    """A service with things, by Region and name."""

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self.things: dict[tuple[str, str], Thing] = {}

    def keep(self, asked: Asked, name: str, thing: Thing) -> None:
        """Have a new thing in the Region of a request."""
        self.things[asked.region, name] = thing

    def thing(self, asked: Asked, parameter: str, missing: str) -> Thing:
        """The thing that a parameter names. Errors: ServiceError with the code for one that is not there."""
        found = self.things.get((asked.region, asked.text(parameter)))
        if found is None:
            raise ServiceError(missing, f"{asked.text(parameter)} does not exist in {asked.region}.")
        return found
