"""The calls that were denied of late, with what was decided on: so that why can be told as it was then.

A policy may have changed since, a session may be gone; what is kept is the request and the policies of that moment.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from regionsim.authorization.decide import Policies
from regionsim.authorization.explain import Explanation, explain
from regionsim.authorization.request import Request
from regionsim.kms.errors import AccessDeniedException, KmsError
from regionsim.kms.plan import Call
from regionsim.names.dataclass import dataclass
from regionsim.runtime.clock import ReadableClock, format_instant

MOST_KEPT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Denied:
    at_ns: int
    region: str
    request: Request
    policies: Policies

    def explained(self) -> Explanation:
        """Worked out when somebody asks: a call that is denied costs no more for it."""
        return explain(self.request, self.policies)


class Denials:
    """The last thousand of one world. What is refused before any policy is asked is none."""

    def __init__(self, clock: ReadableClock) -> None:
        self._clock = clock
        self._by_id: OrderedDict[str, _Denied] = OrderedDict()

    def heard(self, region: str, call: Call, refusal: KmsError) -> None:
        """Keep a refusal that policies are the reason of."""
        if isinstance(refusal, AccessDeniedException) and refusal.reason is not None:
            request, policies = refusal.reason
            denied = _Denied(at_ns=self._clock.now_ns(), region=region, request=request, policies=policies)
            self._by_id[call.request_id] = denied
            if len(self._by_id) > MOST_KEPT:
                self._by_id.popitem(last=False)

    def of(self, request_id: str) -> Explanation | None:
        """Why the call of that id was denied; None when it is not known to have been."""
        denied = self._by_id.get(request_id)
        return None if denied is None else denied.explained()

    def newest(self, count: int) -> list[dict[str, Any]]:
        """The last ones as JSON values, the newest first: who, what, why, and what would have allowed it."""
        newest = list(self._by_id.items())[-count:]
        return [_told(request_id, denied) for request_id, denied in reversed(newest)]


def _told(request_id: str, denied: _Denied) -> dict[str, Any]:
    request, explanation = denied.request, denied.explained()
    return {
        "at": format_instant(denied.at_ns),
        "region": denied.region,
        "request_id": request_id,
        "caller": request.principal.arn,
        "action": request.action,
        "resource": request.resource,
        "why": explanation.summary,
        "fixes": [fix.about for fix in explanation.fixes],
    }
