"""`python -m tests.bench.http`: what the live endpoint carries, beside moto (where it is installed) in the same run.

Both get the same signed requests from one load generator in a process of its own: 64 connections, closed loop. Rounds
take turns; prints requests per second, the server's processor time for one, the 99th percentile, and the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import importlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "us-east-1"
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")
CLOSES = re.compile(rb"(?i)\r\nconnection: *close")
TICKS = os.sysconf("SC_CLK_TCK")
OPERATIONS = (
    "Encrypt",
    "Decrypt",
    "GenerateDataKey",
    "DescribeKey",
    "CreateKey",
    "Sign RSA_2048",
    "Sign ECC_NIST_P256",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server that is measured."""

    name: str
    url: str
    process: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one round found."""

    per_second: float
    cpu_us: float
    p99_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.http", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="rounds in turn (default: %(default)s)")
    add("--seconds", type=float, default=2.0, help="of one operation in one round (default: %(default)s)")
    add("--connections", type=int, default=64, help="(default: %(default)s)")
    add("--ops", default=",".join(OPERATIONS), help="operations (default: all)")
    add("--load", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.load is not None:
        with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
            print(json.dumps(runner.run(_load(json.loads(asked.load)))))
        return
    with _regionsim() as ours, _moto() as moto:
        servers = [ours, *([moto] if moto is not None else [])]
        print(
            f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.2f} before; {', '.join(s.name for s in servers)}"
        )
        for operation in asked.ops.split(","):
            _measure(operation, servers, asked)


def _measure(operation: str, servers: list[Server], asked: argparse.Namespace) -> None:
    requests = {server.name: _request(server, operation) for server in servers}
    found: dict[str, list[Figures]] = {server.name: [] for server in servers}
    for _ in range(asked.rounds):
        for server in servers:
            load = {"url": server.url, "request": requests[server.name], "connections": asked.connections}
            found[server.name].append(_round(server, {**load, "seconds": asked.seconds}))
    for name, rounds in found.items():
        rate, cpu, p99 = (median(getattr(one, of) for one in rounds) for of in ("per_second", "cpu_us", "p99_ms"))
        print(f"{operation:<20}{name:<11}{rate:>9,.0f}/s{cpu:>10,.0f} us CPU{p99:>10.1f} ms p99")
    if len(servers) == 2:
        ours, other = (found[server.name] for server in servers)
        ratios = [one.per_second / two.per_second for one, two in zip(ours, other, strict=True)]
        costs = [two.cpu_us / one.cpu_us for one, two in zip(ours, other, strict=True)]
        print(
            f"{'':<20}{'ratio':<11}{median(ratios):>9.1f} x ({min(ratios):.1f} to {max(ratios):.1f}); "
            f"CPU {median(costs):.1f} x"
        )


def _round(server: Server, load: dict[str, Any]) -> Figures:
    before = _cpu_s(server.process)
    command = [sys.executable, "-m", "tests.bench.http", "--load", json.dumps(load)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    spent_s = _cpu_s(server.process) - before
    return Figures(
        per_second=told["count"] / told["seconds"], cpu_us=1e6 * spent_s / told["count"], p99_ms=told["p99_ms"]
    )


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    return importlib.import_module("uvloop").new_event_loop if find_spec("uvloop") is not None else None


async def _load(said: dict[str, Any]) -> dict[str, Any]:
    """Ask the same again and again on every connection until the time is over.

    It takes as little of the machine as it can, for the server shares the machine with it.
    """
    host, _, port = said["url"].removeprefix("http://").partition(":")
    loop, began = asyncio.get_running_loop(), time.monotonic()
    load = _Load(host, int(port), base64.b64decode(said["request"]), began + said["seconds"])
    for _ in range(said["connections"]):
        await loop.create_connection(lambda: _Caller(load), host, int(port))
    load.open_count = said["connections"]
    await load.is_over
    took = sorted(load.took)
    return {
        "count": len(took),
        "seconds": time.monotonic() - began,
        "p99_ms": 1e3 * took[min(len(took) - 1, len(took) * 99 // 100)],
    }


class _Load:
    """What all connections of one load share."""

    def __init__(self, host: str, port: int, request: bytes, end: float) -> None:
        self.address = (host, port)
        self.request = request
        self.end = end
        self.took: list[float] = []
        self.open_count = 0
        self.is_over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def closed(self) -> None:
        self.open_count -= 1
        if not self.open_count and not self.is_over.done():
            self.is_over.set_result(None)


class _Caller(asyncio.Protocol):
    """One connection: a request, its response, the next request."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._ask()

    def _ask(self) -> None:
        self._began = time.monotonic()
        if self._began >= self._load.end:
            self._transport.close()
            self._load.closed()
        else:
            self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, is_whole, body = self._heard.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not is_whole or length is None or len(body) < int(length[1]):
            return
        assert head.split(b" ", 2)[1] == b"200", head
        self._heard = b""
        self._load.took.append(time.monotonic() - self._began)
        if CLOSES.search(head):  # moto's server keeps none open
            self._transport.close()
            loop = asyncio.get_running_loop()
            self._next = loop.create_task(loop.create_connection(lambda: _Caller(self._load), *self._load.address))
        else:
            self._ask()


def _request(server: Server, operation: str) -> str:
    """The bytes of a signed request, as base64."""
    kms = _client(server)
    name, _, spec = operation.partition(" ")
    made = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY") if spec else kms.create_key()
    key_id = made["KeyMetadata"]["KeyId"]
    bodies: dict[str, Callable[[], dict[str, Any]]] = {
        "Encrypt": lambda: {"KeyId": key_id, "Plaintext": _text(bytes(32))},
        "Decrypt": lambda: {"CiphertextBlob": _text(kms.encrypt(KeyId=key_id, Plaintext=bytes(32))["CiphertextBlob"])},
        "GenerateDataKey": lambda: {"KeyId": key_id, "KeySpec": "AES_256"},
        "DescribeKey": lambda: {"KeyId": key_id},
        "CreateKey": dict,
        "Sign": lambda: {
            "KeyId": key_id,
            "Message": _text(b"message"),
            "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256" if spec.startswith("RSA") else "ECDSA_SHA_256",
        },
    }
    body = json.dumps(bodies[name]()).encode()
    headers = {"X-Amz-Target": f"TrentService.{name}", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest(method="POST", url=f"{server.url}/", headers=headers, data=body)
    SigV4Auth(Credentials("test", "test"), "kms", REGION).add_auth(request)
    host = server.url.removeprefix("http://")
    lines = ["POST / HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items() if name.lower() != "host"]
    return _text("\r\n".join([*lines, "", ""]).encode() + body)


def _client(server: Server) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client("kms", REGION, endpoint_url=server.url, **keys)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _cpu_s(process: int) -> float:
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def _regionsim() -> Iterator[Server]:
    command = [sys.executable, "-m", "regionsim", "serve", "--regions", REGION, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        try:
            yield Server(name="regionsim", url=ready["endpoint"], process=process.pid)
        finally:
            process.terminate()


@contextmanager
def _moto() -> Iterator[Server | None]:
    """moto's own server; None where it is not installed (`pip install 'moto[server,kms]'`)."""
    if find_spec("moto") is None:
        yield None
        return
    port = 45_990
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        server = Server(name="moto", url=f"http://127.0.0.1:{port}", process=process.pid)
        for _ in range(120):
            try:
                _client(server).list_keys()
                break
            except Exception:  # noqa: BLE001 - it is not up yet, whatever that looks like
                time.sleep(0.5)
        try:
            yield server
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
