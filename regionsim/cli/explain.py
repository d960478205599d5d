"""`regionsim explain`: why a request is allowed or denied."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from regionsim.cli.parser import OK, WRONG_INPUT, Command, duration, file_name
from regionsim.cli.telling import tell
from regionsim.names.mistakes import ConfigError, advice


def _explain(arguments: argparse.Namespace) -> int:
    if (arguments.cases is None) == (arguments.scenario is None):
        raise ConfigError("explain wants a SCENARIO, or --cases FILE; see regionsim explain --help")
    if arguments.cases is not None:
        return _explain_cases(arguments.cases)
    return _explain_scenario(arguments)


def _explain_scenario(arguments: argparse.Namespace) -> int:
    from regionsim.authorization.panel import lines
    from regionsim.scenario.explaining import Asked, explain_in
    from regionsim.scenario.library import find_scenario
    from regionsim.scenario.load import load_scenario

    wanted = {
        "--as": arguments.caller,
        "--action": arguments.action,
        "--key": arguments.key,
        "--region": arguments.region,
    }
    missing = [name for name, value in wanted.items() if value is None]
    if missing:
        raise ConfigError(f"explain SCENARIO wants {', '.join(missing)} too; see regionsim explain --help")
    action = arguments.action if ":" in arguments.action else f"kms:{arguments.action}"
    pairs = [pair.partition("=") for pair in arguments.encryption_context]
    asked = Asked(
        caller=arguments.caller,
        action=action,
        key=arguments.key,
        region=arguments.region,
        at_ns=arguments.at,
        encryption_context={name: text for name, _, text in pairs},
        circumstances=_circumstances(arguments.context),
    )
    for line in lines(explain_in(load_scenario(find_scenario(arguments.scenario)), asked)):
        print(line)
    return OK


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
    add("--region", metavar="R", help="the Region that decides")
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
