"""Requests and responses of HTTP as values: what stands between the server and everything that answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from regionsim.kms.errors import KmsError
from regionsim.names.dataclass import dataclass
from regionsim.names.made_often import made_often


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request, whole. `path` and `query` are as they came, percent-encoded; header names are in lower case.

    `region` is the Region whose own port it came in by, None on the shared port; `accepted_ns` is when its connection
    was accepted (the loop's clock).
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    region: str | None = None
    source_ip: str = "127.0.0.1"
    accepted_ns: int = 0


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """One response. The server adds date and length."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


class Hangup(Exception):
    """The connection is closed without an answer."""


class Stalled(Exception):
    """Nothing is ever answered; the connection stays open until its client gives up, or the fault ends."""


class BadRequest(Exception):
    """A request that HTTP or a limit of ours refuses: `refusal` says how AWS would."""

    def __init__(self, refusal: KmsError) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
