"""The words of a scenario file: one table, from which files are checked and the JSON Schema is made.

Words that the interface has and this version does not act on stand here too (`is_later`), so that using one says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from regionsim.kms.situation import Happening
from regionsim.names.dataclass import dataclass


class Takes(StrEnum):
    """What a key holds; each is a definition of the JSON Schema."""

    TEXT = "text"
    WHOLE_NUMBER = "wholeNumber"
    INSTANT = "instant"
    DURATION = "duration"
    PROBABILITY = "probability"
    PACE = "pace"
    REGION = "region"
    REGIONS = "regions"
    LATENCIES = "latencies"
    HSM_PROFILE = "hsmProfile"
    RETRIES = "retries"
    PATH = "path"
    TAGS = "tags"
    POLICY = "policy"
    POLICIES = "policies"
    LEVELS = "levels"
    UNITS = "units"
    ACCOUNT_IDS = "accountIds"
    ORGANIZATION = "organization"
    KEYS = "keys"
    SWITCH = "switch"
    KEY_SPEC = "keySpec"
    KEY_USAGE = "keyUsage"
    SERIES = "series"
    REPLICATION = "replication"
    GRANTS = "grants"
    WHEN = "when"
    LINKS = "links"
    HSM = "hsm"
    ACCOUNTS = "accounts"
    USERS = "users"
    ROLES = "roles"
    WORKLOADS = "workloads"
    STEPS = "steps"
    PRINCIPAL = "principal"
    CLIENT = "client"
    CONTEXT = "context"
    CALL = "call"
    ASK = "ask"
    WANTED = "wanted"
    SERVICE = "service"
    RATE = "rate"
    EXPECT = "expect"
    SAVE = "save"
    FAULT = "fault"
    STATE = "state"
    IAM = "iam"
    AUDIT = "audit"
    COUNT = "count"
    METRIC = "metric"
    WINDOW = "window"
    NAME = "name"
    REFERENCE = "reference"
    ACCESS_KEYS = "accessKeys"
    ATTESTATION = "attestation"
    KEY_STORES = "keyStores"
    CLUSTERS = "clusters"
    PROXIES = "proxies"
    VPC_SERVICES = "vpcServices"
    EXTERNAL_KEYS = "externalKeys"
    KMSUSER = "kmsuser"
    SUBNETS = "subnets"
    ROOTS = "roots"
    ENCLAVES = "enclaves"
    MEASURES = "measures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of one mapping: what it holds, and what it is for."""

    name: str
    takes: Takes
    about: str
    is_required: bool = False
    is_later: bool = False


Keys = Mapping[str, Key]


def _keys(*keys: Key) -> Keys:
    return MappingProxyType({key.name: key for key in keys})


def _key(name: str, takes: Takes, about: str, *, required: bool = False) -> Key:
    return Key(name=name, takes=takes, about=about, is_required=required)


def _later(name: str, about: str) -> Key:
    return Key(name=name, takes=Takes.TEXT, about=about, is_later=True)


SCENARIO = _keys(
    _key("name", Takes.TEXT, "a title of one line"),
    _key("about", Takes.TEXT, "what it shows"),
    _key("seed", Takes.WHOLE_NUMBER, "the seed of every random draw; --seed wins over it"),
    _key("start", Takes.INSTANT, "the calendar instant at which the run begins"),
    _key("regions", Takes.REGIONS, "the Regions of the world, the first one is where callers run", required=True),
    _key("links", Takes.LINKS, "the network between the Regions"),
    _key("hsm", Takes.HSM, "the HSMs of each Region"),
    _key("replication", Takes.REPLICATION, "how long the Regions wait for each other"),
    _key("grants", Takes.GRANTS, "how soon a grant counts; by default at once"),
    _key("accounts", Takes.ACCOUNTS, "AWS accounts by their id, quoted", required=True),
    _key("organization", Takes.ORGANIZATION, "the AWS organization that accounts are in"),
    _key("attestation", Takes.ATTESTATION, "enclaves, and the roots under which their documents are believed"),
    _key("key_stores", Takes.KEY_STORES, "what keeps the keys of custom key stores outside of KMS"),
    _key("keys", Takes.KEYS, "KMS keys that are there before the run begins"),
    _key("workloads", Takes.WORKLOADS, "repeated calls in the background, by name"),
    _key("steps", Takes.STEPS, "what happens, and what must be true, in order", required=True),
    _key("until", Takes.DURATION, "when the run ends; by default when the last step has ended"),
    _key("versions", Takes.TAGS, "the versions that a failure file was written by"),
    _key("failed", Takes.TEXT, "what did not hold when a failure file was written"),
)
LINKS = _keys(
    _key("latencies", Takes.LATENCIES, "aws (measured between AWS's Regions), or one way for every pair"),
    _key("jitter", Takes.DURATION, "the scale of the random delay of each message"),
    _key("loss", Takes.PROBABILITY, "how many messages are lost"),
)
HSM = _keys(
    _key("per_region", Takes.WHOLE_NUMBER, "how many HSMs each Region has"),
    _key("profile", Takes.HSM_PROFILE, "how long HSM jobs take"),
)
REPLICATION = _keys(
    _key("lost_after", Takes.DURATION, "how long a rotation waits for a replica before that one counts as lost; 24h"),
)
GRANTS = _keys(
    _key("delay", Takes.DURATION, "how long a new grant counts only for calls that send its token; 0s by default"),
)
ATTESTATION = _keys(
    _key("roots", Takes.ROOTS, "certificates in PEM, as text or file: root.pem"),
    _key("enclaves", Takes.ENCLAVES, "enclaves of the scenario's own platform, by name"),
)
ENCLAVE = _keys(
    _key("image", Takes.TEXT, "what runs in it: PCR 0 is the SHA-384 of this text", required=True),
    _key("pcrs", Takes.MEASURES, "other measurements by number: 96 hexadecimal digits, or a text to be measured"),
)
KEY_STORES = _keys(
    _key("clusters", Takes.CLUSTERS, "CloudHSM clusters by their id"),
    _key("proxies", Takes.PROXIES, "proxies of external key managers by endpoint and path"),
    _key("vpc_endpoint_services", Takes.VPC_SERVICES, "ways to proxies by their name"),
    _key("only_these", Takes.SWITCH, "whether nothing else comes to be by being named; false by default"),
)
CLUSTER = _keys(
    _key("hsms", Takes.WHOLE_NUMBER, "how many active HSMs it has; 2 by default"),
    _key("active", Takes.SWITCH, "whether it is initialised and active; true by default"),
    _key("password", Takes.TEXT, "that of kmsuser; by default any will do"),
    _key("trust_anchor", Takes.TEXT, "its trust anchor certificate; by default any will do"),
    _key("backup", Takes.TEXT, "clusters of one backup are related, and only one is in use; by default all are"),
    _key("kmsuser", Takes.KMSUSER, "the crypto user that KMS logs in as; ready by default"),
    _key("subnets", Takes.SUBNETS, "the cluster's subnets; ready by default"),
)
PROXY = _keys(
    _key("latency", Takes.DURATION, "about how long it takes to answer; 20ms by default"),
    _key("secret", Takes.TEXT, "what KMS must sign with; by default any secret will do"),
    _key("keys", Takes.EXTERNAL_KEYS, "the external keys: enabled or disabled; by default every key is there"),
)
VPC_SERVICE = _keys(
    _key("private_dns", Takes.TEXT, "its private DNS name; by default that of whatever proxy is asked for"),
    _key("zones", Takes.WHOLE_NUMBER, "in how many Availability Zones it has subnets; 2 by default"),
    _key("acceptance_required", Takes.SWITCH, "whether connections must be accepted; false by default"),
    _key("verified", Takes.SWITCH, "whether the domain of its private DNS name is verified; true by default"),
    _key("allows_kms", Takes.SWITCH, "whether KMS is among its allowed principals; true by default"),
    _key("owner", Takes.TEXT, "the account that has it, quoted; by default any"),
)
BULK = _keys(
    _key("count", Takes.WHOLE_NUMBER, "how many keys; 1 by default"),
    _key("spec", Takes.KEY_SPEC, "their key spec; SYMMETRIC_DEFAULT by default"),
    _key("usage", Takes.KEY_USAGE, "what they are for; by default the first use that AWS lists for the spec"),
    _key("account", Takes.TEXT, "the account that owns them, quoted; by default the first one"),
    _key("multi_region", Takes.SWITCH, "whether they are multi-Region keys; by default when replicas are named"),
    _key("primary", Takes.REGION, "the Region of the primary, or of a single-Region key; by default the first one"),
    _key("replicas", Takes.REGIONS, "the Regions of the replicas"),
    _key("alias", Takes.SERIES, "an alias like alias/k-{n} in every Region of the key"),
    _key("name", Takes.SERIES, "a name like k-{n}: steps say $k-1, $k-2, ..."),
    _key("rotation", Takes.DURATION, "rotate every so many days, 90d to 2560d, counted from the start"),
    _key("policy", Takes.POLICY, "the key policy in every Region: default (by default), or a document"),
)
"""One entry of `keys:`. Where there are several keys, `{n}` stands for 1, 2, 3, ... in `alias` and `name`."""

ACCOUNT = _keys(
    _key("users", Takes.USERS, "IAM users by name"),
    _key("roles", Takes.ROLES, "IAM roles by name"),
    _key("scps", Takes.LEVELS, "service control policies attached to it, or a list of them for each level, root first"),
    _key("access_keys", Takes.ACCESS_KEYS, "access keys by id, each with its user and its secret, for serve"),
)
ORGANIZATION = _keys(
    _key("id", Takes.TEXT, "its id, o-exampleorgid by default"),
    _key("management", Takes.TEXT, "the management account, quoted: service control policies do not bind it"),
    _key("scps", Takes.POLICIES, "service control policies at its root"),
    _key("units", Takes.UNITS, "organizational units by name"),
    _key("accounts", Takes.ACCOUNT_IDS, "accounts that are in no unit; by default all"),
)
"""The organization of a world; units are not nested."""

UNIT = _keys(
    _key("scps", Takes.POLICIES, "service control policies of the unit"),
    _key("accounts", Takes.ACCOUNT_IDS, "its accounts, quoted", required=True),
)
USER = _keys(
    _key("policies", Takes.POLICIES, "identity policies"),
    _key("boundary", Takes.POLICY, "the permissions boundary"),
    _key("tags", Takes.TAGS, "tags by name"),
    _key("path", Takes.PATH, "the path in the user's ARN"),
    _key("access_keys", Takes.ACCESS_KEYS, "secrets by access key id, for serve"),
)
ROLE = _keys(
    _key("policies", Takes.POLICIES, "identity policies"),
    _key("trust", Takes.POLICY, "who may assume it"),
    _key("boundary", Takes.POLICY, "the permissions boundary"),
    _key("tags", Takes.TAGS, "tags by name"),
    _key("path", Takes.PATH, "the path in the role's ARN"),
)
SESSION = _keys(
    _key("role", Takes.TEXT, "the role, as NAME or role/NAME, with several accounts 111122223333/NAME", required=True),
    _key("by", Takes.PRINCIPAL, "who assumes it: its trust policy must allow that", required=True),
    _key("session_policy", Takes.POLICY, "a policy that limits the session"),
    _key("tags", Takes.TAGS, "session tags by name"),
)
CLIENT = _keys(
    _key("near", Takes.REGION, "where the caller runs"),
    _key("regions", Takes.REGIONS, "the Regions it tries, in order"),
    _key("timeout", Takes.DURATION, "how long it waits for one answer"),
    _key("retries", Takes.RETRIES, "how it retries in one Region"),
)
WORKLOAD = _keys(
    _key("as", Takes.PRINCIPAL, "who calls", required=True),
    _key("in", Takes.REGION, "the Region it calls, when no client says"),
    _key("client", Takes.CLIENT, "where the caller runs, and which Regions it tries"),
    _key("context", Takes.CONTEXT, "condition values that come with each call, as kms:ViaService or aws:SourceArn"),
    _key("every", Takes.PACE, "the pause between two calls", required=True),
    _key("from", Takes.DURATION, "when it begins; by default at once"),
    _key("until", Takes.DURATION, "when it ends; by default with the run"),
    _key("call", Takes.CALL, "the call", required=True),
    _key("over", Takes.WHOLE_NUMBER, "how far {n} counts, call by call, before it begins again at 1"),
    _key("sample", Takes.WHOLE_NUMBER, "make every so manieth call for real, let the others only load the HSMs"),
)
SERVICE_WORKLOAD = _keys(
    _key("service", Takes.SERVICE, "the integrated AWS service", required=True),
    _key("in", Takes.REGION, "the Region where its users work", required=True),
    _key("as", Takes.PRINCIPAL, "who they are; by default the root user of the first account"),
    _key("key", Takes.REFERENCE, "a KMS key, an alias, or aws-owned; by default the service's AWS managed key"),
    _key("bucket_keys", Takes.SWITCH, "of s3: whether its bucket has bucket keys; by default not"),
    _key("objects_per_second", Takes.RATE, "how many objects they write and read"),
    _key("requests_per_second", Takes.RATE, "how many requests they make"),
    _key("from", Takes.DURATION, "when they begin; by default at once"),
    _key("until", Takes.DURATION, "when they end; by default with the run"),
)
"""A workload with `service:`."""

_BEGINS = (
    _key("at", Takes.DURATION, "when it begins; by default when the step before has its answer"),
    _key("when", Takes.WHEN, "the event at which it begins, instead of at a time"),
    _key("say", Takes.TEXT, "a caption"),
)
_OVER = _key("over", Takes.WHOLE_NUMBER, "do it so often, with {n} for 1, 2, 3, ... in its names and values")
STEPS: Mapping[str, Keys] = MappingProxyType(
    {
        "call": _keys(
            *_BEGINS,
            _key("call", Takes.CALL, "the call", required=True),
            _key("as", Takes.PRINCIPAL, "who calls", required=True),
            _key("in", Takes.REGION, "the Region it calls"),
            _key("client", Takes.CLIENT, "where the caller runs, and which Regions it tries"),
            _key(
                "context", Takes.CONTEXT, "condition values that come with the call, as kms:ViaService or aws:SourceArn"
            ),
            _key("expect", Takes.EXPECT, "what the answer must be; without it the call must succeed"),
            _key("save", Takes.SAVE, "names for parts of the answer"),
            _OVER,
        ),
        "fault": _keys(
            *_BEGINS,
            _key("fault", Takes.FAULT, "what goes wrong", required=True),
            _key("for", Takes.DURATION, "how long; by default until it is healed"),
            _key("name", Takes.NAME, "the name to heal it by"),
        ),
        "declare_lost": _keys(
            *_BEGINS, _key("declare_lost", Takes.REGION, "a Region for whose replicas no rotation waits", required=True)
        ),
        "heal": _keys(*_BEGINS, _key("heal", Takes.NAME, "the name of a fault, or all", required=True)),
        "expect_state": _keys(
            *_BEGINS, _key("expect_state", Takes.STATE, "what a key must be in a Region", required=True), _OVER
        ),
        "iam": _keys(
            *_BEGINS, _key("iam", Takes.IAM, "a change of IAM; each Region's copy follows 2 s later", required=True)
        ),
        "expect_audit": _keys(
            *_BEGINS, _key("expect_audit", Takes.AUDIT, "what a Region's audit trail must hold", required=True)
        ),
        "expect_metric": _keys(*_BEGINS, _key("expect_metric", Takes.METRIC, "what was measured", required=True)),
        "ask": _keys(
            *_BEGINS,
            _key(
                "ask", Takes.ASK, "what an integrated AWS service is asked, as {s3: {GetObject: {...}}}", required=True
            ),
            _key("as", Takes.PRINCIPAL, "who asks", required=True),
            _key("in", Takes.REGION, "the Region of the service", required=True),
            _key(
                "expect",
                Takes.WANTED,
                "what the answer must hold, or the error; and calls:, those that KMS had to answer",
            ),
        ),
        "say": _keys(*_BEGINS),
    }
)
"""The kinds of step, by the key that makes a step one; the first that a step has is its kind."""

WHEN = _keys(
    _key("event", Takes.NAME, "what must happen", required=True),
    _key("in", Takes.REGION, "where; by default anywhere"),
    _key("nth", Takes.WHOLE_NUMBER, "the how manieth time since the run began; 1 by default"),
)

EVENTS = MappingProxyType(
    {
        **{happening.value: "what Regions do with keys" for happening in Happening},
        "region_booted": "a Region's hosts are up",
        "region_crashed": "a Region's hosts lost their memory",
        "domain_key_rotated": "a Region's HSMs have a new domain key",
        "hsm_state": "an HSM is in another state",
        "key_store_state": "a custom key store is made, changed, or in another connection state",
        "service_state": "a resource of an integrated service is in another state, or there for the first time",
        "hsms_serving": "more or fewer of a Region's HSMs serve than before",
        "domain_recovered": "a Region's HSMs have their domain from what outlives them",
        "fault_begins": "a fault is on (in no Region)",
        "fault_ends": "a fault is over (in no Region)",
        "call": "a Region takes up a call",
        "answer": "a Region answers a call",
        "client_call": "a caller has its answer, or gives up (in the Region where the caller runs)",
        "hsm_request": "a Region asks an HSM for a job",
        "store.commit": "a Region's disk has stored a transaction",
        "link_drop": "an envelope is lost (in the Region that sent it)",
    }
)
"""What `when:` can wait for: kinds of trace events."""

STATE = _keys(
    _key("key", Takes.REFERENCE, "the key", required=True),
    _key("in", Takes.REGION, "the Region whose key is looked at", required=True),
    _key("rotations", Takes.WHOLE_NUMBER, "how many rotations its material has had"),
)
"""Beside these: paths into KeyMetadata, as DescribeKey answers."""

AUDIT = _keys(
    _key("in", Takes.REGION, "the Region whose trail is asked", required=True),
    _key("event", Takes.NAME, "the operation, or what KMS did by itself: RotateKey, DeleteKey", required=True),
    _key("key", Takes.REFERENCE, "the key that it was about"),
    _key("as", Takes.PRINCIPAL, "who called"),
    _key("error", Takes.NAME, "the error's code, or none for calls that succeeded"),
    _key("count", Takes.COUNT, "how many records; by default one or more"),
    _key("window", Takes.WINDOW, "from when until when; by default until now"),
)

METRIC_OF = _keys(
    _key("workload", Takes.NAME, "the workload that is measured"),
    _key("region", Takes.REGION, "the Region that is measured"),
    _key("window", Takes.WINDOW, "from when until when; by default the whole run"),
)
"""Beside one of the first two: metrics (`METRICS`), each with a comparison."""


class Unit(StrEnum):
    """What a metric counts in."""

    COUNT = "count"
    RATIO = "ratio"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    USD = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A measured quantity."""

    name: str
    unit: Unit
    about: str


def _metric(name: str, unit: Unit, about: str) -> Metric:
    return Metric(name=name, unit=unit, about=about)


REQUESTS = "requests"
LAG = "replication_lag_p99_ms"
HSM_UTILISATION = "hsm_utilisation"
RECOVERY = "recovery_seconds"
COST = "cost_usd"
OF_REGIONS = frozenset({LAG, HSM_UTILISATION, COST})
"""Metrics of Regions that no workload has."""

WHOLE_RUN = frozenset({LAG, RECOVERY, COST})
"""Metrics that no window cuts."""

METRICS = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            _metric("requests", Unit.COUNT, "calls that callers made"),
            _metric(
                "failed", Unit.COUNT, "calls without an answer, or with a server error, after retries, at the caller"
            ),
            _metric("refused", Unit.COUNT, "calls that KMS refused"),
            _metric("denied", Unit.COUNT, "calls refused for want of permission"),
            _metric("throttled", Unit.COUNT, "calls refused by a request quota"),
            _metric("availability", Unit.RATIO, "answered without server error or time-out / sent"),
            _metric("longest_outage", Unit.SECONDS, "the longest time in which no call was answered"),
            _metric("p50_ms", Unit.MILLISECONDS, "half of the calls were answered within"),
            _metric("p90_ms", Unit.MILLISECONDS, "nine of ten calls were answered within"),
            _metric("p99_ms", Unit.MILLISECONDS, "99 of 100 calls were answered within"),
            _metric("p999_ms", Unit.MILLISECONDS, "999 of 1,000 calls were answered within"),
            _metric("max_ms", Unit.MILLISECONDS, "the slowest answer"),
            _metric(
                LAG, Unit.MILLISECONDS, "from a Region's commit until others have applied it; of a Region, whole run"
            ),
            _metric(HSM_UTILISATION, Unit.RATIO, "busy time of the HSMs / time; of a Region"),
            _metric(RECOVERY, Unit.SECONDS, "the longest time from a heal until all Regions agreed again; whole run"),
            _metric(COST, Unit.USD, "what AWS would have asked for a Region's keys and requests; whole run"),
        )
    }
)

CALLER_ERRORS = ("ConnectTimeout", "ReadTimeout", "ConnectionRefused", "EndpointConnectionError", "AccessDenied")
"""What a caller may see that is no answer of KMS: what the connection did, and STS's refusal of a session."""
