"""What the store's tests work with: the three ways to run a store, and sample values."""

from __future__ import annotations

import sqlite3
from collections.abc import Coroutine
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from regionsim.kms.hsm_jobs import MaterialRef
from regionsim.kms.key import Alias, KeyMaterial, KeyState, KmsKey, RegionalProperties, SharedProperties
from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.kms.state import RegionState
from regionsim.kms.writes import PutKey, PutToken
from regionsim.names.ids import new_key_id
from regionsim.runtime.entropy import SeededEntropy
from regionsim.runtime.loop import run_real_time, run_virtual
from regionsim.runtime.trace import Trace
from regionsim.store.connection import InlineConnection, ThreadedConnection
from regionsim.store.database import FileSettings
from regionsim.store.disk import Disk, DiskProfile, Judge, RealDisk, SimulatedDisk, no_faults
from regionsim.store.store import Store
from regionsim.store.values import AuditSegment, Commit, OutboxEntry

T = TypeVar("T")

REGION = "us-east-1"
ACCOUNT = "111122223333"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A kind of connection on a kind of loop."""

    name: str
    connection: Literal["inline", "threaded"]
    is_virtual: bool

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        return run_virtual(main) if self.is_virtual else run_real_time(main)

    def disk(self) -> Disk:
        return simulated_disk() if self.is_virtual else RealDisk()

    def connect(
        self, path: Path, disk: Disk | None = None, *, durable: bool = False
    ) -> InlineConnection | ThreadedConnection:
        disk = disk if disk is not None else self.disk()
        kind = InlineConnection if self.connection == "inline" else ThreadedConnection
        return kind.open(FileSettings(path=path, region=REGION, is_durable=durable, keeps_log=disk.is_simulated), disk)

    async def open(self, path: Path, disk: Disk | None = None, *, trace: Trace | None = None) -> Store:
        disk = disk if disk is not None else self.disk()
        return await Store.open(path, region=REGION, connection=self.connection, disk=disk, durable=False, trace=trace)


INLINE = Mode(name="inline", connection="inline", is_virtual=True)
HELD = Mode(name="held", connection="threaded", is_virtual=True)
REAL = Mode(name="real", connection="threaded", is_virtual=False)


def simulated_disk(*, seed: int = 1, profile: DiskProfile | None = None, faults: Judge = no_faults) -> SimulatedDisk:
    return SimulatedDisk(SeededEntropy(seed).stream("disk"), profile, faults)


def peek(path: Path, sql: str) -> list[Any]:
    """The first column of what the file at `path` shows to another connection."""
    with closing(sqlite3.connect(path)) as raw:
        return [row[0] for row in raw.execute(sql)]


def key_id(number: int) -> str:
    return new_key_id(number.to_bytes(16, "big"), multi_region=False)


def material_id(number: int) -> str:
    return f"{number:064x}"


def key(number: int, *, account: str = ACCOUNT, **regional: Any) -> KmsKey:
    """A new single-Region key with one material."""
    first = KeyMaterial(material_id=material_id(number), created_at_ns=number)
    shared = SharedProperties(
        key_id=key_id(number),
        account=account,
        spec=KeySpec.SYMMETRIC_DEFAULT,
        usage=KeyUsage.ENCRYPT_DECRYPT,
        materials=(first,),
        current_material_id=first.material_id,
    )
    described = {"region": REGION, "state": KeyState.ENABLED, "policy": "{}", "created_at_ns": number, **regional}
    return KmsKey(shared=shared, regional=RegionalProperties(**described))


def alias(name: str, target: int, *, version: int = 1) -> Alias:
    return Alias(
        account=ACCOUNT,
        name=f"alias/{name}",
        target_key_id=key_id(target),
        created_at_ns=1,
        updated_at_ns=version,
        version=version,
    )


def token(number: int, text: str = "token") -> PutToken:
    return PutToken(material=MaterialRef(key_id=key_id(number), material_id=material_id(number), token=text.encode()))


def entry(number: int, *, shared_version: int = 1, **changes: Any) -> OutboxEntry:
    plain = OutboxEntry(
        destination="eu-west-1",
        key_id=key_id(number),
        kind="Synchronize",
        shared_version=shared_version,
        since_ns=number,
        body=b"body",
    )
    return replace(plain, **changes)


def segment(first_ns: int, last_ns: int | None = None, *, records: int = 1, body: bytes = b"records") -> AuditSegment:
    return AuditSegment(
        first_ns=first_ns, last_ns=first_ns if last_ns is None else last_ns, record_count=records, body=body
    )


def new_key(number: int) -> Commit:
    """The outcome of a CreateKey."""
    return Commit(writes=(PutKey(key=key(number)), token(number)), audit=(segment(number),))


def picture(state: RegionState) -> dict[str, Any]:
    """All that a Region's state shows, in its orders."""
    keys = list(state.all_keys())
    accounts = sorted({known.account for known in keys})
    names = {account: tuple(state.alias_names_after(account, None, 10_000)) for account in accounts}
    return {
        "keys": keys,
        "pages": {account: tuple(state.key_ids_after(account, None, 10_000)) for account in accounts},
        "aliases": {account: [state.alias(account, name) for name in found] for account, found in names.items()},
        "aliases of keys": {known.key_id: state.aliases_of(known.key_id) for known in keys},
        "grants": {known.key_id: list(state.grants_of(known.key_id)) for known in keys},
        "retirable": [
            list(state.retirable_by(key)) for key in ("arn:aws:iam::111122223333:user/bob", "service:s3.amazonaws.com")
        ],
        "tokens": {
            known.key_id: [state.material(known.key_id, m) for m in state.material_ids(known.key_id)] for known in keys
        },
    }


def rebuilt(writes: Any) -> RegionState:
    state = RegionState(REGION)
    for write in writes:
        state.apply(write)
    return state
