"""Replication machines of one key joined by a fake wire: every message that is under way can be delivered, doubled or lost.

What the Region around the machine does (commit, outbox, exchange of material) is done here in the plainest way, so that tests
see the machine alone. A world is a value: `after(action)` gives another one, so interleavings can be enumerated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from regionsim.kms.key import (
    KeyMaterial,
    KeyState,
    KmsKey,
    RegionalProperties,
    RotationType,
    SharedProperties,
    Tombstone,
    replicas_in,
)
from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.kms.messages import (
    AboutKey,
    CreateReplica,
    ReplicaDeleted,
    ReplicaDeletionNoted,
    ReplicaSeed,
    Synchronize,
    Synchronized,
)
from regionsim.kms.removal import scheduled_for_deletion
from regionsim.kms.replication import is_acknowledged, start_primary_move, step
from regionsim.kms.rotation import start_rotation
from regionsim.kms.situation import (
    Event,
    MaterialsArrived,
    PeerProgress,
    Received,
    ReplicasOverdue,
    Resumed,
    Situation,
    WaitingPeriodEnded,
    announce,
)
from regionsim.kms.writes import Announcement, PutKey, PutTombstone, RemoveKey

KEY_ID = "mrk-" + "a" * 32


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message, or material (its ids), on its way."""

    sender: str
    receiver: str
    message: AboutKey | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One Region: what is durable, and (`peers`) what a crash takes."""

    key: KmsKey | None = None
    held: frozenset[str] = frozenset()
    outbox: tuple[Announcement, ...] = ()
    tombstone: Tombstone | None = None
    peers: tuple[tuple[str, PeerProgress], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All Regions and what is on the wire, in order of sending."""

    nodes: Mapping[str, Node]
    wire: tuple[Delivered, ...] = ()
    now_ns: int = 0
    history: tuple[str, ...] = field(default=(), compare=False)

    def fingerprint(self) -> tuple[object, ...]:
        """What makes two worlds the same, whatever led there."""
        return (tuple(self.nodes.items()), frozenset(self.wire))

    # Actions.

    def deliver(self, index: int) -> World:
        """The message arrives (and is gone from the wire)."""
        under_way = self.wire[index]
        rest = replace(self, wire=self.wire[:index] + self.wire[index + 1 :])
        return rest._arrive(under_way).noting(f"deliver {under_way.sender}->{under_way.receiver}")

    def double(self, index: int) -> World:
        """The message arrives, and will arrive again."""
        return self._arrive(self.wire[index]).noting(f"double {index}")

    def lose(self, index: int) -> World:
        """The message is lost."""
        return replace(self, wire=self.wire[:index] + self.wire[index + 1 :]).noting(f"lose {index}")

    def crash(self, region: str) -> World:
        """The Region's hosts lose their memory and load the durable part again."""
        node = replace(self.nodes[region], peers=())
        return self._with(region, node)._step(region, Resumed()).noting(f"crash {region}")

    def resend(self, region: str) -> World:
        """The Region repeats its outbox and asks again for what it lacks."""
        node, world = self.nodes[region], self
        for announcement in node.outbox:
            world = world._send(region, announcement.destination, announcement.message)
        if node.key is not None and node.key.is_replica:
            world = world._pull(region, node.key.shared.primary_region or "")
        elif node.key is not None:
            for other in node.key.shared.replica_regions:
                world = world._pull(region, other)
        return world.noting(f"resend {region}")

    def rotate(self, region: str, material_id: str) -> World:
        """RotateKeyOnDemand at the primary."""
        node = self.nodes[region]
        assert node.key is not None
        material = KeyMaterial(material_id=material_id, created_at_ns=self.now_ns, rotation_type=RotationType.ON_DEMAND)
        rotated = start_rotation(node.key, material, self.now_ns)
        changed = replace(node, key=rotated, held=node.held | {material_id})
        return self._with(region, changed)._announce(region, announce(rotated)).noting("rotate")

    def replicate(self, region: str, to: str) -> World:
        """ReplicateKey at the primary."""
        node = self.nodes[region]
        assert node.key is not None
        shared = node.key.shared.with_replica(to)
        primary = node.key.with_shared(shared)
        creation = Announcement(destination=to, message=CreateReplica(shared=shared, seed=ReplicaSeed(policy="{}")))
        told = (creation, *(other for other in announce(primary) if other.destination != to))
        return self._with(region, replace(node, key=primary))._announce(region, told).noting(f"replicate {to}")

    def move(self, region: str, to: str) -> World:
        """UpdatePrimaryRegion at the primary."""
        node = self.nodes[region]
        assert node.key is not None
        moved, handover = start_primary_move(node.key, to)
        return self._with(region, replace(node, key=moved))._announce(region, (handover,)).noting(f"move {to}")

    def is_synchronized(self, primary: str, replica: str) -> bool:
        """What UpdatePrimaryRegion asks the replica's Region: has it all that the primary has told of?"""
        theirs, ours = self.nodes[replica], self.nodes[primary]
        assert theirs.key is not None
        assert ours.key is not None
        return theirs.key.shared.shared_version >= ours.key.shared.shared_version and not self._lacks(theirs)

    def delete(self, region: str) -> World:
        """ScheduleKeyDeletion, and the waiting period (of no length here) ends; a primary with replicas waits for them."""
        node = self.nodes[region]
        assert node.key is not None
        scheduled = scheduled_for_deletion(node.key, 0, self.now_ns)
        world = self._with(region, replace(node, key=scheduled))
        return world._step(region, WaitingPeriodEnded()).noting(f"delete {region}")

    def give_up(self, region: str) -> World:
        """The open rotation at the primary has waited long enough."""
        return self._step(region, ReplicasOverdue()).noting(f"give up at {region}")

    def settled(self, limit: int = 400) -> World:
        """The world when nothing is lost any more and everybody repeats what is not acknowledged."""
        world = self
        for _ in range(limit):
            if world.wire:
                world = world.deliver(0)
            elif world.is_quiet:
                return world
            else:
                for region in world.nodes:
                    world = world.resend(region)
        raise AssertionError(f"does not settle: {world.history[-30:]}")

    @property
    def is_quiet(self) -> bool:
        """True when nobody has anything outstanding."""
        return not any(node.outbox or self._lacks(node) for node in self.nodes.values())

    def noting(self, what: str) -> World:
        return replace(self, history=(*self.history, what))

    # The Region around the machine.

    def _arrive(self, under_way: Delivered) -> World:
        message = under_way.message
        if isinstance(message, ReplicaDeleted | ReplicaDeletionNoted | CreateReplica | Synchronize | Synchronized):
            return self._step(under_way.receiver, Received(sender=under_way.sender, message=message))
        node = self.nodes[under_way.receiver]
        new = tuple(material for material in message if material not in node.held)
        if node.key is None or not new:
            return self
        world = self._with(under_way.receiver, replace(node, held=node.held | set(new)))
        return world._step(under_way.receiver, MaterialsArrived(material_ids=new))

    def _step(self, region: str, event: Event) -> World:
        node = self.nodes[region]
        situation = Situation(
            region=region,
            key_id=KEY_ID,
            now_ns=self.now_ns,
            key=node.key,
            held=node.held,
            peers=dict(node.peers),
            tombstone=node.tombstone,
        )
        done = step(situation, event)
        changed = replace(node, key=done.key, peers=tuple(sorted(done.peers.items())))
        for write in done.writes:
            match write:
                case PutKey(key=key):
                    assert key.version == (1 if node.key is None else node.key.version + 1), "one commit, one version"
                case RemoveKey():
                    assert done.key is None
                    changed = replace(changed, held=frozenset())
                case PutTombstone(tombstone=tombstone):
                    changed = replace(changed, tombstone=tombstone)
                case _:
                    raise AssertionError(f"no write of the machine: {write}")
        kept = tuple(
            waiting for waiting in changed.outbox if (waiting.destination, waiting.message.kind) not in done.moot
        )
        changed = replace(changed, outbox=kept)
        if isinstance(event, Received) and isinstance(event.message, Synchronized):
            changed = _forget_acknowledged(changed, event.sender, event.message)
        world = replace(self._with(region, changed), now_ns=self.now_ns + 1)._announce(region, done.announcements)
        if done.reply is not None and done.reply_to is not None:
            world = world._send(region, done.reply_to, done.reply)
        return world if done.pull_from is None else world._pull(region, done.pull_from)

    def _announce(self, region: str, told: tuple[Announcement, ...]) -> World:
        world = self
        for announcement in told:
            node = world.nodes[region]
            kept = tuple(old for old in node.outbox if _slot(old) != _slot(announcement))
            world = world._with(region, replace(node, outbox=(*kept, announcement)))
            world = world._send(region, announcement.destination, announcement.message)
        return world

    def _send(self, sender: str, receiver: str, message: AboutKey) -> World:
        return replace(self, wire=(*self.wire, Delivered(sender, receiver, message)))

    def _pull(self, region: str, source: str) -> World:
        """The exchange of material: what the source has now and the Region lacks is put on the wire."""
        node, other = self.nodes[region], self.nodes[source]
        if node.key is None:
            return self
        wanted = tuple(
            known.material_id
            for known in node.key.shared.all_materials
            if known.material_id not in node.held and known.material_id in other.held
        )
        return self if not wanted else replace(self, wire=(*self.wire, Delivered(source, region, wanted)))

    def _with(self, region: str, node: Node) -> World:
        return replace(self, nodes={**self.nodes, region: node})

    def _lacks(self, node: Node) -> bool:
        return node.key is not None and any(
            known.material_id not in node.held for known in node.key.shared.all_materials
        )


def _slot(announcement: Announcement) -> tuple[str, type]:
    return announcement.destination, type(announcement.message)


def _forget_acknowledged(node: Node, sender: str, said: Synchronized) -> Node:
    progress = PeerProgress(shared_version=said.shared_version, material_ids=frozenset(said.material_ids))

    def is_across(announcement: Announcement) -> bool:
        message = announcement.message
        is_of_shared = isinstance(message, CreateReplica | Synchronize)
        return announcement.destination == sender and is_of_shared and is_acknowledged(message.shared, progress)

    return replace(node, outbox=tuple(waiting for waiting in node.outbox if not is_across(waiting)))


def multi_region_key(primary: str, *replicas: str) -> World:
    """A settled set: every Region holds the first material, and is Enabled."""
    material = KeyMaterial(material_id="m1", created_at_ns=0)
    shared = SharedProperties(
        key_id=KEY_ID,
        account="111122223333",
        spec=KeySpec.SYMMETRIC_DEFAULT,
        usage=KeyUsage.ENCRYPT_DECRYPT,
        primary_region=primary,
        replicas=replicas_in(replicas),
        materials=(material,),
        current_material_id="m1",
    )

    def node(region: str) -> Node:
        regional = RegionalProperties(region=region, state=KeyState.ENABLED, policy="{}", created_at_ns=0)
        return Node(key=KmsKey(shared=shared, regional=regional), held=frozenset({"m1"}))

    return World(nodes={region: node(region) for region in (primary, *replicas)})


def violations(world: World) -> Iterator[str]:
    """What must never be so, in any world."""
    keys = {region: node.key for region, node in world.nodes.items() if node.key is not None}
    primaries = [region for region, key in keys.items() if key.is_primary]
    if len(primaries) > 1:
        yield f"two primaries: {primaries}"
    for region, key in keys.items():
        node = world.nodes[region]
        own = key.shared.replica(region)
        is_behind = own is not None and own.is_lost
        if key.state is not KeyState.CREATING and not is_behind and key.shared.current_material_id not in node.held:
            yield f"{region} is {key.state} without its current material"
        for other_region, other in keys.items():
            if key.shared.shared_version == other.shared.shared_version and key.shared != other.shared:
                yield f"{region} and {other_region} differ in version {key.shared.shared_version}"
        for other_region in key.shared.regions:
            other_node, replica = world.nodes.get(other_region), key.shared.replica(other_region)
            if replica is not None and replica.is_lost:
                continue
            used = key.shared.current_material_id
            if (
                other_node is not None
                and other_node.key is not None
                and other_node.key.state is not KeyState.CREATING
                and used is not None
                and used not in other_node.held
            ):
                yield f"{region} encrypts with {used}, which {other_region} does not hold"


def assert_converged(world: World, *, deleting: tuple[str, ...] = ()) -> None:
    """What must be so once everything is across; `deleting` are Regions whose key may wait for its deletion."""
    keys = {region: node.key for region, node in world.nodes.items() if node.key is not None}
    assert keys or not world.nodes, "every key is gone"
    newest = max((key.shared for key in keys.values()), key=lambda shared: shared.shared_version)
    assert not set(keys) - set(newest.regions), f"a replica that nobody knows: {world.history}"
    for region in newest.regions:
        assert region in keys, f"{region} has no key: {world.history}"
        assert keys[region].shared == newest, f"{region} is behind: {world.history}"
        if region not in deleting:
            assert keys[region].state is KeyState.ENABLED, f"{region} is {keys[region].state}: {world.history}"
        assert keys[region].regional.move is None
    assert not any(replica.is_lost for replica in newest.replicas), f"still lost: {world.history}"
    assert newest.pending_material is None, f"the rotation never completed: {world.history}"
