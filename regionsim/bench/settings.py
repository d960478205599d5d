"""What is to be measured: Regions, operations, how long, how many callers."""

from __future__ import annotations

import math

from regionsim.bench.operations import OPERATIONS, USUAL
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError, advice
from regionsim.names.regions import partition_of

REGIONS = (
    "us-east-1", "eu-west-1", "ap-northeast-1", "us-west-2", "eu-central-1", "ap-southeast-2", "sa-east-1",
    "ca-central-1", "ap-south-1", "us-east-2", "eu-north-1", "af-south-1",
)  # fmt: skip
"""Where the first N Regions of `--regions N` are."""

_LONGEST_SECONDS = 3600
_MOST_CALLERS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """`seconds` is how long each operation is measured, `concurrency` the callers of each Region.

    Errors: ConfigError for a Region or an operation that there is not, for two partitions, for numbers out of bounds.
    """

    regions: tuple[str, ...] = REGIONS[:1]
    operations: tuple[str, ...] = USUAL
    seconds: float = 3.0
    concurrency: int = 64
    is_durable: bool = False

    def __post_init__(self) -> None:
        partitions = {partition_of(region).name for region in self.regions}
        if len(partitions) > 1:
            raise ConfigError(f"Regions of several partitions ({', '.join(sorted(partitions))}) are no one world")
        for operation in self.operations:
            if operation not in OPERATIONS:
                raise ConfigError(f"bench does not measure '{operation}'; {advice(operation, OPERATIONS)}")
        for what, names in (("Region", self.regions), ("operation", self.operations)):
            if len(set(names)) != len(names) or not names:
                raise ConfigError(f"each {what} is named once, and at least one is")
        if not (math.isfinite(self.seconds) and 0 < self.seconds <= _LONGEST_SECONDS):
            raise ConfigError(f"seconds are more than 0 and at most {_LONGEST_SECONDS}, not {self.seconds:g}")
        if not 1 <= self.concurrency <= _MOST_CALLERS:
            raise ConfigError(f"concurrency is a whole number from 1 to {_MOST_CALLERS}, not {self.concurrency}")

    @property
    def partition(self) -> str:
        """The partition of all Regions."""
        return partition_of(self.regions[0]).name


def regions_of(text: str) -> tuple[str, ...]:
    """The Regions that `3` or `us-east-1,eu-west-1` says. Errors: ConfigError."""
    if not text.isascii() or not text.isdecimal():
        return tuple(name.strip() for name in text.split(","))
    if not 1 <= len(text) <= 4 or not 1 <= int(text) <= len(REGIONS):
        raise ConfigError(f"bench has 1 to {len(REGIONS)} Regions by number, not {text[:20]}; or name them: a,b")
    return REGIONS[: int(text)]


def operations_of(text: str) -> tuple[str, ...]:
    """The operations that `Encrypt,Decrypt` says; whether there are such is seen later."""
    return tuple(name.strip() for name in text.split(","))
