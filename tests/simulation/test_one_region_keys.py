"""Creating, describing and listing keys through the Region, with AWS's recorded answers and texts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from regionsim.kms.key import KeyMaterial, KeyState, RotationType, replicas_in
from regionsim.kms.quotas import KEYS_PER_ACCOUNT
from tests.simulation.one_region import AWAY, HOME, OneRegion, one_region

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
MRK = re.compile(r"mrk-[0-9a-f]{32}")
MATERIAL = re.compile(r"[0-9a-f]{64}")
DEFAULT_POLICY = """{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::111122223333:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}"""


def tags(*names: str, value: str = "v") -> list[dict[str, str]]:
    return [{"TagKey": name, "TagValue": value} for name in names]


# ------------------------------------------------------------------------------------------------------------- CreateKey


@one_region()
async def test_a_key_made_with_no_arguments_is_what_aws_makes(kms: OneRegion) -> None:
    metadata = (await kms.call("alice", "CreateKey"))["KeyMetadata"]
    assert UUID.fullmatch(metadata["KeyId"])
    assert MATERIAL.fullmatch(metadata["CurrentKeyMaterialId"])
    assert metadata == {
        "AWSAccountId": HOME,
        "Arn": kms.arn(metadata["KeyId"]),
        "CreationDate": 1767225600.0,
        "CurrentKeyMaterialId": metadata["CurrentKeyMaterialId"],
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "Description": "",
        "Enabled": True,
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "KeyId": metadata["KeyId"],
        "KeyManager": "CUSTOMER",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyState": "Enabled",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "MultiRegion": False,
        "Origin": "AWS_KMS",
    }
    described = await kms.call("alice", "DescribeKey", KeyId=metadata["KeyId"])
    assert described == {"KeyMetadata": metadata}
    policy = await kms.call("alice", "GetKeyPolicy", KeyId=metadata["KeyId"])
    assert policy == {"Policy": DEFAULT_POLICY, "PolicyName": "default"}


@one_region()
async def test_a_multi_region_key_is_a_primary_with_an_id_of_its_own_form(kms: OneRegion) -> None:
    metadata = (await kms.call("alice", "CreateKey", MultiRegion=True, Description="test key 123"))["KeyMetadata"]
    assert MRK.fullmatch(metadata["KeyId"])
    assert (metadata["MultiRegion"], metadata["Description"]) == (True, "test key 123")
    assert metadata["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "PRIMARY",
        "PrimaryKey": {"Arn": kms.arn(metadata["KeyId"]), "Region": "us-east-1"},
        "ReplicaKeys": [],
    }


@one_region()
async def test_two_keys_share_neither_id_nor_material(kms: OneRegion) -> None:
    first, second = [(await kms.call("alice", "CreateKey"))["KeyMetadata"] for _ in range(2)]
    assert first["KeyId"] != second["KeyId"]
    assert first["CurrentKeyMaterialId"] != second["CurrentKeyMaterialId"]


REFUSED_KEYS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"KeySpec": "RSA_2048"},
        "ValidationException",
        "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
    ),
    (
        {"KeySpec": "HMAC_256"},
        "ValidationException",
        "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
    ),
    (
        {"CustomerMasterKeySpec": "ECC_NIST_P256"},
        "ValidationException",
        "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
    ),
    (
        {"KeySpec": "RSA_2048", "KeyUsage": "KEY_AGREEMENT"},
        "ValidationException",
        "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048",
    ),
    (
        {"KeyUsage": "SIGN_VERIFY"},
        "ValidationException",
        "KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT",
    ),
    (
        {"KeySpec": "SYMMETRIC_DEFAULT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"},
        "ValidationException",
        "You cannot specify KeySpec and CustomerMasterKeySpec in the same request.",
    ),
    ({"Tags": tags("a", "b", "a")}, "TagException", "Duplicate tag keys"),
    ({"Tags": tags("aWs:x")}, "TagException", "Tags beginning with aws: are reserved"),
    ({"Tags": tags(*map(str, range(51)))}, "TagException", "Too many tags"),
    (
        {"Tags": tags("k" * 129)},
        "ValidationException",
        f"1 validation error detected: Value '{'k' * 129}' at 'tags.1.member.tagKey' failed to satisfy constraint: "
        "Member must have length less than or equal to 128",
    ),
    (
        {"Tags": tags("k", value="v" * 257)},
        "ValidationException",
        f"1 validation error detected: Value '{'v' * 257}' at 'tags.1.member.tagValue' failed to satisfy constraint: "
        "Member must have length less than or equal to 256",
    ),
]


@pytest.mark.parametrize(("parameters", "code", "text"), REFUSED_KEYS)
@one_region()
async def test_a_key_that_cannot_be_is_refused_in_aws_s_words(
    kms: OneRegion, parameters: dict[str, Any], code: str, text: str
) -> None:
    refusal = await kms.refusal("alice", "CreateKey", **parameters)
    assert (refusal.code, refusal.message, refusal.http_status) == (code, text, 400)
    assert not list(kms.region.state.all_keys())
    assert kms.region.counts.hsm_requests == 0


@pytest.mark.parametrize(
    ("member", "value"), [("KeySpec", "HMAC_random"), ("KeyUsage", "RANDOM"), ("Origin", "MOON"), ("KeySpec", "")]
)
@one_region()
async def test_an_unknown_word_is_refused_with_the_known_ones(kms: OneRegion, member: str, value: str) -> None:
    refusal = await kms.refusal("alice", "CreateKey", **{member: value})
    place = member[0].lower() + member[1:]
    assert refusal.code == "ValidationException"
    assert refusal.message.startswith(
        f"1 validation error detected: Value '{value}' at '{place}' failed to satisfy constraint: "
        "Member must satisfy enum value set: ["
    )


@one_region()
async def test_tags_are_kept_and_need_a_permission_of_their_own(kms: OneRegion) -> None:
    key_id = await kms.create_key(Tags=tags("Team", "team", value=""))
    assert kms.key(key_id).regional.tags == (("Team", ""), ("team", ""))
    kms.give("bob", {"Effect": "Allow", "Action": "kms:CreateKey", "Resource": "*"})
    await kms.create_key("bob")
    refusal = await kms.refusal("bob", "CreateKey", Tags=tags("Team"))
    assert refusal.message.endswith("because no identity-based policy allows the kms:TagResource action")


@one_region()
async def test_creation_can_be_limited_by_what_is_created(kms: OneRegion) -> None:
    kms.give(
        "bob",
        {
            "Effect": "Allow",
            "Action": ["kms:CreateKey", "kms:TagResource"],
            "Resource": "*",
            "Condition": {
                "Bool": {"kms:MultiRegion": "true"},
                "StringEquals": {"aws:RequestTag/Team": "blue", "kms:KeySpec": "SYMMETRIC_DEFAULT"},
            },
        },
    )
    assert MRK.fullmatch(await kms.create_key("bob", MultiRegion=True, Tags=tags("Team", value="blue")))
    assert (await kms.refusal("bob", "CreateKey", Tags=tags("Team", value="blue"))).code == "AccessDeniedException"
    refusal = await kms.refusal("bob", "CreateKey", MultiRegion=True, Tags=tags("Team", value="red"))
    assert refusal.code == "AccessDeniedException"


@one_region()
async def test_an_account_that_has_all_the_keys_it_may_gets_no_other(
    kms: OneRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regionsim.kms.operations.lifecycle.KEYS_PER_ACCOUNT", 2)
    await kms.create_key()
    await kms.create_key()
    refusal = await kms.refusal("alice", "CreateKey")
    assert refusal.code == "LimitExceededException"
    await kms.create_key("zoe")  # another account has its own
    assert KEYS_PER_ACCOUNT == 100_000


# ----------------------------------------------------------------------------------------------------------- identifiers

NO_KEY = "99999999-12ab-44cd-a6ef-1234567890ab"


@pytest.mark.parametrize(
    ("operation", "others"),
    [
        ("Encrypt", {"Plaintext": b"x"}),
        ("DescribeKey", {}),
        ("GenerateDataKey", {"KeySpec": "AES_128"}),
        ("GetKeyPolicy", {}),
        ("EnableKey", {}),
        ("RotateKeyOnDemand", {}),
        ("ReplicateKey", {"ReplicaRegion": "eu-west-1"}),
    ],
)
@one_region()
async def test_an_identifier_that_leads_nowhere_is_refused_alike_everywhere(
    kms: OneRegion, operation: str, others: dict[str, Any]
) -> None:
    async def said(identifier: str) -> str:
        return await kms.answer("alice", operation, KeyId=identifier, **others)

    assert await said("key_id") == "NotFoundException: Invalid keyId 'key_id'"
    assert await said(NO_KEY) == f"NotFoundException: Key '{kms.arn(NO_KEY)}' does not exist"
    key_id = await kms.create_key(MultiRegion=True)
    assert await said(kms.arn(key_id, "eu-west-1")) == "NotFoundException: Invalid arn eu-west-1"
    assert "does not exist in this Region" in await said(kms.arn(NO_KEY, account=AWAY))


TAKES_ALIAS: dict[str, dict[str, Any]] = {
    "DescribeKey": {},
    "Encrypt": {"Plaintext": b"x"},
    "GenerateDataKey": {"KeySpec": "AES_256"},
    "GenerateDataKeyWithoutPlaintext": {"NumberOfBytes": 24},
}
TAKES_NONE: dict[str, dict[str, Any]] = {
    "DisableKey": {},
    "EnableKey": {},
    "GetKeyPolicy": {},
    "ListAliases": {},
    "PutKeyPolicy": {"Policy": DEFAULT_POLICY},
    "ReplicateKey": {"ReplicaRegion": "eu-west-1"},
    "RotateKeyOnDemand": {},
    "UpdatePrimaryRegion": {"PrimaryRegion": "eu-west-1"},
}


@pytest.mark.parametrize(("operation", "others"), [*TAKES_ALIAS.items(), *TAKES_NONE.items()])
@one_region()
async def test_only_cryptography_and_describe_key_take_an_alias(
    kms: OneRegion, operation: str, others: dict[str, Any]
) -> None:
    key_id = await kms.create_key(MultiRegion=True)
    await kms.call("alice", "CreateAlias", AliasName="alias/orders", TargetKeyId=key_id)
    for identifier in ("alias/orders", f"arn:aws:kms:us-east-1:{HOME}:alias/orders"):
        said = await kms.answer("alice", operation, KeyId=identifier, **others)
        refused = "InvalidArnException: Key Aliases are not supported for this operation."
        assert said == ("ok" if operation in TAKES_ALIAS else refused)


# -------------------------------------------------------------------------------------------------------------- ListKeys


@one_region()
async def test_a_walk_over_pages_lists_each_key_of_the_account_once(kms: OneRegion) -> None:
    own = {await kms.create_key() for _ in range(7)}
    await kms.create_key("zoe")
    seen: list[str] = []
    page: dict[str, Any] = {"NextMarker": None, "Truncated": True}
    while page["Truncated"]:
        page = await kms.call("alice", "ListKeys", Limit=3, Marker=page["NextMarker"])
        seen += [entry["KeyId"] for entry in page["Keys"]]
    assert sorted(seen) == sorted(own)
    assert "NextMarker" not in page
    assert (await kms.call("zoe", "ListKeys"))["Truncated"] is False


@one_region()
async def test_keys_pending_deletion_are_listed_and_a_bad_marker_is_not_taken(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.put_state(key_id, KeyState.PENDING_DELETION)
    assert (await kms.call("alice", "ListKeys"))["Keys"] == [{"KeyId": key_id, "KeyArn": kms.arn(key_id)}]
    for operation in ("ListKeys", "ListAliases"):
        assert (await kms.refusal("alice", operation, Marker="nonsense")).code == "InvalidMarkerException"
        for limit in (0, 1001):
            assert (await kms.refusal("alice", operation, Limit=limit)).code == "ValidationException"


# ---------------------------------------------------------------------------------------------------- RotateKeyOnDemand


@one_region()
async def test_a_rotation_makes_new_material_current_and_old_blobs_stay_readable(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    first = kms.key(key_id).shared.current_material_id
    old = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"old"))["CiphertextBlob"]
    assert await kms.call("alice", "RotateKeyOnDemand", KeyId=key_id) == {"KeyId": kms.arn(key_id)}
    metadata = (await kms.call("alice", "DescribeKey", KeyId=key_id))["KeyMetadata"]
    second = metadata["CurrentKeyMaterialId"]
    assert second != first
    new = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"new"))["CiphertextBlob"]
    opened = [await kms.call("alice", "Decrypt", CiphertextBlob=blob) for blob in (old, new)]
    assert [(blob["Plaintext"], blob["KeyMaterialId"]) for blob in opened] == [(b"old", first), (b"new", second)]
    materials = kms.key(key_id).shared.materials
    assert [material.rotation_type for material in materials] == [None, RotationType.ON_DEMAND]


@one_region()
async def test_the_26th_rotation_on_demand_is_one_too_many(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    for _ in range(25):
        await kms.call("alice", "RotateKeyOnDemand", KeyId=key_id)
    said = await kms.answer("alice", "RotateKeyOnDemand", KeyId=key_id)
    assert said == (
        "LimitExceededException: The on-demand rotations limit has been reached for the given keyId. No more on-demand "
        f"rotations can be performed for this key: {kms.arn(key_id)}"
    )
    assert len(kms.key(key_id).shared.materials) == 26


@one_region()
async def test_a_rotation_that_is_open_is_in_conflict_with_another(kms: OneRegion) -> None:
    key_id = await kms.create_key(MultiRegion=True)
    opened = KeyMaterial(material_id="ab" * 32, created_at_ns=0, rotation_type=RotationType.ON_DEMAND)
    await kms.put_state(key_id, KeyState.ENABLED, shared={"pending_material": opened})
    refusal = await kms.refusal("alice", "RotateKeyOnDemand", KeyId=key_id)
    assert refusal.code == "ConflictException"


# ----------------------------------------------------------------------------------------------------------- the others


@one_region()
async def test_what_is_not_an_operation_is_told_apart(kms: OneRegion) -> None:
    for name in ("Launch", "sign", "encrypt"):
        assert (await kms.refusal("alice", name)).code == "UnknownOperationException"


@one_region()
async def test_a_replica_is_no_primary(kms: OneRegion) -> None:
    key_id = await kms.create_key(MultiRegion=True)
    await kms.put_state(
        key_id, KeyState.ENABLED, shared={"primary_region": "eu-west-1", "replicas": replicas_in(("us-east-1",))}
    )
    text = f"UnsupportedOperationException: {kms.arn(key_id)} is not a multi-region primary key."
    assert await kms.answer("alice", "ReplicateKey", KeyId=key_id, ReplicaRegion="ap-southeast-2") == text
    assert await kms.answer("alice", "UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion="us-east-1") == text
    assert await kms.answer("alice", "RotateKeyOnDemand", KeyId=key_id) == text
    single = await kms.create_key()
    text = f"UnsupportedOperationException: {kms.arn(single)} is not a multi-region primary key."
    assert await kms.answer("alice", "ReplicateKey", KeyId=single, ReplicaRegion="eu-west-1") == text
