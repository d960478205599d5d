"""What a world stands on: its clock, its entropy, its disks. One for virtual time, one for real time; Regions never
ask which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import Literal

from regionsim.faults.verdicts import DiskRule
from regionsim.hsm import domain_backup, keeper_backup
from regionsim.hsm.domain import DomainState
from regionsim.hsm.fleet import SealDomain
from regionsim.hsm.keeper_backup import Kept
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError
from regionsim.runtime import tasks
from regionsim.runtime.clock import Clock, NodeClock, ReadableClock, SkewedClock, WallClock
from regionsim.runtime.entropy import Entropy, OsEntropy, SeededEntropy
from regionsim.runtime.trace import Trace
from regionsim.store.disk import Disk, RealDisk, SimulatedDisk, no_faults, ruled_by

ConnectionKind = Literal["inline", "threaded"]

SEALING_KEY_NAME = "seal.key"
_KEEPERS = ".keepers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """`is_durable`: an acknowledged commit survives power failure. `vault` keeps domain keys where a process may
    die."""

    clock: ReadableClock
    entropy: Entropy
    trace: Trace
    folder: Path
    connection: ConnectionKind
    is_durable: bool
    new_disk: Callable[[str], Disk] = field(repr=False)
    new_clock: Callable[[], NodeClock] = field(repr=False)
    """Makes a Region's own clock; it reads what `clock` does until it is skewed."""
    vault: DomainVault | None = None


class DomainVault:
    """Sealed domain tokens in a data folder: what lets HSMs that hold keys in memory only outlive their process.

    It stands in for AWS's offline quorum of operators. The sealing key is a file of its own (0600), given or made
    beside the data.
    """

    def __init__(
        self, folder: Path, *, entropy: Entropy, sealing_key: Path | None = None, is_durable: bool = True
    ) -> None:
        self._folder = folder
        self._is_durable = is_durable
        path = sealing_key if sealing_key is not None else folder / SEALING_KEY_NAME
        self.key_name = path.name
        self._stream = entropy.stream("sealing-key")
        self._key, self.is_key_new = domain_backup.sealing_key(path, self._stream)

    def __repr__(self) -> str:
        return f"<DomainVault {self._folder}>"

    def load(self, region: str) -> DomainState | None:
        """The Region's domain as it was last saved; None when it never had one.

        Errors: ConfigError for a token that cannot be opened, or that is missing beside the Region's data.
        """
        path = self._path(region)
        if path.exists():
            return domain_backup.unseal(domain_backup.read_token(path), self._key, region=region)
        if (self._folder / f"{region}.sqlite").exists():
            raise ConfigError(f"{path.name} is missing: without it no key in {region}.sqlite can ever be used")
        return None

    def save(self, region: str, seal: SealDomain) -> None:
        """Keep the Region's domain as `seal` seals it, at once or not at all.

        Errors: ConfigError when the file cannot be written; what `seal` raises.
        """
        domain_backup.write_private(self._path(region), seal(self._key), is_durable=self._is_durable)

    def load_keepers(self, region: str) -> Kept | None:
        """What keeps the keys of the Region's custom key stores, as it was last saved; None when nothing was.

        Errors: ConfigError for a file that cannot be opened.
        """
        path = self._folder / f"{region}{_KEEPERS}"
        if not path.exists():
            return None
        return keeper_backup.unseal(domain_backup.read_token(path), self._key, region=region)

    def save_keepers(self, region: str, kept: Kept) -> None:
        """Keep it, at once or not at all. Errors: ConfigError when the file cannot be written."""
        sealed = keeper_backup.seal(kept, self._key, region=region, draw=self._stream.bytes)
        domain_backup.write_private(self._folder / f"{region}{_KEEPERS}", sealed, is_durable=self._is_durable)

    def _path(self, region: str) -> Path:
        return self._folder / f"{region}.domain"


def virtual_ground(
    *,
    seed: int,
    start_at_ns: int,
    folder: Path,
    trace: Trace | None = None,
    connection: ConnectionKind = "inline",
    disk_rule: Callable[[str], DiskRule] | None = None,
) -> Ground:
    """Virtual time: everything that is drawn comes from `seed`. To be called on the loop of the run.

    `disk_rule` is asked, whenever a disk begins an operation, what the faults that are on do to that Region's disk.
    """
    entropy = SeededEntropy(seed)

    def new_disk(region: str) -> Disk:
        faults = no_faults if disk_rule is None else ruled_by(partial(disk_rule, region))
        return SimulatedDisk(entropy.stream(f"disk/{region}"), faults=faults)

    return Ground(
        clock=Clock(start_at_ns),
        entropy=entropy,
        trace=trace if trace is not None else Trace(tasks.now_ns),
        folder=folder,
        connection=connection,
        is_durable=False,
        new_disk=new_disk,
        new_clock=lambda: Clock(start_at_ns),
    )


def live_ground(
    folder: Path, *, sealing_key: Path | None = None, clock: WallClock | None = None, is_durable: bool = True
) -> Ground:
    """Real time on a data folder: the machine's clock, entropy and disk. No seed can get in here.

    `clock`: one that has been moved on before, and keeps how far. Not `is_durable`: nobody will open the folder again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entropy, truth = OsEntropy(), WallClock() if clock is None else clock
    return Ground(
        clock=truth,
        entropy=entropy,
        trace=Trace(tasks.now_ns, has_digest=False, recent_count=0),
        folder=folder,
        connection="threaded",
        is_durable=is_durable,
        new_disk=lambda region: RealDisk(entropy.stream(f"disk/{region}")),
        new_clock=lambda: SkewedClock(truth),
        vault=DomainVault(folder, entropy=entropy, sealing_key=sealing_key, is_durable=is_durable),
    )
