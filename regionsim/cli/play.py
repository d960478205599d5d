"""`regionsim run`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TextIO

from regionsim.cli.parser import DID_NOT_HOLD, INTERRUPTED, OK, Command, file_name, rate_of, seed
from regionsim.cli.telling import style, tell
from regionsim.names.mistakes import ConfigError


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
        on_line=None if style.is_quiet or arguments.transcript else lambda line: tell(str(line)),
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


def _add_run(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("scenario", metavar="SCENARIO", help="a file, or the name of a shipped scenario")
    add("--seed", type=seed, metavar="N", help="the seed of every random draw; wins over the file's")
    add("--rate", type=rate_of, metavar="R", help="virtual seconds per second; without it, as fast as it goes")
    add("--trace", type=file_name, metavar="FILE", help="write every event to FILE, as JSON lines; - is stdout")
    add("--json", type=file_name, metavar="FILE", help="write the result to FILE as JSON; - is stdout")
    add("--transcript", action="store_true", help="print the transcript, in its fixed order")
    add("--rewrite", action="store_true", help="when all held, write the transcript beside the scenario")
    add("--connection", choices=("inline", "threaded"), default="inline", help="how Regions reach their files")


RUN = Command(
    name="run",
    about="play a scenario in virtual time and say whether all held",
    example="regionsim run primary-outage --seed 7 --json result.json",
    add_arguments=_add_run,
    do=_run,
)
