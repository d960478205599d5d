"""The domain: what all HSMs of a Region share, as one immutable value that they pass on.

One domain key is active and wraps every new token; a daily rotation retires it, and for 30 days a retired key still
opens what it wrapped. Nothing is wrapped under a retired key.

Source: AWS KMS Cryptographic Details, domain keys. AWS keeps as many days of old domain keys as there are recent keys;
30 days is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

from regionsim.hsm.algorithms.p384 import P384Key
from regionsim.hsm.algorithms.symmetric import AES_KEY_BYTES, AeadKey
from regionsim.hsm.confined import Confined
from regionsim.names.dataclass import dataclass
from regionsim.runtime.entropy import Stream

DOMAIN_KEY_ID_BYTES = 4
DOMAIN_KEY_PERIOD_DAYS = 1
"""How often the Region's timers rotate the domain key."""

DOMAIN_KEY_RETENTION_DAYS = 30
_DAY_NS = 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainKeyFacts:
    """What the world may know of a domain key. It opens tokens until `expires_at_ns`, which the active one lacks."""

    id: bytes
    active_since_ns: int
    expires_at_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class DomainKey(Confined):
    """One domain key. `deactivated_at_ns` is None while it is the active one."""

    id: bytes
    key: AeadKey
    active_since_ns: int
    deactivated_at_ns: int | None = None
    facts: DomainKeyFacts = field(init=False)

    def __post_init__(self) -> None:
        retired_ns, lasts_ns = self.deactivated_at_ns, DOMAIN_KEY_RETENTION_DAYS * _DAY_NS
        expires_at_ns = None if retired_ns is None else retired_ns + lasts_ns
        facts = DomainKeyFacts(id=self.id, active_since_ns=self.active_since_ns, expires_at_ns=expires_at_ns)
        object.__setattr__(self, "facts", facts)

    @property
    def expires_at_ns(self) -> int | None:
        """When a retired key is forgotten at the latest rotation before."""
        return self.facts.expires_at_ns


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class DomainState(Confined):
    """A Region's domain at one moment; `epoch` grows by one with each rotation, so HSMs can tell which of two is newer.

    `keys` are by id, in the order of their making; the last one is `active`.
    """

    region: str
    epoch: int
    keys: Mapping[bytes, DomainKey]
    active: DomainKey
    signing_key: P384Key
    facts: tuple[DomainKeyFacts, ...]
    """Ids and instants of all domain keys, the active one last."""
    _secrets: tuple[bytes, ...]

    @classmethod
    def found(cls, region: str, now_ns: int, stream: Stream) -> DomainState:
        """A new domain with its first domain key and its replication signing key."""
        signing_key = P384Key.generate(stream)
        return cls.of(region, 1, (_new_domain_key(stream, now_ns, ()),), signing_key)

    @classmethod
    def of(cls, region: str, epoch: int, keys: tuple[DomainKey, ...], signing_key: P384Key) -> DomainState:
        """The domain of these keys, the active one last."""
        assert keys, "a domain has a domain key"
        assert [key.deactivated_at_ns is None for key in keys] == [*([False] * (len(keys) - 1)), True], (
            "the last is active"
        )
        by_id = MappingProxyType({key.id: key for key in keys})
        assert len(by_id) == len(keys), "domain key ids differ"
        return cls(
            region=region,
            epoch=epoch,
            keys=by_id,
            active=keys[-1],
            signing_key=signing_key,
            facts=tuple([key.facts for key in keys]),
            _secrets=(*[key.key.raw for key in keys], signing_key.raw),
        )

    def rotated(self, now_ns: int, stream: Stream) -> DomainState:
        """The domain after a rotation: a new active key, the old one retired, keys past their retention gone."""
        retired = DomainKey(
            id=self.active.id,
            key=self.active.key,
            active_since_ns=self.active.active_since_ns,
            deactivated_at_ns=now_ns,
        )
        others = [key for key in self.keys.values() if key is not self.active]
        kept = [key for key in others if key.expires_at_ns is not None and key.expires_at_ns > now_ns]
        fresh = _new_domain_key(stream, now_ns, self.keys)
        return DomainState.of(self.region, self.epoch + 1, (*kept, retired, fresh), self.signing_key)

    def secrets_for_scan(self) -> tuple[bytes, ...]:
        """The raw bytes of every secret of the domain. For tests that search files and links; for nothing else."""
        return self._secrets


def _new_domain_key(stream: Stream, now_ns: int, taken_ids: Mapping[bytes, DomainKey] | tuple[()]) -> DomainKey:
    drawn_id = stream.bytes(DOMAIN_KEY_ID_BYTES)
    while drawn_id in taken_ids:
        drawn_id = stream.bytes(DOMAIN_KEY_ID_BYTES)
    return DomainKey(id=drawn_id, key=AeadKey(stream.bytes(AES_KEY_BYTES)), active_since_ns=now_ns)
