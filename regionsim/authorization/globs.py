"""Text with wildcards and policy variables, compiled once: `*` any run of characters, `?` any one, `${key}` a value.

Wildcards become regular expressions of atomic groups, so no pattern makes matching explode; text with variables is
matched by hand, because no expression is ever built during a decision.
Source: IAM User Guide, "Resource", "Condition operators", "Variables and tags".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from enum import Enum

from regionsim.authorization.request import ConditionValues
from regionsim.names.dataclass import dataclass

Matcher = Callable[[str], bool]

_VARIABLE = re.compile(r"\$\{\s*([^\s{}$'\",*?][^{}$'\",]*?)\s*(?:,\s*'([^']*)'\s*)?\}")
_ESCAPES = {"${*}": "*", "${?}": "?", "${$}": "$"}


class Wild(Enum):
    """A wildcard within text."""

    RUN = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """`${key}` or `${key, 'default'}`; the key in lower case."""

    key: str
    default: str | None


Token = str | Wild | Variable
Expanded = tuple[str | Wild, ...]


def read_tokens(text: str, *, wildcards: bool, variables: bool) -> tuple[Token, ...]:
    """The parts of `text`. Without `wildcards` or `variables` such signs are plain characters.

    `${*}`, `${?}` and `${$}` are the plain characters wherever variables are read.
    Errors: ValueError for a `${` that begins no variable.
    """
    tokens: list[Token] = []
    place = 0
    while place < len(text):
        start = text.find("${", place) if variables else -1
        end = len(text) if start < 0 else start
        tokens.extend(_read_plain(text[place:end], wildcards=wildcards))
        if start < 0:
            break
        escape = text[start : start + 4]
        if escape in _ESCAPES:
            tokens.append(_ESCAPES[escape])
            place = start + 4
            continue
        found = _VARIABLE.match(text, start)
        if found is None:
            raise ValueError(f"'{text[start:]}' begins no policy variable; a literal '$' is written '${{$}}'")
        tokens.append(Variable(key=found[1].lower(), default=found[2]))
        place = found.end()
    return _joined(tokens)


def _read_plain(text: str, *, wildcards: bool) -> Iterable[str | Wild]:
    if not wildcards:
        return [text] if text else []
    return [Wild(part) if part in ("*", "?") else part for part in re.split(r"([*?])", text) if part]


def _joined(tokens: Iterable[Token]) -> tuple[Token, ...]:
    """Neighbouring pieces of text made one; neighbouring runs made one."""
    result: list[Token] = []
    for token in tokens:
        if result and isinstance(token, str) and isinstance(result[-1], str):
            result[-1] += token
        elif not (result and token is Wild.RUN and result[-1] is Wild.RUN):
            result.append(token)
    return tuple(result)


def has_variable(tokens: Iterable[Token]) -> bool:
    """True when some part depends on the request."""
    return any(isinstance(token, Variable) for token in tokens)


def expand(tokens: Iterable[Token], context: ConditionValues) -> Expanded | None:
    """The parts with variables replaced by their values, taken literally; None when one has no single value.

    A multi-valued key is no variable. Source: IAM User Guide, "Variables and tags".
    """
    result: list[str | Wild] = []
    for token in tokens:
        if not isinstance(token, Variable):
            result.append(token)
            continue
        value = context.get(token.key)
        if value is None:
            value = token.default
        if not isinstance(value, str):
            return None
        result.append(value)
    return tuple(result)


def compile_glob(tokens: Sequence[Token]) -> Matcher:
    """A test of whole texts against parts without variables."""
    match list(tokens):
        case []:
            return "".__eq__
        case [str() as text]:
            return text.__eq__
        case [Wild.RUN]:
            return _anything
        case [str() as text, Wild.RUN]:
            return _Prefix(text)
        case _:
            return _Expression(re.compile(_expression(tokens), re.DOTALL))


def _anything(_value: str) -> bool:
    return True


class _Prefix:
    __slots__ = ("_prefix",)

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __call__(self, value: str) -> bool:
        return value.startswith(self._prefix)


class _Expression:
    __slots__ = ("_fullmatch",)

    def __init__(self, expression: re.Pattern[str]) -> None:
        self._fullmatch = expression.fullmatch

    def __call__(self, value: str) -> bool:
        return self._fullmatch(value) is not None


def _expression(tokens: Sequence[Token]) -> str:
    """Between two runs the leftmost place is always right, hence atomic groups; the last piece is tied to the end."""
    pieces = [""]
    for token in tokens:
        if token is Wild.RUN:
            pieces.append("")
        elif token is Wild.ONE:
            pieces[-1] += "."
        else:
            assert isinstance(token, str), "variables are expanded before"
            pieces[-1] += re.escape(token)
    if len(pieces) == 1:
        return pieces[0]
    first, *middle, last = pieces
    return first + "".join(f"(?>.*?{piece})" for piece in middle) + f".*{last}"


def matches_expanded(tokens: Expanded, value: str) -> bool:
    """True when `value` as a whole fits the expanded parts; linear in the length of `value` times that of the parts."""
    pattern = _characters(tokens)
    place = mark = 0
    run = -1
    while place < len(value):
        wanted = pattern[mark] if mark < len(pattern) else None
        if wanted is Wild.RUN:
            run, resume = mark, place
            mark += 1
        elif wanted is Wild.ONE or wanted == value[place]:
            mark += 1
            place += 1
        elif run >= 0:
            resume += 1
            mark, place = run + 1, resume
        else:
            return False
    return all(rest is Wild.RUN for rest in pattern[mark:])


def _characters(tokens: Expanded) -> list[str | Wild]:
    result: list[str | Wild] = []
    for token in tokens:
        if isinstance(token, Wild):
            result.append(token)
        else:
            result.extend(token)
    return result
