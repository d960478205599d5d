"""Random schedules of commits, disk faults and crashes: what was acknowledged is there, and nothing is half there."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from regionsim.faults.verdicts import DiskRule
from regionsim.kms.writes import PutKey
from regionsim.runtime.loop import run_virtual
from regionsim.runtime.tasks import sleep
from regionsim.store.disk import ruled_by
from regionsim.store.errors import StoreUnavailable
from regionsim.store.store import Store
from regionsim.store.values import Commit
from tests.unit.store.samples import HELD, INLINE, Mode, entry, key, key_id, segment, simulated_disk, token

rules = st.builds(
    DiskRule,
    error=st.sampled_from([0.0, 0.0, 0.2]),
    torn=st.sampled_from([0.0, 0.5, 1.0]),
    slow_ns=st.sampled_from([0, 0, 1_000_000]),
    is_full=st.sampled_from([False, False, False, True]),
)
steps = st.one_of(
    st.tuples(st.just("commit"), st.integers(1, 5)),
    st.tuples(st.just("wait"), st.integers(0, 1_500_000)),
    st.tuples(st.just("rule"), rules),
    st.tuples(st.just("stall"), st.integers(0, 1_000_000)),
    st.tuples(st.just("crash"), st.just(0)),
)


class Player:
    """Plays a schedule, and knows what each numbered outcome may be."""

    def __init__(self, mode: Mode, path: Path, seed: int) -> None:
        self.mode, self.path = mode, path
        self.rule = DiskRule()
        self.disk = simulated_disk(seed=seed, faults=ruled_by(lambda: self.rule))
        self.submitted = 0
        self.acknowledged: set[int] = set()
        self.failed: set[int] = set()
        self.doubtful = False
        self.settled: set[int] = set()  # what a reopened file has shown once

    async def play(self, schedule: list[tuple[str, object]]) -> list[int]:
        store = await self.mode.open(self.path, self.disk)
        tasks: list[asyncio.Task[None]] = []
        for kind, argument in [*schedule, ("crash", 0)]:
            match kind, argument:
                case "commit", int(count):
                    for _ in range(count):
                        tasks.append(asyncio.get_running_loop().create_task(self.commit(store, self.submitted)))
                        self.submitted += 1
                case "wait", int(duration_ns):
                    await sleep(duration_ns)
                case "rule", DiskRule() as rule:
                    self.rule = rule
                case "stall", int(duration_ns):
                    self.disk.stall()
                    await sleep(duration_ns)
                    self.disk.resume()
                case "crash", _:
                    await sleep(0)
                    store.crash()
                    for task in tasks:
                        with suppress(asyncio.CancelledError):
                            await task
                    tasks.clear()
                    self.rule = DiskRule()
                    store = await self.mode.open(self.path, self.disk)
                    await self.examine(store)
        await store.close()
        return sorted(self.settled)

    async def commit(self, store: Store, number: int) -> None:
        outcome = Commit(
            writes=(PutKey(key=key(number)), token(number)), outbox=(entry(number),), audit=(segment(number),)
        )
        try:
            await store.commit(outcome, then=lambda _: self.acknowledged.add(number))
        except StoreUnavailable as unavailable:
            self.failed.add(number)
            self.doubtful |= unavailable.may_have_happened

    async def examine(self, store: Store) -> None:
        loaded = await store.load()
        keys = [write.key.regional.created_at_ns for write in loaded.writes if isinstance(write, PutKey)]
        ids = [key_id(number) for number in keys]
        tokens = [write.material.key_id for write in loaded.writes if not isinstance(write, PutKey)]
        audit = [stored.first_ns for stored in await store.read_audit()]
        assert ids == tokens == [row.key_id for row in loaded.outbox], "an outcome is all there or not at all"
        assert audit == keys, "its audit record is part of it"
        assert keys == sorted(keys), "outcomes are committed in the order of their submission"
        there = set(keys)
        assert self.acknowledged <= there, "what was acknowledged is there"
        assert not self.failed & there, "what was refused is not"
        assert not self.doubtful, "before COMMIT there is no doubt"
        assert self.settled <= there, "what a reopened file has shown stays"
        unheard = [n for n in range(self.submitted) if n not in self.failed and n not in self.settled]
        assert [n for n in unheard if n in there] == unheard[: len(there - self.settled)], "a crash cuts off a tail"
        assert await store.integrity_check() == ()
        self.settled |= there
        # What is not there by now never will be.
        self.failed |= set(range(self.submitted)) - there


schedules = st.lists(steps, max_size=25)


@settings(max_examples=80)
@given(schedules, st.integers(0, 1000))
def test_no_schedule_of_crashes_loses_or_halves_an_outcome(schedule: list[tuple[str, object]], seed: int):
    with TemporaryDirectory() as folder:
        run_virtual(Player(INLINE, Path(folder) / "store", seed).play(schedule))


@settings(max_examples=15)
@given(schedules, st.integers(0, 1000))
def test_a_held_thread_survives_the_same_with_the_same_outcomes(schedule: list[tuple[str, object]], seed: int):
    with TemporaryDirectory() as folder:
        inline = run_virtual(Player(INLINE, Path(folder) / "inline", seed).play(schedule))
        held = run_virtual(Player(HELD, Path(folder) / "held", seed).play(schedule))
    assert inline == held


def test_a_crash_at_every_point_of_a_short_history(tmp_path: Path):
    """Every 20 microseconds of three group commits: how far the history got is all that differs."""
    seen = set()
    for step in range(80):
        schedule = [("commit", 3), ("wait", 1), ("commit", 2), ("wait", step * 20_000)]
        for seed in (1, 2):
            kept = run_virtual(Player(INLINE, tmp_path / f"{step}-{seed}", seed).play(schedule))
            assert kept == list(range(len(kept)))
            seen.add(len(kept))
    assert seen >= {0, 1, 5}
