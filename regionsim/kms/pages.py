"""Pages of a list: Limit and Marker in, NextMarker and Truncated out.

A marker is the last name of the page before, wrapped so that it is opaque and a foreign one is told apart.
Source: botocore's model, ListKeys and its like; observed: markers are base64 of JSON, which this keeps to.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from regionsim.kms.errors import InvalidMarkerException


def read_marker(marker: str | None) -> str | None:
    """The name that a marker stands for. Errors: InvalidMarkerException for one that was not given out."""
    if marker is None:
        return None
    try:
        decoded = json.loads(base64.b64decode(marker, validate=True))
    except (binascii.Error, ValueError):
        raise InvalidMarkerException("The marker is not valid.") from None
    if not isinstance(decoded, dict) or set(decoded) != {"b"} or not isinstance(decoded["b"], str):
        raise InvalidMarkerException("The marker is not valid.")
    return decoded["b"]


def page(result_key: str, items: Sequence[dict[str, Any]], last: str | None) -> dict[str, Any]:
    """A page of a response; `last` is the last name on it when more follow, else None."""
    response: dict[str, Any] = {result_key: list(items), "Truncated": last is not None}
    if last is not None:
        response["NextMarker"] = base64.b64encode(json.dumps({"b": last}).encode()).decode()
    return response
