"""The JSON Schema (2020-12) of scenario files, for editors; made from the tables that files are checked by.

It cannot say all that `check` says (whether a `$name` is saved before it is used, whether a principal exists), so a
file that it accepts may still be refused; one that it refuses is refused.
"""

from __future__ import annotations

from typing import Any

from regionsim.accounts.changes import IAM_ACTIONS, IamAction
from regionsim.client.settings import RetryMode
from regionsim.faults.active import HEAL_ALL
from regionsim.faults.words import ACTED_ON, FAULT_WORDS, FaultWord, Kind, Parameter
from regionsim.hsm.keeper_plans import SubnetState, UserState
from regionsim.hsm.profiles import PROFILES
from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.kms.model import Shape, ShapeType, model
from regionsim.kms.operations.registry import REGISTRY
from regionsim.names.regions import PARTITION_OF
from regionsim.scenario.attestation import DOCUMENT
from regionsim.scenario.calls import ERROR_CODES
from regionsim.scenario.comparisons import COMPARISON
from regionsim.scenario.load import LARGEST_SEED
from regionsim.scenario.parameters import WRAPPED, WRAPPED_BY, WRAPPING
from regionsim.scenario.values import NAME, SERIES
from regionsim.scenario.vocabulary import (
    ACCOUNT,
    ATTESTATION,
    AUDIT,
    BULK,
    CLIENT,
    CLUSTER,
    ENCLAVE,
    EVENTS,
    GRANTS,
    HSM,
    KEY_STORES,
    LINKS,
    METRIC_OF,
    METRICS,
    ORGANIZATION,
    PROXY,
    REPLICATION,
    ROLE,
    SCENARIO,
    SERVICE_WORKLOAD,
    SESSION,
    STATE,
    STEPS,
    UNIT,
    USER,
    VPC_SERVICE,
    WHEN,
    WORKLOAD,
    Keys,
    Takes,
)
from regionsim.services.cloud import SERVICES
from regionsim.services.service import Service

Schema = dict[str, Any]

_DURATION = r"^([0-9]+(\.[0-9]+)?(d|h|ms|m|s|us|ns))+$"
_INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
_PROBABILITY: Schema = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "string", "pattern": r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)%?$"},
    ]
}
_HOLDS_DOLLAR: Schema = {"type": "string", "pattern": r"\$"}
_TEXT: Schema = {"type": "string"}


def scenario_schema() -> Schema:
    """The whole schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "regionsim scenario",
        **_mapping(SCENARIO),
        "$defs": {**_single_values(), **_world(), **_calls(), **_steps(), **_shapes()},
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _mapping(keys: Keys, **others: Schema) -> Schema:
    """A mapping of exactly these keys."""
    now = {key.name: key for key in keys.values() if not key.is_later}
    properties = {name: {"description": key.about, **_ref(key.takes)} for name, key in now.items()}
    required = [name for name, key in now.items() if key.is_required]
    return {
        "type": "object",
        "properties": {**properties, **others},
        "required": required,
        "additionalProperties": False,
    }


def _by_name(of: Schema) -> Schema:
    return {"type": "object", "additionalProperties": of}


def _single_values() -> dict[str, Schema]:
    duration = {"type": "string", "pattern": _DURATION}
    return {
        Takes.TEXT: _TEXT,
        Takes.WHOLE_NUMBER: {"type": "integer", "minimum": 0, "maximum": LARGEST_SEED},
        Takes.INSTANT: {"type": "string", "pattern": _INSTANT},
        Takes.DURATION: duration,
        Takes.PROBABILITY: _PROBABILITY,
        Takes.PACE: {"anyOf": [duration, {"type": "string", "pattern": r"^exponential\([^()]+\)$"}]},
        Takes.REGION: {"enum": sorted(PARTITION_OF)},
        Takes.REGIONS: {"type": "array", "items": _ref(Takes.REGION), "minItems": 1, "uniqueItems": True},
        Takes.LATENCIES: {"anyOf": [{"const": "aws"}, duration]},
        Takes.HSM_PROFILE: {"enum": sorted(PROFILES)},
        Takes.RETRIES: {"enum": list(RetryMode)},
        Takes.PATH: {"type": "string", "pattern": "^/(.*/)?$"},
        Takes.TAGS: _by_name(_TEXT),
        Takes.CONTEXT: _by_name({"type": ["string", "number", "boolean", "array"]}),
        Takes.ACCESS_KEYS: {"type": ["object", "array"]},
        Takes.SWITCH: {"type": "boolean"},
        Takes.KEY_SPEC: {"enum": sorted(KeySpec)},
        Takes.KEY_USAGE: {"enum": sorted(KeyUsage)},
        Takes.SERIES: {"type": "string", "minLength": 1},
        Takes.WHEN: {**_mapping(WHEN, event={"enum": list(EVENTS)})},
        Takes.NAME: {
            "type": "string",
            "pattern": f"^{NAME.pattern}$",
            "description": f"'{HEAL_ALL}' heals every fault",
        },
        Takes.REFERENCE: {"type": "string", "minLength": 1},
        Takes.PRINCIPAL: {"anyOf": [{"type": "string", "minLength": 1}, _mapping(SESSION)]},
        Takes.WINDOW: {"type": "array", "items": _ref(Takes.DURATION), "minItems": 2, "maxItems": 2},
    }


def _world() -> dict[str, Schema]:
    named = {
        "type": "object",
        "properties": {"name": _TEXT, "policy": _ref(Takes.POLICY)},
        "required": ["name", "policy"],
    }
    return {
        Takes.LINKS: _mapping(LINKS),
        Takes.HSM: _mapping(HSM),
        Takes.REPLICATION: _mapping(REPLICATION),
        Takes.GRANTS: _mapping(GRANTS),
        Takes.KEYS: {"type": "array", "items": _mapping(BULK)},
        Takes.ATTESTATION: _mapping(ATTESTATION),
        Takes.KEY_STORES: _mapping(KEY_STORES),
        Takes.CLUSTERS: _by_name(_mapping(CLUSTER)),
        Takes.PROXIES: _by_name(_mapping(PROXY)),
        Takes.VPC_SERVICES: _by_name(_mapping(VPC_SERVICE)),
        Takes.KMSUSER: {"enum": [state.value for state in UserState]},
        Takes.SUBNETS: {"enum": [state.value for state in SubnetState]},
        Takes.EXTERNAL_KEYS: _by_name({"enum": ["enabled", "disabled"]}),
        Takes.ROOTS: {"type": "array", "items": {"type": ["string", "object"]}},
        Takes.ENCLAVES: _by_name(_mapping(ENCLAVE)),
        Takes.MEASURES: {"type": "object", "patternProperties": {"^[0-9]{1,2}$": _TEXT}, "additionalProperties": False},
        Takes.ACCOUNTS: {
            "type": "object",
            "patternProperties": {"^[0-9]{12}$": _mapping(ACCOUNT)},
            "additionalProperties": False,
            "minProperties": 1,
        },
        Takes.USERS: _by_name(_mapping(USER)),
        Takes.ROLES: _by_name(_mapping(ROLE)),
        Takes.POLICY: {"type": ["object", "string"]},
        Takes.POLICIES: {"type": "array", "items": {"anyOf": [_ref(Takes.POLICY), named]}},
        Takes.LEVELS: {"type": "array", "items": {"anyOf": [_ref(Takes.POLICY), named, _ref(Takes.POLICIES)]}},
        Takes.ORGANIZATION: _mapping(ORGANIZATION),
        Takes.UNITS: _by_name(_mapping(UNIT)),
        Takes.ACCOUNT_IDS: {"type": "array", "items": {"type": "string", "pattern": "^[0-9]{12}$"}},
        Takes.WORKLOADS: _by_name({"anyOf": [_mapping(WORKLOAD), _mapping(SERVICE_WORKLOAD)]}),
    }


def _calls() -> dict[str, Schema]:
    operations = {name: _ref(_definition(model().operations[name].input)) for name in sorted(REGISTRY)}
    error = {"type": "object", "properties": {"error": {"enum": list(ERROR_CODES)}}}
    return {
        Takes.CLIENT: _mapping(CLIENT),
        Takes.CALL: {
            "type": "object",
            "properties": {name: {"anyOf": [request, {"type": "null"}]} for name, request in operations.items()},
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
        Takes.EXPECT: error,
        Takes.ASK: _one_of({name: _one_of(_requests(service)) for name, service in SERVICES.items()}),
        Takes.WANTED: {"type": "object", "properties": {"error": _TEXT, "calls": {"type": "array", "items": _TEXT}}},
        Takes.SERVICE: {"enum": list(SERVICES)},
        Takes.RATE: {"type": "number", "exclusiveMinimum": 0, "maximum": 1000},
        Takes.SAVE: {
            "type": "object",
            "additionalProperties": _TEXT,
            "propertyNames": {"pattern": f"^{SERIES.pattern}$"},
        },
    }


def _one_of(properties: Schema) -> Schema:
    """A mapping with exactly one of these."""
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _requests(service: type[Service]) -> Schema:
    value: Schema = {"type": ["string", "number", "boolean"]}
    return {
        name: {
            "type": "object",
            "properties": dict.fromkeys((*takes.required, *takes.optional), value),
            "required": list(takes.required),
            "additionalProperties": False,
        }
        for name, takes in service.takes.items()
    }


def _steps() -> dict[str, Schema]:
    faults = {name: _fault(FAULT_WORDS[name]) for name in ACTED_ON}
    comparison = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^(?:{COMPARISON.pattern})$"}]}
    metrics = {metric.name: {"description": metric.about, **comparison} for metric in METRICS.values()}
    return {
        Takes.FAULT: {
            "type": "object",
            "properties": faults,
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
        Takes.STATE: {**_mapping(STATE), "additionalProperties": True},
        Takes.AUDIT: _mapping(AUDIT),
        Takes.COUNT: comparison,
        Takes.IAM: {
            "type": "object",
            "properties": {name: _iam(action) for name, action in IAM_ACTIONS.items()},
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
        Takes.METRIC: _mapping(METRIC_OF, **metrics),
        Takes.STEPS: {"type": "array", "items": {"anyOf": [_step(kind, keys) for kind, keys in STEPS.items()]}},
    }


def _iam(action: IamAction) -> Schema:
    takes = {"account": _TEXT, action.subject: _TEXT}
    if action.names_policy:
        takes["name"] = _TEXT
    if action.kind is not None:
        takes["policy"] = _ref(Takes.POLICY)
    required = [name for name in (action.subject, "policy") if name in takes]
    return {"type": "object", "properties": takes, "required": required, "additionalProperties": False}


def _step(kind: str, keys: Keys) -> Schema:
    step = _mapping(keys)
    return {"title": f"a {kind} step", **step, "required": sorted({*step["required"], kind})}


def _fault(word: FaultWord) -> Schema:
    long: Schema = {
        "type": "object",
        "properties": {parameter.name: _fault_parameter(parameter) for parameter in word.parameters},
        "required": [parameter.name for parameter in word.parameters if parameter.is_required],
        "additionalProperties": False,
    }
    if word.wants_one_of:
        long["anyOf"] = [{"required": [name]} for name in word.wants_one_of]
    if not word.short:
        return {"description": word.means, **long}
    return {"description": word.means, "anyOf": [_fault_parameter(word.parameter(word.short)), long]}


def _fault_parameter(parameter: Parameter) -> Schema:
    region = _ref(Takes.REGION)
    limits = {"minimum": parameter.least, "maximum": parameter.most}
    within = {name: limit for name, limit in limits.items() if limit is not None}
    takes: dict[Kind, Schema] = {
        Kind.REGION: region,
        Kind.TWO_REGIONS: {"type": "array", "items": region, "minItems": 2, "maxItems": 2, "uniqueItems": True},
        Kind.GROUPS: {"type": "array", "items": {"type": "array", "items": region}},
        Kind.PROBABILITY: _ref(Takes.PROBABILITY),
        Kind.CHOICE: {"enum": [choice.value for choice in parameter.choices]},
        Kind.DURATION: _ref(Takes.DURATION),
        Kind.SKEW: {"type": "string", "pattern": "^[+-]?[0-9]"},
        Kind.FACTOR: {"type": "number", **within},
        Kind.COUNT: {"type": "integer", **within},
        Kind.FLAG: {"type": "boolean"},
        Kind.KEEPER: {"type": "string", "minLength": 1},
    }
    return takes[parameter.kind]


_WRAPPED: Schema = {
    "description": "key material, to be wrapped under the public key of GetParametersForImport",
    "type": "object",
    "properties": {"material": _TEXT, "under": _TEXT, "algorithm": {"enum": list(WRAPPED_BY)}},
    "required": list(WRAPPING),
    "additionalProperties": False,
}


_OF_ENCLAVE: Schema = {
    "description": "a new document of an enclave of the scenario",
    "type": "object",
    "properties": {"enclave": _TEXT},
    "required": ["enclave"],
    "additionalProperties": False,
}


def _definition(shape: str) -> str:
    return f"kms.{shape}"


def _shapes() -> dict[str, Schema]:
    """A definition of every shape that a request of this version can hold."""
    wanted = [model().operations[name].input for name in sorted(REGISTRY)]
    for name in wanted:  # grows while it is read: members bring their own shapes
        shape = model().shapes[name]
        inner = [*shape.members.values(), *(held for held in (shape.element, shape.value) if held is not None)]
        wanted.extend(held for held in inner if held not in wanted)
    return {_definition(name): _shape(model().shapes[name]) for name in sorted(wanted)}


def _shape(shape: Shape) -> Schema:
    """A shape's own type, or a text with a `$name` in it."""
    match shape.type:
        case ShapeType.STRUCTURE:
            members: Schema = {name: _ref(_definition(member)) for name, member in shape.members.items()}
            for name, other in ((WRAPPED, _WRAPPED), (DOCUMENT, _OF_ENCLAVE)):
                if name in members:
                    members[name] = {"anyOf": [members[name], other]}
            own: Schema = {"type": "object", "properties": members, "additionalProperties": False}
        case ShapeType.LIST:
            own = {"type": "array", "items": _ref(_definition(str(shape.element)))}
        case ShapeType.MAP:
            own = _by_name(_ref(_definition(str(shape.value))))
        case ShapeType.STRING if shape.name == "PolicyType":
            own = {"type": ["string", "object"]}
        case ShapeType.INTEGER:
            own = {"type": "integer"}
        case ShapeType.BOOLEAN:
            own = {"type": "boolean"}
        case ShapeType.TIMESTAMP:
            own = {"type": ["string", "number"]}
        case ShapeType.STRING if shape.enum:
            return {**_TEXT, "examples": list(shape.enum)}  # not an enum: a step may expect KMS to refuse the value
        case _:
            own = _TEXT
    return own if own == _TEXT else {"anyOf": [own, _HOLDS_DOLLAR]}
