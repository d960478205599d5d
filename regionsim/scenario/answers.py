"""What a caller got, held against what a step expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regionsim.client.client import Reply
from regionsim.scenario.errors import quoted
from regionsim.scenario.model import CallStep, Expectation
from regionsim.scenario.values import Sealed, blob, fill_in

_SHOWN_BYTES = 24


def plain_answer(value: Any) -> Any:
    """The answer as dicts and lists, which is what JMESPath looks into."""
    match value:
        case Mapping():
            return {name: plain_answer(held) for name, held in value.items()}
        case list() | tuple():
            return [plain_answer(held) for held in value]
        case _:
            return value


def judge(step: CallStep, reply: Reply, answer: Any, saved: Mapping[str, Any]) -> str:
    """What is wrong with the answer to a step; empty when it is as expected. `answer` is the plain one.

    Errors: MissingNameError when an expectation needs a name that has no value.
    """
    wanted, got = step.error, reply.error
    if wanted is not None and got == wanted:
        return ""
    if wanted is not None:
        return f"wanted {wanted}, got {_told(reply) if got else 'an answer'}"
    if got is not None:
        return f"wanted an answer, got {_told(reply)}"
    return unmet(step.expectations, answer, saved)


def unmet(expectations: tuple[Expectation, ...], answer: Any, saved: Mapping[str, Any]) -> str:
    """The expectations that do not hold, as one sentence; empty when all do."""
    found = (_unmet_part(expectation, answer, saved) for expectation in expectations)
    return "; ".join(part for part in found if part)


def is_same(actual: Any, wanted: Any) -> bool:
    """True when a part of an answer is what was written: blobs compare as bytes, lists and mappings part by part."""
    match actual, wanted:
        case bytes(), str():
            try:
                return actual == blob(wanted)
            except ValueError:
                return False
        case dict(), dict():
            return actual.keys() == wanted.keys() and all(is_same(actual[name], wanted[name]) for name in actual)
        case list(), list():
            return len(actual) == len(wanted) and all(map(is_same, actual, wanted))
        case bool(), _:
            return actual is wanted
        case _, bool():
            return False
        case _:
            return bool(actual == wanted)


def _unmet_part(expectation: Expectation, answer: Any, saved: Mapping[str, Any]) -> str:
    wanted = fill_in(expectation.wanted, saved)
    try:
        actual = expectation.path.find(answer)
    except ValueError as error:
        return str(error)
    if is_same(actual, wanted):
        return ""
    if isinstance(wanted, Sealed) and isinstance(actual, bytes):
        found = wanted.found_in(actual)
        got = "an envelope which it cannot open" if found is None else f"an envelope in which it finds {shown(found)}"
        wish = f"enclave '{wanted.name}' was to find {shown(wanted.plaintext)}"
        return f"{expectation.path.text}: {wish}, got {got}"
    return f"{expectation.path.text}: wanted {shown(wanted)}, got {shown(actual)}"


def _told(reply: Reply) -> str:
    return f"{reply.error} ({reply.message})" if reply.message else str(reply.error)


def shown(value: Any) -> str:
    """A value in a message: text quoted, bytes as text when they are text, else their beginning in hexadecimal."""
    match value:
        case None:
            return "nothing"
        case str():
            return quoted(value)
        case Sealed():
            return str(value)
        case bytes():
            return _shown_bytes(value)
        case dict() | list():
            return quoted(str(value))
        case _:
            return str(value).lower() if isinstance(value, bool) else str(value)


def _shown_bytes(value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if text.isprintable():
        return quoted(text)
    cut = value[:_SHOWN_BYTES].hex() + ("..." if len(value) > _SHOWN_BYTES else "")
    return f"the bytes {cut}"
