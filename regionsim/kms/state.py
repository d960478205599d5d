"""A Region's committed state in memory: what every look-up reads, rebuilt whole from the store at boot.

It changes only by applying the writes of a committed outcome, so what it shows is what SQLite holds. Mutable on
purpose: one owner (the Region), one writer (`apply`), readers that hold only frozen values taken from it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import assert_never

from regionsim.authorization.grants import Grant, GrantIndex, GrantsByAge
from regionsim.kms.hsm_jobs import CLUSTER_HANDLE, MaterialRef
from regionsim.kms.key import Alias, KeyOwner, KmsKey, Tombstone
from regionsim.kms.key_stores import KeyStore
from regionsim.kms.last_use import LastUse
from regionsim.kms.writes import (
    PutAlias,
    PutGrant,
    PutKey,
    PutKeyStore,
    PutLastUse,
    PutToken,
    PutTombstone,
    RemoveAlias,
    RemoveGrant,
    RemoveKey,
    RemoveKeyStore,
    RemoveToken,
    Write,
)
from regionsim.names.ids import key_id_bytes

_NO_GRANTS = GrantIndex()
_NOTHING_TO_RETIRE = GrantsByAge()


class RegionState:
    """Keys, grants, aliases and exported key tokens of one Region, with the indexes that look-ups need."""

    __slots__ = (
        "_account_aliases",
        "_account_keys",
        "_aliases",
        "_grants",
        "_key_aliases",
        "_key_by_bytes",
        "_key_stores",
        "_keys",
        "_keys_in_store",
        "_last_uses",
        "_managed_counts",
        "_retirable",
        "_tokens",
        "_tombstones",
        "region",
    )

    def __init__(self, region: str) -> None:
        self.region = region
        self._keys: dict[str, KmsKey] = {}
        self._key_by_bytes: dict[bytes, str] = {}
        self._account_keys: dict[str, list[str]] = {}
        self._managed_counts: Counter[str] = Counter()
        self._aliases: dict[tuple[str, str], Alias] = {}
        self._account_aliases: dict[str, list[str]] = {}
        self._key_aliases: dict[str, list[str]] = {}
        self._tokens: dict[str, dict[str, bytes]] = {}
        self._tombstones: dict[str, Tombstone] = {}
        self._key_stores: dict[str, KeyStore] = {}
        self._last_uses: dict[str, LastUse] = {}
        self._keys_in_store: dict[str, dict[str, None]] = {}
        self._grants: dict[str, GrantIndex] = {}
        self._retirable: dict[str, GrantsByAge] = {}

    # Look-ups.

    def key(self, key_id: str) -> KmsKey | None:
        """The key of that id in this Region, or None."""
        return self._keys.get(key_id)

    def key_by_bytes(self, sixteen_bytes: bytes) -> KmsKey | None:
        """The key that a ciphertext header names."""
        key_id = self._key_by_bytes.get(sixteen_bytes)
        return None if key_id is None else self._keys[key_id]

    def all_keys(self) -> Iterable[KmsKey]:
        """Every key, in order of creation here."""
        return self._keys.values()

    @property
    def total_key_count(self) -> int:
        """How many keys this Region has, of all accounts."""
        return len(self._keys)

    def tombstone(self, key_id: str) -> Tombstone | None:
        """What is remembered of a multi-Region key that was deleted here, or None."""
        return self._tombstones.get(key_id)

    def key_count(self, account: str) -> int:
        """How many keys count against the account's quota: AWS managed keys do not."""
        return len(self._account_keys.get(account, ())) - self._managed_counts[account]

    def key_ids_after(self, account: str, marker: str | None, limit: int) -> Sequence[str]:
        """Up to `limit` key ids of the account in order, the ones after `marker`."""
        return _page(self._account_keys.get(account, []), marker, limit)

    def alias(self, account: str, name: str) -> Alias | None:
        return self._aliases.get((account, name))

    def aliases_of(self, key_id: str) -> tuple[Alias, ...]:
        """The aliases of a key, by name."""
        key = self._keys.get(key_id)
        if key is None:
            return ()
        return tuple(self._aliases[key.account, name] for name in self._key_aliases.get(key_id, ()))

    def alias_names_after(self, account: str, marker: str | None, limit: int) -> Sequence[str]:
        """Up to `limit` alias names of the account in order, the ones after `marker`."""
        return _page(self._account_aliases.get(account, []), marker, limit)

    def key_store(self, store_id: str) -> KeyStore | None:
        """The custom key store of that id, or None."""
        return self._key_stores.get(store_id)

    @property
    def has_key_stores(self) -> bool:
        """True when any account has a custom key store here."""
        return bool(self._key_stores)

    def key_stores(self, account: str | None = None) -> tuple[KeyStore, ...]:
        """The custom key stores, of one account if given, by id."""
        return tuple(store for _, store in sorted(self._key_stores.items()) if account in (None, store.account))

    def last_use(self, key_id: str) -> LastUse | None:
        """The key's last use here that is committed, or None."""
        return self._last_uses.get(key_id)

    def keys_in_store(self, store_id: str) -> tuple[str, ...]:
        """The ids of the keys in a custom key store, whatever their state, in order of creation."""
        return tuple(self._keys_in_store.get(store_id, ()))

    def grants_of(self, key_id: str) -> GrantIndex:
        """The grants on a key, oldest first; to be read only."""
        return self._grants.get(key_id, _NO_GRANTS)

    def retirable_by(self, retiring_key: str) -> GrantsByAge:
        """The grants whose retiring principal has that principal key, on any key here; to be read only."""
        return self._retirable.get(retiring_key, _NOTHING_TO_RETIRE)

    def material(self, key_id: str, material_id: str) -> MaterialRef | None:
        """A backing key that this Region holds, ready to be handed to an HSM; None while it has not arrived."""
        token = self._tokens.get(key_id, {}).get(material_id)
        return None if token is None else MaterialRef(key_id=key_id, material_id=material_id, token=token)

    def material_ids(self, key_id: str) -> tuple[str, ...]:
        """The materials of a key that this Region holds, in order of arrival."""
        return tuple(self._tokens.get(key_id, ()))

    def tokens(self) -> Iterator[bytes]:
        """Every exported key token held here."""
        return (token for tokens in self._tokens.values() for token in tokens.values())

    def materials_where(self, holds: Callable[[bytes], bool]) -> list[MaterialRef]:
        """Every backing key that our HSMs keep and of whose token that holds, in order of arrival of its key."""
        return [
            MaterialRef(key_id=key_id, material_id=material_id, token=token)
            for key_id, tokens in self._tokens.items()
            for material_id, token in tokens.items()
            if not token.startswith(CLUSTER_HANDLE) and holds(token)
        ]

    def missing_material_ids(self, key: KmsKey) -> tuple[str, ...]:
        """The materials that KMS is to copy here and that this Region does not hold yet."""
        held = self._tokens.get(key.key_id, {})
        return tuple(known.material_id for known in key.shared.copied_materials if known.material_id not in held)

    # Changes.

    def apply(self, write: Write) -> None:
        """Make a committed write visible."""
        match write:
            case PutKey(key=key):
                self._put_key(key)
            case RemoveKey(key_id=key_id):
                self._remove_key(key_id)
            case PutAlias(alias=alias):
                self._put_alias(alias)
            case RemoveAlias(account=account, name=name):
                self._remove_alias(account, name)
            case PutGrant(key_id=key_id, grant=grant):
                self._put_grant(key_id, grant)
            case RemoveGrant(key_id=key_id, grant_id=grant_id):
                self._remove_grant(key_id, grant_id)
            case PutTombstone(tombstone=tombstone):
                self._tombstones[tombstone.key_id] = tombstone
            case PutToken(material=material, is_rewrapped=is_rewrapped):
                if not is_rewrapped or self.material(material.key_id, material.material_id) is not None:
                    self._put_token(material)
            case RemoveToken(key_id=key_id, material_id=material_id):
                self._tokens.get(key_id, {}).pop(material_id, None)
            case PutKeyStore() | RemoveKeyStore() | PutLastUse():
                self._apply_beside(write)
            case _:
                assert_never(write)

    def _apply_beside(self, write: PutKeyStore | RemoveKeyStore | PutLastUse) -> None:
        match write:
            case PutKeyStore(store=store):
                self._key_stores[store.store_id] = store
            case RemoveKeyStore(store_id=store_id):
                self._key_stores.pop(store_id, None)
            case PutLastUse(key_id=key_id, use=use):
                if key_id in self._keys:
                    self._last_uses[key_id] = use

    def _put_token(self, material: MaterialRef) -> None:
        if material.key_id in self._keys:  # else it comes after its key was deleted
            self._tokens.setdefault(material.key_id, {})[material.material_id] = material.token

    def _put_key(self, key: KmsKey) -> None:
        known = self._keys.get(key.key_id)
        if known is None:
            insort(self._account_keys.setdefault(key.account, []), key.key_id)
            self._managed_counts[key.account] += key.shared.owner is KeyOwner.AWS
            self._key_by_bytes[key_id_bytes(key.key_id)] = key.key_id
        self._keys[key.key_id] = key
        if key.regional.key_store is not None:
            self._keys_in_store.setdefault(key.regional.key_store.store_id, {})[key.key_id] = None

    def _remove_key(self, key_id: str) -> None:
        key = self._keys.get(key_id)
        if key is None:
            return
        for name in tuple(self._key_aliases.get(key_id, ())):
            self._remove_alias(key.account, name)
        for grant in tuple(self.grants_of(key_id)):
            self._remove_grant(key_id, grant.grant_id)
        del self._keys[key_id]
        del self._key_by_bytes[key_id_bytes(key_id)]
        _take_out(self._account_keys[key.account], key_id)
        if key.regional.key_store is not None:
            del self._keys_in_store[key.regional.key_store.store_id][key_id]
        self._managed_counts[key.account] -= key.shared.owner is KeyOwner.AWS
        self._tokens.pop(key_id, None)
        self._last_uses.pop(key_id, None)

    def _put_grant(self, key_id: str, grant: Grant) -> None:
        if key_id not in self._keys:
            return
        self._grants.setdefault(key_id, GrantIndex()).add(grant)
        if grant.retiring_key is not None:
            self._retirable.setdefault(grant.retiring_key, GrantsByAge()).add(grant)

    def _remove_grant(self, key_id: str, grant_id: str) -> None:
        held = self._grants.get(key_id)
        grant = None if held is None else held.get(grant_id)
        if held is None or grant is None:
            return
        held.remove(grant_id)
        if not held:
            del self._grants[key_id]
        if grant.retiring_key is not None:
            retirable = self._retirable[grant.retiring_key]
            retirable.remove(grant_id)
            if not retirable:
                del self._retirable[grant.retiring_key]

    def _put_alias(self, alias: Alias) -> None:
        known = self._aliases.get((alias.account, alias.name))
        if known is None:
            insort(self._account_aliases.setdefault(alias.account, []), alias.name)
        elif known.target_key_id != alias.target_key_id:
            self._key_aliases[known.target_key_id].remove(alias.name)
        names = self._key_aliases.setdefault(alias.target_key_id, [])
        if alias.name not in names:
            insort(names, alias.name)
        self._aliases[alias.account, alias.name] = alias

    def _remove_alias(self, account: str, name: str) -> None:
        alias = self._aliases.pop((account, name), None)
        if alias is not None:
            _take_out(self._account_aliases[account], name)
            self._key_aliases[alias.target_key_id].remove(name)


def _take_out(names: list[str], name: str) -> None:
    """Take a name out of a sorted list in which it is, without looking at all of them."""
    at = bisect_left(names, name)
    assert names[at] == name, f"{name} is not where it belongs"
    del names[at]


def _page(names: list[str], marker: str | None, limit: int) -> list[str]:
    start = 0 if marker is None else bisect_right(names, marker)
    return names[start : start + limit]
