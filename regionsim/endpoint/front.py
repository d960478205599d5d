"""What answers a request to AWS: who signed it, which service it is for, what a Region says to it.

The Region of a request is the one in its signature's scope; on a Region's own port it must be that one.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable

from regionsim.accounts.directory import Directory
from regionsim.endpoint import aws_json, sts
from regionsim.endpoint.chaos import Chaos
from regionsim.endpoint.door import Door
from regionsim.endpoint.http import BadRequest, HttpRequest, HttpResponse
from regionsim.endpoint.keyring import Keyring
from regionsim.endpoint.sigv4 import Signature, Verifier, read_signature
from regionsim.kms.errors import InvalidSignatureException, KmsError, KMSInternalException
from regionsim.kms.plan import Call
from regionsim.names.dataclass import dataclass
from regionsim.names.ids import new_uuid
from regionsim.runtime.entropy import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What stands behind a front. `regions` are all Regions of the world; those that `door` lacks are in another
    process, and `elsewhere` asks there: Errors: Hangup when that is gone."""

    regions: tuple[str, ...]
    door: Callable[[], Door | None]
    directory: Callable[[], Directory]
    keyring: Callable[[], Keyring]
    chaos: Chaos
    elsewhere: Callable[[HttpRequest, str], Awaitable[HttpResponse]]
    tell_bug: Callable[[str], None]
    """Hears of what should not have happened, as text."""


class Front:
    """The AWS side of a live endpoint. `now_s` is the machine's time."""

    def __init__(self, behind: Behind, stream: Stream, now_s: Callable[[], float]) -> None:
        self._behind = behind
        self._stream = stream
        self._verifier = Verifier(now_s)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """AWS's response. Errors: Hangup, Stalled: none, because of a fault."""
        request_id = new_uuid(self._stream.bytes(16))
        try:
            signature = read_signature(request)
            if signature.service == sts.SERVICE:
                return self._answer_sts(request, signature, request_id)
            region = self._region(request, signature)
            door = self._behind.door()
            if door is None or region not in door.simulation.regions:
                return await self._behind.elsewhere(request, region)
            call = self._call(request, signature, request_id)
        except KmsError as refusal:
            return self._refused(request, refusal, request_id)
        if self._behind.chaos.is_on:
            struck = await self._behind.chaos.meet(aws_json.SERVICE, region, call.operation, request_id)
            if struck is not None:
                return struck
        reply = await door.ask(region, call, connected_ns=request.accepted_ns)
        return aws_json.response_of(call.operation, reply, request_id)

    def refused(self, request: HttpRequest, bad: BadRequest) -> HttpResponse:
        """The response to a request that went over a limit."""
        return self._refused(request, bad.refusal, new_uuid(self._stream.bytes(16)))

    def bug(self, request: HttpRequest, error: Exception) -> HttpResponse:
        """The response to a request that ran into a bug of ours; where is told, and nothing of what it held."""
        request_id = new_uuid(self._stream.bytes(16))
        operation = request.headers.get("x-amz-target", f"{request.method} {request.path}")[:80]
        where = "".join(traceback.format_tb(error.__traceback__))
        self._behind.tell_bug(
            f"a bug of regionsim: {type(error).__name__} in {operation!r} (request {request_id})\n{where}"
        )
        return aws_json.refusal_response(KMSInternalException(), request_id)

    def _refused(self, request: HttpRequest, refusal: KmsError, request_id: str) -> HttpResponse:
        is_query = "x-amz-target" not in request.headers and (
            b"Action=" in request.body[:64] or "Action=" in request.query
        )
        return sts.refusal_response(refusal, request_id) if is_query else aws_json.refusal_response(refusal, request_id)

    def _region(self, request: HttpRequest, signature: Signature) -> str:
        if signature.service != aws_json.SERVICE:
            raise InvalidSignatureException("Credential should be scoped to correct service: 'kms'.")
        if signature.region not in self._behind.regions or request.region not in (None, signature.region):
            raise InvalidSignatureException("Credential should be scoped to a valid region.")
        return signature.region

    def _call(self, request: HttpRequest, signature: Signature, request_id: str) -> Call:
        signer = self._behind.keyring().signer(signature.access_key_id, signature.token, signature.region)
        self._verifier.verify(request, signature, signer.secret)
        operation = aws_json.operation_of(request)
        return aws_json.read_call(request, operation, signer.principal, request_id)

    def _answer_sts(self, request: HttpRequest, signature: Signature, request_id: str) -> HttpResponse:
        """STS has no Regions of its own here: its global endpoint and every Region's answer alike."""
        keyring = self._behind.keyring()
        signer = keyring.signer(signature.access_key_id, signature.token, signature.region)
        self._verifier.verify(request, signature, signer.secret)
        return sts.answer(request, signer.principal, request_id, keyring, self._behind.directory())
