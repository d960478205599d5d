"""What two processes of one world say to each other: questions with answers, envelopes, and connections handed over.

Frames on a pair of sockets that nobody else can open: `length:4 kind:1 body`. A question is JSON with a number, its
answer has the same one; blobs are base64. An envelope is bytes (`network.socket_link`). A connection is handed over as
a file descriptor on a second pair.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from regionsim.network.envelope import Envelope
from regionsim.network.socket_link import pack_envelope, unpack_envelope
from regionsim.runtime.tasks import Scope

_FRAME = struct.Struct(">IB")
_QUESTION, _ANSWER, _ENVELOPE = 1, 2, 3
_MOST_BYTES = 64 * 1024 * 1024

Answerer = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Answers a question by its word; what it raises is a bug."""


class GoneError(Exception):
    """The other process is gone."""


class Channel:
    """One end. `on_gone` hears, once, that the other end is gone."""

    def __init__(
        self,
        end: socket.socket,
        scope: Scope,
        answer: Answerer,
        on_envelope: Callable[[Envelope], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._end = end
        self._scope = scope
        self._answer = answer
        self._on_envelope = on_envelope
        self._on_gone = on_gone
        self._writer: asyncio.StreamWriter | None = None
        self._asked: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._count = 0
        self._is_gone = False

    async def open(self) -> None:
        """Begin to hear."""
        self._end.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=self._end, limit=_MOST_BYTES)
        self._scope.spawn(self._hear(reader), name="channel")

    def close(self) -> None:
        """Say no more."""
        if self._writer is not None:
            self._writer.close()
        self._gone()

    async def ask(self, word: str, **said: Any) -> Mapping[str, Any]:
        """The other end's answer. Errors: GoneError."""
        if self._is_gone:
            raise GoneError
        self._count += 1
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[self._count] = answer
        self._send(_QUESTION, json.dumps({"n": self._count, "word": word, "said": said}).encode("ascii"))
        return await answer

    def send(self, envelope: Envelope) -> None:
        """Put an envelope on the way; lost when the other end is gone."""
        self._send(_ENVELOPE, pack_envelope(envelope))

    def _send(self, kind: int, body: bytes) -> None:
        if self._writer is not None and not self._is_gone:
            self._writer.write(_FRAME.pack(len(body), kind) + body)

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                length, kind = _FRAME.unpack(await reader.readexactly(_FRAME.size))
                assert length <= _MOST_BYTES, "no frame is so long"
                self._heard(kind, await reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError):
            self._gone()

    def _heard(self, kind: int, body: bytes) -> None:
        if kind == _ENVELOPE:
            self._on_envelope(unpack_envelope(body))
            return
        message = json.loads(body)
        if kind == _QUESTION:
            self._scope.spawn(self._tell(message), name=f"answer/{message['word']}")
        else:
            waiting = self._asked.pop(message["n"], None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message["answer"])

    async def _tell(self, message: Mapping[str, Any]) -> None:
        answer = await self._answer(message["word"], message["said"])
        self._send(_ANSWER, json.dumps({"n": message["n"], "answer": dict(answer)}).encode("ascii"))

    def _gone(self) -> None:
        if self._is_gone:
            return
        self._is_gone = True
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(GoneError())
                waiting.exception()  # whoever has stopped waiting has nothing to report
        self._asked.clear()
        self._on_gone()
