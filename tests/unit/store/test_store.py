"""Group commit, savepoints, crashes: the async face."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from regionsim.faults.verdicts import DiskRule
from regionsim.kms.key import KeyState
from regionsim.kms.writes import PutAlias, PutKey, PutToken
from regionsim.runtime.loop import run_virtual
from regionsim.runtime.tasks import call_later_ns, now_ns, sleep
from regionsim.runtime.trace import Trace
from regionsim.store.connection import ThreadedConnection, open_connections
from regionsim.store.disk import RealDisk, ruled_by
from regionsim.store.errors import (
    CommitFailed,
    OutcomeRefused,
    StoreClosed,
    StoreError,
    StoreUnavailable,
    as_store_error,
)
from regionsim.store.store import MAX_GROUP, Store
from regionsim.store.values import Acknowledgement, Commit
from tests.unit.store.samples import (
    HELD,
    INLINE,
    REAL,
    REGION,
    Mode,
    alias,
    entry,
    key,
    key_id,
    new_key,
    picture,
    rebuilt,
    segment,
    simulated_disk,
    token,
)


def spawn(coroutine):
    return asyncio.get_running_loop().create_task(coroutine)


async def together(store: Store, commits: Iterable[Commit]) -> list[object]:
    """What each of several commits made at one instant was answered: sequences, or an error."""
    tasks = [spawn(store.commit(commit)) for commit in commits]
    answers: list[object] = []
    for task in tasks:
        try:
            answers.append(await task)
        except (StoreError, AssertionError) as error:
            answers.append(error)
    return answers


async def failure(store: Store, commit: Commit) -> BaseException:
    with pytest.raises(Exception) as raised:  # noqa: PT011  any: which one is what the test asks
        await store.commit(commit)
    return raised.value


async def keys_in(store: Store) -> list[str]:
    return [write.key.key_id for write in (await store.load()).writes if isinstance(write, PutKey)]


def test_a_commit_is_all_there_after_reopening(mode: Mode, path: Path):
    commit = Commit(
        writes=(PutKey(key=key(1)), token(1), PutAlias(alias=alias("a", 1))),
        outbox=(entry(1), entry(1, kind="CreateReplica")),
        audit=(segment(1, 5, records=3),),
    )

    async def main():
        store = await mode.open(path)
        sequences = await store.commit(commit)
        await store.close()
        store = await mode.open(path)
        loaded, audit = await store.load(), await store.read_audit(since_ns=2, until_ns=3, limit=5)
        problems = await store.integrity_check()
        await store.close()
        return sequences, loaded, audit, problems

    sequences, loaded, audit, problems = mode.run(main())
    assert sequences == (1, 2)
    assert loaded.writes == (PutKey(key=key(1)), PutAlias(alias=alias("a", 1)), token(1))
    assert [(row.sequence, row.kind) for row in loaded.outbox] == [(1, "Synchronize"), (2, "CreateReplica")]
    assert [stored.record_count for stored in audit] == [3]
    assert problems == ()


def test_the_reopened_state_equals_the_one_that_followed_the_commits(mode: Mode, path: Path):
    async def main():
        store = await mode.open(path)
        state = rebuilt(())

        async def change(*writes) -> None:
            await store.commit(Commit(writes=writes), then=lambda _: [state.apply(write) for write in writes])

        for number in range(5):
            await change(PutKey(key=key(number)), token(number))
        await change(PutAlias(alias=alias("b", 3)), PutAlias(alias=alias("a", 3)))
        await change(
            PutKey(key=key(2).with_regional(state=KeyState.DISABLED)), PutAlias(alias=alias("a", 2, version=2))
        )
        before = picture(state)
        await store.close()
        store = await mode.open(path)
        after = picture(rebuilt((await store.load()).writes))
        await store.close()
        return before, after

    before, after = mode.run(main())
    assert before == after


def test_an_acknowledged_entry_leaves_the_outbox(mode: Mode, path: Path):
    async def main():
        store = await mode.open(path)
        await store.commit(Commit(outbox=(entry(1), entry(2, shared_version=3))))
        heard = (
            Acknowledgement(destination="eu-west-1", key_id=key_id(1), kind="Synchronize", shared_version=1),
            Acknowledgement(destination="eu-west-1", key_id=key_id(2), kind="Synchronize", shared_version=2),
        )
        await store.commit(Commit(acknowledged=heard))
        outbox = (await store.load()).outbox
        await store.close()
        return outbox

    assert [row.key_id for row in mode.run(main())] == [key_id(2)]


def test_an_empty_commit_touches_no_disk(mode: Mode, path: Path):
    async def main():
        store = await mode.open(path)
        before, told = store.statement_count, []
        assert await store.commit(Commit()) == ()
        assert await store.commit(Commit(), then=told.append) == ()
        after = store.statement_count
        await store.close()
        return after - before, told

    assert mode.run(main()) == (0, [()])


# Group commit.


@pytest.mark.parametrize("virtual", [INLINE, HELD], ids=lambda mode: mode.name)
def test_outcomes_that_gather_share_one_transaction(virtual: Mode, path: Path):
    async def main():
        trace = Trace(now_ns)
        store = await virtual.open(path, trace=trace)
        await together(store, [new_key(number) for number in range(10)])
        await store.close()
        return [event.fields["outcomes"] for event in trace.recent(10)]

    assert run_virtual(main()) == [1, 9]


def test_a_transaction_takes_a_bounded_group(path: Path):
    async def main():
        trace = Trace(now_ns)
        store = await INLINE.open(path, trace=trace)
        answers = await together(store, [Commit(outbox=(entry(n),)) for n in range(MAX_GROUP + 50)])
        await store.close()
        return answers, [event.fields["outcomes"] for event in trace.recent(10)]

    answers, groups = run_virtual(main())
    assert groups == [1, MAX_GROUP, 49]
    assert answers == [(n + 1,) for n in range(MAX_GROUP + 50)], "first come, first committed"


def test_what_no_outcome_may_contain_is_a_bug_that_goes_on_to_whoever_waits(mode: Mode, path: Path):
    nonsense = Commit(audit=(segment("not an instant"),))  # breaks a CHECK: refused, as a constraint refuses
    unbindable = Commit(audit=(replace(segment(1), body=object()),))
    not_a_write = Commit(writes=("not a write",))
    no_number = Commit(writes=(PutKey(key=replace(key(4), version="1")),))

    async def main():
        store = await mode.open(path)
        answers = [await failure(store, commit) for commit in (nonsense, unbindable, not_a_write, no_number)]
        await store.commit(new_key(1))
        keys = await keys_in(store)
        await store.close()
        return answers, keys

    answers, keys = mode.run(main())
    assert isinstance(answers[0], OutcomeRefused)
    assert not any(isinstance(answer, StoreError) for answer in answers[1:])
    assert keys == [key_id(1)]


def test_one_bad_outcome_of_a_group_fails_alone(mode: Mode, path: Path):
    orphan = Commit(writes=(PutKey(key=key(3)), PutAlias(alias=alias("a", 99))), outbox=(entry(3),))
    unwritable = Commit(writes=(PutKey(key=key(4, description="\ud800")),))
    too_large = Commit(audit=(segment(2**70),))
    stale = Commit(writes=(PutKey(key=key(5)), PutKey(key=replace(key(1), version=7))), audit=(segment(5),))

    async def main():
        store = await mode.open(path)
        answers = await together(
            store,
            [new_key(0), new_key(1), orphan, unwritable, too_large, stale, Commit(outbox=(entry(6),)), new_key(2)],
        )
        keys, loaded = await keys_in(store), await store.load()
        count = sum(stored.record_count for stored in await store.read_audit())
        await store.close()
        return answers, keys, loaded.outbox, count

    answers, keys, outbox, count = mode.run(main())
    good = [answers[index] for index in (0, 1, 6, 7)]
    assert good == [(), (), (outbox[0].sequence,), ()]
    assert [type(answer) for answer in answers[2:6]] == [OutcomeRefused, OutcomeRefused, OutcomeRefused, AssertionError]
    assert "FOREIGN KEY" in str(answers[2])
    assert "UnicodeEncodeError" in str(answers[3])
    assert not answers[2].may_have_happened
    assert keys == [key_id(0), key_id(1), key_id(2)], "nothing of a bad outcome is there"
    assert [row.key_id for row in outbox] == [key_id(6)]
    assert count == 3


def test_a_bad_outcome_by_itself_leaves_nothing(mode: Mode, path: Path):
    async def main():
        store = await mode.open(path)
        with pytest.raises(AssertionError, match="version 3 is not the stored one plus one"):
            await store.commit(Commit(writes=(PutKey(key=key(1)), PutKey(key=replace(key(1), version=3)))))
        await store.commit(new_key(1))
        keys = await keys_in(store)
        await store.close()
        return keys

    assert mode.run(main()) == [key_id(1)]


def test_then_follows_in_order_of_commit_before_anybody_wakes(mode: Mode, path: Path):
    async def main():
        store = await mode.open(path)
        seen: list[str] = []

        async def change(number: int) -> None:
            await store.commit(Commit(outbox=(entry(number),)), then=lambda got: seen.append(f"then {number} {got}"))
            seen.append(f"woken {number}")

        tasks = [spawn(change(number)) for number in range(4)]
        for task in tasks:
            await task
        await store.close()
        return seen

    seen = mode.run(main())
    assert [line for line in seen if line.startswith("then")] == [f"then {n} ({n + 1},)" for n in range(4)]
    for number in range(4):
        assert seen.index(f"then {number} ({number + 1},)") < seen.index(f"woken {number}")


def test_a_cancelled_waiters_commit_happens_and_memory_follows(mode: Mode, path: Path):
    async def main():
        store = await mode.open(path)
        followed: list[int] = []
        waiters = [
            spawn(store.commit(new_key(number), then=lambda _, number=number: followed.append(number)))
            for number in range(3)
        ]
        failing = spawn(store.commit(Commit(audit=(segment(2, 1),)), then=followed.append))
        await asyncio.sleep(0)
        for waiter in (*waiters[1:], failing):
            waiter.cancel()
        await waiters[0]
        await store.close()
        assert [waiter.cancelled() for waiter in waiters] == [False, True, True]
        store = await mode.open(path)
        keys = await keys_in(store)
        await store.close()
        return followed, keys

    assert mode.run(main()) == ([0, 1, 2], [key_id(0), key_id(1), key_id(2)])


def test_a_bug_in_then_reaches_the_loop_and_harms_no_neighbour(path: Path):
    def bug(_: object) -> None:
        raise LookupError("a bug")

    async def main():
        complaints: list[BaseException] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context["exception"]))
        store = await REAL.open(path)
        tasks = [spawn(store.commit(new_key(n), then=bug if n == 1 else None)) for n in range(4)]
        for task in tasks:
            await task
        await store.commit(new_key(9))
        await store.close()
        return complaints

    (complaint,) = REAL.run(main())
    assert str(complaint) == "a bug"


# A disk that fails.


@pytest.mark.parametrize("virtual", [INLINE, HELD], ids=lambda mode: mode.name)
@pytest.mark.parametrize(
    ("rule", "message"), [(DiskRule(error=1.0), "disk I/O error"), (DiskRule(is_full=True), "disk is full")]
)
def test_a_failing_disk_fails_the_group_and_nothing_of_it_is_there(
    virtual: Mode, path: Path, rule: DiskRule, message: str
):
    rules = [DiskRule()]

    async def main():
        trace = Trace(now_ns)
        store = await virtual.open(path, simulated_disk(faults=ruled_by(lambda: rules[0])), trace=trace)
        await store.commit(new_key(0))
        rules[0] = rule
        answers = await together(store, [new_key(number) for number in (1, 2, 3)])
        if rule.error:
            with pytest.raises(StoreUnavailable, match=message):
                await store.load()
        rules[0] = DiskRule()
        await store.commit(new_key(4))
        keys = await keys_in(store)
        await store.close()
        return answers, keys, [(event.kind, *event.fields.values()) for event in trace.recent(10)]

    answers, keys, events = run_virtual(main())
    assert keys == [key_id(0), key_id(4)]
    for answer in answers:
        assert isinstance(answer, StoreUnavailable)
        assert message in str(answer)
        assert not answer.may_have_happened
    assert len({id(answer) for answer in answers}) == 3, "each waiter has an error of its own"
    assert events == [
        ("store.commit", 1, 0),
        ("store.failure", 1, "OperationalError"),
        ("store.failure", 2, "OperationalError"),
        ("store.commit", 1, 0),
    ]


def test_a_stalled_disk_answers_when_it_goes_on(path: Path):
    async def main():
        disk = simulated_disk()
        store = await INLINE.open(path, disk)
        disk.stall()
        waiters = [spawn(store.commit(new_key(number))) for number in range(3)]
        await sleep(10_000_000_000)
        assert not any(waiter.done() for waiter in waiters)
        disk.resume()
        for waiter in waiters:
            await waiter
        await store.close()

    run_virtual(main())


def test_a_failed_commit_may_have_happened():
    unavailable = as_store_error(CommitFailed("disk I/O error"))
    assert isinstance(unavailable, StoreUnavailable)
    assert unavailable.may_have_happened
    bug = AssertionError("a bug")
    assert as_store_error(bug) is bug


def test_statements_that_fail_for_the_disk_fail_everybody(path: Path):
    """SQLite's own "full" rolls the whole transaction back: no savepoint is left to return to."""

    async def main():
        store = await INLINE.open(path, RealDisk())
        (pages,) = await store._read(lambda raw: raw.execute("PRAGMA page_count").fetchone())
        await store._read(lambda raw: raw.execute(f"PRAGMA max_page_count = {pages}").fetchone())
        large = Commit(audit=(segment(1, body=b"x" * 1_000_000),))
        answers = await together(store, [new_key(0), new_key(1), large, new_key(2)])
        keys = await keys_in(store)
        await store.close()
        return answers, keys

    answers, keys = run_virtual(main())
    assert [type(answer) for answer in answers[1:]] == [StoreUnavailable] * 3
    assert "full" in str(answers[2])
    assert keys == [key_id(0)]


# Ends.


def test_close_commits_what_waits_and_refuses_the_rest(mode: Mode, path: Path):
    async def main():
        store = await mode.open(path)
        waiters = [spawn(store.commit(new_key(number))) for number in range(3)]
        await asyncio.sleep(0)
        closing = [spawn(store.close()), spawn(store.close())]
        await asyncio.sleep(0)
        with pytest.raises(StoreClosed, match=REGION):
            await store.commit(new_key(9))
        for task in (*closing, *waiters):
            await task
        with pytest.raises(StoreClosed):
            await store.load()
        store = await mode.open(path)
        keys = await keys_in(store)
        await store.close()
        return keys

    assert mode.run(main()) == [key_id(0), key_id(1), key_id(2)]


def test_nothing_is_acknowledged_or_written_after_a_crash(mode: Mode, path: Path):
    async def main():
        disk = mode.disk()
        store = await mode.open(path, disk)
        await store.commit(new_key(0))
        followed: list[object] = []
        refusals: list[str] = []

        async def change(number: int) -> None:
            try:
                await store.commit(new_key(number), then=followed.append)
                followed.append(number)
            finally:
                # A dead incarnation that would still like to write.
                try:
                    await store.commit(new_key(100 + number))
                except StoreClosed as refusal:
                    refusals.append(str(refusal))

        waiters = [spawn(change(number)) for number in (1, 2, 3)]
        await asyncio.sleep(0)
        store.crash()
        store.crash()
        for waiter in waiters:
            with pytest.raises(asyncio.CancelledError):
                await waiter
        await store.close()
        assert len(refusals) == 3
        assert followed == []
        store = await mode.open(path, disk)
        keys = await keys_in(store)
        problems = await store.integrity_check()
        await store.close()
        return keys, problems

    keys, problems = mode.run(main())
    assert keys in ([key_id(0)], [key_id(0), key_id(1)]), "at most the first was in flight"
    assert problems == ()


@pytest.mark.parametrize("rule", [DiskRule(), DiskRule(error=1.0)], ids=["landed", "failed"])
def test_a_crash_at_the_instant_of_landing_acknowledges_nothing(tmp_path: Path, rule: DiskRule):
    """The connection is answered at this instant, and the crash comes before the store has heard of it."""

    async def main(path: Path, crash_at_ns: int | None):
        rules = [DiskRule()]
        disk = simulated_disk(faults=ruled_by(lambda: rules[0]))
        store = await INLINE.open(path, disk)
        rules[0] = rule
        followed: list[object] = []
        waiter = spawn(store.commit(new_key(1), then=followed.append))
        await sleep(0)
        if crash_at_ns is not None:
            call_later_ns(crash_at_ns - now_ns(), store.crash)
        try:
            await waiter
        except (StoreUnavailable, asyncio.CancelledError) as ended:
            followed.append(type(ended))
        ended_at_ns = now_ns()
        await store.close()
        return ended_at_ns, followed

    landed_at_ns, followed = run_virtual(main(tmp_path / "first", None))
    assert followed == ([StoreUnavailable] if rule.error else [()])
    crashed_at_ns, followed = run_virtual(main(tmp_path / "second", landed_at_ns))
    assert crashed_at_ns == landed_at_ns
    assert followed == [asyncio.CancelledError]


def test_a_crash_while_closing_ends_the_closing(path: Path):
    async def main():
        store = await INLINE.open(path)
        waiter = spawn(store.commit(new_key(1)))
        await asyncio.sleep(0)
        closing = spawn(store.close())
        await asyncio.sleep(0)
        store.crash()
        for task in (waiter, closing):
            with pytest.raises(asyncio.CancelledError):
                await task

    run_virtual(main())


def test_a_killed_connection_ends_its_store(path: Path):
    """What the tests' own fixture does to a store that was forgotten."""

    async def main():
        store = await INLINE.open(path)
        waiters = [spawn(store.commit(new_key(number))) for number in range(3)]
        await asyncio.sleep(0)
        for connection in open_connections():
            connection.kill()
        for waiter in waiters:
            with pytest.raises(asyncio.CancelledError):
                await waiter
        with pytest.raises(StoreClosed):
            await store.commit(new_key(9))

    run_virtual(main())


@pytest.mark.parametrize("virtual", [INLINE, HELD], ids=lambda mode: mode.name)
def test_opening_on_a_failing_disk_is_unavailable_and_leaves_no_connection(virtual: Mode, path: Path):
    async def main():
        with pytest.raises(StoreUnavailable, match="full"):
            await virtual.open(path, simulated_disk(faults=ruled_by(lambda: DiskRule(is_full=True))))
        assert open_connections() == set()
        store = await virtual.open(path)
        await store.close()

    run_virtual(main())


def test_opening_that_is_cancelled_leaves_no_connection(mode: Mode, path: Path):
    async def main():
        opening = spawn(mode.open(path))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert open_connections() == set()

    mode.run(main())


def test_a_durable_store_waits_for_the_medium(path: Path):
    async def main():
        store = await Store.open(path, region=REGION, connection="threaded", disk=RealDisk(), durable=True)
        (connection,) = open_connections()
        assert isinstance(connection, ThreadedConnection)
        assert not connection.is_held
        (synchronous,) = await connection.read(lambda raw: raw.execute("PRAGMA synchronous").fetchone())
        await store.close()
        return synchronous

    assert REAL.run(main()) == 2, "2 is FULL"


def test_tokens_wrapped_anew_do_not_grow_a_version(mode: Mode, path: Path):
    async def main():
        store = await mode.open(path)
        await store.commit(new_key(1))
        await store.commit(Commit(writes=(token(1, "anew"),)))
        await store.commit(Commit(writes=(PutKey(key=key(1).with_regional(description="second")),)))
        loaded = await store.load()
        await store.close()
        return [write.material.token for write in loaded.writes if isinstance(write, PutToken)]

    assert mode.run(main()) == [b"anew"]
