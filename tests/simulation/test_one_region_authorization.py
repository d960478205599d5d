"""Who may do what, through the Region: key policies, delegation, other accounts, and AWS's sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Account, NamedPolicy
from regionsim.authorization.policy import PolicyKind, parse_policy
from tests.simulation.one_region import (
    ALLOW_ALL,
    AWAY,
    HOME,
    OneRegion,
    directory_of_two_accounts,
    one_region,
)

ROOT = f"arn:aws:iam::{HOME}:root"
ALICE = f"arn:aws:iam::{HOME}:user/alice"
BOB = f"arn:aws:iam::{HOME}:user/bob"
FOREIGN = (
    "AccessDeniedException: User: arn:aws:iam::444455556666:user/{name} is not authorized to perform: kms:{action} on "
    "this resource because the resource does not exist in this Region, no resource-based policies allow access, or a "
    "resource-based policy explicitly denies access"
)
UNKNOWN_CIPHERTEXT = (
    "AccessDeniedException: The ciphertext refers to a customer master key that does not exist, does not exist in this "
    "region, or you are not allowed to access."
)


def allow(principal: object, action: object = "kms:*", **others: object) -> dict[str, object]:
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*", **others}


def deny(principal: object, action: object = "kms:*", **others: object) -> dict[str, object]:
    return {**allow(principal, action, **others), "Effect": "Deny"}


def policy(*statements: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


async def key_with(kms: OneRegion, *statements: Mapping[str, object]) -> str:
    return await kms.create_key(Policy=policy(*statements), BypassPolicyLockoutSafetyCheck=True)


def denied(name: str, action: str, resource: str, why: str) -> str:
    who = f"arn:aws:iam::{HOME}:user/{name}"
    return (
        f"AccessDeniedException: User: {who} is not authorized to perform: kms:{action} on resource: {resource} {why}"
    )


async def encrypts(kms: OneRegion, by: str, key_id: str, **others: Any) -> str:
    return await kms.answer(by, "Encrypt", KeyId=key_id, Plaintext=b"x", **others)


# ---------------------------------------------------------------------------------------------------------- one account


@one_region()
async def test_the_default_policy_leaves_everything_to_iam(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    assert await encrypts(kms, "alice", key_id) == "ok"
    because = "because no identity-based policy allows the kms:Encrypt action"
    assert await encrypts(kms, "bob", key_id) == denied("bob", "Encrypt", kms.arn(key_id), because)
    kms.give("bob", {"Effect": "Allow", "Action": "kms:Encrypt", "Resource": kms.arn(key_id)})
    assert await encrypts(kms, "bob", key_id) == "ok"
    assert await encrypts(kms, "root", key_id) == "ok"


@one_region()
async def test_without_the_account_s_statement_iam_alone_is_useless(kms: OneRegion) -> None:
    key_id = await key_with(kms, allow(BOB))
    because = "because no resource-based policy allows the kms:Encrypt action"
    assert await encrypts(kms, "alice", key_id) == denied("alice", "Encrypt", kms.arn(key_id), because)
    assert (await encrypts(kms, "root", key_id)).endswith(because)
    assert await encrypts(kms, "bob", key_id) == "ok"  # named, needs no IAM


@one_region()
async def test_a_delegation_delegates_what_it_says(kms: OneRegion) -> None:
    key_id = await key_with(kms, allow(ROOT, "kms:Describe*"))
    assert await kms.answer("alice", "DescribeKey", KeyId=key_id) == "ok"
    assert (await encrypts(kms, "alice", key_id)).endswith("no resource-based policy allows the kms:Encrypt action")


@one_region()
async def test_an_explicit_deny_beats_the_root_user_and_every_allow(kms: OneRegion) -> None:
    key_id = await key_with(kms, allow(ROOT), allow(ALICE), deny("*", "kms:Encrypt"))
    why = "with an explicit deny in a resource-based policy"
    assert await encrypts(kms, "alice", key_id) == denied("alice", "Encrypt", kms.arn(key_id), why)
    assert (await encrypts(kms, "root", key_id)).endswith(why)
    assert await kms.answer("alice", "GenerateDataKey", KeyId=key_id, KeySpec="AES_256") == "ok"


@one_region()
async def test_a_deny_in_iam_works_whether_or_not_the_key_policy_delegates(kms: OneRegion) -> None:
    key_id = await key_with(kms, allow(ALICE))
    kms.give("alice", {"Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*"})
    why = "with an explicit deny in an identity-based policy"
    assert await encrypts(kms, "alice", key_id) == denied("alice", "Encrypt", kms.arn(key_id), why)


@one_region()
async def test_a_session_is_named_by_its_own_arn(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    refusal = await kms.refusal("role/app", "Encrypt", KeyId=key_id, Plaintext=b"x")
    assert refusal.message.startswith(f"User: arn:aws:sts::{HOME}:assumed-role/app/")
    named = await key_with(kms, allow(f"arn:aws:iam::{HOME}:role/app", "kms:Encrypt"))
    assert await encrypts(kms, "role/app", named) == "ok"


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [("CreateKey", {}), ("ListKeys", {}), ("ListAliases", {}), ("GenerateRandom", {"NumberOfBytes": 8})],
)
@one_region()
async def test_what_concerns_no_key_is_iam_s_alone(kms: OneRegion, operation: str, parameters: dict[str, Any]) -> None:
    why = f"because no identity-based policy allows the kms:{operation} action"
    assert await kms.answer("bob", operation, **parameters) == denied("bob", operation, "*", why)
    assert await kms.answer("root", operation, **parameters) == "ok"
    assert kms.region.counts.hsm_requests == (1 if operation in ("CreateKey", "GenerateRandom") else 0)


@one_region()
async def test_a_denied_call_never_reaches_an_hsm(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    asked, denied_count = kms.region.counts.hsm_requests, kms.region.counts.denied
    for operation, parameters in (
        ("Encrypt", {"KeyId": key_id, "Plaintext": b"x"}),
        ("Decrypt", {"CiphertextBlob": blob}),
        ("ReEncrypt", {"CiphertextBlob": blob, "DestinationKeyId": key_id}),
        ("GenerateDataKey", {"KeyId": key_id, "KeySpec": "AES_256"}),
        ("RotateKeyOnDemand", {"KeyId": key_id}),
        ("CreateKey", {}),
    ):
        assert (await kms.refusal("bob", operation, **parameters)).code == "AccessDeniedException"
    assert kms.region.counts.hsm_requests == asked
    assert kms.region.counts.denied == denied_count + 6


@one_region()
async def test_decrypt_without_a_key_names_the_ciphertext_and_not_the_key(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    who = f"User: {BOB} is not authorized to perform: kms:Decrypt"
    because = "because no identity-based policy allows the kms:Decrypt action"
    assert await kms.answer("bob", "Decrypt", CiphertextBlob=blob) == (
        f"AccessDeniedException: {who} on the resource associated with this ciphertext {because}"
    )
    assert await kms.answer("bob", "Decrypt", CiphertextBlob=blob, KeyId=key_id) == (
        f"AccessDeniedException: {who} on resource: {kms.arn(key_id)} {because}"
    )
    said = await kms.answer("bob", "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=key_id)
    assert "kms:ReEncryptFrom on the resource associated with this ciphertext" in said


@one_region()
async def test_reencrypt_takes_a_permission_on_each_of_its_keys(kms: OneRegion) -> None:
    source, destination = await kms.create_key(), await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=source, Plaintext=b"x"))["CiphertextBlob"]
    call = {"CiphertextBlob": blob, "SourceKeyId": source, "DestinationKeyId": destination}
    leaving = {"Effect": "Allow", "Action": "kms:ReEncryptFrom", "Resource": kms.arn(source)}
    arriving = {"Effect": "Allow", "Action": "kms:ReEncryptTo", "Resource": kms.arn(destination)}
    kms.give("bob", leaving)
    assert "perform: kms:ReEncryptTo on resource" in await kms.answer("bob", "ReEncrypt", **call)
    kms.give("bob", arriving)
    assert "perform: kms:ReEncryptFrom on resource" in await kms.answer("bob", "ReEncrypt", **call)
    kms.give("bob", leaving, arriving)
    assert await kms.answer("bob", "ReEncrypt", **call) == "ok"


# ------------------------------------------------------------------------------------------------------- other accounts


@one_region()
async def test_another_account_needs_both_sides(kms: OneRegion) -> None:
    key_id = await key_with(kms, allow(ROOT), allow(AWAY, "kms:*"))
    arn = kms.arn(key_id)
    assert await encrypts(kms, "zoe", arn) == "ok"  # the key policy and her IAM
    said = await encrypts(kms, "yann", arn)  # the key policy alone
    assert said.startswith(f"AccessDeniedException: User: arn:aws:iam::{AWAY}:user/yann is not authorized")
    assert said.endswith("because no identity-based policy allows the kms:Encrypt action")
    closed = kms.arn(await kms.create_key())
    assert await encrypts(kms, "zoe", closed) == FOREIGN.format(name="zoe", action="Encrypt")  # her IAM alone


@one_region()
async def test_a_blob_vouches_for_the_bare_id_of_another_account_s_key(kms: OneRegion) -> None:
    key_id = await key_with(kms, allow(ROOT), allow(AWAY, "kms:*"))
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order"))["CiphertextBlob"]
    opened = await kms.call("zoe", "Decrypt", KeyId=key_id, CiphertextBlob=blob)
    assert (opened["Plaintext"], opened["KeyId"]) == (b"order", kms.arn(key_id))
    own = await kms.create_key("zoe")
    moved = await kms.call("zoe", "ReEncrypt", SourceKeyId=key_id, CiphertextBlob=blob, DestinationKeyId=own)
    assert moved["SourceKeyId"] == kms.arn(key_id)
    # A stranger hears what one without KeyId hears; and of what did not make the blob, that it is not there.
    stranger = await kms.refusal("yann", "Decrypt", KeyId=key_id, CiphertextBlob=blob)
    without = await kms.refusal("yann", "Decrypt", CiphertextBlob=blob)
    assert (stranger.code, stranger.message) == (without.code, without.message)
    assert without.code == "AccessDeniedException"
    other = await key_with(kms, allow(ROOT), allow(AWAY, "kms:*"))
    for operation, parameters in (
        ("Decrypt", {"KeyId": other, "CiphertextBlob": blob}),
        ("Decrypt", {"KeyId": key_id, "CiphertextBlob": b"no blob"}),
        ("Encrypt", {"KeyId": key_id, "Plaintext": b"x"}),
    ):
        assert (await kms.refusal("zoe", operation, **parameters)).code == "NotFoundException"


@one_region()
async def test_what_is_not_for_other_accounts_never_works_there(kms: OneRegion) -> None:
    key_id = await key_with(kms, allow(ROOT), allow([AWAY, f"arn:aws:iam::{AWAY}:user/zoe"], "kms:*"))
    arn = kms.arn(key_id)
    own_account_only: dict[str, dict[str, Any]] = {
        "GetKeyPolicy": {},
        "PutKeyPolicy": {"Policy": policy(allow(ROOT))},
        "DisableKey": {},
        "EnableKey": {},
        "RotateKeyOnDemand": {},
        "ReplicateKey": {"ReplicaRegion": "eu-west-1"},
        "UpdatePrimaryRegion": {"PrimaryRegion": "eu-west-1"},
    }
    across: dict[str, dict[str, Any]] = {
        "DescribeKey": {},
        "Encrypt": {"Plaintext": b"x"},
        "GenerateDataKey": {"KeySpec": "AES_256"},
    }
    for operation, parameters in own_account_only.items():
        said = await kms.answer("zoe", operation, KeyId=arn, **parameters)
        assert said == FOREIGN.format(name="zoe", action=operation)
    for operation, parameters in across.items():
        assert await kms.answer("zoe", operation, KeyId=arn, **parameters) == "ok"


@one_region()
async def test_a_foreign_blob_without_a_key_opens_where_both_sides_allow_and_else_tells_nothing(kms: OneRegion) -> None:
    closed, opened = await kms.create_key(), await key_with(kms, allow(ROOT), allow(AWAY, "kms:Decrypt"))
    blobs = [
        (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
        for key_id in (closed, opened)
    ]
    assert await kms.answer("zoe", "Decrypt", CiphertextBlob=blobs[0]) == UNKNOWN_CIPHERTEXT
    assert (await kms.call("zoe", "Decrypt", CiphertextBlob=blobs[1]))["KeyId"] == kms.arn(opened)
    assert await kms.answer("yann", "Decrypt", CiphertextBlob=blobs[1]) == UNKNOWN_CIPHERTEXT
    said = await kms.answer("zoe", "Decrypt", CiphertextBlob=blobs[0], KeyId=kms.arn(closed))
    assert said == FOREIGN.format(name="zoe", action="Decrypt")


@one_region()
async def test_strangers_cannot_tell_a_key_that_is_not_theirs_from_one_that_is_not_there(kms: OneRegion) -> None:
    closed = kms.arn(await kms.create_key())
    nowhere = kms.arn("99999999-12ab-44cd-a6ef-1234567890ab")
    blob = (await kms.call("zoe", "Encrypt", KeyId=await kms.create_key("zoe"), Plaintext=b"x"))["CiphertextBlob"]
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("Encrypt", "KeyId", {"Plaintext": b"x"}),
        ("DescribeKey", "KeyId", {}),
        ("GenerateDataKey", "KeyId", {"KeySpec": "AES_256"}),
        ("DisableKey", "KeyId", {}),
        ("GetKeyPolicy", "KeyId", {}),
        ("ReEncrypt", "DestinationKeyId", {"CiphertextBlob": blob}),
        ("ListAliases", "KeyId", {}),
        ("CreateAlias", "TargetKeyId", {"AliasName": "alias/x"}),
    ]
    for operation, member, others in calls:
        there = await kms.answer("zoe", operation, **{member: closed}, **others)
        assert there == await kms.answer("zoe", operation, **{member: nowhere}, **others), operation
        assert there.startswith("AccessDeniedException")


# ----------------------------------------------------------------------------------------------------------- conditions

CONTEXT_CASES = [
    # condition, context, allowed
    ({"StringEquals": {"kms:EncryptionContext:App": "orders"}}, {"App": "orders"}, True),
    ({"StringEquals": {"kms:EncryptionContext:app": "orders"}}, {"App": "orders"}, True),
    ({"StringEquals": {"kms:EncryptionContext:App": "orders"}}, {"App": "Orders"}, False),
    ({"StringEquals": {"kms:EncryptionContext:App": "orders"}}, {}, False),
    ({"StringEqualsIfExists": {"kms:EncryptionContext:App": "orders"}}, {}, True),
    ({"StringEqualsIfExists": {"kms:EncryptionContext:App": "orders"}}, {"App": "x"}, False),
    ({"StringNotEquals": {"kms:EncryptionContext:App": "orders"}}, {}, True),
    ({"StringNotEquals": {"kms:EncryptionContext:App": ["a", "b"]}}, {"App": "b"}, False),
    ({"Null": {"kms:EncryptionContext:App": "true"}}, {}, True),
    ({"Null": {"kms:EncryptionContext:App": "true"}}, {"App": "x"}, False),
    ({"Null": {"kms:EncryptionContext:App": "false"}}, {"App": "x"}, True),
    ({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["App", "Team"]}}, {"App": "1"}, True),
    ({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["App", "Team"]}}, {"App": "1", "x": "2"}, False),
    ({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["App"]}}, {}, True),
    ({"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "App"}}, {"App": "1", "x": "2"}, True),
    ({"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "App"}}, {}, False),
    ({"StringLike": {"kms:EncryptionContext:App": "ord*"}}, {"App": "orders"}, True),
    ({"StringEquals": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}}, {}, True),
    ({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}, {}, False),
    ({"StringEquals": {"kms:CallerAccount": HOME}}, {}, True),
    ({"StringEquals": {"kms:KeyOrigin": "AWS_KMS", "kms:KeyUsage": "ENCRYPT_DECRYPT"}}, {}, True),
    ({"StringEquals": {"aws:ResourceTag/Team": "blue"}}, {}, True),
    ({"StringEquals": {"aws:ResourceTag/Team": "red"}}, {}, False),
    ({"Bool": {"kms:MultiRegion": "true"}}, {}, False),
    ({"Null": {"kms:MultiRegionKeyType": "true"}}, {}, True),
    ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{HOME}:user/b*"}}, {}, True),
    ({"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, {}, False),
    ({"DateGreaterThanEquals": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, {}, True),
]


@pytest.mark.parametrize(("condition", "context", "is_allowed"), CONTEXT_CASES)
@one_region()
async def test_a_condition_of_a_key_policy_holds_or_not(
    kms: OneRegion, condition: dict[str, object], context: dict[str, str], is_allowed: bool
) -> None:
    key_id = await kms.create_key(
        Policy=policy(allow(ROOT), allow(BOB, "kms:Encrypt", Condition=condition)),
        Tags=[{"TagKey": "Team", "TagValue": "blue"}],
    )
    said = await encrypts(kms, "bob", key_id, EncryptionContext=context)
    assert (said == "ok") is is_allowed, said


@one_region()
async def test_for_all_values_on_a_context_pair_is_refused_when_it_is_written(kms: OneRegion) -> None:
    condition = {"ForAllValues:StringEquals": {"kms:EncryptionContext:App": "orders"}}
    refusal = await kms.refusal("alice", "CreateKey", Policy=policy(allow(ROOT), allow(BOB, Condition=condition)))
    assert refusal.code == "MalformedPolicyDocumentException"
    assert refusal.message.startswith("OverlyPermissiveCondition: Using the ForAllValues set operator")


@one_region()
async def test_request_alias_is_how_the_key_was_named_and_resource_aliases_what_it_has(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "CreateAlias", AliasName="alias/orders", TargetKeyId=key_id)
    by_name = {"StringEquals": {"kms:RequestAlias": "alias/orders"}}
    kms.give("bob", {**ALLOW_ALL, "Condition": by_name})
    assert await encrypts(kms, "bob", "alias/orders") == "ok"
    assert await encrypts(kms, "bob", f"arn:aws:kms:us-east-1:{HOME}:alias/orders") == "ok"
    assert (await encrypts(kms, "bob", key_id)).startswith("AccessDeniedException")
    kms.give("bob", {**ALLOW_ALL, "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/orders"}}})
    assert await encrypts(kms, "bob", key_id) == "ok"
    await kms.call("alice", "DeleteAlias", AliasName="alias/orders")
    assert (await encrypts(kms, "bob", key_id)).startswith("AccessDeniedException")


@pytest.mark.parametrize("same", [True, False])
@one_region()
async def test_reencrypt_on_same_key_compares_the_two_keys(kms: OneRegion, same: bool) -> None:
    source = await kms.create_key()
    destination = source if same else await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=source, Plaintext=b"x"))["CiphertextBlob"]
    kms.give("bob", {**ALLOW_ALL, "Condition": {"Bool": {"kms:ReEncryptOnSameKey": "true"}}})
    said = await kms.answer("bob", "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=destination)
    assert (said == "ok") is same


# ------------------------------------------------------------------------------------------- boundaries and organization


def home_with(**bob: Any) -> Directory:
    directory = directory_of_two_accounts()
    home = directory.accounts[HOME]
    changed = replace(home.users["bob"], **bob)
    return directory.with_account(replace(home, users={**home.users, "bob": changed}))


def with_scps(*statements: Mapping[str, object]) -> Directory:
    directory = directory_of_two_accounts()
    return directory.with_account(replace(directory.accounts[HOME], scps=((named(PolicyKind.SCP, *statements),),)))


def named(kind: PolicyKind, *statements: Mapping[str, object]) -> NamedPolicy:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return NamedPolicy(name="limit", policy=parse_policy(document, kind=kind))


ONLY_DESCRIBE = {"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*"}
EVERYTHING = (named(PolicyKind.IDENTITY, ALLOW_ALL),)


@one_region(directory=home_with(policies=EVERYTHING, boundary=named(PolicyKind.BOUNDARY, ONLY_DESCRIBE)))
async def test_a_boundary_limits_what_iam_allows(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    assert await kms.answer("bob", "DescribeKey", KeyId=key_id) == "ok"
    why = "because no permissions boundary allows the kms:Encrypt action"
    assert await encrypts(kms, "bob", key_id) == denied("bob", "Encrypt", kms.arn(key_id), why)
    why = "because no permissions boundary allows the kms:CreateKey action"
    assert await kms.answer("bob", "CreateKey") == denied("bob", "CreateKey", "*", why)


@one_region(directory=with_scps(ALLOW_ALL, {"Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*"}))
async def test_an_scp_that_denies_binds_everybody_in_the_account(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    why = "with an explicit deny in a service control policy"
    assert await encrypts(kms, "alice", key_id) == denied("alice", "Encrypt", kms.arn(key_id), why)
    assert (await encrypts(kms, "root", key_id)).endswith(why)
    assert await encrypts(kms, "zoe", kms.arn(await kms.create_key("zoe"), account=AWAY)) == "ok"


# -------------------------------------------------------------------------------------------------------- put and shown


@one_region()
async def test_a_policy_that_is_put_rules_from_its_commit_on_and_is_shown_indented(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    put = policy(allow(ROOT), allow(BOB, "kms:Encrypt"))
    assert await kms.call("alice", "PutKeyPolicy", KeyId=key_id, Policy=put, PolicyName="default") == {}
    assert await encrypts(kms, "bob", key_id) == "ok"
    shown = (await kms.call("alice", "GetKeyPolicy", KeyId=key_id, PolicyName="default"))["Policy"]
    assert json.loads(shown) == json.loads(put)
    assert shown.startswith('{\n  "Version" : "2012-10-17",\n  "Statement" : [ {\n    "Effect" : "Allow",')


@one_region()
async def test_there_is_one_policy_and_it_is_called_default(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    said = await kms.answer("alice", "GetKeyPolicy", KeyId=key_id, PolicyName="other")
    assert said == "NotFoundException: No such policy exists"
    said = await kms.answer("alice", "PutKeyPolicy", KeyId=key_id, PolicyName="other", Policy=policy(allow(ROOT)))
    assert said == "UnsupportedOperationException: Only default policy is supported"


@pytest.mark.parametrize("operation", ["CreateKey", "PutKeyPolicy"])
@one_region()
async def test_the_lockout_check_and_its_bypass(kms: OneRegion, operation: str) -> None:
    target = {"KeyId": await kms.create_key()} if operation == "PutKeyPolicy" else {}
    locking = policy(allow(BOB))
    said = await kms.answer("alice", operation, Policy=locking, **target)
    assert said == (
        "MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future."
    )
    said = await kms.answer("alice", operation, Policy=locking, BypassPolicyLockoutSafetyCheck=True, **target)
    assert said == "ok"


@pytest.mark.parametrize("operation", ["CreateKey", "PutKeyPolicy"])
@one_region()
async def test_a_principal_that_does_not_exist_is_refused_when_it_is_written(kms: OneRegion, operation: str) -> None:
    target = {"KeyId": await kms.create_key()} if operation == "PutKeyPolicy" else {}
    ghost = policy(allow(ROOT), allow(f"arn:aws:iam::{HOME}:user/ghost"))
    said = await kms.answer("alice", operation, Policy=ghost, BypassPolicyLockoutSafetyCheck=True, **target)
    assert said == (
        "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals."
    )
    said = await kms.answer("alice", operation, Policy="no JSON", **target)
    assert said.startswith("MalformedPolicyDocumentException: ")
    said = await kms.answer("alice", operation, Policy=" " * 32_769, **target)
    assert said.startswith("LimitExceededException: ")


@one_region()
async def test_the_bypass_itself_can_be_forbidden(kms: OneRegion) -> None:
    condition = {"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "true"}}
    key_id = await key_with(kms, allow(ROOT), deny("*", "kms:PutKeyPolicy", Condition=condition))
    put = {"KeyId": key_id, "Policy": policy(allow(ROOT))}
    refusal = await kms.refusal("alice", "PutKeyPolicy", BypassPolicyLockoutSafetyCheck=True, **put)
    assert refusal.message.endswith("with an explicit deny in a resource-based policy")
    assert await kms.answer("alice", "PutKeyPolicy", **put) == "ok"


@one_region()
async def test_resource_aliases_have_no_effect_in_a_key_policy(kms: OneRegion) -> None:
    condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/orders"}}
    key_id = await key_with(kms, allow(ROOT), allow(BOB, "kms:Encrypt", Condition=condition))
    await kms.call("alice", "CreateAlias", AliasName="alias/orders", TargetKeyId=key_id)
    assert (await encrypts(kms, "bob", key_id)).startswith("AccessDeniedException")


def test_the_two_accounts_are_two() -> None:
    assert isinstance(directory_of_two_accounts().accounts[AWAY], Account)


@one_region()
async def test_conditions_see_where_a_call_came_from(kms: OneRegion) -> None:
    outside = {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    key_id = await key_with(kms, allow(ROOT), deny("*", "kms:Encrypt", Condition=outside))
    assert await encrypts(kms, "alice", key_id) == "ok"

    inside = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    key_id = await key_with(kms, allow(ROOT), deny("*", "kms:Encrypt", Condition=inside))
    assert (await encrypts(kms, "alice", key_id)).startswith("AccessDeniedException")
