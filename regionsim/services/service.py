"""What every service has: operations with parameters, users who call them, and errors in the service's own words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import Any, ClassVar, NamedTuple

from regionsim.authorization.principals import Principal, PrincipalKind
from regionsim.client.client import Try
from regionsim.names.dataclass import dataclass
from regionsim.names.regions import partition_of
from regionsim.runtime.entropy import Stream
from regionsim.runtime.tasks import now_ns
from regionsim.services.door import Clients, KmsDoor, KmsFailure
from regionsim.services.keys import AWS_OWNED, ServiceKey, chosen_key
from regionsim.services.premises import Premises

_KEY_PARAMETERS = frozenset(
    {
        "KMSMasterKeyID", "KMSMasterKeyId", "KmsMasterKeyId", "KmsKeyId", "KmsKey", "KeyId", "KeyArn", "KMSKeyArn",
        "KeyManagementServiceArn",
    }
)  # fmt: skip
"""By which a request chooses the key of its resource."""


class ServiceError(Exception):
    """What a user of a service gets instead of an answer.

    `is_failure`: the service had no answer from KMS, which is no refusal.
    """

    def __init__(self, code: str, message: str = "", *, is_failure: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.is_failure = is_failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request of a user. `kms` is KMS on its behalf."""

    user: Principal
    region: str
    given: Mapping[str, Any]
    kms: KmsDoor

    def text(self, name: str) -> str:
        """A parameter that must be there. Errors: ServiceError."""
        found = self.given.get(name)
        if not isinstance(found, str) or not found:
            raise ServiceError("ValidationException", f"{name} is missing")
        return found

    def optional(self, name: str) -> str | None:
        """A parameter that may be left out."""
        found = self.given.get(name)
        return found if isinstance(found, str) and found else None

    def is_on(self, name: str) -> bool:
        """A switch, off by default."""
        return self.given.get(name) in (True, "true")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of a request: the answer, or an error of the service; and what it took of KMS."""

    response: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    message: str = ""
    is_failure: bool = False
    because: str = ""
    """KMS's own code, where it was KMS."""
    calls: tuple[str, ...] = ()
    tries: tuple[Try, ...] = ()
    sent_at_ns: int
    answered_at_ns: int


class Takes(NamedTuple):
    """What an operation of a service takes: names of parameters that must be there, and of those that may."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


class Load(NamedTuple):
    """One request of a workload."""

    operation: str
    parameters: Mapping[str, Any]


Handler = Callable[[Asked], Awaitable[dict[str, Any]]]


class Service(ABC):
    """One integrated service, in every Region of a world. Its resources live as long as it does."""

    name: ClassVar[str]
    """What it is called in scenarios; also the name of its principal, unless it says otherwise."""
    via: ClassVar[str]
    """Its name in kms:ViaService."""
    managed: ClassVar[str]
    """What follows `alias/aws/` in the name of its AWS managed key."""
    default_key: ClassVar[str | None] = None
    """The key of who chooses none; None: the AWS managed key."""
    offers_owned: ClassVar[bool] = False
    """Whether its users can leave everything to a key that AWS owns."""
    takes: ClassVar[Mapping[str, Takes]]
    """Its operations. The first parameter of each names the resource that it is about."""
    well: ClassVar[str] = "ok"
    """The state of a resource that is as it should be."""

    def __init__(self, premises: Premises) -> None:
        self.premises = premises
        self._clients = Clients(premises.simulation, self.name)
        self._handlers: dict[str, Handler] = self.handlers()
        assert set(self._handlers) == set(self.takes), "each operation has one handler"

    @abstractmethod
    def handlers(self) -> dict[str, Handler]:
        """What does each operation."""

    @abstractmethod
    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        """The requests that a workload makes once, before its pace begins."""

    @abstractmethod
    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        """The `number`th request (from 1) of a workload with these settings."""

    async def call(self, operation: str, *, user: Principal, region: str, given: Mapping[str, Any]) -> Answered:
        """One request of a user, to the end. A refusal is an answer, too. Errors: KeyError for no such operation."""
        handler, sent_at_ns = self._handlers[operation], now_ns()
        kms = self.door(user, region)
        asked = Asked(user=user, region=region, given=given, kms=kms)
        response: Mapping[str, Any] = {}
        error: ServiceError | None = None
        because = ""
        resource = self.resource_of(asked, operation)
        try:
            response = await handler(asked)
            self._is_well(asked, operation, resource, response)
        except KmsFailure as failure:
            error, because = self.error_of(failure), failure.code
            if _KEY_PARAMETERS.isdisjoint(given):  # else it is the chosen key that will not do
                self.is_ill(region, resource, kms, failure)
        except ServiceError as own:
            error = own
        return Answered(
            response=response,
            error=None if error is None else error.code,
            message="" if error is None else error.message,
            is_failure=error is not None and error.is_failure,
            because=because,
            calls=tuple(kms.calls),
            tries=tuple(kms.tries),
            sent_at_ns=sent_at_ns,
            answered_at_ns=now_ns(),
        )

    def door(self, user: Principal, region: str) -> KmsDoor:
        """KMS on behalf of a user, or of an identity that the service acts as."""
        return KmsDoor(self._clients, via=self.via, principal=self.principal(region), region=region, user=user)

    def resource_of(self, asked: Asked, operation: str) -> str:
        """What a request is about."""
        return str(asked.given.get(self.takes[operation].required[0], ""))

    def ill(self, failure: KmsFailure) -> str:
        """The state of a resource for which KMS did not do what it needs: where it has none, what its users see."""
        return self.error_of(failure).code

    def is_ill(self, region: str, resource: str, kms: KmsDoor, failure: KmsFailure) -> None:
        """Note what KMS did to a resource. That one user has no permission is no state of it."""
        if not (failure.is_for_user and failure.code == "AccessDeniedException"):
            self.premises.board.ill(self.name, region, resource, self.ill(failure), kms.key, failure.code)

    def _is_well(self, asked: Asked, operation: str, resource: str, response: Mapping[str, Any]) -> None:
        board = self.premises.board
        if asked.kms.is_refused:
            return  # the service goes on without KMS, and has said so itself
        if operation.startswith("Delete"):
            board.forget(self.name, asked.region, resource)
        elif asked.kms.calls or board.state(self.name, asked.region, resource) is None:
            state = str(response.get("State") or self.well)
            board.well(self.name, asked.region, resource, state, asked.kms.key)

    def principal(self, region: str) -> str:
        """The service principal under which it calls in its own name."""
        return f"{self.name}.amazonaws.com"

    @abstractmethod
    def error_of(self, failure: KmsFailure) -> ServiceError:
        """What its user sees of a failure of KMS."""

    def key(self, asked: Asked, name: str, region: str | None = None) -> ServiceKey:
        """The key that a parameter names. Errors: ServiceError where AWS owns none for this service's users."""
        given = asked.optional(name) or self.default_key
        if given == AWS_OWNED and not self.offers_owned:
            raise ServiceError("ValidationException", f"{self.name} offers its users no key that AWS owns.")
        return chosen_key(given, service=self.name, region=region or asked.region, managed=self.managed)


class Worded(Service):
    """A service that words KMS's refusals by a table."""

    denied: ClassVar[str] = "AccessDeniedException"
    throttled: ClassVar[str] = "ThrottlingException"
    other: ClassVar[str]
    """For whatever has no word of its own."""
    words: ClassVar[Mapping[str, str]] = {}
    unavailable: ClassVar[str] = "InternalServerError"
    """Where KMS gives no answer."""

    def error_of(self, failure: KmsFailure) -> ServiceError:
        if failure.is_failure:
            return ServiceError(self.unavailable, failure.code, is_failure=True)
        usual = {"AccessDeniedException": self.denied, "ThrottlingException": self.throttled}
        code = self.words.get(failure.code) or usual.get(failure.code) or self.other
        return ServiceError(code, f"{failure.code}: {failure.message}" if failure.message else failure.code)


def made_identity(asked: Asked, role: str, session: str) -> Principal:
    """An identity that a service makes in its user's account, to give a grant to."""
    partition, account = partition_of(asked.region).name, asked.user.account
    return Principal(
        kind=PrincipalKind.ROLE_SESSION,
        arn=f"arn:{partition}:sts::{account}:assumed-role/{role}/{session}",
        account=account,
        name=role,
        session_name=session,
    )


def arn_of(asked: Asked, service: str, resource: str) -> str:
    """The ARN of a resource of the user's account."""
    return f"arn:{partition_of(asked.region).name}:{service}:{asked.region}:{asked.user.account}:{resource}"
