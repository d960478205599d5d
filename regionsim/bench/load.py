"""The load: callers of one Region, each with one call on its way at any time (a closed loop).

A call goes in at the Region's door, as a call from outside does, and takes the whole path: shapes, look-up, policy,
HSM, audit. With `is_durable` a caller takes an answer only when the call's audit entry is on the disk; whoever waits
for that while a commit is under way is served by the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from functools import partial
from typing import Any

from regionsim.authorization.principals import Principal
from regionsim.bench.operations import CONTEXT, PLAINTEXT, Measured, OwnKey, Stock
from regionsim.kms.errors import KmsError
from regionsim.kms.plan import Call
from regionsim.names.dataclass import dataclass
from regionsim.names.ids import new_uuid
from regionsim.region.region import Region, Reply
from regionsim.runtime.entropy import Stream
from regionsim.runtime.histogram import Histogram
from regionsim.runtime.tasks import Future, Scope, future, now_ns, sleep
from regionsim.store.errors import StoreError

KEY_COUNT = 16
_CALLS_A_TURN = 64
"""Calls of a caller that is alone before the loop has a turn, for timers and for what the disk says. Source: ours."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the callers of one Region saw; latencies are in nanoseconds."""

    calls: int = 0
    refused: int = 0
    first_refusal: str = ""
    latencies: Histogram = field(default_factory=Histogram)


class Load:
    """All callers of one Region."""

    def __init__(self, region: Region, caller: Principal, stream: Stream, scope: Scope, *, is_durable: bool) -> None:
        self.region = region
        self._caller = caller
        self._stream = stream
        self._scope = scope
        self._is_durable = is_durable
        self._is_committing = False
        self._waiters: list[Future[Any]] = []
        self._number = 0
        self._stock = Stock(key_ids=(), ciphertexts=())
        self._own: dict[str, Stock] = {}

    async def prepare(self) -> None:
        """Make the keys and ciphertexts that the calls use. Errors: KmsError."""
        key_ids, ciphertexts = [], []
        for _ in range(KEY_COUNT):
            made = await self.response("CreateKey", {})
            key_ids.append(made["KeyMetadata"]["KeyId"])
            wanted = {"KeyId": key_ids[-1], "Plaintext": PLAINTEXT, "EncryptionContext": dict(CONTEXT)}
            ciphertexts.append((await self.response("Encrypt", wanted))["CiphertextBlob"])
        self._stock = Stock(key_ids=tuple(key_ids), ciphertexts=tuple(ciphertexts))

    async def prepare_for(self, operations: Iterable[Measured]) -> None:
        """Make the keys of other kinds that these operations are for, one for each. Errors: KmsError."""
        for measured in operations:
            if measured.own_key is not None:
                self._own[measured.name] = await self._own_stock(measured.own_key)

    async def _own_stock(self, key: OwnKey) -> Stock:
        made = await self.response("CreateKey", {"KeySpec": key.spec, "KeyUsage": key.usage})
        key_id = made["KeyMetadata"]["KeyId"]
        response = await self.response(key.beforehand, key.wanted(key_id)) if key.beforehand else {}
        return replace(self._stock, own_key_id=key_id, made=response)

    def begin(self, operation: Measured, callers: int, end_ns: int, tally: Tally) -> list[Any]:
        """Let that many callers call until `end_ns` on the loop's clock; their tasks."""
        return [
            self._scope.spawn(self._repeat(operation, callers, end_ns, tally), name=f"caller-{number}")
            for number in range(callers)
        ]

    async def _repeat(self, operation: Measured, callers: int, end_ns: int, tally: Tally) -> None:
        stock = self._own.get(operation.name, self._stock)
        while True:
            began_ns = now_ns()
            if began_ns >= end_ns:
                return
            self._number += 1
            reply = await self._ask(operation.operation, operation.parameters(stock, self._number))
            if self._is_durable:
                await self._kept()
            elif callers > 1 or self._number % _CALLS_A_TURN == 0:
                await sleep(0)  # an answer may be there at once; the others have a turn all the same
            tally.latencies.add(now_ns() - began_ns)
            tally.calls += 1
            if isinstance(reply, KmsError):
                tally.refused += 1
                tally.first_refusal = tally.first_refusal or f"{reply.code}: {reply.message}"

    async def _ask(self, operation: str, parameters: Mapping[str, Any]) -> Reply:
        answered = future()
        call = Call(
            operation=operation,
            parameters=parameters,
            caller=self._caller,
            request_id=new_uuid(self._stream.bytes(16)),
        )
        self.region.accept(call, partial(_settle, answered))
        reply: Reply = await answered
        return reply

    async def response(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to one call. Errors: KmsError."""
        reply = await self._ask(operation, parameters)
        if isinstance(reply, KmsError):
            raise reply
        return reply or {}

    async def _kept(self) -> None:
        """Wait until everything that was answered by now is on the disk. Errors: StoreError."""
        waiter = future()
        self._waiters.append(waiter)
        if not self._is_committing:
            self._is_committing = True
            self._scope.spawn(self._commit(), name="commit")
        await waiter

    async def _commit(self) -> None:
        while self._waiters:
            served, self._waiters = self._waiters, []
            try:
                await self.region.flush_audit()
            except StoreError as error:
                for waiter in served:
                    if not waiter.done():
                        waiter.set_exception(error)
            else:
                for waiter in served:
                    _settle(waiter, None)
        self._is_committing = False


def _settle(waiter: Future[Any], value: object) -> None:
    """Give the value to whoever waits; an interrupted run waits for nothing any more."""
    if not waiter.done():
        waiter.set_result(value)
