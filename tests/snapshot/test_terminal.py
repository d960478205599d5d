"""The terminal app in a real terminal (a pty): it starts, leaves cleanly, and tells on the normal screen what came of it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios

import pytest

_SGR = re.compile(rb"\x1b\[([0-9;]*)m")
_COLORS = frozenset({*range(31, 37), *range(41, 47), *range(91, 97), *range(101, 107)})
"""Black, white and the greys are none."""

_GREYS = frozenset({0, 7, 8, 15, 16, 231, *range(232, 256)})
_LEFT = b"\x1b[?1049l"


def leave(keys: list[bytes], **environment: str) -> tuple[int, bytes]:
    """Start the app, press `keys` once it is drawn; its exit status and all that it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    app = subprocess.Popen(
        [sys.executable, "-m", "regionsim", "tui", "primary-outage", "--rate", "10"],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "COLORTERM": "", "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment},
    )  # fmt: skip
    os.close(theirs)
    written, waiting = b"", list(keys)
    try:
        while app.poll() is None or select.select([ours], [], [], 0)[0]:
            if select.select([ours], [], [], 0.3)[0]:
                try:
                    written += os.read(ours, 65_536)
                except OSError:  # Linux says so when the other side is closed
                    break
            if waiting and b"us-east-1" in written:
                os.write(ours, waiting.pop(0))
        return app.wait(timeout=20), written
    finally:
        app.kill()
        app.wait()
        os.close(ours)


@pytest.mark.parametrize("keys", [[b"q"], [b"\x03", b"\x03"]], ids=["q", "ctrl+c twice"])
def test_the_app_leaves_the_terminal_as_it_was_and_tells_the_verdict(keys):
    status, written = leave(keys)
    assert status == 0
    normal_screen = written.rpartition(_LEFT)[2]
    assert _LEFT in written
    assert b"\x1b[?25h" in normal_screen  # the cursor is back
    assert b"Traceback" not in written
    assert b"verdict   " in normal_screen
    assert b"again     regionsim run primary-outage --seed 7" in normal_screen


def test_without_color_there_is_none():
    status, written = leave([b"q"], NO_COLOR="1")
    assert status == 0
    assert b"Error" not in written
    assert [code for code in _SGR.findall(written) if is_colored(code)] == []


def is_colored(code: bytes) -> bool:
    """True for an SGR code that sets a color, as 16 colors or one of 256."""
    numbers = [int(number or 0) for number in code.split(b";")]
    while numbers:
        number = numbers.pop(0)
        if number in {38, 48}:
            assert numbers.pop(0) == 5, "without COLORTERM there are 256 colors"
            if numbers.pop(0) not in _GREYS:
                return True
        elif number in _COLORS:
            return True
    return False
