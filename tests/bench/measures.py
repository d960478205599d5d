"""What one round of `python -m tests.bench` measures. All costs are microseconds of processor time."""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from regionsim.bench.ceiling import measure_ceiling
from regionsim.bench.run import run_bench
from regionsim.bench.settings import BenchSettings
from regionsim.hsm.algorithms.key_pair import Draws
from regionsim.hsm.algorithms.symmetric import AES_KEY_BYTES
from regionsim.hsm.domain import DomainState
from regionsim.hsm.memory import HsmMemory
from regionsim.hsm.replication_keys import ReplicationRegistry
from regionsim.invariants.verdicts import Finding
from regionsim.kms.hsm_jobs import BackingKeyCreated, CreateBackingKey, Encrypt
from regionsim.kms.key_specs import KeySpec
from regionsim.runtime.clock import cpu_ns
from regionsim.runtime.entropy import OsEntropy
from regionsim.runtime.loop import run_virtual
from regionsim.runtime.tasks import sleep
from regionsim.scenario import run as run_module
from regionsim.scenario.load import load_scenario
from regionsim.scenario.run import RunOptions, run_scenario
from regionsim.simulation.simulation import Simulation
from tests.bench.decisions import decision_costs

EVENT_COUNT = 100_000
SLEEP_COUNT = 50_000
JOB_COUNT = 5_000
CEILING_COUNT = 5_000

LOAD = """\
name: Load for the benchmark
regions: [us-east-1]
accounts:
  "111122223333":
    users:
      alice: {policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "kms:*", Resource: "*"}]}]}
workloads:
  reader:
    as: alice
    in: us-east-1
    call: {Decrypt: {CiphertextBlob: $letter, EncryptionContext: {to: bob}}}
    every: exponential(1ms)
    from: 10s
  maker:
    as: alice
    in: us-east-1
    call: {GenerateDataKey: {KeyId: $key, KeySpec: AES_256}}
    every: exponential(1ms)
    from: 10s
steps:
  - {as: alice, in: us-east-1, call: {CreateKey: {}}, save: {key: KeyMetadata.KeyId}}
  - as: alice
    in: us-east-1
    call: {Encrypt: {KeyId: $key, Plaintext: Dear Bob, EncryptionContext: {to: bob}}}
    save: {letter: CiphertextBlob}
until: 13s
"""


def one_round() -> dict[str, float]:
    """Name -> cost, of everything once."""
    ceiling = measure_ceiling(OsEntropy().stream("bench"), CEILING_COUNT)
    return {
        "plain": ceiling.plain_ns / 1000,
        "kept": ceiling.kept_ns / 1000,
        "event": run_virtual(_events()),
        "sleep": run_virtual(_sleeps()),
        "call": simulated_call(),
        "bare call": simulated_call(has_invariants=False),
        "64 callers": service_call(64),
        "signatures": signatures_a_second(),
        "openssl signatures": openssl_signatures_a_second(),
        "1 caller": service_call(1),
        "job": hsm_job(),
        **decision_costs(),
    }


async def _events() -> float:
    loop, batch = asyncio.get_running_loop(), 1000
    began_ns = cpu_ns()
    for _ in range(EVENT_COUNT // batch):
        for _ in range(batch):
            loop.call_soon(_nothing)
        await sleep(1)
    return (cpu_ns() - began_ns) / EVENT_COUNT / 1000


async def _sleeps() -> float:
    began_ns = cpu_ns()
    for _ in range(SLEEP_COUNT):
        await sleep(1)
    return (cpu_ns() - began_ns) / SLEEP_COUNT / 1000


def _nothing() -> None:
    pass


def simulated_call(*, has_invariants: bool = True) -> float:
    """A scenario whose workloads make some 6,000 calls; the run's whole cost, by call."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "load.yaml"
        path.write_text(LOAD, encoding="utf-8")
        scenario = load_scenario(path)
    watch = run_module.Watch
    if not has_invariants:
        run_module.Watch = _Unwatched  # type: ignore[assignment,misc]
    try:
        began_ns = cpu_ns()
        result = run_scenario(scenario, RunOptions())
        spent_ns = cpu_ns() - began_ns
    finally:
        run_module.Watch = watch  # type: ignore[misc]
    return spent_ns / sum(region.requests for region in result.regions.values()) / 1000


class _Unwatched:
    """Stands where the invariants stand, and looks at nothing."""

    def __init__(self, simulation: Simulation) -> None:
        self.findings: tuple[Finding, ...] = ()

    async def conclude(self) -> tuple[Finding, ...]:
        return self.findings


def service_call(callers: int) -> float:
    """One Encrypt through the door of a Region in real time, with that many callers."""
    result = run_bench(BenchSettings(operations=("Encrypt",), seconds=0.5, concurrency=callers))
    return result.costs[0].cpu_us.median


def signatures_a_second() -> float:
    """RSA-2048 signatures of one Region in real time, with 64 callers, on all the processors that its HSMs take."""
    result = run_bench(BenchSettings(operations=("Sign:RSA_2048",), seconds=1.0, concurrency=64))
    return result.operations[0].per_second.median


def openssl_signatures_a_second() -> float:
    """The same of `openssl speed`, one process for each processor; not a number where there is no openssl."""
    if shutil.which("openssl") is None:
        return math.nan
    command = ["openssl", "speed", "-multi", str(os.cpu_count() or 1), "-seconds", "1", "rsa2048"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(told.split()[-2])


def hsm_job() -> float:
    """One Encrypt job in the memory of an HSM."""
    stream = OsEntropy().stream("bench")
    memory = HsmMemory(
        DomainState.found("us-east-1", 0, stream), ReplicationRegistry(), Draws(stream=stream, is_seeded=False)
    )
    made = memory.perform(CreateBackingKey(key_id=f"mrk-{'0' * 32}", spec=KeySpec.SYMMETRIC_DEFAULT))
    assert isinstance(made, BackingKeyCreated)
    job = Encrypt(material=made.material, plaintext=bytes(AES_KEY_BYTES), context=bytes(2))
    began_ns = cpu_ns()
    for _ in range(JOB_COUNT):
        memory.perform(job)
    return (cpu_ns() - began_ns) / JOB_COUNT / 1000
