"""The command line: words to functions, mistakes to exit status 2, bugs to one page that can be sent in.

Exit status: 0 all held, 1 something did not hold, 2 the input or the usage is wrong, 130 interrupted. Data goes to
stdout, progress and messages to stderr. What a command needs is imported when it runs: `--help` costs nearly nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NoReturn, TextIO

from regionsim import __version__
from regionsim.names.mistakes import ConfigError, RegionsimError, advice, nearest

_SHOWN_MISTAKES = 50
OK, DID_NOT_HOLD, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

_LATER = ("diff", "explain", "fuzz", "replay", "serve", "shrink", "sweep", "tui")
"""Commands of the interface that this version does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: its line in the help, an example, its arguments, and what it does (the exit status)."""

    name: str
    about: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    do: Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say; the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        out, err = _open_streams()
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
            return _guarded(words)
    except ConfigError as mistake:
        print(mistake, file=sys.stderr or sys.stdout)  # neither: nobody is there to be told
        return WRONG_INPUT


def _open_streams() -> tuple[_Out, _Err]:
    """Standard output and error. Errors: ConfigError when one was closed before we began."""
    for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
        if stream is None:
            raise ConfigError(f"{name} is closed; to be rid of what goes there, send it to {os.devnull}")
    return _Out(sys.stdout), _Err(sys.stderr)


def _guarded(words: list[str]) -> int:
    try:
        try:
            return _do(words)
        finally:
            sys.stdout.flush()
    except RegionsimError as error:
        _tell_mistake(error)
        return WRONG_INPUT
    except KeyboardInterrupt:
        _tell("interrupted", "31")
        return INTERRUPTED
    except Exception as bug:  # noqa: BLE001 - one of the product's two edges: a person gets words, not a traceback
        _tell_bug(bug, words)
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
        _style.uses_color = arguments.color == "always" or sys.stderr.isatty()
    _style.is_quiet = arguments.quiet
    return command.do(arguments)


def _command(word: str) -> Command:
    if word in COMMANDS:
        return COMMANDS[word]
    if word in _LATER:
        raise ConfigError(f"the command '{word}' is not in this version; it has: {', '.join(COMMANDS)}")
    if word.startswith("-"):
        raise ConfigError(f"there is no option '{word}' before a command; {advice(word, ['--help', '--version'])}")
    raise ConfigError(f"there is no command '{word}'; {advice(word, COMMANDS)}")


# ---------------------------------------------------------------------------------------------------------- commands


def _run(arguments: argparse.Namespace) -> int:
    from regionsim.scenario.library import find_scenario, is_installed
    from regionsim.scenario.load import load_scenario
    from regionsim.scenario.report import first_lines, last_lines, write_json, write_transcript
    from regionsim.scenario.results import Verdict
    from regionsim.scenario.run import RunOptions, run_scenario

    if arguments.rewrite and arguments.seed is not None:
        raise ConfigError("--rewrite writes the transcript of the file's own seed; leave --seed out")
    if arguments.json == "-" and arguments.trace == "-":
        raise ConfigError("--json - and --trace - cannot share stdout; give one of them a file")
    data = sys.stderr if "-" in {arguments.json, arguments.trace} else sys.stdout  # they stand on stdout alone
    options = RunOptions(
        seed=arguments.seed,
        connection=arguments.connection,
        rate=arguments.rate,
        trace=_trace_of(arguments.trace),
        on_line=None if _style.is_quiet or arguments.transcript else lambda line: _tell(str(line)),
    )
    path = find_scenario(arguments.scenario)
    if arguments.rewrite and is_installed(path):
        raise ConfigError(f"--rewrite would write into the installed regionsim, beside '{path}'; copy the file first")
    scenario = load_scenario(path)
    for line in first_lines(scenario, scenario.seed if options.seed is None else options.seed):
        print(line, file=data, flush=True)
    result = run_scenario(scenario, options)
    if arguments.transcript:
        print(*result.transcript, sep="\n", file=data)
    for line in last_lines(result, options):
        print(line, file=data)
    if arguments.json is not None:
        write_json(result, arguments.json)
    if result.interrupted:
        return INTERRUPTED
    if result.verdict is not Verdict.OK:
        return DID_NOT_HOLD
    if arguments.rewrite:
        print(f"rewritten {write_transcript(result)}", file=data)
    return OK


def _trace_of(word: str | None) -> Path | TextIO | None:
    if word is None:
        return None
    return sys.stdout if word == "-" else Path(word)


def _check(arguments: argparse.Namespace) -> int:
    from regionsim.scenario.errors import ScenarioError, escaped
    from regionsim.scenario.library import find_scenario
    from regionsim.scenario.load import load_scenario

    status = OK
    for word in arguments.scenario:
        try:
            path = find_scenario(word)
            scenario = load_scenario(path)
        except ScenarioError as error:
            _tell_mistake(error)
            status = WRONG_INPUT
        else:
            for warning in scenario.warnings[:_SHOWN_MISTAKES]:
                _tell(str(warning), "33")
            print(f"{escaped(str(path))}: well-formed, {len(scenario.steps)} steps")
    return status


def _scenarios(arguments: argparse.Namespace) -> int:
    from regionsim.scenario.library import shipped

    known = shipped()
    width = max((len(scenario.name) for scenario in known), default=0)
    for scenario in known:
        print(f"{scenario.name:{width}}  {scenario.title}")
    return OK


def _schema(arguments: argparse.Namespace) -> int:
    import json

    from regionsim.scenario.schema import scenario_schema

    print(json.dumps(scenario_schema(), indent=2))
    return OK


def _bench(arguments: argparse.Namespace) -> int:
    from regionsim.bench.report import bar, lines, write_json
    from regionsim.bench.run import run_bench
    from regionsim.bench.settings import BenchSettings, operations_of, regions_of

    settings = BenchSettings(
        regions=regions_of(arguments.regions),
        operations=operations_of(arguments.ops),
        seconds=arguments.seconds,
        concurrency=arguments.concurrency,
        is_durable=arguments.durable,
    )
    has_bar = not _style.is_quiet and sys.stderr.isatty()

    def show(share: float, what: str) -> None:
        if has_bar:
            print(bar(share, what), end="" if share < 1 else "\n", file=sys.stderr, flush=True)

    result = run_bench(settings, show)
    for line in lines(result):
        print(line, file=sys.stderr if arguments.json == "-" else sys.stdout)
    if arguments.json is not None:
        write_json(result, arguments.json)
    return DID_NOT_HOLD if result.refused else OK


def _add_run(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("scenario", metavar="SCENARIO", help="a file, or the name of a shipped scenario")
    add("--seed", type=_seed, metavar="N", help="the seed of every random draw; wins over the file's")
    add("--rate", type=_rate, metavar="R", help="virtual seconds per second; without it, as fast as it goes")
    add("--trace", type=_file, metavar="FILE", help="write every event to FILE, as JSON lines; - is stdout")
    add("--json", type=_file, metavar="FILE", help="write the result to FILE as JSON; - is stdout")
    add("--transcript", action="store_true", help="print the transcript, in its fixed order")
    add("--rewrite", action="store_true", help="when all held, write the transcript beside the scenario")
    add("--connection", choices=("inline", "threaded"), default="inline", help="how Regions reach their files")


def _add_bench(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--regions", default="1", metavar="N|A,B", help="how many Regions, or which (default: 1)")
    add("--ops", default="Encrypt,Decrypt,GenerateDataKey", metavar="LIST", help="operations (default: %(default)s)")
    add("--seconds", type=float, default=3.0, metavar="S", help="how long each operation is measured (default: 3)")
    add("--concurrency", type=int, default=64, metavar="C", help="callers of each Region (default: 64)")
    add("--durable", action="store_true", help="take an answer only when its audit record is on the disk")
    add("--json", type=_file, metavar="FILE", help="write the result to FILE as JSON; - is stdout")


def _seed(word: str) -> int:
    from regionsim.scenario.load import LARGEST_SEED

    is_number = word.isascii() and word.isdecimal() and len(word) <= len(str(LARGEST_SEED))
    if not is_number or int(word) > LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"a seed is a whole number from 0 to {LARGEST_SEED}, not {_cut(word)}")
    return int(word)


def _rate(word: str) -> float:
    try:
        rate = float(word)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        what = f"a rate is more than 0 virtual seconds per second, not {_cut(word)}"
        raise argparse.ArgumentTypeError(what + ("; leave it out to play flat out" if rate == math.inf else ""))
    return rate


def _file(word: str) -> str:
    if not word:
        raise argparse.ArgumentTypeError("the name of a file is wanted, this is empty")
    return word


def _cut(word: str) -> str:
    from regionsim.scenario.errors import quoted

    return quoted(word)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", nargs="+", metavar="SCENARIO", help="a file, or the name of a shipped scenario")


def _add_nothing(parser: argparse.ArgumentParser) -> None:
    pass


COMMANDS = {
    command.name: command
    for command in (
        Command(
            name="run",
            about="play a scenario in virtual time and say whether all held",
            example="regionsim run primary-outage --seed 7 --json result.json",
            add_arguments=_add_run,
            do=_run,
        ),
        Command(
            name="bench",
            about="measure calls per second on this machine, beside the bare cryptography",
            example="regionsim bench --regions 2 --ops Encrypt,Decrypt --seconds 5",
            add_arguments=_add_bench,
            do=_bench,
        ),
        Command(
            name="check",
            about="say whether scenario files are well-formed, without playing them",
            example="regionsim check primary-outage my-scenario.yaml",
            add_arguments=_add_files,
            do=_check,
        ),
        Command(
            name="scenarios",
            about="list the shipped scenarios",
            example="regionsim scenarios",
            add_arguments=_add_nothing,
            do=_scenarios,
        ),
        Command(
            name="schema",
            about="print the JSON Schema of scenario files, for editors",
            example="regionsim schema > scenario.schema.json",
            add_arguments=_add_nothing,
            do=_schema,
        ),
    )
}


# -------------------------------------------------------------------------------------------------- help and messages


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


class _Parser(argparse.ArgumentParser):
    """Says a usage mistake as every other mistake is said, with the nearest valid option."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog}: {message}; see {self.prog} --help")

    # Narrower than argparse's overloads: nobody here hands over a namespace of their own.
    def parse_args(self, args: Sequence[str] | None = None, namespace: None = None) -> argparse.Namespace:  # type: ignore[override]
        arguments, unknown = self.parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            meant = nearest(word, self._option_string_actions)
            self.error(f"does not take '{word}'" + (f", did you mean '{meant}'?" if meant else ""))
        return arguments


def parser_of(command: Command) -> argparse.ArgumentParser:
    """The parser of a command's own arguments."""
    parser = _Parser(
        prog=f"regionsim {command.name}",
        description=command.about[0].upper() + command.about[1:] + ".",
        epilog=f"example: {command.example}",
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="colors in messages")
    parser.add_argument("--quiet", action="store_true", help="no progress, only results and mistakes")
    return parser


class _Stream(io.TextIOBase):
    """One of our two outputs. What its encoding lacks is written as an escape; what cannot be written ends up nowhere.

    A failed file object keeps what it could not write and fails again at exit: it gets another file to write it to.
    """

    def __init__(self, under: TextIO) -> None:
        self._under = under

    def write(self, text: str) -> int:
        """Write `text`."""
        try:
            self._under.write(text)
        except UnicodeEncodeError:
            encoding = self._under.encoding
            self.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Write what waits."""
        try:
            self._under.flush()
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Nothing: the file below is not ours to close, and may be closed before this is forgotten (which closes)."""

    def isatty(self) -> bool:
        """True for a terminal."""
        return self._under.isatty()

    def fileno(self) -> int:
        """The file's number."""
        return self._under.fileno()

    def _give_up(self, error: OSError) -> None:
        with contextlib.suppress(OSError):  # a stream of a test has no file below it
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._under.fileno())
            os.close(nowhere)


class _Out(_Stream):
    """Standard output: a reader that has gone does not change what a command comes to, a full disk does."""

    def _give_up(self, error: OSError) -> None:
        super()._give_up(error)
        if not isinstance(error, BrokenPipeError):
            raise ConfigError(f"stdout cannot be written: {error.strerror}") from None


class _Err(_Stream):
    """Standard error: messages that nobody can read are not worth a second mistake."""


class _Style:
    """How messages look; set once, from the arguments."""

    uses_color = False
    is_quiet = False


_style = _Style()


def _tell(text: str, color: str = "") -> None:
    """Print a message."""
    print(f"\x1b[{color}m{text}\x1b[0m" if color and _style.uses_color else text, file=sys.stderr, flush=True)


def _tell_mistake(error: RegionsimError) -> None:
    mistakes = getattr(error, "all", (error,))
    for mistake in mistakes[:_SHOWN_MISTAKES]:
        _tell(str(mistake), "31")
    if len(mistakes) > _SHOWN_MISTAKES:
        from regionsim.scenario.read import MOST_MISTAKES

        behind = " at least: the rest was not read" if len(mistakes) >= MOST_MISTAKES else ""
        _tell(f"... and {len(mistakes) - _SHOWN_MISTAKES} more{behind}", "31")


def _tell_bug(bug: Exception, words: Sequence[str]) -> None:
    frames = traceback.extract_tb(bug.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    _tell(f"this is a bug in regionsim {__version__}: {type(bug).__name__}: {bug}{place}", "31")
    _tell(f"command: regionsim {' '.join(words)}")
    for note in getattr(bug, "__notes__", ()):
        _tell(note)
    if os.environ.get("REGIONSIM_TRACEBACK"):
        traceback.print_exception(bug, file=sys.stderr)
    else:
        _tell("please send this in; REGIONSIM_TRACEBACK=1 shows where it happened")


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
