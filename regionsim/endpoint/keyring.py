"""Access keys: which secret belongs to an access key id, and whom it stands for.

Long-lived keys are part of the accounts (`accounts.model.AccessKey`). Keys of sessions carry what they are
(`sessions`), and expire by the machine's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from regionsim.accounts.directory import Directory
from regionsim.authorization.principals import Principal
from regionsim.endpoint.sessions import PREFIX, SessionKey, SessionSeal
from regionsim.kms.errors import ExpiredTokenException, UnrecognizedClientException
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError
from regionsim.names.regions import PARTITION_OF
from regionsim.runtime.entropy import Stream

_UNKNOWN = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired"
_MOST_SESSIONS_KEPT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Whose key it is, and the secret that their signatures are verified with."""

    principal: Principal
    secret: str = field(repr=False)


class Keyring:
    """All access keys. `directory` gives the accounts as they are now, `now_s` the machine's time."""

    def __init__(
        self, directory: Callable[[], Directory], key: bytes, stream: Stream, now_s: Callable[[], float]
    ) -> None:
        self._directory = directory
        self._now_s = now_s
        self._seal = SessionSeal(key, stream, now_s)
        self._sessions: dict[tuple[str, str], SessionKey] = {}
        self._signers: dict[tuple[str, str], Signer] = {}
        self._signers_are_of: Directory | None = None

    def __repr__(self) -> str:
        return "<Keyring, keys withheld>"

    def signer(self, access_key_id: str, token: str | None, region: str) -> Signer:
        """Who signs with that access key id, in a Region's partition.

        Errors: UnrecognizedClientException for a key or a token that is not known, ExpiredTokenException.
        """
        if token is not None and access_key_id.startswith(PREFIX):
            return self._of_session(access_key_id, token)
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
        return self._seal.new(principal, duration_s)

    def _of_session(self, access_key_id: str, token: str) -> Signer:
        session = self._sessions.get((access_key_id, token)) or self._seal.read(access_key_id, token)
        if session is None:
            raise UnrecognizedClientException(_UNKNOWN)
        if len(self._sessions) >= _MOST_SESSIONS_KEPT:
            self._sessions.clear()
        self._sessions[access_key_id, token] = session
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
