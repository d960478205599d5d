"""The actor: its states, its queue, its times, and what becomes of jobs when it stops."""

import asyncio
import threading
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from regionsim.hsm import hsm as hsm_module
from regionsim.hsm.hsm import HsmState
from regionsim.kms.errors import InvalidCiphertextException, KMSInternalException
from regionsim.kms.hsm_jobs import Decrypt, GenerateRandom, HsmAnswer, HsmJob, OfferAgreement, RewrapTokens
from regionsim.runtime.entropy import OsEntropy
from regionsim.runtime.loop import run_real_time, run_virtual
from regionsim.runtime.tasks import now_ns, sleep
from tests.unit.hsm.worlds import (
    EMPTY_CONTEXT,
    MS,
    World,
    create,
    encrypt,
    fixed_profile,
    in_virtual_time,
    states,
    until_task_waits,
)

RANDOM = GenerateRandom(byte_count=16)


class Caller:
    """Asks for one job and notes what came of it, and when."""

    def __init__(self, world: World, asking) -> None:
        self.outcome: HsmAnswer | BaseException | None = None
        self.at_ns: int | None = None
        self.task = world.spawn(self._ask(asking))

    async def _ask(self, asking) -> None:
        try:
            self.outcome = await asking
        except KMSInternalException as refusal:
            self.outcome = refusal
        self.at_ns = now_ns()


def events(world: World, kind: str) -> list[dict[str, object]]:
    return [dict(event.fields) for event in world.trace.recent(10_000) if event.kind == kind]


# ---------------------------------------------------------------------------------------------------------------- states


@in_virtual_time
async def test_an_hsm_joins_before_it_serves() -> None:
    world = World()
    fleet = world.fleet(profile=fixed_profile(0, join_ns=2000 * MS))
    (hsm,) = fleet.hsms
    assert hsm.state is HsmState.EMPTY
    with pytest.raises(KMSInternalException):
        await fleet.perform(RANDOM)
    starting = world.spawn(fleet.start())
    await sleep(1999 * MS)
    assert (hsm.state, hsm.is_serving) == (HsmState.JOINING, False)
    with pytest.raises(KMSInternalException):
        await hsm.perform(RANDOM)
    await starting
    assert now_ns() == 2000 * MS
    assert (hsm.state, hsm.is_serving) == (HsmState.OPERATIONAL, True)
    await fleet.perform(RANDOM)
    assert [event["state"] for event in events(world, "hsm_state")] == ["JOINING", "OPERATIONAL"]


@in_virtual_time
async def test_a_zeroised_hsm_knows_nothing_and_refuses() -> None:
    fleet = await World().started()
    (hsm,) = fleet.hsms
    await create(fleet)
    hsm.zeroise()
    assert (hsm.state, hsm.domain, list(hsm.secrets_for_scan())) == (HsmState.ZEROISED, None, [])
    with pytest.raises(KMSInternalException):
        await hsm.perform(RANDOM)
    with pytest.raises(AssertionError, match="OPERATIONAL"):
        hsm.draw(1)


@in_virtual_time
async def test_only_an_empty_hsm_joins() -> None:
    fleet = await World().started()
    with pytest.raises(AssertionError, match="cannot join"):
        await fleet.hsms[0].join(lambda: None, 0)


@in_virtual_time
async def test_an_hsm_stopped_while_it_joins_does_not_come_up_by_the_old_joining() -> None:
    world = World()
    fleet = world.fleet(profile=fixed_profile(0, join_ns=100 * MS))
    (hsm,) = fleet.hsms
    world.spawn(fleet.start())
    await sleep(60 * MS)
    hsm.restart()
    again = world.spawn(hsm.join(lambda: None, 100 * MS))
    await sleep(60 * MS)
    assert hsm.state is HsmState.JOINING, "the old joining would have ended 20 ms ago"
    await again
    assert (hsm.state, now_ns()) == (HsmState.EMPTY, 160 * MS)


# ----------------------------------------------------------------------------------------------------------------- times


@in_virtual_time
async def test_waits_add_up_in_the_order_of_arrival() -> None:
    world = World()
    fleet = await world.started(profile=fixed_profile(5 * MS))
    callers = [Caller(world, fleet.perform(RANDOM)) for _ in range(4)]
    await sleep(5 * MS)
    late = Caller(world, fleet.perform(RANDOM))
    await sleep(30 * MS)
    assert [caller.at_ns for caller in (*callers, late)] == [5 * MS, 10 * MS, 15 * MS, 20 * MS, 25 * MS]
    jobs = events(world, "hsm_job")
    assert [job["waited_ns"] for job in jobs] == [0, 5 * MS, 10 * MS, 15 * MS, 15 * MS]
    assert {job["service_ns"] for job in jobs} == {5 * MS}
    assert (fleet.jobs_done, fleet.busy_ns, fleet.queue_length) == (5, 25 * MS, 0)


@in_virtual_time
async def test_transit_delays_the_answer_and_holds_nobody_up() -> None:
    world = World()
    fleet = await world.started(profile=fixed_profile(1 * MS, 10 * MS))
    callers = [Caller(world, fleet.perform(RANDOM)) for _ in range(3)]
    await sleep(20 * MS)
    assert [caller.at_ns for caller in callers] == [11 * MS, 12 * MS, 13 * MS]
    assert fleet.busy_ns == 3 * MS


@in_virtual_time
async def test_a_slow_hsm_takes_several_times_as_long() -> None:
    world = World()
    fleet = await world.started(profile=fixed_profile(2 * MS))
    fleet.hsms[0].slow_factor = 2.5
    await fleet.perform(RANDOM)
    assert now_ns() == 5 * MS


@in_virtual_time
async def test_without_a_service_time_answers_come_at_once_and_others_get_their_turn() -> None:
    world = World()
    fleet = await world.started()
    turns = []

    async def others() -> None:
        while True:
            turns.append(fleet.jobs_done)
            await sleep(0)

    neighbour = world.spawn(others())
    await until_task_waits()
    for _ in range(3 * hsm_module.JOBS_AT_ONCE):
        await fleet.perform(RANDOM)
    neighbour.cancel()
    turns.append(fleet.jobs_done)
    assert now_ns() == 0
    assert max(after - before for before, after in pairwise(turns)) <= hsm_module.JOBS_AT_ONCE
    assert fleet.jobs_done == 3 * hsm_module.JOBS_AT_ONCE


@in_virtual_time
async def test_a_long_queue_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hsm_module, "QUEUE_LIMIT", 3)
    world = World()
    fleet = await world.started(profile=fixed_profile(MS))
    callers = [Caller(world, fleet.perform(RANDOM)) for _ in range(6)]
    await sleep(10 * MS)
    refused = [isinstance(caller.outcome, KMSInternalException) for caller in callers]
    assert refused == [False, False, False, False, True, True], "one in service, three in the queue"


@in_virtual_time
async def test_refusals_take_their_time_too_and_are_named_in_the_trace() -> None:
    world = World()
    fleet = await world.started(profile=fixed_profile(MS))
    material = await create(fleet)
    with pytest.raises(InvalidCiphertextException):
        await fleet.perform(Decrypt(material=material, blob=b"", context=EMPTY_CONTEXT))
    assert now_ns() == 2 * MS
    jobs = [(job["job"], job["outcome"], job["hsm"]) for job in events(world, "hsm_job")]
    assert jobs == [("CreateBackingKey", "ok", 0), ("Decrypt", "InvalidCiphertextException", 0)]


# -------------------------------------------------------------------------------------------------- stopping with work left


@pytest.mark.parametrize("stop", ["zeroise", "go_offline", "restart", "close"])
@in_virtual_time
async def test_whatever_is_not_finished_is_answered_when_it_stops(stop: str) -> None:
    world = World()
    fleet = await world.started(profile=fixed_profile(10 * MS, 5 * MS))
    (hsm,) = fleet.hsms
    callers = [Caller(world, hsm.perform(RANDOM)) for _ in range(4)]
    await sleep(12 * MS)
    assert hsm.queue_length == 3
    getattr(hsm, stop)()
    await until_task_waits()
    assert [isinstance(caller.outcome, KMSInternalException) for caller in callers] == [False, True, True, True]
    assert hsm.queue_length == 0
    await sleep(20 * MS)
    assert (callers[0].at_ns, hsm.jobs_done) == (15 * MS, 1), "the first answer was on its way and arrives"


@in_virtual_time
async def test_an_hsm_out_of_reach_keeps_its_keys_and_goes_on_later() -> None:
    world = World()
    fleet = await world.started(profile=fixed_profile(10 * MS))
    material = await create(fleet)
    before = list(fleet.secrets_for_scan())
    stranded = Caller(world, fleet.perform(RANDOM))
    await sleep(MS)
    fleet.go_offline(0)
    assert (fleet.is_serving, fleet.hsms[0].is_online, states(fleet)) == (False, False, [HsmState.OPERATIONAL])
    with pytest.raises(KMSInternalException):
        await fleet.perform(RANDOM)
    fleet.come_online(0)
    assert list(fleet.secrets_for_scan()) == before
    await encrypt(fleet, material, b"x")
    assert isinstance(stranded.outcome, KMSInternalException)


@in_virtual_time
async def test_after_a_host_crash_queued_work_is_dropped_and_keys_stay() -> None:
    world = World()
    fleet = await world.started(profile=fixed_profile(10 * MS))
    callers = [Caller(world, fleet.perform(RANDOM)) for _ in range(5)]
    await sleep(2 * MS)
    fleet.on_host_crash()
    await until_task_waits()
    assert all(caller.task.cancelled() for caller in callers)
    after = Caller(world, fleet.perform(RANDOM))
    await sleep(30 * MS)
    assert after.at_ns == 20 * MS, "the job in service still holds the HSM to its end"
    assert fleet.jobs_done == 2


@in_virtual_time
async def test_a_caller_who_left_costs_no_service() -> None:
    world = World()
    fleet = await world.started(profile=fixed_profile(10 * MS))
    callers = [Caller(world, fleet.perform(RANDOM)) for _ in range(3)]
    await sleep(MS)
    callers[1].task.cancel()
    await sleep(50 * MS)
    assert [caller.at_ns for caller in callers] == [10 * MS, None, 20 * MS]
    assert fleet.jobs_done == 2


@in_virtual_time
async def test_a_dropped_visit_that_nobody_awaited_yet_is_harmless() -> None:
    world = World()
    fleet = await world.started(profile=fixed_profile(MS))
    asking = fleet.perform(RANDOM)
    fleet.on_host_crash()
    assert isinstance(await asking, HsmAnswer)


# ---------------------------------------------------------------------------------------------------------------- faults


@in_virtual_time
async def test_jobs_fail_by_chance_and_the_keys_that_a_seed_gives_do_not_shift() -> None:
    drawn = []
    for probability in (0.0, 0.5):
        fleet = await World().started()
        fleet.hsms[0].error_probability = probability
        failures = 0
        for _ in range(400):
            try:
                await fleet.perform(GenerateRandom(byte_count=1))
            except KMSInternalException:
                failures += 1
        fleet.hsms[0].error_probability = 0.0
        drawn.append(failures)
    assert drawn[0] == 0
    assert 150 < drawn[1] < 250


def test_a_bug_comes_out_of_the_run_and_nobody_hangs() -> None:
    async def main() -> None:
        fleet = await World().started()
        await fleet.perform(GenerateRandom(byte_count=-1))

    with pytest.raises(ValueError, match="negative"):
        run_virtual(main())


def test_a_bug_in_queued_work_fails_those_who_wait_and_then_the_run() -> None:
    callers = []

    async def main() -> None:
        world = World()
        fleet = await world.started(profile=fixed_profile(MS))
        callers.extend(Caller(world, fleet.perform(job)) for job in (RANDOM, GenerateRandom(byte_count=-1), RANDOM))
        await sleep(10 * MS)

    with pytest.raises(ValueError, match="negative"):
        run_virtual(main())
    assert isinstance(callers[0].outcome, HsmAnswer)


def test_in_real_time_an_hsm_survives_a_bug() -> None:
    logged = []

    async def main() -> tuple[int, object]:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: logged.append(context["exception"]))
        world = World(entropy=OsEntropy())
        fleet = await world.started(profile=fixed_profile(5 * MS))
        jobs = (RANDOM, GenerateRandom(byte_count=-1), RANDOM)
        callers = [Caller(world, fleet.perform(job)) for job in jobs]
        for caller in callers:
            await caller.task
        await fleet.perform(RANDOM)
        fleet.close()
        return fleet.jobs_done, [type(caller.outcome).__name__ for caller in callers]

    jobs_done, outcomes = run_real_time(main())
    assert outcomes == ["RandomGenerated", "KMSInternalException", "KMSInternalException"]
    assert jobs_done == 2
    assert [type(error) for error in logged] == [ValueError]


# ------------------------------------------------------------------------------------------------------------- real time


def test_in_real_time_long_jobs_compute_on_the_hsm_s_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    computed_on: dict[str, str] = {}
    perform = hsm_module.HsmMemory.perform

    def noting(self, job):
        computed_on[type(job).__name__] = threading.current_thread().name
        return perform(self, job)

    monkeypatch.setattr(hsm_module.HsmMemory, "perform", noting)

    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started(hsm_count=1)
        material = await create(fleet)
        await fleet.perform(OfferAgreement(peer_region="eu-west-1"))
        await fleet.perform(RewrapTokens(materials=(material,) * 65))
        assert (fleet.jobs_done, fleet.queue_length) == (3, 0)
        assert fleet.busy_ns > 0
        fleet.close()

    run_real_time(main())
    assert computed_on["CreateBackingKey"] == "MainThread"
    assert computed_on["OfferAgreement"].startswith("hsm-us-east-1-0")
    assert computed_on["RewrapTokens"].startswith("hsm-us-east-1-0")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hsm-")]


def test_in_real_time_an_answer_that_comes_after_the_hsm_stopped_is_thrown_away() -> None:
    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started()
        asking = Caller(world, fleet.perform(OfferAgreement(peer_region="eu-west-1")))
        await sleep(0)
        fleet.zeroise(0)
        await asking.task
        assert isinstance(asking.outcome, KMSInternalException)
        await sleep(50 * MS)
        assert (fleet.jobs_done, states(fleet)) == (0, [HsmState.ZEROISED])
        fleet.close()

    run_real_time(main())


def test_in_real_time_the_drawn_time_holds_when_it_is_the_longer_one() -> None:
    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started(profile=fixed_profile(20 * MS))
        began_ns = now_ns()
        await fleet.perform(RANDOM)
        assert now_ns() - began_ns >= 19 * MS
        fleet.close()

    run_real_time(main())


def test_in_real_time_the_thread_knows_what_comes_next_and_answers_come_in_order() -> None:
    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started()
        answered: list[int] = []

        async def ask(number: int, job) -> None:
            await fleet.perform(job)
            answered.append(number)

        slow, quick = OfferAgreement(peer_region="eu-west-1"), RANDOM
        jobs = [quick if number % 7 == 3 else slow for number in range(40)]
        tasks = [world.spawn(ask(number, job)) for number, job in enumerate(jobs)]
        await sleep(0)
        (hsm,) = fleet.hsms
        assert hsm.queue_length == 40
        for task in tasks:
            await task
        assert answered == list(range(40))
        assert (fleet.jobs_done, fleet.queue_length) == (40, 0)
        noted = [event["waited_ns"] >= 0 and event["service_ns"] >= 0 for event in events(world, "hsm_job")]
        assert noted == [True] * 40
        fleet.close()

    run_real_time(main())


def test_in_real_time_what_the_thread_knows_of_is_answered_once_when_the_hsm_stops() -> None:
    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started()
        (hsm,) = fleet.hsms
        before = [Caller(world, fleet.perform(OfferAgreement(peer_region="eu-west-1"))) for _ in range(12)]
        await sleep(0)
        hsm.go_offline()
        for caller in before:
            await caller.task
        assert all(isinstance(caller.outcome, KMSInternalException) for caller in before)
        hsm.come_online()
        await fleet.perform(OfferAgreement(peer_region="eu-west-1"))  # behind what the thread still does for nobody
        assert (fleet.jobs_done, fleet.queue_length) == (1, 0)
        fleet.close()

    run_real_time(main())


def test_in_real_time_a_slow_hsm_that_knows_what_comes_next_loses_none_of_it() -> None:
    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started()
        (hsm,) = fleet.hsms
        callers = [Caller(world, fleet.perform(OfferAgreement(peer_region="eu-west-1"))) for _ in range(12)]
        await sleep(0)
        hsm.slow_factor = 20.0  # the first one is held, while the thread has done those behind it
        for caller in callers:
            await caller.task
        assert all(isinstance(caller.outcome, HsmAnswer) for caller in callers)
        assert fleet.jobs_done == 12
        fleet.close()

    run_real_time(main())


def before_each_job(monkeypatch: pytest.MonkeyPatch, do: Callable[[HsmJob], object]) -> None:
    """From now on, do that on the thread that is about to compute a job."""
    perform = hsm_module.HsmMemory.perform

    def doing(self, job):
        do(job)
        return perform(self, job)

    monkeypatch.setattr(hsm_module.HsmMemory, "perform", doing)


def test_in_real_time_quick_jobs_of_one_turn_are_computed_together_once_each_and_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happened: list[str] = []

    def noting(job) -> None:
        happened.append(f"computed {job.byte_count}")

    async def ask(fleet, number: int) -> None:
        await fleet.perform(GenerateRandom(byte_count=number))
        happened.append(f"answered {number}")

    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started()
        before_each_job(monkeypatch, noting)
        tasks = [world.spawn(ask(fleet, number)) for number in (1, 2, 3)]
        for task in tasks:
            await task
        assert fleet.busy_ns > 0
        jobs = events(world, "hsm_job")
        assert sum(job["service_ns"] for job in jobs) == fleet.busy_ns
        fleet.close()

    run_real_time(main())
    assert happened == [f"{what} {number}" for what in ("computed", "answered") for number in (1, 2, 3)]


def test_in_real_time_what_stands_behind_a_slow_job_or_a_drawn_time_is_not_computed_before_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    computed: list[str] = []

    def noting(job) -> None:
        computed.append(type(job).__name__)

    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started(profile=fixed_profile(20 * MS))
        before_each_job(monkeypatch, noting)
        callers = [Caller(world, fleet.perform(RANDOM)) for _ in range(3)]
        await until_task_waits()
        assert computed == ["GenerateRandom"]
        fleet.go_offline(0)
        for caller in callers:
            await caller.task
            assert isinstance(caller.outcome, KMSInternalException)
        fleet.close()

    run_real_time(main())
    assert computed == ["GenerateRandom"]


def test_in_real_time_who_has_left_is_not_computed_for(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []

    def noting(job) -> None:
        computed.append(job.byte_count)

    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started()
        before_each_job(monkeypatch, noting)
        (hsm,) = fleet.hsms
        visits = [hsm.visit(GenerateRandom(byte_count=number)) for number in (1, 2, 3)]
        visits[1].cancel()
        await visits[2]
        assert [visit.done() and not visit.cancelled() for visit in visits] == [True, False, True]
        assert fleet.jobs_done == 2
        fleet.close()

    run_real_time(main())
    assert computed == [1, 3]


def test_in_real_time_a_refused_job_among_others_is_refused_alone() -> None:
    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started()
        material = await create(fleet)
        (hsm,) = fleet.hsms
        visits = [
            hsm.visit(job) for job in (RANDOM, Decrypt(material=material, blob=b"", context=EMPTY_CONTEXT), RANDOM)
        ]
        outcomes = [type(await visit).__name__ for visit in visits]
        assert outcomes == ["RandomGenerated", "InvalidCiphertextException", "RandomGenerated"]
        fleet.close()

    run_real_time(main())


def test_in_real_time_an_hsm_that_an_answer_stops_gives_no_later_answer() -> None:
    """What was computed together with it is answered as unfinished: the keys are gone when its turn comes."""

    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started()
        (hsm,) = fleet.hsms
        outcomes: list[str] = []

        async def stopping() -> None:
            outcomes.append(type(await hsm.visit(RANDOM)).__name__)
            hsm.zeroise()

        async def waiting() -> None:
            outcomes.append(type(await hsm.visit(RANDOM)).__name__)

        world.scope.begin(stopping(), name="stopping")
        world.scope.begin(waiting(), name="waiting")
        await until_task_waits()
        assert outcomes == ["RandomGenerated", "KMSInternalException"]
        assert fleet.jobs_done == 1
        fleet.close()

    run_real_time(main())


def test_in_real_time_each_job_of_the_thread_is_noted_with_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(job) -> None:
        time.sleep(0.002)

    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started()
        before_each_job(monkeypatch, slow)
        (hsm,) = fleet.hsms
        began_ns = now_ns()
        visits = [hsm.visit(OfferAgreement(peer_region="eu-west-1")) for _ in range(6)]
        for visit in visits:
            await visit
        took_ns = now_ns() - began_ns
        times = [event["service_ns"] for event in events(world, "hsm_job")]
        assert all(service_ns >= 2 * MS for service_ns in times)
        assert sum(times) == fleet.busy_ns <= took_ns
        fleet.close()

    run_real_time(main())


def test_in_real_time_a_slow_hsm_s_thread_takes_several_times_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(job) -> None:
        time.sleep(0.01)

    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started()
        before_each_job(monkeypatch, slow)
        (hsm,) = fleet.hsms
        hsm.slow_factor = 4
        began_ns = now_ns()
        await hsm.perform(OfferAgreement(peer_region="eu-west-1"))
        assert now_ns() - began_ns >= 39 * MS
        assert fleet.busy_ns >= 40 * MS
        fleet.close()

    run_real_time(main())


def test_in_real_time_nothing_is_computed_beside_the_thread_or_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash in the turn in which a job came leaves a wake-up behind, which then finds others in service."""
    happened: list[tuple[str, str]] = []
    perform = hsm_module.HsmMemory.perform

    def noting(self, job):
        name = type(job).__name__
        happened.append(("begun", name))
        if name == "OfferAgreement":
            time.sleep(0.03)
        answer = perform(self, job)
        happened.append(("ended", name))
        return answer

    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started()
        monkeypatch.setattr(hsm_module.HsmMemory, "perform", noting)
        (hsm,) = fleet.hsms
        hsm.visit(RANDOM)
        hsm.drop_visits()
        slow, quick = hsm.visit(OfferAgreement(peer_region="eu-west-1")), hsm.visit(RANDOM)
        await slow
        await quick
        fleet.close()

    run_real_time(main())
    assert happened == [(what, name) for name in ("OfferAgreement", "GenerateRandom") for what in ("begun", "ended")]


def test_in_real_time_a_fault_between_two_answers_has_nothing_computed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []

    def noting(job) -> None:
        computed.append(job.byte_count)

    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started()
        before_each_job(monkeypatch, noting)
        (hsm,) = fleet.hsms

        async def first() -> None:
            await hsm.visit(GenerateRandom(byte_count=1))
            hsm.slow_factor = 2000.0

        world.scope.begin(first(), name="first")
        visits = [hsm.visit(GenerateRandom(byte_count=number)) for number in (2, 3, 4)]
        await sleep(0)
        hsm.slow_factor = 1.0
        for visit in visits:
            await visit
        fleet.close()

    run_real_time(main())
    assert computed == [1, 2, 3, 4]


def test_in_real_time_an_hsm_that_becomes_slow_is_held_for_as_long_as_it_is_said_to_be_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(job) -> None:
        time.sleep(0.01)

    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started()
        before_each_job(monkeypatch, slow)
        (hsm,) = fleet.hsms
        began_ns = now_ns()
        visits = [hsm.visit(OfferAgreement(peer_region="eu-west-1")) for _ in range(8)]
        hsm.slow_factor = 3.0
        for visit in visits:
            await visit
        assert 7 * 30 * MS <= fleet.busy_ns <= now_ns() - began_ns + 10 * MS
        fleet.close()

    run_real_time(main())


def test_in_real_time_the_thread_does_not_work_for_hosts_that_have_crashed(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []

    def slow(job) -> None:
        time.sleep(0.01)
        computed.append(1)

    async def main() -> None:
        world = World(entropy=OsEntropy())
        fleet = await world.started()
        before_each_job(monkeypatch, slow)
        (hsm,) = fleet.hsms
        for _ in range(30):
            hsm.visit(OfferAgreement(peer_region="eu-west-1"))
        fleet.on_host_crash()
        await hsm.visit(OfferAgreement(peer_region="eu-west-1"))
        fleet.close()

    run_real_time(main())
    assert len(computed) <= 4, "what was in service, what had begun, and the new one"
