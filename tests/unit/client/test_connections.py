"""A client's open connections, and what they are worth while an endpoint has no name."""

from __future__ import annotations

from regionsim.client.client import Client
from regionsim.client.connections import CONNECTIONS_KEPT, KEEP_ALIVE_NS, Connections
from regionsim.client.settings import ClientSettings, RetryMode
from regionsim.faults.kinds import DnsOutage, LinkCut, RegionOutage
from regionsim.runtime.tasks import now_ns
from tests.simulation.many_regions import ACCOUNT, AP, EU, US, Play, play


def test_a_connection_is_taken_by_one_and_kept_for_a_minute():
    kept = Connections()
    assert not kept.take(US, 0)
    kept.give_back(US, 0)
    assert not kept.take(EU, 0)
    assert kept.take(US, KEEP_ALIVE_NS)
    assert not kept.take(US, KEEP_ALIVE_NS)
    kept.give_back(US, KEEP_ALIVE_NS)
    assert not kept.take(US, 2 * KEEP_ALIVE_NS + 1)


def test_the_one_that_was_used_last_is_taken_and_what_is_too_many_goes():
    kept = Connections()
    for at_ns in range(CONNECTIONS_KEPT + 5):
        kept.give_back(US, at_ns)
    assert sum(kept.take(US, 20) for _ in range(CONNECTIONS_KEPT + 5)) == CONNECTIONS_KEPT
    kept.give_back(US, 0)
    kept.give_back(US, KEEP_ALIVE_NS)
    assert kept.take(US, KEEP_ALIVE_NS + 1)
    assert not kept.take(US, KEEP_ALIVE_NS + 1)  # the other has been idle for too long


def caller(world: Play, *regions: str, label: str, retries: RetryMode = RetryMode.NONE) -> Client:
    return Client(world.simulation, ClientSettings(near=EU, regions=regions, retries=retries), label)


async def error_of(world: Play, client: Client) -> str | None:
    principal = world.simulation.world.directory.principal(ACCOUNT, "alice")
    return (await client.call("ListKeys", {}, principal)).error


def test_in_a_dns_outage_who_is_connected_goes_on_and_nobody_else_connects(tmp_path):
    async def script(world):
        old, idle = caller(world, US, label="old"), caller(world, US, label="idle")
        assert await error_of(world, old) is None
        assert await error_of(world, idle) is None
        await world.rest(50)
        assert await error_of(world, old) is None
        world.break_with(DnsOutage(region=US))
        began_ns = now_ns()
        assert await error_of(world, caller(world, US, label="new")) == "EndpointConnectionError"
        assert now_ns() == began_ns, "no name, no way to go"
        assert await error_of(world, caller(world, EU, label="there")) is None
        await world.rest(20)
        assert await error_of(world, old) is None
        assert await error_of(world, idle) == "EndpointConnectionError"
        failover = await caller(world, US, EU, label="over").call(
            "ListKeys", {}, world.simulation.world.directory.principal(ACCOUNT, "alice")
        )
        assert (failover.region, failover.error, len(failover.tries)) == (EU, None, 2)
        world.heal()
        assert await error_of(world, idle) is None

    play(script, tmp_path)


def test_a_connection_that_timed_out_is_gone(tmp_path):
    async def script(world):
        client = caller(world, US, label="c")
        assert await error_of(world, client) is None
        world.break_with(RegionOutage(region=US), "outage")
        world.break_with(DnsOutage(region=US), "dns")
        assert await error_of(world, client) == "ConnectTimeout"
        world.heal("outage")
        assert await error_of(world, client) == "EndpointConnectionError"

    play(script, tmp_path)


def test_a_missing_name_is_tried_again_like_any_connection_error(tmp_path):
    async def script(world):
        client = caller(world, US, label="c", retries=RetryMode.STANDARD)
        world.break_with(DnsOutage(region=US))
        principal = world.simulation.world.directory.principal(ACCOUNT, "alice")
        reply = await client.call("ListKeys", {}, principal)
        assert (len(reply.tries), reply.error, reply.is_failure) == (3, "EndpointConnectionError", True)

    play(script, tmp_path)


def test_regions_need_no_names_among_each_other(tmp_path):
    async def script(world):
        world.break_with(DnsOutage(region=EU), "dns")
        world.break_with(LinkCut(between=(US, AP)), "elsewhere")
        key_id = (await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
        await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        await world.settled()
        assert world.key(EU, key_id).state == "Enabled"
        assert world.simulation.fault_tally.idle == ("dns", "elsewhere")
        world.heal("all")

    play(script, tmp_path)
