"""A second opinion on a decision: the case as JSON, the rules as AWS states them, and nothing of the product.

It walks every statement of every policy, compiles nothing and indexes nothing, and imports no module of regionsim. A case
is as `regionsim explain --cases` reads it.

Source: KMS Developer Guide, "Key policies in AWS KMS", "Grants in AWS KMS"; IAM User Guide, "Policy evaluation logic",
"Condition operators", "Policy variables"; where they leave a point open, ours.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

Case = dict[str, Any]
Document = dict[str, Any]

ALLOWED, DENIED, IMPLICIT = "Allowed", "ExplicitlyDenied", "ImplicitlyDenied"
ACROSS_ACCOUNTS = {
    "creategrant", "decapsulate", "decrypt", "derivesharedsecret", "describekey", "encapsulate", "encrypt",
    "generatedatakey", "generatedatakeypair", "generatedatakeypairwithoutplaintext", "generatedatakeywithoutplaintext",
    "generatemac", "getkeyrotationstatus", "getpublickey", "listgrants", "reencryptfrom", "reencryptto", "retiregrant",
    "revokegrant", "sign", "verify", "verifymac",
}  # fmt: skip


def verdict(case: Case) -> str:
    """Allowed, ExplicitlyDenied or ImplicitlyDenied."""
    who, action, resource = Who(case["principal"]), case["action"].lower(), case["resource"]
    key_policy = case.get("keyPolicy") if ":key/" in resource and action != "kms:retiregrant" else None
    scps = [] if who.is_service or who.is_service_linked else case.get("scps", [])
    rcps = [] if who.is_service_linked or action == "kms:retiregrant" else case.get("rcps", [])
    limits = [case[name] for name in ("permissionsBoundary", "sessionPolicy") if name in case]
    identity, endpoint = case.get("identityPolicies", []), case.get("vpcEndpointPolicies", [])
    plain = [*identity, *limits, *(document for level in scps for document in level)]
    naming = [*([key_policy] if key_policy else []), *endpoint, *(document for level in rcps for document in level)]

    for document in plain:
        if any(fits(entry, document, case) for entry in statements(document, "Deny")):
            return DENIED
    for document in naming:
        for entry in statements(document, "Deny"):
            if denies(entry, who, case) and fits(entry, document, case, of_key=document is key_policy):
                return DENIED

    def allows(documents: list[Document]) -> bool:
        return any(fits(entry, one, case) for one in documents for entry in statements(one, "Allow"))

    if not all(allows(level) for level in scps):
        return IMPLICIT
    if endpoint and not any(
        who.named_in(entry) and fits(entry, one, case) for one in endpoint for entry in statements(one, "Allow")
    ):
        return IMPLICIT
    within = all(allows([document]) for document in limits)
    iam = (who.is_root or allows(identity)) and within
    is_allowed = _by_kind(case, who, action, key_policy, iam, within)
    return ALLOWED if is_allowed else IMPLICIT


def _by_kind(case: Case, who: Who, action: str, key_policy: Document | None, iam: bool, within: bool) -> bool:
    resource, grants = case["resource"], case.get("grants", [])
    if action == "kms:retiregrant":
        return any(may_retire(grant, case, who, iam) for grant in grants)
    if resource == "*":
        return iam
    owner = case.get("resourceAccount") or resource.split(":")[4]
    if ":alias/" in resource:
        return iam and who.account == owner
    ways = set()
    for entry in statements(key_policy, "Allow") if key_policy else []:
        if fits(entry, key_policy or {}, case, of_key=True):
            ways.add(who.named_in(entry))
    if who.is_service or who.account == owner:
        is_allowed = "self" in ways or ("anyone" in ways and not who.is_service)
        is_allowed = is_allowed or ("role" in ways and within) or ("account" in ways and iam)
    elif action.removeprefix("kms:") not in ACROSS_ACCOUNTS:
        return False
    else:
        is_allowed = bool(ways - {None}) and iam
    return is_allowed or any(grants_it(grant, case, who, action, iam) for grant in grants)


# ------------------------------------------------------------------------------------------------------------- people


class Who:
    """The caller, with the texts by which a policy names it."""

    def __init__(self, text: str) -> None:
        self.is_service = not text.startswith("arn:")
        self.account = "" if self.is_service else text.split(":")[4]
        self.is_root = text.endswith(":root")
        kind = "" if self.is_service else text.split(":", 5)[5].split("/", maxsplit=1)[0]
        name = text.rpartition("/")[2]
        self.is_service_linked = "role/aws-service-role/" in text
        self.own = {text} if kind in ("user", "") and not self.is_root else set()
        self.role = set()
        if kind == "assumed-role":
            self.own, self.role = {text}, {text.split("/")[1]}
        if kind == "role":
            self.role = {name}
        self.accounts = {self.account, f"arn:aws:iam::{self.account}:root"} if self.account else set()

    def is_role(self, text: str) -> bool:
        """A role's path is no part of its name."""
        return text.startswith(f"arn:aws:iam::{self.account}:role/") and text.rpartition("/")[2] in self.role

    def way(self, text: str) -> str | None:
        if text in self.own:
            return "self"
        if self.is_role(text):
            return "role"
        return "account" if text in self.accounts else "anyone" if text == "*" else None

    def named_in(self, entry: Document) -> str | None:
        """The best way in which an Allow's Principal names the caller."""
        ways = {self.way(text) for text in principals(entry.get("Principal"))}
        if self.is_service and "NotPrincipal" not in entry:
            ways &= {"self", "anyone"}
        return next((way for way in ("self", "anyone", "role", "account") if way in ways), None)


def principals(element: Any) -> list[str]:
    if element == "*":
        return ["*"]
    texts = []
    for one in (element or {}).values():
        texts += one if isinstance(one, list) else [one]
    return texts


def denies(entry: Document, who: Who, case: Case) -> bool:
    if "NotPrincipal" not in entry:
        return any(who.way(text) for text in principals(entry["Principal"]))
    if "permissionsBoundary" in case:
        return True
    spared = principals(entry["NotPrincipal"])
    if "*" in spared:
        return False
    by_self = any(who.way(text) in ("self", "role") for text in spared) or not (who.own or who.role)
    by_account = any(text in who.accounts for text in spared) or not who.accounts
    return not (by_self and by_account)


# ---------------------------------------------------------------------------------------------------------- statements


def statements(document: Document, effect: str) -> list[Document]:
    listed = document["Statement"]
    return [entry for entry in (listed if isinstance(listed, list) else [listed]) if entry["Effect"] == effect]


def fits(entry: Document, document: Document, case: Case, *, of_key: bool = False) -> bool:
    """Action, Resource and Condition of a statement fit the case."""
    has_variables = document.get("Version") == "2012-10-17"
    known = facts(case)
    for name, test in (
        ("Action", lambda text: wild(text.lower(), case["action"].lower())),
        ("Resource", lambda text: fits_resource(text, case["resource"], known, has_variables)),
    ):
        element = entry.get(name, entry.get(f"Not{name}"))
        if element is None:
            return False  # AWS takes a key policy's statement without it, and it has no effect
        texts = element if isinstance(element, list) else [element]
        if any(test(text) for text in texts) is (f"Not{name}" in entry):
            return False
    for operator, keys in entry.get("Condition", {}).items():
        for key, wanted in keys.items():
            absent = of_key and key.lower() == "kms:resourcealiases"
            actual = None if absent else known.get(key.lower())
            values = [spelled(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
            if not holds(operator, values, actual, known, has_variables):
                return False
    return True


def facts(case: Case) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for key, value in case.get("contextKeys", {}).items():
        known[key.lower()] = [spelled(one) for one in value] if isinstance(value, list) else spelled(value)
    pairs = case.get("encryptionContext", {})
    for name, text in pairs.items():
        known[f"kms:encryptioncontext:{name}".lower()] = text
    if pairs:
        known["kms:encryptioncontextkeys"] = list(pairs)
    return {key: value for key, value in known.items() if value != []}


def spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def wild(pattern: str, text: str) -> bool:
    """`*` is any run of characters, `?` any one."""
    expression = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def filled(text: str, known: dict[str, Any], has_variables: bool) -> str | None:
    """The pattern with its variables replaced, their values escaped; None when one has no single value."""
    if not has_variables:
        return text
    missing = []

    def value(found: re.Match[str]) -> str:
        if found[1] in ("*", "?", "$"):
            return f"[{found[1]}]"
        name, _, default = found[1].partition(",")
        actual = known.get(name.strip().lower())
        if actual is None and default:
            actual = default.strip().strip("'")
        if not isinstance(actual, str):
            missing.append(name)
            return ""
        return "".join(f"[{sign}]" if sign in "*?" else sign for sign in actual)

    result = re.sub(r"\$\{([^}]*)\}", value, text)
    return None if missing else result


def wild_escaped(pattern: str, text: str) -> bool:
    """As `wild`, with `[*]`, `[?]` and `[$]` for the characters themselves."""
    parts = re.split(r"(\[[*?$]\]|[*?])", pattern)
    signs = {"*": ".*", "?": ".", "[*]": r"\*", "[?]": r"\?", "[$]": r"\$"}
    return re.fullmatch("".join(signs.get(part, re.escape(part)) for part in parts), text, re.DOTALL) is not None


def fits_resource(pattern: str, resource: str, known: dict[str, Any], has_variables: bool) -> bool:
    if set(pattern) == {"*"}:
        return True
    wanted = pattern.split(":", 5)
    given = resource.split(":", len(wanted) - 1)
    if len(wanted) < 6 and not pattern.endswith("*"):
        return False
    if len(given) != len(wanted):
        return False
    last = filled(wanted[-1], known, has_variables and len(wanted) == 6)
    leading = all(wild(one, other) for one, other in zip(wanted[:-1], given[:-1], strict=True))
    return leading and last is not None and wild_escaped(last, given[-1])


# ---------------------------------------------------------------------------------------------------------- conditions


def holds(operator: str, wanted: list[str], actual: Any, known: dict[str, Any], has_variables: bool) -> bool:
    quantifier, _, base = operator.rpartition(":")
    if base == "Null":
        return ("true" if actual in (None, "") else "false") in [one.lower() for one in wanted]
    if_exists = base.endswith("IfExists")
    base = base.removesuffix("IfExists")
    negated = "Not" in base
    positive = base.replace("Not", "")

    def one_fits(value: str) -> bool:
        return any(compare(positive, value, one, known, has_variables) for one in wanted) is not negated

    values = [] if actual is None else actual if isinstance(actual, list) else [actual]
    if quantifier == "ForAllValues":
        return all(one_fits(value) for value in values)
    if quantifier == "ForAnyValue":
        return any(one_fits(value) for value in values) if values else if_exists
    if actual is None:
        return if_exists or negated
    return negated if isinstance(actual, list) else one_fits(actual)


def compare(operator: str, value: str, wanted: str, known: dict[str, Any], has_variables: bool) -> bool:
    """One value of the request against one of the policy."""
    if operator.startswith("Numeric"):
        return ordered(operator.removeprefix("Numeric"), number(value), number(wanted))
    if operator.startswith("Date"):
        return ordered(operator.removeprefix("Date"), instant(value), instant(wanted))
    match operator:
        case "Bool":
            return value.lower() == wanted.lower() and value.lower() in ("true", "false")
        case "BinaryEquals":
            return decoded(value) is not None and decoded(value) == decoded(wanted)
        case "IpAddress":
            return is_within(value, wanted)
        case _:
            pattern = filled(wanted, known, has_variables)
            return pattern is not None and compare_text(operator, value, pattern, has_variables)


def compare_text(operator: str, value: str, pattern: str, has_variables: bool) -> bool:
    if operator in ("ArnEquals", "ArnLike"):
        fields, given = pattern.split(":", 5), value.split(":", 5)
        if pattern == "*":
            return True
        return len(fields) == len(given) == 6 and all(map(wild_escaped, fields, given))
    if operator == "StringLike":
        return wild_escaped(pattern, value) if has_variables else wild(pattern, value)
    plain = re.sub(r"\[([*?$])\]", r"\1", pattern) if has_variables else pattern
    return plain.lower() == value.lower() if operator == "StringEqualsIgnoreCase" else plain == value


def is_within(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def ordered(relation: str, left: Any, right: Any) -> bool:
    if left is None or right is None:
        return False
    match relation:
        case "Equals":
            return bool(left == right)
        case "LessThan":
            return bool(left < right)
        case "LessThanEquals":
            return bool(left <= right)
        case "GreaterThan":
            return bool(left > right)
        case _:
            return bool(left >= right)


def number(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except ValueError:
        return None


def instant(text: str) -> float | None:
    if re.fullmatch(r"-?\d+(\.\d+)?", text) and len(text) != 4:
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


# -------------------------------------------------------------------------------------------------------------- grants


def grants_it(grant: Document, case: Case, who: Who, action: str, iam: bool) -> bool:
    operation = action.removeprefix("kms:")
    if operation not in [one.lower() for one in grant["Operations"]] or not constraints_hold(grant, case, operation):
        return False
    if operation == "creategrant" and not permits_child(grant, case):
        return False
    way = who.way(grant.get("GranteePrincipal") or grant["GranteeServicePrincipal"])
    return way in ("self", "role") or (way == "account" and iam)


def lowered(pairs: dict[str, str]) -> set[tuple[str, str]]:
    return {(name.lower(), text) for name, text in pairs.items()}


def constraints_hold(grant: Document, case: Case, operation: str) -> bool:
    limits = grant.get("Constraints", {})
    if "SourceArn" in limits and facts(case).get("aws:sourcearn") != limits["SourceArn"]:
        return False
    if operation in ("describekey", "creategrant", "retiregrant"):
        return True
    sent = lowered(case.get("encryptionContext", {}))
    if "EncryptionContextEquals" in limits and lowered(limits["EncryptionContextEquals"]) != sent:
        return False
    return "EncryptionContextSubset" not in limits or lowered(limits["EncryptionContextSubset"]) <= sent


def permits_child(grant: Document, case: Case) -> bool:
    """The grant to be made, as its condition keys tell it, allows no more and is as strict."""
    known, limits = facts(case), grant.get("Constraints", {})
    operations = known.get("kms:grantoperations", [])
    if not set([operations] if isinstance(operations, str) else operations) <= set(grant["Operations"]):
        return False
    if "SourceArn" in limits and known.get("kms:grantconstraintsourcearn") != limits["SourceArn"]:
        return False
    kind, pairs = known.get("kms:grantconstrainttype"), lowered(case.get("encryptionContext", {}))
    if "EncryptionContextEquals" in limits and (
        kind != "EncryptionContextEquals" or pairs != lowered(limits["EncryptionContextEquals"])
    ):
        return False
    if "EncryptionContextSubset" in limits:
        is_limited = kind in ("EncryptionContextEquals", "EncryptionContextSubset")
        return is_limited and lowered(limits["EncryptionContextSubset"]) <= pairs
    return True


def may_retire(grant: Document, case: Case, who: Who, iam: bool) -> bool:
    entitled = [grant.get("RetiringPrincipal") or grant.get("RetiringServicePrincipal")]
    if "RetireGrant" in grant["Operations"]:
        entitled.append(grant.get("GranteePrincipal") or grant.get("GranteeServicePrincipal"))
    ways = {who.way(one) for one in entitled if one}
    if ways & {"self", "role"}:
        return True
    is_of_account = "account" in ways or (grant.get("IssuingAccount") or case["resource"].split(":")[4]) == who.account
    return is_of_account and iam
