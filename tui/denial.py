"""A denial, explained: AWS's sentence, each layer with its mark, what came nearest, what would have allowed it."""

from __future__ import annotations

import textwrap

from regionsim.authorization.explain import Explanation, explain
from regionsim.scenario.transcript import clock
from tui.picture import EventRow
from tui.view import Row

_ROLES = {"ok": "ok", "x": "bad", "!": "warn", "-": "dim"}


def denial_rows(event: EventRow, width: int) -> list[Row]:
    """The page about one denied call."""
    denial = event.denial
    assert denial is not None, "the event is a denial"
    rows: list[Row] = [
        [
            (f"{event.what} ", "hi"),
            (f"by {event.who} in {event.region} at {clock(event.at_ns)}", ""),
            ("  DENIED", "bad"),
        ],
        [],
        [("What the caller hears", "hi")],
        *_wrapped(denial.message or "nothing", width),
    ]
    if denial.request is None or denial.policies is None:
        return rows
    explanation = explain(denial.request, denial.policies)
    rows += [[], [("Why", "hi")], *_wrapped(explanation.summary, width), [], [("Layers", "hi")]]
    rows += [
        [(f"  {layer.mark:<3}", _ROLES.get(layer.mark, "")), (f"{layer.layer:<24}", ""), (layer.verdict, "dim")]
        for layer in explanation.layers
    ]
    rows += _nearest(explanation, width)
    rows += _fixes(explanation, width)
    return rows


def _nearest(explanation: Explanation, width: int) -> list[Row]:
    if explanation.nearest is None:
        return []
    layer, report = explanation.nearest
    rows: list[Row] = [[], [("Nearest miss", "hi")]]
    name = f"statement {report.sid or report.index} of the {layer.replace('_', ' ')}"
    rows.append([(f"  {name} allows it, but for:", "")])
    for name, element in (("action", report.action), ("principal", report.principal), ("resource", report.resource)):
        if element is not None and not element.ok:
            rows += _wrapped(f"{name}: wanted {_told(element.wanted)}", width, indent="    ", role="warn")
    for condition in report.conditions:
        if not condition.ok:
            wanted = f"{condition.operator} {condition.key}: wanted {_told(condition.wanted)}"
            rows += _wrapped(f"{wanted}, it is {_told(condition.actual)}", width, indent="    ", role="warn")
    return rows


def _told(value: object) -> str:
    if value is None:
        return "absent"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple | frozenset) else str(value)


def _fixes(explanation: Explanation, width: int) -> list[Row]:
    if not explanation.fixes:
        return [[], [("No single change that was tried would allow it.", "dim")]]
    rows: list[Row] = [[], [("What would allow it (each was tried)", "hi")]]
    for number, fix in enumerate(explanation.fixes, start=1):
        rows += _wrapped(f"{number}. {fix.about}", width, role="ok")
    return rows


def _wrapped(text: str, width: int, *, indent: str = "  ", role: str = "") -> list[Row]:
    wrapped = textwrap.wrap(text, max(20, width - len(indent) - 1)) or [""]
    return [[(f"{indent}{line}", role)] for line in wrapped]
