"""HSM faults: who serves meanwhile, who comes back at once and who must join again, and how a lost domain comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from regionsim.faults.active import ActiveFaults
from regionsim.faults.kinds import AzOutage, Fault, HsmErrors, HsmOffline, HsmSlow, HsmZeroised, RegionCrash
from regionsim.hsm.hsm import HsmState
from regionsim.kms.errors import KMSInternalException
from regionsim.runtime.tasks import now_ns, sleep
from regionsim.runtime.virtual_loop import NS_PER_SECOND
from regionsim.simulation.fleets import FleetFaults
from regionsim.simulation.ground import DomainVault
from tests.simulation.many_regions import EU, US, Play, play
from tests.unit.hsm.worlds import World, create, encrypt, in_virtual_time, states

EMPTY, JOINING, OPERATIONAL, ZEROISED = HsmState
DAY_S = 86_400


def script(tmp_path: Path) -> Callable[[Callable[[Play], Awaitable[None]]], None]:
    return lambda test: play(test, tmp_path, regions=(US, EU), hsm_profile="aws-like") and None


def told(world: Play) -> list[tuple[int, object]]:
    """When (in whole seconds), and how many HSMs of Virginia served from then on."""
    return [(event.t_ns // NS_PER_SECOND, event.fields["serving"]) for event in world.happened("hsms_serving", US)]


async def key_and_blob(world: Play) -> tuple[str, bytes]:
    key_id = (await world.call(US, "CreateKey"))["KeyMetadata"]["KeyId"]
    blob = (await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"kept"))["CiphertextBlob"]
    return key_id, blob


async def recovered(world: Play) -> None:
    await world.until(lambda: world.simulation.is_recovered, 3, "the world to recover")


async def is_kept(world: Play, blob: bytes) -> bool:
    return (await world.call(US, "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"kept"


def test_hsms_out_of_reach_are_back_at_once_and_the_others_serve_meanwhile(tmp_path):
    @script(tmp_path)
    async def _(world):
        _, blob = await key_and_blob(world)
        world.break_with(HsmOffline(region=US, hsms=2))
        for _ in range(3):
            assert await is_kept(world, blob)
        world.break_with(HsmOffline(region=US), "last")
        assert isinstance(await world.refused(US, "Decrypt", CiphertextBlob=blob), KMSInternalException)
        world.heal("last")
        assert await is_kept(world, blob)
        world.heal()
        assert [count for _, count in told(world)] == [1, 0, 1, 3]
        assert world.simulation.is_recovered
        assert not world.happened("domain_recovered")


@pytest.mark.parametrize(
    ("fault", "joins"),
    [
        (HsmOffline(region=US, hsms=1), False),
        (HsmZeroised(region=US, hsms=1), True),
        (AzOutage(region=US, az=1), True),
    ],
)
def test_an_hsm_that_lost_its_keys_joins_again_when_the_fault_is_over(tmp_path, fault, joins):
    @script(tmp_path)
    async def _(world):
        fleet = world.region(US).fleet
        world.break_with(fault)
        await world.rest(10)
        assert not fleet.hsms[0].is_serving
        assert fleet.serving_count == 2
        world.heal()
        assert fleet.hsms[0].is_serving is not joins
        assert world.simulation.is_recovered is not joins
        await world.rest(3)
        assert states(fleet) == [OPERATIONAL] * 3
        assert told(world) == [(0, 2), (12 if joins else 10, 3)]
        assert not world.happened("domain_recovered")


@pytest.mark.parametrize("fault", [HsmZeroised(region=US), HsmZeroised(region=US, hsms=99)])
def test_a_lost_domain_is_recovered_when_the_fault_is_over_each_time_as_it_last_was(tmp_path, fault):
    @script(tmp_path)
    async def _(world):
        for number in range(3):
            _, blob = await key_and_blob(world)
            world.break_with(fault)
            assert world.region(US).fleet.domain_keys == ()
            assert (await world.refused(US, "CreateKey")).code == "KMSInternalException"
            assert (await world.call(US, "ListKeys"))["Keys"]
            await world.rest(3600)
            world.heal()
            await recovered(world)
            assert await is_kept(world, blob)
            assert len(world.happened("domain_recovered", US)) == number + 1
            await world.rest(DAY_S)  # a new domain key


def test_a_lost_domain_is_not_rotated_and_hosts_boot_without_it(tmp_path):
    @script(tmp_path)
    async def _(world):
        _, blob = await key_and_blob(world)
        epoch = world.region(US).fleet.hsms[0].domain.epoch
        world.break_with(HsmZeroised(region=US), "lost")
        world.break_with(RegionCrash(region=US), "crash")
        await world.rest(3 * DAY_S)
        world.heal("crash")
        await world.rest(40 * DAY_S)
        world.heal("lost")
        await recovered(world)
        assert world.region(US).fleet.hsms[0].domain.epoch == epoch
        assert await is_kept(world, blob)
        await world.rest(3600)
        assert world.region(US).fleet.hsms[0].domain.epoch == epoch + 1
        assert await is_kept(world, blob)


@pytest.mark.parametrize("order", [("reach", "keys"), ("keys", "reach")])
def test_out_of_reach_and_wiped_end_in_any_order(tmp_path, order):
    @script(tmp_path)
    async def _(world):
        _, blob = await key_and_blob(world)
        world.break_with(HsmOffline(region=US), "reach")
        world.break_with(HsmZeroised(region=US), "keys")
        await world.rest(60)
        world.heal(order[0])
        await world.rest(60)
        assert world.region(US).fleet.serving_count == 0
        world.heal(order[1])
        await recovered(world)
        assert await is_kept(world, blob)


def test_wiped_again_at_the_instant_of_healing_they_stay_wiped(tmp_path):
    @script(tmp_path)
    async def _(world):
        _, blob = await key_and_blob(world)
        world.break_with(HsmZeroised(region=US))
        world.heal()
        world.break_with(HsmZeroised(region=US), "again")
        await world.rest(10)
        assert states(world.region(US).fleet) == [ZEROISED] * 3
        world.heal("again")
        await world.rest(1)
        world.break_with(HsmZeroised(region=US))  # while they join
        await world.rest(10)
        assert states(world.region(US).fleet) == [ZEROISED] * 3
        world.heal()
        await recovered(world)
        assert await is_kept(world, blob)


def test_no_zone_left_is_no_region_left(tmp_path):
    @script(tmp_path)
    async def _(world):
        _, blob = await key_and_blob(world)
        for az in (1, 2, 3):
            assert world.region(US).is_up
            world.break_with(AzOutage(region=US, az=az), f"zone-{az}")
        await world.rest(1)
        assert not world.region(US).is_up
        assert not world.simulation.faults.region_reachable(US)
        world.heal("zone-2")
        await world.rest(5)
        assert states(world.region(US).fleet) == [ZEROISED, OPERATIONAL, ZEROISED]
        assert await is_kept(world, blob)
        world.heal("all")
        await recovered(world)


def test_slow_hsms_and_failing_ones(tmp_path):
    @script(tmp_path)
    async def _(world):
        took = []
        for fault in (HsmSlow(region=US, factor=1.0), HsmSlow(region=US, factor=1000.0)):
            world.break_with(fault)
            began_ns = now_ns()
            for _ in range(5):
                await world.call(US, "GenerateRandom", NumberOfBytes=1)
            took.append(now_ns() - began_ns)
            world.heal()
        assert took[1] > 20 * took[0]
        world.break_with(HsmErrors(region=US, probability=1.0, hsms=1))
        results = [await answer(world) for _ in range(6)]
        assert results.count("KMSInternalException") == 2  # idle HSMs take turns
        world.heal()
        assert await answer(world) == "ok"


async def answer(world: Play) -> str:
    try:
        await world.call(US, "GenerateRandom", NumberOfBytes=1)
    except KMSInternalException as refusal:
        return refusal.code
    return "ok"


def test_a_fault_has_met_something_once_its_region_has_asked_an_hsm(tmp_path):
    @script(tmp_path)
    async def _(world):
        tally = world.simulation.fault_tally
        world.break_with(HsmOffline(region=US, hsms=1), "one")
        world.break_with(HsmSlow(region=EU, factor=2), "slow")
        await world.call(US, "ListKeys")
        assert tally.idle == ("one", "slow")
        await world.call(US, "GenerateRandom", NumberOfBytes=1)
        assert tally.idle == ("slow",)
        world.heal("all")
        world.break_with(HsmOffline(region=US, hsms=1), "later")
        assert tally.idle == ("slow", "later")


class Vaulted:
    """One fleet whose domain is kept in a vault, as in real time."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        self.fleet = self.world.fleet(US, 2)
        self.folder = folder
        self.vault = DomainVault(folder, entropy=self.world.entropy)
        self.faults = FleetFaults(
            {US: self.fleet},
            self.vault,
            entropy=self.world.entropy,
            trace=self.world.trace,
            scope=self.world.scope,
            on_met=lambda names: None,
        )

    async def start(self) -> None:
        await self.fleet.start(is_joined=True)
        self.vault.save(US, self.fleet.seal_domain)
        self.fleet.save_domain_by(lambda seal: self.vault.save(US, seal))

    def is_on(self, *faults: Fault) -> None:
        self.faults.follow(ActiveFaults(by_name={str(number): fault for number, fault in enumerate(faults)}))


@in_virtual_time
async def test_with_a_vault_the_domain_comes_back_from_it(tmp_path):
    kept = Vaulted(tmp_path)
    await kept.start()
    kept.fleet.rotate_domain_key()
    material = await create(kept.fleet)
    kept.is_on(HsmZeroised(region=US))
    kept.is_on()
    await sleep(1)
    assert states(kept.fleet) == [OPERATIONAL] * 2
    assert await encrypt(kept.fleet, material, b"x")


@in_virtual_time
async def test_a_domain_that_cannot_be_opened_stays_lost_until_it_can(tmp_path):
    kept = Vaulted(tmp_path)
    await kept.start()
    token = (tmp_path / f"{US}.domain").read_bytes()
    (tmp_path / f"{US}.domain").write_bytes(b"torn")
    kept.is_on(HsmZeroised(region=US))
    kept.is_on()
    await sleep(1)
    assert states(kept.fleet) == [EMPTY] * 2
    assert [event.kind for event in kept.world.trace.recent(50)].count("domain_not_recovered")
    (tmp_path / f"{US}.domain").write_bytes(token)
    kept.is_on(HsmZeroised(region=US))
    kept.is_on()
    await sleep(1)
    assert states(kept.fleet) == [OPERATIONAL] * 2
