"""The canonical bytes of an encryption context: what authenticated encryption binds a ciphertext to.

    count:2  ( name length:2  name  value length:2  value )*      big-endian, pairs sorted by the UTF-8 bytes of the
    name

Each part carries its length, so no two contexts share their bytes: {"a": "bc"} and {"ab": "c"} differ, and the order
in which a caller wrote the pairs does not count.

Source: ours: KMS keeps its own form to itself, this is the AWS Encryption SDK's.
"""

from __future__ import annotations

from collections.abc import Mapping

from regionsim.kms.errors import ValidationException

MAX_CANONICAL_BYTES = 8192
"""The largest canonical form. Source: UNVERIFIED (ours): the AWS Encryption SDK's limit."""


_NONE = bytes(2)


def canonical(context: Mapping[str, str]) -> bytes:
    """The canonical bytes of `context`: equal for equal contexts, and for no others.

    Errors: ValidationException when they would be too many, or when a name or value is not Unicode text.
    """
    if not context:
        return _NONE
    try:
        pairs = sorted((name.encode(), value.encode()) for name, value in context.items())
    except UnicodeEncodeError:
        # Half a surrogate pair passes JSON but has no UTF-8 form.
        raise ValidationException("Encryption context names and values must be well-formed Unicode text.") from None
    size = 2 + sum(4 + len(name) + len(value) for name, value in pairs)
    if size > MAX_CANONICAL_BYTES:
        raise ValidationException(f"The encryption context must not exceed {MAX_CANONICAL_BYTES} bytes.")
    parts = [len(pairs).to_bytes(2)]
    for name, value in pairs:
        parts += (len(name).to_bytes(2), name, len(value).to_bytes(2), value)
    return b"".join(parts)
