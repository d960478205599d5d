"""The part of CBOR that attestation documents are written in: whole numbers, bytes, text, lists, maps, tags, null and
the two truths, each of a length that is said before.

Strict: anything else, and anything left over, is a `CborError`. Source: RFC 8949.
"""

from __future__ import annotations

from typing import Any, NamedTuple

_DEEPEST = 16
_SIMPLE = {20: False, 21: True, 22: None}


class CborError(ValueError):
    """The bytes are not CBOR, or use more of it than we read."""


class Tagged(NamedTuple):
    """A value with a tag in front of it."""

    tag: int
    value: Any


def decode(encoded: bytes) -> Any:
    """The one value that the bytes say. Errors: CborError."""
    value, end = _value(encoded, 0, 0)
    if end != len(encoded):
        raise CborError("something follows the value")
    return value


def _value(encoded: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > _DEEPEST:
        raise CborError("too deep")
    kind, number, at = _head(encoded, at)
    match kind:
        case 0:
            return number, at
        case 1:
            return -1 - number, at
        case 2 | 3:
            return _string(encoded, at, number, is_text=kind == 3)
        case 4:
            return _list(encoded, at, number, depth)
        case 5:
            return _map(encoded, at, number, depth)
        case 6:
            value, at = _value(encoded, at, depth + 1)
            return Tagged(number, value), at
        case _ if number in _SIMPLE:
            return _SIMPLE[number], at
        case _:
            raise CborError("a value that we do not read")


def _head(encoded: bytes, at: int) -> tuple[int, int, int]:
    """Kind and number of the value at that place, and where what follows begins."""
    if at >= len(encoded):
        raise CborError("the bytes end too early")
    kind, short = encoded[at] >> 5, encoded[at] & 31
    if short < 24:
        return kind, short, at + 1
    if short > 27 or kind == 7:
        raise CborError("a length that is not said before, or a number that is not whole")
    end = at + 1 + (1 << (short - 24))
    if end > len(encoded):
        raise CborError("the bytes end too early")
    return kind, int.from_bytes(encoded[at + 1 : end]), end


def _string(encoded: bytes, at: int, length: int, *, is_text: bool) -> tuple[bytes | str, int]:
    end = at + length
    if end > len(encoded):
        raise CborError("the bytes end too early")
    try:
        return (encoded[at:end].decode() if is_text else encoded[at:end]), end
    except UnicodeDecodeError:
        raise CborError("text that is not UTF-8") from None


def _list(encoded: bytes, at: int, count: int, depth: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(min(count, len(encoded) + 1)):  # each item takes a byte at least
        item, at = _value(encoded, at, depth + 1)
        items.append(item)
    return items, at


def _map(encoded: bytes, at: int, count: int, depth: int) -> tuple[dict[Any, Any], int]:
    found: dict[Any, Any] = {}
    for _ in range(min(count, len(encoded) + 1)):
        key, at = _value(encoded, at, depth + 1)
        if not isinstance(key, int | str) or key in found:
            raise CborError("a key that cannot be one, or that was there before")
        found[key], at = _value(encoded, at, depth + 1)
    return found, at


def encode(value: Any) -> bytes:
    """The value in its shortest form."""
    match value:
        case None | False | True:
            return bytes((0xE0 | (22 if value is None else 20 + value),))
        case int():
            return _written(0, value) if value >= 0 else _written(1, -1 - value)
        case bytes():
            return _written(2, len(value)) + value
        case str():
            return _written(3, len(value.encode())) + value.encode()
        case Tagged(tag=tag, value=held):
            return _written(6, tag) + encode(held)
        case list():
            return _written(4, len(value)) + b"".join(map(encode, value))
        case dict():
            return _written(5, len(value)) + b"".join(encode(key) + encode(held) for key, held in value.items())
        case _:
            raise CborError(f"nothing for {type(value).__name__}")


def _written(kind: int, number: int) -> bytes:
    if number < 24:
        return bytes((kind << 5 | number,))
    for power in range(4):
        length = 1 << power
        if number < 1 << (8 * length):
            return bytes((kind << 5 | (24 + power),)) + number.to_bytes(length)
    raise CborError("a number that is too long")
