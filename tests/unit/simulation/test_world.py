"""The plan of a world is checked when it is made."""

from __future__ import annotations

from typing import Any

import pytest

from regionsim.names.mistakes import ConfigError
from regionsim.simulation.world import World
from tests.simulation.many_regions import EU, START_NS, US, directory


def world(**changes: Any) -> World:
    return World(**{"regions": (US, EU), "directory": directory(), "start_at_ns": START_NS, **changes})


def test_regions_keep_their_order() -> None:
    assert world(regions=(EU, US)).regions == (EU, US)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regions": ()}, "at least one Region"),
        ({"regions": (US, EU, US)}, "named twice"),
        ({"regions": ("us-east-l",)}, "us-east-l"),
        ({"hsm_per_region": 0}, "at least one HSM"),
    ],
)
def test_a_world_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        world(**changes)


def test_accounts_are_not_shown() -> None:
    assert "alice" not in repr(world())
