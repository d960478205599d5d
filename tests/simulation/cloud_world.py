"""Integrated services over a world of real Regions, for tests: the calls that reach KMS, as CloudTrail has them."""

from __future__ import annotations

from typing import Any

from regionsim.region.audit_record import records
from regionsim.region.wire import unpack_audit
from regionsim.services.cloud import Cloud
from regionsim.services.service import Answered
from tests.simulation.one_region import HERE, OneRegion


class CloudWorld:
    """Services of the world of one test; `alice` may do everything, unless a call says who else."""

    def __init__(self, kms: OneRegion) -> None:
        self.kms = kms
        self.cloud = Cloud(kms.simulation)

    async def answered(
        self, service: str, operation: str, /, by: str = "alice", at: str = HERE, **given: Any
    ) -> Answered:
        """What became of a request."""
        return await self.cloud.call(service, operation, user=self.kms.principal(by), region=at, **given)

    async def does(self, service: str, operation: str, /, by: str = "alice", at: str = HERE, **given: Any) -> Answered:
        """A request that must succeed."""
        answered = await self.answered(service, operation, by, at, **given)
        assert answered.error is None, f"{operation}: {answered.error} ({answered.message})"
        return answered

    async def error(self, service: str, operation: str, /, by: str = "alice", at: str = HERE, **given: Any) -> str:
        """The error that a request must end in."""
        answered = await self.answered(service, operation, by, at, **given)
        assert answered.error is not None, f"{operation} was answered: {answered.response}"
        return answered.error

    async def trail(self, *, at: str = HERE) -> list[dict[str, Any]]:
        """The CloudTrail records of what services asked KMS for in a Region; the test's own calls are left out."""
        region = self.kms.simulation.regions[at]
        await region.flush_audit()
        entries = [entry for segment in await region.store.read_audit() for entry in unpack_audit(segment.body)]
        in_order = sorted(entries, key=lambda entry: entry.instant_ns)  # those of changes are stored first
        found = [record for entry in in_order for record in records(entry)]
        return [record for record in found if "invokedBy" in record["userIdentity"] or _is_identity(record)]


def _is_identity(record: dict[str, Any]) -> bool:
    return ":assumed-role/aws:" in str(record["userIdentity"].get("arn"))


def context_of(record: dict[str, Any]) -> Any:
    """The encryption context of a record, or None."""
    return (record["requestParameters"] or {}).get("encryptionContext")
