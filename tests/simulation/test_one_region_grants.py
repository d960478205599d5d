"""Grants through the Region: who may create, use, list, revoke and retire one; tokens, names, pages, crashes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simulation.one_region import AWAY, HOME, OneRegion, one_region

BOB = f"arn:aws:iam::{HOME}:user/bob"
YANN = f"arn:aws:iam::{AWAY}:user/yann"
APP = f"arn:aws:iam::{HOME}:role/app"
DENIED = "AccessDeniedException"


async def granted(kms: OneRegion, key: str, grantee: str = BOB, *operations: str, **others: Any) -> dict[str, Any]:
    return await kms.call(
        "alice",
        "CreateGrant",
        KeyId=key,
        GranteePrincipal=grantee,
        Operations=list(operations or ["Encrypt"]),
        **others,
    )


async def code(kms: OneRegion, by: str, operation: str, **parameters: Any) -> str:
    return (await kms.answer(by, operation, **parameters)).partition(":")[0]


@one_region()
async def test_a_grant_allows_its_operations_and_no_other(kms: OneRegion) -> None:
    key = await kms.create_key()
    assert await code(kms, "bob", "Encrypt", KeyId=key, Plaintext=b"x") == DENIED
    made = await granted(kms, key)
    assert await code(kms, "bob", "Encrypt", KeyId=key, Plaintext=b"x") == "ok"
    assert await code(kms, "bob", "Encrypt", KeyId=key, Plaintext=b"x", GrantTokens=[made["GrantToken"]]) == "ok"
    assert await code(kms, "bob", "GenerateDataKey", KeyId=key, KeySpec="AES_256") == DENIED
    assert await code(kms, "role/app", "Encrypt", KeyId=key, Plaintext=b"x") == DENIED
    assert await code(kms, "bob", "Encrypt", KeyId=await kms.create_key(), Plaintext=b"x") == DENIED
    await kms.call("alice", "RevokeGrant", KeyId=key, GrantId=made["GrantId"])
    assert await code(kms, "bob", "Encrypt", KeyId=key, Plaintext=b"x") == DENIED
    assert await code(kms, "alice", "RevokeGrant", KeyId=key, GrantId=made["GrantId"]) == "NotFoundException"


@one_region()
async def test_constraints_compare_the_encryption_context(kms: OneRegion) -> None:
    key = await kms.create_key()
    await granted(kms, key, BOB, "Encrypt", Constraints={"EncryptionContextSubset": {"App": "pay"}})
    await granted(kms, key, APP, "Encrypt", Constraints={"EncryptionContextEquals": {"App": "pay"}})

    async def encrypts(by: str, **context: str) -> str:
        return await code(kms, by, "Encrypt", KeyId=key, Plaintext=b"x", EncryptionContext=context)

    assert await encrypts("bob", app="pay", More="x") == "ok"
    assert await encrypts("bob", App="shop") == DENIED
    assert await encrypts("role/app", App="pay") == "ok"
    assert await encrypts("role/app", App="pay", More="x") == DENIED


@one_region()
async def test_a_deny_wins_over_a_grant(kms: OneRegion) -> None:
    key = await kms.create_key()
    await granted(kms, key)
    kms.give("bob", {"Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*"})
    assert await code(kms, "bob", "Encrypt", KeyId=key, Plaintext=b"x") == DENIED
    await granted(kms, key, APP)
    assert await code(kms, "role/app", "Encrypt", KeyId=key, Plaintext=b"x") == "ok"
    statement = {"Principal": {"AWS": "*"}, "Action": "kms:Encrypt", "Resource": "*", "Effect": "Deny"}
    document = json.loads((await kms.call("alice", "GetKeyPolicy", KeyId=key))["Policy"])
    document["Statement"].append(statement)
    await kms.call("alice", "PutKeyPolicy", KeyId=key, Policy=json.dumps(document))
    assert await code(kms, "role/app", "Encrypt", KeyId=key, Plaintext=b"x") == DENIED


@one_region()
async def test_another_account_uses_a_grant_without_iam(kms: OneRegion) -> None:
    key = await kms.create_key()
    assert await code(kms, "yann", "Encrypt", KeyId=kms.arn(key), Plaintext=b"x") == DENIED
    await granted(kms, key, YANN)
    assert await code(kms, "yann", "Encrypt", KeyId=kms.arn(key), Plaintext=b"x") == "ok"


@one_region()
async def test_a_grantee_passes_on_no_more_than_it_has(kms: OneRegion) -> None:
    key = await kms.create_key()
    await granted(kms, key, BOB, "CreateGrant", "Encrypt", Constraints={"EncryptionContextSubset": {"App": "pay"}})

    async def creates(*operations: str, **constraints: Any) -> str:
        return await code(
            kms, "bob", "CreateGrant", KeyId=key, GranteePrincipal=APP, Operations=list(operations), **constraints
        )

    strict = {"EncryptionContextEquals": {"App": "pay", "Env": "test"}}
    assert await creates("Encrypt", Constraints=strict) == "ok"
    assert await creates("Encrypt") == DENIED
    assert await creates("Encrypt", "Decrypt", Constraints=strict) == DENIED


@one_region()
async def test_who_may_retire(kms: OneRegion) -> None:
    key = await kms.create_key()
    first = await granted(kms, key, BOB, "Encrypt", RetiringPrincipal=YANN)
    assert await code(kms, "bob", "RetireGrant", GrantToken=first["GrantToken"]) == DENIED
    assert await code(kms, "yann", "RetireGrant", GrantToken=first["GrantToken"]) == "ok"
    assert await code(kms, "yann", "RetireGrant", GrantToken=first["GrantToken"]) == "NotFoundException"
    second = await granted(kms, key, BOB, "Encrypt", "RetireGrant")
    by_id = {"KeyId": kms.arn(key), "GrantId": second["GrantId"]}
    assert await code(kms, "bob", "RetireGrant", DryRun=True, **by_id) == "DryRunOperationException"
    assert await code(kms, "bob", "RetireGrant", **by_id) == "ok"
    third = await granted(kms, key)
    # Alice's account issued it, and its IAM lets her act.
    assert await code(kms, "alice", "RetireGrant", GrantToken=third["GrantToken"]) == "ok"
    assert await code(kms, "alice", "RetireGrant", GrantToken=third["GrantToken"], KeyId=key) == "ValidationException"
    assert await code(kms, "alice", "RetireGrant", GrantToken="bm9uc2Vuc2U=") == "InvalidGrantTokenException"


@one_region()
async def test_the_same_name_and_parameters_give_the_same_grant(kms: OneRegion) -> None:
    key = await kms.create_key()
    first, again = await granted(kms, key, Name="n"), await granted(kms, key, Name="n")
    assert first["GrantId"] == again["GrantId"]
    assert first["GrantToken"] != again["GrantToken"]
    assert (await granted(kms, key, BOB, "Decrypt", Name="n"))["GrantId"] != first["GrantId"]
    nameless = {(await granted(kms, key))["GrantId"] for _ in range(2)}
    assert len(nameless) == 2


@one_region()
async def test_listed_by_page_by_grantee_and_by_who_may_retire(kms: OneRegion) -> None:
    key = await kms.create_key()
    ids = [(await granted(kms, key, BOB, RetiringPrincipal=APP))["GrantId"] for _ in range(3)]
    other = await granted(kms, key, APP, "Decrypt", Name="x", Constraints={"EncryptionContextSubset": {"App": "pay"}})
    page = await kms.call("alice", "ListGrants", KeyId=key, Limit=2)
    assert [grant["GrantId"] for grant in page["Grants"]] == ids[:2]
    rest = await kms.call("alice", "ListGrants", KeyId=key, Marker=page["NextMarker"])
    assert [grant["GrantId"] for grant in rest["Grants"]] == [ids[2], other["GrantId"]]
    (shown,) = (await kms.call("alice", "ListGrants", KeyId=key, GranteePrincipal=APP))["Grants"]
    assert shown == {
        "KeyId": kms.arn(key),
        "GrantId": other["GrantId"],
        "Name": "x",
        "CreationDate": shown["CreationDate"],
        "GranteePrincipal": APP,
        "IssuingAccount": f"arn:aws:iam::{HOME}:root",
        "Operations": ["Decrypt"],
        "Constraints": {"EncryptionContextSubset": {"App": "pay"}},
    }
    for asked, found in (
        ({"GrantId": ids[1]}, [ids[1]]),
        ({"GrantId": "0" * 64}, []),
        ({"GrantId": ids[1], "GranteePrincipal": APP}, []),
    ):
        listed = await kms.call("alice", "ListGrants", KeyId=key, **asked)
        assert ([grant["GrantId"] for grant in listed["Grants"]], listed["Truncated"]) == (found, False)
    retirable = await kms.call("alice", "ListRetirableGrants", RetiringPrincipal=APP)
    assert [grant["GrantId"] for grant in retirable["Grants"]] == ids
    assert (await kms.call("zoe", "ListRetirableGrants", RetiringPrincipal=APP))["Grants"] == []


@one_region()
async def test_what_no_grant_can_say(kms: OneRegion) -> None:
    key = await kms.create_key()

    async def creates(**parameters: Any) -> str:
        given = {"KeyId": key, "GranteePrincipal": BOB, "Operations": ["Encrypt"], **parameters}
        return await code(kms, "alice", "CreateGrant", **{name: value for name, value in given.items() if value})

    assert await creates(Operations=["Sign"]) == "ValidationException"
    assert await creates(GranteePrincipal=f"arn:aws:iam::{HOME}:user/nobody") == "InvalidArnException"
    assert await creates(GranteePrincipal=f"arn:aws:iam::{HOME}:group/team") == "InvalidArnException"
    assert await creates(GranteePrincipal=None) == "ValidationException"
    assert await creates(GranteePrincipal=None, GranteeServicePrincipal="s3.amazonaws.com") == "ValidationException"
    many = {f"k{number}": "v" for number in range(9)}
    assert await creates(Constraints={"EncryptionContextSubset": many}) == "ValidationException"
    macs = await kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    of_macs = {"KeyId": macs, "Operations": ["GenerateMac"]}
    assert await creates(**of_macs) == "ok"
    assert await creates(**of_macs, Constraints={"EncryptionContextSubset": {"a": "b"}}) == "ValidationException"
    assert await creates(GrantTokens=["bm9uc2Vuc2U="]) == "InvalidGrantTokenException"
    assert await creates(DryRun=True) == "DryRunOperationException"
    assert await creates(KeyId="alias/x") == "InvalidArnException"
    assert (await kms.call("alice", "ListGrants", KeyId=key))["Grants"] == []


@one_region()
async def test_grants_outlive_a_crash_and_end_with_nothing_left(kms: OneRegion) -> None:
    key = await kms.create_key()
    kept, gone = await granted(kms, key, RetiringPrincipal=APP), await granted(kms, key, BOB, "Decrypt")
    await kms.call("alice", "RevokeGrant", KeyId=key, GrantId=gone["GrantId"])
    before = await kms.call("alice", "ListGrants", KeyId=key)
    await kms.region.crash()
    await kms.region.boot()
    assert await kms.call("alice", "ListGrants", KeyId=key) == before
    assert [grant["GrantId"] for grant in before["Grants"]] == [kept["GrantId"]]
    assert await code(kms, "bob", "Encrypt", KeyId=key, Plaintext=b"x") == "ok"
    await kms.call("alice", "RevokeGrant", KeyId=key, GrantId=kept["GrantId"])
    assert (await kms.call("alice", "ListRetirableGrants", RetiringPrincipal=APP))["Grants"] == []


@one_region()
async def test_tags_and_description_are_the_key_s_own(kms: OneRegion) -> None:
    key = await kms.create_key(Tags=[{"TagKey": "a", "TagValue": "1"}])
    await kms.call(
        "alice", "TagResource", KeyId=key, Tags=[{"TagKey": "b", "TagValue": ""}, {"TagKey": "a", "TagValue": "2"}]
    )
    listed = await kms.call("alice", "ListResourceTags", KeyId=key, Limit=1)
    assert listed["Tags"] == [{"TagKey": "a", "TagValue": "2"}]
    assert (await kms.call("alice", "ListResourceTags", KeyId=key, Marker=listed["NextMarker"]))["Tags"] == [
        {"TagKey": "b", "TagValue": ""}
    ]
    await kms.call("alice", "UntagResource", KeyId=key, TagKeys=["a", "none"])
    assert len((await kms.call("alice", "ListResourceTags", KeyId=key))["Tags"]) == 1
    many = [{"TagKey": f"k{number}", "TagValue": ""} for number in range(50)]
    assert await kms.answer("alice", "TagResource", KeyId=key, Tags=many) == "TagException: Too many tags"
    await kms.call("alice", "UpdateKeyDescription", KeyId=key, Description="new")
    assert (await kms.call("alice", "DescribeKey", KeyId=key))["KeyMetadata"]["Description"] == "new"
    assert await kms.call("alice", "ListKeyPolicies", KeyId=key) == {"PolicyNames": ["default"], "Truncated": False}


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ({"TagKey": "k" * 128, "TagValue": "v" * 256}, "ok"),
        ({"TagKey": "k" * 129, "TagValue": ""}, "ValidationException"),
        ({"TagKey": "", "TagValue": ""}, "ValidationException"),
        ({"TagKey": "k", "TagValue": "v" * 257}, "ValidationException"),
        ({"TagKey": "k"}, "ValidationException"),
    ],
)
@one_region()
async def test_a_tag_has_its_lengths(kms: OneRegion, tag: dict[str, str], said: str) -> None:
    key = await kms.create_key()
    assert await code(kms, "alice", "TagResource", KeyId=key, Tags=[tag]) == said
    assert await code(kms, "alice", "CreateKey", Tags=[tag]) == said


@one_region()
async def test_a_tag_of_the_key_decides(kms: OneRegion) -> None:
    key = await kms.create_key()
    by_tag = {"StringEquals": {"aws:ResourceTag/team": "pay"}}
    kms.give("bob", {"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*", "Condition": by_tag})
    assert await code(kms, "bob", "Encrypt", KeyId=key, Plaintext=b"x") == DENIED
    await kms.call("alice", "TagResource", KeyId=key, Tags=[{"TagKey": "team", "TagValue": "pay"}])
    assert await code(kms, "bob", "Encrypt", KeyId=key, Plaintext=b"x") == "ok"
    await kms.call("alice", "UntagResource", KeyId=key, TagKeys=["team"])
    assert await code(kms, "bob", "Encrypt", KeyId=key, Plaintext=b"x") == DENIED


@one_region(grant_delay=5)
async def test_a_new_grant_counts_for_its_token_at_once_and_for_everybody_later(kms: OneRegion) -> None:
    key = await kms.create_key()
    made = await granted(kms, key, BOB, "Encrypt", "DescribeKey")
    other = await granted(kms, key, APP)

    async def encrypts(by: str, *tokens: str) -> str:
        return await code(kms, by, "Encrypt", KeyId=key, Plaintext=b"x", GrantTokens=list(tokens))

    assert await encrypts("bob") == DENIED
    assert await encrypts("bob", made["GrantToken"]) == "ok"
    assert await code(kms, "bob", "DescribeKey", KeyId=key, GrantTokens=[made["GrantToken"]]) == "ok"
    assert await encrypts("bob", other["GrantToken"]) == DENIED, "a token stands for its own grant"
    assert await encrypts("role/app", made["GrantToken"]) == DENIED, "and for its own grantee"
    await kms.sleep_seconds(4.5)
    assert await encrypts("bob") == DENIED
    await kms.sleep_seconds(0.6)
    assert (await encrypts("bob"), await encrypts("role/app")) == ("ok", "ok")


@one_region(grant_delay=5)
async def test_a_grantee_passes_on_under_the_token_of_its_own_new_grant(kms: OneRegion) -> None:
    key = await kms.create_key()
    made = await granted(kms, key, BOB, "CreateGrant", "Encrypt")
    child = {"KeyId": key, "GranteePrincipal": APP, "Operations": ["Encrypt"]}
    assert await code(kms, "bob", "CreateGrant", **child) == DENIED
    passed_on = await kms.call("bob", "CreateGrant", **child, GrantTokens=[made["GrantToken"]])
    tokens = [passed_on["GrantToken"]]
    assert await code(kms, "role/app", "Encrypt", KeyId=key, Plaintext=b"x", GrantTokens=tokens) == "ok"


@one_region(grant_delay=5)
async def test_a_new_grant_can_be_seen_and_ended_at_once(kms: OneRegion) -> None:
    """What is delayed is what it allows."""
    key = await kms.create_key()
    made = await granted(kms, key, BOB, "Encrypt", "RetireGrant")
    assert len((await kms.call("alice", "ListGrants", KeyId=key))["Grants"]) == 1
    assert await code(kms, "bob", "RetireGrant", GrantToken=made["GrantToken"]) == "ok"
    assert await code(kms, "bob", "Encrypt", KeyId=key, Plaintext=b"x", GrantTokens=[made["GrantToken"]]) == DENIED


@one_region(grant_delay=5)
async def test_a_crash_does_not_hasten_a_grant(kms: OneRegion) -> None:
    key = await kms.create_key()
    await granted(kms, key)
    await kms.reboot()
    assert await code(kms, "bob", "Encrypt", KeyId=key, Plaintext=b"x") == DENIED
    await kms.sleep_seconds(5.1)
    assert await code(kms, "bob", "Encrypt", KeyId=key, Plaintext=b"x") == "ok"
