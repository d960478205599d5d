"""`regionsim check`, `scenarios`, `schema`, `diff`: about files, playing none."""

from __future__ import annotations

import argparse

from regionsim.cli.parser import DID_NOT_HOLD, OK, WRONG_INPUT, Command
from regionsim.cli.telling import SHOWN_MISTAKES, tell, tell_mistake


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
            tell_mistake(error)
            status = WRONG_INPUT
        else:
            for warning in scenario.warnings[:SHOWN_MISTAKES]:
                tell(str(warning), "33")
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


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", nargs="+", metavar="SCENARIO", help="a file, or the name of a shipped scenario")


def _add_nothing(parser: argparse.ArgumentParser) -> None:
    pass


def _diff(arguments: argparse.Namespace) -> int:
    from regionsim.scenario.differences import compare, lines

    found = compare(arguments.first, arguments.second)
    for line in lines(found, arguments.first, arguments.second):
        print(line)
    return OK if found.difference is None else DID_NOT_HOLD


def _add_traces(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="TRACE", help="a file that run --trace wrote")
    parser.add_argument("second", metavar="TRACE", help="another one")


DIFF = Command(
    name="diff",
    about="say where two traces begin to differ",
    example="regionsim diff before.trace after.trace",
    add_arguments=_add_traces,
    do=_diff,
)
CHECK = Command(
    name="check",
    about="say whether scenario files are well-formed, without playing them",
    example="regionsim check primary-outage my-scenario.yaml",
    add_arguments=_add_files,
    do=_check,
)
SCENARIOS = Command(
    name="scenarios",
    about="list the shipped scenarios",
    example="regionsim scenarios",
    add_arguments=_add_nothing,
    do=_scenarios,
)
SCHEMA = Command(
    name="schema",
    about="print the JSON Schema of scenario files, for editors",
    example="regionsim schema > scenario.schema.json",
    add_arguments=_add_nothing,
    do=_schema,
)
