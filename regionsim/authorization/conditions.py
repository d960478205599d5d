"""Conditions of a statement: every operator of IAM, read strictly, compiled to a test of the request's values.

    ForAllValues: | ForAnyValue:   base operator   IfExists

Operators AND, keys AND, values OR; with a negated operator the values NOR. What cannot be evaluated is refused when the
policy is read, so no condition is ever passed over.

    key absent         positive false · negated true · ...IfExists true · ForAllValues true · ForAnyValue false
    variable absent    that value fits nothing: positive false, negated true
    several values, no set operator    positive false, negated true (ours: AWS calls it unpredictable)

Source: IAM User Guide, "Condition operators", "Single-valued vs. multivalued context keys", "Variables and tags".
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache

from regionsim.authorization.condition_values import Hit, compile_values
from regionsim.authorization.operators import OPERATORS, Family, Operator
from regionsim.authorization.request import ConditionValues, ContextValue
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import nearest

Test = Callable[[ConditionValues], bool]
"""Does a statement's condition hold for a request?"""

_IF_EXISTS = "ifexists"


class SetOperator(StrEnum):
    """How a test of one value extends to a multi-valued key."""

    ALL = "ForAllValues"
    ANY = "ForAnyValue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One operator with one key and its values, as written (numbers and booleans as text)."""

    operator: Operator
    set_operator: SetOperator | None
    if_exists: bool
    key: str
    values: tuple[str, ...]


def read_operator(text: str) -> tuple[SetOperator | None, Operator, bool]:
    """The set operator, the base operator and whether `IfExists` follows it; upper and lower case are alike (ours).

    Errors: ValueError when `text` is no operator of IAM.
    """
    head, colon, tail = text.partition(":")
    prefixes = {member.value.lower(): member for member in SetOperator}
    set_operator = prefixes.get(head.lower()) if colon else None
    if colon and set_operator is None:
        raise ValueError(f"no such set operator: '{head}'")
    base = (tail if colon else head).lower()
    if_exists = base.endswith(_IF_EXISTS)
    operator = OPERATORS.get(base.removesuffix(_IF_EXISTS))
    if operator is None:
        meant = nearest(base, [known.name for known in OPERATORS.values()])
        raise ValueError(f"no such condition operator: '{text}'" + (f", did you mean '{meant}'?" if meant else ""))
    if operator.family is Family.NULL and (if_exists or set_operator is not None):
        raise ValueError("Null takes neither IfExists nor a set operator")
    return set_operator, operator, if_exists


_NO_KEY = ""
"""A name that no condition key has."""


@lru_cache(maxsize=2048)
def compile_condition(condition: Condition, *, variables: bool, absent: frozenset[str] = frozenset()) -> Test:
    """A test for the condition; `variables` says whether the policy's version has policy variables.

    The keys in `absent` (in lower case) are read as if no request ever had them. Kept for when the same condition comes
    again: it is compiled when its policy is read, and again for the first decision on it.
    Errors: ValueError for a value that the operator cannot compare with, or a malformed variable.
    """
    key = condition.key.lower()
    if key in absent:
        key = _NO_KEY
    if condition.operator.family is Family.NULL:
        return _compile_null(key, condition.values)
    hit = compile_values(condition.operator, condition.values, variables=variables)
    match condition.set_operator:
        case SetOperator.ALL:
            return _for_all(key, hit, negated=condition.operator.negated)
        case SetOperator.ANY:
            return _for_any(key, hit, negated=condition.operator.negated, absent=condition.if_exists)
        case None:
            return _single(key, hit, negated=condition.operator.negated, if_exists=condition.if_exists)


def _compile_null(key: str, values: tuple[str, ...]) -> Test:
    wanted = {value.lower() for value in values}
    if not wanted <= {"true", "false"}:
        raise ValueError("Null wants true or false")
    absent_wanted, present_wanted = "true" in wanted, "false" in wanted

    def test(context: ConditionValues) -> bool:
        # An empty text counts as null (ours: AWS leaves it open).
        return present_wanted if context.get(key) else absent_wanted

    return test


def _single(key: str, hit: Hit, *, negated: bool, if_exists: bool) -> Test:
    exact, absent = hit.exact, if_exists or negated
    if exact is not None and not if_exists:
        # A tuple is hashable and never a member, and neither is None: one look-up answers all three cases.
        if negated:
            return lambda context: context.get(key) not in exact
        return lambda context: context.get(key) in exact
    test = hit.test

    def general(context: ConditionValues) -> bool:
        value = context.get(key)
        if isinstance(value, str):
            return test(value, context) is not negated
        return negated if value else absent

    return general


def _for_all(key: str, hit: Hit, *, negated: bool) -> Test:
    test = hit.test

    def every(context: ConditionValues) -> bool:
        return all(test(value, context) is not negated for value in _several(context.get(key)))

    return every


def _for_any(key: str, hit: Hit, *, negated: bool, absent: bool) -> Test:
    test = hit.test

    def some(context: ConditionValues) -> bool:
        values = _several(context.get(key))
        return any(test(value, context) is not negated for value in values) if values else absent

    return some


def _several(value: ContextValue | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value
