"""A caller of KMS: Regions in failover order, a time-out, a retry mode as the AWS SDKs have it.

Tries are counted within one Region; after them a time-out, a connection error or a server fault moves to the next
Region, a refusal does not. Latency and failure are what the caller sees over all Regions tried.

Source: AWS SDKs and Tools reference guide, "Retry behavior" (standard mode: 3 tries, full-jitter back-off up to 20 s,
a retry quota of 500 tokens, 5 a retry and 10 after a time-out; a success gives back what its last retry cost, or 1 when
it needed none).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import field
from typing import Any, NamedTuple

from regionsim.authorization.circumstances import NONE, Circumstances
from regionsim.authorization.principals import Principal
from regionsim.client.connections import Connections
from regionsim.client.rate_limiter import RateLimiter
from regionsim.client.settings import ClientSettings, RetryMode
from regionsim.kms.errors import KmsError, ServerFault, ThrottlingException
from regionsim.kms.plan import Call
from regionsim.names.dataclass import dataclass
from regionsim.names.ids import new_uuid
from regionsim.names.made_often import made_often
from regionsim.region.region import Reply as RegionReply
from regionsim.runtime.entropy import Stream
from regionsim.runtime.strands import Signal
from regionsim.runtime.tasks import Cancellable, call_later_ns, now_ns, sleep
from regionsim.simulation.simulation import Simulation

CONNECT_TIMEOUT = "ConnectTimeout"
READ_TIMEOUT = "ReadTimeout"
CONNECTION_REFUSED = "ConnectionRefused"
ENDPOINT_CONNECTION_ERROR = "EndpointConnectionError"
CONNECTION_ERRORS = (CONNECT_TIMEOUT, READ_TIMEOUT, CONNECTION_REFUSED, ENDPOINT_CONNECTION_ERROR)
"""What a caller sees instead of an answer. After a ReadTimeout the call may have happened; EndpointConnectionError is
botocore's word for an endpoint whose name it cannot resolve."""

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


@made_often
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
    """One try's end: a reply of the Region, or what the connection did.

    `is_failure`: a time-out, a connection error or a server fault, which another Region might do better.
    """

    reply: RegionReply = None
    error: str = ""
    is_failure: bool = False
    is_retryable: bool = False


_NONE_YET = _Outcome()


def _outcome_of(reply: RegionReply) -> _Outcome:
    if not isinstance(reply, KmsError):
        return _Outcome(reply)
    is_failure = isinstance(reply, ServerFault)
    return _Outcome(reply, reply.code, is_failure, is_failure or isinstance(reply, ThrottlingException))


class _Knock(Signal[_Outcome]):
    """One try on its way; it ends once, by a reply, by what the connection did, or by the time-out."""

    __slots__ = ("_is_connected", "deadline_ns")

    def __init__(self, deadline_ns: int) -> None:
        super().__init__()
        self._is_connected = False
        self.deadline_ns = deadline_ns

    def replied(self, reply: RegionReply) -> None:
        self.give(_outcome_of(reply))

    def refused(self) -> None:
        self.give(_Outcome(None, CONNECTION_REFUSED, True, True))

    def nameless(self) -> None:
        self.give(_Outcome(None, ENDPOINT_CONNECTION_ERROR, True, True))

    def connected(self) -> None:
        self._is_connected = True

    def time_out(self) -> None:
        # Whether the Region had taken the call up decides whether it may have happened.
        self.give(_Outcome(None, READ_TIMEOUT if self._is_connected else CONNECT_TIMEOUT, True, True))


class _Deadlines:
    """The time-outs of one client's tries. They come in the order in which the tries were sent, so one timer does."""

    def __init__(self, timeout_ns: int) -> None:
        self._timeout_ns = timeout_ns
        self._knocks: deque[_Knock] = deque()
        self._timer: Cancellable | None = None

    def knock(self) -> _Knock:
        """A try that is sent now."""
        knock = _Knock(now_ns() + self._timeout_ns)
        self._knocks.append(knock)
        if self._timer is None:
            self._timer = call_later_ns(self._timeout_ns, self._time_out)
        return knock

    def one_is_over(self) -> None:
        """A try has ended: leave no timer behind when it was the last."""
        self._drop_ended()
        if not self._knocks and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop_ended(self) -> None:
        knocks = self._knocks
        while knocks and knocks[0].done():
            knocks.popleft()

    def _time_out(self) -> None:
        self._timer = None
        knocks, instant_ns, late = self._knocks, now_ns(), list[_Knock]()
        while knocks and (knocks[0].deadline_ns <= instant_ns or knocks[0].done()):
            late.append(knocks.popleft())
        if knocks:
            self._timer = call_later_ns(knocks[0].deadline_ns - instant_ns, self._time_out)
        for knock in late:  # last: who waits for it may try again at once
            knock.time_out()


class _Wish:
    """One call as the application wants it, and the stream that everything about it is drawn from."""

    __slots__ = ("caller", "circumstances", "operation", "parameters", "stream")

    def __init__(
        self,
        operation: str,
        parameters: Mapping[str, Any],
        caller: Principal,
        circumstances: Circumstances,
        stream: Stream,
    ) -> None:
        self.operation = operation
        self.parameters = parameters
        self.caller = caller
        self.circumstances = circumstances
        self.stream = stream


class Client:
    """One client of an application; `label` names its stream of draws."""

    def __init__(self, simulation: Simulation, settings: ClientSettings, label: str) -> None:
        self.settings = settings
        self.label = label
        self._simulation = simulation
        self._call_count = 0
        self._quota = _QUOTA
        self._deadlines = _Deadlines(settings.timeout_ns)
        self._connections = Connections()
        self._limiter = RateLimiter() if settings.retries is RetryMode.ADAPTIVE else None

    async def call(
        self,
        operation: str,
        parameters: Mapping[str, Any],
        caller: Principal,
        circumstances: Circumstances = NONE,
    ) -> Reply:
        """Call until a Region answers, a Region refuses, or all Regions were tried."""
        self._call_count += 1
        # Each call draws from a stream of its own: how often one is tried moves no draw of another.
        stream = self._simulation.entropy.single_use(f"client/{self.label}/{self._call_count}")
        wish = _Wish(operation, parameters, caller, circumstances, stream)
        tries: list[Try] = []
        sent_at_ns = now_ns()
        outcome, region = _NONE_YET, self.settings.regions[0]
        for region in self.settings.regions:
            outcome = await self._call_region(region, wish, tries)
            if not outcome.is_failure:
                break
        return self._reply(operation, caller, outcome, region, sent_at_ns, tuple(tries))

    async def _call_region(self, region: str, wish: _Wish, tries: list[Try]) -> _Outcome:
        count = 1 if self.settings.retries is RetryMode.NONE else _STANDARD_TRIES
        outcome, given_back = _NONE_YET, _FIRST_SUCCESS_GIVES
        for number in range(count):
            if self._limiter is not None:
                await sleep(self._limiter.wait_ns(now_ns()))
            began_ns = now_ns()
            knock = self._knock(region, wish)
            try:
                outcome = await knock
            finally:
                self._deadlines.one_is_over()
            if not outcome.error or outcome.reply is not None:
                self._connections.give_back(region, now_ns())
            if self._limiter is not None:
                self._limiter.answered(now_ns(), is_throttled=isinstance(outcome.reply, ThrottlingException))
            tries.append(Try(region, outcome.error, began_ns, now_ns() - began_ns))
            if not outcome.error:
                self._quota = min(_QUOTA, self._quota + given_back)
                break
            cost = _TIMEOUT_COST if outcome.error in (CONNECT_TIMEOUT, READ_TIMEOUT) else _RETRY_COST
            if not outcome.is_retryable or number + 1 == count or self._quota < cost:
                break
            self._quota, given_back = self._quota - cost, cost
            limit_ns = min(_BACKOFF_UNIT_NS << number, _BACKOFF_AT_MOST_NS)
            await sleep(int(wish.stream.random() * limit_ns))
        return outcome

    def _knock(self, region: str, wish: _Wish) -> _Knock:
        stream = wish.stream
        call = Call(
            operation=wish.operation,
            parameters=wish.parameters,
            caller=wish.caller,
            request_id=new_uuid(stream.bytes(16)),
            circumstances=wish.circumstances,
        )
        knock = self._deadlines.knock()
        if self._connections.take(region, now_ns()) or self._simulation.can_connect(region):
            self._simulation.knock(
                self.settings.near, region, call, stream, knock.replied, knock.refused, knock.connected
            )
        else:
            knock.nameless()
        return knock

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
