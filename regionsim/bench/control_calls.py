"""The control-plane operations that `bench --keys` measures, in an order in which each undoes what the ones before it
did, or goes on with it. What a call needs of an earlier one is the answer that one had.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from regionsim.kms.pages import page
from regionsim.names.dataclass import dataclass

Parameters = dict[str, Any]

HERE, THERE = REGIONS = ("us-east-1", "eu-west-1")
"""Where the keys are, and where replicas go."""

ALIAS = "alias/bench-{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What one call of a batch is about; `answers` are those of the same call of earlier operations, by name.

    `key_id` is one of the many keys, `shared_id` a multi-Region key without replicas, `empty_id` a key whose material
    is to be imported. `number` is the call's own, of all rounds.
    """

    number: int
    key_id: str
    other_id: str
    shared_id: str
    empty_id: str
    policy: str = field(repr=False)
    grantee: str
    middle: str
    """A key id in the middle of the account's."""

    answers: dict[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlCall:
    """One line of the table. `name` says the operation, and behind a colon what is particular to the call."""

    name: str
    parameters: Callable[[Subject], Parameters]
    is_of_two_regions: bool = False
    """True: another Region has its share of the work, and goes on after the answer."""

    makes_keys: bool = False
    """True: an HSM makes a key pair for it, on its own thread."""

    @property
    def operation(self) -> str:
        return self.name.partition(":")[0]


def _key(one: Subject) -> Parameters:
    return {"KeyId": one.key_id}


def _alias(one: Subject) -> Parameters:
    return {"AliasName": ALIAS.format(f"new-{one.number}")}


def _grant(one: Subject) -> Parameters:
    return {
        "KeyId": one.key_id,
        "GranteePrincipal": one.grantee,
        "RetiringPrincipal": one.grantee,
        "Operations": ["Encrypt"],
    }


def _after(name: str) -> str:
    """The marker of a page that ends with that name."""
    marker: str = page("Keys", [], name)["NextMarker"]
    return marker


_PAIR = {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}
_TAGS = [{"TagKey": "team", "TagValue": "blue"}]

CALLS: tuple[ControlCall, ...] = (
    ControlCall(name="CreateKey", parameters=lambda one: {}),
    ControlCall(
        name="CreateKey:all",
        parameters=lambda one: {
            "Description": "of the bench",
            "Tags": _TAGS,
            "Policy": one.policy,
            "MultiRegion": True,
        },
    ),
    ControlCall(name="CreateKey:ECC_NIST_P256", parameters=lambda one: _PAIR),
    ControlCall(
        name="GetPublicKey",
        parameters=lambda one: {"KeyId": one.answers["CreateKey:ECC_NIST_P256"]["KeyMetadata"]["KeyId"]},
    ),
    ControlCall(name="DescribeKey", parameters=_key),
    ControlCall(name="DescribeKey:alias", parameters=lambda one: {"KeyId": ALIAS.format(one.number)}),
    ControlCall(name="ListKeys", parameters=lambda one: {}),
    ControlCall(name="ListKeys:middle", parameters=lambda one: {"Marker": _after(one.middle)}),
    ControlCall(name="ListAliases", parameters=lambda one: {}),
    ControlCall(name="ListAliases:middle", parameters=lambda one: {"Marker": _after(ALIAS.format("5"))}),
    ControlCall(name="ListAliases:key", parameters=_key),
    ControlCall(name="CreateAlias", parameters=lambda one: {**_alias(one), "TargetKeyId": one.key_id}),
    ControlCall(name="UpdateAlias", parameters=lambda one: {**_alias(one), "TargetKeyId": one.other_id}),
    ControlCall(name="DeleteAlias", parameters=_alias),
    ControlCall(name="TagResource", parameters=lambda one: {**_key(one), "Tags": _TAGS}),
    ControlCall(name="ListResourceTags", parameters=_key),
    ControlCall(name="UntagResource", parameters=lambda one: {**_key(one), "TagKeys": ["team"]}),
    ControlCall(name="GetKeyPolicy", parameters=_key),
    ControlCall(name="PutKeyPolicy", parameters=lambda one: {**_key(one), "Policy": one.policy}),
    ControlCall(name="ListKeyPolicies", parameters=_key),
    ControlCall(name="UpdateKeyDescription", parameters=lambda one: {**_key(one), "Description": "of the bench"}),
    ControlCall(name="CreateGrant", parameters=_grant),
    ControlCall(name="ListGrants", parameters=_key),
    ControlCall(name="ListRetirableGrants", parameters=lambda one: {"RetiringPrincipal": one.grantee}),
    ControlCall(name="RetireGrant", parameters=lambda one: {"GrantToken": one.answers["CreateGrant"]["GrantToken"]}),
    ControlCall(name="CreateGrant:again", parameters=_grant),
    ControlCall(
        name="RevokeGrant",
        parameters=lambda one: {**_key(one), "GrantId": one.answers["CreateGrant:again"]["GrantId"]},
    ),
    ControlCall(name="DisableKey", parameters=_key),
    ControlCall(name="EnableKey", parameters=_key),
    ControlCall(name="EnableKeyRotation", parameters=_key),
    ControlCall(name="GetKeyRotationStatus", parameters=_key),
    ControlCall(name="RotateKeyOnDemand", parameters=_key),
    ControlCall(name="ListKeyRotations", parameters=_key),
    ControlCall(name="DisableKeyRotation", parameters=_key),
    ControlCall(name="ScheduleKeyDeletion", parameters=_key),
    ControlCall(name="CancelKeyDeletion", parameters=_key),
    ControlCall(name="EnableKey:back", parameters=_key),
    ControlCall(name="GetKeyLastUsage", parameters=_key),
    ControlCall(
        name="ReplicateKey",
        parameters=lambda one: {"KeyId": one.shared_id, "ReplicaRegion": THERE},
        is_of_two_regions=True,
    ),
    ControlCall(
        name="UpdatePrimaryRegion",
        parameters=lambda one: {"KeyId": one.shared_id, "PrimaryRegion": THERE},
        is_of_two_regions=True,
    ),
    ControlCall(
        name="GetParametersForImport",
        parameters=lambda one: {
            "KeyId": one.empty_id,
            "WrappingAlgorithm": "RSAES_OAEP_SHA_256",
            "WrappingKeySpec": "RSA_2048",
        },
        makes_keys=True,
    ),
    ControlCall(name="DeleteImportedKeyMaterial", parameters=lambda one: {"KeyId": one.empty_id}),
    ControlCall(name="DescribeCustomKeyStores", parameters=lambda one: {}),
)
"""All of KMS but cryptography, changes of custom key stores, and ImportKeyMaterial (its caller needs cryptography)."""


def a_policy(account: str, users: int) -> str:
    """A key policy of several statements, as keys in use have one."""
    statements = [{"Sid": "root", "Effect": "Allow", "Principal": {"AWS": account}, "Action": "kms:*", "Resource": "*"}]
    statements += [
        {
            "Sid": f"s{number}",
            "Effect": "Allow",
            "Principal": {"AWS": account},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": "*",
        }
        for number in range(users)
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
