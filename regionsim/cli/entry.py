"""Words to functions, mistakes to exit status 2, bugs to one page that can be sent in.

Exit status: 0 all held, 1 something did not hold, 2 the input or the usage is wrong, 130 interrupted. Data goes to
stdout, progress and messages to stderr.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from regionsim import __version__
from regionsim.cli.bench import BENCH
from regionsim.cli.explain import EXPLAIN
from regionsim.cli.files import CHECK, DIFF, SCENARIOS, SCHEMA
from regionsim.cli.parser import DID_NOT_HOLD, INTERRUPTED, OK, WRONG_INPUT, Command, parser_of
from regionsim.cli.play import REPLAY, RUN
from regionsim.cli.serve import SERVE
from regionsim.cli.streams import open_streams
from regionsim.cli.telling import style, tell, tell_bug, tell_mistake
from regionsim.cli.tui import TUI
from regionsim.names.mistakes import ConfigError, RegionsimError, advice
from regionsim.runtime.garbage import searched_seldom

_LATER = ("fuzz", "shrink", "sweep")
"""Commands of the interface that this version does not have."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say; the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        out, err = open_streams()
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
            return _guarded(words)
    except ConfigError as mistake:
        print(mistake, file=sys.stderr or sys.stdout)  # neither: nobody is there to be told
        return WRONG_INPUT


def _guarded(words: list[str]) -> int:
    try:
        try:
            return _do(words)
        finally:
            sys.stdout.flush()
    except RegionsimError as error:
        tell_mistake(error)
        return WRONG_INPUT
    except KeyboardInterrupt:
        tell("interrupted", "31")
        return INTERRUPTED
    except Exception as bug:  # noqa: BLE001 - one of the product's two edges: a person gets words, not a traceback
        tell_bug(bug, words)
        return DID_NOT_HOLD


def _do(words: list[str]) -> int:
    _refuse_foreign_tui()
    if not words or words[0] in {"-h", "--help", "help"}:
        print(help_text(), file=sys.stdout if words else sys.stderr)
        return OK if words else WRONG_INPUT
    if words[0] in {"-V", "--version"}:
        print(f"regionsim {__version__}")
        return OK
    command = _command(words[0])
    arguments = parser_of(command).parse_args(words[1:])
    if arguments.color == "always" or (arguments.color == "auto" and "NO_COLOR" not in os.environ):
        style.uses_color = arguments.color == "always" or sys.stderr.isatty()
    style.is_quiet = arguments.quiet
    with searched_seldom():  # also while the command's modules are loaded
        return command.do(arguments)


def _command(word: str) -> Command:
    if word in COMMANDS:
        return COMMANDS[word]
    if word in _LATER:
        raise ConfigError(f"the command '{word}' is not in this version; it has: {', '.join(COMMANDS)}")
    if word.startswith("-"):
        raise ConfigError(f"there is no option '{word}' before a command; {advice(word, ['--help', '--version'])}")
    raise ConfigError(f"there is no command '{word}'; {advice(word, COMMANDS)}")


_ALL = (RUN, SERVE, REPLAY, BENCH, CHECK, DIFF, EXPLAIN, SCENARIOS, SCHEMA, TUI)
COMMANDS = {command.name: command for command in _ALL}


def help_text() -> str:
    """What `regionsim --help` prints."""
    lines = [
        "usage: regionsim COMMAND ...",
        "",
        "A multi-Region AWS Key Management Service that you can break.",
        "",
        "commands:",
        *(f"  {command.name:<11}{command.about}" for command in COMMANDS.values()),
        "",
        "options:",
        "  -h, --help     this text; after a command, what that command takes",
        "  -V, --version  the version",
        "",
        "example: regionsim run primary-outage",
    ]
    return "\n".join(lines)


def _refuse_foreign_tui() -> None:
    """Stop when the top-level package `tui` that Python finds is not the one that belongs to regionsim."""
    found = PathFinder.find_spec("tui")
    if found is None:
        return
    with contextlib.suppress(OSError):
        if found.origin is not None and "REGIONSIM_TUI" in Path(found.origin).read_text("utf-8", "replace"):
            return
    where = found.origin or ", ".join(found.submodule_search_locations or ())
    raise ConfigError(
        f"another package named 'tui' ({where}) hides regionsim's own; "
        "start regionsim from another folder, or install it in an environment of its own"
    )
