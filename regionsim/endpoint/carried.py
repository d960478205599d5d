"""HTTP requests and responses as JSON, to be carried from one process of a world to another."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from regionsim.endpoint.http import HttpRequest, HttpResponse


def carry_request(request: HttpRequest) -> dict[str, Any]:
    """The request as JSON values; which port it came in by, and when, counts at this end only."""
    return {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": dict(request.headers),
        "body": base64.b64encode(request.body).decode("ascii"),
        "source_ip": request.source_ip,
    }


def carried_request(said: Mapping[str, Any], *, accepted_ns: int) -> HttpRequest:
    """The request that `carry_request` said."""
    return HttpRequest(
        method=said["method"],
        path=said["path"],
        query=said["query"],
        headers=said["headers"],
        body=base64.b64decode(said["body"]),
        source_ip=said["source_ip"],
        accepted_ns=accepted_ns,
    )


def carry_response(response: HttpResponse) -> dict[str, Any]:
    """The response as JSON values."""
    body = base64.b64encode(response.body).decode("ascii")
    return {"status": response.status, "headers": dict(response.headers), "body": body}


def carried_response(said: Mapping[str, Any]) -> HttpResponse:
    """The response that `carry_response` said."""
    return HttpResponse(status=said["status"], headers=said["headers"], body=base64.b64decode(said["body"]))
