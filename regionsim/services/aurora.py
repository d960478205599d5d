"""Aurora global databases: a cluster that is written in one Region, and clusters that follow it in others.

    CreateDBCluster (GlobalClusterIdentifier)   the calls of a cluster, in its own Region under a key of there
    a write                                     goes to the other clusters by way of storage, without KMS
    SwitchoverGlobalCluster                     Decrypt at both ends; nothing is lost
    FailoverGlobalCluster (AllowDataLoss)       Decrypt at the new writer; what had not arrived there is lost

The old writer follows as soon as it can use its key; until then it is out. A related multi-Region key is to Aurora the
key of its Region: nothing but the key's id is the same.

Source: Aurora User Guide, "Using Amazon Aurora Global Database", "Using switchover or failover in Amazon Aurora Global
Database", "Encrypting Amazon Aurora resources"; RDS API Reference, FailoverGlobalCluster. That a promotion and a return
need the key of their cluster, and how long a write is on its way, are ours (UNVERIFIED).
"""

from __future__ import annotations

from regionsim.names.dataclass import dataclass
from regionsim.runtime.tasks import sleep
from regionsim.services.databases import AVAILABLE, RESTORE_ONLY, Database, Looks
from regionsim.services.door import KmsDoor
from regionsim.services.premises import Premises
from regionsim.services.service import ServiceError

ARRIVES_AFTER_NS = 1_000_000_000
RETURNS_EVERY_NS = 60_000_000_000


@dataclass(slots=True, kw_only=True)
class GlobalCluster:
    """One global database. `returning` are clusters that do not follow yet."""

    name: str
    writer: Database
    members: dict[str, Database]
    returning: set[str]

    def member(self, cluster: str) -> Database:
        """One of its clusters. Errors: ServiceError."""
        found = self.members.get(cluster)
        if found is None:
            raise ServiceError("DBClusterNotFoundFault", f"{cluster} is no cluster of {self.name}")
        return found


class GlobalDatabases:
    """All global databases, and what goes on between their clusters."""

    def __init__(self, premises: Premises, looks: Looks) -> None:
        self._premises = premises
        self._looks = looks
        self._by_name: dict[str, GlobalCluster] = {}

    def named(self, name: str) -> GlobalCluster:
        """The global database of that name. Errors: ServiceError."""
        found = self._by_name.get(name)
        if found is None:
            raise ServiceError("GlobalClusterNotFoundFault", f"Global cluster {name} not found")
        return found

    def of(self, cluster: Database) -> GlobalCluster | None:
        """The global database that a cluster belongs to."""
        return next((one for one in self._by_name.values() if one.members.get(cluster.name) is cluster), None)

    def create(self, name: str, writer: Database) -> None:
        """Make a cluster the writer of a new global database. It can be stopped no more."""
        if name in self._by_name:
            raise ServiceError("GlobalClusterAlreadyExistsFault", f"Global cluster {name} already exists")
        writer.can_stop = False
        members = {writer.name: writer}
        self._by_name[name] = GlobalCluster(name=name, writer=writer, members=members, returning=set())

    def join(self, name: str, cluster: Database) -> None:
        """Let a new cluster follow."""
        one = self.named(name)
        cluster.can_stop = False
        cluster.written = list(one.writer.written)
        one.members[cluster.name] = cluster

    def written(self, cluster: Database) -> None:
        """Bring what was written last to the clusters that follow."""
        one = self.of(cluster)
        if one is not None:
            self._premises.later(ARRIVES_AFTER_NS, lambda: _follow(one, cluster), name=f"aurora/{one.name}")

    async def switch_over(self, one: GlobalCluster, target: Database, door: KmsDoor) -> None:
        """Change the writer while both are well. Errors: KmsFailure, ServiceError."""
        old = one.writer
        if {old.state, target.state} != {AVAILABLE} or target.name in one.returning:
            raise ServiceError("InvalidGlobalClusterStateFault", "a switchover needs both clusters available")
        await target.open(door)
        await old.open(door)
        target.written = list(old.written)
        one.writer = target

    async def fail_over(self, one: GlobalCluster, target: Database, door: KmsDoor) -> None:
        """Make another cluster the writer, whatever has become of the old one. Errors: KmsFailure, ServiceError."""
        if target.state != AVAILABLE or target.name in one.returning:
            raise ServiceError("InvalidGlobalClusterStateFault", f"{target.name} is not available")
        await target.open(door)
        old, one.writer = one.writer, target
        if old is not target:
            one.returning.add(old.name)
            self._premises.begin(self._return(one, old), name=f"aurora/{one.name}/return")

    async def _return(self, one: GlobalCluster, old: Database) -> None:
        """The old writer follows the new one once its key can be used."""
        while old.state != RESTORE_ONLY:
            if await self._looks.look(old):
                old.written = list(one.writer.written)
                one.returning.discard(old.name)
                return
            await sleep(RETURNS_EVERY_NS)


def _follow(one: GlobalCluster, source: Database) -> None:
    """What the writer has, the others have a moment later; a writer that is none any more is followed by nobody."""
    if one.writer is not source:
        return
    for member in one.members.values():
        if member.state == AVAILABLE and member.name not in one.returning:
            member.written = list(source.written)
