"""The replicator: from the outbox to the link and back into the replication machine.

What it must get across waits per destination until the other Region has acknowledged it: announcements (durable, from
the outbox), materials that this Region still lacks, questions that are not answered. Each destination has one timer:
what is outstanding is sent again with back-off while nothing is heard, one frame as a probe, and at once in full when
something is.

Every message is handled in its own task under the key's lock, so messages about one key are applied in order of
arrival, and many keys share a commit. A message that cannot be applied (disk error, no HSM) is as good as lost: the
sender repeats it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field

from regionsim.kms.errors import InvalidCiphertextException, KMSInternalException, ServerFault
from regionsim.kms.hsm_jobs import MaterialRef
from regionsim.kms.messages import (
    Announced,
    Answered,
    Asked,
    MaterialBatch,
    MaterialImported,
    MaterialRequest,
    Message,
    NoMaterial,
    ReplicaDeleted,
    Synchronized,
)
from regionsim.kms.questions import Answer, Question
from regionsim.kms.replication import is_acknowledged, step
from regionsim.kms.situation import Event, MaterialsArrived, PeerProgress, Received, Resumed, Situation, Step
from regionsim.kms.writes import Announcement, PutToken, Write
from regionsim.names.dataclass import dataclass
from regionsim.network.envelope import Envelope
from regionsim.region.exchange import MATERIALS_PER_BATCH, Exchange
from regionsim.region.incarnation import Incarnation, key_lock
from regionsim.region.peer import Peer
from regionsim.region.receipt import shared_in, why_impossible
from regionsim.region.wire import MESSAGES_PER_FRAME, WireError, pack_frame, unpack_frame, unpack_message
from regionsim.runtime.entropy import Stream
from regionsim.runtime.histogram import Histogram
from regionsim.runtime.tasks import future, now_ns
from regionsim.store.errors import StoreError
from regionsim.store.values import Acknowledgement, OutboxRow

QUESTION_DEADLINE_NS = 4_000_000_000
"""How long a call waits for another Region's word. Source: ours."""


@dataclass(slots=True, kw_only=True)
class ReplicationCounts:
    """What the replicators of one Region have seen; survives a crash of its hosts."""

    frames_sent: int = 0
    frames_dropped: int = 0
    messages_dropped: int = 0
    lag: Histogram = field(default_factory=Histogram)
    """From the commit of a change until the acknowledgement that another Region has applied it, ns; of changes that
    went across together, the oldest's. By the Region's clock, which is all that outlives its hosts."""


class Replicator:
    """The replicator of one incarnation. `answer` gives this Region's word on another Region's question."""

    def __init__(
        self,
        host: Incarnation,
        *,
        peers: Iterable[str],
        send: Callable[[Envelope], None],
        stream: Stream,
        answer: Callable[[Question], Answer],
        counts: ReplicationCounts,
    ) -> None:
        self._host = host
        self._peers = {region: Peer(region=region) for region in peers}
        self._send = send
        self._stream = stream
        self._answer = answer
        self._counts = counts
        self._exchange = Exchange(host)
        self._progress: dict[str, Mapping[str, PeerProgress]] = {}
        self._questions: dict[str, Callable[[Answer | None], None]] = {}
        self._answers: dict[str, Answer] = {}
        host.on_outbox = self.enqueue

    @property
    def outstanding_count(self) -> int:
        """Announcements and materials that are not across yet."""
        return sum(len(peer.outstanding) + peer.lacking_count for peer in self._peers.values())

    def outstanding_words(self) -> dict[str, str]:
        """Region -> what is not across to it or from it yet, in words; only the Regions that something is left of."""
        return {region: peer.outstanding_words() for region, peer in self._peers.items() if peer.is_behind}

    def resume(self, rows: Sequence[OutboxRow]) -> None:
        """Take up what the outbox and the keys say is unfinished."""
        for row in rows:
            message = unpack_message(row.body)
            assert isinstance(message, Announced), "an outbox keeps announcements"
            self._peers[row.destination].announce(message, row.since_ns)
            self._flush_soon(self._peers[row.destination])
        for key in list(self._host.state.all_keys()):
            if key.shared.is_multi_region:
                self._host.scope.spawn(self._step(key.key_id, Resumed()), name=f"resume/{key.key_id}")

    def enqueue(self, announcements: Sequence[Announcement], since_ns: int) -> None:
        """Send what has just been committed to the outbox, in rows that bear `since_ns`."""
        for announcement in announcements:
            peer = self._peers[announcement.destination]
            peer.announce(announcement.message, since_ns)
            self._flush_soon(peer)

    def receive(self, envelope: Envelope) -> None:
        """Take a frame from the link. One that cannot be read is counted and dropped, and so is a message in it that
        no Region of this world says."""
        try:
            messages = unpack_frame(envelope.body)
            peer = self._sender(envelope)
        except WireError as error:
            self._counts.frames_dropped += 1
            self._dropped("frame_dropped", envelope.sender, str(error))
            return
        if peer.heard() and peer.has_business:
            peer.make_due(now_ns())
            self._flush_soon(peer)
        for message in messages:
            reason = self._why_impossible(peer, message)
            if reason is None:
                self._host.scope.spawn(self._handle(peer, message), name=f"message/{type(message).__name__}")
            else:
                self._counts.messages_dropped += 1
                self._dropped("message_dropped", peer.region, reason, message=type(message).__name__)

    def _sender(self, envelope: Envelope) -> Peer:
        peer = self._peers.get(envelope.sender)
        if peer is None:
            raise WireError("from outside this world")
        return peer

    def _why_impossible(self, peer: Peer, message: Message) -> str | None:
        shared = shared_in(message)
        known = None if shared is None else self._host.state.key(shared.key_id)
        return why_impossible(message, peer.region, (self._host.region, *self._peers), known)

    def _dropped(self, kind: str, sender: str, reason: str, **fields: str) -> None:
        self._host.trace.emit(self._host.region, kind, **{"from": sender, "reason": reason, **fields})

    async def happen(self, key_id: str, event: Event) -> bool:
        """Let something happen to a key that no message told of. False when that could not be stored: try again."""
        return await self._step(key_id, event)

    async def ask(self, region: str, question: Question) -> Answer:
        """The other Region's word, asked for again until it comes.

        Errors: KMSInternalException (may have happened) when it has not come after 4 seconds.
        """
        peer, question_id, answered = self._peers[region], self._stream.bytes(8).hex(), future()
        asked = Asked(question_id=question_id, question=question)

        def settle(answer: Answer | None) -> None:
            if not answered.done():
                answered.set_result(answer)

        deadline = self._host.scope.call_later_ns(QUESTION_DEADLINE_NS, settle, None)
        self._questions[question_id] = settle
        peer.asked[question_id] = asked
        peer.replies.append(asked)
        self._flush_soon(peer)
        try:
            answer: Answer | None = await answered
        finally:
            deadline.cancel()
            peer.asked.pop(question_id, None)
            self._questions.pop(question_id, None)
        if answer is None:
            raise KMSInternalException(may_have_happened=True)
        return answer

    # Sending.

    def _reply(self, region: str, message: Message) -> None:
        peer = self._peers[region]
        peer.replies.append(message)
        self._flush_soon(peer)

    def _flush_soon(self, peer: Peer) -> None:
        """Send at this instant, after everything else that this instant brings: one frame for what belongs together."""
        if not peer.is_flush_due:
            peer.is_flush_due = True
            self._host.scope.call_later_ns(0, self._flush, peer)

    def _flush(self, peer: Peer, limit: int | None = None) -> None:
        peer.is_flush_due = False
        messages = peer.take_due(now_ns(), limit)
        for start in range(0, len(messages), MESSAGES_PER_FRAME):
            self._counts.frames_sent += 1
            body = pack_frame(messages[start : start + MESSAGES_PER_FRAME])
            self._send(Envelope(id=self._counts.frames_sent, sender=self._host.region, receiver=peer.region, body=body))
        if peer.wanted and not peer.is_requesting:
            peer.is_requesting = True
            self._host.scope.spawn(self._request_materials(peer), name=f"request/{peer.region}")
        if peer.has_business and not peer.has_timer:
            peer.has_timer = peer.is_silent = True
            self._host.scope.call_later_ns(peer.backoff_ns, self._try_again, peer)

    def _try_again(self, peer: Peer) -> None:
        peer.has_timer = False
        if not peer.has_business:
            return
        was_silent = peer.is_silent
        peer.make_due(now_ns())
        peer.replies.extend(peer.asked.values())
        peer.back_off()
        # A Region that says nothing gets one frame as a probe; all the rest follows when it speaks.
        self._flush(peer, limit=MESSAGES_PER_FRAME if was_silent else None)

    async def _request_materials(self, peer: Peer) -> None:
        wanted = peer.take_wanted(MATERIALS_PER_BATCH, now_ns())
        if not wanted:
            peer.is_requesting = False  # all of it came meanwhile
            return
        try:
            request = await self._exchange.request(peer.region, wanted)
        except ServerFault:
            return  # no HSM serves: the timer tries again
        self._reply(peer.region, request)

    # Receiving.

    async def _handle(self, peer: Peer, message: Message) -> None:
        match message:
            case MaterialRequest():
                await self._serve_materials(peer, message)
            case MaterialBatch():
                await self._install_materials(peer, message)
            case NoMaterial():
                self._request_answered(peer)
            case Asked():
                self._reply(peer.region, Answered(question_id=message.question_id, answer=self._answer_once(message)))
            case Answered():
                settle = self._questions.get(message.question_id)
                if settle is not None:
                    settle(message.answer)
            case _:
                await self._step(message.key_id, Received(sender=peer.region, message=message))

    def _answer_once(self, asked: Asked) -> Answer:
        """The answer, and the same one again when the question is repeated: it is decided, and paid for, once."""
        known = self._answers.get(asked.question_id)
        if known is None:
            known = self._answers[asked.question_id] = self._answer(asked.question)
            self._host.scope.call_later_ns(QUESTION_DEADLINE_NS, self._answers.pop, asked.question_id)
        return known

    async def _serve_materials(self, peer: Peer, request: MaterialRequest) -> None:
        try:
            batch = await self._exchange.serve(peer.region, request)
        except (InvalidCiphertextException, ServerFault) as refusal:
            self._host.trace.emit(self._host.region, "exchange_failed", peer=peer.region, error=refusal.code)
            return
        # An answer in any case: the asker then goes on to what else it lacks.
        self._reply(peer.region, NoMaterial() if batch is None else batch)

    def _request_answered(self, peer: Peer) -> None:
        peer.is_requesting = False
        if peer.wanted:
            self._flush_soon(peer)

    async def _install_materials(self, peer: Peer, batch: MaterialBatch) -> None:
        try:
            materials = await self._exchange.install(peer.region, batch)
        except (InvalidCiphertextException, ServerFault) as refusal:
            self._host.trace.emit(self._host.region, "exchange_failed", peer=peer.region, error=refusal.code)
            self._exchange.forget(peer.region)
            return
        self._request_answered(peer)
        by_key: dict[str, list[MaterialRef]] = {}
        for material in materials:
            by_key.setdefault(material.key_id, []).append(material)
        for key_id, arrived in by_key.items():
            self._host.scope.spawn(self._arrived(key_id, tuple(arrived)), name=f"install/{key_id}")

    async def _arrived(self, key_id: str, materials: tuple[MaterialRef, ...]) -> None:
        event = MaterialsArrived(material_ids=tuple(material.material_id for material in materials))
        await self._step(key_id, event, tuple(PutToken(material=material) for material in materials))

    # One step of the machine.

    async def _step(self, key_id: str, event: Event, tokens: tuple[PutToken, ...] = ()) -> bool:
        """Look up, step, commit, then tell: under the key's lock. False when the store did not take it."""
        async with self._host.locks.hold([key_lock(key_id)]):
            if tokens and not self._lacks(key_id, tokens):
                return True
            situation = self._situation(key_id, tokens)
            done = step(situation, event)
            acknowledged = self._acknowledged(key_id, event, done)
            moot = self._moot(key_id, done)
            writes: tuple[Write, ...] = (*tokens, *done.writes)
            try:
                if writes or done.announcements or acknowledged or moot or done.events:
                    await self._host.commit(
                        writes=writes,
                        announcements=done.announcements,
                        acknowledged=(*acknowledged, *moot),
                        events=done.events,
                    )
            except StoreError as error:
                self._host.trace.emit(self._host.region, "replication_not_stored", error=type(error).__name__)
                return False
            self._remember(key_id, done, acknowledged, tokens)
            for known in moot:
                self._peers[known.destination].acknowledged(key_id, known.kind, known.shared_version)
        for happening in done.happenings:
            self._host.trace.emit(self._host.region, happening.value, key=key_id)
        if done.reply is not None and done.reply_to is not None:
            self._reply(done.reply_to, done.reply)
        if done.pull_from is not None:
            self._want(done.pull_from, key_id)
        return True

    def _lacks(self, key_id: str, tokens: tuple[PutToken, ...]) -> bool:
        """True while one of these is news: material is asked for again until it comes, so it may come twice."""
        state = self._host.state
        held = state.material_ids(key_id)
        return state.key(key_id) is not None and any(write.material.material_id not in held for write in tokens)

    def _situation(self, key_id: str, tokens: tuple[PutToken, ...]) -> Situation:
        state = self._host.state
        arriving = (write.material.material_id for write in tokens)
        return Situation(
            region=self._host.region,
            key_id=key_id,
            now_ns=self._host.clock.now_ns(),
            key=state.key(key_id),
            held=frozenset((*state.material_ids(key_id), *arriving)),
            peers=self._progress.get(key_id, {}),
            tombstone=state.tombstone(key_id),
        )

    def _moot(self, key_id: str, done: Step) -> tuple[Acknowledgement, ...]:
        """What the outbox can forget unsaid."""
        found = []
        for region, kind in done.moot:
            waiting = self._peers[region].outstanding.get((key_id, kind))
            if waiting is not None:
                version = waiting.message.shared_version
                found.append(Acknowledgement(destination=region, key_id=key_id, shared_version=version, kind=kind))
        return tuple(found)

    def _acknowledged(self, key_id: str, event: Event, done: Step) -> tuple[Acknowledgement, ...]:
        """What the other Region's acknowledgement lets the outbox forget."""
        if not isinstance(event, Received) or not isinstance(event.message, Synchronized):
            return ()
        said = event.message
        progress = PeerProgress(shared_version=said.shared_version, material_ids=frozenset(said.material_ids))
        found = []
        for (_, kind), waiting in self._peers[event.sender].of_key(key_id):
            message = waiting.message
            if isinstance(message, ReplicaDeleted | MaterialImported):
                continue  # these have acknowledgements of their own
            if is_acknowledged(message.shared, progress):
                version = message.shared_version
                found.append(
                    Acknowledgement(destination=event.sender, key_id=key_id, shared_version=version, kind=kind)
                )
            else:
                self._peers[event.sender].applied(key_id, kind, said.shared_version, now_ns())
        return tuple(found)

    def _remember(
        self,
        key_id: str,
        done: Step,
        acknowledged: tuple[Acknowledgement, ...],
        tokens: tuple[PutToken, ...],
    ) -> None:
        # A rotation is what must know who holds what; without one open, the next acknowledgement says it all again.
        if done.key is not None and done.key.shared.pending_material is not None:
            self._progress[key_id] = done.peers
        else:
            self._progress.pop(key_id, None)
        for known in acknowledged:
            waiting = self._peers[known.destination].acknowledged(key_id, known.kind, known.shared_version)
            if waiting is not None:
                # The clock may have been set back since.
                self._counts.lag.add(max(0, self._host.clock.now_ns() - waiting.since_ns))
        if done.key is None:
            for peer in self._peers.values():
                peer.forget_key(key_id)
        for write in tokens:
            for peer in self._peers.values():
                peer.has_come(key_id, write.material.material_id)

    def _want(self, source: str, key_id: str) -> None:
        key = self._host.state.key(key_id)
        if key is None:
            return
        peer = self._peers[source]
        for material_id in self._host.state.missing_material_ids(key):
            peer.want(key_id, material_id)
        if peer.wanted:
            self._flush_soon(peer)
