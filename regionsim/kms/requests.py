"""From AWS's parameter names to a request's fields: parsed once, when the call is taken up.

`KeyId` becomes `key_id`, `NumberOfBytes` becomes `number_of_bytes`; parameters that the request type does not have are
ignored, as AWS ignores unknown members. Shapes were checked before (`regionsim.kms.shapes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

RequestT = TypeVar("RequestT")

_NAMES: dict[type, dict[str, str]] = {}


def parse(request_type: type[RequestT], parameters: Mapping[str, Any]) -> RequestT:
    """The request that `parameters` say; a null counts as absent."""
    names = _field_names(request_type)
    given = {names[name]: value for name, value in parameters.items() if value is not None and name in names}
    return request_type(**given)


def _field_names(request_type: type) -> dict[str, str]:
    """AWS's parameter name -> the field's name."""
    names = _NAMES.get(request_type)
    if names is None:
        names = _NAMES[request_type] = {_aws_name(known.name): known.name for known in fields(request_type)}
    return names


def _aws_name(field_name: str) -> str:
    return "".join(word.capitalize() for word in field_name.split("_"))
