"""DynamoDB global tables: one table in several Regions, each of them under a key of its own Region.

    UpdateTable (RegionName)   DescribeKey, CreateGrant, GenerateDataKey there; what is in the table is copied
    a write                    goes to every other Region by itself; there Decrypt as DynamoDB, then 5 minutes nothing

A related multi-Region key is to DynamoDB the key of its Region, so it makes no difference to a table. While KMS gives
no answer in a Region, what was written elsewhere waits for it. While KMS refuses, the replica is
INACCESSIBLE_ENCRYPTION_CREDENTIALS; after 20 hours DynamoDB takes it out of the group, for good: it goes on as a table
of one Region, and nothing is replicated from it or to it any more.

Source: DynamoDB Developer Guide, "Global tables: How it works", "DynamoDB global tables security"; DynamoDB API
Reference, ReplicaDescription. How often DynamoDB looks at a key that it could not use, and tries to deliver, is ours;
so is the refusal of replicas under another kind of key, as far as its text goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from regionsim.authorization.principals import Principal
from regionsim.names.dataclass import dataclass
from regionsim.runtime.tasks import now_ns, sleep
from regionsim.services.door import KmsDoor, KmsFailure
from regionsim.services.premises import Premises
from regionsim.services.tables import Table, TableStatus, forget_table_key, open_table

DELIVERED_AFTER_NS = 1_000_000_000
LOOKS_EVERY_NS = 900_000_000_000
TRIES_EVERY_NS = 60_000_000_000
LEAVES_AFTER_NS = 20 * 3_600_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    key: str
    at_ns: int
    value: str


@dataclass(slots=True, kw_only=True)
class _Group:
    """The replicas of one global table, and what each has not got yet."""

    members: dict[str, Table]
    waiting: dict[str, list[_Change]] = field(default_factory=dict)
    delivering: set[str] = field(default_factory=set)


class GlobalTables:
    """The groups of replicas, and DynamoDB's looks at keys that it could not use."""

    def __init__(
        self,
        premises: Premises,
        door: Callable[[Principal, str], KmsDoor],
        note: Callable[[str, str, KmsDoor, KmsFailure], None],
    ) -> None:
        self._premises = premises
        self._door = door
        self._note = note
        self._groups: dict[int, _Group] = {}
        """By the identity of each member."""
        self._watched: set[int] = set()

    def others(self, table: Table) -> tuple[Table, ...]:
        """The other replicas of a table; none of one that is (again) alone."""
        group = self._groups.get(id(table))
        return () if group is None else tuple(other for other in group.members.values() if other is not table)

    def join(self, table: Table, replica: Table) -> None:
        """Make a table a replica of another one; it gets what is there."""
        group = self._groups.setdefault(id(table), _Group(members={table.region: table}))
        group.members[replica.region] = replica
        self._groups[id(replica)] = group
        for one in (table, replica):
            key = "AWS owned" if one.key.is_owned else one.key_arn.rpartition(":key/")[2]
            self._premises.board.well("dynamodb", one.region, _as_replica(one), "replica", key)
        for key, (at_ns, value) in table.items.items():
            replica.write(key, at_ns, value)

    def leave(self, table: Table) -> None:
        """Take a replica out of its group; nothing goes from it or to it any more."""
        group = self._groups.pop(id(table), None)
        if group is not None:
            del group.members[table.region]
            group.waiting.pop(table.region, None)
            if len(group.members) == 1:
                for last in group.members.values():
                    del self._groups[id(last)]

    def written(self, table: Table, key: str) -> None:
        """Bring a write to the other replicas, by and by."""
        group, (at_ns, value) = self._groups.get(id(table)), table.items[key]
        for other in self.others(table):
            assert group is not None
            group.waiting.setdefault(other.region, []).append(_Change(key=key, at_ns=at_ns, value=value))
            self._deliver_soon(group, other)

    def found_inaccessible(self, table: Table) -> None:
        """Look at a table's key from time to time until it can be used again, or the table is archived."""
        if id(table) not in self._watched:
            self._watched.add(id(table))
            self._premises.begin(self._watch(table), name=f"dynamodb/{table.name}/{table.region}")

    def _deliver_soon(self, group: _Group, replica: Table) -> None:
        if replica.region not in group.delivering:
            group.delivering.add(replica.region)
            self._premises.begin(self._deliver(group, replica), name=f"dynamodb/{replica.name}/to-{replica.region}")

    async def _deliver(self, group: _Group, replica: Table) -> None:
        await sleep(DELIVERED_AFTER_NS)
        while group.members.get(replica.region) is replica and group.waiting.get(replica.region):
            if replica.status is not TableStatus.ACTIVE:
                break  # begun again by who finds the key
            door = self._door(replica.owner, replica.region)
            if await self._opens(door, replica):
                for change in group.waiting.pop(replica.region, ()):
                    replica.write(change.key, change.at_ns, change.value)
            elif replica.status is TableStatus.ACTIVE:
                await sleep(TRIES_EVERY_NS)
        group.delivering.discard(replica.region)

    async def _opens(self, door: KmsDoor, table: Table) -> bool:
        try:
            await open_table(door, table, None)
        except KmsFailure as failure:
            self._note(table.region, table.name, door, failure)
            if table.status is not TableStatus.ACTIVE:
                self.found_inaccessible(table)
            return False
        finally:
            self._premises.tell_tries(tuple(door.tries))
        if door.calls:
            self._premises.board.well("dynamodb", table.region, table.name, TableStatus.ACTIVE, door.key)
        return True

    async def _watch(self, table: Table) -> None:
        """DynamoDB's looks, counted from when it found out."""
        since_ns, looks = table.inaccessible_since_ns, 0
        while since_ns is not None and table.inaccessible_since_ns == since_ns:
            looks += 1
            await sleep(since_ns + looks * LOOKS_EVERY_NS - now_ns())
            if table.inaccessible_since_ns != since_ns:
                break
            if now_ns() - since_ns >= LEAVES_AFTER_NS and id(table) in self._groups:
                self.leave(table)
                self._tell(table, _as_replica(table), "single-Region table")
            if table.status is TableStatus.ARCHIVED:
                self._tell(table, table.name, TableStatus.ARCHIVED)
                return
            forget_table_key(table)
            await self._opens(self._door(table.owner, table.region), table)
        self._watched.discard(id(table))
        if table.inaccessible_since_ns is not None:  # found again, and lost again
            self.found_inaccessible(table)
        group = self._groups.get(id(table))
        if group is not None and group.waiting.get(table.region):
            self._deliver_soon(group, table)

    def _tell(self, table: Table, resource: str, state: str) -> None:
        """Say what has become of a table for want of its key."""
        board = self._premises.board
        known = board.state("dynamodb", table.region, table.name)
        if known is not None:
            board.ill("dynamodb", table.region, resource, state, known.key, known.because)


def _as_replica(table: Table) -> str:
    return f"{table.name} as a replica"
