"""A caller of KMS: Regions in failover order, a time-out, a retry mode as the AWS SDKs have it.

Tries are counted within one Region; after them a time-out, a connection error or a server fault moves to the next
Region, a refusal does not. Latency and failure are what the caller sees over all Regions tried.

Source: AWS SDKs and Tools reference guide, "Retry behavior" (standard mode: 3 tries, full-jitter back-off up to 20 s,
a retry quota of 500 tokens, 5 a retry and 10 after a time-out; a success gives back what its last retry cost, or 1 when
it needed none).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from regionsim.authorization.principals import Principal
from regionsim.client.rate_limiter import RateLimiter
from regionsim.client.settings import ClientSettings, RetryMode
from regionsim.kms.errors import KmsError, ServerFault, ThrottlingException
from regionsim.kms.plan import Call
from regionsim.names.ids import new_uuid
from regionsim.region.region import Reply as RegionReply
from regionsim.runtime.entropy import Stream
from regionsim.runtime.strands import Signal
from regionsim.runtime.tasks import call_later_ns, now_ns, sleep
from regionsim.simulation.simulation import Simulation

CONNECT_TIMEOUT = "ConnectTimeout"
READ_TIMEOUT = "ReadTimeout"
CONNECTION_REFUSED = "ConnectionRefused"
CONNECTION_ERRORS = (CONNECT_TIMEOUT, READ_TIMEOUT, CONNECTION_REFUSED)
"""What a caller sees instead of an answer. After a ReadTimeout the call may have happened."""

_STANDARD_TRIES = 3
_BACKOFF_AT_MOST_NS = 20_000_000_000
_BACKOFF_UNIT_NS = 1_000_000_000
_QUOTA = 500
_RETRY_COST = 5
_TIMEOUT_COST = 10
_FIRST_SUCCESS_GIVES = 1


class Try(NamedTuple):
    """One request to one Region: when it was sent, its error code ("" for success) and how long it took."""

    region: str
    error: str
    sent_at_ns: int
    duration_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the application gets: a response, or the error of the last try.

    `error` is AWS's code, `ConnectTimeout`, `ReadTimeout` or `ConnectionRefused`; None on success. Instants are the
    loop's.
    """

    response: Mapping[str, Any] | None = field(default=None, repr=False)
    error: str | None = None
    message: str = ""
    is_failure: bool = False
    region: str
    sent_at_ns: int
    answered_at_ns: int
    tries: tuple[Try, ...]

    @property
    def latency_ns(self) -> int:
        return self.answered_at_ns - self.sent_at_ns


class _Outcome(NamedTuple):
    """One try's end: a reply of the Region, or what the connection did."""

    reply: RegionReply = None
    connection_error: str = ""

    @property
    def error(self) -> str:
        if self.connection_error:
            return self.connection_error
        return self.reply.code if isinstance(self.reply, KmsError) else ""

    @property
    def is_failure(self) -> bool:
        """True for a time-out, a connection error or a server fault: what another Region might do better."""
        return bool(self.connection_error) or isinstance(self.reply, ServerFault)

    @property
    def is_retryable(self) -> bool:
        return self.is_failure or isinstance(self.reply, ThrottlingException)


class _Knock(Signal[_Outcome]):
    """One try on its way; it ends once, by a reply, by what the connection did, or by the time-out."""

    __slots__ = ("_is_connected",)

    def __init__(self) -> None:
        super().__init__()
        self._is_connected = False

    def replied(self, reply: RegionReply) -> None:
        self.give(_Outcome(reply))

    def refused(self) -> None:
        self.give(_Outcome(connection_error=CONNECTION_REFUSED))

    def connected(self) -> None:
        self._is_connected = True

    def time_out(self) -> None:
        # Whether the Region had taken the call up decides whether it may have happened.
        self.give(_Outcome(connection_error=READ_TIMEOUT if self._is_connected else CONNECT_TIMEOUT))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """One call as the application wants it, and the stream that everything about it is drawn from."""

    operation: str
    parameters: Mapping[str, Any] = field(repr=False)
    caller: Principal
    stream: Stream


class Client:
    """One client of an application; `label` names its stream of draws."""

    def __init__(self, simulation: Simulation, settings: ClientSettings, label: str) -> None:
        self.settings = settings
        self.label = label
        self._simulation = simulation
        self._call_count = 0
        self._quota = _QUOTA
        self._limiter = RateLimiter() if settings.retries is RetryMode.ADAPTIVE else None

    async def call(self, operation: str, parameters: Mapping[str, Any], caller: Principal) -> Reply:
        """Call until a Region answers, a Region refuses, or all Regions were tried."""
        self._call_count += 1
        # Each call draws from a stream of its own: how often one is tried moves no draw of another.
        stream = self._simulation.entropy.single_use(f"client/{self.label}/{self._call_count}")
        wish = _Wish(operation=operation, parameters=parameters, caller=caller, stream=stream)
        sent_at_ns, tries = now_ns(), list[Try]()
        outcome, region = _Outcome(), self.settings.regions[0]
        for region in self.settings.regions:
            outcome = await self._call_region(region, wish, tries)
            if not outcome.is_failure:
                break
        return self._reply(operation, caller, outcome, region, sent_at_ns, tuple(tries))

    async def _call_region(self, region: str, wish: _Wish, tries: list[Try]) -> _Outcome:
        count = 1 if self.settings.retries is RetryMode.NONE else _STANDARD_TRIES
        outcome, given_back = _Outcome(), _FIRST_SUCCESS_GIVES
        for number in range(count):
            if self._limiter is not None:
                await sleep(self._limiter.wait_ns(now_ns()))
            began_ns = now_ns()
            outcome = await self._try(region, wish)
            if self._limiter is not None:
                self._limiter.answered(now_ns(), is_throttled=isinstance(outcome.reply, ThrottlingException))
            duration_ns = now_ns() - began_ns
            tries.append(Try(region=region, error=outcome.error, sent_at_ns=began_ns, duration_ns=duration_ns))
            if not outcome.error:
                self._quota = min(_QUOTA, self._quota + given_back)
            cost = _TIMEOUT_COST if outcome.connection_error in (CONNECT_TIMEOUT, READ_TIMEOUT) else _RETRY_COST
            if not outcome.is_retryable or number + 1 == count or self._quota < cost:
                break
            self._quota, given_back = self._quota - cost, cost
            limit_ns = min(_BACKOFF_UNIT_NS << number, _BACKOFF_AT_MOST_NS)
            await sleep(int(wish.stream.random() * limit_ns))
        return outcome

    async def _try(self, region: str, wish: _Wish) -> _Outcome:
        call = Call(
            operation=wish.operation,
            parameters=wish.parameters,
            caller=wish.caller,
            request_id=new_uuid(wish.stream.bytes(16)),
        )
        knock = _Knock()
        deadline = call_later_ns(self.settings.timeout_ns, knock.time_out)
        self._simulation.knock(
            self.settings.near, region, call, wish.stream, knock.replied, knock.refused, knock.connected
        )
        try:
            return await knock
        finally:
            deadline.cancel()

    def _reply(
        self,
        operation: str,
        caller: Principal,
        outcome: _Outcome,
        region: str,
        sent_at_ns: int,
        tries: tuple[Try, ...],
    ) -> Reply:
        said = outcome.reply
        reply = Reply(
            response=None if isinstance(said, KmsError) else said,
            error=outcome.error or None,
            message=said.message if isinstance(said, KmsError) else "",
            is_failure=outcome.is_failure,
            region=region,
            sent_at_ns=sent_at_ns,
            answered_at_ns=now_ns(),
            tries=tries,
        )
        self._simulation.trace.emit(
            self.settings.near,
            "client_call",
            client=self.label,
            op=operation,
            by=caller.arn,
            result=reply.error or "ok",
            answered_by=region,
            tries=len(tries),
            latency_ns=reply.latency_ns,
        )
        return reply
