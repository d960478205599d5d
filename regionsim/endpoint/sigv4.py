"""AWS Signature Version 4, verified: who signed a request, for which Region and service.

    canonical request = method, path, query, signed headers, their names, SHA-256 of the body
    string to sign    = "AWS4-HMAC-SHA256", instant, scope, SHA-256 of the canonical request
    key               = HMAC chain of "AWS4" + secret over date, Region, service, "aws4_request"

Both forms: in the Authorization header, and in the query string (presigned). The body counts as it came, whatever a
header says of its hash, and every `x-amz-` header must be signed: an operation cannot be changed under a signature.

Source: IAM User Guide, "Create a signed AWS API request", "Troubleshoot Signature Version 4"; texts
observed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import field
from datetime import UTC, datetime
from functools import lru_cache
from posixpath import normpath
from urllib.parse import quote, unquote

from regionsim.endpoint.http import HttpRequest
from regionsim.kms.errors import (
    IncompleteSignature,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
)
from regionsim.names.dataclass import dataclass
from regionsim.names.made_often import made_often

ALGORITHM = "AWS4-HMAC-SHA256"
TOLERANCE_S = 300
"""How far the date of a signature may be from now, either way."""

_LONGEST_EXPIRY_S = 604_800
_TERMINATOR = "aws4_request"
_INSTANT = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_PLAIN = re.compile(r"(?:[!-~]+(?: [!-~]+)*)?").fullmatch
"""Text without outer, double or other white space, as most values are."""
_INSTANT_FORMAT = "%Y%m%dT%H%M%SZ"
_MOST_KEYS_KEPT = 4096
_LONGEST_KEPT = 1024
_MOST_HEADERS_KEPT = 32
_LAST = "Signature="
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a request says of its own signature; nothing of it is to be believed before `Verifier.verify`."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    value: str = field(repr=False)
    instant: str
    expires_s: int | None
    """None in the header form."""
    token: str | None = field(repr=False)

    @property
    def scope(self) -> str:
        """`20261128/us-east-1/kms/aws4_request`."""
        return f"{self.date}/{self.region}/{self.service}/{_TERMINATOR}"


def read_signature(request: HttpRequest) -> Signature:
    """The signature that a request carries.

    Errors: MissingAuthenticationTokenException without one; IncompleteSignature when a part of it is missing or
    malformed.
    """
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return _from_header(request, authorization)
    query = dict(_query_pairs(request.query))
    if "X-Amz-Signature" in query or "X-Amz-Algorithm" in query:
        return _from_query(query)
    raise MissingAuthenticationTokenException("Missing Authentication Token")


class Verifier:
    """Verifies signatures. `now_s` is the machine's time in seconds since 1970, never a world's."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._keys: dict[tuple[str, str, str, str, str], hmac.HMAC] = {}

    def __repr__(self) -> str:
        return "<Verifier, keys withheld>"

    def verify(self, request: HttpRequest, signature: Signature, secret: str) -> None:
        """Return when the request was signed with that secret, not long ago, and all that matters was signed.

        Errors: InvalidSignatureException.
        """
        _require_signed(request, signature)
        self._require_current(signature)
        signing = self._signing_key(signature, secret).copy()
        canonical = canonical_request(request, signature)
        digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
        signing.update(f"{ALGORITHM}\n{signature.instant}\n{signature.scope}\n{digest}".encode())
        if not hmac.compare_digest(signing.hexdigest().encode(), signature.value.encode("utf-8", "replace")):
            raise InvalidSignatureException(_MISMATCH)

    def _require_current(self, signature: Signature) -> None:
        signed_s, now_s = _seconds_of(signature.instant), self._now_s()
        assert signed_s is not None, "read_signature takes nothing else"
        told = signature.instant
        if signed_s > now_s + TOLERANCE_S:
            latest, now = _as_instant(now_s + TOLERANCE_S), _as_instant(now_s)
            raise InvalidSignatureException(
                f"Signature not yet current: {told} is still later than {latest} ({now} + 5 min.)"
            )
        if signature.expires_s is not None and now_s > signed_s + signature.expires_s:
            raise InvalidSignatureException(
                f"Signature has expired: {told} + {signature.expires_s} s is before {_as_instant(now_s)}"
            )
        if signature.expires_s is None and signed_s < now_s - TOLERANCE_S:
            earliest, now = _as_instant(now_s - TOLERANCE_S), _as_instant(now_s)
            raise InvalidSignatureException(
                f"Signature expired: {told} is now earlier than {earliest} ({now} - 5 min.)"
            )

    def _signing_key(self, signature: Signature, secret: str) -> hmac.HMAC:
        """Kept for each access key, day, Region and service: the chain costs more than all else here."""
        name = (signature.access_key_id, secret, signature.date, signature.region, signature.service)
        kept = self._keys.get(name)
        if kept is None:
            key = f"AWS4{secret}".encode()
            for part in (signature.date, signature.region, signature.service, _TERMINATOR):
                key = hmac.digest(key, part.encode(), "sha256")
            if len(self._keys) >= _MOST_KEYS_KEPT:
                self._keys.clear()
            kept = self._keys[name] = hmac.new(key, digestmod="sha256")
        return kept


def canonical_request(request: HttpRequest, signature: Signature) -> str:
    """The text whose hash is signed."""
    given, signed = request.headers, ""
    for name in signature.signed_headers:
        value = given.get(name, "")
        signed += f"{name}:{value if _PLAIN(value) else ' '.join(value.split())}\n"
    path = "/" if request.path == "/" else _canonical_path(request.path)
    query = _canonical_query(request.query) if request.query else ""
    names = ";".join(signature.signed_headers)
    return f"{request.method}\n{path}\n{query}\n{signed}\n{names}\n{hashlib.sha256(request.body).hexdigest()}"


def _from_header(request: HttpRequest, authorization: str) -> Signature:
    instant = request.headers.get("x-amz-date") or request.headers.get("date")
    # All but the end is the same in whatever a client signs on one day.
    beginning, _, value = authorization.rpartition(_LAST)
    is_usual = value.isalnum() and beginning.endswith((" ", ",")) and len(beginning) <= _LONGEST_KEPT
    usual = _usual_parts(beginning) if is_usual else None
    if usual is None or instant is None:
        credential, signed_headers, value = _parts(authorization, has_instant=instant is not None)
    else:
        credential, signed_headers = usual
    return _signature(
        credential=credential,
        signed_headers=signed_headers,
        value=value,
        instant=instant or "",
        expires_s=None,
        token=request.headers.get("x-amz-security-token"),
    )


@lru_cache(maxsize=1024)
def _usual_parts(beginning: str) -> tuple[str, str] | None:
    """Credential and signed headers of a header that goes on with some signature, kept; None: it cannot be read."""
    try:
        credential, signed_headers, _ = _parts(f"{beginning}{_LAST}0", has_instant=True)
    except IncompleteSignature:
        return None
    return credential, signed_headers


def _parts(authorization: str, *, has_instant: bool) -> tuple[str, str, str]:
    """Credential, signed headers and signature. Errors: IncompleteSignature, also where there is no instant."""
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise IncompleteSignature(f"Unsupported AWS 'algorithm': '{algorithm[:64]}'.")
    found = _pairs(rest)
    missing = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if not found.get(name)
    ]
    if not has_instant:
        missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if missing:
        raise IncompleteSignature(" ".join(missing))
    return found["Credential"], found["SignedHeaders"], found["Signature"]


def _pairs(text: str) -> dict[str, str]:
    """Errors: IncompleteSignature."""
    found: dict[str, str] = {}
    for part in text.split(","):
        name, is_pair, value = part.strip().partition("=")
        if not is_pair or name in found:  # another header of that name is joined to the first by a comma
            raise IncompleteSignature(f"'{name[:64]}' not a valid key=value pair in Authorization header.")
        found[name] = value
    return found


def _from_query(query: dict[str, str]) -> Signature:
    names = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date")
    missing = [f"AWS query-string parameters must include '{name}'." for name in names if not query.get(name)]
    if missing:
        raise IncompleteSignature(" ".join(missing))
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise IncompleteSignature(f"Unsupported AWS 'algorithm': '{query['X-Amz-Algorithm'][:64]}'.")
    expires = query.get("X-Amz-Expires", str(TOLERANCE_S))
    if not (expires.isascii() and expires.isdecimal() and 1 <= int(expires[:9]) <= _LONGEST_EXPIRY_S):
        raise IncompleteSignature("X-Amz-Expires must be between 1 and 604800 seconds")
    return _signature(
        credential=query["X-Amz-Credential"],
        signed_headers=query["X-Amz-SignedHeaders"],
        value=query["X-Amz-Signature"],
        instant=query["X-Amz-Date"],
        expires_s=int(expires),
        token=query.get("X-Amz-Security-Token"),
    )


def _signature(
    *, credential: str, signed_headers: str, value: str, instant: str, expires_s: int | None, token: str | None
) -> Signature:
    access_key_id, date, region, service = _scoped(credential)
    if _seconds_of(instant) is None:
        raise IncompleteSignature("Date must be in ISO-8601 'basic format', like 20150830T123600Z.")
    if instant[:8] != date:
        raise InvalidSignatureException(
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{date[:16]}' != '{instant[:8]}', from '{instant}'."
        )
    return Signature(
        access_key_id=access_key_id,
        date=date,
        region=region,
        service=service,
        signed_headers=_names(signed_headers),
        value=value,
        instant=instant,
        expires_s=expires_s,
        token=token,
    )


@lru_cache(maxsize=1024)
def _scoped(credential: str) -> tuple[str, str, str, str]:
    """Access key id, date, Region and service. Errors: IncompleteSignature, InvalidSignatureException."""
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or not parts[0]:
        raise IncompleteSignature(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"
        )
    access_key_id, date, region, service, terminator = parts
    if terminator != _TERMINATOR:
        raise InvalidSignatureException(f"Credential should be scoped with a valid terminator: '{_TERMINATOR}'.")
    return access_key_id, date, region, service


@lru_cache(maxsize=1024)
def _names(signed_headers: str) -> tuple[str, ...]:
    return tuple(signed_headers.lower().split(";"))


def _require_signed(request: HttpRequest, signature: Signature) -> None:
    find = _unsigned if len(request.headers) <= _MOST_HEADERS_KEPT else _unsigned.__wrapped__
    unsigned = find(tuple(request.headers), signature.signed_headers)
    if unsigned is not None:
        what = "'Host' or ':authority'" if unsigned == "host" else f"'{unsigned}'"
        raise InvalidSignatureException(f"{what} must be a 'SignedHeader' in the AWS Authorization.")


@lru_cache(maxsize=256)
def _unsigned(given: tuple[str, ...], signed: tuple[str, ...]) -> str | None:
    """The first header that must be signed and is not."""
    if "host" not in signed:
        return "host"
    return next((name for name in given if name.startswith("x-amz-") and name not in signed), None)


@lru_cache(maxsize=1024)
def _seconds_of(text: str) -> float | None:
    """Seconds since 1970 of `20261128T101500Z`; None for anything else. Clients sign many requests of one second."""
    if not _INSTANT.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, _INSTANT_FORMAT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _as_instant(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime(_INSTANT_FORMAT)


def _canonical_path(path: str) -> str:
    """Every service but S3 signs the path normalised and encoded once more."""
    if not path:
        return "/"
    normalised = normpath(f"/{path.lstrip('/')}")
    if path.endswith("/") and normalised != "/":
        normalised += "/"
    return quote(normalised, safe="/~")


def _canonical_query(query: str) -> str:
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in _query_pairs(query)
        if name != "X-Amz-Signature"
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


def _query_pairs(query: str) -> list[tuple[str, str]]:
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]
