"""An explanation for people: verdict and cause, the layers with their marks, the nearest miss, the fixes.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Iterator

from regionsim.authorization.decision import Outcome
from regionsim.authorization.explain import Explanation, LayerReport
from regionsim.authorization.policy import Effect
from regionsim.authorization.walk import ConditionReport, StatementReport

_TITLES = {
    "key_policy": "Key policy",
    "identity": "IAM",
    "grants": "Grants",
    "boundary": "Boundary",
    "session": "Session policy",
    "scp": "Service control",
    "rcp": "Resource control",
    "vpc_endpoint": "VPC endpoint",
}
_WORDS = {
    "absent": "none",
    "no_say": "has no say here",
    "none": "none names this caller for this",
    "explicit_deny": "denies explicitly",
    "allow": "allows",
    "delegates": "hands the decision to IAM",
    "allow_without_effect": "allows, without effect",
    "no_allow": "no Allow fits",
}
_VERDICTS = {
    Outcome.ALLOWED: "ALLOWED",
    Outcome.IMPLICITLY_DENIED: "DENIED (implicit)",
    Outcome.EXPLICITLY_DENIED: "DENIED (explicit)",
}


def lines(explanation: Explanation) -> Iterator[str]:
    """The lines of the panel."""
    request = explanation.request
    yield f"{_VERDICTS[explanation.decision.outcome]}  {request.action}"
    yield f"  {request.principal.arn}  ->  {request.resource}"
    yield f"{explanation.summary}  [{explanation.decision.code.value}]"
    yield ""
    for layer in explanation.layers:
        yield f"  {layer.mark:<2}  {_TITLES[layer.layer]:<17}{_told(layer)}"
    yield from _denying(explanation)
    nearest = explanation.nearest
    if nearest is not None:
        yield ""
        yield from _nearest(*nearest)
    if explanation.fixes:
        yield ""
        yield "smallest fixes (each was tried):"
        yield from (f"  {chr(ord('a') + at)}  {fix.about}" for at, fix in enumerate(explanation.fixes))
    if explanation.aws_message is not None:
        yield ""
        yield f"AWS says: {explanation.aws_message}"


def _told(layer: LayerReport) -> str:
    applying = [report for report in layer.statements if report.applies]
    if layer.layer == "grants" and layer.considered:
        return f"{_WORDS[layer.verdict]} ({layer.considered:,} on the key)"
    if not applying:
        count = f" ({len(layer.statements)} statements)" if layer.statements else ""
        return f"{_WORDS[layer.verdict]}{count}"
    return f"{_WORDS[layer.verdict]}: {', '.join(_named(report) for report in applying)}"


def _named(report: StatementReport) -> str:
    return f"{report.policy} #{report.index}{f' ({report.sid})' if report.sid else ''}"


def _denying(explanation: Explanation) -> Iterator[str]:
    """The statement that denies, and by which conditions; without conditions it denies always, and its name says it."""
    deciding = explanation.decision.deciding
    if explanation.decision.outcome is not Outcome.EXPLICITLY_DENIED or deciding is None:
        return
    for layer in explanation.layers:
        for report in layer.statements:
            is_it = (report.policy, report.index) == (deciding.policy, deciding.index)
            if is_it and report.effect is Effect.DENY and report.applies and report.conditions:
                yield ""
                yield f"denied by: {_TITLES[layer.layer]}, {_named(report)}"
                yield from (f"  condition: {_condition(condition)}: it holds" for condition in report.conditions)


def _nearest(layer: str, report: StatementReport) -> Iterator[str]:
    yield f"nearest: {_TITLES[layer]}, {_named(report)}"
    elements = (("action", report.action), ("principal", report.principal), ("resource", report.resource))
    for name, element in elements:
        if element is not None and not element.ok:
            yield f"  {name}: wants {' or '.join(element.wanted) or 'nothing'}"
    yield from (f"  condition: {_condition(condition)}" for condition in report.conditions if not condition.ok)


def _condition(condition: ConditionReport) -> str:
    actual = condition.actual
    seen = "absent" if actual is None else f"is {actual if isinstance(actual, str) else ', '.join(actual)}"
    return f"{condition.operator} {condition.key} wants {' or '.join(condition.wanted)}, {seen}"
