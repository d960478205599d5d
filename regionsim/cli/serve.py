"""`regionsim serve`."""

from __future__ import annotations

import argparse
from pathlib import Path

from regionsim.cli.parser import INTERRUPTED, OK, Command, count, duration, file_name
from regionsim.cli.telling import tell
from regionsim.names.mistakes import ConfigError


def _serve(arguments: argparse.Namespace) -> int:
    try:
        from regionsim.endpoint.serve import serve
    except ImportError as missing:
        raise ConfigError(f"serve needs the package '{missing.name}'; pip install 'regionsim[serve]'") from None
    from regionsim.endpoint.settings import ServeSettings, pem_text
    from regionsim.scenario.library import find_scenario
    from regionsim.scenario.load import load_scenario

    settings = ServeSettings(
        scenario=None if arguments.scenario is None else load_scenario(find_scenario(arguments.scenario)),
        plays=arguments.play,
        regions=None if arguments.regions is None else tuple(arguments.regions.split(",")),
        accounts=None if arguments.accounts is None else Path(arguments.accounts),
        account=arguments.account,
        access_keys=tuple(arguments.access_key),
        host=arguments.host,
        port=arguments.port,
        data=None if arguments.data is None else Path(arguments.data),
        seal_key=None if arguments.seal_key is None else Path(arguments.seal_key),
        has_quotas=arguments.quotas,
        strict_principals=arguments.strict_principals,
        profile=arguments.profile,
        audit_keep_ns=arguments.audit_keep,
        processes=arguments.processes,
        xks_proxies=tuple(arguments.xks_proxy),
        attestation_roots=tuple(map(pem_text, arguments.attestation_root)),
    )
    is_interrupted = serve(settings, lambda line: print(line, flush=True), lambda line: tell(line, "33"))
    return INTERRUPTED if is_interrupted else OK


def _add_serve(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("scenario", nargs="?", metavar="SCENARIO", help="the world of a scenario: a file, or a shipped name")
    add("--play", action="store_true", help="play the scenario's timeline, too")
    add("--regions", metavar="A,B", help="which Regions (default: us-east-1,eu-west-1,ap-southeast-2)")
    add("--accounts", type=file_name, metavar="FILE", help="accounts, users, roles and access_keys")
    add("--account", metavar="ID", help="the id of the only account (default: 000000000000)")
    add("--access-key", action="append", default=[], metavar="ID:SECRET[@ACCOUNT]", help="a key of an administrator")
    add("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    add("--port", type=count, default=4599, help="the port of all Regions; 0 takes a free one (default: 4599)")
    add("--data", type=file_name, metavar="DIR", help="keep the Regions' stores here (default: a temporary folder)")
    add("--seal-key", type=file_name, metavar="FILE", help="seals the domain keys (default: one made beside the data)")
    add("--processes", type=count, default=1, metavar="N", help="put the Regions into so many processes (default: 1)")
    add("--quotas", action="store_true", help="request quotas as AWS has them")
    add("--strict-principals", action="store_true", help="principals of policies and grants must exist")
    add("--profile", metavar="P", help="how long HSM jobs take: host (the machine's time) or aws-like (default: host)")
    add("--xks-proxy", action="append", default=[], metavar="ENDPOINT=URL", help="where an XKS proxy is reached")
    add("--attestation-root", action="append", default=[], metavar="FILE", help="whose enclaves are believed (PEM)")
    add("--audit-keep", type=duration, default="1h", metavar="D", help="how long records are kept (default: 1h)")


SERVE = Command(
    name="serve",
    about="serve the Regions to AWS's own clients, in real time",
    example="regionsim serve --regions us-east-1,eu-west-1 --port 4599",
    add_arguments=_add_serve,
    do=_serve,
)
