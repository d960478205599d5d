"""Tests of one request value against the values of a condition, by family of operators.

Each test answers "does any value of the policy fit?"; negation and set operators are applied around it.
Source: IAM User Guide, "Condition operators".
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator as relations
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from regionsim.authorization.arn_patterns import compile_arn, matches_arn
from regionsim.authorization.globs import (
    Expanded,
    Matcher,
    Token,
    compile_glob,
    expand,
    has_variable,
    matches_expanded,
    read_tokens,
)
from regionsim.authorization.operators import Family, Operator, Relation
from regionsim.authorization.request import ConditionValues
from regionsim.names.dataclass import dataclass

_NUMBER = re.compile(r"[+-]?\d{1,64}(\.\d{1,64})?([eE][+-]?\d{1,3})?", re.ASCII)
_EPOCH_SECONDS = re.compile(r"-?\d{5,12}(\.\d+)?|\d{1,3}", re.ASCII)
_YEAR_MONTH = re.compile(r"\d{4}(-\d{2})?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_RELATIONS: dict[Relation, Callable[[Any, Any], bool]] = {
    Relation.EQUAL: relations.eq,
    Relation.LESS: relations.lt,
    Relation.LESS_OR_EQUAL: relations.le,
    Relation.GREATER: relations.gt,
    Relation.GREATER_OR_EQUAL: relations.ge,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """`test(value, context)`: does any value of the policy fit? `exact`: the values, when plain equality decides."""

    test: Callable[[str, ConditionValues], bool]
    exact: frozenset[str] | None = None


def compile_values(operator: Operator, values: tuple[str, ...], *, variables: bool) -> Hit:
    """The test for a family's values.

    Errors: ValueError for a value that the family cannot compare with, or a malformed variable.
    """
    assert operator.family is not Family.NULL, "Null is about the key, not about its values"
    if operator.family in _TEXTS:
        return _TEXTS[operator.family](values, variables)
    if operator.family is Family.IP_ADDRESS:
        return _compile_networks(values)
    read, what = _READERS[operator.family]
    return _compile_ordered(values, read, _RELATIONS[operator.relation], what)


def read_number(text: str) -> Decimal | None:
    """The number that `text` is, or None."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def read_date(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 date (UTC when it names no zone) or of epoch seconds, or None."""
    if _YEAR_MONTH.fullmatch(text):
        text = (text + "-01-01")[:10]
    elif _EPOCH_SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH).total_seconds()


def _read_binary(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _read_bool(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _compile_ordered(
    values: tuple[str, ...], read: Callable[[str], Any], relation: Callable[[Any, Any], bool], what: str
) -> Hit:
    wanted = [read(value) for value in values]
    for value, parsed in zip(values, wanted, strict=True):
        if parsed is None:
            raise ValueError(f"'{value}' is not {what}")

    def test(value: str, _context: ConditionValues) -> bool:
        given = read(value)
        return given is not None and any(relation(given, limit) for limit in wanted)

    return Hit(test=test)


def _compile_networks(values: tuple[str, ...]) -> Hit:
    networks = [ipaddress.ip_network(value, strict=False) for value in values]

    def test(value: str, _context: ConditionValues) -> bool:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return False
        return any(address in network for network in networks)

    return Hit(test=test)


def _sorted_out(
    values: tuple[str, ...], *, wildcards: bool, variables: bool
) -> tuple[list[tuple[Token, ...]], list[tuple[Token, ...]]]:
    """The values as parts: those that stand as they are, and those with variables."""
    read = [read_tokens(value, wildcards=wildcards, variables=variables) for value in values]
    return [tokens for tokens in read if not has_variable(tokens)], [tokens for tokens in read if has_variable(tokens)]


def _compile_strings(values: tuple[str, ...], variables: bool) -> Hit:
    plain, open_ended = _sorted_out(values, wildcards=False, variables=variables)
    exact = frozenset(_text(tokens) for tokens in plain)
    if not open_ended:
        return Hit(test=lambda value, _context: value in exact, exact=exact)

    def test(value: str, context: ConditionValues) -> bool:
        return value in exact or any(_expanded_text(tokens, context) == value for tokens in open_ended)

    return Hit(test=test)


def _compile_ignoring_case(values: tuple[str, ...], variables: bool) -> Hit:
    plain, open_ended = _sorted_out(values, wildcards=False, variables=variables)
    # lower() and not casefold(): AWS's simulator does not equate 'ß' with 'ss' (recorded by PMapper).
    exact = frozenset(_text(tokens).lower() for tokens in plain)

    def test(value: str, context: ConditionValues) -> bool:
        given = value.lower()
        if given in exact:
            return True
        expanded = (_expanded_text(tokens, context) for tokens in open_ended)
        return any(text is not None and text.lower() == given for text in expanded)

    return Hit(test=test)


def _compile_like(values: tuple[str, ...], variables: bool) -> Hit:
    plain, open_ended = _sorted_out(values, wildcards=True, variables=variables)
    return _compile_patterns([compile_glob(tokens) for tokens in plain], open_ended, matches_expanded)


def _compile_arns(values: tuple[str, ...], variables: bool) -> Hit:
    plain: list[Matcher] = []
    open_ended: list[tuple[Token, ...]] = []
    for value in values:
        tokens = read_tokens(value, wildcards=True, variables=variables)
        # An escape such as ${*} stands for a plain character, which only the parts can say.
        if variables and "${" in value:
            open_ended.append(tokens)
        else:
            plain.append(compile_arn(value))
    return _compile_patterns(plain, open_ended, matches_arn)


def _compile_patterns(
    plain: list[Matcher], open_ended: list[tuple[Token, ...]], fits: Callable[[Expanded, str], bool]
) -> Hit:
    def test(value: str, context: ConditionValues) -> bool:
        if any(matches(value) for matches in plain):
            return True
        for tokens in open_ended:
            expanded = expand(tokens, context)
            if expanded is not None and fits(expanded, value):
                return True
        return False

    return Hit(test=test)


def _text(tokens: tuple[Token, ...]) -> str:
    return "".join(token for token in tokens if isinstance(token, str))


def _expanded_text(tokens: tuple[Token, ...], context: ConditionValues) -> str | None:
    expanded = expand(tokens, context)
    return None if expanded is None else _text(expanded)


_TEXTS: dict[Family, Callable[[tuple[str, ...], bool], Hit]] = {
    Family.STRING: _compile_strings,
    Family.STRING_IGNORE_CASE: _compile_ignoring_case,
    Family.STRING_LIKE: _compile_like,
    Family.ARN: _compile_arns,
}
"""The families whose values may hold policy variables."""

_READERS: dict[Family, tuple[Callable[[str], Any], str]] = {
    Family.NUMERIC: (read_number, "a number"),
    Family.DATE: (read_date, "a date in ISO 8601 or seconds since 1970"),
    Family.BINARY: (_read_binary, "base64"),
    Family.BOOL: (_read_bool, "true or false"),
}
"""How the other families read a value, and what they call it."""
