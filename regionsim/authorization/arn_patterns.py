"""ARNs as patterns: of a policy's Resource, and of the Arn condition operators.

Source: IAM User Guide, "Resource", "Condition operators".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from regionsim.authorization.globs import (
    Expanded,
    Matcher,
    Wild,
    compile_glob,
    expand,
    has_variable,
    matches_expanded,
    read_tokens,
)
from regionsim.authorization.request import ConditionValues

ArnTest = Callable[[str, ConditionValues], bool]
"""Does this ARN fit, given the values that variables take?"""

_FIELDS = 6


@lru_cache(maxsize=1024)
def compile_resource(text: str, *, variables: bool) -> tuple[Matcher | None, ArnTest | None]:
    """A test for a Resource: one that needs the ARN only, or else one that reads variables too.

    `*` is everything. Else the five leading fields are compared one by one, and what is left as one pattern; a pattern
    with fewer fields whose last one ends in `*` goes on across the colons. Variables count after the fifth colon only.
    Errors: ValueError for a malformed variable.
    """
    if text.strip("*") == "" and text:
        return compile_glob([Wild.RUN]), None
    fields = text.split(":", _FIELDS - 1)
    if len(fields) < _FIELDS:
        return _incomplete(fields), None
    leading = [compile_glob(read_tokens(field, wildcards=True, variables=False)) for field in fields[:-1]]
    tokens = read_tokens(fields[-1], wildcards=True, variables=variables)
    if not has_variable(tokens):
        return _by_field([*leading, compile_glob(tokens)]), None

    def test(arn: str, context: ConditionValues) -> bool:
        given = arn.split(":", _FIELDS - 1)
        if len(given) != _FIELDS or not all(fits(field) for fits, field in zip(leading, given[:-1], strict=True)):
            return False
        expanded = expand(tokens, context)
        return expanded is not None and matches_expanded(expanded, given[-1])

    return None, test


def compile_arn(text: str) -> Matcher:
    """A test for an Arn condition value without variables: each of the six fields by itself, or `*` for any ARN."""
    if text == "*":
        return compile_glob([Wild.RUN])
    fields = text.split(":", _FIELDS - 1)
    if len(fields) < _FIELDS:
        return _nothing
    return _by_field([compile_glob(read_tokens(field, wildcards=True, variables=False)) for field in fields])


def matches_arn(tokens: Expanded, arn: str) -> bool:
    """The same for a value whose variables have been expanded; colons within their values separate fields too."""
    fields: list[list[str | Wild]] = [[]]
    for token in tokens:
        if isinstance(token, Wild):
            fields[-1].append(token)
            continue
        first, *others = token.split(":", _FIELDS - len(fields))
        fields[-1].append(first)
        fields.extend([other] for other in others)
    given = arn.split(":", _FIELDS - 1)
    if len(given) != _FIELDS or len(fields) != _FIELDS:
        return False
    return all(matches_expanded(tuple(field), text) for field, text in zip(fields, given, strict=True))


def _by_field(tests: list[Matcher]) -> Matcher:
    def test(arn: str) -> bool:
        given = arn.split(":", _FIELDS - 1)
        return len(given) == _FIELDS and all(fits(field) for fits, field in zip(tests, given, strict=True))

    return test


def _incomplete(fields: list[str]) -> Matcher:
    if not fields[-1].endswith("*"):
        return _nothing
    tests = [compile_glob(read_tokens(field, wildcards=True, variables=False)) for field in fields]

    def test(arn: str) -> bool:
        given = arn.split(":", len(tests) - 1)
        return len(given) == len(tests) and all(fits(field) for fits, field in zip(tests, given, strict=True))

    return test


def _nothing(_arn: str) -> bool:
    return False
