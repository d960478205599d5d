"""What holds for every operation of a kind: dry runs, pages, callers of another account."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from regionsim.kms import pages
from regionsim.kms.aws_keys import PREDEFINED
from regionsim.kms.model import model
from regionsim.kms.operations.registry import REGISTRY
from tests.simulation import test_one_region_states as states
from tests.simulation.contents import contents
from tests.simulation.key_stores import ON_CLUSTER, ON_PROXY
from tests.simulation.one_region import ALLOW_ALL, AWAY, HOME, OneRegion, one_region
from tests.unit.kms.key_state_guide import IMPORTING

MEMBERS = {name: set(model().shapes[known.input].members) for name, known in model().operations.items() if known.input}
DRY = sorted(name for name, members in MEMBERS.items() if "DryRun" in members)
PAGED = sorted(name for name, members in MEMBERS.items() if "Marker" in members)
ACROSS_ACCOUNTS = frozenset(
    [
        "CreateGrant",
        "Decapsulate",
        "Decrypt",
        "DeriveSharedSecret",
        "DescribeKey",
        "Encapsulate",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateMac",
        "GetKeyRotationStatus",
        "GetPublicKey",
        "ListGrants",
        "ReEncrypt",
        "RetireGrant",
        "RevokeGrant",
        "Sign",
        "Verify",
        "VerifyMac",
    ]
)
"""Source: KMS Developer Guide, "Allowing users in other accounts to use a KMS key"."""


async def good(kms: OneRegion, operation: str) -> dict[str, Any]:
    """A call that would succeed."""
    key_id = await states.a_key_for(kms, operation)
    find = states.answering if operation in states.ANSWERS_TO else states.parameters_for
    return await find(kms, operation, key_id)


@one_region()
async def test_a_dry_run_says_what_would_be_and_does_nothing(kms: OneRegion) -> None:
    assert len(DRY) == 17
    dry_run = "DryRunOperationException: The request would have succeeded, but the DryRun option is set."
    for operation in DRY:
        given = await good(kms, operation)
        before = await contents(kms)
        assert await kms.answer("alice", operation, DryRun=True, **given) == dry_run, operation
        denied = await kms.answer("bob", operation, DryRun=True, **given)
        assert denied.startswith("AccessDeniedException: "), operation
        assert await contents(kms) == before, operation
        assert await kms.answer("alice", operation, DryRun=False, **given) == "ok", operation


async def _aliases(kms: OneRegion) -> dict[str, Any]:
    for name in ("alias/0", "alias/zzz", "alias/aws-not", "alias/b"):
        await kms.call("alice", "CreateAlias", AliasName=name, TargetKeyId=await kms.create_key())
    return {}


async def _aliases_of_a_key(kms: OneRegion) -> dict[str, Any]:
    await _aliases(kms)
    key_id = await kms.create_key()
    for number in range(3):
        await kms.call("alice", "CreateAlias", AliasName=f"alias/of-one-{number}", TargetKeyId=key_id)
    return {"KeyId": key_id}


async def _grants(kms: OneRegion) -> dict[str, Any]:
    key_id = await kms.create_key()
    grant = {"GranteePrincipal": states.BOB, "RetiringPrincipal": states.BOB, "Operations": ["Encrypt"]}
    for _ in range(5):
        await kms.call("alice", "CreateGrant", KeyId=key_id, **grant)
    return {"KeyId": key_id}


async def _retirable(kms: OneRegion) -> dict[str, Any]:
    await _grants(kms)
    await _grants(kms)
    return {"RetiringPrincipal": states.BOB}


async def _rotations(kms: OneRegion) -> dict[str, Any]:
    key_id = await kms.create_key()
    for _ in range(4):
        await kms.call("alice", "RotateKeyOnDemand", KeyId=key_id)
    return {"KeyId": key_id}


async def _keys(kms: OneRegion) -> dict[str, Any]:
    for _ in range(5):
        await kms.create_key()
    return {}


async def _tags(kms: OneRegion) -> dict[str, Any]:
    return {"KeyId": await kms.create_key(Tags=[{"TagKey": f"{n}", "TagValue": ""} for n in (3, 1, 2, 5)])}


async def _policies(kms: OneRegion) -> dict[str, Any]:
    return {"KeyId": await kms.create_key()}


async def _stores(kms: OneRegion) -> dict[str, Any]:
    for name, backing in (("a", ON_CLUSTER), ("b", ON_PROXY)):
        await kms.call("alice", "CreateCustomKeyStore", CustomKeyStoreName=name, **backing)
    return {}


WALKS: list[tuple[str, str, str, int, int, Callable[[OneRegion], Awaitable[dict[str, Any]]]]] = [
    ("DescribeCustomKeyStores", "CustomKeyStores", "CustomKeyStoreId", 2, 1000, _stores),
    ("ListAliases", "Aliases", "AliasName", 4 + len(PREDEFINED), 100, _aliases),
    ("ListAliases", "Aliases", "AliasName", 3, 100, _aliases_of_a_key),
    ("ListGrants", "Grants", "GrantId", 5, 100, _grants),
    ("ListKeyPolicies", "PolicyNames", "", 1, 1000, _policies),
    ("ListKeyRotations", "Rotations", "KeyMaterialId", 4, 1000, _rotations),
    ("ListKeys", "Keys", "KeyId", 5, 1000, _keys),
    ("ListResourceTags", "Tags", "TagKey", 4, 50, _tags),
    ("ListRetirableGrants", "Grants", "GrantId", 10, 100, _retirable),
]
"""Operation, the list in its answer, what names an item, how many there are, the most that Limit may be, the world.

Source: botocore's model, `Limit` of each operation.
"""


def test_every_paged_operation_is_walked() -> None:
    assert {walk[0] for walk in WALKS} == set(PAGED)


@pytest.mark.parametrize(("operation", "listed", "name", "count", "most", "fill"), WALKS)
@one_region()
async def test_a_walk_covers_each_item_once_whatever_the_limit(
    kms: OneRegion,
    operation: str,
    listed: str,
    name: str,
    count: int,
    most: int,
    fill: Callable[[OneRegion], Awaitable[dict[str, Any]]],
) -> None:
    about = await fill(kms)
    whole = await kms.call("alice", operation, **about)
    assert (len(whole[listed]), whole["Truncated"]) == (count, False)
    assert "NextMarker" not in whole
    for limit in {*range(1, min(count, 5) + 2), count}:
        found: list[Any] = []
        page: dict[str, Any] = {}
        while not found or page["Truncated"]:
            marker = {"Marker": page["NextMarker"]} if found else {}
            page = await kms.call("alice", operation, Limit=limit, **marker, **about)
            assert 1 <= len(page[listed]) <= limit
            assert ("NextMarker" in page) is page["Truncated"]
            found += page[listed]
        assert found == whole[listed]
        assert len({item[name] if name else item for item in found}) == count
    for wrong, said in ((0, "greater than or equal to 1"), (1001, "less than or equal to 1000")):
        assert await kms.answer("alice", operation, Limit=wrong, **about) == (
            f"ValidationException: 1 validation error detected: Value '{wrong}' at 'limit' failed to satisfy constraint: "
            f"Member must have value {said}"
        )
    # A key has one policy, so no marker of ListKeyPolicies was ever given out, and its model lists no refusal.
    refused = operation != "ListKeyPolicies"
    said = await kms.answer("alice", operation, Marker="none", **about)
    assert said == ("InvalidMarkerException: The marker is not valid." if refused else "ok")
    assert len((await kms.call("alice", operation, Limit=most, **about))[listed]) == count


@one_region(regions=states.THREE)
async def test_only_what_is_for_other_accounts_works_there(kms: OneRegion) -> None:
    """Zoe is allowed everything: by the policy of each key, and by her own IAM. RetireGrant goes by the grant alone."""
    statements = [{**ALLOW_ALL, "Principal": {"AWS": account}} for account in (HOME, AWAY)]
    policy = {"Version": "2012-10-17", "Statement": statements}
    for operation in sorted(REGISTRY.keys() - states.KEYLESS - IMPORTING - {"RetireGrant"}):
        given = await good(kms, operation)
        for key in list(kms.region.state.all_keys()):
            await kms.call("alice", "PutKeyPolicy", KeyId=key.key_id, Policy=json.dumps(policy))
        named = {
            name: kms.arn(value) if name.endswith("KeyId") and not value.startswith("arn:") else value
            for name, value in given.items()
        }
        before = await contents(kms)
        said = await kms.answer("zoe", operation, **named)
        assert (said == "ok") is (operation in ACROSS_ACCOUNTS), f"{operation}: {said}"
        assert said == "ok" or await contents(kms) == before, operation


@pytest.mark.parametrize("operation", ["ListGrants", "ListRetirableGrants"])
@one_region()
async def test_who_revokes_grants_page_by_page_meets_each(kms: OneRegion, operation: str) -> None:
    """The grant at which a page ended is gone when the next one is asked for."""
    about = await _grants(kms)
    (key,) = kms.region.state.all_keys()
    asked = about if operation == "ListGrants" else {"RetiringPrincipal": states.BOB}
    page = await kms.call("alice", operation, Limit=2, **asked)
    count = 0
    while True:
        for grant in page["Grants"]:
            await kms.call("alice", "RevokeGrant", KeyId=key.key_id, GrantId=grant["GrantId"])
            count += 1
        if not page["Truncated"]:
            break
        page = await kms.call("alice", operation, Limit=2, Marker=page["NextMarker"], **asked)
    assert count == 5
    assert (await kms.call("alice", operation, **asked))["Grants"] == []
    for name in ("alias/a", "1/", "x/y", "9" * 30 + "/y"):
        foreign = pages.page("Keys", [], name)["NextMarker"]
        assert (await kms.refusal("alice", operation, Marker=foreign, **asked)).code == "InvalidMarkerException"
