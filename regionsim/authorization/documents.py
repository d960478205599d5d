"""Reading a policy document: strict JSON, typed readers of its elements, the error that says where it is malformed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import NoReturn

_MAX_CHARACTERS = 131_072
"""Source: botocore 1.44.5, PolicyType. What KMS accepts of these is less (`regionsim.authorization.findings`)."""


class PolicyError(ValueError):
    """A malformed policy: `path` is where (`$.Statement[0].Effect`), `message` is what is wrong there."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


def load_json(text: str) -> object:
    """What a JSON text says. Unlike `json.loads`: no doubled keys, no NaN; too long or too deep a text is malformed."""
    if len(text) > _MAX_CHARACTERS:
        raise PolicyError("$", f"longer than {_MAX_CHARACTERS} characters")
    try:
        loaded: object = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    except PolicyError:
        raise
    except RecursionError:
        raise PolicyError("$", "nested too deep") from None
    except ValueError as error:
        raise PolicyError("$", f"not JSON: {error}") from None
    return loaded


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # json keeps the last of two equal keys; the condition under the first one would be lost silently.
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        doubled = next(key for at, key in enumerate(keys) if key in keys[:at])
        raise PolicyError("$", f"'{doubled}' stands twice in one object")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise PolicyError("$", f"not JSON: {name}")


def read_scalar(value: object, path: str) -> str:
    """A condition value as text: numbers in decimal, booleans as `true` and `false`."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() if abs(value) < 10**64:
            return str(value)
        case float() if math.isfinite(value):
            return repr(value)
        case _:
            raise PolicyError(path, f"wants text, a number or a boolean, not {kind_of(value)}")


def read_texts(value: object, path: str) -> tuple[str, ...]:
    """One text or a list of texts, none of them empty."""
    listed = [value] if isinstance(value, str) else as_list(value)
    if listed is None:
        raise PolicyError(path, f"wants text or a list of texts, not {kind_of(value)}")
    texts: list[str] = []
    for item in listed:
        if not isinstance(item, str) or not item:
            advice = "; put it in quotes" if isinstance(item, int) else ""
            raise PolicyError(path, f"wants text or a list of texts, not {kind_of(item)}{advice}")
        texts.append(item)
    return tuple(texts)


def optional_text(tree: Mapping[str, object], name: str, path: str) -> str | None:
    """The text under `name`, or None when the element is absent."""
    value = tree.get(name)
    if name in tree and not isinstance(value, str):
        raise PolicyError(f"{path}.{name}", f"wants text, not {kind_of(value)}")
    return value if isinstance(value, str) else None


def check_elements(tree: Mapping[str, object], known: frozenset[str], path: str) -> None:
    """Refuses elements that the grammar does not know: a misspelt `Condition` must not vanish."""
    for name in tree:
        if name not in known:
            raise PolicyError(f"{path}.{name}", f"no such element; valid: {', '.join(sorted(known))}")


def as_list(value: object) -> Sequence[object] | None:
    """The value if it is a list; text is none."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return value
    return None


def kind_of(value: object) -> str:
    """What `value` is, in words for a message."""
    match value:
        case None:
            return "nothing"
        case str():
            return f"'{value}'" if value else "an empty text"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case Mapping():
            return "an object"
        case _:
            return "a list" if as_list(value) is not None else f"a value of type {type(value).__name__}"
