"""`regionsim tui` where there is no terminal, and how fast it begins; `tests/snapshot/test_terminal.py` has a terminal."""

from __future__ import annotations

import pytest

from regionsim import cli
from regionsim.cli.tui import first_speed


def test_without_a_terminal_it_says_so(capsys):
    assert cli.main(["tui", "quickstart"]) == 2
    assert capsys.readouterr().err == (
        "the terminal app needs a terminal; regionsim run plays a scenario without one\n"
    )


def test_a_scenario_that_is_none_is_told_before_a_screen_is_opened(capsys):
    assert cli.main(["tui", "quickstrat"]) == 2
    assert "did you mean 'quickstart'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "speed"), [(10, 1), (120, 10), (3_600, 60), (366 * 86_400, 1_000_000), (10**9, 1_000_000)]
)
def test_a_run_takes_a_minute_or_so(seconds, speed):
    assert first_speed(seconds * 10**9) == speed
