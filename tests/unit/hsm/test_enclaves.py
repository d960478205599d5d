"""The platform for tests and scenarios: what it signs is believed under its root, and only its enclaves open envelopes."""

from __future__ import annotations

import hashlib

import pytest

import regionsim
from regionsim.hsm.algorithms.attestation import roots_in, verified
from regionsim.hsm.algorithms.enclaves import EnclavePlatform, measure
from regionsim.hsm.algorithms.enveloped import enveloped
from regionsim.kms.errors import ValidationException
from regionsim.kms.recipients import recipient_facts, recipient_values
from regionsim.names.mistakes import ConfigError
from regionsim.runtime.clock import parse_instant
from regionsim.runtime.entropy import SeededEntropy

PLATFORM = EnclavePlatform()
BILLING = PLATFORM.enclave("billing 1.0", pcrs={8: "team", 3: "ab" * 48})
NOW_NS = parse_instant("2026-01-01T00:00:00Z")
STREAM = SeededEntropy(1).stream("test")


def test_it_is_what_regionsim_offers() -> None:
    assert regionsim.EnclavePlatform is EnclavePlatform
    assert isinstance(BILLING, regionsim.Enclave)
    assert repr(BILLING) == "<Enclave, contents withheld>"


def test_a_document_says_what_was_measured() -> None:
    said = verified(BILLING.document(nonce=b"n", user_data=b"u"), {PLATFORM.root_der}, NOW_NS)
    assert said.module_id == BILLING.module_id
    assert said.image_digest == BILLING.image_sha384 == hashlib.sha384(b"billing 1.0").hexdigest()
    assert said.pcrs[8].hex() == BILLING.pcr(8) == hashlib.sha384(b"team").hexdigest()
    assert said.pcrs[3].hex() == "ab" * 48
    assert sorted(said.pcrs) == [0, 1, 2, 3, 8]


def test_an_instance_with_a_nitro_tpm_is_told_apart_from_an_enclave() -> None:
    instance = PLATFORM.instance({4: "boot", 7: "secure boot"})
    said = verified(instance.document(), {PLATFORM.root_der}, NOW_NS)
    assert said.is_tpm
    assert said.image_digest is None
    assert recipient_values(said) == {
        "kms:RecipientAttestation:NitroTPMPCR4": instance.pcr(4),
        "kms:RecipientAttestation:NitroTPMPCR7": instance.pcr(7),
    }
    assert recipient_facts(said) == {"recipient": {"attestationDocumentModuleId": instance.module_id}}
    assert "kms:RecipientAttestation:PCR8" in recipient_values(
        verified(BILLING.document(), {PLATFORM.root_der}, NOW_NS)
    )
    for wrong in ({}, {24: "x"}):
        with pytest.raises(ValidationException):
            verified(PLATFORM.instance(wrong).document(), {PLATFORM.root_der}, NOW_NS)


def test_no_other_root_is_believed_for_it() -> None:
    with pytest.raises(ValidationException):
        verified(BILLING.document(), {EnclavePlatform().root_der}, NOW_NS)


@pytest.mark.parametrize("plaintext", [b"", b"x" * 16, b"order 4711", bytes(range(256)) * 20])
def test_only_the_enclave_opens_what_is_for_it(plaintext: bytes) -> None:
    public_key = verified(BILLING.document(), {PLATFORM.root_der}, NOW_NS).public_key
    sealed = enveloped(plaintext, public_key, STREAM)
    assert BILLING.open(sealed) == plaintext
    with pytest.raises(ValueError, match="this is no envelope for this recipient"):
        PLATFORM.enclave("billing 1.0").open(sealed)


@pytest.mark.parametrize(
    "content", [b"", b"\x30", b"\x30\x03abc", b"\x30\x82\xff\xff", b"nothing of the kind", bytes(400)]
)
def test_what_is_no_envelope_is_told_as_such(content: bytes) -> None:
    with pytest.raises(ValueError, match="this is no envelope for this recipient"):
        BILLING.open(content)


def test_roots_are_read_from_pem() -> None:
    other = EnclavePlatform()
    assert roots_in(PLATFORM.root_pem + other.root_pem, "it") == {PLATFORM.root_der, other.root_der}
    with pytest.raises(ConfigError, match="it holds no certificate of a root; a root is written in PEM"):
        roots_in("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n", "it")
    with pytest.raises(ConfigError, match="it holds no certificate"):
        roots_in("", "it")


def test_a_measure_is_hexadecimal_or_is_taken() -> None:
    assert measure("00" * 48) == bytes(48)
    assert measure(b"x") == measure("x") == hashlib.sha384(b"x").digest()
