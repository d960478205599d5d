"""Attested recipients: whose document is believed, what policies can ask of it, and who learns the plaintext."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)

from tests.simulation.enclaves import IMAGE, OTHER_IMAGE, Enclave, Platform, certificate
from tests.simulation.key_stores import ON_CLUSTER
from tests.simulation.one_region import OneRegion, one_region
from tests.simulation.test_custom_key_stores import BACKED, connected, key_in


@cache
def platform() -> Platform:
    return Platform()


@cache
def enclave() -> Enclave:
    return Enclave(platform())


def roots() -> frozenset[bytes]:
    return frozenset({platform().root_der})


def spki(key: Any) -> bytes:
    found: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found


@one_region(attestation_roots=roots)
async def test_what_is_decrypted_is_for_the_enclave_alone(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order 4711"))["CiphertextBlob"]
    answer = await kms.call("alice", "Decrypt", CiphertextBlob=blob, Recipient=enclave().recipient())
    assert answer.keys() == {"KeyId", "EncryptionAlgorithm", "CiphertextForRecipient"}
    assert enclave().opened(answer["CiphertextForRecipient"]) == b"order 4711"
    (record,) = await kms.records("Decrypt")
    assert record["additionalEventData"]["recipient"] == {
        "attestationDocumentModuleId": "i-0123456789abcdef0-enc0123456789abcdef",
        "attestationDocumentEnclaveImageDigest": IMAGE.hex(),
    }
    assert kms.region.counts.hsm_requests == 3, "one job a call"


@one_region(attestation_roots=roots)
async def test_data_keys_and_random_bytes_are_for_the_enclave_alone(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    made = await kms.call("alice", "GenerateDataKey", KeyId=key_id, KeySpec="AES_256", Recipient=enclave().recipient())
    assert not {"Plaintext", "KeyMaterialId"} & made.keys()
    opened = await kms.call("alice", "Decrypt", CiphertextBlob=made["CiphertextBlob"])
    assert enclave().opened(made["CiphertextForRecipient"]) == opened["Plaintext"]
    random = await kms.call("alice", "GenerateRandom", NumberOfBytes=40, Recipient=enclave().recipient())
    assert random.keys() == {"CiphertextForRecipient"}
    assert len(enclave().opened(random["CiphertextForRecipient"])) == 40
    pair = await kms.call(
        "alice", "GenerateDataKeyPair", KeyId=key_id, KeyPairSpec="ECC_NIST_P256", Recipient=enclave().recipient()
    )
    assert "PrivateKeyPlaintext" not in pair
    private = load_der_private_key(enclave().opened(pair["CiphertextForRecipient"]), None)
    assert spki(private) == pair["PublicKey"]


@one_region(attestation_roots=roots)
async def test_a_shared_secret_is_for_the_enclave_alone(kms: OneRegion) -> None:
    key_id = await kms.create_key("alice", KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")
    asked = {
        "KeyId": key_id,
        "KeyAgreementAlgorithm": "ECDH",
        "PublicKey": spki(ec.generate_private_key(ec.SECP256R1())),
    }
    clear = await kms.call("alice", "DeriveSharedSecret", **asked)
    sealed = await kms.call("alice", "DeriveSharedSecret", Recipient=enclave().recipient(), **asked)
    assert "SharedSecret" not in sealed
    assert enclave().opened(sealed["CiphertextForRecipient"]) == clear["SharedSecret"]


def _documents() -> dict[str, dict[str, Any] | bytes]:
    good, other = platform(), Platform()
    said = good.payload(enclave().public)
    late = certificate("leaf", good.leaf_key, "host", good.host_key, is_ca=False, days=0)
    alien = certificate("leaf", good.leaf_key, "host", other.host_key, is_ca=False)
    no_ca = certificate("host", good.host_key, "root", good.root_key, is_ca=False)
    document = good.signed(said)
    flipped = bytearray(document)
    flipped[len(flipped) // 2] ^= 1
    return {
        "nothing": b"no document",
        "altered": bytes(flipped),
        "with something behind": document + b"\x00",
        "cut": document[:-1],
        "another root": other.signed(other.payload(enclave().public)),
        "another's signature": good.signed(said, other.leaf_key),
        "a leaf that is past": good.signed({**said, "certificate": late.public_bytes(Encoding.DER)}),
        "a leaf of nobody": good.signed({**said, "certificate": alien.public_bytes(Encoding.DER)}),
        "a host that may not issue": good.signed(
            {**said, "cabundle": [good.root_der, no_ca.public_bytes(Encoding.DER)]}
        ),
        "no bundle": good.signed({**said, "cabundle": []}),
        "no public key": good.signed({**said, "public_key": None}),
        "a public key that encrypts nothing": good.signed(
            {**said, "public_key": spki(ed25519.Ed25519PrivateKey.generate())}
        ),
        "no image": good.signed({**said, "pcrs": {1: IMAGE}}),
        "a short measure": good.signed({**said, "pcrs": {0: b"short"}}),
        "another digest": good.signed({**said, "digest": "SHA1"}),
        "no module": good.signed({**said, "module_id": ""}),
    }


@one_region(attestation_roots=roots)
async def test_a_document_that_does_not_hold_is_refused_in_the_same_words(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    asked = kms.region.counts.hsm_requests
    told = {}
    for what, document in _documents().items():
        recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": document}
        refusal = await kms.refusal("alice", "GenerateDataKey", KeyId=key_id, KeySpec="AES_256", Recipient=recipient)
        told[what] = f"{refusal.code}: {refusal.message}"
    wanted = "ValidationException: The attestation document is not valid."
    assert told == dict.fromkeys(told, wanted)
    assert kms.region.counts.hsm_requests == asked


@one_region(attestation_roots=roots)
async def test_a_document_without_its_tag_is_one_too_and_half_a_recipient_is_none(kms: OneRegion) -> None:
    untagged = platform().signed(platform().payload(enclave().public), is_tagged=False)
    whole = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": untagged}
    await kms.call("alice", "GenerateRandom", NumberOfBytes=8, Recipient=whole)
    for name in whole:
        half = {known: value for known, value in whole.items() if known != name}
        refusal = await kms.refusal("alice", "GenerateRandom", NumberOfBytes=8, Recipient=half)
        assert refusal.code == "ValidationException"


@one_region()
async def test_without_a_root_nobody_is_believed(kms: OneRegion) -> None:
    refusal = await kms.refusal("alice", "GenerateRandom", NumberOfBytes=8, Recipient=enclave().recipient())
    assert refusal.code == "ValidationException"


@pytest.mark.parametrize(
    ("condition", "changes", "is_allowed"),
    [
        ({"kms:RecipientAttestation:ImageSha384": IMAGE.hex()}, {}, True),
        ({"kms:RecipientAttestation:ImageSha384": IMAGE.hex()}, {"pcrs": {0: OTHER_IMAGE}}, False),
        ({"kms:RecipientAttestation:PCR0": IMAGE.hex()}, {}, True),
        ({"kms:RecipientAttestation:PCR8": (bytes([8]) * 48).hex()}, {}, True),
        ({"kms:RecipientAttestation:PCR8": (bytes([9]) * 48).hex()}, {}, False),
        ({"kms:RecipientAttestation:PCR3": IMAGE.hex()}, {}, False),
    ],
)
@one_region(attestation_roots=roots)
async def test_a_policy_decides_by_what_was_measured(
    kms: OneRegion, condition: dict[str, str], changes: dict[str, Any], is_allowed: bool
) -> None:
    key_id = await kms.create_key()
    statement = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateRandom"], "Resource": "*"}
    kms.give("bob", {**statement, "Condition": {"StringEqualsIgnoreCase": condition}})
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    clear = await kms.refusal("bob", "Decrypt", CiphertextBlob=blob)
    assert clear.code == "AccessDeniedException", "without a document nothing is measured"
    recipient = enclave().recipient(**changes)
    wanted = "ok" if is_allowed else "AccessDeniedException"
    for operation, more in (("Decrypt", {"CiphertextBlob": blob}), ("GenerateRandom", {"NumberOfBytes": 8})):
        said = await kms.answer("bob", operation, Recipient=recipient, **more)
        assert said.partition(":")[0] == wanted


@one_region(attestation_roots=roots)
async def test_a_dry_run_for_an_enclave_tells_only_that_it_would_have_worked(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    for operation, more in (
        ("Decrypt", {"CiphertextBlob": blob}),
        ("GenerateDataKey", {"KeyId": key_id, "KeySpec": "AES_128"}),
        ("GenerateDataKeyPair", {"KeyId": key_id, "KeyPairSpec": "ECC_NIST_P256"}),
    ):
        refusal = await kms.refusal("alice", operation, DryRun=True, Recipient=enclave().recipient(), **more)
        assert refusal.code == "DryRunOperationException"


@BACKED
@one_region(attestation_roots=roots)
async def test_a_key_in_a_custom_key_store_serves_enclaves_too(kms: OneRegion, backing: dict[str, Any]) -> None:
    store_id = await connected(kms, backing)
    key_id = await key_in(kms, store_id)
    asked = {"KeyId": key_id, "EncryptionContext": {"to": "bob"}}
    blob = (await kms.call("alice", "Encrypt", Plaintext=b"order 4711", **asked))["CiphertextBlob"]
    answer = await kms.call("alice", "Decrypt", CiphertextBlob=blob, Recipient=enclave().recipient(), **asked)
    assert "Plaintext" not in answer
    assert enclave().opened(answer["CiphertextForRecipient"]) == b"order 4711"
    made = await kms.call("alice", "GenerateDataKey", KeySpec="AES_256", Recipient=enclave().recipient(), **asked)
    assert not made.get("Plaintext")
    opened = await kms.call("alice", "Decrypt", CiphertextBlob=made["CiphertextBlob"], **asked)
    assert enclave().opened(made["CiphertextForRecipient"]) == opened["Plaintext"]
    wrong = {"CiphertextBlob": blob, "Recipient": enclave().recipient(), "KeyId": key_id}
    refusal = await kms.refusal("alice", "Decrypt", **wrong)
    assert refusal.code == ("InvalidCiphertextException" if backing is ON_CLUSTER else "KMSInvalidStateException")
    if backing is ON_CLUSTER:
        asked = {"NumberOfBytes": 40, "CustomKeyStoreId": store_id, "Recipient": enclave().recipient()}
        random = await kms.call("alice", "GenerateRandom", **asked)
        assert len(enclave().opened(random["CiphertextForRecipient"])) == 40
