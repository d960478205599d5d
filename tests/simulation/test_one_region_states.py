"""Every operation on a key in every state, through the Region: what the guide's table says is what callers get."""

from __future__ import annotations

from typing import Any

import pytest

from regionsim.kms.key import KeyState, Origin
from regionsim.kms.key_specs import KeySpec
from regionsim.kms.operations.registry import REGISTRY
from tests.simulation import importing
from tests.simulation.importing import FIRST, FOR_GOOD, external_key, sent
from tests.simulation.one_region import OneRegion, one_region
from tests.unit.kms.key_state_guide import IMPORTING, STATES, origin_in, wanted

STORE_OPERATIONS = {name for name in REGISTRY if "CustomKeyStore" in name}
ALL_STATES = (*STATES, "PendingReplicaDeletion")
KEYLESS = {*STORE_OPERATIONS, "CreateKey", "ListKeys", "GenerateRandom", "ListRetirableGrants"}
ALICE, BOB = (f"arn:aws:iam::111122223333:user/{name}" for name in ("alice", "bob"))
BESIDES_THE_KEY: dict[str, dict[str, Any]] = {
    "Encrypt": {"Plaintext": b"order 4711"},
    "GenerateDataKey": {"KeySpec": "AES_256"},
    "GenerateDataKeyWithoutPlaintext": {"KeySpec": "AES_256"},
    "GenerateDataKeyPair": {"KeyPairSpec": "ECC_NIST_P256"},
    "GenerateDataKeyPairWithoutPlaintext": {"KeyPairSpec": "ECC_NIST_P256"},
    "GenerateMac": {"Message": b"m", "MacAlgorithm": "HMAC_SHA_256"},
    "Sign": {"Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"},
    "Encapsulate": {"EncapsulationAlgorithm": "ML_KEM"},
    "ReplicateKey": {"ReplicaRegion": "ap-southeast-2"},
    "CreateGrant": {"GranteePrincipal": BOB, "Operations": ["Encrypt"]},
    "TagResource": {"Tags": [{"TagKey": "team", "TagValue": "blue"}]},
    "UntagResource": {"TagKeys": ["team"]},
    "GetParametersForImport": {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
    "UpdateKeyDescription": {"Description": "another one"},
}
SIGNING = {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}
MACS = {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}
AGREEING = {"KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT"}
ENCAPSULATING = {"KeySpec": "ML_KEM_768", "KeyUsage": "ENCAPSULATE_DECAPSULATE"}
KINDS: dict[str, dict[str, Any]] = {
    "ReplicateKey": {"MultiRegion": True},
    "UpdatePrimaryRegion": {"MultiRegion": True},
    **dict.fromkeys(("Sign", "Verify", "GetPublicKey"), SIGNING),
    **dict.fromkeys(("GenerateMac", "VerifyMac"), MACS),
    **dict.fromkeys(("Encapsulate", "Decapsulate"), ENCAPSULATING),
    "DeriveSharedSecret": AGREEING,
}
"""The kind of key that an operation is for, where it is no symmetric single-Region key."""

THREE = ("us-east-1", "eu-west-1", "ap-southeast-2")


async def parameters_for(kms: OneRegion, operation: str, key_id: str) -> dict[str, Any]:
    """A call of `operation` that would succeed while the key is Enabled; what it needs is made now."""
    match operation:
        case "Decrypt":
            return {"CiphertextBlob": await blob_of(kms, key_id)}
        case "ReEncrypt":
            return {"CiphertextBlob": await blob_of(kms, key_id), "DestinationKeyId": await kms.create_key()}
        case "PutKeyPolicy":
            policy = (await kms.call("alice", "GetKeyPolicy", KeyId=key_id))["Policy"]
            return {"KeyId": key_id, "Policy": policy}
        case "UpdateAlias":
            other = await kms.create_key()
            await kms.call("alice", "CreateAlias", AliasName=f"alias/of-{key_id}", TargetKeyId=other)
            return {"AliasName": f"alias/of-{key_id}", "TargetKeyId": key_id}
        case "DeleteAlias":
            await kms.call("alice", "CreateAlias", AliasName=f"alias/of-{key_id}", TargetKeyId=key_id)
            return {"AliasName": f"alias/of-{key_id}"}
        case "UpdatePrimaryRegion":
            await kms.call("alice", "ReplicateKey", KeyId=key_id, ReplicaRegion="eu-west-1")
            await until_enabled(kms, key_id, "eu-west-1")
            return {"KeyId": key_id, "PrimaryRegion": "eu-west-1"}
        case "RetireGrant" | "RevokeGrant":
            grant = BESIDES_THE_KEY["CreateGrant"] | {"RetiringPrincipal": ALICE}
            return {
                "KeyId": kms.arn(key_id),
                "GrantId": (await kms.call("alice", "CreateGrant", KeyId=key_id, **grant))["GrantId"],
            }
        case _:
            beside = {"AliasName": f"alias/new-{key_id}"} if operation == "CreateAlias" else {}
            if operation == "ImportKeyMaterial":
                beside = {**sent(await importing.parameters(kms, key_id), FIRST), **FOR_GOOD}
            name = "TargetKeyId" if operation == "CreateAlias" else "KeyId"
            return {name: key_id, **beside, **BESIDES_THE_KEY.get(operation, {})}


@one_region()
async def test_of_a_key_that_imports_nothing_that_is_told_though_it_is_pending_deletion(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id)
    sealed = {"ImportToken": b"t", "EncryptedKeyMaterial": b"m", **FOR_GOOD}
    for operation, beside in (
        ("GetParametersForImport", BESIDES_THE_KEY["GetParametersForImport"]),
        ("ImportKeyMaterial", sealed),
        ("DeleteImportedKeyMaterial", {}),
    ):
        refusal = await kms.refusal("alice", operation, KeyId=key_id, **beside)
        assert (refusal.code, refusal.message) == (
            "UnsupportedOperationException",
            f"{kms.arn(key_id)} origin is AWS_KMS which is not valid for this operation.",
        )


ANSWERS_TO = frozenset({"Verify", "VerifyMac", "Decapsulate", "DeriveSharedSecret"})
"""Operations that take what another one of the same key has given."""


async def answering(kms: OneRegion, operation: str, key_id: str) -> dict[str, Any]:
    match operation:
        case "Verify":
            signed = BESIDES_THE_KEY["Sign"]
            answer = await kms.call("alice", "Sign", KeyId=key_id, **signed)
            return {"KeyId": key_id, **signed, "Signature": answer["Signature"]}
        case "VerifyMac":
            authenticated = BESIDES_THE_KEY["GenerateMac"]
            answer = await kms.call("alice", "GenerateMac", KeyId=key_id, **authenticated)
            return {"KeyId": key_id, **authenticated, "Mac": answer["Mac"]}
        case "Decapsulate":
            answer = await kms.call("alice", "Encapsulate", KeyId=key_id, EncapsulationAlgorithm="ML_KEM")
            blob = answer["SharedSecretCiphertextBlob"]
            return {"KeyId": key_id, "EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": blob}
        case _:
            peer = await kms.call("alice", "GetPublicKey", KeyId=key_id)
            return {"KeyId": key_id, "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer["PublicKey"]}


async def blob_of(kms: OneRegion, key_id: str) -> bytes:
    response = await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order 4711")
    blob: bytes = response["CiphertextBlob"]
    return blob


async def until_enabled(kms: OneRegion, key_id: str, region: str) -> None:
    for _ in range(100):
        key = kms.simulation.regions[region].state.key(key_id)
        if key is not None and key.state is KeyState.ENABLED:
            return
        await kms.sleep_seconds(0.1)
    raise AssertionError(f"no Enabled replica in {region}")


async def a_key_for(kms: OneRegion, operation: str) -> str:
    if operation in IMPORTING:
        return await external_key(kms)
    return await kms.create_key(**KINDS.get(operation, {}))


async def answers_by_state(kms: OneRegion, operation: str, by: str = "alice") -> tuple[dict[str, str], dict[str, str]]:
    """What the Region said, and what the guide says, for one key in each state."""
    said, guide = {}, {}
    for state in ALL_STATES:
        key_id = await a_key_for(kms, operation)
        find = answering if operation in ANSWERS_TO else parameters_for
        parameters = await find(kms, operation, key_id)
        origin = origin_in(state, operation)
        await kms.put_state(key_id, KeyState(state), shared={"origin": Origin(origin)})
        said[state] = await kms.answer(by, operation, **parameters)
        guide[state] = wanted(operation, state, arn=kms.arn(key_id), origin=origin)
    return said, guide


@pytest.mark.parametrize("operation", sorted(REGISTRY.keys() - KEYLESS))
@one_region(regions=THREE)
async def test_an_operation_does_in_each_state_what_the_guide_says(kms: OneRegion, operation: str) -> None:
    said, guide = await answers_by_state(kms, operation)
    assert said == guide


@one_region()
async def test_reencrypt_asks_the_destination_s_state_as_well(kms: OneRegion) -> None:
    source = await kms.create_key()
    blob = await blob_of(kms, source)
    said, guide = {}, {}
    for state in ALL_STATES:
        destination = await kms.create_key()
        await kms.put_state(destination, KeyState(state), shared={"origin": Origin(origin_in(state))})
        said[state] = await kms.answer("alice", "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=destination)
        guide[state] = wanted("ReEncrypt", state, arn=kms.arn(destination), origin=origin_in(state))
    assert said == guide


@one_region()
async def test_an_alias_can_leave_a_key_that_is_pending_deletion_but_not_go_to_one(kms: OneRegion) -> None:
    leaving, staying = await kms.create_key(), await kms.create_key()
    await kms.call("alice", "CreateAlias", AliasName="alias/x", TargetKeyId=leaving)
    await kms.put_state(leaving, KeyState.PENDING_DELETION)
    await kms.call("alice", "UpdateAlias", AliasName="alias/x", TargetKeyId=staying)
    refusal = await kms.refusal("alice", "UpdateAlias", AliasName="alias/x", TargetKeyId=leaving)
    assert (refusal.code, refusal.message) == (
        "KMSInvalidStateException",
        f"{kms.arn(leaving)} is pending deletion.",
    )


@pytest.mark.parametrize("operation", ["Encrypt", "GetKeyPolicy", "DisableKey", "RotateKeyOnDemand"])
@one_region()
async def test_who_may_not_is_not_told_the_state(kms: OneRegion, operation: str) -> None:
    """Authorization comes before the table, so a denied caller learns nothing of the key."""
    said, _ = await answers_by_state(kms, operation, by="bob")
    assert {answer.partition(":")[0] for answer in said.values()} == {"AccessDeniedException"}


@pytest.mark.parametrize("state", [state for state in ALL_STATES if state not in ("Enabled", "Updating")])
@one_region()
async def test_a_refusal_by_state_never_reaches_an_hsm(kms: OneRegion, state: str) -> None:
    key_id = await kms.create_key()
    await kms.put_state(key_id, KeyState(state))
    asked = kms.region.counts.hsm_requests
    await kms.refusal("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    await kms.refusal("alice", "GenerateDataKey", KeyId=key_id, KeySpec="AES_256")
    assert kms.region.counts.hsm_requests == asked


@one_region()
async def test_the_state_comes_before_the_type_and_the_type_has_no_text(kms: OneRegion) -> None:
    """Recorded: RotateKeyOnDemand on an EXTERNAL RSA key without material says its state; on an RSA key nothing."""
    key_id = await kms.create_key()
    await kms.put_state(key_id, KeyState.PENDING_IMPORT, shared={"spec": KeySpec.RSA_4096, "origin": Origin.EXTERNAL})
    said = await kms.answer("alice", "RotateKeyOnDemand", KeyId=key_id)
    assert said == f"KMSInvalidStateException: {kms.arn(key_id)} is pending import."
    await kms.put_state(key_id, KeyState.ENABLED, shared={"origin": Origin.AWS_KMS})
    assert await kms.answer("alice", "RotateKeyOnDemand", KeyId=key_id) == "UnsupportedOperationException: "


@one_region()
async def test_a_disabled_key_refuses_cryptography_and_takes_the_rest(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    blob = await blob_of(kms, key_id)
    await kms.call("alice", "DisableKey", KeyId=key_id)
    refused = f"DisabledException: {kms.arn(key_id)} is disabled."
    assert await kms.answer("alice", "Encrypt", KeyId=key_id, Plaintext=b"x") == refused
    assert await kms.answer("alice", "Decrypt", CiphertextBlob=blob) == refused
    policy = (await kms.call("alice", "GetKeyPolicy", KeyId=key_id))["Policy"]
    await kms.call("alice", "PutKeyPolicy", KeyId=key_id, Policy=policy)
    await kms.call("alice", "CreateAlias", AliasName="alias/x", TargetKeyId=key_id)
    await kms.call("alice", "DisableKey", KeyId=key_id)  # twice is harmless
    assert (await kms.call("alice", "DescribeKey", KeyId="alias/x"))["KeyMetadata"]["KeyState"] == "Disabled"
    await kms.call("alice", "EnableKey", KeyId=key_id)
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"order 4711"


@one_region()
async def test_what_changes_nothing_commits_no_new_version(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "EnableKey", KeyId=key_id)
    assert kms.key(key_id).version == 1
    await kms.call("alice", "DisableKey", KeyId=key_id)
    await kms.call("alice", "DisableKey", KeyId=key_id)
    assert kms.key(key_id).version == 2
