"""Step 1: what an operation reads, found in the committed state, and (for a mutation) locked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

from regionsim.kms.ciphertext import MalformedBlob
from regionsim.kms.ciphertext import parse as parse_blob
from regionsim.kms.key import KmsKey
from regionsim.kms.key_identifiers import locate
from regionsim.kms.plan import Reads
from regionsim.kms.state import RegionState
from regionsim.region.incarnation import Incarnation, key_lock, key_store_lock


def subject(state: RegionState, reads: Reads, account: str) -> KmsKey | None:
    """The key that a call is about, as far as one can tell without an opinion on whether it may."""
    for identifier in reads.keys:
        key_id = locate(state, account, identifier)
        if key_id is not None:
            return state.key(key_id)
    for key_id in reads.own_keys:
        return state.key(key_id)
    if reads.ciphertext is None:
        return None
    try:
        return state.key_by_bytes(parse_blob(reads.ciphertext).key_id_bytes)
    except MalformedBlob:
        return None


def stores_used(state: RegionState, reads: Reads, account: str) -> tuple[str, ...]:
    """The custom key stores of all keys that a call is about, each once; ReEncrypt is about two keys."""
    named = [key_id for identifier in reads.keys if (key_id := locate(state, account, identifier)) is not None]
    found = [state.key(key_id) for key_id in (*named, *reads.own_keys)]
    if reads.ciphertext is not None:
        with suppress(MalformedBlob):
            found.append(state.key_by_bytes(parse_blob(reads.ciphertext).key_id_bytes))
    stores = (key.regional.key_store for key in found if key is not None)
    return tuple(dict.fromkeys(membership.store_id for membership in stores if membership is not None))


@asynccontextmanager
async def locked(host: Incarnation, reads: Reads, account: str) -> AsyncIterator[None]:
    """Hold the aggregates that `reads` leads to, also when an alias moved while we waited for them."""
    while True:
        names = _lock_names(host.state, reads, account)
        async with host.locks.hold(names):
            if _lock_names(host.state, reads, account) == names:
                yield
                return


def _lock_names(state: RegionState, reads: Reads, account: str) -> frozenset[str]:
    names = {f"alias/{account}/{name}" for name in reads.aliases}
    for identifier in reads.keys:
        key_id = locate(state, account, identifier)
        if key_id is not None:
            names.add(key_lock(key_id))
    names.update(key_lock(key_id) for key_id in reads.own_keys)
    if reads.key_stores or reads.reads_all_key_stores:
        names.update(_store_lock_names(state, reads, account))
    return frozenset(names)


def _store_lock_names(state: RegionState, reads: Reads, account: str) -> Iterator[str]:
    for store_id in reads.key_stores:
        yield key_store_lock(store_id)
        if reads.reads_keys_in_stores:
            yield from (key_lock(key_id) for key_id in state.keys_in_store(store_id))
    if reads.reads_all_key_stores:
        yield f"key_stores/{account}"
