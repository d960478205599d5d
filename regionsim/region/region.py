"""One Region of KMS: the front door and the five steps of a call.

    1 view    = look up what the operation reads         committed state in memory; no I/O
    2 plan    = operation.plan(view, call, request)      authorize, key states, own rules; perhaps another Region's word
    3 result  = at most one HSM job
    4 outcome = operation.answer(plan, result)
    5 commit  = key change + audit entry + outbox        one transaction; what only reads goes to the audit batch

A Region has incarnations: `crash()` takes what its hosts hold in memory, `boot()` rebuilds it from the store. Its HSM
fleet and its file outlive that. What it knows of other Regions is their names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, NoReturn, assert_never

from regionsim.accounts.directory import Directory
from regionsim.authorization.circumstances import from_texts
from regionsim.authorization.condition_keys import MULTI_VALUED
from regionsim.kms import shapes
from regionsim.kms.aws_keys import Unmade, unmade_key
from regionsim.kms.errors import AccessDeniedException, KmsError, KMSInternalException, ThrottlingException
from regionsim.kms.hsm_jobs import HsmAnswer
from regionsim.kms.key import KmsKey
from regionsim.kms.key_stores import KeyStore
from regionsim.kms.operations.multi_region import answer_question, asked_region
from regionsim.kms.operations.registry import operation_named
from regionsim.kms.outside import Word
from regionsim.kms.plan import Call, Outcome, Plan, View
from regionsim.kms.questions import Answer, MayBecomePrimary, MayCreateReplica, Question
from regionsim.kms.requests import parse
from regionsim.kms.situation import DeclaredLost
from regionsim.kms.state import RegionState
from regionsim.kms.timetable import REPLICA_WAIT_NS
from regionsim.names.mistakes import ConfigError
from regionsim.network.envelope import Envelope
from regionsim.region.admission import Admission
from regionsim.region.attested import attestation_in
from regionsim.region.calendar import Calendar
from regionsim.region.charges import charge_of
from regionsim.region.counts import RegionCounts
from regionsim.region.first_use import make_aws_key
from regionsim.region.incarnation import Incarnation
from regionsim.region.key_stores import KeyStores, is_of_stores
from regionsim.region.locks import Locks
from regionsim.region.look_up import locked, stores_used, subject
from regionsim.region.replicator import Replicator
from regionsim.region.serving import Serving
from regionsim.region.surroundings import Surroundings
from regionsim.runtime.strands import NO_WAIT
from regionsim.runtime.tasks import Scope, now_ns
from regionsim.store.errors import StoreError
from regionsim.store.store import Store

Reply = Mapping[str, Any] | None | KmsError
"""What a Region says to a call: a response (None for an empty body) or a refusal."""

_LIFE = ("life",)
"""What a boot, a crash and a good end hold, so that they come one after the other."""


class Region:
    """One Region. `regions` are the names of all Regions of the world; `directory` is this Region's copy of IAM;
    `attestation_roots` are the certificates under which enclaves are believed."""

    def __init__(
        self,
        name: str,
        surroundings: Surroundings,
        *,
        regions: tuple[str, ...],
        directory: Directory,
        has_quotas: bool = True,
        replica_wait_ns: int = REPLICA_WAIT_NS,
        grant_delay_ns: int = 0,
        attestation_roots: frozenset[bytes] = frozenset(),
    ) -> None:
        self.name = name
        self.regions = regions
        self.directory = directory
        self.fleet = surroundings.fleet
        self._key_store_port = surroundings.key_stores
        self.clock = surroundings.clock
        self.trace = surroundings.trace
        self.counts = RegionCounts()
        self._open_store = surroundings.open_store
        self._send = surroundings.send
        self._on_fired = surroundings.on_fired
        self._on_key = surroundings.on_key
        self._on_refusal = surroundings.on_refusal
        self._replica_wait_ns = replica_wait_ns
        self.grant_delay_ns = grant_delay_ns
        self._attestation_roots = attestation_roots
        self._requests = surroundings.entropy.stream(f"region/{name}/requests")
        self._messages = surroundings.entropy.stream(f"region/{name}/messages")
        self._incarnation: Incarnation | None = None
        self._replicator: Replicator | None = None
        self._calendar: Calendar | None = None
        self.admission = Admission(name, has_quotas=has_quotas, on_fault_met=surroundings.on_fault_met)
        self._boots = 0
        self._lives = Locks()

    def __repr__(self) -> str:
        return f"<Region {self.name} {'up' if self.is_up else 'down'}>"

    # Lives.

    @property
    def is_up(self) -> bool:
        """True while there are hosts to answer."""
        return self._incarnation is not None

    @property
    def state(self) -> RegionState:
        """The committed state. Only while the Region is up."""
        return self._host.state

    @property
    def store(self) -> Store:
        """The open store. Only while the Region is up."""
        return self._host.store

    @property
    def unfinished_count(self) -> int:
        """Announcements and materials that are not across yet; 0 while down."""
        return 0 if self._replicator is None else self._replicator.outstanding_count

    def unfinished_words(self) -> dict[str, str]:
        """Region -> what is not across to it or from it yet, in words; empty while down."""
        return {} if self._replicator is None else self._replicator.outstanding_words()

    @property
    def next_due_at_ns(self) -> int | None:
        """When something next falls due by this Region's calendar (nanoseconds since 1970, by the truth and not by the
        Region's clock); None: nothing, or down."""
        due_at_ns = None if self._calendar is None else self._calendar.timers.next_due_at_ns
        return None if due_at_ns is None else due_at_ns - self.clock.skew_ns

    @property
    def is_calendar_idle(self) -> bool:
        """True when nothing that fell due is still being done."""
        return self._calendar is None or self._calendar.timers.is_idle

    def next_try_at_ns(self, what: str, subject: str) -> int | None:
        """When what falls due for that subject is done, or tried again; None when the calendar has no such thing."""
        return None if self._calendar is None else self._calendar.timers.next_try_at_ns(what, subject)

    def wake_calendar(self) -> None:
        """Look at the clock again: it was moved."""
        if self._calendar is not None:
            self._calendar.timers.wake()

    async def declare_lost(self, region: str) -> int:
        """Let no rotation of a primary here wait for that Region any more, until its replica has caught up.

        How many primaries have a replica there."""
        count = 0
        assert self._replicator is not None, f"{self.name} is down"
        for key in list(self._host.state.all_keys()):
            if key.is_primary and key.shared.replica(region) is not None:
                await self._replicator.happen(key.key_id, DeclaredLost(region=region))
                count += 1
        return count

    @property
    def unaudited_count(self) -> int:
        """Audit entries that wait for the next flush; 0 while down."""
        return 0 if self._incarnation is None else self._incarnation.trail.waiting_count

    async def live(self, *, is_up: bool) -> None:
        """Be up, or down: boot or crash unless it is so already. Wishes come true in the order in which they are said.

        Errors: those of `boot`; then the Region is down.
        """
        async with self._lives.hold(_LIFE):
            if is_up and not self.is_up:
                await self._boot()
            elif not is_up and self.is_up:
                await self._crash()

    async def boot(self) -> None:
        """Start hosts: read the whole state from the store, take up what replication left unfinished.

        Errors: StoreUnavailable when the disk does not give it; ConfigError when the store has keys that are related to
        keys in Regions that this world lacks. Then no file is left open.
        """
        async with self._lives.hold(_LIFE):
            assert self._incarnation is None, f"{self.name} is up already"
            await self._boot()

    async def _boot(self) -> None:
        self._boots += 1
        store = await self._open_store()
        is_up = False
        try:
            await self._boot_from(store)
            is_up = True
        finally:
            if not is_up:  # a failing disk, a cancelled boot: what was half up leaves nothing behind
                store.crash()

    async def _boot_from(self, store: Store) -> None:
        scope = Scope(f"{self.name}#{self._boots}")
        host = Incarnation(self.name, scope, store, self.fleet, self.clock, self.trace)
        loaded = await store.load()
        for write in loaded.writes:
            host.state.apply(write)
        strangers = {region for key in host.state.all_keys() for region in key.shared.regions} - set(self.regions)
        if strangers:
            missing = ", ".join(sorted(strangers))
            raise ConfigError(f"{self.name} has multi-Region keys shared with {missing}; start those Regions, too")
        self._replicator = Replicator(
            host,
            peers=(region for region in self.regions if region != self.name),
            send=scope.guard(self._send),
            stream=self._messages,
            answer=self._answer_question,
            counts=self.counts.replication,
        )
        self._incarnation = host
        self.admission.forget()
        self._key_stores = KeyStores(host, self._key_store_port)
        self.trace.emit(self.name, "region_booted", keys=sum(1 for _ in host.state.all_keys()), boot=self._boots)
        self._replicator.resume(loaded.outbox)
        self._calendar = Calendar(
            host,
            self._replicator.happen,
            settle_store=self._key_stores.settle,
            remove_outside=self._key_stores.remove,
            replica_wait_ns=self._replica_wait_ns,
            on_fired=self._on_fired,
        )
        self._calendar.begin()
        host.on_key = self._key_changed
        host.on_key_store = self._key_store_changed

    def _key_changed(self, key_id: str, key: KmsKey | None) -> None:
        if self._calendar is not None:
            self._calendar.key_changed(key_id, key)
        self._on_key(self.name, key_id, key)

    def _key_store_changed(self, store_id: str, store: KeyStore | None) -> None:
        if self._calendar is not None:
            self._calendar.key_store_changed(store_id, store)
        self._key_stores.changed(store_id, store)

    async def crash(self) -> None:
        """The hosts lose their memory, now, or as soon as they have booted. Nothing that was not committed is done,
        nothing not yet answered is answered."""
        async with self._lives.hold(_LIFE):
            await self._crash()

    async def _crash(self) -> None:
        host = self._host
        self._incarnation = self._replicator = self._calendar = None
        host.scope.fence()
        host.store.crash()
        self.fleet.on_host_crash()
        self.trace.emit(self.name, "region_crashed", unaudited=host.trail.waiting_count)
        await host.scope.closed()

    async def shut_down(self) -> None:
        """End in good order: the audit batch is committed, the store is closed.

        Who has no answer yet gets none; what is being committed is, and its messages wait for the next boot. A disk
        that does not take the last audit batch is told of in the trace, with the number of entries that are lost.
        """
        async with self._lives.hold(_LIFE):
            host = self._host
            try:
                await self._flush_last(host)
            finally:
                self._incarnation = self._replicator = self._calendar = None
                host.end()
                await host.scope.closed()
                await host.store.close()

    async def _flush_last(self, host: Incarnation) -> None:
        try:
            await host.trail.flush()
        except StoreError as error:
            self.trace.emit(self.name, "audit_lost", entries=host.trail.waiting_count, error=type(error).__name__)

    async def flush_audit(self) -> None:
        """Commit the audit entries that wait. Errors: StoreError."""
        await self._host.trail.flush()

    @property
    def _host(self) -> Incarnation:
        assert self._incarnation is not None, f"{self.name} is down"
        return self._incarnation

    # The doors.

    def accept(self, call: Call, on_reply: Callable[[Reply], None]) -> None:
        """Take up a call; `on_reply` hears the reply (at once, when nothing has to be waited for), or nothing when the
        hosts crash before."""
        scope = self._host.scope
        scope.begin(self._serve(call, scope, on_reply), name=f"call/{call.operation}")

    def carry(self, operation: str, account: str) -> None:
        """Let a call that nobody makes weigh on this Region as a real one would: on quota and HSMs.

        Nothing else comes of it: no decision, no record, no answer. A throttled one weighs on no HSM. Source: ours.
        """
        if not self.is_up:
            return
        try:
            self.admission.require_plane(operation)
            self.admission.admit(account, operation, now_ns())
        except (ThrottlingException, KMSInternalException):
            return
        job_type = operation_named(operation).job_type
        if job_type is not None:
            self.fleet.carry(job_type)

    def receive(self, envelope: Envelope) -> None:
        """Take an envelope from a link; lost while the Region is down."""
        if self._replicator is not None:
            self._replicator.receive(envelope)

    async def call(self, call: Call) -> Mapping[str, Any] | None:
        """The response to a call. Errors: KmsError, the refusal."""
        host = self._host
        self.counts.requests += 1
        if host.trail.is_full:
            self._turn_away(call)
        self.trace.emit(self.name, "call", op=call.operation, by=call.caller.arn, request=call.request_id)
        serving: Serving | None = None
        try:
            serving = Serving(host=host, call=call, operation=operation_named(call.operation))
            outcome = await self._five_steps(serving)
        except KmsError as refusal:
            self._refused(serving, call, refusal)
            raise
        self.trace.emit(self.name, "answer", op=call.operation, request=call.request_id, result="ok")
        return outcome.response

    async def _serve(self, call: Call, scope: Scope, on_reply: Callable[[Reply], None]) -> None:
        reply: Reply
        try:
            reply = await self.call(call)
        except KmsError as refusal:
            reply = refusal
        scope.check()
        on_reply(reply)

    def _turn_away(self, call: Call) -> NoReturn:
        """Nothing is answered that cannot be recorded: this call goes no further than the door."""
        self.counts.refused += 1
        self.trace.emit(self.name, "turned_away", op=call.operation, request=call.request_id, why="audit trail full")
        raise KMSInternalException

    def _refused(self, serving: Serving | None, call: Call, refusal: KmsError) -> None:
        """A refusal is counted, traced and recorded; its record goes to the audit batch."""
        self.counts.refused += 1
        self.counts.denied += isinstance(refusal, AccessDeniedException)
        self.counts.throttled += isinstance(refusal, ThrottlingException)
        self._on_refusal(self.name, call, refusal)
        self.trace.emit(self.name, "answer", op=call.operation, request=call.request_id, result=refusal.code)
        if serving is not None:  # else it named no operation of KMS: CloudTrail records none either
            serving.host.trail.add(serving.refused(refusal))

    # The five steps.

    def _five_steps(self, serving: Serving) -> Awaitable[Outcome]:
        """Look at the call, and go on with it. Each coroutine within another costs a call its time, so this is none."""
        call, operation = serving.call, serving.operation
        self.admission.require_plane(call.operation)
        shapes.validate(call.operation, call.parameters)
        serving.request = parse(operation.request_type, call.parameters)
        serving.reads = operation.reads(serving.request)
        serving.key = subject(serving.host.state, serving.reads, call.caller.account)
        self._admit(serving)
        if serving.key is None:
            unmade = unmade_key(serving.host.state, call, serving.reads)
            if unmade is not None:
                return self._use_first(serving, unmade)
        if operation.is_mutation:
            return self._change(serving)
        return self._read(serving)

    async def _read(self, serving: Serving) -> Outcome:
        """A call that changes nothing: its audit entry follows within 100 ms."""
        plan = serving.operation.plan(self._view(serving), serving.call, serving.request)
        outcome = serving.operation.answer(plan, await self._ask_hsm(serving, plan))
        serving.host.trail.add(serving.answered(plan, outcome))
        return outcome

    async def _use_first(self, serving: Serving, unmade: Unmade) -> Outcome:
        """A call that is the first to use a key of AWS's: if it may, the key is made before the call goes on."""
        fresh = self._requests.bytes(16)
        await make_aws_key(serving.host, unmade, serving.call, lambda: replace(self._view(serving), fresh=fresh))
        serving.key = subject(serving.host.state, serving.reads, serving.call.caller.account)
        return await self._read(serving)

    async def _change(self, serving: Serving) -> Outcome:
        """A call that changes something: what it reads and changes is locked from look-up to commit."""
        host, operation = serving.host, serving.operation
        async with locked(host, serving.reads, serving.call.caller.account):
            plan = operation.plan(self._view(serving), serving.call, serving.request)
            if plan.question is not None:
                plan = await self._ask_region(serving, plan)
            if plan.inquiry is not None:
                word = await self._key_stores.ask(plan.inquiry)
                plan = operation.plan(self._view(serving, word=word), serving.call, serving.request)
            with host.making_room(plan.makes_key_for):
                outcome = operation.answer(plan, await self._ask_hsm(serving, plan))
                await host.commit_or_refuse(outcome, serving.answered(plan, outcome))
        return outcome

    async def _ask_region(self, serving: Serving, plan: Plan[Any]) -> Plan[Any]:
        """The plan, gone on with the other Region's word."""
        assert plan.question is not None, "only a plan with a question asks"
        assert self._replicator is not None, f"{self.name} is down"
        answer = await self._replicator.ask(asked_region(plan), plan.question)
        return serving.operation.plan(self._view(serving, answer), plan.call, plan.request)

    def _ask_hsm(self, serving: Serving, plan: Plan[Any]) -> Awaitable[HsmAnswer | None]:
        if plan.job is None:
            return NO_WAIT
        self.counts.hsm_requests += 1
        charge = charge_of(plan.job, plan.keys)
        if charge is not None:
            self.counts.charges[charge] += 1
        if is_of_stores(plan):
            return self._key_stores.perform(plan)
        return serving.host.perform(plan.job, request=plan.call.request_id)

    # What the steps need.

    def _view(self, serving: Serving, answer: Answer | None = None, word: Word | None = None) -> View:
        call = serving.call
        return View(
            state=serving.host.state,
            directory=self.directory,
            now_ns=self.clock.now_ns(),
            regions=self.regions,
            source_ip=call.source_ip,
            user_agent=call.user_agent,
            keys_being_made=serving.host.keys_being_made(call.caller.account) if serving.operation.is_mutation else 0,
            fresh=self._requests.bytes(16) if serving.operation.needs_fresh else b"",
            grant_delay_ns=self.grant_delay_ns,
            grant_tokens=call.parameters.get("GrantTokens", ()),
            circumstances=call.circumstances,
            remote_answer=answer,
            outside_word=word,
            attestation=attestation_in(serving.request, self._attestation_roots, self.clock),
        )

    def _admit(self, serving: Serving) -> None:
        """Errors: ThrottlingException."""
        if not self.admission.counts_requests:
            return
        call = serving.call
        spec = None if serving.key is None else serving.key.shared.spec
        pair_spec = call.parameters.get("KeyPairSpec")
        # A service that calls in its own name does so for the account that has the key.
        account = call.caller.account or ("" if serving.key is None else serving.key.account)
        self.admission.admit(account, call.operation, now_ns(), spec=spec, pair_spec=pair_spec)
        if serving.host.state.has_key_stores:
            for store_id in stores_used(serving.host.state, serving.reads, call.caller.account):
                self.admission.admit_to_store(store_id, call.operation, now_ns())

    def _answer_question(self, question: Question) -> Answer:
        """This Region's word. It costs requests here, too: a replica two CreateKey, a primary's move one of its own."""
        match question:
            case MayCreateReplica(shared=shared):
                operation, cost, account = "CreateKey", 2, shared.account
            case MayBecomePrimary(account=account):
                operation, cost = "UpdatePrimaryRegion", 1
            case _:
                assert_never(question)
        try:
            self.admission.require_plane(operation)
            self.admission.admit(account, operation, now_ns(), cost=cost)
        except (ThrottlingException, KMSInternalException) as refusal:
            return Answer(refusal_code=refusal.code, refusal_message=refusal.message)
        view = View(
            state=self._host.state,
            directory=self.directory,
            now_ns=self.clock.now_ns(),
            regions=self.regions,
            source_ip=question.source_ip,
            user_agent=question.user_agent,
            circumstances=from_texts(question.circumstances, MULTI_VALUED),
            keys_being_made=self._host.keys_being_made(account),
        )
        return answer_question(view, question)
