"""The base condition operators of IAM, as one table. Source: IAM User Guide, "Condition operators"."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from regionsim.names.dataclass import dataclass


class Family(StrEnum):
    """What an operator compares."""

    STRING = "string"
    STRING_IGNORE_CASE = "string_ignore_case"
    STRING_LIKE = "string_like"
    NUMERIC = "numeric"
    DATE = "date"
    BOOL = "bool"
    BINARY = "binary"
    IP_ADDRESS = "ip_address"
    ARN = "arn"
    NULL = "null"


class Relation(StrEnum):
    """How a request's value must stand to a policy's value."""

    EQUAL = "equal"
    LESS = "less"
    LESS_OR_EQUAL = "less_or_equal"
    GREATER = "greater"
    GREATER_OR_EQUAL = "greater_or_equal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One base operator. A negated one holds when no value of the policy fits."""

    name: str
    family: Family
    negated: bool = False
    relation: Relation = Relation.EQUAL


def _ordered(prefix: str, family: Family) -> tuple[Operator, ...]:
    return (
        Operator(name=f"{prefix}Equals", family=family),
        Operator(name=f"{prefix}NotEquals", family=family, negated=True),
        Operator(name=f"{prefix}LessThan", family=family, relation=Relation.LESS),
        Operator(name=f"{prefix}LessThanEquals", family=family, relation=Relation.LESS_OR_EQUAL),
        Operator(name=f"{prefix}GreaterThan", family=family, relation=Relation.GREATER),
        Operator(name=f"{prefix}GreaterThanEquals", family=family, relation=Relation.GREATER_OR_EQUAL),
    )


_ALL = (
    Operator(name="StringEquals", family=Family.STRING),
    Operator(name="StringNotEquals", family=Family.STRING, negated=True),
    Operator(name="StringEqualsIgnoreCase", family=Family.STRING_IGNORE_CASE),
    Operator(name="StringNotEqualsIgnoreCase", family=Family.STRING_IGNORE_CASE, negated=True),
    Operator(name="StringLike", family=Family.STRING_LIKE),
    Operator(name="StringNotLike", family=Family.STRING_LIKE, negated=True),
    *_ordered("Numeric", Family.NUMERIC),
    *_ordered("Date", Family.DATE),
    Operator(name="Bool", family=Family.BOOL),
    Operator(name="BinaryEquals", family=Family.BINARY),
    Operator(name="IpAddress", family=Family.IP_ADDRESS),
    Operator(name="NotIpAddress", family=Family.IP_ADDRESS, negated=True),
    Operator(name="ArnEquals", family=Family.ARN),
    Operator(name="ArnLike", family=Family.ARN),
    Operator(name="ArnNotEquals", family=Family.ARN, negated=True),
    Operator(name="ArnNotLike", family=Family.ARN, negated=True),
    Operator(name="Null", family=Family.NULL),
)

OPERATORS = MappingProxyType({operator.name.lower(): operator for operator in _ALL})
"""Every base operator by its name in lower case."""
