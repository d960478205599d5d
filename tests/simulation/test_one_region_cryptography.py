"""Encrypt, Decrypt, ReEncrypt, data keys and random bytes through a Region with real HSMs."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.kms.writes import RemoveKey
from tests.simulation.one_region import OneRegion, one_region

CONTEXT = {"Department": "Engineering", "App": "orders"}
DRY_RUN = "DryRunOperationException: The request would have succeeded, but the DryRun option is set."
UNKNOWN_CIPHERTEXT = (
    "AccessDeniedException: The ciphertext refers to a customer master key that does not exist, does not exist in this "
    "region, or you are not allowed to access."
)


async def sealed(kms: OneRegion, key_id: str, plaintext: bytes = b"order 4711", **others: Any) -> bytes:
    blob: bytes = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=plaintext, **others))["CiphertextBlob"]
    return blob


# -------------------------------------------------------------------------------------------------- Encrypt and Decrypt


@one_region()
async def test_what_is_encrypted_decrypts_without_naming_the_key(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    encrypted = await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order 4711", EncryptionContext=CONTEXT)
    blob = encrypted["CiphertextBlob"]
    assert encrypted == {
        "CiphertextBlob": blob,
        "KeyId": kms.arn(key_id),
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }
    for named in ({}, {"KeyId": key_id}, {"KeyId": kms.arn(key_id)}):
        decrypted = await kms.call("alice", "Decrypt", CiphertextBlob=blob, EncryptionContext=CONTEXT, **named)
        assert decrypted == {
            "KeyId": kms.arn(key_id),
            "Plaintext": b"order 4711",
            "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "KeyMaterialId": kms.key(key_id).shared.current_material_id,
        }


@pytest.mark.parametrize("length", [1, 32, 35, 36, 100, 4096])
@one_region()
async def test_every_length_up_to_4096_comes_back(kms: OneRegion, length: int) -> None:
    key_id = await kms.create_key()
    plaintext = bytes(number % 251 for number in range(length))
    blob = await sealed(kms, key_id, plaintext)
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == plaintext
    assert plaintext not in blob or length < 8
    if length <= 35:
        assert len(blob) == 152 + length


@one_region()
async def test_4097_bytes_are_refused_without_being_told(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    said = await kms.answer("alice", "Encrypt", KeyId=key_id, Plaintext=b"s" * 4097)
    assert said == (
        "ValidationException: 1 validation error detected: Value at 'plaintext' failed to satisfy constraint: "
        "Member must have length less than or equal to 4096"
    )
    said = await kms.answer("alice", "Encrypt", KeyId=key_id, Plaintext=b"")
    assert said == (
        "ValidationException: 1 validation error detected: Value at 'plaintext' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1"
    )


@one_region()
async def test_the_same_plaintext_twice_gives_two_blobs_that_begin_as_aws_s(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    first, second = await sealed(kms, key_id), await sealed(kms, key_id)
    assert first != second
    assert base64.b64encode(first).startswith(b"AQICAH")
    data_key = (await kms.call("alice", "GenerateDataKey", KeyId=key_id, KeySpec="AES_256"))["CiphertextBlob"]
    assert base64.b64encode(data_key).startswith(b"AQIDAH")
    assert len(data_key) == 184


@pytest.mark.parametrize(
    "context",
    [None, {}, {"Department": "engineering", "App": "orders"}, {"Department": "Engineering"}, {**CONTEXT, "x": ""}],
)
@one_region()
async def test_another_context_opens_nothing_and_says_nothing(kms: OneRegion, context: dict[str, str] | None) -> None:
    blob = await sealed(kms, await kms.create_key(), EncryptionContext=CONTEXT)
    refusal = await kms.refusal("alice", "Decrypt", CiphertextBlob=blob, EncryptionContext=context)
    assert (refusal.code, refusal.message) == ("InvalidCiphertextException", "")


@one_region()
async def test_the_order_of_a_context_does_not_count_and_its_pairs_do_not_run_together(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    blob = await sealed(kms, key_id, EncryptionContext=CONTEXT)
    turned = dict(reversed(CONTEXT.items()))
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob, EncryptionContext=turned))["Plaintext"]
    joined = await sealed(kms, key_id, EncryptionContext={"a": "bc"})
    refusal = await kms.refusal("alice", "Decrypt", CiphertextBlob=joined, EncryptionContext={"ab": "c"})
    assert refusal.code == "InvalidCiphertextException"


@one_region()
async def test_a_context_that_is_too_large_is_refused(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    refusal = await kms.refusal("alice", "Encrypt", KeyId=key_id, Plaintext=b"x", EncryptionContext={"a": "b" * 8192})
    assert refusal.code == "ValidationException"


@one_region()
async def test_a_blob_with_any_byte_changed_does_not_open(kms: OneRegion) -> None:
    blob = await sealed(kms, await kms.create_key())
    codes = set()
    for at in range(len(blob)):
        broken = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
        refusal = await kms.refusal("alice", "Decrypt", CiphertextBlob=broken)
        codes.add((refusal.code, refusal.message == "", 5 <= at < 21))
    # Bytes 5 to 21 are the key id: with them changed the blob is of a key that is not here.
    assert codes == {("InvalidCiphertextException", True, False), ("AccessDeniedException", False, True)}


@pytest.mark.parametrize("blob", [b"x", b"\x01\x02\x02\x00\x78", b"\x00" * 200, bytes(range(184))])
@one_region()
async def test_bytes_that_are_no_blob_are_an_invalid_ciphertext(kms: OneRegion, blob: bytes) -> None:
    refusal = await kms.refusal("alice", "Decrypt", CiphertextBlob=blob)
    assert (refusal.code, refusal.message) == ("InvalidCiphertextException", "")


@one_region()
async def test_a_key_that_did_not_make_the_blob_is_the_incorrect_one_whatever_its_state(kms: OneRegion) -> None:
    maker, other = await kms.create_key(), await kms.create_key()
    blob = await sealed(kms, maker)
    text = "IncorrectKeyException: The key ID in the request does not identify a CMK that can perform this operation."
    assert await kms.answer("alice", "Decrypt", CiphertextBlob=blob, KeyId=other) == text
    await kms.call("alice", "DisableKey", KeyId=other)
    assert await kms.answer("alice", "Decrypt", CiphertextBlob=blob, KeyId=other) == text
    destination = {"CiphertextBlob": blob, "DestinationKeyId": maker}
    assert await kms.answer("alice", "ReEncrypt", SourceKeyId=other, **destination) == text
    await kms.call("alice", "CreateAlias", AliasName="alias/maker", TargetKeyId=maker)
    assert await kms.answer("alice", "Decrypt", CiphertextBlob=blob, KeyId="alias/maker") == "ok"


@one_region()
async def test_a_blob_of_a_key_that_is_not_here_is_denied_and_not_missed(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    blob = await sealed(kms, key_id)
    await kms.commit(RemoveKey(key_id=key_id))
    assert await kms.answer("alice", "Decrypt", CiphertextBlob=blob) == UNKNOWN_CIPHERTEXT
    gone = f"NotFoundException: Key '{kms.arn(key_id)}' does not exist"
    assert await kms.answer("alice", "Decrypt", CiphertextBlob=blob, KeyId=key_id) == gone
    assert await kms.answer("alice", "DescribeKey", KeyId=key_id) == gone


@one_region()
async def test_what_a_key_is_for_and_its_algorithm_are_told(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    said = await kms.answer("alice", "Encrypt", KeyId=key_id, Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_1")
    assert (
        said == "InvalidKeyUsageException: Algorithm RSAES_OAEP_SHA_1 is incompatible with key spec SYMMETRIC_DEFAULT."
    )
    blob = await sealed(kms, key_id)
    said = await kms.answer("alice", "Decrypt", CiphertextBlob=blob, EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    assert said.startswith("InvalidKeyUsageException: Algorithm RSAES_OAEP_SHA_256 is incompatible")
    key = kms.key(key_id)
    await kms.put_state(key_id, key.state, shared={"spec": KeySpec.RSA_2048, "usage": KeyUsage.SIGN_VERIFY})
    for operation, others in (("Encrypt", {"Plaintext": b"x"}), ("GenerateDataKey", {"KeySpec": "AES_256"})):
        said = await kms.answer("alice", operation, KeyId=key_id, **others)
        assert said == (
            f"InvalidKeyUsageException: {kms.arn(key_id)} key usage is SIGN_VERIFY which is not valid for {operation}."
        )


# ------------------------------------------------------------------------------------------------------------- ReEncrypt


@one_region()
async def test_reencrypt_moves_a_plaintext_between_keys_and_contexts(kms: OneRegion) -> None:
    source, destination = await kms.create_key(), await kms.create_key()
    blob = await sealed(kms, source, EncryptionContext={"from": "here"})
    response = await kms.call(
        "alice",
        "ReEncrypt",
        CiphertextBlob=blob,
        SourceEncryptionContext={"from": "here"},
        DestinationKeyId=destination,
        DestinationEncryptionContext={"to": "there"},
    )
    moved = response.pop("CiphertextBlob")
    assert response == {
        "SourceKeyId": kms.arn(source),
        "KeyId": kms.arn(destination),
        "SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "SourceKeyMaterialId": kms.key(source).shared.current_material_id,
        "DestinationKeyMaterialId": kms.key(destination).shared.current_material_id,
    }
    opened = await kms.call("alice", "Decrypt", CiphertextBlob=moved, EncryptionContext={"to": "there"})
    assert (opened["Plaintext"], opened["KeyId"]) == (b"order 4711", kms.arn(destination))
    assert kms.region.counts.hsm_requests == 5  # two keys, Encrypt, ReEncrypt (one visit), Decrypt
    wrong = await kms.refusal("alice", "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=destination)
    assert (wrong.code, wrong.message) == ("InvalidCiphertextException", "")


@one_region()
async def test_reencrypt_on_one_key_brings_a_blob_to_its_newest_material(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    blob = await sealed(kms, key_id)
    first = kms.key(key_id).shared.current_material_id
    await kms.call("alice", "RotateKeyOnDemand", KeyId=key_id)
    response = await kms.call("alice", "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=key_id)
    assert response["SourceKeyMaterialId"] == first
    assert response["DestinationKeyMaterialId"] == kms.key(key_id).shared.current_material_id != first


# --------------------------------------------------------------------------------------------- data keys, random numbers


@pytest.mark.parametrize(
    ("parameters", "length"),
    [
        ({"KeySpec": "AES_128"}, 16),
        ({"KeySpec": "AES_256"}, 32),
        ({"NumberOfBytes": 1}, 1),
        ({"NumberOfBytes": 1024}, 1024),
    ],
)
@one_region()
async def test_a_data_key_has_the_length_asked_for_and_decrypts(
    kms: OneRegion, parameters: dict[str, Any], length: int
) -> None:
    key_id = await kms.create_key()
    response = await kms.call("alice", "GenerateDataKey", KeyId=key_id, EncryptionContext=CONTEXT, **parameters)
    material_id = kms.key(key_id).shared.current_material_id
    assert len(response["Plaintext"]) == length
    assert (response["KeyId"], response["KeyMaterialId"]) == (kms.arn(key_id), material_id)
    opened = await kms.call("alice", "Decrypt", CiphertextBlob=response["CiphertextBlob"], EncryptionContext=CONTEXT)
    assert opened["Plaintext"] == response["Plaintext"]
    bare = await kms.call("alice", "GenerateDataKeyWithoutPlaintext", KeyId=key_id, **parameters)
    assert bare.keys() == {"CiphertextBlob", "KeyId", "KeyMaterialId"}
    opened = await kms.call("alice", "Decrypt", CiphertextBlob=bare["CiphertextBlob"])
    assert len(opened["Plaintext"]) == length


@pytest.mark.parametrize("parameters", [{}, {"KeySpec": "AES_256", "NumberOfBytes": 32}])
@one_region()
async def test_a_data_key_is_measured_in_exactly_one_way(kms: OneRegion, parameters: dict[str, Any]) -> None:
    key_id = await kms.create_key()
    for operation in ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext"):
        said = await kms.answer("alice", operation, KeyId=key_id, **parameters)
        assert said == "ValidationException: Please specify either number of bytes or key spec."


@one_region()
async def test_random_bytes_are_as_many_as_asked_for(kms: OneRegion) -> None:
    drawn = [(await kms.call("alice", "GenerateRandom", NumberOfBytes=n))["Plaintext"] for n in (1, 32, 32, 1024)]
    assert [len(found) for found in drawn] == [1, 32, 32, 1024]
    assert drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({}, "NumberOfBytes is required."),
        (
            {"NumberOfBytes": 0},
            "1 validation error detected: Value '0' at 'numberOfBytes' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        (
            {"NumberOfBytes": 1025},
            "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: "
            "Member must have value less than or equal to 1024",
        ),
    ],
)
@one_region()
async def test_no_number_too_small_a_one_and_too_large_a_one(
    kms: OneRegion, parameters: dict[str, Any], text: str
) -> None:
    assert await kms.answer("alice", "GenerateRandom", **parameters) == f"ValidationException: {text}"


RECIPIENT = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"document"}


@one_region()
async def test_an_enclave_that_nobody_vouches_for_and_a_store_that_is_not_there(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    for operation, parameters, code in (
        ("GenerateRandom", {"NumberOfBytes": 8, "Recipient": RECIPIENT}, "ValidationException"),
        (
            "GenerateRandom",
            {"NumberOfBytes": 8, "CustomKeyStoreId": "cks-1234567890abcdef0"},
            "CustomKeyStoreNotFoundException",
        ),
        ("GenerateDataKey", {"KeyId": key_id, "KeySpec": "AES_256", "Recipient": RECIPIENT}, "ValidationException"),
    ):
        assert (await kms.refusal("alice", operation, **parameters)).code == code
    # GenerateDataKeyWithoutPlaintext has no such member, and unknown members are ignored.
    bare = {"KeyId": key_id, "KeySpec": "AES_256", "Recipient": RECIPIENT}
    assert await kms.answer("alice", "GenerateDataKeyWithoutPlaintext", **bare) == "ok"


@one_region()
async def test_decrypt_for_an_attested_enclave_does_not_give_the_plaintext(kms: OneRegion) -> None:
    blob = await sealed(kms, await kms.create_key())
    refusal = await kms.refusal("alice", "Decrypt", CiphertextBlob=blob, Recipient=RECIPIENT)
    assert refusal.code == "ValidationException"


# --------------------------------------------------------------------------------------------- dry runs and grant tokens


@one_region()
async def test_a_dry_run_never_succeeds(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    blob = await sealed(kms, key_id)
    calls: dict[str, dict[str, Any]] = {
        "Encrypt": {"KeyId": key_id, "Plaintext": b"x"},
        "Decrypt": {"CiphertextBlob": blob},
        "ReEncrypt": {"CiphertextBlob": blob, "DestinationKeyId": key_id},
        "GenerateDataKey": {"KeyId": key_id, "KeySpec": "AES_256"},
        "GenerateDataKeyWithoutPlaintext": {"KeyId": key_id, "KeySpec": "AES_256"},
    }
    for operation, parameters in calls.items():
        assert await kms.answer("alice", operation, DryRun=True, **parameters) == DRY_RUN
        denied = await kms.answer("bob", operation, DryRun=True, **parameters)
        assert denied.startswith("AccessDeniedException"), operation
        assert await kms.answer("alice", operation, DryRun=False, **parameters) == "ok"
    await kms.call("alice", "DisableKey", KeyId=key_id)
    for operation, parameters in calls.items():
        said = await kms.answer("alice", operation, DryRun=True, **parameters)
        assert said == f"DisabledException: {kms.arn(key_id)} is disabled."


@one_region()
async def test_a_dry_run_of_a_decryption_that_would_fail_says_so(kms: OneRegion) -> None:
    blob = await sealed(kms, await kms.create_key(), EncryptionContext=CONTEXT)
    assert await kms.answer("alice", "Decrypt", CiphertextBlob=blob, DryRun=True) == "InvalidCiphertextException: "


@one_region()
async def test_a_dry_run_may_leave_the_ciphertext_out_when_the_key_is_named(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    dry: dict[str, Any] = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    asked = kms.region.counts.hsm_requests
    assert await kms.answer("alice", "Decrypt", KeyId=key_id, **dry) == DRY_RUN
    assert await kms.answer("alice", "ReEncrypt", SourceKeyId=key_id, DestinationKeyId=key_id, **dry) == DRY_RUN
    assert (await kms.answer("bob", "Decrypt", KeyId=key_id, **dry)).startswith("AccessDeniedException")
    assert (await kms.refusal("alice", "Decrypt", **dry)).code == "ValidationException"
    assert kms.region.counts.hsm_requests == asked
    missing = (
        "ValidationException: 1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy "
        "constraint: Member must not be null"
    )
    assert await kms.answer("alice", "Decrypt", KeyId=key_id) == missing
    assert await kms.answer("alice", "Decrypt", KeyId=key_id, DryRun=True) == missing
    assert await kms.answer("alice", "ReEncrypt", DestinationKeyId=key_id) == missing


@one_region()
async def test_a_grant_token_that_nobody_gave_out_is_invalid(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    refusal = await kms.refusal("alice", "Encrypt", KeyId=key_id, Plaintext=b"x", GrantTokens=["AQpAM2RhZTk1MGMyNTk2"])
    assert refusal.code == "InvalidGrantTokenException"


# --------------------------------------------------------------------------------------------------------- without HSMs


@one_region()
async def test_a_region_without_hsms_describes_and_does_not_encrypt(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    blob = await sealed(kms, key_id)
    for index in range(2):
        kms.region.fleet.zeroise(index)
    assert await kms.answer("alice", "Decrypt", CiphertextBlob=blob) == "ok"
    kms.region.fleet.zeroise(2)
    refusal = await kms.refusal("alice", "Decrypt", CiphertextBlob=blob)
    assert (refusal.code, refusal.http_status) == ("KMSInternalException", 500)
    assert (await kms.refusal("alice", "CreateKey")).http_status == 500
    assert (await kms.call("alice", "DescribeKey", KeyId=key_id))["KeyMetadata"]["KeyState"] == "Enabled"
    await kms.call("alice", "DisableKey", KeyId=key_id)
    assert (await kms.call("alice", "ListKeys"))["Keys"]


@one_region()
async def test_an_hsm_that_restarts_serves_again_once_it_has_joined(kms: OneRegion) -> None:
    blob = await sealed(kms, await kms.create_key())
    for index in range(3):
        assert await kms.region.fleet.restart(index)
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"order 4711"


@one_region()
async def test_domain_keys_rotate_and_every_blob_still_opens(kms: OneRegion) -> None:
    """A token under a retired domain key is wrapped anew when it is used, and stored with the next flush."""
    key_id = await kms.create_key()
    material_id = kms.key(key_id).shared.current_material_id
    assert material_id is not None
    blob = await sealed(kms, key_id)
    first = kms.region.state.material(key_id, material_id)
    kms.region.fleet.rotate_domain_key()
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"order 4711"
    assert kms.region.state.material(key_id, material_id) == first, "nothing is visible before it is committed"
    await kms.region.flush_audit()
    second = kms.region.state.material(key_id, material_id)
    assert first is not None
    assert second is not None
    assert first.token != second.token
    await kms.reboot()
    assert kms.region.state.material(key_id, material_id) == second
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"order 4711"


@one_region()
async def test_the_ciphertext_is_looked_at_last(kms: OneRegion) -> None:
    """A named key and bytes that are no ciphertext: who may, and in which state the key is, comes first."""
    key_id = await kms.create_key()
    junk = {"KeyId": key_id, "CiphertextBlob": b"no ciphertext"}
    assert (await kms.refusal("bob", "Decrypt", **junk)).code == "AccessDeniedException"
    assert (await kms.refusal("alice", "Decrypt", **junk)).code == "InvalidCiphertextException"
    await kms.call("alice", "DisableKey", KeyId=key_id)
    assert (await kms.refusal("alice", "Decrypt", **junk)).code == "DisabledException"
