"""From AWS's parameter names to the fields of requests."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest

from regionsim.kms.errors import UnknownOperationException
from regionsim.kms.model import model
from regionsim.kms.operations.data_keys import GenerateDataKeyRequest
from regionsim.kms.operations.encryption import ReEncryptRequest
from regionsim.kms.operations.lifecycle import CreateKeyRequest, KeyRequest
from regionsim.kms.operations.registry import REGISTRY, operation_named
from regionsim.kms.requests import parse


def test_parameters_become_fields_and_the_rest_takes_its_default() -> None:
    request = parse(GenerateDataKeyRequest, {"KeyId": "k", "NumberOfBytes": 64, "EncryptionContext": {"a": "b"}})
    assert request == GenerateDataKeyRequest(key_id="k", number_of_bytes=64, encryption_context={"a": "b"})
    assert request.key_spec is None
    assert request.dry_run is False


def test_a_null_counts_as_absent() -> None:
    assert parse(CreateKeyRequest, {"Description": None, "KeyUsage": None}) == CreateKeyRequest()


def test_what_the_request_does_not_have_is_ignored() -> None:
    assert parse(KeyRequest, {"KeyId": "k", "Colour": "red"}) == KeyRequest(key_id="k")


def test_a_secret_is_not_in_the_repr() -> None:
    request: Any = parse(REGISTRY["Encrypt"].request_type, {"KeyId": "k", "Plaintext": b"order 4711"})
    assert "4711" not in repr(request)
    assert request.plaintext == b"order 4711"


@pytest.mark.parametrize("name", REGISTRY)
def test_every_field_is_a_parameter_of_the_model_and_every_required_one_is_a_field(name: str) -> None:
    """Parameters of AWS's that regionsim does not offer yet are the only ones without a field."""
    shape = model().shapes[model().operations[name].input]
    known = fields(REGISTRY[name].request_type)
    spelt = {"".join(word.capitalize() for word in field.name.split("_")): field for field in known}
    assert spelt.keys() <= shape.members.keys()
    needed = {name for name, field in spelt.items() if field.default is MISSING and field.default_factory is MISSING}
    assert needed <= shape.required
    assert shape.required <= spelt.keys()


@pytest.mark.parametrize("name", REGISTRY)
def test_what_is_recorded_is_a_parameter_and_never_a_secret(name: str) -> None:
    shape = model().shapes[model().operations[name].input]
    recorded = REGISTRY[name].recorded
    assert set(recorded) <= shape.members.keys()
    secret = {"Plaintext", "CiphertextBlob", "GrantTokens", "Recipient"}
    assert not secret & set(recorded)
    assert not any(model().shapes[shape.members[member]].is_sensitive for member in recorded)


@pytest.mark.parametrize("name", REGISTRY)
def test_an_operation_is_registered_under_its_own_name(name: str) -> None:
    assert operation_named(name).name == name
    assert REGISTRY[name].is_mutation != REGISTRY[name].is_read_only


@pytest.mark.parametrize("name", ["", "encrypt", "Launch", "SynchronizeMultiRegionKey"])
def test_an_operation_that_is_not_offered_is_unknown(name: str) -> None:
    with pytest.raises(UnknownOperationException):
        operation_named(name)


def test_the_decrypting_half_of_reencrypt_is_a_decryption() -> None:
    request = ReEncryptRequest(
        ciphertext_blob=b"blob", source_key_id="s", source_encryption_context={"a": "b"}, destination_key_id="d"
    )
    half = request.decryption()
    assert (half.ciphertext_blob, half.key_id, half.encryption_context) == (b"blob", "s", {"a": "b"})
