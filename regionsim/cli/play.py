"""`regionsim run` and `regionsim replay`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from regionsim.cli.parser import DID_NOT_HOLD, INTERRUPTED, OK, Command, duration, new_file, rate_of, seed
from regionsim.cli.progress import Progress
from regionsim.cli.telling import style, tell
from regionsim.names.mistakes import ConfigError

if TYPE_CHECKING:
    from regionsim.scenario.model import Scenario
    from regionsim.scenario.results import RunResult
    from regionsim.scenario.run import RunOptions


def _run(arguments: argparse.Namespace) -> int:
    from regionsim.scenario.library import find_scenario, is_installed
    from regionsim.scenario.load import load_scenario
    from regionsim.scenario.report import first_lines, write_transcript
    from regionsim.scenario.run import RunOptions

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
    )
    path = find_scenario(arguments.scenario)
    if arguments.rewrite and is_installed(path):
        raise ConfigError(f"--rewrite would write into the installed regionsim, beside '{path}'; copy the file first")
    scenario = load_scenario(path)
    for line in first_lines(scenario, scenario.seed if options.seed is None else options.seed):
        print(line, file=data, flush=True)
    result = _played(scenario, options, tells_lines=not arguments.transcript)
    _tell_result(result, options, arguments, data)
    status = _status(result)
    if status == OK and arguments.rewrite:
        print(f"rewritten {write_transcript(result)}", file=data)
    return status


def _played(scenario: Scenario, options: RunOptions, *, tells_lines: bool) -> RunResult:
    """Play with the transcript's lines and a progress bar on stderr, where they are wanted."""
    from regionsim.scenario.run import run_scenario
    from regionsim.scenario.transcript import clock

    progress, end_ns = Progress(), options.until_ns or ends_at_ns(scenario)

    def show(at_ns: int) -> None:
        progress.show(min(1.0, at_ns / end_ns) if end_ns else 0.0, clock(at_ns), f"of {clock(end_ns)}")

    options = replace(
        options,
        on_line=None if style.is_quiet or not tells_lines else lambda line: progress.line(str(line)),
        on_progress=show if sys.stderr.isatty() and not style.is_quiet else None,
    )
    try:
        return run_scenario(scenario, options)
    finally:
        progress.end()


def ends_at_ns(scenario: Scenario) -> int:
    """When a run will end, as far as its file tells."""
    ends = [step.at_ns or 0 for step in scenario.steps]
    ends += [workload.until_ns or 0 for workload in scenario.every_workload]
    return max(ends, default=0) if scenario.until_ns is None else scenario.until_ns


def _tell_result(result: RunResult, options: RunOptions, arguments: argparse.Namespace, data: TextIO) -> None:
    from regionsim.scenario.failure import write_failure
    from regionsim.scenario.report import last_lines, write_json
    from regionsim.scenario.results import Verdict
    from regionsim.scenario.run import versions

    if arguments.transcript:
        print(*result.transcript, sep="\n", file=data)
    for line in last_lines(result, options):
        print(line, file=data)
    if arguments.json is not None:
        write_json(result, arguments.json)
    if arguments.failure is not None and result.verdict is Verdict.FAILED:
        write_failure(arguments.failure, result.path, result, versions())
        print(f"failure   {arguments.failure}: play it again with regionsim replay", file=data)


def _status(result: RunResult) -> int:
    from regionsim.scenario.results import Verdict

    if result.interrupted:
        return INTERRUPTED
    return OK if result.verdict is Verdict.OK else DID_NOT_HOLD


def _replay(arguments: argparse.Namespace) -> int:
    from regionsim.scenario.failure import failed_checker
    from regionsim.scenario.library import find_scenario
    from regionsim.scenario.load import load_scenario
    from regionsim.scenario.report import first_lines
    from regionsim.scenario.run import RunOptions, versions

    scenario = load_scenario(find_scenario(arguments.scenario))
    options = RunOptions(trace=_trace_of(arguments.trace), until_ns=arguments.until)
    data = sys.stderr if "-" in {arguments.json, arguments.trace} else sys.stdout
    for line in first_lines(scenario, scenario.seed):
        print(line, file=data, flush=True)
    here = versions()
    for name, then in scenario.versions.items():
        if here.get(name) != then:
            tell(f"{name} was {then} and is {here.get(name, 'not here')} now: the run may differ", "33")
    result = _played(scenario, options, tells_lines=not arguments.transcript)
    _tell_result(result, options, arguments, data)
    if scenario.failed and not result.interrupted:
        found = failed_checker(result)
        until = "" if arguments.until is None else " by then"
        told = f"the same, {found}" if found == scenario.failed else f"{found or 'nothing'}{until}"
        print(f"replay    failed then: {scenario.failed}; failed now: {told}", file=data)
    return _status(result)


def _trace_of(word: str | None) -> Path | TextIO | None:
    if word is None:
        return None
    return sys.stdout if word == "-" else Path(word)


def _add_run(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("scenario", metavar="SCENARIO", help="a file, or the name of a shipped scenario")
    add("--seed", type=seed, metavar="N", help="the seed of every random draw; wins over the file's")
    add("--rate", type=rate_of, metavar="R", help="virtual seconds per second; without it, as fast as it goes")
    _add_results(parser)
    add("--rewrite", action="store_true", help="when all held, write the transcript beside the scenario")
    add("--connection", choices=("inline", "threaded"), default="inline", help="how Regions reach their files")


def _add_replay(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("scenario", metavar="FILE", help="a failure file, or any scenario")
    add("--until", type=duration, metavar="T", help="stop at this time of the run, like 10m5s")
    _add_results(parser)


def _add_results(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--trace", type=new_file, metavar="FILE", help="write every event to FILE, as JSON lines; - is stdout")
    add("--json", type=new_file, metavar="FILE", help="write the result to FILE as JSON; - is stdout")
    add("--failure", type=new_file, metavar="FILE", help="when something did not hold, write a failure file to FILE")
    add("--transcript", action="store_true", help="print the transcript, in its fixed order")


RUN = Command(
    name="run",
    about="play a scenario in virtual time and say whether all held",
    example="regionsim run primary-outage --seed 7 --json result.json",
    add_arguments=_add_run,
    do=_run,
)

REPLAY = Command(
    name="replay",
    about="play a failure file again: its scenario, with its seed",
    example="regionsim replay failure.yaml --until 10m5s",
    add_arguments=_add_replay,
    do=_replay,
)
