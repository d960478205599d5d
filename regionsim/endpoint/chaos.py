"""Chaos rules in the JSON shape of LocalStack's Chaos API, so that whoever has scripts for it can keep them.

    [{"service": "kms", "region": "us-east-1", "operation": "Decrypt", "probability": 0.5,
      "error": {"statusCode": 503, "code": "ServiceUnavailable"}}]
    {"latency": 250}                       milliseconds, on every call

A rule answers in the place of KMS: the call reaches no Region and leaves no record. What a rule leaves out, it is about
all of. Source: LocalStack documentation, "Chaos API".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from regionsim.endpoint.api import ApiRequest, Route, kind_of, refuse
from regionsim.endpoint.http import HttpResponse
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import advice
from regionsim.runtime.entropy import Stream
from regionsim.runtime.tasks import sleep

_KNOWN = ("service", "region", "operation", "probability", "error")
_DEFAULT_STATUS, _DEFAULT_CODE = 503, "ServiceUnavailable"
_MOST_RULES = 1_000
_LONGEST_MS = 600_000
_NS_PER_MS = 1_000_000
_EXAMPLE = 'write [{"service": "kms", "region": "us-east-1", "error": {"statusCode": 503}}]'


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosRule:
    """One rule; None of `service`, `region`, `operation`: all of them."""

    service: str | None = None
    region: str | None = None
    operation: str | None = None
    probability: float = 1.0
    status: int = _DEFAULT_STATUS
    code: str = _DEFAULT_CODE

    def covers(self, service: str, region: str, operation: str) -> bool:
        """True when the rule is about such a call."""
        return self.service in (None, service) and self.region in (None, region) and self.operation in (None, operation)

    def as_json(self) -> dict[str, Any]:
        """The rule as it is written."""
        said = {"service": self.service, "region": self.region, "operation": self.operation}
        kept: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
        return {**kept, "probability": self.probability, "error": {"statusCode": self.status, "code": self.code}}


class Chaos:
    """The rules and effects of one world. Draws are the operating system's: this is for live endpoints only."""

    def __init__(self, stream: Stream) -> None:
        self.rules: tuple[ChaosRule, ...] = ()
        self.latency_ms = 0
        self._stream = stream

    @property
    def is_on(self) -> bool:
        """True when there is a rule, or an effect."""
        return bool(self.rules or self.latency_ms)

    async def meet(self, service: str, region: str, operation: str, request_id: str) -> HttpResponse | None:
        """Wait as long as the effects say; then the answer of the first rule that strikes, or None."""
        if self.latency_ms:
            await sleep(self.latency_ms * _NS_PER_MS)
        for rule in self.rules:
            if rule.covers(service, region, operation) and self._stream.random() < rule.probability:
                return _struck(rule, service, request_id)
        return None

    def clear(self) -> None:
        """No rule and no effect."""
        self.rules, self.latency_ms = (), 0


def chaos_routes(chaos: Chaos) -> tuple[Route, ...]:
    """The routes, on those rules."""

    async def listed(request: ApiRequest) -> list[dict[str, Any]]:
        return [rule.as_json() for rule in chaos.rules]

    async def put(request: ApiRequest) -> list[dict[str, Any]]:
        chaos.rules = _rules(request.body)
        return await listed(request)

    async def add(request: ApiRequest) -> list[dict[str, Any]]:
        added = _rules(request.body)
        if len(chaos.rules) + len(added) > _MOST_RULES:
            refuse(f"at most {_MOST_RULES} rules")
        chaos.rules += added
        return await listed(request)

    async def remove(request: ApiRequest) -> list[dict[str, Any]]:
        gone = chaos.rules if request.body is None else _rules(request.body)
        chaos.rules = tuple(rule for rule in chaos.rules if rule not in gone)
        return await listed(request)

    async def effects(request: ApiRequest) -> dict[str, Any]:
        return {"latency": chaos.latency_ms}

    async def set_effects(request: ApiRequest) -> dict[str, Any]:
        latency = request.members("latency").get("latency", 0)
        if isinstance(latency, bool) or not isinstance(latency, int) or not 0 <= latency <= _LONGEST_MS:
            refuse("latency is a whole number of milliseconds, 0 or more", 'write {"latency": 250}')
        chaos.latency_ms = latency
        return await effects(request)

    async def no_effects(request: ApiRequest) -> dict[str, Any]:
        chaos.latency_ms = 0
        return await effects(request)

    rules: dict[str, Any] = {"type": "array", "items": {"type": "object", "properties": {name: {} for name in _KNOWN}}}
    effect = {"type": "object", "properties": {"latency": {"type": "integer", "minimum": 0}}}
    path, other = "/chaos/faults", "/chaos/effects"
    return (
        Route(method="GET", path=path, about="the chaos rules", handler=listed),
        Route(method="POST", path=path, about="these rules in place of all others", handler=put, takes=rules),
        Route(method="PATCH", path=path, about="these rules besides", handler=add, takes=rules),
        Route(
            method="DELETE", path=path, about="without these rules (no body: without any)", handler=remove, takes=rules
        ),
        Route(method="GET", path=other, about="the effects on every call", handler=effects),
        Route(method="POST", path=other, about="set the effects", handler=set_effects, takes=effect),
        Route(method="PATCH", path=other, about="set the effects", handler=set_effects, takes=effect),
        Route(method="DELETE", path=other, about="no effects", handler=no_effects),
    )


def _struck(rule: ChaosRule, service: str, request_id: str) -> HttpResponse:
    body = json.dumps({"__type": rule.code, "message": f"Operation failed due to a simulated fault in {service}"})
    headers = {"content-type": "application/x-amz-json-1.1", "x-amzn-requestid": request_id}
    return HttpResponse(status=rule.status, body=body.encode("utf-8"), headers=headers)


def _rules(body: Any) -> tuple[ChaosRule, ...]:
    """The rules that a body says. Errors: ApiError."""
    if not isinstance(body, list):
        refuse(f"the rules are a list, not {kind_of(body)}", _EXAMPLE)
    if len(body) > _MOST_RULES:
        refuse(f"at most {_MOST_RULES} rules")
    return tuple(_rule(said) for said in body)


def _rule(said: Any) -> ChaosRule:
    if not isinstance(said, dict):
        refuse(f"a rule is an object, not {kind_of(said)}", _EXAMPLE)
    for name in said:
        if name not in _KNOWN:
            refuse(f"a rule has no '{name}'", advice(name, _KNOWN))
    error = said.get("error", {})
    probability = said.get("probability", 1.0)
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1:
        refuse("probability is a number from 0 to 1", _EXAMPLE)
    if not isinstance(error, Mapping) or not set(error) <= {"statusCode", "code"}:
        refuse("error has a statusCode and a code", _EXAMPLE)
    status, code = error.get("statusCode", _DEFAULT_STATUS), error.get("code", _DEFAULT_CODE)
    if isinstance(status, bool) or not isinstance(status, int) or not 400 <= status <= 599:
        refuse("statusCode is a whole number from 400 to 599", _EXAMPLE)
    if not isinstance(code, str) or not 1 <= len(code) <= 128:
        refuse("code is the name of an error", _EXAMPLE)
    names = {name: _text(said.get(name), name) for name in ("service", "region", "operation")}
    return ChaosRule(**names, probability=float(probability), status=status, code=code)


def _text(value: Any, name: str) -> str | None:
    if value is not None and not isinstance(value, str):
        refuse(f"{name} is a text, not {kind_of(value)}", _EXAMPLE)
    return value
