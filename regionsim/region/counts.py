"""What one Region counts of its calls."""

from __future__ import annotations

from collections import Counter
from dataclasses import field

from regionsim.names.dataclass import dataclass
from regionsim.region.charges import Charge
from regionsim.region.replicator import ReplicationCounts


@dataclass(slots=True, kw_only=True)
class RegionCounts:
    """What one Region has done; survives a crash of its hosts."""

    requests: int = 0
    refused: int = 0
    denied: int = 0
    throttled: int = 0
    hsm_requests: int = 0
    charges: Counter[Charge] = field(default_factory=Counter)
    """Requests with a price of their own."""

    replication: ReplicationCounts = field(default_factory=ReplicationCounts)
