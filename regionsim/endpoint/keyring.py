"""Access keys: which secret belongs to an access key id, and whom it stands for.

Long-lived keys are part of the accounts (`accounts.model.AccessKey`). Keys of sessions are made here when a role is
assumed, and expire by the machine's clock.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

from regionsim.accounts.directory import Directory
from regionsim.authorization.principals import Principal
from regionsim.kms.errors import ExpiredTokenException, UnrecognizedClientException
from regionsim.names.mistakes import ConfigError
from regionsim.names.regions import PARTITION_OF
from regionsim.runtime.entropy import Stream

_UNKNOWN = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKey:
    """The credentials of one session. `expires_s`: seconds since 1970."""

    access_key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    principal: Principal
    expires_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Whose key it is, and the secret that their signatures are verified with."""

    principal: Principal
    secret: str = field(repr=False)


class Keyring:
    """All access keys. `directory` gives the accounts as they are now, `now_s` the machine's time."""

    def __init__(self, directory: Callable[[], Directory], stream: Stream, now_s: Callable[[], float]) -> None:
        self._directory = directory
        self._stream = stream
        self._now_s = now_s
        self._sessions: dict[str, SessionKey] = {}
        self._signers: dict[tuple[str, str], Signer] = {}
        self._signers_are_of: Directory | None = None

    def __repr__(self) -> str:
        return f"<Keyring {len(self._sessions)} sessions>"

    def signer(self, access_key_id: str, token: str | None, region: str) -> Signer:
        """Who signs with that access key id, in a Region's partition.

        Errors: UnrecognizedClientException for a key or a token that is not known, ExpiredTokenException.
        """
        session = self._sessions.get(access_key_id)
        if session is not None:
            return self._of_session(session, token)
        directory = self._directory()
        if directory is not self._signers_are_of:
            self._signers, self._signers_are_of = {}, directory
        partition = PARTITION_OF[region].name if region in PARTITION_OF else "aws"
        signer = self._signers.get((access_key_id, partition))
        if signer is None:
            signer = self._signers[access_key_id, partition] = _long_lived(directory, access_key_id, partition)
        if token is not None:
            raise UnrecognizedClientException(_UNKNOWN)
        return signer

    def new_session(self, principal: Principal, duration_s: int) -> SessionKey:
        """Fresh credentials of a session that begins now."""
        now_s = int(self._now_s())
        for known in [key for key, session in self._sessions.items() if session.expires_s + 3600 < now_s]:
            del self._sessions[known]  # an hour longer, so that whoever goes on hears that it has expired
        session = SessionKey(
            access_key_id="ASIA" + base64.b32encode(self._stream.bytes(10)).decode("ascii"),
            secret=base64.b64encode(self._stream.bytes(30)).decode("ascii"),
            token=base64.b64encode(self._stream.bytes(180)).decode("ascii"),
            principal=principal,
            expires_s=now_s + duration_s,
        )
        self._sessions[session.access_key_id] = session
        return session

    def forget_sessions(self) -> None:
        """End every session: its keys are unknown from now on."""
        self._sessions.clear()

    def _of_session(self, session: SessionKey, token: str | None) -> Signer:
        if token != session.token:
            raise UnrecognizedClientException(_UNKNOWN)
        if session.expires_s <= self._now_s():
            raise ExpiredTokenException(_EXPIRED)
        return Signer(principal=session.principal, secret=session.secret)


def _long_lived(directory: Directory, access_key_id: str, partition: str) -> Signer:
    for account in directory.accounts.values():
        key = account.access_keys.get(access_key_id)
        if key is not None:
            try:
                principal = directory.principal(account.account_id, key.user, partition=partition)
            except ConfigError:
                break  # the user is gone
            return Signer(principal=principal, secret=key.secret)
    raise UnrecognizedClientException(_UNKNOWN)
