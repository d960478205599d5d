"""One HSM: an actor that does one job at a time, in the order of arrival.

    EMPTY --join--> JOINING --(time to join)--> OPERATIONAL --zeroise--> ZEROISED --restart--> EMPTY

Theory of operation. A job that arrives is a visit. At an idle HSM its service begins at once; else it waits in the
queue, which is taken in order, and after `JOBS_AT_ONCE` visits on end the others on the loop get a turn. A job is
computed when its service begins. If it has a service time it holds the HSM until a timer ends the service; then its
answer travels for its transit time. There is no task: switching to one costs more than the cryptography.

In real time a job of a quarter of a millisecond or more computes on the HSM's own thread (`worker`), which
is told of a few of those behind it, too, so that it need not be woken for each. AES-sized work gains nothing there: it
stands in the queue until all that comes in this turn of the loop has come, and is computed together, for the tables of
a curve fill the processor's caches, and what is done between two signatures has to fetch its own again.

An HSM that leaves OPERATIONAL, or goes offline, answers what it had not finished with KMSInternalException.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Any

from regionsim.hsm.algorithms.key_pair import Draws
from regionsim.hsm.confined import Confined
from regionsim.hsm.domain import DomainState
from regionsim.hsm.memory import HsmMemory
from regionsim.hsm.profiles import JobTime, Profile
from regionsim.hsm.replication_keys import ReplicationRegistry
from regionsim.hsm.slow_jobs import is_slow, kind_of
from regionsim.hsm.worker import Worker
from regionsim.kms.errors import KmsError, KMSInternalException
from regionsim.kms.hsm_jobs import HsmAnswer, HsmJob
from regionsim.runtime.entropy import Entropy
from regionsim.runtime.loop import is_real_time
from regionsim.runtime.strands import Signal
from regionsim.runtime.tasks import Cancellable, call_later_ns, now_ns, sleep
from regionsim.runtime.trace import Trace
from regionsim.runtime.virtual_loop import running

JOBS_AT_ONCE = 256
JOBS_AHEAD = 32
"""Jobs that the HSM's thread knows of behind the one that it does. Source: ours, measured."""

QUEUE_LIMIT = 10_000
"""Jobs that wait for one HSM; the next one is refused."""

Outcome = HsmAnswer | KmsError
Made = HsmAnswer | BaseException
"""What a computation gave or raised."""

_OUTCOMES = (HsmAnswer, KmsError)
_NOTHING = HsmAnswer()


class HsmState(StrEnum):
    """Where an HSM is in its life. Source: ours."""

    EMPTY = "EMPTY"
    JOINING = "JOINING"
    OPERATIONAL = "OPERATIONAL"
    ZEROISED = "ZEROISED"


class Visit(Signal[Outcome]):
    """One job at one HSM, from its arrival to its answer; with no job, what only holds the HSM (`Hsm.carry`)."""

    __slots__ = ("arrived_ns", "began_ns", "computed", "is_threaded", "job", "spent_ns", "started_ns", "time")

    def __init__(self, job: HsmJob | None, time: JobTime) -> None:
        super().__init__()
        self.job = job
        self.time = time
        self.arrived_ns = now_ns()
        self.started_ns = 0
        """When its service began: the HSM is held from then on."""
        self.began_ns = 0
        """When its computing began; earlier than its service, if it was computed ahead of its turn."""
        self.is_threaded = False
        self.computed: Made | None = None
        """What was made of it while it was not yet its turn."""
        self.spent_ns = 0
        """How long its computing took, on whatever thread."""


class Hsm(Confined):
    """One HSM of a Region. `slow_factor` and `error_probability` are for faults."""

    def __init__(
        self,
        region: str,
        index: int,
        *,
        profile: Profile,
        entropy: Entropy,
        trace: Trace | None,
        registry: ReplicationRegistry,
    ) -> None:
        self.region = region
        self.index = index
        self.slow_factor = 1.0
        self.error_probability = 0.0
        self.jobs_done = 0
        """Jobs answered by this HSM, refusals included."""
        self.busy_ns = 0
        """How long jobs have held this HSM."""
        self._profile = profile
        self._trace = trace
        self._registry = registry
        # Three streams: neither the profile nor a fault shifts the keys that a seed gives.
        self._stream = entropy.stream(f"hsm/{region}/{index}")
        self._draws = Draws(stream=self._stream, is_seeded=entropy.is_seeded)
        self._times = entropy.stream(f"hsm/{region}/{index}/times")
        self._errors = entropy.stream(f"hsm/{region}/{index}/errors")
        self._state = HsmState.EMPTY
        self._incarnation = 0
        self._is_online = True
        self._memory: HsmMemory | None = None
        self._queue: deque[Visit] = deque()
        self._in_service: Visit | None = None
        self._ahead: deque[Visit] = deque()
        """What the thread does next, at the head of the queue."""
        self._at_once = JOBS_AT_ONCE
        self._is_awake = False
        self._service_end: Cancellable | None = None
        self._worker: Worker[Visit, Made] = Worker(f"hsm-{region}-{index}", self._computed)

    # -------------------------------------------------------------------------------------------------------- its life

    @property
    def state(self) -> HsmState:
        return self._state

    @property
    def is_online(self) -> bool:
        """True while the hosts can reach it."""
        return self._is_online

    @property
    def is_serving(self) -> bool:
        """True when it takes jobs."""
        return self._memory is not None and self._is_online

    @property
    def queue_length(self) -> int:
        """Jobs that have arrived and are not finished."""
        return len(self._queue) + len(self._ahead) + (self._in_service is not None)

    @property
    def domain(self) -> DomainState | None:
        """The domain as this HSM knows it; None unless it is OPERATIONAL."""
        return None if self._memory is None else self._memory.domain

    def join(self, sponsor: Callable[[], DomainState | None], join_ns: int) -> Coroutine[Any, Any, bool]:
        """Begin to join; awaited, it ends `join_ns` later in the domain that `sponsor` then hands over.

        False when the sponsor has none, or this HSM was stopped meanwhile or is out of reach then.
        """
        assert self._state is HsmState.EMPTY, f"an HSM that is {self._state} cannot join"
        self._enter(HsmState.JOINING)
        return self._end_joining(self._incarnation, sponsor, join_ns)

    async def _end_joining(self, incarnation: int, sponsor: Callable[[], DomainState | None], join_ns: int) -> bool:
        if join_ns:
            await sleep(join_ns)
        if self._incarnation != incarnation:
            return False
        domain = sponsor() if self._is_online else None
        if domain is None:
            self._enter(HsmState.EMPTY)
            return False
        self._memory = HsmMemory(domain, self._registry, self._draws)
        self._enter(HsmState.OPERATIONAL)
        return True

    def found_domain(self, now_at_ns: int) -> DomainState:
        """A new domain drawn from this HSM's stream, for it and all others to join."""
        return DomainState.found(self.region, now_at_ns, self._stream)

    def rotated_domain(self, now_at_ns: int) -> DomainState:
        """The domain after a rotation, drawn here; its members must install it."""
        return self._operational_memory().rotated_domain(now_at_ns)

    def install(self, domain: DomainState) -> None:
        """Take over a newer state of the domain."""
        self._operational_memory().install(domain)

    def forget(self, material_id: str) -> None:
        """Have a backing key at hand no more."""
        if self._memory is not None:
            self._memory.forget(material_id)

    def perform_at_once(self, job: HsmJob) -> HsmAnswer:
        """The answer to a job of before the world began: it takes no time, and is not counted or traced."""
        return self._operational_memory().perform(job)

    def draw(self, byte_count: int) -> bytes:
        """Random bytes of this HSM."""
        return self._operational_memory().draw(byte_count)

    def zeroise(self) -> None:
        """Forget every key at once; only a restart and a new joining bring it back."""
        self._lose_memory(HsmState.ZEROISED)

    def restart(self) -> None:
        """Power off and on: it comes back empty."""
        self._lose_memory(HsmState.EMPTY)

    def go_offline(self) -> None:
        """Be out of the hosts' reach, memory intact."""
        self._is_online = False
        self._fail_visits()

    def come_online(self) -> None:
        """Be in reach again."""
        self._is_online = True

    def close(self) -> None:
        """Forget every key and end the worker thread."""
        self._lose_memory(HsmState.EMPTY)
        self._worker.close()

    def secrets_for_scan(self) -> list[bytes]:
        """The raw bytes of every secret here. For tests that search files and links for them; for nothing else."""
        return [] if self._memory is None else self._memory.secrets_for_scan()

    # ------------------------------------------------------------------------------------------------------------ jobs

    async def perform(self, job: HsmJob) -> HsmAnswer:
        """Do the job when its turn has come.

        Errors: those of `visit`; what the job itself refuses.
        """
        outcome = await self.visit(job)
        if isinstance(outcome, KmsError):
            raise outcome
        return outcome

    def visit(self, job: HsmJob) -> Visit:
        """Take the job up; the visit's outcome is the answer, or what the job itself refuses.

        Errors: KMSInternalException when this HSM does not serve or has too long a queue. When it stops before it has
        finished, that is the outcome.
        """
        visit = Visit(job, self._profile.draw(job, self._times))
        if self._memory is None or not self._is_online or len(self._queue) >= QUEUE_LIMIT:
            raise KMSInternalException
        # On any real loop (`is_real_time` asks for more than `running` does), quick jobs wait for their company.
        is_served_now = running.loop is not None or is_slow(job)
        if is_served_now and self._in_service is None and not self._queue and self._at_once > 0:
            self._at_once -= 1
            self._serve(visit)
        else:
            self._queue.append(visit)
            self._go_on()
            self._hand_ahead()
        return visit

    def carry(self, kind: type[HsmJob]) -> None:
        """Be held for as long as a job of that kind holds an HSM, in turn with others; nothing is computed or
        traced."""
        visit = Visit(None, self._profile.draw_kind(kind, self._times))
        if self.is_serving and len(self._queue) < QUEUE_LIMIT:
            self._queue.append(visit)
            self._go_on()

    def drop_visits(self) -> None:
        """Forget who asked: the hosts have crashed. A job in service still ends in its time; nobody gets its answer."""
        for visit in self._visits():
            visit.cancel()
        self._queue.clear()
        self._ahead.clear()

    def _go_on(self) -> None:
        """Have the queue taken, if there is one and nothing holds the HSM."""
        if self._queue and self._in_service is None and not self._is_awake:
            self._is_awake = True
            asyncio.get_running_loop().call_soon(self._take_queue)

    def _take_queue(self) -> None:
        self._at_once = JOBS_AT_ONCE
        try:
            if running.loop is None and self._in_service is None:
                self._compute_together()
            while self._queue and self._in_service is None and self._at_once > 0:
                self._at_once -= 1
                visit = self._queue.popleft()
                if not visit.cancelled():
                    self._serve(visit)
        finally:
            self._is_awake = False
            self._go_on()

    def _compute_together(self) -> None:
        """Compute the jobs at the head of the queue that nothing will part: no drawn time, no job for the thread."""
        for visit in islice(self._queue, self._at_once):
            if visit.job is None or visit.time.service_ns or self.slow_factor > 1 or is_slow(visit.job):
                return
            if visit.computed is None and not visit.cancelled():
                visit.computed = self._compute(self._operational_memory(), visit)

    def _serve(self, visit: Visit) -> None:
        self._in_service = visit
        visit.started_ns = now_ns()
        if visit.computed is not None:
            self._computed(visit, visit.computed)
        elif visit.job is not None and is_slow(visit.job) and is_real_time():
            self._give(visit, visit.job)
            self._hand_ahead()
        else:
            self._computed(visit, self._compute(self._operational_memory(), visit))

    def _give(self, visit: Visit, job: HsmJob) -> None:
        visit.is_threaded = True
        self._worker.give(visit, kind_of(job), partial(self._compute, self._operational_memory(), visit))

    def _hand_ahead(self) -> None:
        """Tell the thread, while it works, of what comes next, if that is for it, too, and no time was drawn for it."""
        if self._in_service is None or not self._in_service.is_threaded:
            return
        while self._queue and len(self._ahead) < JOBS_AHEAD:
            visit = self._queue[0]
            if visit.job is None or visit.time.service_ns or self.slow_factor > 1 or not is_slow(visit.job):
                return
            self._ahead.append(self._queue.popleft())
            self._give(visit, visit.job)

    def _compute(self, memory: HsmMemory, visit: Visit) -> Made:
        visit.began_ns = now_ns()
        try:
            if visit.job is None or (visit.cancelled() and visit is not self._in_service):
                return _NOTHING  # nobody asks for anything, or any more
            if self.error_probability and self._errors.random() < self.error_probability:
                return KMSInternalException()
            return memory.perform(visit.job)
        except BaseException as error:  # noqa: BLE001 - told when its turn has come
            return error
        finally:
            visit.spent_ns = now_ns() - visit.began_ns

    def _computed(self, visit: Visit, made: Made) -> None:
        """Take what was made, and hold the HSM for the rest of the service time: the drawn one or the real one."""
        if self._in_service is not visit:  # it was failed meanwhile, or a fault holds the one before it
            visit.computed = made
            return
        if not isinstance(made, _OUTCOMES):
            # A bug. It comes out of the loop; those who wait must not hang because of it.
            self._fail_visits()
            raise made
        # Of work that nothing was drawn for, the time that it really took is what a fault makes longer.
        service_ns = round((visit.time.service_ns or visit.spent_ns) * self.slow_factor)
        held_ns = now_ns() - visit.started_ns
        if self.slow_factor <= 1:  # else what was computed ahead holds a slow HSM all the same
            held_ns = max(held_ns, visit.spent_ns)
        left_ns = service_ns - held_ns
        if left_ns > 0:
            self._service_end = call_later_ns(left_ns, self._served, visit, service_ns, made)
        else:
            self._served(visit, max(service_ns, visit.spent_ns), made)

    def _served(self, visit: Visit, service_ns: int, outcome: Outcome) -> None:
        self._service_end = None
        self._in_service = following = self._ahead.popleft() if self._ahead else None
        if following is not None:
            following.started_ns = now_ns()
            self._hand_ahead()
        self.jobs_done += 1
        self.busy_ns += service_ns
        self._note_job(visit, visit.began_ns - visit.arrived_ns, service_ns, outcome)
        if visit.time.transit_ns:
            call_later_ns(visit.time.transit_ns, visit.give, outcome)
        else:
            visit.give(outcome)  # who waits may come again at once
        if following is not None and following is self._in_service and following.computed is not None:
            self._computed(following, following.computed)
        self._go_on()

    def _operational_memory(self) -> HsmMemory:
        assert self._memory is not None, "only an OPERATIONAL HSM holds keys"
        return self._memory

    def _visits(self) -> list[Visit]:
        return [*([] if self._in_service is None else [self._in_service]), *self._ahead, *self._queue]

    def _fail_visits(self) -> None:
        visits = self._visits()
        self._queue.clear()
        self._ahead.clear()
        self._worker.forget()
        self._in_service = None
        if self._service_end is not None:
            self._service_end.cancel()
            self._service_end = None
        for visit in visits:
            visit.give(KMSInternalException())

    def _lose_memory(self, state: HsmState) -> None:
        if self._state is not state:
            self._enter(state)  # while the keys are there: who watches for leaks asks for them at this instant
        self._memory = None
        self._incarnation += 1
        self._fail_visits()

    def _enter(self, state: HsmState) -> None:
        self._state = state
        if self._trace is not None:
            self._trace.emit(self.region, "hsm_state", hsm=self.index, state=state.value)

    def _note_job(self, visit: Visit, waited_ns: int, service_ns: int, outcome: Outcome) -> None:
        if self._trace is not None and visit.job is not None:
            self._trace.emit(
                self.region,
                "hsm_job",
                hsm=self.index,
                job=type(visit.job).__name__,
                outcome="ok" if isinstance(outcome, HsmAnswer) else type(outcome).__name__,
                waited_ns=waited_ns,
                service_ns=service_ns,
            )
