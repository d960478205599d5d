"""Real time on a data folder: whatever was acknowledged before the process was killed is there when it starts again."""

from __future__ import annotations

import base64
import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from regionsim.kms.errors import KmsError
from regionsim.kms.key import KeyState
from regionsim.kms.key_identifiers import locate
from regionsim.kms.key_policies import stored_policy
from regionsim.names.mistakes import ConfigError
from regionsim.runtime.loop import run_real_time
from regionsim.runtime.tasks import now_ns, sleep
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation
from tests.simulation.key_stores import ON_CLUSTER, ON_PROXY
from tests.simulation.live_world import POLICY, call, live_simulation
from tests.simulation.many_regions import ACCOUNT, EU, US

ROOT = Path(__file__).parents[2]
ROUNDS = 3
MS = 1_000_000


class Child:
    """A process with Regions in it, and the lines that it has told."""

    def __init__(self, folder: Path, regions: tuple[str, ...]) -> None:
        self.told: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.simulation.live_world", str(folder), *regions],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for_lines(self, count: int) -> None:
        deadline = time.monotonic() + 30
        while len(self.told) < count:
            assert self._process.poll() is None, self._process.communicate()[1]
            assert time.monotonic() < deadline, f"{len(self.told)} lines"
            time.sleep(0.005)

    def kill(self) -> list[dict[str, Any]]:
        """Kill it with SIGKILL; every line that it had told."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()
        return self.told

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith("\n"):
                self.told.append(json.loads(line))


async def check(simulation: Simulation, acknowledged: list[dict[str, Any]]) -> None:
    """Every acknowledged change is there, and every blob decrypts."""
    state = simulation.regions[US].state
    caller = ACCOUNT
    rotated: dict[str, int] = {}
    for line in acknowledged:
        if "ready" in line:
            continue
        key = state.key(line["key"])
        assert key is not None, f"{line} was acknowledged"
        if "alias" in line:
            assert locate(state, caller, line["alias"]) == line["key"]
        if "policy" in line:
            assert key.regional.policy == stored_policy(POLICY % line["policy"])
        if "replica" in line:
            assert line["replica"] in key.shared.replica_regions
        if "rotated" in line:
            rotated[key.key_id] = rotated.get(key.key_id, 0) + 1
        if "blob" in line:
            opened = await call(simulation, US, "Decrypt", CiphertextBlob=base64.b64decode(line["blob"]))
            assert opened["Plaintext"] == line["key"].encode()
    for key_id, count in rotated.items():
        key = state.key(key_id)
        assert key is not None
        assert key.shared.rotation_count + (key.shared.pending_material is not None) >= count


async def converged(simulation: Simulation, acknowledged: list[dict[str, Any]]) -> None:
    """Every acknowledged replica becomes Enabled and opens what the primary sealed."""
    deadline = now_ns() + 20_000 * MS
    while not simulation.is_settled:
        assert now_ns() < deadline, f"{simulation.regions[US].unfinished_count} are outstanding"
        await sleep(10 * MS)
    blobs = {line["key"]: base64.b64decode(line["blob"]) for line in acknowledged if "blob" in line}
    for line in acknowledged:
        if "replica" in line:
            key = simulation.regions[EU].state.key(line["key"])
            assert key is not None
            assert key.state is KeyState.ENABLED
            opened = await call(simulation, EU, "Decrypt", CiphertextBlob=blobs[line["key"]])
            assert opened["Plaintext"] == line["key"].encode()


def reopen_and_check(folder: Path, regions: tuple[str, ...], acknowledged: list[dict[str, Any]]) -> None:
    async def main() -> None:
        simulation = live_simulation(folder, regions)
        await simulation.start()
        try:
            for name in regions:
                assert await simulation.regions[name].store.integrity_check() == ()
            await check(simulation, acknowledged)
            if len(regions) > 1:
                await converged(simulation, acknowledged)
        finally:
            await simulation.stop()
            simulation.close_hsms()

    run_real_time(main())
    for name in regions:
        with sqlite3.connect(f"file:{folder / name}.sqlite?mode=ro", uri=True) as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        file.close()


@pytest.mark.parametrize("regions", [(US,), (US, EU)], ids=["one Region", "a pair"])
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, regions: tuple[str, ...]) -> None:
    moments = random.Random(7)
    acknowledged: list[dict[str, Any]] = []
    for _ in range(ROUNDS):
        child = Child(tmp_path, regions)
        child.wait_for_lines(2)
        time.sleep(moments.uniform(0.02, 0.3))
        told = child.kill()
        assert any("rotated" in line or "policy" in line for line in told), "it was killed in the middle of its work"
        acknowledged += told
        reopen_and_check(tmp_path, regions, acknowledged)
    assert len(acknowledged) > 30


def test_keys_made_after_a_domain_key_rotation_outlive_the_process(tmp_path: Path) -> None:
    """The fleet forgets everything without a stop: what it had wrapped under the new domain key opens all the same."""

    async def first_life() -> bytes:
        simulation = live_simulation(tmp_path, (US,))
        await simulation.start()
        region = simulation.regions[US]
        region.fleet.rotate_domain_key()
        key_id = (await call(simulation, US, "CreateKey"))["KeyMetadata"]["KeyId"]
        blob: bytes = (await call(simulation, US, "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
        await region.crash()
        simulation.close_hsms()
        await simulation.stop()
        return blob

    async def second_life(blob: bytes) -> tuple[bytes, int]:
        simulation = live_simulation(tmp_path, (US,))
        await simulation.start()
        opened: bytes = (await call(simulation, US, "Decrypt", CiphertextBlob=blob))["Plaintext"]
        domain_keys = len(simulation.regions[US].fleet.domain_keys)
        await simulation.stop()
        simulation.close_hsms()
        return opened, domain_keys

    assert run_real_time(second_life(run_real_time(first_life()))) == (b"x", 2)


async def keys_in_stores(simulation: Simulation) -> list[str]:
    """The ids of two new keys, in a CloudHSM store and in an external one."""
    made = []
    for name, backing in (("ours", ON_CLUSTER), ("theirs", ON_PROXY)):
        store = await call(simulation, US, "CreateCustomKeyStore", CustomKeyStoreName=name, **backing)
        await call(simulation, US, "ConnectCustomKeyStore", CustomKeyStoreId=store["CustomKeyStoreId"])
        await simulation.advance(400_000_000_000)
        more = {"Origin": "AWS_CLOUDHSM"} if name == "ours" else {"Origin": "EXTERNAL_KEY_STORE", "XksKeyId": "key-1"}
        key = await call(simulation, US, "CreateKey", CustomKeyStoreId=store["CustomKeyStoreId"], **more)
        made.append(key["KeyMetadata"]["KeyId"])
    return made


def test_keys_in_custom_key_stores_outlive_the_process(tmp_path: Path) -> None:
    """Nothing is stopped in good order; what keeps the keys is kept, sealed, before a key is used."""

    async def first_life() -> tuple[list[bytes], list[bytes]]:
        simulation = live_simulation(tmp_path, (US,))
        await simulation.start()
        keys = await keys_in_stores(simulation)
        made = [await call(simulation, US, "Encrypt", KeyId=key_id, Plaintext=b"order") for key_id in keys]
        secrets = simulation.key_stores[US].secrets_for_scan()
        await simulation.regions[US].crash()
        simulation.close_hsms()
        await simulation.stop()
        return [one["CiphertextBlob"] for one in made], secrets

    async def second_life(blobs: list[bytes]) -> list[bytes]:
        simulation = live_simulation(tmp_path, (US,))
        await simulation.start()
        opened = [(await call(simulation, US, "Decrypt", CiphertextBlob=blob))["Plaintext"] for blob in blobs]
        await simulation.stop()
        simulation.close_hsms()
        return opened

    blobs, secrets = run_real_time(first_life())
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secrets
    assert not [form for secret in secrets for form in (secret, secret.hex().encode()) if form in files]
    assert run_real_time(second_life(blobs)) == [b"order", b"order"]
    kept = tmp_path / f"{US}.keepers"
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    with pytest.raises(ConfigError, match="the keys of us-east-1's custom key stores do not open: it was altered"):
        run_real_time(second_life(blobs))


def test_a_key_that_cannot_be_kept_is_not_made(tmp_path: Path) -> None:
    async def main() -> None:
        simulation = live_simulation(tmp_path, (US,))
        await simulation.start()
        (tmp_path / f"{US}.keepers").mkdir()  # nothing can take its place
        with pytest.raises(KmsError) as refused:
            await keys_in_stores(simulation)
        assert refused.value.code == "DependencyTimeoutException"
        (tmp_path / f"{US}.keepers").rmdir()
        assert simulation.key_stores[US].secrets_for_scan() == []
        await simulation.stop()
        simulation.close_hsms()

    run_real_time(main())


def test_a_domain_that_cannot_be_saved_is_not_rotated(tmp_path: Path) -> None:
    async def main() -> None:
        simulation = live_simulation(tmp_path, (US,))
        await simulation.start()
        fleet = simulation.regions[US].fleet
        before = fleet.domain_keys
        token = tmp_path / f"{US}.domain"
        token.unlink()
        token.mkdir()  # nothing can take its place
        with pytest.raises(ConfigError, match=f"{US}.domain cannot be written"):
            fleet.rotate_domain_key()
        assert fleet.domain_keys == before
        token.rmdir()
        fleet.rotate_domain_key()
        assert len(fleet.domain_keys) == len(before) + 1
        await simulation.stop()
        simulation.close_hsms()

    run_real_time(main())


def test_a_sealing_key_that_was_made_is_told_of_once(tmp_path: Path) -> None:
    async def told() -> list[object]:
        simulation = live_simulation(tmp_path, (US,))
        made: list[Event] = []
        simulation.trace.add_sink(made.append, ("sealing_key_made",))
        await simulation.start()
        await simulation.stop()
        simulation.close_hsms()
        return [event.fields for event in made]

    assert run_real_time(told()) == [{"file": "seal.key"}]
    assert run_real_time(told()) == []


def test_data_without_its_domain_token_does_not_start(tmp_path: Path) -> None:
    child = Child(tmp_path, (US,))
    child.wait_for_lines(5)
    child.kill()
    (tmp_path / f"{US}.domain").unlink()
    with pytest.raises(ConfigError, match=f"{US}.domain is missing"):
        reopen_and_check(tmp_path, (US,), [])


def test_a_file_in_real_time_is_written_through(tmp_path: Path) -> None:
    """synchronous = FULL in WAL mode: each acknowledged commit survives the machine's power failure."""

    async def main() -> None:
        simulation = live_simulation(tmp_path, (US,))
        await simulation.start()
        found = await simulation.regions[US].store._connection.read(
            lambda raw: (
                raw.execute("PRAGMA synchronous").fetchone()[0],
                raw.execute("PRAGMA journal_mode").fetchone()[0],
            )
        )
        await simulation.stop()
        simulation.close_hsms()
        assert found == (2, "wal")

    run_real_time(main())


def test_keys_drawn_in_real_time_differ_every_time(tmp_path: Path) -> None:
    async def first_key(folder: Path) -> tuple[str, list[bytes]]:
        simulation = live_simulation(folder, (US,))
        await simulation.start()
        key_id = (await call(simulation, US, "CreateKey"))["KeyMetadata"]["KeyId"]
        secrets = [bytes(secret) for secret in simulation.regions[US].fleet.secrets_for_scan()]
        await simulation.stop()
        simulation.close_hsms()
        return key_id, secrets

    one, other = (run_real_time(first_key(tmp_path / name)) for name in ("one", "other"))
    assert one[0] != other[0]
    assert set(one[1]).isdisjoint(other[1])
