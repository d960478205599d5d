"""What a world is made of, before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from regionsim.accounts.directory import Directory
from regionsim.hsm.keeper_plans import NO_PLANS, KeeperPlans
from regionsim.kms.aws_keys import OWNED_KEYS_ACCOUNT
from regionsim.kms.bulk import BulkKeys
from regionsim.kms.timetable import REPLICA_WAIT_NS
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError
from regionsim.names.regions import partition_of
from regionsim.network.network import DEFAULT_JITTER_NS, Latencies


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The plan of a world.

    `regions` are in the order in which everything else lists them. `replica_wait_ns` is how long a rotation waits for a
    replica before it counts as lost. A new grant counts without its token `grant_delay_ns` after its creation (0: once
    it is committed). `bulk` are keys that are there when the Regions boot. `keepers` describes what keeps the keys of
    custom key stores. Enclaves are believed whose documents are signed under one of `attestation_roots` (certificates
    in DER).

    In real time `xks_proxies` says where the proxy of an endpoint (`https://keys.example.com`) is really reached.

    Errors: ConfigError for no Region, one named twice, one that does not exist, or a customer with AWS's own account.
    """

    regions: tuple[str, ...]
    directory: Directory = field(repr=False)
    start_at_ns: int
    latencies: Latencies = "aws"
    jitter_ns: int = DEFAULT_JITTER_NS
    loss: float = 0.0
    hsm_per_region: int = 3
    hsm_profile: str = "aws-like"
    has_quotas: bool = True
    replica_wait_ns: int = REPLICA_WAIT_NS
    grant_delay_ns: int = 0
    bulk: tuple[BulkKeys, ...] = ()
    attestation_roots: frozenset[bytes] = field(default=frozenset(), repr=False)
    keepers: KeeperPlans = field(default=NO_PLANS, hash=False)
    xks_proxies: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.regions:
            raise ConfigError("a world needs at least one Region")
        for region in self.regions:
            partition_of(region)
        if len(set(self.regions)) != len(self.regions):
            raise ConfigError("a Region is named twice")
        if OWNED_KEYS_ACCOUNT in self.directory.accounts:
            raise ConfigError(f"account {OWNED_KEYS_ACCOUNT} is the one that AWS owned keys are in; take another")
        if self.hsm_per_region < 1:
            raise ConfigError("a Region needs at least one HSM")
