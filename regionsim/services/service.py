"""What every service has: operations with parameters, users who call them, and errors in the service's own words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from regionsim.authorization.principals import Principal, PrincipalKind
from regionsim.client.client import Try
from regionsim.names.regions import partition_of
from regionsim.runtime.entropy import Stream
from regionsim.runtime.tasks import now_ns
from regionsim.services.door import Clients, KmsDoor, KmsFailure
from regionsim.services.keys import ServiceKey, chosen_key
from regionsim.simulation.simulation import Simulation


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
    takes: ClassVar[Mapping[str, Takes]]
    """Its operations."""

    def __init__(self, simulation: Simulation) -> None:
        self._clients = Clients(simulation, self.name)
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
        kms = KmsDoor(self._clients, via=self.via, principal=self.principal(region), region=region, user=user)
        asked = Asked(user=user, region=region, given=given, kms=kms)
        response: Mapping[str, Any] = {}
        error: ServiceError | None = None
        try:
            response = await handler(asked)
        except KmsFailure as failure:
            error = self.error_of(failure)
        except ServiceError as own:
            error = own
        return Answered(
            response=response,
            error=None if error is None else error.code,
            message="" if error is None else error.message,
            is_failure=error is not None and error.is_failure,
            calls=tuple(kms.calls),
            tries=tuple(kms.tries),
            sent_at_ns=sent_at_ns,
            answered_at_ns=now_ns(),
        )

    def principal(self, region: str) -> str:
        """The service principal under which it calls in its own name."""
        return f"{self.name}.amazonaws.com"

    @abstractmethod
    def error_of(self, failure: KmsFailure) -> ServiceError:
        """What its user sees of a failure of KMS."""

    def key(self, asked: Asked, name: str, region: str | None = None) -> ServiceKey:
        """The key that a parameter names."""
        given = asked.optional(name) or self.default_key
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
