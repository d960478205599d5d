"""Several HSMs as one: who is asked, how the domain passes between them, and how it is lost and brought back."""

import pytest

from regionsim.hsm.domain_backup import unseal
from regionsim.hsm.hsm import HsmState
from regionsim.hsm.profiles import AWS_LIKE
from regionsim.kms.errors import KeyUnavailableException, KMSInternalException
from regionsim.kms.hsm_jobs import GenerateRandom
from regionsim.names.mistakes import ConfigError
from regionsim.runtime.tasks import now_ns, sleep
from tests.unit.hsm.worlds import (
    DAY_NS,
    MS,
    START_AT_NS,
    World,
    create,
    decrypt,
    encrypt,
    fixed_profile,
    in_virtual_time,
    states,
)

RANDOM = GenerateRandom(byte_count=16)
SEALING_KEY = b"k" * 32
EMPTY, JOINING, OPERATIONAL, ZEROISED = HsmState


async def ask_at_once(world: World, fleet, count: int) -> int:
    """Virtual nanoseconds until `count` jobs that were asked together are all answered."""
    began_ns = now_ns()
    for task in [world.spawn(fleet.perform(RANDOM)) for _ in range(count)]:
        await task
    return now_ns() - began_ns


@in_virtual_time
async def test_three_hsms_do_three_times_the_work_of_one() -> None:
    world = World()
    one = await world.started("us-east-1", 1, fixed_profile(2 * MS))
    three = await world.started("eu-west-1", 3, fixed_profile(2 * MS))
    assert await ask_at_once(world, one, 300) == 600 * MS
    assert await ask_at_once(world, three, 300) == 200 * MS
    assert [hsm.jobs_done for hsm in three.hsms] == [100, 100, 100]
    assert (three.jobs_done, three.busy_ns) == (300, 600 * MS)


@in_virtual_time
async def test_idle_hsms_take_turns() -> None:
    fleet = await World().started(hsm_count=3)
    for _ in range(7):
        await fleet.perform(RANDOM)
    assert [hsm.jobs_done for hsm in fleet.hsms] == [3, 2, 2]


@in_virtual_time
async def test_the_shortest_queue_is_chosen() -> None:
    world = World()
    fleet = await world.started(hsm_count=3, profile=fixed_profile(2 * MS))
    fleet.hsms[0].slow_factor = 100
    for task in [world.spawn(fleet.perform(RANDOM)) for _ in range(3)]:
        task.add_done_callback(lambda _: None)
    await sleep(3 * MS)
    for _ in range(10):
        await fleet.perform(RANDOM)
    assert [hsm.jobs_done for hsm in fleet.hsms] == [0, 6, 6]


@in_virtual_time
async def test_any_hsm_can_serve_any_key_of_the_region() -> None:
    fleet = await World().started(hsm_count=3)
    material = await create(fleet)
    blobs = [await encrypt(fleet, material, b"x") for _ in range(3)]
    for _ in range(2):
        assert [await decrypt(fleet, material, blob) for blob in blobs] == [b"x"] * 3


@in_virtual_time
async def test_without_an_hsm_in_service_there_is_an_internal_error() -> None:
    fleet = await World().started(hsm_count=3)
    fleet.zeroise(0)
    fleet.go_offline(1)
    await fleet.perform(RANDOM)
    fleet.go_offline(2)
    assert not fleet.is_serving
    for attempt in (fleet.perform(RANDOM), fleet.perform(RANDOM)):
        with pytest.raises(KMSInternalException) as refused:
            await attempt
        assert refused.value.http_status == 500
    for upkeep in (fleet.rotate_domain_key, lambda: fleet.seal_domain(SEALING_KEY)):
        with pytest.raises(KMSInternalException):
            upkeep()
    assert fleet.domain_keys == ()
    fleet.come_online(1)
    await fleet.perform(RANDOM)


@in_virtual_time
async def test_a_start_takes_the_time_to_join_unless_the_region_has_been_running() -> None:
    world = World()
    waiting, running = (world.fleet(region, 3, AWS_LIKE) for region in ("us-east-1", "eu-west-1"))
    await running.start(is_joined=True)
    assert (now_ns(), states(running)) == (0, [OPERATIONAL] * 3)
    await waiting.start()
    assert (now_ns(), states(waiting)) == (AWS_LIKE.join_ns, [OPERATIONAL] * 3)
    assert len({hsm.domain for hsm in waiting.hsms}) == 1
    assert repr(waiting) == "<Fleet us-east-1 OPERATIONAL OPERATIONAL OPERATIONAL>"


@in_virtual_time
async def test_a_rotation_reaches_every_member() -> None:
    world = World()
    fleet = await world.started(hsm_count=3)
    material = await create(fleet)
    blob = await encrypt(fleet, material, b"kept")
    await sleep(DAY_NS)
    fleet.rotate_domain_key()
    retired, active = fleet.domain_keys
    assert (retired.active_since_ns, active.active_since_ns) == (START_AT_NS, START_AT_NS + DAY_NS)
    assert {hsm.domain for hsm in fleet.hsms} == {fleet.hsms[0].domain}
    assert [await decrypt(fleet, material, blob) for _ in range(3)] == [b"kept"] * 3
    (event,) = [event for event in world.trace.recent(100) if event.kind == "domain_key_rotated"]
    assert event.fields == {"epoch": 2, "domain_keys": 2}


@in_virtual_time
async def test_a_member_out_of_reach_never_falls_behind() -> None:
    """Rotations by turns, each while the other member is out of reach, must not make two domains of one."""
    fleet = await World().started(hsm_count=2)
    fleet.go_offline(0)
    fleet.rotate_domain_key()
    under_second = await create(fleet)
    fleet.go_offline(1)
    fleet.come_online(0)
    await encrypt(fleet, under_second, b"x")
    fleet.rotate_domain_key()
    under_third = await create(fleet)
    fleet.come_online(1)
    assert [hsm.domain.epoch for hsm in fleet.hsms] == [3, 3]
    for material in (under_second, under_third):
        blobs = [await encrypt(fleet, material, b"x") for _ in range(2)]
        assert [await decrypt(fleet, material, blob) for blob in blobs] == [b"x", b"x"]


@in_virtual_time
async def test_a_newer_domain_that_comes_back_in_reach_wins_over_an_older_token() -> None:
    fleet = await World().started(hsm_count=2)
    old_token = fleet.seal_domain(SEALING_KEY)
    fleet.rotate_domain_key()
    material = await create(fleet)
    fleet.go_offline(0)
    fleet.zeroise(1)
    await fleet.restore_domain(old_token, SEALING_KEY)
    with pytest.raises(KeyUnavailableException):
        await encrypt(fleet, material, b"x")
    fleet.come_online(0)
    assert [hsm.domain.epoch for hsm in fleet.hsms] == [2, 2]
    assert [len(await encrypt(fleet, material, b"x")) for _ in range(2)] == [153, 153]


@in_virtual_time
async def test_a_restarted_hsm_joins_the_domain_as_it_is_when_it_has_joined() -> None:
    world = World()
    fleet = await world.started(hsm_count=2, profile=fixed_profile(0, join_ns=100 * MS))
    material = await create(fleet)
    restarting = world.spawn(fleet.restart(0))
    await sleep(50 * MS)
    assert states(fleet) == [JOINING, OPERATIONAL]
    fleet.rotate_domain_key()
    assert await restarting
    assert fleet.hsms[0].domain is fleet.hsms[1].domain
    assert fleet.hsms[0].domain.epoch == 2
    await encrypt(fleet, material, b"x")


@in_virtual_time
async def test_a_zeroised_hsm_comes_back_by_a_restart() -> None:
    fleet = await World().started(hsm_count=2)
    fleet.zeroise(0)
    assert states(fleet) == [ZEROISED, OPERATIONAL]
    assert await fleet.restart(0)
    assert states(fleet) == [OPERATIONAL, OPERATIONAL]


@in_virtual_time
async def test_with_no_member_left_a_restart_leaves_the_hsm_empty() -> None:
    fleet = await World().started(hsm_count=2)
    fleet.zeroise(0)
    assert not await fleet.restart(1)
    assert states(fleet) == [ZEROISED, EMPTY]
    assert list(fleet.secrets_for_scan()) == []


@in_virtual_time
async def test_an_hsm_that_found_nobody_joins_the_first_member_that_comes_back_in_reach() -> None:
    fleet = await World().started(hsm_count=2, profile=fixed_profile(0, join_ns=100 * MS))
    fleet.go_offline(0)
    assert not await fleet.restart(1)
    assert states(fleet) == [OPERATIONAL, EMPTY]
    fleet.come_online(0)
    await sleep(101 * MS)
    assert states(fleet) == [OPERATIONAL, OPERATIONAL]
    assert fleet.hsms[0].domain is fleet.hsms[1].domain


@in_virtual_time
async def test_recovery_waits_for_those_that_are_joining_and_takes_along_who_found_nobody() -> None:
    fleet = await World().started(hsm_count=3, profile=fixed_profile(0, join_ns=100 * MS))
    token = fleet.seal_domain(SEALING_KEY)
    fleet.go_offline(0)
    fleet.zeroise(2)
    assert not await fleet.restart(1)
    fleet.come_online(0)
    await sleep(50 * MS)
    assert states(fleet) == [OPERATIONAL, JOINING, ZEROISED]
    fleet.zeroise(0)
    await fleet.restore_domain(token, SEALING_KEY)
    assert states(fleet) == [OPERATIONAL] * 3


@in_virtual_time
async def test_a_lost_domain_comes_back_from_its_sealed_token() -> None:
    world = World()
    fleet = await world.started(hsm_count=2, profile=fixed_profile(0, join_ns=100 * MS))
    material = await create(fleet)
    blob = await encrypt(fleet, material, b"kept")
    token, secrets = fleet.seal_domain(SEALING_KEY), set(fleet.secrets_for_scan())
    assert not any(secret in token for secret in secrets)
    fleet.zeroise(0)
    await fleet.restart(1)
    with pytest.raises(ConfigError):
        await fleet.restore_domain(token, b"l" * 32)
    assert states(fleet) == [ZEROISED, EMPTY]
    began_ns = now_ns()
    await fleet.restore_domain(token, SEALING_KEY)
    assert (states(fleet), now_ns() - began_ns) == ([OPERATIONAL] * 2, 100 * MS)
    assert [await decrypt(fleet, material, blob) for _ in range(2)] == [b"kept"] * 2
    assert set(fleet.secrets_for_scan()) == secrets


@in_virtual_time
async def test_a_token_older_than_the_last_rotation_loses_what_was_wrapped_since() -> None:
    fleet = await World().started()
    before = await create(fleet)
    token = fleet.seal_domain(SEALING_KEY)
    fleet.rotate_domain_key()
    after = await create(fleet)
    fleet.zeroise(0)
    await fleet.restore_domain(token, SEALING_KEY)
    await encrypt(fleet, before, b"x")
    with pytest.raises(KeyUnavailableException):
        await encrypt(fleet, after, b"x")


@in_virtual_time
async def test_recovery_prefers_a_member_that_still_knows_the_domain() -> None:
    fleet = await World().started(hsm_count=2)
    token = fleet.seal_domain(SEALING_KEY)
    fleet.rotate_domain_key()
    material = await create(fleet)
    fleet.zeroise(0)
    await fleet.restore_domain(token, SEALING_KEY)
    assert [hsm.domain.epoch for hsm in fleet.hsms] == [2, 2]
    assert [len(await encrypt(fleet, material, b"x")) for _ in range(2)] == [153, 153]


@in_virtual_time
async def test_a_fleet_of_a_new_process_goes_on_with_the_domain_of_the_token() -> None:
    first = World()
    fleet = await first.started()
    material = await create(fleet)
    blob = await encrypt(fleet, material, b"kept")
    token = fleet.seal_domain(SEALING_KEY)
    signs_with = first.registry.public_key_of("us-east-1")
    fleet.close()

    second = World(seed=2)
    fleet = second.fleet(hsm_count=2)
    await fleet.start(domain=unseal(token, SEALING_KEY, region="us-east-1"))
    assert await decrypt(fleet, material, blob) == b"kept"
    assert second.registry.public_key_of("us-east-1") == signs_with


@in_virtual_time
async def test_a_domain_of_another_region_is_not_taken() -> None:
    world = World()
    domain = (await world.started("eu-west-1")).hsms[0].domain
    with pytest.raises(AssertionError, match="one Region"):
        await world.fleet("us-east-1").start(domain=domain)


@in_virtual_time
async def test_a_closed_fleet_holds_nothing() -> None:
    fleet = await World().started(hsm_count=2)
    await create(fleet)
    fleet.close()
    assert (states(fleet), list(fleet.secrets_for_scan()), fleet.is_serving) == ([EMPTY, EMPTY], [], False)


@in_virtual_time
async def test_profile_and_faults_do_not_shift_the_keys_that_a_seed_gives() -> None:
    tokens = []
    for profile, is_slow in ((AWS_LIKE, False), (AWS_LIKE, True), (fixed_profile(0), False)):
        fleet = await World().started(profile=profile)
        fleet.hsms[0].slow_factor = 7.0 if is_slow else 1.0
        tokens.append([(await create(fleet)).token for _ in range(3)])
    assert tokens[0] == tokens[1] == tokens[2]


@in_virtual_time
async def test_nothing_is_traced_where_there_is_no_trace() -> None:
    world = World()
    world.trace = None
    fleet = await world.started()
    fleet.rotate_domain_key()
    await fleet.perform(RANDOM)
    assert fleet.jobs_done == 1


@in_virtual_time
async def test_an_hsm_out_of_reach_does_not_join_before_it_is_in_reach() -> None:
    fleet = await World().started(hsm_count=2, profile=fixed_profile(0, join_ns=100 * MS))
    world_domain = fleet.hsms[1].domain
    fleet.power_on(0)
    fleet.go_offline(0)
    await fleet.join_again(lambda: None)
    assert states(fleet) == [EMPTY, OPERATIONAL]
    fleet.come_online(0)
    await sleep(50 * MS)
    fleet.go_offline(0)  # while it joins
    await sleep(60 * MS)
    assert states(fleet) == [EMPTY, OPERATIONAL]
    fleet.come_online(0)
    await sleep(101 * MS)
    assert states(fleet) == [OPERATIONAL, OPERATIONAL]
    assert fleet.hsms[0].domain is world_domain
