"""What a call brings along: services that call for somebody or in their own name, endpoints, sessions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from regionsim.authorization.policy import PolicyKind, parse_policy
from regionsim.kms.errors import KmsError
from regionsim.kms.plan import Call
from tests.simulation.many_regions import ACCOUNT, EU, US, Play, play
from tests.simulation.one_region import HERE, HOME, OneRegion, one_region

BOB = f"arn:aws:iam::{HOME}:user/bob"
OWNER = {"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "kms:*", "Resource": "*"}


def policy(condition: dict[str, Any], action: Any = "kms:Encrypt") -> str:
    allowed = {"Effect": "Allow", "Principal": {"AWS": BOB}, "Action": action, "Resource": "*", "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [OWNER, allowed]})


async def encrypts(kms: OneRegion, key: str, given: dict[str, Any], by: str = "bob") -> bool:
    try:
        await kms.brings(by, given, "Encrypt", KeyId=kms.arn(key), Plaintext=b"x")
    except KmsError as refusal:
        assert refusal.code == "AccessDeniedException"
        return False
    return True


TABLE = f"arn:aws:dynamodb:us-east-1:{HOME}:table/orders"
VIA = {"kms:ViaService": "s3.us-east-1.amazonaws.com"}


@pytest.mark.parametrize(
    ("condition", "given", "other"),
    [
        ({"StringEquals": VIA}, VIA, {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}),
        ({"Bool": {"aws:ViaAWSService": "true"}}, VIA, {}),
        ({"StringEquals": {"aws:CalledViaFirst": "s3.amazonaws.com"}}, VIA, {}),
        ({"ForAnyValue:StringEquals": {"aws:CalledVia": "s3.amazonaws.com"}}, VIA, {}),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, {"aws:MultiFactorAuthPresent": "true"}, {}),
        ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, {"aws:SourceVpce": "vpce-1"}, {"aws:SourceVpce": "vpce-2"}),
        ({"Null": {"aws:SourceIp": "true"}}, {"aws:SourceVpce": "vpce-1"}, {}),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:SourceIp": "10.1.2.3"}, {}),
        ({"StringEquals": {"aws:SourceIdentity": "ann"}}, {"aws:SourceIdentity": "ann"}, {}),
    ],
)
@one_region()
async def test_a_condition_on_the_way_of_a_call(
    kms: OneRegion, condition: dict[str, Any], given: dict[str, Any], other: dict[str, Any]
) -> None:
    key = await kms.create_key(Policy=policy(condition))
    assert await encrypts(kms, key, given)
    assert not await encrypts(kms, key, other)


@one_region()
async def test_temporary_credentials_say_whether_there_was_a_second_factor(kms: OneRegion) -> None:
    absent = {"Null": {"aws:MultiFactorAuthPresent": "true"}}
    named = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": "kms:Encrypt",
        "Resource": "*",
        "Condition": absent,
    }
    without = await kms.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": [OWNER, named]}))
    assert await encrypts(kms, without, {})
    assert not await encrypts(kms, without, {}, "role/app")


@one_region()
async def test_a_service_uses_its_grant_for_its_resource_only(kms: OneRegion) -> None:
    key = await kms.create_key()
    made = await kms.call(
        "alice",
        "CreateGrant",
        KeyId=key,
        GranteeServicePrincipal="dynamodb.amazonaws.com",
        RetiringServicePrincipal="dynamodb.amazonaws.com",
        Operations=["Encrypt"],
        Constraints={"SourceArn": TABLE},
    )
    assert await encrypts(kms, key, {"aws:SourceArn": TABLE}, "service/dynamodb")
    assert not await encrypts(kms, key, {"aws:SourceArn": f"{TABLE}2"}, "service/dynamodb")
    assert not await encrypts(kms, key, {}, "service/dynamodb")
    assert not await encrypts(kms, key, {"aws:SourceArn": TABLE}, "service/ec2")
    ending = {"GrantToken": made["GrantToken"]}
    assert (await kms.refusal("service/ec2", "RetireGrant", **ending)).code == "AccessDeniedException"
    await kms.call("service/dynamodb", "RetireGrant", **ending)
    assert not await encrypts(kms, key, {"aws:SourceArn": TABLE}, "service/dynamodb")


@one_region()
async def test_a_key_policy_names_a_service_for_an_account_s_resources(kms: OneRegion) -> None:
    condition = {"StringEquals": {"aws:SourceAccount": HOME}, "ArnLike": {"aws:SourceArn": "arn:aws:s3:::ord*"}}
    named = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "kms:Encrypt", "Resource": "*"}
    statements = [OWNER, {**named, "Condition": condition}]
    key = await kms.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    ours = {"aws:SourceAccount": HOME, "aws:SourceArn": "arn:aws:s3:::orders"}
    assert await encrypts(kms, key, ours, "service/s3")
    assert not await encrypts(kms, key, {**ours, "aws:SourceAccount": "444455556666"}, "service/s3")
    assert not await encrypts(kms, key, {**ours, "aws:SourceArn": "arn:aws:s3:::other"}, "service/s3")


@one_region()
async def test_grants_for_aws_resources_only(kms: OneRegion) -> None:
    condition = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    actions = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"]
    key = await kms.create_key(Policy=policy(condition, actions))
    wanted = {"KeyId": key, "GranteePrincipal": BOB, "Operations": ["Encrypt"]}
    made = await kms.brings("bob", VIA, "CreateGrant", **wanted)
    assert (await kms.refusal("bob", "CreateGrant", **wanted)).code == "AccessDeniedException"
    assert len((await kms.brings("bob", VIA, "ListGrants", KeyId=key))["Grants"]) == 1
    assert (await kms.refusal("bob", "ListGrants", KeyId=key)).code == "AccessDeniedException"
    await kms.brings("bob", VIA, "RevokeGrant", KeyId=key, GrantId=made["GrantId"])


@one_region()
async def test_the_record_tells_the_way(kms: OneRegion) -> None:
    key = await kms.create_key()
    await kms.brings("alice", VIA, "Encrypt", KeyId=key, Plaintext=b"x")
    endpoint = {"aws:SourceVpce": "vpce-1", "aws:SourceIp": "10.1.2.3"}
    await kms.brings("alice", endpoint, "Encrypt", KeyId=key, Plaintext=b"x")
    through, inside = await kms.records("Encrypt")
    assert through["userIdentity"]["invokedBy"] == "s3.amazonaws.com"
    assert through["userIdentity"]["userName"] == "alice"
    assert (through["sourceIPAddress"], through["userAgent"]) == ("s3.amazonaws.com", "s3.amazonaws.com")
    assert (inside["vpcEndpointId"], inside["sourceIPAddress"]) == ("vpce-1", "10.1.2.3")
    assert "invokedBy" not in inside["userIdentity"]


@one_region()
async def test_a_service_in_its_own_name_stands_in_the_owner_s_trail(kms: OneRegion) -> None:
    named = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "kms:*", "Resource": "*"}
    key = await kms.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": [OWNER, named]}))
    await kms.call("service/s3", "DescribeKey", KeyId=kms.arn(key))
    (record,) = await kms.records("DescribeKey")
    assert record["userIdentity"] == {"type": "AWSService", "invokedBy": "s3.amazonaws.com"}
    assert (record["recipientAccountId"], record["awsRegion"]) == (HOME, HERE)


def test_the_other_region_hears_of_the_way_too(tmp_path) -> None:
    """ReplicateKey asks for kms:CreateKey there."""

    async def main(world: Play) -> None:
        key = (await world.call(US, "CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
        directory = world.region(EU).directory
        limits = {"Effect": "Deny", "Action": "kms:CreateKey", "Resource": "*", "Condition": {"StringNotEquals": VIA}}
        deny = parse_policy({"Version": "2012-10-17", "Statement": limits}, kind=PolicyKind.IDENTITY)
        world.region(EU).directory = directory.with_user_policy(ACCOUNT, "alice", "no", deny)
        assert (await world.refused(US, "ReplicateKey", KeyId=key, ReplicaRegion=EU)).code == "AccessDeniedException"
        call = Call(
            operation="ReplicateKey",
            parameters={"KeyId": key, "ReplicaRegion": EU},
            caller=directory.principal(ACCOUNT, "alice"),
            request_id="00000000-0000-4000-8000-999999999999",
            circumstances={name.lower(): text for name, text in VIA.items()},
        )
        await world.region(US).call(call)

    play(main, tmp_path, regions=(US, EU))
