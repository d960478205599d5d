"""`expect_audit`: a question to a Region's audit trail, and how many records must answer it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from regionsim.kms.model import model
from regionsim.names.arns import Arn
from regionsim.names.ids import ALIAS_PREFIX
from regionsim.names.mistakes import advice
from regionsim.region.audit_query import AuditQuestion, audit_entries
from regionsim.scenario import read
from regionsim.scenario.callers import caller_in_words, principal_of, read_caller
from regionsim.scenario.calls import ERROR_CODES
from regionsim.scenario.comparisons import read_count, read_window
from regionsim.scenario.errors import quoted
from regionsim.scenario.known import Known
from regionsim.scenario.model import Comparison, ExpectAuditStep
from regionsim.scenario.nodes import Node, ScalarNode
from regionsim.scenario.read import Findings
from regionsim.scenario.values import fill_in, text_tree
from regionsim.scenario.vocabulary import AUDIT
from regionsim.simulation.simulation import Simulation
from regionsim.store.errors import StoreError

NO_ERROR = "none"
SERVICE_EVENTS = ("DeleteExpiredKeyMaterial", "DeleteKey", "RotateKey", "SynchronizeMultiRegionKey")
_AT_LEAST_ONE = Comparison(symbol=">=", number=1, text=">= 1")


def read_audit_question(node: Node, known: Known, findings: Findings) -> dict[str, Any]:
    """The fields of an `ExpectAuditStep` beside its head."""
    found = read.fields(node, AUDIT, "expect_audit", findings)
    event = read.text(found["event"], "event")
    events = [*model().operations, *SERVICE_EVENTS]
    if event not in events:
        raise found["event"].position.error(f"nothing records an event {quoted(event)}", advice(event, events))
    error = read.text(found["error"], "error") if "error" in found else None
    if error is not None and error not in (NO_ERROR, *ERROR_CODES):
        hint = advice(error, [NO_ERROR, *ERROR_CODES])
        raise found["error"].position.error(f"there is no error {quoted(error)}", hint)
    key = None
    if "key" in found:
        read.text(found["key"], "key")
        assert isinstance(found["key"], ScalarNode)
        key = text_tree(found["key"], known.names)
    caller = read_caller(found["as"], known) if "as" in found else None
    return {
        "region": read.region(found["in"], "in", known.regions),
        "event": event,
        "key": key,
        "principal": None if caller is None else principal_of(caller, known),
        "caller": caller_in_words(found["as"]) if "as" in found else None,
        "error": error,
        "count": read_count(found["count"], "count") if "count" in found else _AT_LEAST_ONE,
        "window_ns": read_window(found["window"]) if "window" in found else None,
    }


async def ask_trail(
    step: ExpectAuditStep, simulation: Simulation, saved: Mapping[str, Any], named: Callable[[str], str]
) -> tuple[str, str]:
    """What does not hold (empty: it does), and what was found, in words. Errors: MissingNameError."""
    region = simulation.regions[step.region]
    if not region.is_up:
        return f"{step.region} is down: nobody can ask its trail", ""
    key_id = None if step.key is None else _key_id(str(fill_in(step.key, saved)), region.state.alias, simulation)
    start_ns = simulation.world.start_at_ns
    since_ns, until_ns = (None, None) if step.window_ns is None else (start_ns + end for end in step.window_ns)
    question = AuditQuestion(
        event=step.event,
        key_id=key_id,
        caller=step.principal,
        error="" if step.error == NO_ERROR else step.error,
        since_ns=since_ns,
        until_ns=until_ns,
    )
    try:
        found = len(await audit_entries(region, question))
    except StoreError as error:
        return f"the disk of {step.region} does not give its trail ({type(error).__name__})", ""
    parts = [step.event]
    parts += [] if key_id is None else [named(key_id)]
    parts += [] if step.caller is None else [f"by {step.caller}"]
    parts += [] if step.error is None else ["without error" if step.error == NO_ERROR else step.error]
    words = f"{' '.join(parts)}: {found:,}"
    if step.count.holds(found):
        return "", words
    return f"the trail has {found:,} records of {' '.join(parts)}, wanted {step.count.text}", words


def _key_id(text: str, alias_of: Callable[[str, str], Any], simulation: Simulation) -> str:
    arn = Arn.parse(text)
    resource = text if arn is None else arn.resource
    if not resource.startswith(ALIAS_PREFIX):
        return resource.removeprefix("key/")
    account = next(iter(simulation.world.directory.accounts)) if arn is None else arn.account
    alias = alias_of(account, resource)
    if alias is None:
        raise ValueError(f"there is no alias {quoted(resource)}")
    return str(alias.target_key_id)
