"""`bench --keys`: what the control plane costs does not grow with the number of keys."""

from __future__ import annotations

import json

import pytest

from regionsim import cli
from regionsim.bench.control_calls import CALLS
from regionsim.bench.control_plane import run_control_plane
from regionsim.bench.report import control_lines
from regionsim.bench.results import ControlPlane
from regionsim.kms.operations.registry import REGISTRY
from regionsim.kms.planes import DATA_PLANE
from regionsim.names.mistakes import ConfigError

FEW, MANY = 100, 2_500
QUICK = tuple(call for call in CALLS if not call.makes_keys and not call.is_of_two_regions)


@pytest.fixture(scope="module")
def found() -> dict[int, ControlPlane]:
    return {count: run_control_plane(count, calls=QUICK, rounds=3, batch=3) for count in (FEW, MANY)}


def test_no_call_costs_more_with_more_keys(found: dict[int, ControlPlane]) -> None:
    """A look at each of 2,400 more keys takes 0.3 ms at least; the machine may be busy, so the least of three counts."""
    least = {count: {cost.call: cost.cpu_us.min for cost in one.costs} for count, one in found.items()}
    dearer = {call: (few, least[MANY][call]) for call, few in least[FEW].items() if least[MANY][call] > 2 * few + 300}
    assert not dearer


def test_every_operation_of_the_control_plane_is_measured() -> None:
    measured = {call.operation for call in CALLS}
    left_out = {name for name in REGISTRY if "CustomKeyStore" in name} - {"DescribeCustomKeyStores"}
    assert measured == REGISTRY.keys() - DATA_PLANE - left_out - {"ImportKeyMaterial"}


def test_what_is_over_the_bar_is_told(found: dict[int, ControlPlane]) -> None:
    told = list(control_lines(found[FEW], 0.0))
    assert all(line.endswith("  over 0") for line in told[3:])
    assert [line.split()[0] for line in told[3:]] == [call.name for call in QUICK]
    assert len(found[FEW].over(0.0)) == len(QUICK)
    assert told[0].startswith("100 keys: made in ")
    assert json.loads(json.dumps(found[FEW].as_json()))["keys"] == FEW


@pytest.mark.parametrize("count", ["99", "1000001"])
def test_too_few_and_too_many_keys_are_a_mistake(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--keys", count]) == 2
    assert "keys, not" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        run_control_plane(int(count))
