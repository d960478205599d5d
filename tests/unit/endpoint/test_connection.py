"""HTTP on a connection: real sockets, and an application that answers what it is told to."""

import asyncio
import contextlib
import functools
import socket

import pytest

from regionsim.endpoint.connection import (
    KEEP_ALIVE_NS,
    MOST_BODY_BYTES,
    MOST_HEAD_BYTES,
    READ_WITHIN_NS,
    Connection,
    HttpServer,
)
from regionsim.endpoint.http import Hangup, HttpResponse, Stalled
from regionsim.runtime.loop import run_real_time
from regionsim.runtime.tasks import future, now_ns

GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = bytes(1_000_000)


class Echo:
    """Answers with the path, and does what some paths say."""

    def __init__(self):
        self.asked = []
        self.waits = future()

    async def answer(self, request):
        self.asked.append(request)
        match request.path:
            case "/wait":
                await self.waits
            case "/hangup":
                raise Hangup
            case "/stall":
                raise Stalled
            case "/odd":
                return HttpResponse(status=599, body=b"odd")
            case "/large":
                return HttpResponse(status=200, body=LARGE)
        return HttpResponse(status=200, body=request.path.encode() + request.body, headers={"x-of": request.method})

    def too_large(self, request):
        return HttpResponse(status=413, body=b"too large")


class Served:
    """One server on a free port; `ask` sends bytes and reads until the server closes or `ends` was read."""

    def __init__(self, region=None):
        self.application = Echo()
        self.server = HttpServer(self.application)
        self.region = region

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: Connection(self.server, self.region), "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error):
        self._listener.close()
        await self.server.drain(100_000_000)

    async def open(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, sent, ends=None):
        reader, writer = await self.open()
        writer.write(sent)
        heard = await reader.read() if ends is None else await reader.readuntil(ends)
        writer.close()
        return heard


def in_real_time(test):
    async def in_time(*args, **kwargs):
        async with asyncio.timeout(20):
            await test(*args, **kwargs)

    @functools.wraps(test)
    def run(*args, **kwargs):
        run_real_time(in_time(*args, **kwargs))

    return run


def closing(request):
    return request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


@in_real_time
async def test_requests_in_a_line_are_answered_one_after_the_other():
    async with Served() as served:
        reader, writer = await served.open()
        writer.write(GET % b"wait" + GET % b"b" + closing(GET % b"c") + GET % b"never")
        await asyncio.sleep(0.05)
        assert [request.path for request in served.application.asked] == ["/wait"]
        served.application.waits.set_result(None)
        heard = await reader.read()
        writer.close()
        assert [heard.index(path) for path in (b"/wait", b"/b", b"/c")] == sorted(
            heard.index(path) for path in (b"/wait", b"/b", b"/c")
        )
        assert heard.count(b"HTTP/1.1 200 OK\r\n") == 3
        assert heard.count(b"connection: close") == 1


@in_real_time
async def test_what_is_no_http_is_told_behind_what_was_asked_before():
    async with Served() as served:
        heard = await served.ask(GET % b"a" + b"NONSENSE\r\n\r\n")
        first, second = heard.split(b"HTTP/1.1 ")[1:]
        assert first.startswith(b"200")
        assert second.startswith(b"400")
        assert b"MalformedHttpRequestException" in second


@pytest.mark.parametrize(
    ("sent", "status", "closes"),
    [
        (b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n", b"200", False),
        (b"GET /a HTTP/1.0\r\n\r\n", b"200", True),
        (b"GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n", b"200", False),
        (b"GET /a HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", b"200", True),
        (b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n", b"200", False),
        (b"POST /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MOST_BODY_BYTES + 1) + LARGE * 2, b"413", True),
        (b"POST /a HTTP/1.1\r\nx: " + b"a" * MOST_HEAD_BYTES, b"400", True),
        (b"GET /a HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400", True),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400", True),
    ],
    ids=["head", "1.0", "absolute", "upgrade", "chunks", "body", "headers", "smuggled", "tls"],
)
@in_real_time
async def test_each_kind_of_request(sent, status, closes):
    async with Served() as served:
        if closes:
            with contextlib.suppress(ConnectionResetError):  # it does not read a body that is too large to its end
                heard = await served.ask(sent)
                assert heard.startswith(b"HTTP/1.1 " + status)
                assert b"connection: close\r\n" in heard
        else:
            body = b"/a" + (b"xy" if b"chunked" in sent else b"")
            ends = b"\r\n\r\n" if sent.startswith(b"HEAD") else b"\r\n\r\n" + body
            heard = await served.ask(sent, ends)
            assert heard.startswith(b"HTTP/1.1 " + status)
            assert b"content-length: %d\r\n" % len(body) in heard
            assert b"connection:" not in heard


@in_real_time
async def test_a_status_that_has_no_name_is_said_all_the_same():
    async with Served() as served:
        heard = await served.ask(closing(GET % b"odd"))
        assert heard.startswith(b"HTTP/1.1 599 \r\n")
        assert heard.endswith(b"\r\n\r\nodd")


@in_real_time
async def test_trailers_are_no_headers():
    async with Served() as served:
        sent = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\nX-One: 1\r\n\r\n"
        assert (await served.ask(sent, b"/axy")).startswith(b"HTTP/1.1 200 OK")
        assert "x-one" not in served.application.asked[0].headers


@in_real_time
async def test_a_head_behind_a_large_body_is_not_as_long_as_both():
    async with Served() as served:
        large = b"POST /a HTTP/1.1\r\nContent-Length: 200000\r\n\r\n" + bytes(200_000)
        reader, writer = await served.open()
        writer.write(large + (GET % b"b")[:10])
        await asyncio.sleep(0.05)
        writer.write(closing(GET % b"b")[10:])
        heard = await reader.read()
        writer.close()
        assert heard.count(b"HTTP/1.1 200 OK") == 2


@in_real_time
async def test_a_response_is_on_the_way_before_its_connection_is_closed():
    async with Served() as served:
        reader, writer = await served.open()
        await asyncio.sleep(0.02)
        (connection,) = served.server.connections
        connection.data_received(GET % b"last")
        await served.server.drain(100_000_000)
        assert (await reader.read()).endswith(b"/last")
        writer.close()


@in_real_time
async def test_who_asks_first_whether_to_send_is_told_to():
    async with Served() as served:
        reader, writer = await served.open()
        writer.write(b"POST /a HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"xy")
        assert (await reader.readuntil(b"/axy")).startswith(b"HTTP/1.1 200 OK")
        writer.close()


@in_real_time
async def test_a_header_twice_is_one_with_a_comma():
    async with Served() as served:
        await served.ask(b"GET /a HTTP/1.1\r\nX-One: 1\r\nx-one: 2\r\n\r\n", b"/a")
        assert served.application.asked[0].headers == {"x-one": "1,2"}


@pytest.mark.parametrize(("region", "path"), [(None, b"hangup"), (None, b"stall"), ("us-east-1", b"hangup")])
@in_real_time
async def test_nothing_is_said_where_a_fault_wants_so(region, path):
    async with Served(region) as served:
        with contextlib.suppress(ConnectionResetError):
            assert await served.ask(GET % path) == b""


@in_real_time
async def test_a_stalled_connection_of_a_region_stays_open_until_the_server_ends():
    async with Served("us-east-1") as served:
        reader, writer = await served.open()
        writer.write(GET % b"stall" + GET % b"b")
        await asyncio.sleep(0.05)
        (connection,) = served.server.connections_of("us-east-1")
        assert connection.is_stalled
        assert not connection.is_answering
        assert [request.path for request in served.application.asked] == ["/stall"]
        connection.look_at_clock(now_ns() + 10 * KEEP_ALIVE_NS)
        assert not reader.at_eof()
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize(
    ("sent", "ends", "patience_ns"),
    [(b"", None, KEEP_ALIVE_NS), (b"GET /a HT", None, READ_WITHIN_NS), (GET % b"a", b"/a", KEEP_ALIVE_NS)],
    ids=["silent", "slow", "idle"],
)
@in_real_time
async def test_a_connection_is_not_waited_for_for_ever(sent, ends, patience_ns):
    async with Served() as served:
        began_ns = now_ns()
        reader, writer = await served.open()
        writer.write(sent)
        if ends is not None:
            await reader.readuntil(ends)
        await asyncio.sleep(0.02)
        (connection,) = served.server.connections
        connection.look_at_clock(began_ns + patience_ns - 1_000_000)
        assert list(served.server.connections) == [connection]
        connection.look_at_clock(now_ns() + patience_ns)
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(5):
                assert await reader.read() == b""
        writer.close()


@in_real_time
async def test_who_does_not_read_is_answered_no_further():
    async with Served() as served:
        sending = socket.create_connection(("127.0.0.1", served.port))
        sending.sendall((GET % b"large") * 200)
        await asyncio.sleep(0.2)
        answered = len(served.application.asked)
        assert 1 <= answered < 50
        sending.setblocking(False)
        loop, heard = asyncio.get_running_loop(), 0
        while heard < 200 * len(LARGE):
            heard += len(await loop.sock_recv(sending, 1 << 20))
        assert len(served.application.asked) == 200
        sending.close()
