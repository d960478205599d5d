"""Routes about what was decided: CloudTrail records, and why a request is allowed or denied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from regionsim.authorization.cases import CaseError, explain_case
from regionsim.authorization.principals import Principal
from regionsim.endpoint.api import ApiRequest, Route, refuse
from regionsim.endpoint.denials import MOST_KEPT
from regionsim.names.mistakes import advice
from regionsim.region.audit_query import AuditQuestion, audit_entries
from regionsim.region.audit_record import records
from regionsim.runtime.clock import format_instant, parse_instant
from regionsim.scenario.explaining import Asked, explain_now, permission_of

if TYPE_CHECKING:
    from regionsim.endpoint.world import LiveWorld

_DEFAULT_COUNT, _MOST_COUNT = 100, 1_000
_ASKS = {
    "region": "of this Region only",
    "event": "of this event only, like Decrypt",
    "key": "about this key (its id) only",
    "as": "by this caller only: alice, role/app, or an ARN",
    "error": "with this error only; empty: without one",
    "account": "in the trail of this account only",
    "since": "from this instant on (RFC 3339, the world's time)",
    "until": "up to this instant",
    "limit": f"at most so many (default {_DEFAULT_COUNT}, most {_MOST_COUNT})",
    "after": "go on behind the page whose `next` this is",
}
_MOST_DENIALS = 20
_LIVE = ("as", "action", "key", "region", "encryptionContext")
_DENIED = {
    "type": "object",
    "properties": {"request_id": {"type": "string"}},
    "required": ["request_id"],
    "additionalProperties": False,
}
_IN_THIS_WORLD = {
    "type": "object",
    "properties": {
        "as": {"type": "string", "examples": ["alice", "role/app"]},
        "action": {"type": "string", "examples": ["kms:Decrypt"]},
        "key": {"type": "string"},
        "region": {"type": "string"},
        "encryptionContext": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": list(_LIVE[:4]),
    "additionalProperties": False,
}


def record_routes(world: LiveWorld) -> tuple[Route, ...]:
    """The routes, on that world."""

    async def events(request: ApiRequest) -> dict[str, Any]:
        request.only(*_ASKS)
        query = request.query
        question, after = _question(world, request), query.get("after", "")
        found: list[tuple[str, dict[str, Any]]] = []
        for name, region in world.simulation.regions.items():
            if not region.is_up or query.get("region", name) != name:
                continue
            for number, entry in enumerate(await audit_entries(region, question)):
                place = f"{entry.instant_ns:020d}-{name}-{number:08d}"
                for record in records(entry):
                    found.append((f"{place}-{record['recipientAccountId']}", record))
        wanted = [
            (place, record)
            for place, record in sorted(found, key=lambda one: one[0])
            if place > after and query.get("account", record["recipientAccountId"]) == record["recipientAccountId"]
        ]
        count = _count(query.get("limit", str(_DEFAULT_COUNT)))
        page = wanted[:count]
        return {
            "since": format_instant(world.audit_since_ns),
            "events": [record for _, record in page],
            "places": [place for place, _ in page],
            "next": page[-1][0] if len(wanted) > count else None,
        }

    route = Route(method="GET", path="/events", about="CloudTrail records, oldest first", handler=events, asks=_ASKS)
    return (route, *_why_routes(world))


def _why_routes(world: LiveWorld) -> tuple[Route, ...]:
    async def denials(request: ApiRequest) -> dict[str, Any]:
        request.only("limit")
        return {"denials": world.denials.newest(_count(request.query.get("limit", str(_MOST_DENIALS))))}

    async def explain(request: ApiRequest) -> dict[str, Any]:
        body = request.body
        if isinstance(body, dict) and "request_id" in body:
            return _explain_denied(world, request)
        if isinstance(body, dict) and ("as" in body or "key" in body):
            return _explain_live(world, request)
        try:
            # The same reading as of `explain --cases`: a case is a case.
            return explain_case(json.loads(json.dumps(request.members()))).as_json()
        except CaseError as mistake:
            refuse(str(mistake), f"code {mistake.code}; or ask about this world with {', '.join(_LIVE)}")

    return (
        Route(
            method="POST",
            path="/policies/explain",
            about="why a call was denied (request_id), or a request is allowed or denied: in this world, or in a case",
            handler=explain,
            takes={"anyOf": [_DENIED, _IN_THIS_WORLD, {"type": "object", "description": "a case of its own"}]},
        ),
        Route(
            method="GET",
            path="/denials",
            about="the calls that were denied last, the newest first: why, and what would have allowed them",
            handler=denials,
            asks={"limit": f"at most so many (default {_MOST_DENIALS}, most {_MOST_COUNT})"},
        ),
    )


def _question(world: LiveWorld, request: ApiRequest) -> AuditQuestion:
    query, regions = request.query, world.plan.regions
    if "region" in query and query["region"] not in regions:
        refuse(f"no such Region: '{query['region']}'", advice(query["region"], regions))
    instants = {}
    for name in ("since", "until"):
        if name in query:
            try:
                instants[f"{name}_ns"] = parse_instant(query[name])
            except ValueError as mistake:
                refuse(f"{name}: {mistake}")
    return AuditQuestion(
        event=query.get("event"),
        key_id=query.get("key"),
        caller=_caller(world, query["as"]) if "as" in query else None,
        error=query.get("error"),
        **instants,
    )


def _caller(world: LiveWorld, spelling: str) -> Principal:
    """Errors: ConfigError naming the nearest one."""
    directory = world.directory()
    return directory.principal(min(directory.accounts), spelling)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= _MOST_COUNT):
        refuse(f"limit is a whole number from 1 to {_MOST_COUNT}")
    return int(text)


def _explain_denied(world: LiveWorld, request: ApiRequest) -> dict[str, Any]:
    request_id = request.members("request_id")["request_id"]
    explanation = world.denials.of(request_id) if isinstance(request_id, str) else None
    if explanation is None:
        known = f"the last {MOST_KEPT:,} are known, until the world begins anew"
        refuse(f"no call with the id {json.dumps(request_id)} was denied", f"{known}; GET /_regionsim/denials", 404)
    return explanation.as_json()


def _explain_live(world: LiveWorld, request: ApiRequest) -> dict[str, Any]:
    given = request.members(*_LIVE)
    texts = dict(_texts(given))
    if texts["region"] not in world.plan.regions:
        refuse(f"no such Region: '{texts['region']}'", advice(texts["region"], world.plan.regions))
    context = given.get("encryptionContext", {})
    if not isinstance(context, dict) or not all(isinstance(value, str) for value in context.values()):
        refuse("encryptionContext is an object of texts")
    asked = Asked(
        caller=texts["as"],
        action=permission_of(texts["action"]),
        key=texts["key"],
        region=texts["region"],
        encryption_context=context,
    )
    return explain_now(world.simulation, {}, _caller(world, texts["as"]), asked).as_json()


def _texts(given: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in _LIVE[:4]:
        value = given.get(name)
        if not isinstance(value, str) or not value:
            refuse(f"'{name}' is wanted, as a text", f"give {', '.join(_LIVE[:4])}")
        yield name, value
