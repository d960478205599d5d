"""What operations that use a key have in common: the key is found, allowed, in a fitting state, of a fitting kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from regionsim.authorization.context import LazyValue
from regionsim.kms.grants import require_grant_tokens
from regionsim.kms.hsm_jobs import RequestJob
from regionsim.kms.key import KmsKey
from regionsim.kms.key_identifiers import alias_in, resolve
from regionsim.kms.key_specs import KeyUsage
from regionsim.kms.key_states import require_state
from regionsim.kms.key_usages import require_algorithm, require_usage
from regionsim.kms.permission import require_on_key
from regionsim.kms.plan import Call, Plan, View


class UseOfKey(Protocol):
    """What every request to use a key says."""

    @property
    def key_id(self) -> str: ...

    @property
    def grant_tokens(self) -> Sequence[str]: ...


def allowed_key(
    view: View, call: Call, request: UseOfKey, values: Mapping[str, LazyValue], context: Mapping[str, str] | None = None
) -> KmsKey:
    """The key that the request names, which the caller may use for this, in a state that lets it be used.

    `values` are the condition values of the operation. Errors: what the identifier, policies and state refuse.
    """
    operation = call.operation
    key = resolve(view.state, call.caller, request.key_id, operation=operation, takes_alias=True)
    require_grant_tokens(view.region, request.grant_tokens)
    require_on_key(
        view,
        call.caller,
        f"kms:{operation}",
        key,
        named=alias_in(request.key_id) or "",
        encryption_context=context or {},
        values=values,
    )
    require_state(operation, key)
    return key


def require_kind(operation: str, key: KmsKey, usage: KeyUsage, algorithm: str) -> None:
    """Errors: InvalidKeyUsageException when the key is for something else, or does not have the algorithm."""
    require_usage(operation, key, usage)
    require_algorithm(key, algorithm)


def plan_on(view: View, call: Call, request: Any, key: KmsKey, job: RequestJob) -> Plan[Any]:
    """The plan of a call that asks one job about one key."""
    return Plan(call=call, request=request, region=view.region, now_ns=view.now_ns, keys=(key,), job=job)
