"""Messages and audit segments as bytes: versioned msgpack. The only module that knows msgpack.

A frame is `[version, message, ...]`, a message `[kind, field, ...]` with the fields of its dataclass in order.
Decoding is strict: a wrong type, a missing or surplus field, an unknown kind or version is a `WireError`, and the
receiver counts and drops the frame. Encoders and decoders are derived from the dataclasses' annotations once, so that
a message cannot be described twice.

Source: ours.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, TypeAlias, Union, get_args, get_origin, get_type_hints

import msgpack

from regionsim.kms.messages import (
    Answered,
    Asked,
    CreateReplica,
    MaterialBatch,
    MaterialImported,
    MaterialImportNoted,
    MaterialRequest,
    Message,
    NoMaterial,
    ReplicaDeleted,
    ReplicaDeletionNoted,
    Synchronize,
    Synchronized,
)
from regionsim.kms.questions import MayBecomePrimary, MayCreateReplica
from regionsim.region.audit_entry import AuditEntry

VERSION = 1

_AUDIT_FIELDS = [known.name for known in fields(AuditEntry)]
_REQUEST_ID, _CALLER = _AUDIT_FIELDS.index("request_id"), _AUDIT_FIELDS.index("caller")
MESSAGES_PER_FRAME = 64

_MESSAGE_KINDS: tuple[type, ...] = (
    CreateReplica,
    Synchronize,
    Synchronized,
    MaterialRequest,
    MaterialBatch,
    NoMaterial,
    Asked,
    Answered,
    ReplicaDeleted,
    ReplicaDeletionNoted,
    MaterialImported,
    MaterialImportNoted,
)
_QUESTION_KINDS: tuple[type, ...] = (MayCreateReplica, MayBecomePrimary)

_Encode: TypeAlias = Callable[[Any], Any]
_Decode: TypeAlias = Callable[[Any], Any]


class WireError(Exception):
    """Bytes that no Region of this version sends."""


def pack_frame(messages: Sequence[Message]) -> bytes:
    """One envelope's body."""
    encode, _ = _union(_MESSAGE_KINDS)
    return _packed([VERSION, *map(encode, messages)])


def unpack_frame(body: bytes) -> list[Message]:
    """The messages of an envelope's body. Errors: WireError."""
    _, decode = _union(_MESSAGE_KINDS)
    return [decode(item) for item in _unpacked(body)]


def pack_message(message: Message) -> bytes:
    """One message as an outbox keeps it: a frame of one."""
    return pack_frame((message,))


def unpack_message(body: bytes) -> Message:
    """What `pack_message` packed. Errors: WireError."""
    messages = unpack_frame(body)
    if len(messages) != 1:
        raise WireError("not one message")
    return messages[0]


def pack_audit(entries: Sequence[AuditEntry]) -> bytes:
    """A segment of audit entries."""
    encode, _ = _codec(AuditEntry)
    return _packed([VERSION, *map(encode, entries)])


def unpack_audit(body: bytes) -> list[AuditEntry]:
    """The entries of a segment. Errors: WireError."""
    _, decode = _codec(AuditEntry)
    return [decode(item) for item in _unpacked(body)]


def unpack_calls(body: bytes) -> list[str]:
    """The request ids of a segment's entries that tell of calls, and of nothing that KMS did by itself: a tenth of the
    work of `unpack_audit`. Errors: WireError."""
    try:
        return [_checked(str)(item[_REQUEST_ID]) for item in _unpacked(body) if item[_CALLER] is not None]
    except (IndexError, TypeError):
        raise WireError("not an AuditEntry") from None


def _packed(value: list[Any]) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def _unpacked(body: bytes) -> list[Any]:
    try:
        frame = msgpack.unpackb(body, raw=False, strict_map_key=True)
    except (ValueError, msgpack.UnpackException):
        raise WireError("not msgpack") from None
    # Compared with its type: to Python, True and 1.0 are 1.
    if not isinstance(frame, list) or not frame or type(frame[0]) is not int or frame[0] != VERSION:
        raise WireError("not a frame of this version")
    return frame[1:]


@cache
def _codec(hint: Any) -> tuple[_Encode, _Decode]:
    """How values of a type annotation are encoded and decoded."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return _as_is, _plain
    if hint is str:
        return _as_is, _text
    if hint in (int, bytes, bool, float):
        return _as_is, _checked(hint)
    if origin in (Union, types.UnionType):
        return _optional(arguments) if type(None) in arguments else _union(_QUESTION_KINDS)
    if origin is tuple:
        return _tuple(arguments)
    if origin in (Mapping, dict) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return _mapping(arguments)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum(hint)
    assert isinstance(hint, type), f"no wire form for {hint}"
    assert is_dataclass(hint), f"no wire form for {hint}"
    return _dataclass(hint)


def _dataclass(hint: type) -> tuple[_Encode, _Decode]:
    hints = get_type_hints(hint)
    known = [(known.name, *_codec(hints[known.name])) for known in fields(hint) if known.init]
    # Two more, for of a single field it gives no tuple, and of none it cannot be made.
    read_fields = attrgetter(*(name for name, _, _ in known), "__class__", "__class__")
    encoded = [(index, encode_field) for index, (_, encode_field, _) in enumerate(known) if encode_field is not _as_is]

    last: tuple[Any, list[Any]] = (None, [])

    def encode(value: Any) -> list[Any]:
        nonlocal last
        if value is last[0]:  # one caller or one key is told of again and again
            return last[1]
        packed = [*read_fields(value)[:-2]]
        for index, encode_field in encoded:
            packed[index] = encode_field(packed[index])
        last = (value, packed)
        return packed

    def decode(value: Any) -> Any:
        if not isinstance(value, list) or len(value) != len(known):
            raise WireError(f"not a {hint.__name__}")
        return hint(**{name: decode_field(item) for (name, _, decode_field), item in zip(known, value, strict=True)})

    return encode, decode


def _union(kinds: tuple[type, ...]) -> tuple[_Encode, _Decode]:
    codecs = [_codec(kind) for kind in kinds]
    index_of = {kind: index for index, kind in enumerate(kinds)}

    def encode(value: Any) -> list[Any]:
        index = index_of[type(value)]
        return [index, *codecs[index][0](value)]

    def decode(value: Any) -> Any:
        if not isinstance(value, list) or not value or type(value[0]) is not int or not 0 <= value[0] < len(kinds):
            raise WireError("a message of an unknown kind")
        return codecs[value[0]][1](value[1:])

    return encode, decode


def _optional(arguments: tuple[Any, ...]) -> tuple[_Encode, _Decode]:
    (inner,) = (argument for argument in arguments if argument is not type(None))
    encode, decode = _codec(inner)
    return (
        _as_is if encode is _as_is else lambda value: None if value is None else encode(value),
        lambda value: None if value is None else decode(value),
    )


def _tuple(arguments: tuple[Any, ...]) -> tuple[_Encode, _Decode]:
    if arguments[1:] == (Ellipsis,):
        encode, decode = _codec(arguments[0])
        return (
            _as_is if encode is _as_is else lambda values: [encode(value) for value in values],
            lambda values: tuple(decode(value) for value in _list(values)),
        )
    codecs = [_codec(argument) for argument in arguments]

    def decode_fixed(values: Any) -> tuple[Any, ...]:
        if len(_list(values)) != len(codecs):
            raise WireError(f"not {len(codecs)} values")
        return tuple(decode(value) for (_, decode), value in zip(codecs, values, strict=True))

    return lambda values: [encode(value) for (encode, _), value in zip(codecs, values, strict=True)], decode_fixed


def _mapping(arguments: tuple[Any, ...]) -> tuple[_Encode, _Decode]:
    key_codec, value_codec = _codec(arguments[0]), _codec(arguments[1])

    def decode(value: Any) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise WireError("not a mapping")
        return {key_codec[1](key): value_codec[1](item) for key, item in value.items()}

    if key_codec[0] is _as_is and value_codec[0] is _as_is:
        return _dict, decode
    return lambda value: {key_codec[0](key): value_codec[0](item) for key, item in value.items()}, decode


def _dict(value: Mapping[Any, Any]) -> dict[Any, Any]:
    return value if type(value) is dict else dict(value)


def _enum(hint: type[Enum]) -> tuple[_Encode, _Decode]:
    def decode(value: Any) -> Enum:
        try:
            return hint(value)
        except ValueError:
            raise WireError(f"no {hint.__name__}") from None

    return lambda value: value.value, decode


def _checked(hint: type) -> _Decode:
    def decode(value: Any) -> Any:
        if type(value) is not hint:
            raise WireError(f"not {hint.__name__}")
        return value

    return decode


def _text(value: Any) -> str:
    if type(value) is not str:
        raise WireError("not str")
    # Ids, ARNs, Regions and policies are said again and again, and each Region keeps them: one copy serves all.
    return sys.intern(value)


def _as_is(value: Any) -> Any:
    return value


def _plain(value: Any) -> Any:
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise WireError("not a list")
    return value
