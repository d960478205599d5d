"""What is counted while a run goes on: what AWS would have asked for it, how long Regions took to agree again after a
fault, and how many rotations were open at once."""

from __future__ import annotations

from collections import Counter

from regionsim.kms.key import KeyOwner, KeyState, KmsKey
from regionsim.names.dataclass import dataclass
from regionsim.region.charges import Charge
from regionsim.runtime.tasks import Scope, now_ns, sleep
from regionsim.runtime.trace import Event
from regionsim.scenario.prices import key_usd, requests_usd
from regionsim.simulation.simulation import Simulation

_FREE_STATES = frozenset({KeyState.PENDING_DELETION, KeyState.PENDING_REPLICA_DELETION})
_NS_PER_SECOND = 1e9
_LOOK_EVERY_NS = 1_000_000
_LOOK_LESS_AFTER_NS = 1_000_000_000
_LOOK_AT_MOST_NS = 1_000_000_000
_LOOKS_PER_TIME_PAST = 1000
"""What takes days need not be known to the second, and some of it never ends."""


@dataclass(slots=True)
class _Charged:
    """One key in one Region: since when it costs what it costs now."""

    since_ns: int
    rotations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """USD: for KMS keys, and for requests."""

    keys: float
    requests: float

    @property
    def total(self) -> float:
        return self.keys + self.requests


_WATCHED = ("rotation_started", "rotation_completed", "fault_begins", "fault_ends")


class Meter:
    """Watches one run."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._scope = Scope("meter")
        self._charged: dict[tuple[str, str], _Charged] = {}
        self._free_since_ns: dict[tuple[str, str], int] = {}
        self._keys_usd = dict.fromkeys(simulation.regions, 0.0)
        self._open: set[str] = set()
        self._open_at_ns = 0
        self.open_rotations_max = 0
        """Rotations that were open at once, at most: begun, and not yet held by all who must hold them."""
        self._recoveries_ns: list[int] = []
        self._healed_at_ns: int | None = None
        self._heals = 0

    def begin(self) -> None:
        """The Regions have booted: what is there is charged from now on."""
        self._simulation.on_key(self._key_changed)
        self._simulation.trace.add_sink(self.watch, _WATCHED)
        for name, region in self._simulation.regions.items():
            for key in region.state.all_keys():
                self._key_changed(name, key.key_id, key)

    def end(self) -> None:
        """The run is over: look for nothing any more."""
        self._scope.fence()

    def watch(self, event: Event) -> None:
        """Hear an event of the trace."""
        match event.kind:
            case "rotation_started":
                self._settle_open(event.t_ns)
                self._open.add(str(event.fields["key"]))
            case "rotation_completed":
                self._settle_open(event.t_ns)
                self._open.discard(str(event.fields["key"]))
            case "fault_begins":
                self._healed_at_ns = None  # an interrupted recovery goes on after the next heal
                self._heals += 1
            case "fault_ends":
                self._begin_recovery(event.t_ns)
            case _:
                pass

    def cost(self, region: str | None = None, loads: int = 0) -> Cost:
        """What it has cost so far, in one Region or in all; `loads` are calls that were load only."""
        at_ns = self._simulation.clock.now_ns()
        names = tuple(self._simulation.regions) if region is None else (region,)
        keys = sum(self._keys_usd[name] for name in names)
        keys += sum(
            key_usd(at_ns - charged.since_ns, charged.rotations)
            for (name, _), charged in self._charged.items()
            if name in names
        )
        counts = [self._simulation.regions[name].counts for name in names]
        charges: Counter[Charge] = sum((count.charges for count in counts), Counter())
        return Cost(keys=keys, requests=requests_usd(sum(count.requests for count in counts) + loads, charges))

    @property
    def recovery_seconds(self) -> float | None:
        """The longest time from the end of a fault until nothing was outstanding any more; None: no fault has ended.

        One that is not over counts until now.
        """
        running = [] if self._healed_at_ns is None else [now_ns() - self._healed_at_ns]
        found = [*self._recoveries_ns, *running]
        return max(found) / _NS_PER_SECOND if found else None

    def rotations_were_open(self) -> int:
        """The most rotations that were open at once."""
        self._settle_open(now_ns() + 1)
        return self.open_rotations_max

    def _settle_open(self, at_ns: int) -> None:
        """What was open when an instant was over counts; a rotation that is over in its own instant was never open."""
        if at_ns > self._open_at_ns:
            self.open_rotations_max = max(self.open_rotations_max, len(self._open))
            self._open_at_ns = at_ns

    def _begin_recovery(self, at_ns: int) -> None:
        self._heals += 1
        self._healed_at_ns = at_ns
        self._scope.spawn(self._recover(self._heals, at_ns), name="recovery")

    async def _recover(self, heal: int, since_ns: int) -> None:
        """Look every millisecond for a second, then less and less often, until all is recovered or a fault begins."""
        pause_ns = _LOOK_EVERY_NS
        while heal == self._heals:
            await sleep(pause_ns)
            if heal == self._heals and self._simulation.is_recovered:
                self._recoveries_ns.append(now_ns() - since_ns)
                self._healed_at_ns = None
                return
            past_ns = now_ns() - since_ns
            if past_ns > _LOOK_LESS_AFTER_NS:
                pause_ns = max(min(pause_ns * 5 // 4, _LOOK_AT_MOST_NS), past_ns // _LOOKS_PER_TIME_PAST)

    def _key_changed(self, region: str, key_id: str, key: KmsKey | None) -> None:
        at_ns = self._simulation.clock.now_ns()
        rotations = 0 if key is None else key.shared.rotation_count
        is_charged = key is not None and key.shared.owner is KeyOwner.CUSTOMER and key.state not in _FREE_STATES
        known = self._charged.get((region, key_id))
        if known is not None and is_charged and known.rotations == rotations:
            return
        if known is not None:
            self._keys_usd[region] += key_usd(at_ns - known.since_ns, known.rotations)
            del self._charged[region, key_id]
        free_since_ns = self._free_since_ns.pop((region, key_id), at_ns)
        if is_charged:  # of a deletion that is cancelled the waiting period is charged after all
            self._charged[region, key_id] = _Charged(free_since_ns, rotations)
        elif key is not None:
            self._free_since_ns[region, key_id] = free_since_ns
