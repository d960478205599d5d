"""`regionsim tui` from a shell: in a real terminal, and where there is none."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
import time

import pytest

from regionsim import cli

COMMAND = [sys.executable, "-m", "regionsim", "tui"]


def test_without_a_terminal_it_says_so(capsys):
    assert cli.main(["tui", "quickstart"]) == 2
    assert capsys.readouterr().err == (
        "the terminal app needs a terminal; regionsim run plays a scenario without one\n"
    )


def test_a_scenario_that_is_none_is_told_before_a_screen_is_opened(capsys):
    assert cli.main(["tui", "quickstrat"]) == 2
    assert "did you mean 'quickstart'?" in capsys.readouterr().err


class Terminal:
    """A process in a pseudo-terminal of 80x24."""

    def __init__(self, *words: str, **environment: str) -> None:
        self.master, slave = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", **environment}
        self.process = subprocess.Popen(
            [*COMMAND, *words], stdin=slave, stdout=slave, stderr=slave, env=environment, close_fds=True
        )
        os.close(slave)
        self.output = b""

    def until(self, text: bytes, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while text not in self.output:
            assert time.monotonic() < end, self.output[-2000:]
            self.read(0.1)

    def read(self, seconds: float) -> None:
        ready, _, _ = select.select([self.master], [], [], seconds)
        if ready:
            with contextlib.suppress(OSError):  # the other end is closed
                self.output += os.read(self.master, 65536)

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def ended(self) -> int:
        end = time.monotonic() + 30
        while self.process.poll() is None:
            assert time.monotonic() < end
            self.read(0.1)
        for _ in range(5):
            self.read(0.05)
        os.close(self.master)
        return self.process.returncode


@pytest.mark.parametrize("leave", [b"q", b"\x03\x03"])
def test_in_a_real_terminal_it_plays_leaves_and_tells_the_verdict(leave):
    terminal = Terminal("quickstart", "--rate", "1000")
    try:
        terminal.until(b"verdict ok")
        terminal.press(leave)
        assert terminal.ended() == 0
    finally:
        terminal.process.kill()
    assert b"\x1b[?1049l" in terminal.output, "the terminal is given back"
    told = terminal.output.rpartition(b"\x1b[?1049l")[2].decode()
    assert "verdict   ok: " in told
    assert "again     regionsim run quickstart --seed 1" in told


def test_leaving_in_the_middle_is_no_failure_and_no_color_has_no_colors():
    terminal = Terminal("primary-outage", "--rate", "1", NO_COLOR="1")
    try:
        terminal.until(b"us-east-1")
        terminal.press(b"q")
        assert terminal.ended() == 0
    finally:
        terminal.process.kill()
    assert b"left before the end" in terminal.output
    assert b"\x1b[38;" not in terminal.output
    assert b"Traceback" not in terminal.output
