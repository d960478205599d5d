"""Cases for a second opinion: small worlds of policies that meet often, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

HOME, AWAY = "111122223333", "444455556666"
KEY = f"arn:aws:kms:us-east-1:{HOME}:key/mrk-a"
OTHER_KEY = f"arn:aws:kms:eu-west-1:{HOME}:key/mrk-alice"
ALIAS = f"arn:aws:kms:us-east-1:{HOME}:alias/orders"
TABLE = f"arn:aws:dynamodb:us-east-1:{HOME}:table/orders"

CALLERS = (
    f"arn:aws:iam::{HOME}:user/alice", f"arn:aws:iam::{HOME}:user/bob", f"arn:aws:iam::{AWAY}:user/alice",
    f"arn:aws:sts::{HOME}:assumed-role/app/s1", f"arn:aws:sts::{AWAY}:assumed-role/app/s1",
    f"arn:aws:iam::{HOME}:role/app", f"arn:aws:iam::{HOME}:role/aws-service-role/x.amazonaws.com/linked",
    f"arn:aws:iam::{HOME}:root", f"arn:aws:iam::{AWAY}:root", "s3.amazonaws.com",
)  # fmt: skip
ACTIONS = (
    "kms:Encrypt", "kms:Encrypt", "kms:Decrypt", "kms:Decrypt", "kms:DescribeKey", "kms:PutKeyPolicy",
    "kms:CreateGrant", "kms:RetireGrant", "kms:CreateAlias",
)  # fmt: skip
NAMED = (
    {"AWS": "*"}, "*", {"AWS": HOME}, {"AWS": f"arn:aws:iam::{HOME}:root"}, {"AWS": [HOME, AWAY]},
    {"AWS": CALLERS[0]}, {"AWS": CALLERS[0]}, {"AWS": CALLERS[2]}, {"AWS": CALLERS[3]}, {"AWS": f"arn:aws:iam::{AWAY}:root"},
    {"AWS": f"arn:aws:iam::{HOME}:role/team/app"}, {"AWS": CALLERS[5]}, {"Service": "s3.amazonaws.com"},
    {"AWS": [CALLERS[0], HOME], "Service": ["s3.amazonaws.com"]}, {"AWS": [CALLERS[5], f"arn:aws:iam::{HOME}:root"]},
)  # fmt: skip
ACTION_LISTS: tuple[Any, ...] = (
    "kms:*", "*", "kms:*", ["kms:Encrypt", "kms:Decrypt"], "KMS:*crypt", ["kms:De?rypt", "kms:DescribeKey"],
    ["kms:CreateGrant", "kms:CreateAlias", "kms:RetireGrant"], "kms:PutKeyPolicy", ["s3:*", "kms:encrypt"],
)  # fmt: skip
RESOURCE_LISTS: tuple[Any, ...] = (
    "*", "*", "*", "*", KEY, [OTHER_KEY, ALIAS], f"arn:aws:kms:*:{HOME}:key/*", "arn:aws:kms:us-*:*:alias/*", "arn:aws:kms:*",
    f"arn:aws:kms:eu-west-1:{HOME}:key/mrk-${{aws:username}}", f"arn:*:kms:*:{HOME}:*/mrk-?", f"arn:aws:kms:*{HOME}:key/mrk-a",
)  # fmt: skip
FACTS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("aws:username", ("alice", "bob", "al*")),
    ("aws:PrincipalArn", (CALLERS[0], f"arn:aws:iam::{HOME}:role/app")),
    ("aws:PrincipalTag/team", ("pay", "shop", "")),
    ("kms:ViaService", ("s3.us-east-1.amazonaws.com", "ec2.us-east-1.amazonaws.com")),
    ("kms:RequestAlias", ("alias/orders", "alias/other")),
    ("kms:ResourceAliases", (["alias/orders", "alias/other"], ["alias/orders"], [])),
    ("aws:TagKeys", (["team"], ["team", "Env"], ["x"])),
    ("aws:SourceIp", ("10.1.2.3", "192.0.2.7", "2001:db8::7", "nowhere")),
    ("aws:CurrentTime", ("2026-01-15T12:00:00Z", "2026-02-01T00:00:00Z", "1767225600", "soon")),
    ("kms:ScheduleKeyDeletionPendingWindowInDays", ("7", "14", "30", "7.0", "many")),
    ("aws:SecureTransport", (True, False, "TRUE")),
    ("aws:SourceArn", (TABLE, f"{TABLE}2", KEY)),
    ("aws:Nonce", ("AQID", "AQIDBA==", "AQIDBB==", "no base64")),
    ("kms:GrantOperations", (["Encrypt"], ["Encrypt", "Decrypt"], ["Decrypt", "DescribeKey"])),
    ("kms:GrantConstraintType", ("EncryptionContextEquals", "EncryptionContextSubset")),
    ("kms:GrantConstraintSourceArn", (TABLE, f"{TABLE}2")),
)
_TEXT_OPERATORS = (
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
)
_ARN_OPERATORS = ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike")
_RELATIONS = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
CONDITIONS: tuple[tuple[str, tuple[str, ...], tuple[Any, ...]], ...] = (
    ("kms:EncryptionContext:App", _TEXT_OPERATORS, ("pay", ["pay", "shop"], "PAY", "p*", "${aws:username}", "${aws:PrincipalTag/team, 'pay'}", "?ay", "${*}ay", "pay${aws:username}")),
    ("kms:EncryptionContext:App", ("StringEquals", "StringLike", "StringNotEquals"), ("pay${aws:username}", "${aws:username}")),
    ("kms:EncryptionContext:App", ("StringEquals", "StringLike"), ("pay${aws:username}", "${aws:username}pay")),
    ("kms:EncryptionContext:App", ("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"), ("PAY", ["Shop", "ALICE"])),
    ("aws:PrincipalArn", ("ArnLike", "ArnNotLike"), (f"arn:aws:*{HOME}:user/alice", f"arn:aws:iam::{HOME}:*")),
    ("KMS:EncryptionContext:app", _TEXT_OPERATORS, ("pay", ["Pay", "shop"])),
    ("kms:EncryptionContextKeys", _TEXT_OPERATORS[:2], ("App", ["App", "Env"], ["Env"])),
    ("aws:PrincipalArn", _ARN_OPERATORS, (f"arn:aws:iam::{HOME}:*", CALLERS[0], "arn:aws:iam::*:user/${aws:username}", "*", f"arn:aws:*{HOME}:user/alice", "arn:aws:iam")),
    ("aws:username", _TEXT_OPERATORS, ("alice", "al*", "${aws:username}", "ALICE", "al${*}")),
    ("aws:PrincipalTag/team", _TEXT_OPERATORS, ("pay", "", ["shop", ""])),
    ("kms:ViaService", _TEXT_OPERATORS[:2], ("s3.us-east-1.amazonaws.com", ["s3.us-east-1.amazonaws.com", "x"])),
    ("kms:RequestAlias", _TEXT_OPERATORS, ("alias/orders", "alias/o*", "alias/*")),
    ("kms:ResourceAliases", _TEXT_OPERATORS, ("alias/orders", "alias/*", ["alias/other", "x"])),
    ("aws:TagKeys", _TEXT_OPERATORS, ("team", ["team", "env"], "*")),
    ("aws:SourceIp", ("IpAddress", "NotIpAddress"), ("10.0.0.0/8", ["192.0.2.0/24", "2001:db8::/32"], "192.0.2.7", "2001:db8::7/128", "0.0.0.0/0")),
    ("aws:CurrentTime", tuple(f"Date{relation}" for relation in _RELATIONS), ("2026-01-15T12:00:00Z", "2026-01-15T13:00:00+01:00", "1767225600", ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"])),
    ("kms:ScheduleKeyDeletionPendingWindowInDays", tuple(f"Numeric{relation}" for relation in _RELATIONS), ("7", 14, ["7", "30"], "14.0", "1e1")),
    ("aws:SecureTransport", ("Bool",), (True, "false", ["true", "false"], "True")),
    ("aws:SourceArn", _ARN_OPERATORS, (TABLE, "arn:aws:dynamodb:*:*:table/*", f"arn:aws:*:*:{HOME}:table/orders?")),
    ("aws:Nonce", ("BinaryEquals",), ("AQID", ["AQIDBA==", "AQID"])),
    ("aws:Nonce", ("BinaryEquals",), ("AQID", ["AQIDBA==", "AQID"])),
    ("aws:Nonce", ("BinaryEquals",), ("AQID", ["AQIDBA==", "AQID"])),
    ("kms:GrantOperations", _TEXT_OPERATORS[:2], ("Encrypt", ["Encrypt", "Decrypt"])),
)  # fmt: skip


class Draw:
    """One case after another from one stream of chance."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def cases(self, count: int) -> Iterator[dict[str, Any]]:
        for _ in range(count):
            yield self.case()

    def case(self) -> dict[str, Any]:
        """A request with some of all layers; what lets it in is likelier than what keeps it out."""
        one, often = self._one, self._often
        if often(0.6):
            return one(
                (self._about_conditions,) * 5
                + (self._about_grants,) * 3
                + (self._about_roles, self._about_organizations)
            )()
        action = one(ACTIONS)
        resource = ALIAS if action == "kms:CreateAlias" and often(0.6) else one((KEY, KEY, KEY, OTHER_KEY))
        if often(0.05) and action != "kms:RetireGrant":
            resource = "*"
        case: dict[str, Any] = {"principal": one(CALLERS), "action": action, "resource": resource}
        case["keyPolicy"] = self._document(most=3, naming=True, is_key_policy=True)
        if often(0.75):
            case["identityPolicies"] = [self._document() for _ in range(one((1, 1, 2)))]
        for layer in ("permissionsBoundary", "sessionPolicy"):
            if often(0.2):
                case[layer] = self._document()
        for layer, share in (("scps", 0.2), ("rcps", 0.25)):
            if often(share):
                levels = [
                    [self._document(naming=layer == "rcps") for _ in range(one((1, 1, 2)))]
                    for _ in range(one((1, 1, 2)))
                ]
                case[layer] = levels
        if often(0.2):
            case["vpcEndpointPolicies"] = [self._document(naming=True) for _ in range(one((1, 1, 2)))]
        case["contextKeys"] = self._facts()
        case["encryptionContext"] = self._pairs()
        case["grants"] = [self._grant() for _ in range(one((0, 0, 1, 1, 2)))]
        return case

    def _about_conditions(self) -> dict[str, Any]:
        """One statement with a condition or two decides."""
        entry: dict[str, Any] = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": "*"}
        for _ in range(self._one((1, 1, 2))):
            self._add_condition(entry)
        return {
            "principal": CALLERS[0],
            "action": "kms:Decrypt",
            "resource": KEY,
            "keyPolicy": {"Version": self._one(("2012-10-17",) * 3 + ("2008-10-17",)), "Statement": [entry]},
            "contextKeys": self._facts(),
            "encryptionContext": {"App": self._one(("pay", "alice"))} if self._often(0.5) else self._pairs(),
        }

    def _about_grants(self) -> dict[str, Any]:
        """Nothing but a grant to the caller can allow."""
        caller, action = self._one(CALLERS[:9]), self._one((*ACTIONS[:5], "kms:CreateGrant", "kms:RetireGrant"))
        nobody = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": {"AWS": CALLERS[1]}}
        grants = [self._grant(), self._grant()]
        if self._often(0.7):
            grants[0]["GranteePrincipal"] = caller
            grants[0].pop("GranteeServicePrincipal", None)
        iam = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        return {
            "principal": caller,
            "action": action,
            "resource": KEY,
            "keyPolicy": {"Version": "2012-10-17", "Statement": [nobody]},
            "identityPolicies": [{"Version": "2012-10-17", "Statement": [iam]}] if self._often(0.5) else [],
            "contextKeys": self._facts(),
            "encryptionContext": {"App": "pay"} if self._often(0.4) else self._pairs(),
            "grants": grants,
        }

    def _about_roles(self) -> dict[str, Any]:
        """The key policy names a role, and something limits whoever acts in it."""
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        named = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": self._one(NAMED[10:12])}
        layer = self._one(("permissionsBoundary", "sessionPolicy", "scps"))
        return {
            "principal": self._one((CALLERS[3], CALLERS[5])),
            "action": "kms:Decrypt",
            "resource": KEY,
            "keyPolicy": {"Version": "2012-10-17", "Statement": [named]},
            layer: [[document]] if layer == "scps" else document,
        }

    def _about_organizations(self) -> dict[str, Any]:
        """Everything is allowed but for what the organization denies."""
        caller = self._one((CALLERS[0], CALLERS[6], CALLERS[9]))
        everybody = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": NAMED[13] | {"AWS": "*"}}
        denied = {"Effect": "Deny", "Action": "kms:*", "Resource": "*"}
        layer, naming = self._one((("rcps", {"Principal": "*"}), ("scps", {})))
        return {
            "principal": caller,
            "action": self._one(("kms:Decrypt", "kms:RetireGrant")),
            "resource": KEY,
            "keyPolicy": {"Version": "2012-10-17", "Statement": [everybody]},
            layer: [[{"Version": "2012-10-17", "Statement": [{**denied, **naming}]}]],
            "grants": [{"GranteePrincipal": CALLERS[0], "RetiringPrincipal": CALLERS[0], "Operations": ["Decrypt"]}],
        }

    def _facts(self) -> dict[str, Any]:
        return {key: self._one(values) for key, values in FACTS if self._often(0.55)}

    def _pairs(self) -> dict[str, str]:
        return {name: self._one(("pay", "shop", "alice", "Pay")) for name in ("App", "Env") if self._often(0.5)}

    def _document(self, *, most: int = 2, naming: bool = False, is_key_policy: bool = False) -> dict[str, Any]:
        entries = [self._statement(naming, is_key_policy) for _ in range(self._chance.randint(1, most))]
        if not is_key_policy and self._often(0.5):
            everything = {"Effect": "Allow", "Action": "*", "Resource": "*", **({"Principal": "*"} if naming else {})}
            entries.append(everything)
        if is_key_policy and self._often(0.35):
            owner = {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{HOME}:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
            entries.insert(0, owner)
        document: dict[str, Any] = {"Version": self._one(("2012-10-17",) * 5 + ("2008-10-17",)), "Statement": entries}
        if self._often(0.1):
            del document["Version"]
        return document

    def _statement(self, naming: bool, is_key_policy: bool) -> dict[str, Any]:
        one, often = self._one, self._often
        entry: dict[str, Any] = {"Effect": "Deny" if often(0.15) else "Allow"}
        entry["NotAction" if often(0.08) else "Action"] = one(ACTION_LISTS)
        entry["NotResource" if often(0.06) else "Resource"] = one(RESOURCE_LISTS)
        if is_key_policy and often(0.04):
            del entry["Resource" if "Resource" in entry else "NotResource"]
        if naming:
            is_exception = entry["Effect"] == "Deny" and often(0.4)
            entry["NotPrincipal" if is_exception else "Principal"] = one(NAMED)
        for _ in range(one((0, 0, 0, 0, 1, 1, 2))):
            self._add_condition(entry)
        return entry

    def _add_condition(self, entry: dict[str, Any]) -> None:
        one, often = self._one, self._often
        key, operators, values = one(CONDITIONS)
        operator = one(operators)
        if often(0.15):
            operator, value = "Null", one(("true", "false", True, ["true", "false"]))
        else:
            value = one(values)
            operator += "IfExists" if often(0.2) else ""
            is_several = key in (
                "kms:EncryptionContextKeys",
                "kms:ResourceAliases",
                "aws:TagKeys",
                "kms:GrantOperations",
            )
            if often(0.6 if is_several else 0.08):
                prefix = one(("ForAllValues", "ForAnyValue"))
                is_refused = prefix == "ForAllValues" and "encryptioncontext:" in key.lower()
                operator = operator if is_refused else f"{prefix}:{operator}"
        entry.setdefault("Condition", {}).setdefault(operator, {})[key] = value

    def _grant(self) -> dict[str, Any]:
        one, often = self._one, self._often
        operations = [
            name for name in ("Encrypt", "Decrypt", "DescribeKey", "CreateGrant", "RetireGrant") if often(0.55)
        ]
        grantee = one((*CALLERS[:6], CALLERS[7], CALLERS[8]))
        grant: dict[str, Any] = {"GranteePrincipal": grantee, "Operations": operations or ["Encrypt"]}
        if often(0.1):
            grant = {"GranteeServicePrincipal": "s3.amazonaws.com", "Operations": operations or ["Encrypt"]}
        limits: dict[str, Any] = {}
        if often(0.3):
            limits[one(("EncryptionContextEquals", "EncryptionContextSubset"))] = one(
                ({"app": "pay"}, {"App": "pay", "Env": "shop"}, {})
            )
        if often(0.15):
            limits["SourceArn"] = TABLE
        if limits:
            grant["Constraints"] = limits
        if often(0.5):
            grant["RetiringPrincipal"] = one((*CALLERS[:4], CALLERS[7]))
        if often(0.3):
            grant["IssuingAccount"] = one((HOME, AWAY))
        return grant

    def _one(self, choices: Any) -> Any:
        return self._chance.choice(choices)

    def _often(self, share: float) -> bool:
        return self._chance.random() < share
