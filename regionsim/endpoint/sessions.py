"""Credentials of sessions that carry who they stand for: nobody has to remember them.

    access key id   "ASIA" and 16 drawn characters
    secret          HMAC of the access key id under the sealing key of the world
    token           what the session is, as JSON, behind its HMAC under the same key

So every process of a world knows every session, and a session outlives the process that gave it, as long as the key
does. The token is bound to its access key id; what it says is no secret, and cannot be altered.
Source: ours; AWS's tokens are opaque and as long.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any

from regionsim.authorization.principals import Principal, PrincipalKind
from regionsim.names.dataclass import dataclass
from regionsim.runtime.entropy import Stream

KEY_BYTES = 32
_TAG_BYTES = 32
PREFIX = "ASIA"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKey:
    """The credentials of one session. `expires_s`: seconds since 1970."""

    access_key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    principal: Principal
    expires_s: int


class SessionSeal:
    """Makes and reads credentials of sessions; without the key nobody can."""

    def __init__(self, key: bytes, stream: Stream, now_s: Callable[[], float]) -> None:
        assert len(key) == KEY_BYTES, "the sealing key has 32 bytes"
        self._key = key
        self._stream = stream
        self._now_s = now_s

    def __repr__(self) -> str:
        return "<SessionSeal, key withheld>"

    def new(self, principal: Principal, duration_s: int) -> SessionKey:
        """Fresh credentials of a session that begins now."""
        access_key_id = PREFIX + base64.b32encode(self._stream.bytes(10)).decode("ascii")
        expires_s = int(self._now_s()) + duration_s
        said = json.dumps(_as_json(principal, expires_s), separators=(",", ":")).encode("ascii")
        token = base64.b64encode(self._mac(b"token", access_key_id, said) + said).decode("ascii")
        return SessionKey(
            access_key_id=access_key_id,
            secret=self._secret(access_key_id),
            token=token,
            principal=principal,
            expires_s=expires_s,
        )

    def read(self, access_key_id: str, token: str) -> SessionKey | None:
        """The session of a token, expired or not; None for a token that was never given with that access key id."""
        try:
            sealed = base64.b64decode(token, validate=True)
        except ValueError:
            return None
        tag, said = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._mac(b"token", access_key_id, said)):
            return None
        principal, expires_s = _from_json(json.loads(said))
        return SessionKey(
            access_key_id=access_key_id,
            secret=self._secret(access_key_id),
            token=token,
            principal=principal,
            expires_s=expires_s,
        )

    def _secret(self, access_key_id: str) -> str:
        return base64.b64encode(self._mac(b"secret", access_key_id, b"")[:30]).decode("ascii")

    def _mac(self, purpose: bytes, access_key_id: str, said: bytes) -> bytes:
        name = access_key_id.encode("utf-8", "replace")
        parts = (purpose, len(name).to_bytes(4), name, said)
        return hmac.digest(self._key, b"".join(parts), "sha256")


def _as_json(principal: Principal, expires_s: int) -> Mapping[str, Any]:
    assert principal.kind is PrincipalKind.ROLE_SESSION, "STS gives sessions of roles"
    return {
        "arn": principal.arn,
        "account": principal.account,
        "name": principal.name,
        "role": principal.role_arn,
        "session": principal.session_name,
        "tags": dict(principal.tags),
        "id": principal.user_id,
        "policy": principal.session_policy,
        "expires": expires_s,
    }


def _from_json(said: Mapping[str, Any]) -> tuple[Principal, int]:
    principal = Principal(
        kind=PrincipalKind.ROLE_SESSION,
        arn=said["arn"],
        account=said["account"],
        name=said["name"],
        role_arn=said["role"],
        session_name=said["session"],
        tags=MappingProxyType(dict(said["tags"])),
        user_id=said["id"],
        session_policy=said["policy"],
    )
    return principal, said["expires"]
