"""Amazon RDS and Aurora, as their users ask them. What goes on with keys stands in `databases` and `aurora`.

Source: RDS API Reference; RDS Data API, ExecuteStatement (a statement is `INSERT x`, or `SELECT` for what was written
last). The codes of statements that a cluster does not take are the Data API's, their texts ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from regionsim.runtime.entropy import Stream
from regionsim.services.aurora import GlobalDatabases
from regionsim.services.databases import AVAILABLE, RESTORE_ONLY, Database, Looks, make_database
from regionsim.services.door import KmsDoor, KmsFailure
from regionsim.services.holdings import Keeper
from regionsim.services.premises import Premises
from regionsim.services.service import Asked, Handler, Load, ServiceError, Takes, arn_of, made_identity

_INSTANCE, _CLUSTER, _GLOBAL = "DBInstanceIdentifier", "DBClusterIdentifier", "GlobalClusterIdentifier"
_MISSING = MappingProxyType({_INSTANCE: "DBInstanceNotFound", _CLUSTER: "DBClusterNotFoundFault"})


class Rds(Keeper[Database]):
    """Database instances, Aurora clusters and global databases."""

    name = "rds"
    via = "rds"
    managed = "rds"
    offers_owned = True
    well = AVAILABLE
    other = "KMSKeyNotAccessibleFault"
    denied = "KMSKeyNotAccessibleFault"
    throttled = "Throttling"
    unavailable = "InternalFailure"
    takes = MappingProxyType(
        {
            "CreateDBInstance": Takes((_INSTANCE,), ("KmsKeyId",)),
            "CheckDBInstance": Takes((_INSTANCE,)),
            "StartDBInstance": Takes((_INSTANCE,)),
            "DescribeDBInstances": Takes((_INSTANCE,)),
            "CreateDBCluster": Takes((_CLUSTER,), ("KmsKeyId", _GLOBAL)),
            "StartDBCluster": Takes((_CLUSTER,)),
            "DescribeDBClusters": Takes((_CLUSTER,)),
            "ExecuteStatement": Takes((_CLUSTER, "sql")),
            "CreateGlobalCluster": Takes((_GLOBAL, "SourceDBClusterIdentifier")),
            "SwitchoverGlobalCluster": Takes((_GLOBAL, "TargetDbClusterIdentifier")),
            "FailoverGlobalCluster": Takes((_GLOBAL, "TargetDbClusterIdentifier"), ("AllowDataLoss",)),
            "DescribeGlobalClusters": Takes((_GLOBAL,)),
        }
    )

    def __init__(self, premises: Premises) -> None:
        super().__init__(premises)
        self._looks = Looks(premises, self.door, self.is_ill)
        self._global = GlobalDatabases(premises, self._looks)

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateDBInstance": self._create_instance,
            "CheckDBInstance": self._check,
            "StartDBInstance": self._start,
            "DescribeDBInstances": self._describe,
            "CreateDBCluster": self._create_cluster,
            "StartDBCluster": self._start,
            "DescribeDBClusters": self._describe,
            "ExecuteStatement": self._execute,
            "CreateGlobalCluster": self._create_global,
            "SwitchoverGlobalCluster": self._switch_over,
            "FailoverGlobalCluster": self._fail_over,
            "DescribeGlobalClusters": self._describe_global,
        }

    def begin_load(self, workload: str, given: Mapping[str, Any]) -> list[Load]:
        return [Load("CreateDBInstance", {_INSTANCE: workload, "KmsKeyId": given.get("key")})]

    def next_load(self, workload: str, given: Mapping[str, Any], number: int, stream: Stream) -> Load:
        return Load("CheckDBInstance", {_INSTANCE: workload})

    # Instances and clusters.

    async def _create_instance(self, asked: Asked) -> dict[str, Any]:
        await self._create(asked, asked.text(_INSTANCE), "db")
        return {"State": AVAILABLE}

    async def _create_cluster(self, asked: Asked) -> dict[str, Any]:
        follows = asked.optional(_GLOBAL)
        if follows is not None:
            self._global.named(follows)
            if asked.optional("KmsKeyId") is None:
                said = "A KMS key of this Region is needed for a cluster of an encrypted global database."
                raise ServiceError("InvalidParameterValue", said)
        cluster = await self._create(asked, asked.text(_CLUSTER), "cluster")
        if follows is not None:
            self._global.join(follows, cluster)
        return {"State": AVAILABLE}

    async def _create(self, asked: Asked, name: str, kind: str) -> Database:
        made = await make_database(
            asked.kms,
            asked.user,
            asked.region,
            name,
            self.key(asked, "KmsKeyId"),
            arn=arn_of(asked, "rds", f"{kind}:{name}"),
            identity=made_identity(asked, "aws:rds-instance", name),
        )
        self.keep(asked, name, made)
        self._looks.begin(made)
        return made

    async def _check(self, asked: Asked) -> dict[str, Any]:
        database = self._database(asked)
        await database.open(asked.kms)
        if database.state == AVAILABLE:
            database.refused_since_ns = None
        return {"State": database.state}

    async def _start(self, asked: Asked) -> dict[str, Any]:
        """What an operator does once the key is back."""
        database = self._database(asked)
        if database.state == RESTORE_ONLY:
            code = "InvalidDBInstanceState" if _INSTANCE in asked.given else "InvalidDBClusterStateFault"
            raise ServiceError(code, f"{database.name} can only be restored to a point in time.")
        await database.open(asked.kms)
        database.refused_since_ns = None
        return {"State": AVAILABLE}

    async def _describe(self, asked: Asked) -> dict[str, Any]:
        database = self._database(asked)
        one = self._global.of(database)
        told: dict[str, Any] = {"State": database.state}
        if one is not None:
            told["IsWriter"] = one.writer is database
        return told

    async def _execute(self, asked: Asked) -> dict[str, Any]:
        database, sql = self._database(asked), asked.text("sql")
        one = self._global.of(database)
        if database.state != AVAILABLE or (one is not None and database.name in one.returning):
            raise ServiceError("DatabaseUnavailableException", f"{database.name} is {database.state}")
        if sql == "SELECT":
            return {"records": database.written[-1] if database.written else None}
        if one is not None and one.writer is not database:
            raise ServiceError("DatabaseErrorException", "ERROR: cannot execute INSERT in a read-only transaction")
        database.written.append(sql.removeprefix("INSERT "))
        self._global.written(database)
        return {}

    def _database(self, asked: Asked) -> Database:
        parameter = _INSTANCE if _INSTANCE in asked.given else _CLUSTER
        return self.thing(asked, parameter, _MISSING[parameter])

    def is_ill(self, region: str, resource: str, kms: KmsDoor, failure: KmsFailure) -> None:
        """A database that RDS has stopped stays in the state that it has."""
        database = self.things.get((region, resource))
        if database is not None and database.state != AVAILABLE:
            self._looks.tell(database)
        else:
            super().is_ill(region, resource, kms, failure)

    # Global databases.

    async def _create_global(self, asked: Asked) -> dict[str, Any]:
        writer = self.thing(asked, "SourceDBClusterIdentifier", "DBClusterNotFoundFault")
        self._global.create(asked.text(_GLOBAL), writer)
        return {"State": AVAILABLE}

    async def _switch_over(self, asked: Asked) -> dict[str, Any]:
        one = self._global.named(asked.text(_GLOBAL))
        await self._global.switch_over(one, one.member(asked.text("TargetDbClusterIdentifier")), asked.kms)
        return {"State": AVAILABLE}

    async def _fail_over(self, asked: Asked) -> dict[str, Any]:
        """Without AllowDataLoss it is a switchover, as at AWS."""
        if not asked.is_on("AllowDataLoss"):
            return await self._switch_over(asked)
        one = self._global.named(asked.text(_GLOBAL))
        await self._global.fail_over(one, one.member(asked.text("TargetDbClusterIdentifier")), asked.kms)
        return {"State": AVAILABLE}

    async def _describe_global(self, asked: Asked) -> dict[str, Any]:
        one = self._global.named(asked.text(_GLOBAL))
        members = [f"{name} {'writer' if member is one.writer else 'reader'}" for name, member in one.members.items()]
        return {"State": AVAILABLE, "GlobalClusterMembers": members}
