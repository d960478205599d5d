"""What KMS asks its HSMs about secrets of custom key stores: what the hosts must know, and not keep in clear."""

from __future__ import annotations

from dataclasses import field

from regionsim.names.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SealSecret:
    """Wrap what the hosts must know of a custom key store and not keep in clear. Answer: `SecretSealed`."""

    store_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSecret:
    """The secret in a token of `SealSecret`, for the hosts to use. Answer: `SecretOpened`."""

    store_id: str
    token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrapSecret:
    """Wrap a secret anew under the active domain key. Answer: `SecretSealed`."""

    store_id: str
    token: bytes = field(repr=False)
