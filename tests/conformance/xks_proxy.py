"""A small external key store proxy, for tests: AWS's XKS proxy API over HTTP, keys in memory, signatures verified."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

METADATA = b"of the proxy"


@dataclass
class Proxy:
    """What the proxy has, how it behaves, and what it was asked."""

    access_key_id: str
    secret: str
    path: str = "/kms/xks/v1"
    keys: dict[str, bytes] = field(default_factory=lambda: {"key-1": os.urandom(32)})
    disabled: set[str] = field(default_factory=set)
    health: str = "ACTIVE"
    delay_s: float = 0.0
    nonsense: bytes | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        if not self._is_signed(path, headers, body):
            return 401, {"errorName": "AuthenticationFailedException"}
        said = json.loads(body)
        self.asked.append({"path": path, **said})
        if path == f"{self.path}/health":
            manager = {"id": "one", "model": "m", "healthStatus": self.health}
            return 200, {"xksProxyFleetSize": 1, "xksProxyVendor": "v", "ekmVendor": "v", "ekmFleetDetails": [manager]}
        _, key_id, what = path.removeprefix(self.path).strip("/").split("/")
        if key_id not in self.keys:
            return 404, {"errorName": "KeyNotFoundException"}
        if what == "metadata":
            status = "DISABLED" if key_id in self.disabled else "ENABLED"
            return 200, {"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": status}
        return self._cipher(self.keys[key_id], what, said)

    def _cipher(self, key: bytes, what: str, said: dict[str, Any]) -> tuple[int, Any]:
        aead, associated = AESGCM(key), base64.b64decode(said["additionalAuthenticatedData"]) + METADATA
        if what == "encrypt":
            iv = os.urandom(12)
            sealed = aead.encrypt(iv, base64.b64decode(said["plaintext"]), associated)
            told = {
                "ciphertext": sealed[:-16],
                "authenticationTag": sealed[-16:],
                "initializationVector": iv,
                "ciphertextMetadata": METADATA,
            }
            return 200, {name: base64.b64encode(value).decode() for name, value in told.items()}
        if base64.b64decode(said["ciphertextMetadata"]) != METADATA:
            return 400, {"errorName": "InvalidCiphertextException"}
        sealed = base64.b64decode(said["ciphertext"]) + base64.b64decode(said["authenticationTag"])
        try:
            opened = aead.decrypt(base64.b64decode(said["initializationVector"]), sealed, associated)
        except InvalidTag:
            return 400, {"errorName": "InvalidCiphertextException"}
        return 200, {"plaintext": base64.b64encode(opened).decode()}

    def _is_signed(self, path: str, headers: dict[str, str], body: bytes) -> bool:
        parts = dict(part.split("=", 1) for part in headers["authorization"].split(" ", 1)[1].split(", "))
        access_key_id, *scope = parts["Credential"].split("/")
        names = parts["SignedHeaders"].split(";")
        lines = "".join(f"{name}:{headers[name]}\n" for name in names)
        digest = hashlib.sha256(body).hexdigest()
        canonical = f"POST\n{path}\n\n{lines}\n{parts['SignedHeaders']}\n{digest}".encode()
        to_sign = (
            f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{'/'.join(scope)}\n{hashlib.sha256(canonical).hexdigest()}"
        )
        key = f"AWS4{self.secret}".encode()
        for part in scope:
            key = hmac.digest(key, part.encode(), "sha256")
        is_recent = abs(time.time() - _seconds(headers["x-amz-date"])) < 300
        is_ours = access_key_id == self.access_key_id and scope[2] == "kms-xks-proxy"
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        return is_recent and is_ours and hmac.compare_digest(signature, parts["Signature"])


def _seconds(amz_date: str) -> float:
    import calendar

    return calendar.timegm(time.strptime(amz_date, "%Y%m%dT%H%M%SZ"))


@contextmanager
def running(proxy: Proxy, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """Serve the proxy on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, told = proxy.answer(self.path, headers, body)
            time.sleep(proxy.delay_s)
            encoded = json.dumps(told).encode() if proxy.nonsense is None else proxy.nonsense
            try:
                self.send_response(status)
                self.send_header("content-length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)
            except OSError:
                pass  # whoever asked has stopped waiting

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    proxy.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
