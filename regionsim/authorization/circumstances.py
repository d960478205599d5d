"""What a call brings along beside caller and parameters: condition values of its way, of its session, of its sender.

A service that acts for somebody brings `kms:ViaService`; a service that calls in its own name, the resource that it
calls for (`aws:SourceArn`, `aws:SourceAccount`); a call through a VPC endpoint, the endpoint.
Source: IAM User Guide, "AWS global condition context keys", "Forward access sessions"; KMS Developer Guide,
"kms:ViaService", "kms:GrantIsForAWSResource".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from regionsim.authorization.request import ContextValue

VIA_SERVICE = "kms:viaservice"
SOURCE_IP, ENDPOINT = "aws:sourceip", "aws:sourcevpce"

_NAMES = (
    "kms:ViaService", "aws:SourceArn", "aws:SourceAccount", "aws:SourceOrgID", "aws:SourceOrgPaths", "aws:SourceIp",
    "aws:VpcSourceIp", "aws:SourceVpc", "aws:SourceVpcArn", "aws:SourceVpce", "aws:UserAgent", "aws:Referer",
    "aws:SecureTransport", "aws:MultiFactorAuthPresent", "aws:MultiFactorAuthAge", "aws:TokenIssueTime",
    "aws:SourceIdentity", "aws:FederatedProvider", "aws:CalledVia", "aws:ViaAWSService",
)  # fmt: skip
BROUGHT = MappingProxyType({name.lower(): name for name in _NAMES})
"""The condition keys that a call can bring along, by their names in lower case."""

Circumstances = Mapping[str, ContextValue]
"""Values under lower-cased keys of `BROUGHT`."""

NONE: Circumstances = MappingProxyType({})


def completed(given: Circumstances) -> dict[str, ContextValue | None]:
    """What is given, with what follows from it: a call through a service is `aws:ViaAWSService`, one through a VPC
    endpoint has no `aws:SourceIp`."""
    values: dict[str, ContextValue | None] = {}
    via = given.get(VIA_SERVICE)
    if isinstance(via, str):
        values["aws:viaawsservice"] = "true"
        values["aws:calledvia"] = (service_of(via),)
    if ENDPOINT in given:
        values[SOURCE_IP] = None
    values.update(given)
    called = values.get("aws:calledvia")
    if isinstance(called, tuple) and called:
        values["aws:calledviafirst"], values["aws:calledvialast"] = called[0], called[-1]
    return values


def service_of(via_service: str) -> str:
    """The service principal of a value of kms:ViaService: `s3.us-east-1.amazonaws.com` is of `s3.amazonaws.com`."""
    name, _, rest = via_service.partition(".")
    return f"{name}.{rest.partition('.')[2]}"


def as_texts(given: Circumstances) -> dict[str, tuple[str, ...]]:
    """The values as messages carry them."""
    return {key: (value,) if isinstance(value, str) else value for key, value in given.items()}


def from_texts(texts: Mapping[str, tuple[str, ...]], is_multi_valued: frozenset[str]) -> dict[str, ContextValue]:
    """What `as_texts` made texts of."""
    return {key: value if key in is_multi_valued else value[0] for key, value in texts.items()}
