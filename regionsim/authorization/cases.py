"""One policy decision as a JSON line and its explanation as another: what `regionsim explain --cases` reads and writes.

A case names a principal, an action and a resource, and gives every policy that has a say. Condition values are taken as
given; only what `encryptionContext` implies is added. Source: ours; policies and grants are written as AWS writes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from regionsim.authorization.compile import CompiledPolicy, compile_policy
from regionsim.authorization.context import Context, LazyValue, encryption_context_values
from regionsim.authorization.decide import Policies, decide
from regionsim.authorization.documents import PolicyError, as_list, kind_of, read_scalar
from regionsim.authorization.explain import Explanation, explain
from regionsim.authorization.findings import check_key_policy
from regionsim.authorization.grants import Grant, GrantConstraints
from regionsim.authorization.policy import PolicyKind
from regionsim.authorization.principals import principal_of_arn, read_principal, read_service
from regionsim.authorization.request import Request, ResourceKind
from regionsim.names.arns import Arn
from regionsim.names.ids import is_account_id
from regionsim.names.mistakes import advice

_FIELDS = (
    "id", "principal", "action", "resource", "resourceAccount", "keyPolicy", "identityPolicies", "permissionsBoundary",
    "sessionPolicy", "scps", "rcps", "vpcEndpointPolicies", "contextKeys", "encryptionContext", "grants",
)  # fmt: skip
_GRANT_FIELDS = (
    "GrantId", "GranteePrincipal", "GranteeServicePrincipal", "RetiringPrincipal", "RetiringServicePrincipal",
    "Operations", "Constraints", "Name", "IssuingAccount", "KeyId", "CreationDate",
)  # fmt: skip
_CONSTRAINTS = ("EncryptionContextEquals", "EncryptionContextSubset", "SourceArn")
MALFORMED_CASE, MALFORMED_POLICY = "MALFORMED_CASE", "MALFORMED_POLICY"


class CaseError(ValueError):
    """A line that is no case: `code` and `message`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def answer_line(line: str) -> dict[str, Any]:
    """The answer to one line: `{id, decision, ...}`, or `{id, error: {code, message}}` when it is no case."""
    case_id: object = None
    try:
        case = _load(line)
        case_id = case.get("id")
        return {"id": case_id, **explain_case(case).as_json()}
    except CaseError as error:
        return {**malformed(error.message, error.code), "id": case_id}


def malformed(message: str, code: str = MALFORMED_CASE) -> dict[str, Any]:
    """The answer to a line that is no case."""
    return {"id": None, "error": {"code": code, "message": message}}


def explain_case(case: Mapping[str, Any]) -> Explanation:
    """The explanation of a decoded case. Errors: CaseError."""
    for name in case:
        if name not in _FIELDS:
            _refuse(f"no such field: '{name}'; {advice(name, _FIELDS)}")
    request = _read_request(case)
    policies = _read_policies(case)
    return explain(_with_grant(request, policies, case), policies)


def _load(line: str) -> Mapping[str, Any]:
    try:
        case = json.loads(line, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    except CaseError:
        raise
    except (ValueError, RecursionError) as error:
        _refuse(f"not JSON: {error}" if isinstance(error, ValueError) else "nested too deep")
    if not isinstance(case, dict):
        _refuse(f"a case is an object, not {kind_of(case)}")
    return case


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        _refuse(f"'{next(key for at, key in enumerate(keys) if key in keys[:at])}' stands twice in one object")
    return result


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"not JSON: {name}")


# ---------------------------------------------------------------------------------------------------------- the request


def _read_request(case: Mapping[str, Any]) -> Request:
    principal_text, action, resource = (_text(case, name) for name in ("principal", "action", "resource"))
    principal = principal_of_arn(principal_text)
    if principal is None:
        _refuse(f"principal: '{principal_text}' is neither the ARN of a user, role, session or root, nor a service")
    service, colon, operation = action.partition(":")
    if not (colon and service and operation) or "*" in action or "?" in action:
        _refuse(f"action: '{action}' is no action, as kms:Decrypt is")
    kind, arn = _kind_of(resource)
    account = case.get("resourceAccount")
    if account is None:
        account = arn.account if arn is not None else principal.account
    elif not isinstance(account, str) or not is_account_id(account):
        _refuse(f"resourceAccount: wants 12 digits in quotes, not {kind_of(account)}")
    pairs = _pairs(case.get("encryptionContext"), "encryptionContext")
    return Request(
        principal=principal,
        action=action,
        resource=resource,
        resource_account=account,
        kind=kind,
        region=arn.region if arn is not None else "",
        context=Context(_context_keys(case.get("contextKeys"))).merged(encryption_context_values(pairs)),
        encryption_context=pairs,
    )


def _kind_of(resource: str) -> tuple[ResourceKind, Arn | None]:
    if resource == "*":
        return ResourceKind.NONE, None
    arn = Arn.parse(resource)
    kind = "" if arn is None else arn.resource.partition("/")[0]
    if arn is None or arn.service != "kms" or kind not in ("key", "alias"):
        _refuse(f"resource: '{resource}' is neither the ARN of a key or an alias, nor *")
    return ResourceKind(kind), arn


def _context_keys(given: object) -> dict[str, LazyValue]:
    values: dict[str, LazyValue] = {}
    for key, value in _mapping(given, "contextKeys").items():
        listed = as_list(value)
        try:
            if listed is None:
                values[key] = read_scalar(value, "contextKeys")
            else:
                values[key] = tuple(read_scalar(item, "contextKeys") for item in listed) or None
        except PolicyError as error:
            _refuse(f"contextKeys.{key}: {error.message}")
    return values


# --------------------------------------------------------------------------------------------------------- the policies


def _read_policies(case: Mapping[str, Any]) -> Policies:
    def layer(name: str, kind: PolicyKind) -> tuple[CompiledPolicy, ...]:
        given = case.get(name)
        listed = as_list(given)
        documents = () if given is None else (given,) if listed is None else tuple(listed)
        return tuple(_policy(document, name, at, kind) for at, document in enumerate(documents, 1))

    def levels(name: str, kind: PolicyKind) -> tuple[tuple[CompiledPolicy, ...], ...]:
        found: list[tuple[CompiledPolicy, ...]] = []
        for number, level in enumerate(_sequence(case.get(name), name), 1):
            documents = _sequence(level, f"{name}[{number - 1}]")
            found.append(tuple(_policy(one, f"{name}.{number}", at, kind) for at, one in enumerate(documents, 1)))
        return tuple(found)

    key_policy = case.get("keyPolicy")
    return Policies(
        key_policy=None if key_policy is None else _key_policy(key_policy),
        identity=layer("identityPolicies", PolicyKind.IDENTITY),
        boundary=layer("permissionsBoundary", PolicyKind.BOUNDARY),
        session=layer("sessionPolicy", PolicyKind.SESSION),
        scps=levels("scps", PolicyKind.SCP),
        rcps=levels("rcps", PolicyKind.RCP),
        endpoint=layer("vpcEndpointPolicies", PolicyKind.ENDPOINT),
        grants=tuple(
            _grant(given, f"grants[{at}]", case) for at, given in enumerate(_sequence(case.get("grants"), "grants"))
        ),
    )


def _key_policy(document: Any) -> CompiledPolicy:
    compiled = _compile(document, "keyPolicy", "key policy", PolicyKind.KEY)
    for finding in check_key_policy(document):
        if finding.is_error:
            raise CaseError(MALFORMED_POLICY, f"keyPolicy: {finding.path}: {finding.message}")
    return compiled


def _policy(given: Any, layer: str, number: int, kind: PolicyKind) -> CompiledPolicy:
    where, name = f"{layer}[{number - 1}]", f"{layer}#{number}"
    if isinstance(given, Mapping) and "policy" in given and set(given) <= {"name", "policy"}:
        name = given.get("name", name)
        if not isinstance(name, str):
            _refuse(f"{where}.name: wants text, not {kind_of(name)}")
        given = given["policy"]
    return _compile(given, where, name, kind)


def _compile(document: Any, where: str, name: str, kind: PolicyKind) -> CompiledPolicy:
    if not isinstance(document, str | Mapping):
        _refuse(f"{where}: wants a policy document, not {kind_of(document)}")
    try:
        return compile_policy(document, name=name, kind=kind)
    except PolicyError as error:
        raise CaseError(MALFORMED_POLICY, f"{where}: {error.path}: {error.message}") from None


# ----------------------------------------------------------------------------------------------------------- the grants


def _grant(given: object, where: str, case: Mapping[str, Any]) -> Grant:
    fields = _mapping(given, where)
    for name in fields:
        if name not in _GRANT_FIELDS:
            _refuse(f"{where}: no such field: '{name}'; {advice(name, _GRANT_FIELDS)}")
    limits = _mapping(fields.get("Constraints"), f"{where}.Constraints")
    for name in limits:
        if name not in _CONSTRAINTS:
            _refuse(f"{where}.Constraints: no such constraint: '{name}'; {advice(name, _CONSTRAINTS)}")
    operations = _sequence(fields.get("Operations"), f"{where}.Operations")
    if not operations or not all(isinstance(operation, str) for operation in operations):
        _refuse(f"{where}.Operations: wants a list of operations, as Decrypt is")
    resource = _text(case, "resource")
    arn = Arn.parse(resource)
    equals, subset, source = (limits.get(name) for name in _CONSTRAINTS)
    return Grant(
        grant_id=str(fields.get("GrantId", where)),
        key_arn=resource,
        grantee=_who(fields, "Grantee", where) or _refuse(f"{where}: wants GranteePrincipal"),
        operations=frozenset(str(operation) for operation in operations),
        issuing_account=str(fields.get("IssuingAccount") or (arn.account if arn is not None else "")),
        retiring=_who(fields, "Retiring", where),
        constraints=GrantConstraints(
            encryption_context_equals=None if equals is None else _pairs(equals, f"{where}.Constraints"),
            encryption_context_subset=None if subset is None else _pairs(subset, f"{where}.Constraints"),
            source_arn=None if source is None else _text(limits, "SourceArn"),
        ),
        name=None if fields.get("Name") is None else _text(fields, "Name"),
    )


def _who(fields: Mapping[str, Any], role: str, where: str) -> str | None:
    """The ARN or service that a grant names as grantee or as retiring principal."""
    for name, read in ((f"{role}Principal", read_principal), (f"{role}ServicePrincipal", read_service)):
        if fields.get(name) is None:
            continue
        text = _text(fields, name)
        # A service may also stand under the older member.
        if read(text) is None and read_service(text) is None:
            _refuse(f"{where}.{name}: '{text}' names nobody")
        return text
    return None


def _with_grant(request: Request, policies: Policies, case: Mapping[str, Any]) -> Request:
    """The request with the grant it is about: the one to create, told by condition keys, or the one to retire."""
    match request.action.lower():
        case "kms:creategrant":
            return replace(request, grant=_child(request))
        case "kms:retiregrant":
            asked = [replace(request, grant=grant) for grant in policies.grants]
            return next((one for one in asked if decide(one, policies).is_allowed), asked[0] if asked else request)
        case _:
            return request


def _child(request: Request) -> Grant:
    operations = request.context.get("kms:grantoperations") or ()
    constraint = request.context.get("kms:grantconstrainttype")
    source = request.context.get("kms:grantconstraintsourcearn")
    pairs = request.encryption_context
    return Grant(
        grant_id="",
        key_arn=request.resource,
        grantee=str(request.context.get("kms:granteeprincipal") or ""),
        operations=frozenset((operations,) if isinstance(operations, str) else operations),
        issuing_account=request.principal.account,
        constraints=GrantConstraints(
            encryption_context_equals=pairs if constraint == "EncryptionContextEquals" else None,
            encryption_context_subset=pairs if constraint == "EncryptionContextSubset" else None,
            source_arn=source if isinstance(source, str) else None,
        ),
    )


# ------------------------------------------------------------------------------------------------------------- readers


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        _refuse(f"{name}: wants text, not {kind_of(value)}")
    return value


def _mapping(given: object, where: str) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        _refuse(f"{where}: wants an object, not {kind_of(given)}")
    return given


def _sequence(given: object, where: str) -> tuple[Any, ...]:
    if given is None:
        return ()
    listed = as_list(given)
    if listed is None:
        _refuse(f"{where}: wants a list, not {kind_of(given)}")
    return tuple(listed)


def _pairs(given: object, where: str) -> dict[str, str]:
    pairs = _mapping(given, where)
    for name, text in pairs.items():
        if not isinstance(text, str):
            _refuse(f"{where}.{name}: wants text, not {kind_of(text)}")
    return dict(pairs)


def _refuse(message: str) -> NoReturn:
    raise CaseError(MALFORMED_CASE, message)
