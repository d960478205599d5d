"""`regionsim explain`: why a request is allowed or denied."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from regionsim.cli.parser import OK, WRONG_INPUT, Command, file_name
from regionsim.cli.telling import tell
from regionsim.names.mistakes import ConfigError


def _explain(arguments: argparse.Namespace) -> int:
    return _explain_cases(arguments.cases)


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
    parser.add_argument(
        "--cases",
        type=file_name,
        metavar="FILE",
        required=True,
        help="decide each line of FILE (one JSON object a line; - is stdin), and print a line for each",
    )


EXPLAIN = Command(
    name="explain",
    about="say why a request is allowed or denied, and what would change that",
    example="regionsim explain --cases cases.jsonl",
    add_arguments=_add_explain,
    do=_explain,
)
