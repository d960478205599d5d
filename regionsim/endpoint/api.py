"""What every route of the admin API has in common: JSON in, JSON out, mistakes with advice."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from regionsim.endpoint.http import HttpRequest, HttpResponse
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import advice


class ApiError(Exception):
    """A request that cannot be done: HTTP status, what was wrong, and what to write instead."""

    def __init__(self, status: int, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.status = status
        self.what = what
        self.advice = advice


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A request to a route: what its path holds (`{id}`), its query, its body as JSON (None: there is none)."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    def members(self, *known: str) -> dict[str, Any]:
        """The body as an object with no other members than these. Errors: ApiError."""
        if not isinstance(self.body, dict):
            refuse(f"the body must be a JSON object, not {kind_of(self.body)}")
        for name in self.body:
            if known and name not in known:
                refuse(f"there is no '{name}' here", advice(name, known))
        return self.body

    def only(self, *known: str) -> None:
        """Return when the query has no other parameters than these. Errors: ApiError."""
        for name in self.query:
            if name not in known:
                refuse(f"there is no parameter '{name}'", advice(name, known))


Handler = Callable[[ApiRequest], Awaitable[Any]]
"""Gives a JSON value, or an HttpResponse as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route of the API; `path` is relative to its prefix, with `{name}` for what may vary."""

    method: str
    path: str
    about: str
    handler: Handler
    takes: Mapping[str, Any] = field(default_factory=dict)
    """The JSON Schema of the body; empty: it takes none."""
    asks: Mapping[str, str] = field(default_factory=dict)
    """Query parameter -> what it means."""

    def match(self, path: str) -> dict[str, str] | None:
        """What the path holds, or None when it is another route's."""
        wanted, given = self.path.strip("/").split("/"), path.strip("/").split("/")
        if len(wanted) != len(given):
            return None
        held: dict[str, str] = {}
        for part, found in zip(wanted, given, strict=True):
            if part.startswith("{"):
                held[part[1:-1]] = found
            elif part != found:
                return None
        return held


def read_request(request: HttpRequest, held: Mapping[str, str]) -> ApiRequest:
    """The request as a route takes it. Errors: ApiError for a body that is not JSON."""
    body = None
    if request.body.strip():
        try:
            body = json.loads(request.body)
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            refuse(f"the body is not JSON: {error.msg} at {where}", 'names and texts are quoted: {"name": "text"}')
        except (ValueError, RecursionError):
            refuse("the body is not JSON")
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    return ApiRequest(path=held, query=query, body=body)


def json_response(status: int, value: Any) -> HttpResponse:
    """A JSON value as a response."""
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return HttpResponse(status=status, body=json.dumps(value).encode("utf-8"), headers=headers)


def refuse(what: str, advice: str = "", status: int = 400) -> NoReturn:
    """Errors: ApiError, always."""
    raise ApiError(status, what, advice)


def kind_of(value: object) -> str:
    """What a JSON value is, for a message."""
    names = {type(None): "nothing", bool: "true or false", int: "a number", float: "a number", str: "a text"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")
