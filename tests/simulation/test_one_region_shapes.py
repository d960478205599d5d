"""Every response of every operation against AWS's model, and through botocore's own parser."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import botocore.loaders
import botocore.model
import botocore.parsers
import pytest

from regionsim.kms.model import Shape, ShapeType, model
from regionsim.kms.operations.registry import REGISTRY
from regionsim.kms.shapes import encode, problems, unknown_members
from tests.simulation.importing import FIRST, in_days, sent
from tests.simulation.key_stores import ON_CLUSTER, ON_PROXY, OTHER_CLUSTER
from tests.simulation.one_region import OneRegion, one_region

TYPES: dict[ShapeType, tuple[type, ...]] = {
    ShapeType.STRING: (str,),
    ShapeType.BLOB: (bytes,),
    ShapeType.INTEGER: (int,),
    ShapeType.BOOLEAN: (bool,),
    ShapeType.TIMESTAMP: (float,),
}
TWO = ("us-east-1", "eu-west-1")
NEVER_EXTENDED = "CustomerMasterKeySpec"
"""A deprecated enum that lacks the specs of today; AWS says that its members have the value of KeySpec."""

BOB = "arn:aws:iam::111122223333:user/bob"


def faults(shape_name: str, value: Any, path: str) -> list[str]:
    """What is not as the shape says: unknown members, wrong types, words that the model does not have."""
    shape: Shape = model().shapes[shape_name]
    match shape.type:
        case ShapeType.STRUCTURE:
            unknown = [f"{path}.{name}: unknown" for name in value if name not in shape.members]
            missing = [f"{path}.{name}: missing" for name in shape.required - value.keys()]
            inner = [
                fault
                for name, member in value.items()
                if name in shape.members
                for fault in faults(shape.members[name], member, f"{path}.{name}")
            ]
            return [*unknown, *missing, *inner]
        case ShapeType.LIST:
            assert shape.element is not None
            return [fault for at, item in enumerate(value) for fault in faults(shape.element, item, f"{path}[{at}]")]
        case ShapeType.MAP:
            assert shape.value is not None
            return [fault for name, item in value.items() for fault in faults(shape.value, item, f"{path}.{name}")]
        case _ if type(value) not in TYPES[shape.type]:
            return [f"{path}: {type(value).__name__}, not {shape.type}"]
        case ShapeType.STRING if shape.enum and value not in shape.enum and shape.name != NEVER_EXTENDED:
            return [f"{path}: '{value}' is not of {shape.name}"]
        case _:
            return []


@cache
def service() -> botocore.model.ServiceModel:
    return botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("kms", "service-2"))


def parsed_by_botocore(operation: str, response: dict[str, Any]) -> dict[str, Any]:
    output = service().operation_model(operation).output_shape
    body = json.dumps(encode(operation, response)).encode() if output is not None else b""
    answer = {"status_code": 200, "headers": {}, "body": body, "context": {}}
    parsed: dict[str, Any] = botocore.parsers.create_parser("json").parse(answer, output)
    parsed.pop("ResponseMetadata")
    return parsed


async def rotations_and_deletions(kms: OneRegion, call: Callable[..., Awaitable[dict[str, Any]]], single: str) -> None:
    await call("GetKeyRotationStatus", KeyId=single)
    await call("EnableKeyRotation", KeyId=single, RotationPeriodInDays=90)
    await call("GetKeyRotationStatus", KeyId=single)
    await call("DisableKeyRotation", KeyId=single)
    await call("ListKeyRotations", KeyId=single)
    await call("ListKeyRotations", KeyId=single, IncludeKeyMaterial="ALL_KEY_MATERIAL", Limit=1)
    await call("ScheduleKeyDeletion", KeyId=single, PendingWindowInDays=7)
    await call("DescribeKey", KeyId=single)
    await call("CancelKeyDeletion", KeyId=single)
    doomed = (await call("CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
    await call("ReplicateKey", KeyId=doomed, ReplicaRegion="eu-west-1")
    await kms.sleep_seconds(10)
    await call("RotateKeyOnDemand", KeyId=doomed)
    await call("GetKeyRotationStatus", KeyId=doomed)
    await call("ScheduleKeyDeletion", KeyId=doomed)
    await call("DescribeKey", KeyId=doomed)


async def tags_and_grants(call: Any, single: str) -> None:
    await call("TagResource", KeyId=single, Tags=[{"TagKey": "team", "TagValue": "blue"}])
    await call("ListResourceTags", KeyId=single, Limit=1)
    await call("UntagResource", KeyId=single, TagKeys=["team"])
    await call("UpdateKeyDescription", KeyId=single, Description="another one")
    await call("ListKeyPolicies", KeyId=single)
    grant = {"GranteePrincipal": BOB, "RetiringPrincipal": BOB, "Operations": ["Encrypt"], "Name": "letters"}
    first = await call("CreateGrant", KeyId=single, **grant)
    constraints = {"EncryptionContextSubset": {"to": "bob"}}
    second = await call("CreateGrant", KeyId=single, **{**grant, "Name": "more", "Constraints": constraints})
    await call("ListGrants", KeyId=single, Limit=1)
    await call("ListGrants", KeyId=single)
    await call("ListRetirableGrants", RetiringPrincipal=BOB)
    await call("RevokeGrant", KeyId=single, GrantId=first["GrantId"])
    await call("RetireGrant", GrantToken=second["GrantToken"])


async def imports(kms: OneRegion, call: Any) -> None:
    key_id = (await call("CreateKey", Origin="EXTERNAL"))["KeyMetadata"]["KeyId"]
    wanted = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    given = sent(await call("GetParametersForImport", KeyId=key_id, **wanted), FIRST)
    await call("ImportKeyMaterial", KeyId=key_id, **given, ValidTo=in_days(3))
    await call("DescribeKey", KeyId=key_id)
    await call("ListKeyRotations", KeyId=key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL")
    await call("DeleteImportedKeyMaterial", KeyId=key_id)
    await call("ListKeyRotations", KeyId=key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL")


async def macs_and_key_pairs(call: Callable[..., Awaitable[dict[str, Any]]], symmetric: str) -> None:
    async def made(spec: str, usage: str) -> str:
        key_id: str = (await call("CreateKey", KeySpec=spec, KeyUsage=usage))["KeyMetadata"]["KeyId"]
        return key_id

    authenticated = {"KeyId": await made("HMAC_256", "GENERATE_VERIFY_MAC"), "MacAlgorithm": "HMAC_SHA_256"}
    mac = (await call("GenerateMac", Message=b"m", **authenticated))["Mac"]
    await call("VerifyMac", Message=b"m", Mac=mac, **authenticated)
    for spec, algorithm in (("ECC_NIST_P256", "ECDSA_SHA_256"), ("ML_DSA_44", "ML_DSA_SHAKE_256")):
        signing = {"KeyId": await made(spec, "SIGN_VERIFY"), "Message": b"m", "SigningAlgorithm": algorithm}
        await call("Verify", Signature=(await call("Sign", **signing))["Signature"], **signing)
        await call("GetPublicKey", KeyId=signing["KeyId"])
        await call("DescribeKey", KeyId=signing["KeyId"])
    agreeing = await made("ECC_NIST_P384", "KEY_AGREEMENT")
    public_key = (await call("GetPublicKey", KeyId=agreeing))["PublicKey"]
    await call("DeriveSharedSecret", KeyId=agreeing, KeyAgreementAlgorithm="ECDH", PublicKey=public_key)
    encapsulating = {"KeyId": await made("ML_KEM_768", "ENCAPSULATE_DECAPSULATE"), "EncapsulationAlgorithm": "ML_KEM"}
    blob = (await call("Encapsulate", **encapsulating))["SharedSecretCiphertextBlob"]
    await call("Decapsulate", SharedSecretCiphertextBlob=blob, **encapsulating)
    await call("GetPublicKey", KeyId=encapsulating["KeyId"])
    for operation in ("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"):
        await call(operation, KeyId=symmetric, KeyPairSpec="ECC_NIST_EDWARDS25519", EncryptionContext={"a": "b"})
    rsa = {"KeyId": await made("RSA_2048", "ENCRYPT_DECRYPT"), "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    blob = (await call("Encrypt", Plaintext=b"x", **rsa))["CiphertextBlob"]
    await call("Decrypt", CiphertextBlob=blob, **rsa)


async def key_stores(kms: OneRegion, call: Any) -> None:
    external = (await call("CreateCustomKeyStore", CustomKeyStoreName="theirs", **ON_PROXY))["CustomKeyStoreId"]
    store_id = (await call("CreateCustomKeyStore", CustomKeyStoreName="ours", **ON_CLUSTER))["CustomKeyStoreId"]
    await call("DescribeCustomKeyStores", Limit=1)
    await call("DescribeCustomKeyStores")
    await call("UpdateCustomKeyStore", CustomKeyStoreId=store_id, NewCustomKeyStoreName="still ours")
    for known in (external, store_id):
        await call("ConnectCustomKeyStore", CustomKeyStoreId=known)
    await kms.sleep_seconds(301)
    await call("CreateKey", Origin="AWS_CLOUDHSM", CustomKeyStoreId=store_id)
    await call("CreateKey", Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=external, XksKeyId="key-1")
    await call("DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    backing = {**ON_CLUSTER, "CloudHsmClusterId": OTHER_CLUSTER}
    empty = (await call("CreateCustomKeyStore", CustomKeyStoreName="more", **backing))["CustomKeyStoreId"]
    await call("DeleteCustomKeyStore", CustomKeyStoreId=empty)


async def responses(kms: OneRegion) -> dict[str, list[dict[str, Any]]]:
    """Responses of every operation, each to parameters that fit AWS's request shape."""
    found: dict[str, list[dict[str, Any]]] = {}

    async def call(operation: str, **parameters: Any) -> dict[str, Any]:
        assert not problems(operation, parameters)
        assert not unknown_members(operation, parameters)
        response = await kms.call("alice", operation, **parameters)
        found.setdefault(operation, []).append(response)
        return response

    tags = [{"TagKey": "Team", "TagValue": "blue"}]
    single = (await call("CreateKey", Tags=tags, Description="orders"))["KeyMetadata"]["KeyId"]
    shared = (await call("CreateKey", MultiRegion=True))["KeyMetadata"]["KeyId"]
    blob = (await call("Encrypt", KeyId=single, Plaintext=b"x", EncryptionContext={"a": "b"}))["CiphertextBlob"]
    await call("Decrypt", CiphertextBlob=blob, EncryptionContext={"a": "b"})
    await call("ReEncrypt", CiphertextBlob=blob, SourceEncryptionContext={"a": "b"}, DestinationKeyId=shared)
    await call("GenerateDataKey", KeyId=single, KeySpec="AES_256")
    await call("GenerateDataKeyWithoutPlaintext", KeyId=single, NumberOfBytes=64)
    await call("GenerateRandom", NumberOfBytes=8)
    await call("RotateKeyOnDemand", KeyId=single)
    policy = (await call("GetKeyPolicy", KeyId=single))["Policy"]
    await call("PutKeyPolicy", KeyId=single, Policy=policy)
    for name in ("alias/a", "alias/b"):
        await call("CreateAlias", AliasName=name, TargetKeyId=single)
    await call("ListAliases", Limit=1)
    await call("ListAliases", KeyId=single)
    await call("UpdateAlias", AliasName="alias/a", TargetKeyId=shared)
    await call("DeleteAlias", AliasName="alias/a")
    await call("ListKeys", Limit=1)
    await call("ListKeys")
    await call("ReplicateKey", KeyId=shared, ReplicaRegion="eu-west-1", Tags=tags, Description="copy")
    await kms.sleep_seconds(10)
    await call("DescribeKey", KeyId=shared)
    await call("UpdatePrimaryRegion", KeyId=shared, PrimaryRegion="eu-west-1")
    await call("DescribeKey", KeyId=shared)
    await call("DisableKey", KeyId=single)
    await call("EnableKey", KeyId=single)
    await tags_and_grants(call, single)
    await imports(kms, call)
    await call("GetKeyLastUsage", KeyId=single)
    await key_stores(kms, call)
    await macs_and_key_pairs(call, single)
    await rotations_and_deletions(kms, call, single)
    return found


@one_region(regions=TWO)
async def test_every_response_is_of_aws_s_shape_and_botocore_reads_it(kms: OneRegion) -> None:
    found = await responses(kms)
    assert found.keys() == REGISTRY.keys()
    for operation, answers in found.items():
        output = model().operations[operation].output
        for response in answers:
            if output is None:
                assert response == {}
                continue
            assert faults(output, response, operation) == []
            read = parsed_by_botocore(operation, response)
            assert read.keys() == response.keys()


@one_region()
async def test_botocore_reads_blobs_and_instants_as_they_were_meant(kms: OneRegion) -> None:
    created = await kms.call("alice", "CreateKey")
    read = parsed_by_botocore("CreateKey", created)["KeyMetadata"]
    assert read["CreationDate"].timestamp() == created["KeyMetadata"]["CreationDate"]
    encrypted = await kms.call("alice", "Encrypt", KeyId=read["KeyId"], Plaintext=b"x")
    assert parsed_by_botocore("Encrypt", encrypted)["CiphertextBlob"] == encrypted["CiphertextBlob"]


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        ({"KeyId": 1}, "CreateKey.KeyId: int, not string"),
        ({"KeyId": "k", "Colour": "red"}, "CreateKey.Colour: unknown"),
        ({}, "CreateKey.KeyId: missing"),
        ({"KeyId": "k", "KeyState": "Asleep"}, "CreateKey.KeyState: 'Asleep' is not of KeyState"),
        ({"KeyId": "k", "CreationDate": 5}, "CreateKey.CreationDate: int, not timestamp"),
        ({"KeyId": "k", "EncryptionAlgorithms": ["ROT13"]}, "'ROT13' is not of EncryptionAlgorithmSpec"),
    ],
)
def test_the_check_finds_what_is_wrong(response: dict[str, Any], fault: str) -> None:
    (found,) = faults("KeyMetadata", response, "CreateKey")
    assert found.endswith(fault)
