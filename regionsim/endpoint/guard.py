"""Who may use the admin API: programs on this machine, never a page in somebody's browser.

A page of another site can send requests to loopback, and by DNS rebinding under a name of its own. So a request with an
Origin that is not ours, or a Host that is not an address of ours, is refused; beyond loopback a token is needed too.
Source: ours; OWASP, "Cross-Site Request Forgery Prevention"; Fetch standard, "Sec-Fetch-Site".
"""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from regionsim.endpoint.http import HttpRequest

TOKEN_HEADER = "x-regionsim-token"
_OWN_SITES = frozenset({"same-origin", "none"})


def refusal_of(request: HttpRequest, *, host: str, token: str | None) -> str:
    """Why the request may not use the admin API; empty when it may. `host` is the address that is bound."""
    named = _host_of(f"//{request.headers.get('host', '')}")
    if not _is_ours(named, host):
        return f"the Host header names '{named}', which is not this server's address"
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{request.headers['host']}":
        return "a web page of another origin may not use this API"
    if request.headers.get("sec-fetch-site", "none") not in _OWN_SITES:
        return "a web page of another site may not use this API"
    if token is not None and not hmac.compare_digest(_given(request).encode(), token.encode()):
        return f"a token is needed, in the header {TOKEN_HEADER} or as a bearer token; the ready line has it"
    return ""


def _given(request: HttpRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else request.headers.get(TOKEN_HEADER, "")


def _is_ours(named: str, host: str) -> bool:
    if named == "localhost":
        return True
    try:
        address = ipaddress.ip_address(named)
    except ValueError:
        return False  # a name: only DNS says whose it is
    return address.is_loopback or host in ("0.0.0.0", "::") or address == ipaddress.ip_address(host)


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
