"""Why a request is allowed or denied: one object for the command line, the terminal app and every other reader.

The verdict is `decide`'s own. Around it: every layer with what it says, the statement that came closest, and tried
fixes (`regionsim.authorization.fixes`). Source: ours; AWS's sentence is in `sentences`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any

from regionsim.authorization.compile import CompiledPolicy
from regionsim.authorization.decide import Policies, decide, is_bound_by_scps
from regionsim.authorization.decision import Code, Decision, Outcome
from regionsim.authorization.fixes import Fix, find_fixes
from regionsim.authorization.grants import SettlingGrants
from regionsim.authorization.policy import Effect
from regionsim.authorization.principals import PrincipalKind
from regionsim.authorization.request import Request, ResourceKind
from regionsim.authorization.sentences import aws_message, summary
from regionsim.authorization.walk import ReadValues, StatementReport, walk_policy
from regionsim.names.dataclass import dataclass

_NEAREST_AMONG = ("key_policy", "identity")
_WITHOUT_EFFECT = frozenset(
    {
        Code.KEY_POLICY_DOES_NOT_DELEGATE, Code.CROSS_ACCOUNT_NO_KEY_POLICY_ALLOW, Code.CROSS_ACCOUNT_NO_IAM_ALLOW,
        Code.NOT_USABLE_CROSS_ACCOUNT, Code.NOTHING_ALLOWS,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """One layer: what it comes to, and its statements.

    `verdict` is one of `absent` (there is none) · `no_say` (it does not bind this request) · `explicit_deny` · `allow`
    · `delegates` (a key policy that names the account only) · `allow_without_effect` (of grants: one that is too new
    to count without its token) · `no_allow` · `none` (grants).
    `considered` counts the grants.
    """

    layer: str
    verdict: str
    statements: tuple[StatementReport, ...] = ()
    considered: int | None = None

    @property
    def mark(self) -> str:
        """`ok`, `x`, `!` (present, but without effect) or `-`."""
        return _MARKS[self.verdict]

    def as_json(self) -> dict[str, Any]:
        """The layer as JSON values."""
        report: dict[str, Any] = {"layer": self.layer, "verdict": self.verdict, "mark": self.mark}
        if self.considered is not None:
            report["considered"] = self.considered
        if self.statements:
            report["statements"] = [statement.as_json() for statement in self.statements]
        return report


_MARKS = {
    "absent": "-",
    "no_say": "-",
    "none": "-",
    "explicit_deny": "x",
    "no_allow": "x",
    "allow": "ok",
    "delegates": "ok",
    "allow_without_effect": "!",
}


class Explanation:
    """The decision on one request, with its reasons. `fixes` are worked out when they are first asked for."""

    def __init__(self, request: Request, policies: Policies) -> None:
        self.request = request
        self.policies = policies
        self.decision: Decision = decide(request, policies)
        values = ReadValues(request.context)
        self.layers = tuple(_layers(request, policies, values, self.decision))
        self.context_read = dict(sorted(values.read.items()))

    @property
    def summary(self) -> str:
        """Verdict and cause in one line."""
        text = summary(self.decision)
        if self.decision.outcome is Outcome.EXPLICITLY_DENIED:
            without = self.without_denials
            text += " Without it this would be allowed." if without.is_allowed else " Nothing else allows it either."
        return text

    @cached_property
    def without_denials(self) -> Decision:
        """The decision if no statement denied explicitly."""
        return decide(self.request, _without_denials(self.policies))

    @property
    def aws_message(self) -> str | None:
        """AWS's sentence for the denial; None when allowed."""
        return None if self.decision.is_allowed else aws_message(self.request, self.decision)

    @property
    def nearest(self) -> tuple[str, StatementReport] | None:
        """The Allow that came closest, and its layer; None when allowed, or when there is none that fails."""
        if self.decision.is_allowed:
            return None
        misses = [
            (len(report.failed), report.distance, _NEAREST_AMONG.index(layer.layer), at, layer.layer, report)
            for layer in self.layers
            if layer.layer in _NEAREST_AMONG
            for at, report in enumerate(layer.statements)
            if report.effect is Effect.ALLOW and not report.applies
        ]
        if not misses:
            return None
        *_, layer, report = min(misses, key=lambda miss: miss[:4])
        return layer, report

    @cached_property
    def fixes(self) -> tuple[Fix, ...]:
        """Changes that were tried and that make the decision Allowed, the smallest first; none when it is that."""
        return find_fixes(self.request, self.policies)

    def as_json(self) -> dict[str, Any]:
        """The explanation as JSON values."""
        decision, deciding = self.decision, self.decision.deciding
        report: dict[str, Any] = {
            "decision": decision.outcome.value,
            "code": decision.code.value,
            "summary": self.summary,
            "aws_message": self.aws_message,
            "request": self._request_json(),
            "deciding": None,
            "layers": [layer.as_json() for layer in self.layers],
            "fixes": [fix.as_json() for fix in self.fixes],
        }
        if deciding is not None:
            report["deciding"] = {
                "policyType": deciding.policy_type,
                "policy": deciding.policy,
                "sid": deciding.sid,
                "index": deciding.index,
            }
        if self.nearest is not None:
            layer, nearest = self.nearest
            report["nearest"] = {"layer": layer, **nearest.as_json()}
        return report

    def _request_json(self) -> dict[str, Any]:
        request, principal = self.request, self.request.principal
        return {
            "principal": principal.arn,
            "principal_names": list(principal.all_keys),
            "action": request.action,
            "resource": request.resource,
            "region": request.region,
            "same_account": principal.account == request.resource_account,
            "context_read": {
                key: list(value) if isinstance(value, tuple) else value for key, value in self.context_read.items()
            },
        }


def explain(request: Request, policies: Policies) -> Explanation:
    """The explanation of the decision on `request` under `policies`; its `decision` is that of `decide`."""
    return Explanation(request, policies)


def _layers(request: Request, policies: Policies, values: ReadValues, decision: Decision) -> Iterable[LayerReport]:
    has_boundary = bool(policies.boundary)

    def walked(compiled: Iterable[CompiledPolicy]) -> tuple[StatementReport, ...]:
        return tuple(
            report for policy in compiled for report in walk_policy(policy, request, values, has_boundary=has_boundary)
        )

    key_policy = () if policies.key_policy is None else (policies.key_policy,)
    yield _key_policy_layer(request, walked(key_policy))
    yield _layer("identity", walked(policies.identity), is_without_effect=decision.code in _WITHOUT_EFFECT)
    yield _grants_layer(request, policies, decision)
    yield _layer("boundary", walked(policies.boundary))
    yield _layer("session", walked(policies.session))
    yield _levels_layer("scp", [walked(level) for level in policies.scps], binds=is_bound_by_scps(request.principal))
    is_bound = not request.principal.is_service_linked and request.action.lower() != "kms:retiregrant"
    yield _levels_layer("rcp", [walked(level) for level in policies.rcps], binds=is_bound, denies_only=True)
    yield _layer("vpc_endpoint", walked(policies.endpoint))


def _key_policy_layer(request: Request, reports: tuple[StatementReport, ...]) -> LayerReport:
    if not reports:
        return LayerReport(layer="key_policy", verdict="absent")
    if request.kind is not ResourceKind.KEY or request.action.lower() == "kms:retiregrant":
        return LayerReport(layer="key_policy", verdict="no_say", statements=reports)
    verdict = _verdict(reports)
    ways = {report.principal.by for report in reports if _allows(report) and report.principal is not None}
    if verdict == "allow" and ways == {"account"} and request.principal.kind is not PrincipalKind.ROOT:
        verdict = "delegates"
    return LayerReport(layer="key_policy", verdict=verdict, statements=reports)


def _layer(name: str, reports: tuple[StatementReport, ...], *, is_without_effect: bool = False) -> LayerReport:
    verdict = _verdict(reports)
    if verdict == "allow" and is_without_effect:
        verdict = "allow_without_effect"
    return LayerReport(layer=name, verdict=verdict, statements=reports)


def _levels_layer(
    name: str, levels: list[tuple[StatementReport, ...]], *, binds: bool, denies_only: bool = False
) -> LayerReport:
    """SCPs or RCPs: an explicit Deny at any level; every level of SCPs must allow."""
    reports = tuple(report for level in levels for report in level)
    if not levels:
        return LayerReport(layer=name, verdict="absent")
    verdicts = {_verdict(level) for level in levels}
    verdict = "no_say" if not binds else "explicit_deny" if "explicit_deny" in verdicts else "allow"
    if verdict == "allow" and not denies_only and verdicts != {"allow"}:
        verdict = "no_allow"
    return LayerReport(layer=name, verdict=verdict, statements=reports)


def _grants_layer(request: Request, policies: Policies, decision: Decision) -> LayerReport:
    count = len(policies.grants)
    verdict = "allow" if decision.code is Code.ALLOW_GRANT else "none" if count else "absent"
    if not decision.is_allowed and isinstance(policies.grants, SettlingGrants):
        settled = decide(request, replace(policies, grants=policies.grants.all))
        verdict = "allow_without_effect" if settled.code is Code.ALLOW_GRANT else verdict
    return LayerReport(layer="grants", verdict=verdict, considered=count)


def _verdict(reports: tuple[StatementReport, ...]) -> str:
    if any(report.applies and report.effect is Effect.DENY for report in reports):
        return "explicit_deny"
    if any(_allows(report) for report in reports):
        return "allow"
    return "no_allow" if reports else "absent"


def _allows(report: StatementReport) -> bool:
    return report.applies and report.effect is Effect.ALLOW


def _without_denials(policies: Policies) -> Policies:
    def kept(compiled: Iterable[CompiledPolicy]) -> tuple[CompiledPolicy, ...]:
        return tuple(policy.without_denials() for policy in compiled)

    key_policy = policies.key_policy
    return Policies(
        key_policy=None if key_policy is None else key_policy.without_denials(),
        identity=kept(policies.identity),
        boundary=kept(policies.boundary),
        session=kept(policies.session),
        scps=tuple(kept(level) for level in policies.scps),
        rcps=(),
        endpoint=kept(policies.endpoint),
        grants=policies.grants,
    )
