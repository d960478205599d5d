"""A year in real time: the clock is moved on from one due instant to the next, and nothing overtakes anything."""

from __future__ import annotations

from pathlib import Path

from regionsim.faults.kinds import LinkCut
from regionsim.runtime.clock import NS_PER_DAY
from regionsim.runtime.loop import run_real_time
from regionsim.runtime.tasks import now_ns
from tests.simulation.live_world import call, live_simulation
from tests.simulation.many_regions import EU, US


def test_a_year_passes_in_the_order_of_its_days(tmp_path: Path) -> None:
    async def main() -> None:
        simulation = live_simulation(tmp_path, (US, EU))
        await simulation.start()
        key_id = (await call(simulation, US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
        await call(simulation, US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        await call(simulation, US, "EnableKeyRotation", KeyId=key_id, RotationPeriodInDays=90)
        doomed = (await call(simulation, US, "CreateKey"))["KeyMetadata"]["KeyId"]
        await call(simulation, US, "EnableKeyRotation", KeyId=doomed, RotationPeriodInDays=100)
        began_ns, wall_ns = simulation.clock.now_ns(), now_ns()
        blob = (await call(simulation, US, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]

        first = await simulation.advance(95 * NS_PER_DAY)
        await call(simulation, US, "ScheduleKeyDeletion", KeyId=doomed, PendingWindowInDays=7)
        rest = await simulation.advance(271 * NS_PER_DAY)

        assert simulation.clock.now_ns() - began_ns >= 366 * NS_PER_DAY
        assert now_ns() - wall_ns < 60 * 10**9
        fired = [item for item in (*first, *rest) if item.what != "domain_key"]
        assert [item.due_at_ns for item in fired] == sorted(item.due_at_ns for item in fired)
        assert [(item.what, item.subject == doomed) for item in fired] == [
            ("rotation", False),
            ("deletion", True),
            ("rotation", False),
            ("rotation", False),
            ("rotation", False),
        ]
        assert sum(item.what == "domain_key" and item.region == EU for item in (*first, *rest)) in {365, 366}
        for region in (US, EU):
            key = simulation.regions[region].state.key(key_id)
            assert key is not None
            assert key.shared.rotation_count == 4
            assert (await call(simulation, region, "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"
        assert simulation.regions[US].state.key(doomed) is None
        before = simulation.network.link_settings(US, EU)
        assert before.delay_ns > 0, "links are as they were"
        await simulation.stop()

    run_real_time(main())


def test_a_fault_holds_up_what_it_is_about_and_not_the_time(tmp_path: Path) -> None:
    async def main() -> None:
        simulation = live_simulation(tmp_path, (US, EU))
        await simulation.start()
        key_id = (await call(simulation, US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
        await call(simulation, US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        await simulation.advance(60 * 10**9)
        await call(simulation, US, "EnableKeyRotation", KeyId=key_id, RotationPeriodInDays=90)
        await simulation.advance(60 * 10**9)
        simulation.begin_fault(LinkCut(between=(US, EU)), "cut")
        await simulation.advance(int(90.5 * NS_PER_DAY))
        key = simulation.regions[US].state.key(key_id)
        assert key is not None
        assert key.shared.pending_material is not None, "it waits for its replica"
        fired = await simulation.advance(NS_PER_DAY)
        assert "replicas_overdue" in {item.what for item in fired}
        key = simulation.regions[US].state.key(key_id)
        assert key is not None
        assert key.shared.rotation_count == 1
        await simulation.stop()

    run_real_time(main())
