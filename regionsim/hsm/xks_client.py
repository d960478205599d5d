"""The HTTP client of external key store proxies: AWS's XKS proxy API, as KMS speaks it.

    POST {path}/health                {requestMetadata}
    POST {path}/keys/{id}/metadata    {requestMetadata}
    POST {path}/keys/{id}/encrypt     {requestMetadata, additionalAuthenticatedData, encryptionAlgorithm, plaintext}
    POST {path}/keys/{id}/decrypt     {..., ciphertext, initializationVector, authenticationTag, ciphertextMetadata}

Every request is signed (SigV4, service `kms-xks-proxy`) and waited for 250 ms, on a thread of its own. A proxy that
says no, says nonsense, or says nothing is an `OutsideError`.

Source: AWS KMS External Key Store (XKS) Proxy API Specification; how ciphertext, metadata and tag lie in our blob is
ours.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import http.client
import json
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from regionsim.hsm.key_store_port import PROXY_DEADLINE_NS, ExternallySealed, ProxyRequest
from regionsim.kms.key_stores import ProxySettings
from regionsim.kms.outside import OutsideError, Problem
from regionsim.names.dataclass import dataclass
from regionsim.runtime.clock import ReadableClock, format_instant

SERVICE = "kms-xks-proxy"
_TAG_BYTES = 16
_IV_BYTES = 12
_MOST_METADATA_BYTES = 20
_LARGEST_ANSWER = 64 * 1024

_PROBLEMS: Mapping[str, Problem] = MappingProxyType(
    {
        "AuthenticationFailedException": Problem.XKS_PROXY_NOT_AUTHENTICATED,
        "AccessDeniedException": Problem.XKS_PROXY_ACCESS_DENIED,
        "InvalidUriPathException": Problem.XKS_PROXY_INVALID_CONFIGURATION,
        "KeyNotFoundException": Problem.XKS_KEY_NOT_FOUND,
        "InvalidKeyUsageException": Problem.XKS_KEY_UNFIT,
        "InvalidStateException": Problem.XKS_KEY_DISABLED,
        "InvalidCiphertextException": Problem.XKS_CIPHERTEXT,
        "DependencyTimeoutException": Problem.XKS_PROXY_TIMED_OUT,
        "ThrottlingException": Problem.XKS_PROXY_THROTTLED,
        "InternalException": Problem.XKS_PROXY_UNHEALTHY,
        "UnsupportedOperationException": Problem.XKS_PROXY_UNSUPPORTED,
    }
)
"""The proxy's word for what is wrong -> ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request to a proxy: where it is sent, and what is signed."""

    url: str
    proxy: ProxySettings
    secret: str = field(repr=False)
    region: str
    path: str
    body: Mapping[str, Any] = field(repr=False)
    at_ns: int


class XksClient:
    """Speaks to the proxies that are named in `urls`: the endpoint of a store -> where that is reached."""

    def __init__(self, region: str, urls: Mapping[str, str], clock: ReadableClock) -> None:
        self._region = region
        self._urls = urls
        self._clock = clock
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix=f"xks-{region}")

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def knows(self, proxy: ProxySettings) -> bool:
        """True when that proxy is reached over HTTP."""
        return proxy.uri_endpoint in self._urls

    async def health(self, proxy: ProxySettings, secret: str) -> Problem | None:
        """What stands between KMS and the proxy's key managers."""
        try:
            asked = {"kmsRequestId": "health", "kmsOperation": "KmsHealthCheck"}
            answer = await self._ask(proxy, secret, "/health", asked, {})
        except OutsideError as error:
            return error.problem
        managers = answer.get("ekmFleetDetails")
        if not isinstance(managers, list) or not managers:
            return Problem.XKS_PROXY_INVALID_RESPONSE
        is_dead = all(isinstance(one, dict) and one.get("healthStatus") == "UNAVAILABLE" for one in managers)
        return Problem.XKS_PROXY_UNHEALTHY if is_dead else None

    async def key_problem(self, proxy: ProxySettings, secret: str, key_id: str) -> Problem | None:
        """Why the external key is none for KMS; None for an enabled AES-256 key that encrypts and decrypts."""
        asked = {"kmsRequestId": "metadata", "kmsOperation": "CreateKey"}
        try:
            told = await self._ask(proxy, secret, f"/keys/{key_id}/metadata", asked, {})
        except OutsideError as error:
            return error.problem
        if told.get("keyStatus") != "ENABLED":
            return Problem.XKS_KEY_DISABLED
        is_fit = told.get("keySpec") == "AES_256"
        usage = told.get("keyUsage")
        is_fit = is_fit and isinstance(usage, list) and {"ENCRYPT", "DECRYPT"} <= set(map(str, usage))
        return None if is_fit else Problem.XKS_KEY_UNFIT

    async def seal(self, request: ProxyRequest, plaintext: bytes, associated: bytes) -> ExternallySealed:
        """Encrypt under an external key. Errors: OutsideError."""
        body = {
            "additionalAuthenticatedData": _text(hashlib.sha256(associated).digest()),
            "encryptionAlgorithm": "AES_GCM",
            "plaintext": _text(plaintext),
        }
        told = await self._use(request, "encrypt", body)
        iv, tag = _bytes(told, "initializationVector"), _bytes(told, "authenticationTag")
        metadata = _bytes(told, "ciphertextMetadata") if told.get("ciphertextMetadata") else b""
        ciphertext = _bytes(told, "ciphertext")
        is_sound = len(iv) == _IV_BYTES and len(tag) == _TAG_BYTES and len(metadata) <= _MOST_METADATA_BYTES
        if not is_sound or len(ciphertext) != len(plaintext):
            raise OutsideError(Problem.XKS_PROXY_INVALID_RESPONSE)
        return ExternallySealed(iv=iv, sealed=bytes((len(metadata),)) + metadata + ciphertext + tag)

    async def unseal(self, request: ProxyRequest, sealed: ExternallySealed, associated: bytes) -> bytes:
        """Decrypt under an external key. Errors: OutsideError."""
        length = sealed.sealed[0]
        metadata, rest = sealed.sealed[1 : 1 + length], sealed.sealed[1 + length :]
        if length > _MOST_METADATA_BYTES or len(rest) <= _TAG_BYTES:
            raise OutsideError(Problem.XKS_CIPHERTEXT)
        body = {
            "additionalAuthenticatedData": _text(hashlib.sha256(associated).digest()),
            "encryptionAlgorithm": "AES_GCM",
            "ciphertext": _text(rest[:-_TAG_BYTES]),
            "initializationVector": _text(sealed.iv),
            "authenticationTag": _text(rest[-_TAG_BYTES:]),
            **({"ciphertextMetadata": _text(metadata)} if metadata else {}),
        }
        told = await self._use(request, "decrypt", body)
        return _bytes(told, "plaintext")

    async def _use(self, request: ProxyRequest, how: str, body: Mapping[str, Any]) -> dict[str, Any]:
        path = f"/keys/{request.xks_key_id}/{how}"
        return await self._ask(request.proxy, request.secret, path, _metadata(request), body)

    async def _ask(
        self, proxy: ProxySettings, secret: str, path: str, metadata: Mapping[str, str], body: Mapping[str, Any]
    ) -> dict[str, Any]:
        exchange = Exchange(
            url=self._urls[proxy.uri_endpoint],
            proxy=proxy,
            secret=secret,
            region=self._region,
            path=proxy.uri_path + path,
            body={"requestMetadata": dict(metadata), **body},
            at_ns=self._clock.now_ns(),
        )
        return await asyncio.get_running_loop().run_in_executor(self._threads, exchanged, exchange)


def exchanged(exchange: Exchange) -> dict[str, Any]:
    """The proxy's answer. Errors: OutsideError."""
    address = urlsplit(exchange.url)
    timeout = PROXY_DEADLINE_NS / 1_000_000_000
    assert address.hostname is not None, "whoever serves has checked it"
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname, address.port, timeout=timeout)
    body = json.dumps(exchange.body).encode()
    try:
        connection.request("POST", exchange.path, body, signed_headers(exchange, body))
        response = connection.getresponse()
        status, told = response.status, response.read(_LARGEST_ANSWER)
    except TimeoutError:
        raise OutsideError(Problem.XKS_PROXY_TIMED_OUT) from None
    except ssl.SSLError:
        raise OutsideError(Problem.XKS_PROXY_INVALID_TLS_CONFIGURATION) from None
    except (OSError, http.client.HTTPException):
        raise OutsideError(Problem.XKS_PROXY_NOT_REACHABLE) from None
    finally:
        connection.close()
    try:
        answer = json.loads(told)
    except ValueError:
        raise OutsideError(Problem.XKS_PROXY_INVALID_RESPONSE) from None
    if not isinstance(answer, dict):
        raise OutsideError(Problem.XKS_PROXY_INVALID_RESPONSE)
    if status != 200:
        raise OutsideError(_PROBLEMS.get(str(answer.get("errorName")), Problem.XKS_PROXY_INVALID_RESPONSE))
    return answer


def signed_headers(exchange: Exchange, body: bytes) -> dict[str, str]:
    """The headers of a request, its signature (SigV4) among them."""
    host = urlsplit(exchange.proxy.uri_endpoint).netloc
    instant = format_instant(exchange.at_ns)[:19].replace("-", "").replace(":", "") + "Z"
    scope = f"{instant[:8]}/{exchange.region}/{SERVICE}/aws4_request"
    headers = {"content-type": "application/json", "host": host, "x-amz-date": instant}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = "\n".join(("POST", exchange.path, "", lines, names, hashlib.sha256(body).hexdigest()))
    to_sign = "\n".join(("AWS4-HMAC-SHA256", instant, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{exchange.secret or ''}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"{exchange.proxy.access_key_id}/{scope}"
    told = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": told}


def _metadata(request: ProxyRequest) -> dict[str, str]:
    told = {
        "awsPrincipalArn": request.aws_principal_arn,
        "awsSourceVpce": request.aws_source_vpce,
        "kmsKeyArn": request.kms_key_arn,
        "kmsOperation": request.kms_operation,
        "kmsRequestId": request.kms_request_id,
        "kmsViaService": request.kms_via_service,
    }
    return {name: value for name, value in told.items() if value is not None}


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes(told: Mapping[str, Any], name: str) -> bytes:
    """A member in base64. Errors: OutsideError."""
    try:
        return base64.b64decode(told[name], validate=True)
    except (KeyError, TypeError, ValueError):
        raise OutsideError(Problem.XKS_PROXY_INVALID_RESPONSE) from None
