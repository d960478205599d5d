"""One HTTP/1.1 connection: bytes to requests, each answered in its turn, and responses to bytes.

Theory of operation. httptools (the parser of Node.js) reads the bytes. Requests that have arrived whole in one turn of
the loop are taken up together (`runtime/stage`), and the answer to each is a strand: what need not wait is answered
there and then, without a task, a queue or a timer of its own, and all that is answered in one turn is sent together.
Requests that come while an earlier one is being answered stand in line, and nothing more is read until the line is
empty; nothing more is read either while the client does not take what was answered. One clock of the server looks
twice a second for connections whose time is over.

A server for any application does all of this with a task and an event for each request. Measured with 64 connections
and an application that does nothing: uvicorn 30 us of processor time a request, this 17.
"""

from __future__ import annotations

import asyncio
from collections import deque
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

from regionsim.endpoint.http import Hangup, HttpRequest, HttpResponse, Stalled
from regionsim.runtime.stage import Stage
from regionsim.runtime.strands import Signal
from regionsim.runtime.tasks import Scope, now_ns, sleep

KEEP_ALIVE_NS = 65_000_000_000
"""How long a connection may idle before a request."""

READ_WITHIN_NS = 20_000_000_000
"""How long a request may take to arrive, from its first byte to its last; slow ones are cut off."""

MOST_HEAD_BYTES = 65_536
MOST_BODY_BYTES = 1_048_576

_SENT_AT_ONCE_BYTES = 65_536
_NEVER_NS = 1 << 63
_TICK_S = 0.5
_DRAIN_STEP_NS = 10_000_000
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_HEADER_NAMES = {
    spelling.encode("ascii"): name
    for name in (
        *("host", "authorization", "content-type", "content-length", "user-agent", "accept", "accept-encoding"),
        *("x-amz-target", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "connection"),
        *("amz-sdk-invocation-id", "amz-sdk-request"),
    )
    for spelling in (name, name.title())
}
_MALFORMED = HttpResponse(
    status=400,
    body=b'{"__type":"MalformedHttpRequestException","message":"Problems with the request at the HTTP level."}',
    headers={"content-type": "application/x-amz-json-1.1"},
)


class Application(Protocol):
    """What answers requests."""

    async def answer(self, request: HttpRequest, /) -> HttpResponse:
        """The response. Errors: Hangup, Stalled."""
        ...

    def too_large(self, request: HttpRequest, /) -> HttpResponse:
        """The response to a request whose body is over the limit, and left out."""
        ...


class _Turn(NamedTuple):
    """A request in line, or what is to be said in its place; with the last one the connection ends."""

    asked: HttpRequest | HttpResponse
    is_last: bool


class Connection(asyncio.Protocol):
    """One connection. `region` is the Region whose own port it came in by, None on the shared port."""

    def __init__(self, server: HttpServer, region: str | None) -> None:
        self.region = region
        self.accepted_ns = now_ns()
        self.is_stalled = False
        """True while nothing is answered on it: its client waits, or gives up."""
        self.deadline_ns = self.accepted_ns + KEEP_ALIVE_NS
        self._server = server
        self._transport: asyncio.Transport
        self._parser = HttpRequestParser(self)
        self._source_ip = "127.0.0.1"
        self._line: deque[_Turn] = deque()
        self._is_busy = False
        self._is_deaf = False
        self._is_ending = False
        self._relief: Signal[None] | None = None
        self._head_bytes: int | None = None
        self._has_ended_one = False
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body = b""

    # Its life.

    @property
    def is_answering(self) -> bool:
        """True while a request waits for its answer, and may get one."""
        return self._is_busy and not self.is_stalled

    def abort(self) -> None:
        """Close it at once, whatever is under way."""
        self._is_deaf = True
        self._transport.abort()

    def shut_down(self) -> None:
        """Close it as soon as what is being answered has been; at once where nothing ever will be."""
        self._is_ending = True
        if self.is_stalled:
            self.abort()
        elif not self.is_answering:
            self._transport.close()

    def send(self, response: bytes) -> None:
        """Put it on the way; nothing: there is no more, and the connection is closed."""
        if self._transport.is_closing():
            return
        if response:
            self._transport.write(response)
        else:
            self._transport.close()

    def look_at_clock(self, at_ns: int) -> None:
        """Close it if it has idled, or been slow, for too long."""
        if at_ns >= self.deadline_ns:
            self.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if peer:
            self._source_ip = peer[0]
        self._server.connections[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_deaf = True
        self._server.connections.pop(self, None)
        self.resume_writing()

    def pause_writing(self) -> None:
        """The client does not take what it gets: answer no more until it does."""
        self._relief = Signal()

    def resume_writing(self) -> None:
        relief, self._relief = self._relief, None
        if relief is not None:
            relief.give(None)

    # Reading.

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._has_ended_one = False
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            return  # answered as what it also is: a request, and the last one
        except HttpParserError:
            self._refuse(_MALFORMED)
            return
        if self._head_bytes is not None and not self._has_ended_one:  # else the head is not all of these bytes
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse(_MALFORMED)

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._url, self._headers, self._body = b"", {}, b""
        self._head_bytes = 0
        self.deadline_ns = now_ns() + READ_WITHIN_NS

    def on_url(self, part: bytes) -> None:
        self._url += part

    def on_header(self, raw_name: bytes, raw_value: bytes) -> None:
        """Several of one name are joined by commas, as signing wants them. Trailers, behind a body, are nobody's."""
        if self._head_bytes is None:
            return
        name = _HEADER_NAMES.get(raw_name) or raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1")
        headers = self._headers
        headers[name] = f"{headers[name]},{value}" if name in headers else value

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        expected = self._headers.get("expect")
        if expected and expected.lower() == "100-continue" and not self._is_busy and not self._is_deaf:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        if self._is_deaf:
            return
        self._body = self._body + part if self._body else part
        if len(self._body) > MOST_BODY_BYTES:
            self._body = b""
            self._refuse(self._server.application.too_large(self._request()))

    def on_message_complete(self) -> None:
        if self._is_deaf:
            return
        self.deadline_ns = _NEVER_NS
        self._has_ended_one = True
        parser = self._parser
        is_last = not parser.should_keep_alive() or parser.get_http_version() == "1.0" or parser.should_upgrade()
        self._is_deaf = is_last
        self._take(_Turn(self._request(), is_last))

    def _request(self) -> HttpRequest:
        """The request as it came. Errors: HttpParserError for a target that is none."""
        if self._url == b"/":
            path, query = "/", ""
        else:
            path, _, query = _target(self._url).decode("latin-1").partition("?")
        method = self._parser.get_method()
        return HttpRequest(
            method="POST" if method == b"POST" else method.decode("ascii"),
            path=path,
            query=query,
            headers=self._headers,
            body=self._body,
            region=self.region,
            source_ip=self._source_ip,
            accepted_ns=self.accepted_ns,
        )

    def _refuse(self, response: HttpResponse) -> None:
        """Say that when its turn comes, and hear no more."""
        if not self._is_deaf:
            self._is_deaf = True
            self.deadline_ns = _NEVER_NS
            self._take(_Turn(response, is_last=True))

    # Answering.

    def _take(self, turn: _Turn) -> None:
        self._line.append(turn)
        if self._is_busy:
            self._transport.pause_reading()
        else:
            self._is_busy = True
            self._server.taken.add(self)

    def begin(self) -> None:
        """Begin to answer what was taken."""
        self._server.scope.begin(self._answer(), name="connection")

    async def _answer(self) -> None:
        """Answer all that stand in line."""
        turn = self._line.popleft()
        while True:
            asked, is_last = turn
            is_head = False
            try:
                if isinstance(asked, HttpRequest):
                    is_head = asked.method == "HEAD"
                    response = await self._server.application.answer(asked)
                else:
                    response = asked
            except Hangup:
                self.abort()
                return
            except Stalled:
                self._stall()
                return
            if self._transport.is_closing():
                return
            is_last = is_last or self._is_ending
            self._say(response, is_last=is_last, is_head=is_head)
            if is_last:
                self._server.send(self, b"")
                return
            if self._relief is not None:
                self.deadline_ns = now_ns() + KEEP_ALIVE_NS
                await self._relief
            if not self._line:
                break
            turn = self._line.popleft()
            if not self._line:
                self._transport.resume_reading()
        self._is_busy = False
        self.deadline_ns = now_ns() + KEEP_ALIVE_NS

    def _stall(self) -> None:
        # Whoever waits on the shared port keeps others of this connection waiting who want another Region.
        if self.region is None:
            self.abort()
        else:
            self.is_stalled = True

    def _say(self, response: HttpResponse, *, is_last: bool, is_head: bool) -> None:
        body = response.body
        head = _STATUS_LINES.get(response.status, f"HTTP/1.1 {response.status} \r\n") + self._server.date
        for name, value in response.headers.items():
            head += f"{name}: {value}\r\n"
        if is_last:
            head += "connection: close\r\n"
        head += f"content-length: {len(body)}\r\n\r\n"
        self._server.send(self, head.encode("latin-1") if is_head else head.encode("latin-1") + body)


class HttpServer:
    """What all ports share: the application, the open connections, the date that goes into responses."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.connections: dict[Connection, None] = {}
        self.scope = Scope("http")
        self.date = ""
        self.taken: Stage[Connection] = Stage(Connection.begin)
        """Whose requests are answered when all that has arrived by now has been read."""
        self._to_send: Stage[tuple[Connection, bytes]] = Stage(_send)
        self._to_send_bytes = 0
        self._timer: asyncio.TimerHandle
        self._tick()

    def connections_of(self, region: str | None) -> list[Connection]:
        """The open connections of a Region's own port, or (None) of the shared port."""
        return [one for one in self.connections if one.region == region]

    def send(self, connection: Connection, response: bytes) -> None:
        """Send it when all that has arrived by now has been answered.

        A response wakes whoever waits for it, which costs more than all of HTTP; the second one that comes at the same
        time finds them awake.
        """
        if not self._to_send:
            self._to_send_bytes = 0
        self._to_send.add((connection, response))
        self._to_send_bytes += len(response)
        if self._to_send_bytes >= _SENT_AT_ONCE_BYTES:  # whoever does not read must be noticed
            self._to_send.run()

    async def drain(self, within_ns: int) -> None:
        """Let requests that are under way end, idle connections at once; abort what takes longer."""
        self._timer.cancel()
        self._to_send.run()  # else an idle connection would be closed before its last response is on the way
        for connection in list(self.connections):
            connection.shut_down()
        until_ns = now_ns() + within_ns
        while self.connections and now_ns() < until_ns:
            await sleep(_DRAIN_STEP_NS)
        for connection in list(self.connections):
            connection.abort()
        self.scope.fence()
        await self.scope.closed()

    def _tick(self) -> None:
        self.date = f"date: {formatdate(usegmt=True)}\r\n"
        at_ns = now_ns()
        for connection in list(self.connections):
            connection.look_at_clock(at_ns)
        self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._tick)


def _send(answered: tuple[Connection, bytes]) -> None:
    connection, response = answered
    connection.send(response)


def _target(url: bytes) -> bytes:
    """Path and query of a request's target. Errors: HttpParserError."""
    if url.startswith(b"/") and b"#" not in url:
        return url
    parsed: Any = parse_url(url)
    return bytes(parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
