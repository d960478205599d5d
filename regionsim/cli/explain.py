"""`regionsim explain`: why a request is allowed or denied."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from regionsim.cli.parser import OK, WRONG_INPUT, Command, duration, file_name
from regionsim.cli.telling import tell
from regionsim.names.mistakes import ConfigError, advice


def _explain(arguments: argparse.Namespace) -> int:
    if (arguments.cases is None) == (arguments.scenario is None):
        both = "" if arguments.cases is None else ", not both: a case brings its own policies"
        raise ConfigError(f"explain wants a SCENARIO, or --cases FILE{both}; see regionsim explain --help")
    if arguments.cases is not None:
        return _explain_cases(arguments.cases)
    return _explain_scenario(arguments)


def _explain_scenario(arguments: argparse.Namespace) -> int:
    from regionsim.authorization.panel import lines
    from regionsim.scenario.explaining import Asked, explain_in, permission_of
    from regionsim.scenario.library import find_scenario
    from regionsim.scenario.load import load_scenario

    wanted = {
        "--as": arguments.caller,
        "--action": arguments.action,
        "--key": arguments.key,
    }
    missing = [name for name, value in wanted.items() if value is None]
    if missing:
        raise ConfigError(f"explain SCENARIO wants {', '.join(missing)} too; see regionsim explain --help")
    scenario = load_scenario(find_scenario(arguments.scenario))
    pairs = [pair.partition("=") for pair in arguments.encryption_context]
    asked = Asked(
        caller=arguments.caller,
        action=permission_of(arguments.action),
        key=arguments.key,
        region=arguments.region or _region_of(arguments.key, scenario.world.regions),
        at_ns=arguments.at,
        encryption_context={name: text for name, _, text in pairs},
        circumstances=_circumstances(arguments.context),
    )
    for line in lines(explain_in(scenario, asked)):
        print(line)
    return OK


def _region_of(key: str, regions: Sequence[str]) -> str:
    """The Region that is meant where none is named: the only one, or the ARN's. Errors: ConfigError."""
    from regionsim.names.arns import Arn

    arn = Arn.parse(key)
    if arn is not None:
        return arn.region
    if len(regions) > 1:
        raise ConfigError(f"explain SCENARIO wants --region too, where there are several: {', '.join(regions)}")
    return regions[0]


def _explain_cases(name: str) -> int:
    """Answer each line of the file; 2 when one of them was no case."""
    from regionsim.authorization.cases import answer_line, malformed

    mistakes = 0
    for number, line in enumerate(_lines_of(name), 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            answer = malformed(f"not UTF-8: {error.reason} at byte {error.start}")
        else:
            if not text.strip():
                continue
            answer = answer_line(text)
        if "error" in answer:
            mistakes += 1
            where = f"{'<stdin>' if name == '-' else name}:{number}:1"
            tell(f"{where}: {answer['error']['message']}", "31")
        print(json.dumps(answer))
    return WRONG_INPUT if mistakes else OK


def _lines_of(name: str) -> Iterator[bytes]:
    if name == "-":
        yield from sys.stdin.buffer
        return
    try:
        with Path(name).open("rb") as file:
            yield from file
    except OSError as error:
        raise ConfigError(f"'{name}' cannot be read: {error.strerror}") from None


def _add_explain(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("scenario", nargs="?", metavar="SCENARIO", help="a file, or the name of a shipped scenario, for its world")
    add("--as", dest="caller", metavar="PRINCIPAL", help="who asks, as scenarios write it")
    add("--action", metavar="ACTION", help="the permission, as kms:Decrypt is")
    add("--key", metavar="KEY", help="the key: an id, an ARN, an alias, or a name that the scenario saves")
    add("--region", metavar="R", help="the Region that decides; by default the only one, or that of the key's ARN")
    add("--at", type=duration, metavar="T", help="when, as 2h; by default at the end")
    add(
        "--encryption-context",
        action="append",
        default=[],
        type=_pair,
        metavar="NAME=VALUE",
        help="a pair of the call's encryption context; may be given several times",
    )
    add(
        "--context",
        action="append",
        default=[],
        type=_pair,
        metavar="KEY=VALUE",
        help="a condition value that comes with the call, as kms:ViaService; may be given several times",
    )
    add(
        "--cases",
        type=file_name,
        metavar="FILE",
        help="decide each line of FILE (one JSON object a line; - is stdin), and print a line for each",
    )


def _circumstances(words: list[str]) -> dict[str, Any]:
    """The condition values of `--context`. Errors: ConfigError."""
    from regionsim.authorization.circumstances import BROUGHT
    from regionsim.authorization.condition_keys import is_multi_valued

    given: dict[str, Any] = {}
    for name, _, text in (word.partition("=") for word in words):
        key = name.lower()
        if key not in BROUGHT:
            raise ConfigError(
                f"no call brings the condition value '{name}'; {advice(name, BROUGHT.values(), shown=20)}"
            )
        given[key] = (*given.get(key, ()), text) if is_multi_valued(key) else text
    return given


def _pair(word: str) -> str:
    if "=" not in word.strip("="):
        raise argparse.ArgumentTypeError(f"a pair is NAME=VALUE, not '{word}'")
    return word


EXPLAIN = Command(
    name="explain",
    about="say why a request is allowed or denied, and what would change that",
    example="regionsim explain policy-denials --as mallory --action kms:Decrypt --key open --region us-east-1",
    add_arguments=_add_explain,
    do=_explain,
)
