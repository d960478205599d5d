"""Short runs of `bench`: real Regions, real files, real time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from regionsim import cli
from regionsim.bench.bare import bare_calls, bare_cost_ns
from regionsim.bench.ceiling import measure_ceiling
from regionsim.bench.load import Load, Tally
from regionsim.bench.operations import OPERATIONS
from regionsim.bench.report import bar, lines, write_json
from regionsim.bench.run import ROUNDS, run_bench
from regionsim.bench.settings import BenchSettings
from regionsim.names.mistakes import ConfigError
from regionsim.region.region import Region
from regionsim.runtime.entropy import OsEntropy
from regionsim.runtime.loop import run_real_time
from regionsim.runtime.tasks import Scope, now_ns
from regionsim.simulation.ground import live_ground
from regionsim.simulation.simulation import Simulation
from regionsim.simulation.world import World
from regionsim.store.errors import StoreError
from tests.simulation.one_region import HERE, HOME, OneRegion, directory_of_two_accounts, one_region

MEASURED = tuple(
    name for name in OPERATIONS if name.partition(":")[2] in ("", "RSA_2048", "ECC_NIST_P384", "ML_DSA_44")
)
"""Of the kinds of keys one each, and none that takes long to make."""


@pytest.fixture(scope="module")
def result():
    asked: list[tuple[float, str]] = []
    settings = BenchSettings(regions=("us-east-1", "eu-west-1"), operations=MEASURED, seconds=0.05, concurrency=3)
    measured = run_bench(settings, lambda share, what: asked.append((share, what)))
    assert asked[0] == (0.0, "Encrypt")
    assert asked[-1] == (1.0, "")
    assert [share for share, _ in asked] == sorted(share for share, _ in asked)
    assert len(asked) == ROUNDS * len(MEASURED) + 1
    return measured


def test_every_operation_succeeds_in_every_region(result):
    assert result.refused == 0
    assert [(one.operation, one.region) for one in result.operations] == [
        (name, region) for name in MEASURED for region in ("us-east-1", "eu-west-1")
    ]
    for one in result.operations:
        # A round here is ten milliseconds: on a busy machine a Region's callers may miss one.
        assert one.calls > 0
        assert 0 <= one.per_second.min <= one.per_second.median <= one.per_second.max
        assert 0 < one.p50_us <= one.p99_us


def test_the_totals_are_those_of_the_operations(result):
    for total in result.totals:
        assert total.calls == sum(one.calls for one in result.operations if one.region == total.region)
        assert total.per_second > 0


def test_a_call_costs_more_than_its_cryptography_alone(result):
    assert result.kept_us.median < result.plain_us.median
    for cost in result.costs:
        if OPERATIONS[cost.operation].encryptions:
            assert 0 < cost.of_kept.max < cost.of_plain.max < 1
        else:
            assert cost.of_plain is cost.of_kept is None


def test_cryptography_with_other_keys_has_a_ceiling_of_its_own(result):
    for cost in result.costs:
        assert (cost.bare_us is None) is (OPERATIONS[cost.operation].own_key is None)
        if cost.bare_us is not None:
            # Of a round of ten milliseconds RSA fills a part with one call: on a busy machine either may come out dearer.
            assert 0 < cost.bare_us.min <= cost.bare_us.median
            assert cost.of_bare.min < 1
            assert cost.of_bare.median < 1.5


def test_every_operation_with_another_key_can_be_measured_alone():
    quick = [one for name, one in OPERATIONS.items() if not name.endswith(("RSA_3072", "RSA_4096"))]
    calls = bare_calls(quick, OsEntropy().stream("test"))
    assert calls.keys() == {one.name for one in quick if one.own_key is not None}
    signed = len(calls["Sign"]())
    assert 68 <= signed <= 72
    assert calls["Verify"]() is True
    assert calls["VerifyMac:HMAC_384"]() is True
    assert len(calls["GenerateMac:HMAC_384"]()) == 48
    assert len(calls["Decrypt:RSA_2048"]()) == 32
    assert len(calls["DeriveSharedSecret:ECC_NIST_P521"]()) == 66
    assert len(calls["Decapsulate"]()) == 32
    assert bare_cost_ns(calls["Sign"], 0) > 0


def test_the_text_names_what_was_measured(result):
    text = "\n".join(lines(result))
    assert all(one.operation in text and one.region in text for one in result.operations)
    assert "refused" not in text
    assert "on the disk" not in text
    durable = replace(result, settings=replace(result.settings, is_durable=True), load_before=None)
    assert "on the disk" in next(iter(lines(durable)))


def test_refusals_are_told(result):
    refused = replace(result.operations[0], refused=7, first_refusal="NotFoundException: gone")
    told = list(lines(replace(result, operations=(refused,))))[-1]
    assert "7 of" in told
    assert "NotFoundException: gone" in told


def test_json_that_cannot_be_written_is_told(result, tmp_path):
    with pytest.raises(ConfigError, match="cannot be written"):
        write_json(result, str(tmp_path / "none" / "there.json"))


def test_the_bar_takes_the_place_of_the_one_before():
    assert bar(0.5, "Encrypt").startswith("\r[############............]  50% Encrypt")


def test_both_ceilings_are_measured():
    ceiling = measure_ceiling(OsEntropy().stream("test"), 50)
    assert ceiling.plain_ns > 0
    assert ceiling.kept_ns > 0


# ------------------------------------------------------------------------------------------------------------- the load


def with_load(
    folder: Path, use: Callable[[Load, Region], Awaitable[None]], *, by: str = "alice", is_durable: bool = False
) -> None:
    async def main() -> None:
        directory = directory_of_two_accounts()
        world = World(
            regions=(HERE,), directory=directory, start_at_ns=0, hsm_profile="host", has_quotas=False, hsm_per_region=1
        )
        simulation = Simulation(world, live_ground(folder))
        scope = Scope("test")
        await simulation.start()
        try:
            region = simulation.regions[HERE]
            stream = simulation.entropy.stream("test")
            load = Load(region, directory.principal(HOME, by), stream, scope, is_durable=is_durable)
            await use(load, region)
        finally:
            scope.fence()
            await scope.closed()
            await simulation.stop()
            simulation.close_hsms()

    run_real_time(main())


@pytest.mark.parametrize("is_durable", [True, False])
def test_a_durable_answer_waits_for_its_record(tmp_path, is_durable):
    async def use(load: Load, region: Region) -> None:
        await load.prepare()
        await region.flush_audit()
        tally = Tally()
        for caller in load.begin(OPERATIONS["Encrypt"], 5, now_ns() + 5_000_000, tally):
            await caller
        assert tally.calls >= 5
        assert (region.unaudited_count == 0) is is_durable, "the batch of those who do not wait takes 50 ms"

    with_load(tmp_path, use, is_durable=is_durable)


def test_refused_calls_are_counted(tmp_path):
    async def use(load: Load, region: Region) -> None:
        tally = Tally()
        for caller in load.begin(OPERATIONS["GenerateRandom"], 2, now_ns() + 1_000_000, tally):
            await caller
        assert tally.calls == tally.refused == region.counts.denied
        assert tally.first_refusal.startswith("AccessDeniedException: ")

    with_load(tmp_path, use, by="bob")


@one_region()
async def test_who_waits_for_a_disk_that_fails_is_told(kms: OneRegion) -> None:
    scope = Scope("test")
    load = Load(kms.region, kms.principal("alice"), OsEntropy().stream("test"), scope, is_durable=True)
    await load.prepare()
    await kms.region.flush_audit()
    kms.break_disk()
    await kms.call("alice", "GenerateRandom", NumberOfBytes=8)
    with pytest.raises(StoreError):
        await load._kept()
    kms.mend_disk()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("words", [[], ["--durable"]])
def test_an_interrupted_run_says_so_and_nothing_else(words):
    command = [sys.executable, "-m", "regionsim", "bench", "--seconds", "60", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    # Python ends by the signal itself when it came within an exec, as each dataclass is made by; shells call both 130.
    assert process.returncode in (130, -signal.SIGINT)
    assert (out, err) == ("", "interrupted\n")


# ------------------------------------------------------------------------------------------------------ the command line


def test_the_command_prints_json_alone(capsys):
    words = ["bench", "--seconds", "0.05", "--ops", "DescribeKey", "--concurrency", "2", "--durable", "--json", "-"]
    assert cli.main(words) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [one["operation"] for one in found["operations"]] == ["DescribeKey"]
    assert found["settings"]["is_durable"] is True
    assert "calls/s" in err
    assert "\r" not in err, "a bar is for terminals"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--regions", "us-eastt-1"], "did you mean 'us-east-1'"),
        (["--ops", "encrypt"], "did you mean 'Encrypt'"),
        (["--seconds", "long"], "seconds"),
        (["--concurency", "2"], "did you mean '--concurrency'"),
    ],
)
def test_bad_usage_ends_with_2_and_names_what_was_meant(words, told, capsys):
    assert cli.main(["bench", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
