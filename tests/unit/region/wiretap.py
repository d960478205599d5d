"""A wire cut by hand: nothing passes between two Regions but what the test lets pass, as it was or altered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from regionsim.faults.kinds import LinkCut
from regionsim.kms.messages import Message
from regionsim.network.envelope import Envelope
from regionsim.region.wire import pack_frame, unpack_frame
from tests.simulation.many_regions import Play

MessageT = TypeVar("MessageT", bound=Message)

_CUT = "wiretap"


class Wiretap:
    """Cuts the links between two Regions and holds what they send to each other."""

    def __init__(self, world: Play, a: str, b: str) -> None:
        self.held: list[Envelope] = []
        self._world = world
        self._pair = {a, b}
        world.simulation.network.tap(self._hold)
        world.break_with(LinkCut(between=(a, b)), _CUT)

    def messages(self, kind: type[MessageT], receiver: str) -> list[MessageT]:
        """The messages of a kind that are held for a Region, in order of sending."""
        return [found for found in self._all(receiver) if isinstance(found, kind)]

    async def next(self, kind: type[MessageT], receiver: str, within_s: float = 20) -> MessageT:
        """The oldest message of a kind that is held for a Region, waited for."""
        await self._world.until(lambda: bool(self.messages(kind, receiver)), within_s, kind.__name__)
        return self.messages(kind, receiver)[0]

    def deliver(self, message: Message | Sequence[Message], sender: str, receiver: str) -> None:
        """Let a Region have messages from another, in one frame."""
        frame = list(message) if isinstance(message, Sequence) else [message]
        self.deliver_bytes(pack_frame(frame), sender, receiver)

    def deliver_bytes(self, body: bytes, sender: str, receiver: str) -> None:
        envelope = Envelope(id=1_000_000, sender=sender, receiver=receiver, body=body)
        self._world.region(receiver).receive(envelope)

    def forget(self) -> None:
        """Let all that is held be lost."""
        self.held.clear()

    def mend(self) -> None:
        """Let everything pass from now on."""
        self._pair.clear()
        self._world.heal(_CUT)

    def _hold(self, envelope: Envelope) -> None:
        if {envelope.sender, envelope.receiver} == self._pair:
            self.held.append(envelope)

    def _all(self, receiver: str) -> list[Message]:
        frames = (unpack_frame(envelope.body) for envelope in self.held if envelope.receiver == receiver)
        return [message for frame in frames for message in frame]


def overhear(world: Play) -> list[Envelope]:
    """Everything that is sent from now on, by anybody."""
    heard: list[Envelope] = []
    listener: Callable[[Envelope], None] = heard.append
    world.simulation.network.tap(listener)
    return heard
