"""The Regions and partitions of AWS.

Source: botocore 1.44.5 `endpoints.json`; opt-in Regions are the ones launched after 20 March 2019 (AWS Account
Management Reference Guide, "Enable or disable AWS Regions in your account").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import MappingProxyType

from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError, advice

REGION_PATTERN = re.compile(r"([a-z]+-){2,3}\d+")
"""Shape of a Region name in a request. Source: botocore, RegionType."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A group of Regions that share ARNs' second field; multi-Region keys never leave theirs."""

    name: str
    dns_suffix: str
    regions: tuple[str, ...]


def _numbered(*prefixed: str) -> tuple[str, ...]:
    return tuple(sorted(prefixed))


PARTITIONS = (
    Partition(
        name="aws",
        dns_suffix="amazonaws.com",
        regions=_numbered(
            "af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1",
            "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
            "ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2",
            "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1",
            "me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-1", "us-east-2", "us-west-1",
            "us-west-2",
        ),
    ),
    Partition(name="aws-cn", dns_suffix="amazonaws.com.cn", regions=("cn-north-1", "cn-northwest-1")),
    Partition(name="aws-us-gov", dns_suffix="amazonaws.com", regions=("us-gov-east-1", "us-gov-west-1")),
    Partition(name="aws-iso", dns_suffix="c2s.ic.gov", regions=("us-iso-east-1", "us-iso-west-1")),
    Partition(name="aws-iso-b", dns_suffix="sc2s.sgov.gov", regions=("us-isob-east-1", "us-isob-west-1")),
    Partition(name="aws-iso-e", dns_suffix="cloud.adc-e.uk", regions=("eu-isoe-west-1",)),
    Partition(name="aws-iso-f", dns_suffix="csp.hci.ic.gov", regions=("us-isof-east-1", "us-isof-south-1")),
    Partition(name="aws-eusc", dns_suffix="amazonaws.eu", regions=("eusc-de-east-1",)),
)  # fmt: skip

PARTITION_OF = MappingProxyType({region: partition for partition in PARTITIONS for region in partition.regions})
"""Region name -> its partition, for every Region there is."""


def partition_of_world(regions: Sequence[str]) -> str:
    """The partition of a world's accounts: its first Region's. Source: ours; at AWS an account is in one of them."""
    return PARTITION_OF[regions[0]].name


def partition_of(region: str) -> Partition:
    """The partition that holds `region`.

    Errors: ConfigError naming the nearest Region when there is no such Region.
    """
    try:
        return PARTITION_OF[region]
    except KeyError:
        raise ConfigError(f"no such Region: '{region}'; {advice(region, PARTITION_OF)}") from None
