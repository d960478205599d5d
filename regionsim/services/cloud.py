"""All integrated services of one world.

cloud = Cloud(simulation)
answered = await cloud.call("s3", "PutObject", user=alice, region="us-east-1", Bucket="orders", Key="1")
answered.error, answered.calls      # None, ("GenerateDataKey",)
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from regionsim.authorization.principals import Principal
from regionsim.services.clusters import Ecr, Eks
from regionsim.services.dynamodb import DynamoDb
from regionsim.services.ec2 import Ec2
from regionsim.services.functions import CloudTrailLogs, Lambda, Logs
from regionsim.services.premises import Premises, ServiceState
from regionsim.services.rds import Rds
from regionsim.services.route53 import Route53
from regionsim.services.s3 import S3
from regionsim.services.secrets import Secrets, Ssm
from regionsim.services.service import Answered, Service
from regionsim.services.streams import Kinesis, Sns, Sqs
from regionsim.simulation.simulation import Simulation

_ALL: tuple[type[Service], ...] = (
    S3, Ec2, DynamoDb, Secrets, Ssm, Route53, Sqs, Sns, Kinesis, Eks, Ecr, Rds, Lambda, CloudTrailLogs, Logs,
)  # fmt: skip
SERVICES: Mapping[str, type[Service]] = MappingProxyType({service.name: service for service in _ALL})
"""Every service, by its name in scenarios."""


class Cloud:
    """The services of one world; each is made when it is first asked."""

    def __init__(self, simulation: Simulation) -> None:
        self.premises = Premises(simulation)
        self._services: dict[str, Service] = {}

    def service(self, name: str) -> Service:
        """The service of that name. Errors: KeyError."""
        known = self._services.get(name)
        if known is None:
            known = self._services[name] = SERVICES[name](self.premises)
        return known

    @property
    def states(self) -> tuple[ServiceState, ...]:
        """How every resource is that KMS had to do with."""
        return self.premises.board.states

    async def call(self, service: str, operation: str, /, *, user: Principal, region: str, **given: Any) -> Answered:
        """One request of a user to a service. Errors: KeyError for no such service or operation."""
        return await self.service(service).call(operation, user=user, region=region, given=given)
