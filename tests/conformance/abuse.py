"""Requests that nobody should send, byte by byte; and a look at whether they changed anything.

Signatures are botocore's own, so what is well signed here is what AWS would take.
"""

import contextlib
import json
import re
import socket
import sqlite3
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

GOOD, WRONG = ("test", "test"), ("test", "wrong")
UNSTABLE = ("audit_segments", "last_uses", "sqlite_sequence")
"""What is written of a refused call, too (its record), and a little after a good one (when a key was last used)."""


def signed(url, operation, body, *, region="us-east-1", key=GOOD, service="kms", headers=None):
    """The bytes of a signed request; a header that is given as None is left out."""
    wanted = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"TrentService.{operation}",
        **(headers or {}),
    }
    sent = {name: value for name, value in wanted.items() if value is not None}
    asked = AWSRequest(method="POST", url=url, data=body, headers=sent)
    SigV4Auth(Credentials(*key), service, region).add_auth(asked)
    return request(url, body, list(asked.headers.items()))


def request(url, body, headers, *, line=b"POST / HTTP/1.1"):
    """The bytes of a request; Host and Content-Length are added."""
    own = [("Host", urlsplit(url).netloc), ("Content-Length", str(len(body)))]
    head = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in [*own, *headers])
    return line + b"\r\n" + head + b"\r\n" + body


def exchange(url, sent, *, count=1, within_s=10.0):
    """Up to `count` answers to what is sent, as (status, headers, body).

    Fewer where the connection is closed, or where nothing more comes for so long.
    """
    where = urlsplit(url)
    answers = []
    with socket.create_connection((where.hostname, where.port), timeout=within_s) as connection:
        with contextlib.suppress(OSError):  # closed in the middle of what we sent: what it answered may still be there
            connection.sendall(sent)
        with connection.makefile("rb") as reader:
            while len(answers) < count and (answer := _answer(reader)) is not None:
                answers.append(answer)
    return answers


def _answer(reader):
    try:
        line = reader.readline()
    except (ConnectionError, TimeoutError):
        return None
    if not line:
        return None
    found = re.fullmatch(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n", line)
    assert found, f"not HTTP: {line!r}"
    headers = {}
    while (line := reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(found[1]), headers, reader.read(int(headers["content-length"]))


def code_of(answer):
    """Which error an answer is."""
    return json.loads(answer[2])["__type"]


def stored(folder):
    """Every row of every Region's store but its records: two that are equal are the same world."""
    found = {}
    for path in sorted(folder.glob("*.sqlite")):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
            tables = [
                name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
            ]
            for table in tables:
                if table not in UNSTABLE:
                    found[path.name, table] = store.execute(f"SELECT * FROM {table}").fetchall()
    assert found
    return found
