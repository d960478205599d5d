"""Exported key tokens: a secret of the HSMs wrapped under a domain key, for the hosts to keep.

    version:1  domain key id:4  purpose:1  label length:4  label  nonce:12  AES-256-GCM of the secret

All before the nonce is authenticated, and with it names that the token does not carry: whoever presents a token must
say whose it is. So a token is of no use for another key id, another material, another purpose or in another domain.
The label is the one thing that an HSM learns from the token itself (of a backing key: its key spec).

Source: AWS KMS Cryptographic Details, exported key tokens (AES-256-GCM under the domain key, metadata as additional
data); the layout is ours.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from regionsim.hsm.algorithms.symmetric import GCM_NONCE_BYTES, length_prefixed
from regionsim.hsm.domain import DOMAIN_KEY_ID_BYTES, DomainState
from regionsim.kms.errors import InvalidCiphertextException, KeyUnavailableException

_VERSION = b"\x01"
_ID_END = 1 + DOMAIN_KEY_ID_BYTES
_LABEL_AT = _ID_END + 1 + 4


class Purpose(Enum):
    """What a token holds."""

    BACKING_KEY = b"\x01"
    AGREEMENT_KEY = b"\x02"
    REPLICATION_WRAPPING_KEY = b"\x03"
    IMPORT_WRAPPING_KEY = b"\x04"
    KEY_STORE_SECRET = b"\x05"


class Unwrapped(NamedTuple):
    """What a token held, and its label."""

    label: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Unwrapped(label={self.label!r}, secret withheld)"


def wrap(
    domain: DomainState, purpose: Purpose, secret: bytes, *, label: str, names: tuple[str, ...], nonce: bytes
) -> bytes:
    """The token of `secret` under the active domain key; `nonce` is 12 fresh bytes."""
    active = domain.active
    clear = b"".join((_VERSION, active.id, purpose.value, length_prefixed(label)))
    return clear + nonce + active.key.seal(nonce, secret, clear + length_prefixed(*names))


def unwrap(domain: DomainState, purpose: Purpose, token: bytes, *, names: tuple[str, ...]) -> Unwrapped:
    """What the token holds.

    Errors: KeyUnavailableException when the domain does not hold its domain key (another domain's, or past its
    retention); InvalidCiphertextException when it is not a token for that purpose and these names.
    """
    if token[:1] != _VERSION or token[_ID_END : _ID_END + 1] != purpose.value:
        raise InvalidCiphertextException
    label_end = _LABEL_AT + int.from_bytes(token[_ID_END + 1 : _LABEL_AT])
    clear, nonce = token[:label_end], token[label_end : label_end + GCM_NONCE_BYTES]
    domain_key = domain.keys.get(domain_key_id_of(token))
    if domain_key is None:
        # Not a fault of the caller's: the same material may be usable in another Region, so the answer is a 5xx.
        raise KeyUnavailableException
    secret = domain_key.key.unseal(nonce, token[label_end + GCM_NONCE_BYTES :], clear + length_prefixed(*names))
    return Unwrapped(clear[_LABEL_AT:].decode(), secret)


def domain_key_id_of(token: bytes) -> bytes:
    """The id of the domain key that the token is under; readable by anyone."""
    return token[1:_ID_END]
