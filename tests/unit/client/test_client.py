"""A caller: time-outs, failover in order, retries as the SDKs do them, latency as the application sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from regionsim.client.client import CONNECT_TIMEOUT, CONNECTION_REFUSED, READ_TIMEOUT, Client, Reply
from regionsim.client.settings import ClientSettings, RetryMode
from regionsim.faults.kinds import OutageMode, RegionCrash, RegionOutage, Throttle
from regionsim.network.latencies import one_way_ns
from regionsim.runtime.tasks import Scope, now_ns, sleep
from regionsim.runtime.virtual_loop import NS_PER_SECOND, running
from tests.simulation.many_regions import ACCOUNT, AP, EU, US, Play, play

SECOND = NS_PER_SECOND
JITTER_NS = 2_000_000


def settings(
    *regions: str, retries: RetryMode = RetryMode.NONE, timeout_s: float = 1, near: str = EU
) -> ClientSettings:
    return ClientSettings(near=near, regions=regions, timeout_ns=int(timeout_s * SECOND), retries=retries)


async def sealed(world: Play, *replicas: str) -> bytes:
    key_id = await world.multi_region_key(US, *replicas)
    blob: bytes = (await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    return blob


def new_client(world: Play, chosen: ClientSettings) -> Client:
    return Client(world.simulation, chosen, "test")


async def ask(world: Play, client: Client, operation: str, **parameters: Any) -> Reply:
    caller = world.simulation.world.directory.principal(ACCOUNT, "alice")
    return await client.call(operation, parameters, caller)


def test_a_call_takes_the_way_there_and_back(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        reply = await world.client_call(settings(US), "ListKeys", {})
        assert reply.error is None
        assert reply.response is not None
        assert not reply.is_failure
        assert 0 <= reply.latency_ns - 2 * one_way_ns(EU, US) <= JITTER_NS
        assert [(known.region, known.error) for known in reply.tries] == [(US, "")]
        near = await world.client_call(settings(EU), "ListKeys", {})
        assert near.latency_ns < 10_000_000

    play(script, tmp_path)


def test_what_the_caller_sees_is_in_the_trace(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        reply = await world.client_call(settings(US), "ListKeys", {}, label="shop")
        (event,) = world.happened("client_call", EU)
        assert event.fields["client"] == "shop"
        assert event.fields["result"] == "ok"
        assert event.fields["answered_by"] == US
        assert event.fields["tries"] == 1
        assert event.fields["latency_ns"] == reply.latency_ns

    play(script, tmp_path)


def test_an_outage_is_a_time_out_after_exactly_the_time_out(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        world.break_with(RegionOutage(region=US))
        reply = await world.client_call(settings(US, timeout_s=0.75), "ListKeys", {})
        assert reply.error == CONNECT_TIMEOUT
        assert reply.is_failure
        assert reply.response is None
        assert reply.latency_ns == 3 * SECOND // 4
        assert world.region(US).counts.requests == 0

    play(script, tmp_path)


def test_each_of_many_calls_at_once_has_the_whole_time_out_and_leaves_no_timer(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        client, scope = new_client(world, settings(US, timeout_s=0.75)), Scope("callers")
        await ask(world, client, "ListKeys")
        world.break_with(RegionOutage(region=US))
        timers = timer_count()
        replies: list[Reply] = []

        async def call_after(pause_ns: int) -> None:
            await sleep(pause_ns)
            replies.append(await ask(world, client, "ListKeys"))

        for pause_ns in (0, 0, SECOND // 4, SECOND // 2):
            scope.begin(call_after(pause_ns), name="caller")
        await sleep(SECOND // 3)
        world.heal()
        world.break_with(RegionOutage(region=EU))  # the caller's own Region: nothing to these calls
        replies.append(await ask(world, client, "ListKeys"))
        await sleep(2 * SECOND)
        assert [reply.error for reply in replies] == [None, None, *[CONNECT_TIMEOUT] * 3]
        assert [reply.latency_ns for reply in replies[2:]] == [3 * SECOND // 4] * 3
        assert timer_count() <= timers

    play(script, tmp_path)


def timer_count() -> int:
    loop = running.loop
    assert loop is not None
    return sum(not entry[2].cancelled() for entry in loop._heap)


def test_a_refused_connection_is_heard_after_one_round_trip(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        world.break_with(RegionOutage(region=US, mode=OutageMode.REFUSE))
        reply = await world.client_call(settings(US), "ListKeys", {})
        assert reply.error == CONNECTION_REFUSED
        assert reply.is_failure
        assert 0 <= reply.latency_ns - 2 * one_way_ns(EU, US) <= JITTER_NS

    play(script, tmp_path)


def test_a_crashed_region_refuses_connections_and_loses_calls_on_their_way(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        world.break_with(RegionCrash(region=US))
        reply = await world.client_call(settings(US, EU), "ListKeys", {})
        assert [known.error for known in reply.tries] == [CONNECTION_REFUSED, ""]
        world.heal()
        await world.until(lambda: world.region(US).is_up)
        begun = Scope("fault").call_later_ns(one_way_ns(EU, US) + 5_000_000, world.break_with, RegionCrash(region=US))
        lost = await world.client_call(settings(US), "CreateKey", {})
        assert lost.error == READ_TIMEOUT
        begun.cancel()

    play(script, tmp_path)


def test_regions_are_tried_in_the_given_order_until_one_answers(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        blob = await sealed(world, EU, AP)
        world.break_with(RegionOutage(region=AP), "hangs")
        world.break_with(RegionOutage(region=US, mode=OutageMode.REFUSE), "refuses")
        reply = await world.client_call(settings(AP, US, EU), "Decrypt", {"CiphertextBlob": blob})

        assert reply.response is not None
        assert reply.response["Plaintext"] == b"x"
        assert reply.region == EU
        assert [(known.region, known.error) for known in reply.tries] == [
            (AP, CONNECT_TIMEOUT),
            (US, CONNECTION_REFUSED),
            (EU, ""),
        ]
        assert reply.latency_ns == sum(known.duration_ns for known in reply.tries)
        assert reply.answered_at_ns == now_ns()

    play(script, tmp_path)


def test_when_no_region_answers_the_last_error_is_told(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        world.break_with(RegionOutage(region=US), "us")
        world.break_with(RegionOutage(region=EU, mode=OutageMode.REFUSE), "eu")
        reply = await world.client_call(settings(US, EU), "ListKeys", {})
        assert reply.error == CONNECTION_REFUSED
        assert reply.is_failure
        assert reply.region == EU
        assert len(reply.tries) == 2

    play(script, tmp_path)


def test_a_refusal_does_not_move_on(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        blob = await sealed(world, EU)
        reply = await world.client_call(
            settings(US, EU, retries=RetryMode.STANDARD), "Decrypt", {"CiphertextBlob": blob[:-1] + b"?"}
        )
        assert reply.error == "InvalidCiphertextException"
        assert not reply.is_failure
        assert [known.region for known in reply.tries] == [US]
        missing = await world.client_call(settings(AP, US), "DescribeKey", {"KeyId": "alias/none"})
        assert missing.error == "NotFoundException"
        assert missing.message.startswith("Alias arn:aws:kms:ap-southeast-2")
        assert missing.region == AP

    play(script, tmp_path)


def test_a_server_fault_moves_on(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        blob = await sealed(world, EU)
        for index in range(3):
            world.region(US).fleet.go_offline(index)
        reply = await world.client_call(settings(US, EU), "Decrypt", {"CiphertextBlob": blob})
        assert [known.error for known in reply.tries] == ["KMSInternalException", ""]
        for index in range(3):
            world.region(US).fleet.come_online(index)

    play(script, tmp_path)


def test_standard_mode_tries_three_times_in_a_region_and_then_the_next(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        world.break_with(RegionOutage(region=US))
        reply = await world.client_call(settings(US, EU, retries=RetryMode.STANDARD), "ListKeys", {})
        assert [known.region for known in reply.tries] == [US, US, US, EU]
        waited_ns = reply.latency_ns - sum(known.duration_ns for known in reply.tries)
        assert 0 < waited_ns < 3 * SECOND, "up to 1 s, then up to 2 s"

    play(script, tmp_path)


def test_pauses_are_drawn_by_each_client_below_a_limit_that_doubles(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        world.break_with(RegionOutage(region=US, mode=OutageMode.REFUSE))
        chosen = settings(US, retries=RetryMode.STANDARD, near=US)
        pauses = []
        for number in range(30):
            reply = await ask(world, Client(world.simulation, chosen, f"client-{number}"), "ListKeys")
            assert len(reply.tries) == 3
            pauses.append(reply.latency_ns - sum(known.duration_ns for known in reply.tries))
        assert max(pauses) < 3 * SECOND
        assert max(pauses) > 2 * SECOND, "more than two pauses of up to one second would be"
        assert min(pauses) < SECOND
        assert len(set(pauses)) == 30

    play(script, tmp_path)


def test_throttling_is_tried_again_in_the_same_region_but_is_no_failure(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        world.break_with(Throttle(region=US, factor=1.0))
        rate = 5
        caller = world.simulation.world.directory.principal(ACCOUNT, "alice")
        # Simultaneous: the bucket of CreateKey holds one second of requests.
        clients = [Client(world.simulation, settings(US, EU, retries=RetryMode.STANDARD), f"c{n}") for n in range(8)]
        scope = Scope("callers")
        tasks = [scope.spawn(client.call("CreateKey", {}, caller), name="c") for client in clients]
        replies = [await task for task in tasks]
        throttled = [known for reply in replies for known in reply.tries if known.error == "ThrottlingException"]
        assert len(throttled) >= 8 - rate
        assert {reply.region for reply in replies} == {US}, "throttling never moves on"
        assert any(reply.error is None and len(reply.tries) > 1 for reply in replies)
        assert world.region(US).counts.throttled == len(throttled)
        assert not any(reply.is_failure for reply in replies)

    play(script, tmp_path)


def test_a_used_up_retry_quota_ends_retries(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        world.break_with(RegionOutage(region=US))
        client = new_client(world, settings(US, retries=RetryMode.STANDARD, timeout_s=0.1))
        counts = [len((await ask(world, client, "ListKeys")).tries) for _ in range(28)]
        assert counts == [3] * 25 + [1] * 3, "500 tokens, 10 for each retry after a time-out"

    play(script, tmp_path)


def test_refused_connections_cost_less_of_the_quota(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        world.break_with(RegionOutage(region=US, mode=OutageMode.REFUSE))
        client = new_client(world, settings(US, retries=RetryMode.STANDARD, near=US))
        counts = [len((await ask(world, client, "ListKeys")).tries) for _ in range(52)]
        assert counts == [3] * 50 + [1] * 2

    play(script, tmp_path)


def test_success_gives_back_one_token_and_never_more_than_there_were(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        client = new_client(world, settings(US, retries=RetryMode.STANDARD, timeout_s=0.1, near=US))
        await ask(world, client, "ListKeys")
        assert client._quota == 500
        world.break_with(RegionOutage(region=US))
        for _ in range(25):
            await ask(world, client, "ListKeys")
        assert client._quota == 0
        world.heal()
        await ask(world, client, "DescribeKey", KeyId="alias/none")
        assert client._quota == 0, "a refusal is no success"
        for _ in range(9):
            await ask(world, client, "ListKeys")
        world.break_with(RegionOutage(region=US))
        assert len((await ask(world, client, "ListKeys")).tries) == 1
        world.heal()
        await ask(world, client, "ListKeys")
        world.break_with(RegionOutage(region=US))
        assert len((await ask(world, client, "ListKeys")).tries) == 2

    play(script, tmp_path)


def test_a_retry_that_succeeds_gives_back_what_it_cost(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        client = new_client(world, settings(US, retries=RetryMode.STANDARD, timeout_s=0.5, near=US))
        world.break_with(RegionOutage(region=US))
        healing = Scope("healer").call_later_ns(SECOND // 2 + 1, world.heal)
        reply = await ask(world, client, "ListKeys")
        assert [known.error for known in reply.tries] == [CONNECT_TIMEOUT, ""]
        assert client._quota == 500
        healing.cancel()

    play(script, tmp_path)


def test_an_answer_after_the_time_out_is_not_heard(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        short = one_way_ns(EU, US) / SECOND * 1.5
        reply = await world.client_call(settings(US, timeout_s=short), "CreateKey", {})
        assert reply.error == READ_TIMEOUT
        await world.rest(2)
        assert len(list(world.region(US).state.all_keys())) == 1, "it happened all the same"
        assert len(world.happened("client_call")) == 1

    play(script, tmp_path)


def test_an_outage_that_begins_while_a_call_is_served_swallows_its_answer(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        began = Scope("fault").call_later_ns(one_way_ns(EU, US) + 5_000_000, world.break_with, RegionOutage(region=US))
        reply = await world.client_call(settings(US), "CreateKey", {})
        assert reply.error == READ_TIMEOUT, "it was taken up, so it may have happened"
        assert world.region(US).counts.requests == 1
        began.cancel()
        world.heal()

    play(script, tmp_path)


@pytest.mark.parametrize("region", [US, EU, AP])
def test_where_it_runs_decides_how_long_it_takes(tmp_path: Path, region: str) -> None:
    async def script(world: Play) -> None:
        reply = await world.client_call(settings(region, near=AP), "ListKeys", {})
        assert 0 <= reply.latency_ns - 2 * one_way_ns(AP, region) <= JITTER_NS

    play(script, tmp_path)


def test_each_request_has_an_id_of_its_own(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        client = new_client(world, settings(US))
        for _ in range(3):
            await ask(world, client, "ListKeys")
        ids = [event.fields["request"] for event in world.happened("call", US)]
        assert len(set(ids)) == 3

    play(script, tmp_path)


def test_a_response_is_not_shown_in_a_repr(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        blob = await sealed(world)
        reply = await world.client_call(settings(US), "Decrypt", {"CiphertextBlob": blob})
        assert "Plaintext" not in repr(reply)

    play(script, tmp_path)


def test_what_one_call_meets_moves_no_draw_of_another(tmp_path: Path) -> None:
    """Three calls; in one world the first meets an outage and fails over. The others set out just the same."""

    def requests(folder: Path, *, is_out: bool) -> list[str]:
        async def script(world: Play) -> None:
            client = Client(world.simulation, settings(US, EU, timeout_s=1), "app")
            principal = world.simulation.world.directory.principal(ACCOUNT, "alice")
            if is_out:
                world.break_with(RegionOutage(region=US))
            first = await client.call("ListKeys", {}, principal)
            assert len(first.tries) == (2 if is_out else 1)
            if is_out:
                world.heal()
            for _ in range(2):
                await client.call("ListKeys", {}, principal)
            asked.extend(str(event.fields["request"]) for event in world.happened("call", US))

        asked: list[str] = []
        play(script, folder)
        return asked

    assert requests(tmp_path / "out", is_out=True) == requests(tmp_path / "well", is_out=False)[1:]
