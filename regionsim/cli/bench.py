"""`regionsim bench`."""

from __future__ import annotations

import argparse
import sys

from regionsim.cli.parser import DID_NOT_HOLD, OK, Command, count, new_file, seconds
from regionsim.cli.telling import style

_MOST_US = 1_000.0
"""What a call of the control plane may cost, whatever the number of keys. Source: ours."""


def _bench(arguments: argparse.Namespace) -> int:
    from regionsim.bench.report import lines, write_json
    from regionsim.bench.run import run_bench
    from regionsim.bench.settings import BenchSettings, operations_of, regions_of

    if arguments.keys is not None:
        return _control_plane(arguments)
    settings = BenchSettings(
        regions=regions_of(arguments.regions),
        operations=operations_of(arguments.ops),
        seconds=arguments.seconds,
        concurrency=arguments.concurrency,
        is_durable=arguments.durable,
    )
    result = run_bench(settings, _show)
    for line in lines(result):
        print(line, file=sys.stderr if arguments.json == "-" else sys.stdout)
    if arguments.json is not None:
        write_json(result, arguments.json)
    return DID_NOT_HOLD if result.refused else OK


def _control_plane(arguments: argparse.Namespace) -> int:
    from regionsim.bench.control_plane import run_control_plane
    from regionsim.bench.report import control_lines, write_json

    found = run_control_plane(arguments.keys, _show)
    for line in control_lines(found, _MOST_US):
        print(line, file=sys.stderr if arguments.json == "-" else sys.stdout)
    if arguments.json is not None:
        write_json(found, arguments.json)
    return DID_NOT_HOLD if found.over(_MOST_US) else OK


def _show(share: float, what: str) -> None:
    from regionsim.bench.report import bar

    if not style.is_quiet and sys.stderr.isatty():
        print(bar(share, what), end="" if share < 1 else "\n", file=sys.stderr, flush=True)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--regions", default="1", metavar="N|A,B", help="how many Regions, or which (default: 1)")
    add("--ops", default="Encrypt,Decrypt,GenerateDataKey", metavar="LIST", help="operations (default: %(default)s)")
    add("--seconds", type=seconds, default=3.0, metavar="S", help="how long each operation is measured (default: 3)")
    add("--concurrency", type=count, default=64, metavar="C", help="callers of each Region (default: 64)")
    add("--durable", action="store_true", help="take an answer only when its audit record is on the disk")
    add("--keys", type=count, metavar="N", help="measure the control plane instead, in a Region that has N keys")
    add("--json", type=new_file, metavar="FILE", help="write the result to FILE as JSON; - is stdout")


BENCH = Command(
    name="bench",
    about="measure calls per second on this machine, beside the bare cryptography",
    example="regionsim bench --regions 2 --ops Encrypt,Decrypt --seconds 5",
    add_arguments=_add_bench,
    do=_bench,
)
