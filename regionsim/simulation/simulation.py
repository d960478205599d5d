"""A simulation: the Regions of a world on one loop, joined by links and by nothing else.

It is the only place that holds more than one Region. Callers knock at a Region's door through it (`knock`), so that
latency, outages and crashes happen to their calls; faults are switched on and off here.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from functools import partial
from itertools import islice
from typing import Any

from regionsim.faults.active import ActiveFaults
from regionsim.faults.kinds import Fault
from regionsim.faults.tally import FaultTally
from regionsim.faults.verdicts import CallVerdict
from regionsim.faults.vocabulary import describe, name_of
from regionsim.hsm.fleet import Fleet
from regionsim.hsm.profiles import profile_named
from regionsim.hsm.replication_keys import ReplicationRegistry
from regionsim.hsm.simulated_stores import SimulatedStores
from regionsim.hsm.xks_client import XksClient
from regionsim.kms.errors import KmsError
from regionsim.kms.key import KmsKey
from regionsim.kms.plan import Call
from regionsim.kms.writes import PutKey
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError
from regionsim.network.envelope import Envelope
from regionsim.network.network import Network
from regionsim.region.region import Region, Reply
from regionsim.region.surroundings import Surroundings
from regionsim.region.timers import Fired
from regionsim.runtime.clock import NodeClock, WallClock
from regionsim.runtime.entropy import Stream
from regionsim.runtime.loop import is_real_time
from regionsim.runtime.tasks import Scope, call_later_ns, now_ns
from regionsim.simulation.advance import let_time_pass
from regionsim.simulation.bulk import make_bulk
from regionsim.simulation.clocks import ClockFaults
from regionsim.simulation.fleets import FleetFaults
from regionsim.simulation.ground import Ground
from regionsim.simulation.iam_copies import IamCopies
from regionsim.simulation.lives import Lives
from regionsim.simulation.world import World
from regionsim.snapshot import Glance, Snapshot, region_glance, region_picture
from regionsim.store.disk import Disk
from regionsim.store.install import install
from regionsim.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The share of a world that one process has: its Regions, and the way to those of other processes.

    `send_away` takes an envelope that has arrived at the far end of its link, for a Region elsewhere; `registry` has
    the public keys of all Regions.
    """

    regions: tuple[str, ...]
    send_away: Callable[[Envelope], None]
    registry: ReplicationRegistry


class Simulation:
    """A world on its ground, or a part of it. Each Region keeps its file in the ground's folder."""

    def __init__(self, world: World, ground: Ground, part: Part | None = None) -> None:
        self.world = world
        self._part = part
        self.ground = ground
        self.entropy = ground.entropy
        self.trace = ground.trace
        self.clock = ground.clock
        self.folder = ground.folder
        self.faults = ActiveFaults()
        self.fault_tally = FaultTally()
        self.network = Network(
            world.regions,
            latencies=world.latencies,
            jitter_ns=world.jitter_ns,
            loss=world.loss,
            entropy=ground.entropy,
            trace=ground.trace,
            faults=lambda: self.faults,
            on_fault_met=self.fault_tally.met,
        )
        self._scope = Scope("simulation")
        self._registry = ReplicationRegistry() if part is None else part.registry
        self._key_listeners: list[Callable[[str, str, KmsKey | None], object]] = []
        self._refusal_listeners: list[Callable[[str, Call, KmsError], object]] = []
        self._fired_listeners: list[Callable[[Fired], object]] = []
        self._unreachable_since: dict[str, int] = {}
        self._unavailable_ns = dict.fromkeys(world.regions, 0)
        self.key_stores: dict[str, SimulatedStores] = {}
        """What backs the custom key stores of each Region."""
        self._disks: dict[str, Disk] = {}
        self._clocks: dict[str, NodeClock] = {}
        self.regions = {name: self._region(name) for name in (world.regions if part is None else part.regions)}
        self.iam = IamCopies(world.directory, self.regions, ground.trace, self._is_iam_frozen)
        self.named_keys: Mapping[str, str] = {}
        """The ids of the keys that were there before the run, by the names that scenarios have for them."""
        self.bulk_key_ids: frozenset[str] = frozenset()
        """The ids of those that are one of many."""
        self._lives = Lives(self.regions, self._scope, ground.trace)
        self._clock_faults = ClockFaults(self._clocks, ground.trace, self.fault_tally.met)
        self._fleets = FleetFaults(
            {name: region.fleet for name, region in self.regions.items()},
            ground.vault,
            entropy=ground.entropy,
            trace=ground.trace,
            scope=self._scope,
            on_met=self.fault_tally.met,
        )

    async def start(self) -> None:
        """Boot every Region; they have been running for long, so their HSMs serve at once.

        Errors: ConfigError for a data folder that cannot be used, StoreUnavailable for a disk that fails; then nothing
        is left running.
        """
        vault = self.ground.vault
        if vault is not None and vault.is_key_new:
            self.trace.emit("", "sealing_key_made", file=vault.key_name)
        try:
            for name, region in self.regions.items():
                await self._start_fleet(name, region.fleet)
            self._install_bulk()
            for name, region in self.regions.items():
                await region.boot()
                self.network.attach(name, region.receive)
            if self._part is not None:
                for name in self.world.regions:
                    if name not in self.regions:
                        self.network.attach(name, self._part.send_away)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End in good order: every Region that is up commits its audit batch and closes its file.

        All of that is done whatever happens to one Region; only then does its error go on.
        """
        async with AsyncExitStack() as ending:
            ending.push_async_callback(self._end)
            for region in reversed(self.regions.values()):
                ending.push_async_callback(_shut_down, region)
            self._lives.try_no_more()
            await self.lives_ended()

    async def lives_ended(self) -> None:
        """Wait until no Region is just crashing or booting: what is half up can neither be asked nor closed."""
        await self._lives.ended()

    def close_hsms(self) -> None:
        """Make every HSM forget its keys. After this nothing can be decrypted any more."""
        for name, region in self.regions.items():
            region.fleet.close()
            self.key_stores[name].close()

    # Callers.

    def can_connect(self, region: str) -> bool:
        """True when a caller that has no open connection to a Region finds its endpoint by name."""
        self.fault_tally.met(self.faults.names_hiding(region))
        return self.faults.dns_verdict(region) is CallVerdict.PASS

    def knock(
        self,
        origin: str,
        region: str,
        call: Call,
        stream: Stream,
        on_reply: Callable[[Reply], None],
        on_refused: Callable[[], None],
        on_connected: Callable[[], None],
    ) -> None:
        """Send a call on its way from `origin` to a Region's door.

        `on_reply` hears the reply, `on_refused` that the connection was refused, `on_connected` that the Region has
        taken the call up; in an outage none of them may ever be called. The way back is drawn together with the way
        there: the number of draws is the same whatever happens.
        """
        there_ns = self.network.one_way_latency_ns(origin, region, stream)
        back_ns = self.network.one_way_latency_ns(origin, region, stream)

        def answered(reply: Reply) -> None:
            self.fault_tally.met(self.faults.names_making_unreachable(region))
            if self.faults.region_reachable(region):
                call_later_ns(back_ns, on_reply, reply)

        def arrive() -> None:
            self.fault_tally.met(self.faults.names_making_unreachable(region))
            match self.faults.call_verdict(region):
                case CallVerdict.FAIL:
                    call_later_ns(back_ns, on_refused)
                case CallVerdict.PASS if self.regions[region].is_up:
                    on_connected()
                    self.regions[region].accept(call, answered)
                case _:
                    pass

        call_later_ns(there_ns, arrive)

    # Time.

    async def advance(self, duration_ns: int) -> tuple[Fired, ...]:
        """Let that much time pass on every Region's clock; what fell due meanwhile, in the order in which it did."""
        fired: list[Fired] = []
        self.listen_to_fired(fired.append)
        try:
            await let_time_pass(
                duration_ns, self.clock, self.regions.values(), self.network, has_faults=lambda: bool(self.faults)
            )
        finally:
            self.unlisten_to_fired(fired.append)
        return tuple(fired)

    def listen_to_fired(self, listener: Callable[[Fired], object]) -> None:
        """Let `listener` hear of each errand of a Region's calendar as it falls due."""
        self._fired_listeners.append(listener)

    def unlisten_to_fired(self, listener: Callable[[Fired], object]) -> None:
        """Let `listener` hear of nothing any more."""
        self._fired_listeners.remove(listener)

    def on_key(self, listener: Callable[[str, str, KmsKey | None], object]) -> None:
        """Let `listener` hear of each key that a commit changes: Region, key id, the key (None: it is deleted)."""
        self._key_listeners.append(listener)

    def _key_changed(self, region: str, key_id: str, key: KmsKey | None) -> None:
        for listener in self._key_listeners:
            listener(region, key_id, key)

    def on_refusal(self, listener: Callable[[str, Call, KmsError], object]) -> None:
        """Let `listener` hear of each call that a Region refuses."""
        self._refusal_listeners.append(listener)

    def _call_refused(self, region: str, call: Call, refusal: KmsError) -> None:
        for listener in self._refusal_listeners:
            listener(region, call, refusal)

    def _fired(self, fired: Fired) -> None:
        for listener in self._fired_listeners:
            listener(fired)

    # Faults.

    def begin_fault(self, fault: Fault, name: str | None = None) -> str:
        """Switch a fault on; its name is what ends it. Errors: FaultError when the name is taken."""
        chosen = name if name is not None else self.faults.free_name(fault)
        before, self.faults = self.faults, self.faults.add(chosen, fault)
        self.fault_tally.begin(chosen)
        self.trace.emit("", "fault_begins", fault=name_of(fault), name=chosen, what=describe(fault))
        self._follow(before)
        return chosen

    def end_fault(self, name: str) -> None:
        """Switch a fault off, or all of them (`all`). Errors: FaultError when none of that name is on."""
        before, self.faults = self.faults, self.faults.heal(name)
        for ended, fault in before.by_name.items():
            if ended not in self.faults.by_name:
                self.trace.emit("", "fault_ends", fault=name_of(fault), name=ended, what=describe(fault))
        self._follow(before)

    def _follow(self, before: ActiveFaults) -> None:
        """Let the world be as the faults that are on say; `before` are those that were."""
        self._note_all()
        self._fleets.follow(self.faults)
        for name in self._clock_faults.follow(self.faults):
            self.regions[name].wake_calendar()
        for name, region in self.regions.items():
            region.admission.rule = self.faults.door_rule(name)
            self._disks[name].follow(self.faults.disk_rule(name), partial(self._disk_met, name))
            taking = self.faults.names_taking_power(name)
            if taking and region.is_up:
                self.fault_tally.met(taking)  # to lose one's memory is an effect, whoever calls or not
            if bool(taking) == before.has_power(name):
                self._lives.ask(name, is_up=not taking)
        self.iam.thaw()

    def _disk_met(self, region: str) -> None:
        self.fault_tally.met(self.faults.names_on_disk(region))

    def _is_iam_frozen(self, region: str) -> bool:
        names = self.faults.names_freezing_iam(region)
        self.fault_tally.met(names)
        return bool(names)

    def unavailable_ns(self, region: str) -> int:
        """How long a Region has been unreachable so far."""
        since = self._unreachable_since.get(region)
        return self._unavailable_ns[region] + (0 if since is None else now_ns() - since)

    @property
    def is_settled(self) -> bool:
        """True when every Region is up and reachable and nothing that one owes another is outstanding."""
        return all(
            region.is_up and region.unfinished_count == 0 and self.faults.region_reachable(name)
            for name, region in self.regions.items()
        )

    @property
    def is_recovered(self) -> bool:
        """True when the world is settled, and every HSM serves."""
        return self.is_settled and self._fleets.are_whole

    def snapshot(self) -> Snapshot:
        """The frozen picture of this instant."""
        pictures = {
            name: region_picture(
                region,
                is_reachable=self.faults.region_reachable(name),
                unavailable_ns=self.unavailable_ns(name),
            )
            for name, region in self.regions.items()
        }
        return Snapshot(at_ns=self.clock.now_ns(), regions=pictures, is_settled=self.is_settled)

    def glance(self) -> Glance:
        """The figures of this instant, without the keys themselves: cheap enough to be asked for ten times a second."""
        pictures = {
            name: region_glance(
                region,
                is_reachable=self.faults.region_reachable(name),
                unavailable_ns=self.unavailable_ns(name),
            )
            for name, region in self.regions.items()
        }
        cut = frozenset(
            (one, other)
            for one in self.regions
            for other in self.regions
            if one != other and self.faults.link_rule(one, other).cut_by
        )
        faults = {name: describe(fault) for name, fault in self.faults.by_name.items()}
        return Glance(at_ns=now_ns(), regions=pictures, cut_links=cut, faults=faults)

    def keys_in(self, region: str, *, offset: int, count: int) -> tuple[KmsKey, ...]:
        """A window of a Region's keys in order of creation; none while it is down."""
        known = self.regions[region]
        return tuple(islice(known.state.all_keys(), offset, offset + count)) if known.is_up else ()

    # Inside.

    def _region(self, name: str) -> Region:
        ground, world = self.ground, self.world
        clock = self._clocks[name] = ground.new_clock()
        fleet = Fleet(
            name,
            world.hsm_per_region,
            profile=profile_named(world.hsm_profile),
            entropy=ground.entropy,
            clock=clock,
            trace=ground.trace,
            scope=self._scope,
            registry=self._registry,
        )
        disk = self._disks[name] = ground.new_disk(name)

        async def open_store() -> Store:
            return await Store.open(
                ground.folder / f"{name}.sqlite",
                region=name,
                connection=ground.connection,
                disk=disk,
                durable=ground.is_durable,
                trace=ground.trace,
            )

        over_http = XksClient(name, world.xks_proxies, WallClock()) if world.xks_proxies and is_real_time() else None
        self.key_stores[name] = SimulatedStores(
            name,
            entropy=ground.entropy,
            clock=ground.clock,
            plans=world.keepers,
            over_http=over_http,
            faults=lambda: self.faults,
            on_fault_met=self.fault_tally.met,
        )
        surroundings = Surroundings(
            fleet=fleet,
            key_stores=self.key_stores[name],
            clock=clock,
            entropy=ground.entropy,
            trace=ground.trace,
            open_store=open_store,
            send=self.network.send,
            on_fired=self._fired,
            on_key=self._key_changed,
            on_refusal=self._call_refused,
            on_fault_met=self.fault_tally.met,
        )
        return Region(
            name,
            surroundings,
            regions=world.regions,
            directory=world.directory,
            has_quotas=world.has_quotas,
            replica_wait_ns=world.replica_wait_ns,
            grant_delay_ns=world.grant_delay_ns,
            attestation_roots=world.attestation_roots,
        )

    def begin_beside(self, work: Coroutine[Any, Any, object], *, name: str) -> None:
        """Run something that belongs to no Region, until the simulation stops. Errors: Fenced once it has."""
        self._scope.begin(work, name=name)

    async def _end(self) -> None:
        for name in self.regions:
            self._note_reachable(name)
        self.network.close()
        self._scope.fence()
        await self._scope.closed()

    async def _start_fleet(self, name: str, fleet: Fleet) -> None:
        vault = self.ground.vault
        await fleet.start(domain=None if vault is None else vault.load(name), is_joined=True)
        if vault is not None:
            vault.save(name, fleet.seal_domain)  # before the first key is made: it must outlive us
            fleet.save_domain_by(partial(vault.save, name))
            kept = vault.load_keepers(name)
            if kept is not None:
                self.key_stores[name].restore(kept)
            self.key_stores[name].save_by(partial(vault.save_keepers, name))

    def _install_bulk(self) -> None:
        """Put the keys of before the run into the Regions' files; into those that were there before: none.

        Errors: ConfigError where other processes have some of the Regions.
        """
        if self.world.bulk and self._part is not None:
            raise ConfigError("the keys: of a scenario need all of its Regions in one process; leave --processes out")
        if not self.world.bulk or any((self.folder / f"{name}.sqlite").exists() for name in self.regions):
            return
        fleets = {name: region.fleet for name, region in self.regions.items()}
        installed = make_bulk(self.world.bulk, fleets, self.entropy, self.clock.now_ns())
        for name, commit in installed.commits.items():
            install(self.folder / f"{name}.sqlite", region=name, commit=commit)
            count = sum(isinstance(write, PutKey) for write in commit.writes)
            if count:
                self.trace.emit(name, "keys_installed", keys=count)
        self.named_keys = installed.named
        self.bulk_key_ids = installed.key_ids

    def _note_all(self) -> None:
        for name in self.regions:
            if self.faults.region_reachable(name):
                self._note_reachable(name)
            else:
                self._unreachable_since.setdefault(name, now_ns())

    def _note_reachable(self, name: str) -> None:
        since = self._unreachable_since.pop(name, None)
        if since is not None:
            self._unavailable_ns[name] += now_ns() - since


async def _shut_down(region: Region) -> None:
    if region.is_up:
        await region.shut_down()
