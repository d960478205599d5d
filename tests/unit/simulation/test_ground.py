"""What a world stands on: in real time no seed gets in, and domain keys outlive the process."""

from __future__ import annotations

import dataclasses
import inspect
import stat
from pathlib import Path

import pytest

from regionsim.names.mistakes import ConfigError
from regionsim.runtime.clock import WallClock
from regionsim.runtime.entropy import OsEntropy, SeededEntropy
from regionsim.runtime.loop import is_real_time, run_real_time, run_virtual
from regionsim.runtime.trace import Trace
from regionsim.simulation.ground import SEALING_KEY_NAME, DomainVault, Ground, live_ground, virtual_ground
from regionsim.simulation.simulation import Simulation
from regionsim.simulation.world import World
from regionsim.store.connection import open_connections
from regionsim.store.disk import RealDisk, SimulatedDisk
from tests.simulation.many_regions import EU, START_NS, US, directory


def live(folder: Path, *regions: str, sealing_key: Path | None = None) -> None:
    """Start Regions (by default one) in real time and end them in good order."""

    async def main() -> None:
        world = World(regions=regions or (US,), directory=directory(), start_at_ns=0, hsm_profile="host")
        simulation = Simulation(world, live_ground(folder, sealing_key=sealing_key))
        await simulation.start()
        await simulation.stop()
        simulation.close_hsms()

    run_real_time(main())


def test_real_time_stands_on_the_machine(tmp_path: Path) -> None:
    ground = live_ground(tmp_path / "made")
    assert isinstance(ground.entropy, OsEntropy)
    assert isinstance(ground.clock, WallClock)
    assert isinstance(ground.new_disk(US), RealDisk)
    assert ground.is_durable
    assert ground.connection == "threaded"


def test_no_seed_can_get_into_real_time() -> None:
    parameters = inspect.signature(live_ground).parameters
    assert set(parameters) == {"folder", "sealing_key", "clock", "is_durable"}
    assert "Seeded" not in inspect.getsource(live_ground)


def test_seeded_streams_refuse_real_time(tmp_path: Path) -> None:
    async def draw() -> None:
        with pytest.raises(AssertionError, match="predictable"):
            SeededEntropy(7).stream("keys")

    run_real_time(draw())


def test_a_world_on_seeded_ground_cannot_even_be_made_in_real_time(tmp_path: Path) -> None:
    async def main() -> None:
        world = World(regions=(US,), directory=directory(), start_at_ns=0)
        with pytest.raises(AssertionError, match="predictable"):
            ground = virtual_ground(seed=7, start_at_ns=START_NS, folder=tmp_path, trace=Trace(lambda: 0))
            Simulation(world, ground)

    run_real_time(main())


def test_streams_made_in_virtual_time_do_not_come_along() -> None:
    """An entropy that has drawn before refuses all the same: its known streams too."""
    seeded = SeededEntropy(7)

    async def virtual() -> None:
        seeded.stream("keys")

    async def real() -> None:
        with pytest.raises(AssertionError, match="predictable"):
            seeded.stream("keys")

    run_virtual(virtual())
    run_real_time(real())
    assert not is_real_time()


def test_virtual_time_stands_on_the_seed(tmp_path: Path) -> None:
    async def main() -> Ground:
        return virtual_ground(seed=7, start_at_ns=START_NS, folder=tmp_path)

    ground = run_virtual(main())
    assert isinstance(ground.entropy, SeededEntropy)
    assert isinstance(ground.new_disk(US), SimulatedDisk)
    assert not ground.is_durable
    assert ground.vault is None
    assert "disk" not in repr(ground)
    assert dataclasses.replace(ground, connection="threaded").connection == "threaded"


def test_a_second_start_on_the_same_folder_works(tmp_path: Path) -> None:
    live(tmp_path)
    live(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {f"{US}.sqlite", f"{US}.domain", SEALING_KEY_NAME}
    for name in (f"{US}.domain", SEALING_KEY_NAME):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_sealing_key_may_live_elsewhere(tmp_path: Path) -> None:
    key = tmp_path / "elsewhere.key"
    live(tmp_path / "data", sealing_key=key)
    assert key.exists()
    assert not (tmp_path / "data" / SEALING_KEY_NAME).exists()
    with pytest.raises(ConfigError):
        live(tmp_path / "data")  # a sealing key made anew opens no token


def test_data_without_its_domain_token_is_refused(tmp_path: Path) -> None:
    live(tmp_path)
    (tmp_path / f"{US}.domain").unlink()
    with pytest.raises(ConfigError, match=f"{US}.domain is missing"):
        live(tmp_path)


def test_a_start_that_fails_at_the_second_region_leaves_the_first_closed(tmp_path: Path) -> None:
    live(tmp_path, US, EU)
    (tmp_path / f"{EU}.domain").unlink()
    with pytest.raises(ConfigError, match=f"{EU}.domain is missing"):
        live(tmp_path, US, EU)
    assert not open_connections()


@pytest.mark.parametrize("name", [f"{US}.domain", SEALING_KEY_NAME])
def test_a_damaged_token_or_sealing_key_is_refused(tmp_path: Path, name: str) -> None:
    live(tmp_path)
    damaged = tmp_path / name
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    with pytest.raises(ConfigError):
        live(tmp_path)


def test_a_vault_tells_whether_its_key_is_new_and_shows_none(tmp_path: Path) -> None:
    first = DomainVault(tmp_path, entropy=OsEntropy())
    second = DomainVault(tmp_path, entropy=OsEntropy())
    assert first.is_key_new
    assert not second.is_key_new
    assert repr(second) == f"<DomainVault {tmp_path}>"
    assert second.load(US) is None
