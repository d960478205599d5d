"""The OpenAPI document of the admin API, from its table of routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regionsim import __version__
from regionsim.endpoint.api import Route

_PREFIX = "/_regionsim"


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The document, as JSON values. Source: OpenAPI Specification 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(f"{_PREFIX}{route.path}", {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "regionsim",
            "version": __version__,
            "description": "Break the Regions, move their time, read their records, while an application runs.",
        },
        "paths": paths,
    }


def _operation(route: Route) -> dict[str, Any]:
    held = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in held]
    parameters += [
        {"name": name, "in": "query", "description": about, "schema": {"type": "string"}}
        for name, about in route.asks.items()
    ]
    described: dict[str, Any] = {
        "summary": route.about,
        "operationId": "_".join(
            (route.method.lower(), *(part.strip("{}").replace(".", "_") for part in route.path.split("/") if part))
        ),
        "responses": {
            "2XX": {"description": "done"},
            "4XX": {"description": "a mistake, told as {error: {what, advice}}"},
        },
    }
    if parameters:
        described["parameters"] = parameters
    if route.takes:
        described["requestBody"] = {"content": {"application/json": {"schema": dict(route.takes)}}}
    return described
