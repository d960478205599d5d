"""Aliases through the Region: names, targets, permissions, how many."""

from __future__ import annotations

from typing import Any

import pytest

from regionsim.kms.key_specs import KeySpec, KeyUsage
from tests.simulation.one_region import AWAY, HOME, OneRegion, one_region

PREFIX = (
    'ValidationException: Alias must start with the prefix "alias/". Please see '
    "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
)


def alias_arn(name: str) -> str:
    return f"arn:aws:kms:us-east-1:{HOME}:{name}"


async def own_aliases(kms: OneRegion, by: str = "alice") -> list[dict[str, Any]]:
    """The aliases that the account has beside AWS's predefined ones."""
    listed = await kms.call(by, "ListAliases")
    assert not listed["Truncated"]
    return [alias for alias in listed["Aliases"] if not alias["AliasName"].startswith("alias/aws/")]


@one_region()
async def test_an_alias_is_listed_with_its_key_and_its_dates(kms: OneRegion) -> None:
    key_id, other = await kms.create_key(), await kms.create_key()
    assert await kms.call("alice", "CreateAlias", AliasName="alias/orders", TargetKeyId=kms.arn(key_id)) == {}
    entry: dict[str, Any] = {
        "AliasName": "alias/orders",
        "AliasArn": alias_arn("alias/orders"),
        "TargetKeyId": key_id,
        "CreationDate": 1767225600.0,
        "LastUpdatedDate": 1767225600.0,
    }
    (listed,) = await own_aliases(kms)
    entry["CreationDate"] = entry["LastUpdatedDate"] = listed["CreationDate"]
    assert listed == entry
    await kms.sleep_seconds(10)
    await kms.call("alice", "UpdateAlias", AliasName="alias/orders", TargetKeyId=other)
    (moved,) = await own_aliases(kms)
    assert moved["TargetKeyId"] == other
    assert moved["CreationDate"] == entry["CreationDate"]
    assert moved["LastUpdatedDate"] >= entry["CreationDate"] + 10
    assert (await kms.call("alice", "ListAliases", KeyId=key_id))["Aliases"] == []
    assert (await kms.call("alice", "ListAliases", KeyId=other))["Aliases"] == [moved]
    await kms.call("alice", "DeleteAlias", AliasName="alias/orders")
    assert await own_aliases(kms) == []


@pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias", "DeleteAlias"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("orders", PREFIX),
        ("Alias/orders", PREFIX),
        ("alias/aws/s3", "NotAuthorized: "),
        ("alias/a:b", "ValidationException: alias/a:b contains invalid characters for an alias"),
        (
            "alias/x y",
            "ValidationException: 1 validation error detected: Value 'alias/x y' at 'aliasName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$",
        ),
    ],
)
@one_region()
async def test_a_name_that_cannot_be_is_refused_in_aws_s_words(
    kms: OneRegion, operation: str, name: str, said: str
) -> None:
    key_id = await kms.create_key()
    target = {} if operation == "DeleteAlias" else {"TargetKeyId": key_id}
    assert await kms.answer("alice", operation, AliasName=name, **target) == said


@one_region()
async def test_a_name_is_taken_once_in_an_account_and_region(kms: OneRegion) -> None:
    key_id, theirs = await kms.create_key(), await kms.create_key("zoe")
    await kms.call("alice", "CreateAlias", AliasName="alias/orders", TargetKeyId=key_id)
    said = await kms.answer("alice", "CreateAlias", AliasName="alias/orders", TargetKeyId=key_id)
    assert said == f"AlreadyExistsException: An alias with the name {alias_arn('alias/orders')} already exists"
    await kms.call("alice", "CreateAlias", AliasName="alias/Orders", TargetKeyId=key_id)  # case counts
    await kms.call("zoe", "CreateAlias", AliasName="alias/orders", TargetKeyId=theirs)
    await kms.call("alice", "DeleteAlias", AliasName="alias/orders")
    assert [alias["AliasName"] for alias in await own_aliases(kms, "zoe")] == ["alias/orders"]


@pytest.mark.parametrize("operation", ["UpdateAlias", "DeleteAlias"])
@one_region()
async def test_an_alias_that_is_not_there_is_not_found(kms: OneRegion, operation: str) -> None:
    target = {} if operation == "DeleteAlias" else {"TargetKeyId": await kms.create_key()}
    said = await kms.answer("alice", operation, AliasName="alias/none", **target)
    assert said == f"NotFoundException: Alias {alias_arn('alias/none')} is not found."


@pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias"])
@one_region()
async def test_a_target_is_a_key_of_this_account_and_region(kms: OneRegion, operation: str) -> None:
    own, theirs = await kms.create_key(MultiRegion=True), await kms.create_key("zoe")
    await kms.call("alice", "CreateAlias", AliasName="alias/own", TargetKeyId=own)
    name = "alias/own" if operation == "UpdateAlias" else "alias/new"

    async def said(target: str) -> str:
        return await kms.answer("alice", operation, AliasName=name, TargetKeyId=target)

    assert await said("alias/own") == "ValidationException: Aliases must refer to keys. Not aliases"
    assert await said(alias_arn("alias/own")) == "ValidationException: Aliases must refer to keys. Not aliases"
    assert await said("nonsense") == "NotFoundException: Invalid keyId 'nonsense'"
    assert await said(kms.arn(own, "eu-west-1")) == "NotFoundException: Invalid arn eu-west-1"
    # Another account's key, there or not: the same words, so that nobody learns which keys exist.
    foreign = await said(kms.arn(theirs, account=AWAY))
    assert foreign == await said(kms.arn("99999999-12ab-44cd-a6ef-1234567890ab", account=AWAY))
    assert foreign.startswith(f"AccessDeniedException: User: arn:aws:iam::{HOME}:user/alice is not authorized")


@one_region()
async def test_another_account_s_aliases_are_not_listed(kms: OneRegion) -> None:
    theirs = await kms.create_key("zoe")
    await kms.call("zoe", "CreateAlias", AliasName="alias/theirs", TargetKeyId=theirs)
    await kms.call("alice", "CreateAlias", AliasName="alias/theirs", TargetKeyId=await kms.create_key())
    there = await kms.answer("alice", "ListAliases", KeyId=kms.arn(theirs, account=AWAY))
    nowhere = await kms.answer(
        "alice", "ListAliases", KeyId=kms.arn("99999999-12ab-44cd-a6ef-1234567890ab", account=AWAY)
    )
    assert there == nowhere
    assert there.startswith("AccessDeniedException: ")


@one_region()
async def test_a_key_has_fifty_aliases_and_not_one_more(kms: OneRegion) -> None:
    key_id, other = await kms.create_key(), await kms.create_key()
    for number in range(50):
        await kms.call("alice", "CreateAlias", AliasName=f"alias/{number}", TargetKeyId=key_id)
    refusal = await kms.refusal("alice", "CreateAlias", AliasName="alias/50", TargetKeyId=key_id)
    assert refusal.code == "LimitExceededException"
    await kms.call("alice", "CreateAlias", AliasName="alias/50", TargetKeyId=other)
    refusal = await kms.refusal("alice", "UpdateAlias", AliasName="alias/50", TargetKeyId=key_id)
    assert refusal.code == "LimitExceededException"
    await kms.call("alice", "UpdateAlias", AliasName="alias/49", TargetKeyId=key_id)  # where it is already
    await kms.call("alice", "DeleteAlias", AliasName="alias/49")
    await kms.call("alice", "UpdateAlias", AliasName="alias/50", TargetKeyId=key_id)
    page: dict[str, Any] = await kms.call("alice", "ListAliases", KeyId=key_id)
    assert (len(page["Aliases"]), page["Truncated"]) == (50, False)


@pytest.mark.parametrize(
    ("spec", "usage"),
    [
        (KeySpec.RSA_2048, KeyUsage.ENCRYPT_DECRYPT),
        (KeySpec.RSA_2048, KeyUsage.SIGN_VERIFY),
        (KeySpec.HMAC_256, KeyUsage.GENERATE_VERIFY_MAC),
    ],
)
@one_region()
async def test_an_alias_moves_only_to_a_key_of_its_kind(kms: OneRegion, spec: KeySpec, usage: KeyUsage) -> None:
    key_id, other = await kms.create_key(), await kms.create_key()
    await kms.call("alice", "CreateAlias", AliasName="alias/x", TargetKeyId=key_id)
    await kms.put_state(other, kms.key(other).state, shared={"spec": spec, "usage": usage})
    refusal = await kms.refusal("alice", "UpdateAlias", AliasName="alias/x", TargetKeyId=other)
    assert refusal.code == "KMSInvalidStateException"
    await kms.put_state(key_id, kms.key(key_id).state, shared={"spec": spec, "usage": usage})
    await kms.call("alice", "UpdateAlias", AliasName="alias/x", TargetKeyId=other)


@one_region()
async def test_changing_an_alias_takes_a_permission_on_it_and_on_each_key(kms: OneRegion) -> None:
    old, new = await kms.create_key(), await kms.create_key()
    await kms.call("alice", "CreateAlias", AliasName="alias/x", TargetKeyId=old)
    rights = [alias_arn("alias/x"), kms.arn(old), kms.arn(new)]
    for missing in rights:
        others = [arn for arn in rights if arn != missing]
        kms.give("bob", {"Effect": "Allow", "Action": "kms:UpdateAlias", "Resource": others})
        said = await kms.answer("bob", "UpdateAlias", AliasName="alias/x", TargetKeyId=new)
        assert said == (
            f"AccessDeniedException: User: arn:aws:iam::{HOME}:user/bob is not authorized to perform: kms:UpdateAlias "
            f"on resource: {missing} because no identity-based policy allows the kms:UpdateAlias action"
        )
    kms.give("bob", {"Effect": "Allow", "Action": "kms:UpdateAlias", "Resource": rights})
    assert await kms.answer("bob", "UpdateAlias", AliasName="alias/x", TargetKeyId=new) == "ok"


@one_region()
async def test_an_alias_arn_stands_for_the_alias_and_not_for_its_key(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "CreateAlias", AliasName="alias/x", TargetKeyId=key_id)
    kms.give("bob", {"Effect": "Allow", "Action": "kms:*", "Resource": alias_arn("alias/x")})
    assert (await kms.refusal("bob", "Encrypt", KeyId="alias/x", Plaintext=b"x")).code == "AccessDeniedException"
