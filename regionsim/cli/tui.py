"""`regionsim tui`."""

from __future__ import annotations

import argparse
import math
import os
import sys

from regionsim.cli.parser import DID_NOT_HOLD, OK, Command, rate_of, seed
from regionsim.cli.play import ends_at_ns
from regionsim.cli.telling import tell
from regionsim.names.mistakes import ConfigError, advice

FIRST_SCENARIO = "primary-outage"
_ABOUT_SECONDS = 90


def _tui(arguments: argparse.Namespace) -> int:
    from regionsim.scenario.library import find_scenario
    from regionsim.scenario.load import load_scenario
    from regionsim.scenario.results import Verdict

    scenario = load_scenario(find_scenario(arguments.scenario))
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("the terminal app needs a terminal; regionsim run plays a scenario without one")
    from tui.app import THEMES, RegionsimApp, summary  # only where there is a terminal: Textual takes its time
    from tui.bridge import Bridge
    from tui.view import ASCII, UNICODE

    theme = arguments.theme or ("ansi-dark" if "NO_COLOR" in os.environ else None)
    if theme is not None and theme not in THEMES:
        raise ConfigError(f"there is no theme '{theme}'; {advice(theme, THEMES)}")
    is_ascii = arguments.glyphs == "ascii" or (arguments.glyphs is None and not _takes_unicode())
    end_ns = ends_at_ns(scenario)
    bridge = Bridge(scenario, seed=arguments.seed, rate=arguments.rate or first_speed(end_ns), end_ns=end_ns)
    app = RegionsimApp(bridge, glyphs=ASCII if is_ascii else UNICODE, theme=theme)
    app.run()
    if bridge.error is not None:
        raise bridge.error
    if app.return_code:  # Textual has told what happened to the screen
        tell("the terminal app stopped by a bug; please send this in", "31")
        return DID_NOT_HOLD
    for line in summary(bridge):
        print(line)
    result = bridge.result
    if result is None or result.interrupted:
        tell("left before the end: the verdict is of what was played")
        return OK
    return OK if result.verdict is Verdict.OK else DID_NOT_HOLD


def first_speed(end_ns: int) -> float:
    """The first speed of the table at which the whole run takes about a minute."""
    from tui.actions import SPEEDS

    return next(
        (speed for speed in SPEEDS if 1 <= speed < math.inf and end_ns / 1e9 / speed <= _ABOUT_SECONDS), SPEEDS[-2]
    )


def _takes_unicode() -> bool:
    """Can the terminal show more than ASCII? A Linux console has no such glyphs."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return encoding == "utf8" and os.environ.get("TERM") != "linux"


def _add_tui(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "scenario",
        nargs="?",
        default=FIRST_SCENARIO,
        metavar="SCENARIO",
        help="a file, or the name of a shipped scenario",
    )
    add(
        "--rate",
        type=rate_of,
        metavar="R",
        help="virtual seconds per second at first; by default all takes a minute or so",
    )
    add("--seed", type=seed, metavar="N", help="the seed of every random draw; wins over the file's")
    add("--theme", metavar="NAME", help="one of Textual's themes")
    add("--glyphs", choices=("unicode", "ascii"), help="the signs; by default what the terminal can show")


TUI = Command(
    name="tui",
    about="watch a scenario in the terminal: Regions, keys, events, denials",
    example="regionsim tui partition-during-rotation --rate 600",
    add_arguments=_add_tui,
    do=_tui,
)
