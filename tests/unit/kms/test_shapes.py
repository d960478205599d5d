"""Validation with AWS's texts, unknown members, and AWS JSON 1.1 held against botocore's own writer and reader."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

import botocore.parsers
import botocore.serialize
import botocore.session
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regionsim.kms.constraints import plainly_sound
from regionsim.kms.errors import SerializationException, UnknownOperationException, ValidationException
from regionsim.kms.model import ShapeType, model
from regionsim.kms.shapes import _checker, decode, encode, problems, unknown_members, validate

KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
NOT_NULL = "Member must not be null"


def refusal_of(operation, /, **parameters):
    with pytest.raises(ValidationException) as caught:
        validate(operation, parameters)
    return caught.value.message


def one(told, path, rule):
    return f"1 validation error detected: Value{told} at '{path}' failed to satisfy constraint: {rule}"


def longer_than(most):
    return f"Member must have length less than or equal to {most}"


def shorter_than(least):
    return f"Member must have length greater than or equal to {least}"


# --- texts that KMS was seen to answer ---


@pytest.mark.parametrize(
    ("operation", "parameters", "text"),
    [
        ("GenerateRandom", {"NumberOfBytes": 0}, one(" '0'", "numberOfBytes", "Member must have value greater than or equal to 1")),
        ("GenerateRandom", {"NumberOfBytes": 1025}, one(" '1025'", "numberOfBytes", "Member must have value less than or equal to 1024")),
        ("CreateKey", {"Tags": [{"TagKey": "k" * 129, "TagValue": "v"}]}, one(f" '{'k' * 129}'", "tags.1.member.tagKey", longer_than(128))),
        ("CreateKey", {"Tags": [{"TagKey": "k", "TagValue": "v" * 257}]}, one(f" '{'v' * 257}'", "tags.1.member.tagValue", longer_than(256))),
        ("Encrypt", {"KeyId": KEY_ID, "Plaintext": b"x" * 4097}, one("", "plaintext", longer_than(4096))),
        ("DescribeKey", {}, one(" null", "keyId", NOT_NULL)),
    ],
)  # fmt: skip
def test_one_broken_rule_reads_as_aws_writes_it(operation, parameters, text):
    assert refusal_of(operation, **parameters) == text


@pytest.mark.parametrize(
    ("operation", "parameters", "path", "value"),
    [
        ("CreateKey", {"KeySpec": "HMAC_random"}, "keySpec", "HMAC_random"),
        ("CreateKey", {"KeyUsage": "RANDOM"}, "keyUsage", "RANDOM"),
        ("GenerateMac", {"KeyId": KEY_ID, "Message": b"m", "MacAlgorithm": "INVALID"}, "macAlgorithm", "INVALID"),
    ],
)
def test_a_value_outside_an_enum_is_told_with_all_that_are_in_it(operation, parameters, path, value):
    text = refusal_of(operation, **parameters)
    rule, _, values = text.partition("enum value set: ")
    assert rule == one(f" '{value}'", path, "Member must satisfy ")
    member = path[0].upper() + path[1:]
    shape = model().shapes[model().shapes[model().operations[operation].input].members[member]]
    assert set(values.strip("[]").split(", ")) == set(shape.enum)


def test_several_broken_rules_are_counted_and_told_together():
    assert refusal_of("TagResource", KeyId="", Tags=[{"TagKey": "a", "TagValue": "b"}, {"TagKey": ""}]) == (
        "3 validation errors detected: "
        f"Value '' at 'keyId' failed to satisfy constraint: {shorter_than(1)}; "
        f"Value '' at 'tags.2.member.tagKey' failed to satisfy constraint: {shorter_than(1)}; "
        f"Value null at 'tags.2.member.tagValue' failed to satisfy constraint: {NOT_NULL}"
    )


# --- each kind of rule ---


def test_a_pattern_must_match_the_whole_value():
    pattern = model().shapes["RegionType"].pattern
    rule = f"Member must satisfy regular expression pattern: {pattern}"
    validate("ReplicateKey", {"KeyId": KEY_ID, "ReplicaRegion": "eu-west-1"})
    for region in ("Europe", "eu-west-1\n", "eu-west-١"):
        assert refusal_of("ReplicateKey", KeyId=KEY_ID, ReplicaRegion=region) == one(
            f" '{region}'", "replicaRegion", rule
        )


def test_elements_of_a_list_of_scalars_are_told_at_the_list():
    text = refusal_of("CreateGrant", KeyId=KEY_ID, GranteePrincipal="p", Operations=["Decrypt", "Fly"])
    assert text.startswith(
        "1 validation error detected: Value '[Decrypt, Fly]' at 'operations' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must satisfy enum value set: [Decrypt, Encrypt, "
    )


def test_a_list_may_be_too_long():
    text = refusal_of("Encrypt", KeyId=KEY_ID, Plaintext=b"x", GrantTokens=["t"] * 11)
    assert text == one(f" '[{', '.join(['t'] * 11)}]'", "grantTokens", longer_than(10))


def test_a_null_in_a_list_is_told_at_its_place():
    assert refusal_of("UntagResource", KeyId=KEY_ID, TagKeys=["a", None]) == one(" null", "tagKeys.2.member", NOT_NULL)
    assert refusal_of("TagResource", KeyId=KEY_ID, Tags=[None]) == one(" null", "tags.1.member", NOT_NULL)


def test_a_null_in_a_map_is_told_without_its_values():
    text = refusal_of("Encrypt", KeyId=KEY_ID, Plaintext=b"x", EncryptionContext={"a": "b", "c": None})
    assert text == one("", "encryptionContext", f"Map value must satisfy constraint: [{NOT_NULL}]")


def test_a_nested_member_is_told_with_its_path():
    recipient = {"KeyEncryptionAlgorithm": "ROT13", "AttestationDocument": b"x"}
    text = refusal_of("GenerateRandom", NumberOfBytes=1, Recipient=recipient)
    assert text.startswith("1 validation error detected: Value 'ROT13' at 'recipient.keyEncryptionAlgorithm' failed")


def test_secrets_are_left_out():
    text = refusal_of("CreateCustomKeyStore", CustomKeyStoreName="s", KeyStorePassword="hunter")
    assert text == one("", "keyStorePassword", shorter_than(7))
    credential = {"AccessKeyId": "not an id", "RawSecretAccessKey": "?secret?"}
    text = refusal_of("CreateCustomKeyStore", CustomKeyStoreName="s", XksProxyAuthenticationCredential=credential)
    assert "not an id" not in text
    assert "?secret?" not in text


def test_lengths_are_counted_as_java_counts_them():
    """A character outside the basic plane is two code units to AWS."""
    validate("UpdateKeyDescription", {"KeyId": KEY_ID, "Description": "\N{KEY}" * 4096})
    text = refusal_of("UpdateKeyDescription", KeyId=KEY_ID, Description="\N{KEY}" * 4097)
    assert text.endswith(longer_than(8192))
    validate("UpdateKeyDescription", {"KeyId": KEY_ID, "Description": "é" * 8192})


def test_none_is_absence():
    validate("DescribeKey", {"KeyId": KEY_ID, "GrantTokens": None})
    assert refusal_of("DescribeKey", KeyId=None) == one(" null", "keyId", NOT_NULL)


# --- types ---


@pytest.mark.parametrize(
    ("operation", "parameters", "text"),
    [
        ("GenerateRandom", {"NumberOfBytes": "3"}, "STRING_VALUE can not be converted to an Integer"),
        ("GenerateRandom", {"NumberOfBytes": True}, "TRUE_VALUE can not be converted to an Integer"),
        ("GenerateRandom", {"NumberOfBytes": 3.0}, "NUMBER_VALUE can not be converted to an Integer"),
        ("GenerateRandom", {"NumberOfBytes": 2**31}, "NUMBER_VALUE can not be converted to an Integer"),
        ("DescribeKey", {"KeyId": 7}, "NUMBER_VALUE can not be converted to a String"),
        ("DescribeKey", {"KeyId": "\ud800"}, "STRING_VALUE can not be converted to a String"),
        ("DescribeKey", {"KeyId": "k", "GrantTokens": "t"}, "STRING_VALUE can not be converted to a List"),
        ("DescribeKey", {"KeyId": "k", "GrantTokens": [7]}, "NUMBER_VALUE can not be converted to a String"),
        ("CreateKey", {"MultiRegion": "true"}, "STRING_VALUE can not be converted to a Boolean"),
        ("CreateKey", {"Tags": ["t"]}, "STRING_VALUE can not be converted to a Structure"),
        ("CreateKey", {"Tags": {}}, "START_OBJECT can not be converted to a List"),
        ("Encrypt", {"KeyId": "k", "Plaintext": "text"}, "STRING_VALUE can not be converted to a Blob"),
        ("Encrypt", {"KeyId": "k", "Plaintext": b"x", "EncryptionContext": []}, "START_ARRAY can not be converted to a Map"),
        ("Encrypt", {"KeyId": "k", "Plaintext": b"x", "EncryptionContext": {"a": 1}}, "NUMBER_VALUE can not be converted to a String"),
        ("Encrypt", {"KeyId": "k", "Plaintext": b"x", "EncryptionContext": {1: "a"}}, "NUMBER_VALUE can not be converted to a String"),
        ("ImportKeyMaterial", {"KeyId": "k", "ImportToken": b"x", "EncryptedKeyMaterial": b"x", "ValidTo": float("nan")}, "NUMBER_VALUE can not be converted to a Timestamp"),
        ("ImportKeyMaterial", {"KeyId": "k", "ImportToken": b"x", "EncryptedKeyMaterial": b"x", "ValidTo": 1e18}, "NUMBER_VALUE can not be converted to a Timestamp"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_cannot_even_be_read(operation, parameters, text):
    with pytest.raises(SerializationException) as caught:
        validate(operation, parameters)
    assert caught.value.message == text


def test_a_wrong_type_outweighs_broken_rules():
    with pytest.raises(SerializationException):
        validate("TagResource", {"KeyId": "", "Tags": "t"})


def test_an_unknown_operation_is_refused_as_aws_refuses_it():
    for ask in (validate, unknown_members, decode, encode):
        with pytest.raises(UnknownOperationException):
            ask("Fly", {})


def test_problems_carry_their_place():
    found = problems("TagResource", {"KeyId": 7, "Tags": [{"TagKey": "a", "TagValue": "b"}, {"TagKey": ""}]})
    assert [(problem.path, problem.is_mistyped) for problem in found] == [
        (("KeyId",), True),
        (("Tags", 1, "TagKey"), False),
        (("Tags", 1, "TagValue"), False),
    ]


# --- unknown members ---


def test_unknown_members_are_found_at_every_depth():
    parameters = {
        "KeyId": KEY_ID,
        "keyId": KEY_ID,
        "Tags": [{"TagKey": "a", "TagValue": "b"}, {"Key": "a", "TagValue": "b"}],
    }
    assert unknown_members("TagResource", parameters) == [("keyId",), ("Tags", 1, "Key")]


def test_keys_of_a_map_are_never_unknown():
    parameters = {"KeyId": KEY_ID, "Plaintext": b"x", "EncryptionContext": {"anything": "goes"}}
    assert unknown_members("Encrypt", parameters) == []


def test_unknown_members_copes_with_values_of_the_wrong_type():
    assert unknown_members("TagResource", {"KeyId": 1, "Tags": "t", "Extra": {}}) == [("Extra",)]


def test_validation_ignores_unknown_members_as_aws_does():
    validate("DescribeKey", {"KeyId": KEY_ID, "Colour": "blue"})


# --- AWS JSON 1.1 ---


def test_decode_drops_nulls_and_unknown_members():
    body = {"KeyId": KEY_ID, "Plaintext": "aGVsbG8=", "GrantTokens": None, "Colour": "blue"}
    assert decode("Encrypt", body) == {"KeyId": KEY_ID, "Plaintext": b"hello"}


@pytest.mark.parametrize("text", ["aGVsbG8", "aGVs bG8=", "aGVsbG8=\n", "é", "a-_=", 7, None, [], True])
def test_a_blob_must_be_base64(text):
    body = {"Recipient": {"AttestationDocument": text}}
    if text is None:
        assert decode("GenerateRandom", body) == {"Recipient": {}}
        return
    with pytest.raises(SerializationException) as caught:
        decode("GenerateRandom", body)
    assert str(text) not in caught.value.message


@pytest.mark.parametrize("body", [None, [], "text", 7, {"Tags": {}}, {"Tags": [7]}, {"Recipient": []}])
def test_json_of_another_structure_is_refused(body):
    operation = "GenerateRandom" if isinstance(body, dict) and "Recipient" in body else "CreateKey"
    with pytest.raises(SerializationException):
        decode(operation, body)


def test_encode_writes_blobs_as_text_and_times_with_milliseconds():
    answer = {"KeyId": KEY_ID, "CiphertextBlob": b"\x00\xff", "EncryptionAlgorithm": None}
    assert encode("Encrypt", answer) == {"KeyId": KEY_ID, "CiphertextBlob": "AP8="}
    assert encode("ScheduleKeyDeletion", {"DeletionDate": 1684921023.1234567}) == {"DeletionDate": 1684921023.123}


def test_an_operation_without_output_has_an_empty_body():
    assert encode("EnableKey", {}) == {}


@pytest.mark.parametrize(("operation", "answer"), [("Encrypt", {"Ciphertext": b""}), ("EnableKey", {"KeyId": KEY_ID})])
def test_answering_what_aws_does_not_answer_is_a_bug(operation, answer):
    with pytest.raises(AssertionError):
        encode(operation, answer)


SERVICE = botocore.session.get_session().get_service_model("kms")
SERIALIZER = botocore.serialize.create_serializer("json", include_validation=False)
PARSER = botocore.parsers.create_parser("json")

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = {
    ShapeType.STRING: TEXT,
    ShapeType.BLOB: st.binary(max_size=40),
    ShapeType.INTEGER: st.integers(-(2**31), 2**31 - 1),
    ShapeType.BOOLEAN: st.booleans(),
    ShapeType.TIMESTAMP: st.integers(0, 4_000_000_000),
}


def values_of(shape_name):
    """Values of a shape's structure and types; its limits and patterns do not matter on the wire."""
    shape = model().shapes[shape_name]
    match shape.type:
        case ShapeType.STRUCTURE:
            members = {name: values_of(member) for name, member in shape.members.items()}
            return st.fixed_dictionaries({}, optional=members)
        case ShapeType.LIST:
            return st.lists(values_of(shape.element), max_size=3)
        case ShapeType.MAP:
            return st.dictionaries(TEXT, TEXT, max_size=3)
        case _:
            return SCALARS[shape.type]


@given(data=st.data(), operation=st.sampled_from(sorted(model().operations)))
def test_what_botocore_sends_is_what_decode_reads(data, operation):
    parameters = data.draw(values_of(model().operations[operation].input))
    sent = SERIALIZER.serialize_to_request(parameters, SERVICE.operation_model(operation))
    assert decode(operation, json.loads(sent["body"])) == parameters


ANSWERING = sorted(name for name, operation in model().operations.items() if operation.output)


@given(data=st.data(), operation=st.sampled_from(ANSWERING))
def test_what_encode_writes_is_what_botocore_reads(data, operation):
    answer = data.draw(values_of(model().operations[operation].output))
    body = json.dumps(encode(operation, answer)).encode()
    shape = SERVICE.operation_model(operation).output_shape
    parsed = PARSER.parse({"body": body, "headers": {}, "status_code": 200}, shape)
    parsed.pop("ResponseMetadata")
    assert with_seconds(parsed) == answer


def with_seconds(value):
    match value:
        case datetime():
            return int(value.astimezone(UTC).timestamp())
        case dict():
            return {name: with_seconds(member) for name, member in value.items()}
        case list():
            return [with_seconds(item) for item in value]
        case _:
            return value


@given(data=st.data(), operation=st.sampled_from(sorted(model().operations)))
def test_no_values_of_the_right_types_are_mistyped_or_unknown(data, operation):
    parameters = data.draw(values_of(model().operations[operation].input))
    assert not any(problem.is_mistyped for problem in problems(operation, parameters))
    assert unknown_members(operation, parameters) == []


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data(), operation=st.sampled_from(sorted(model().operations)))
def test_no_json_at_all_raises_anything_but_a_refusal(data, operation):
    members = model().shapes[model().operations[operation].input].members
    body = data.draw(st.dictionaries(st.sampled_from([*members, "Other"]), JSON_VALUES, max_size=4))
    with suppress(SerializationException, ValidationException):
        validate(operation, decode(operation, body))


# --- the quick test before the rules ---


PLAIN_SHAPES = [shape for shape in model().shapes.values() if shape.type in (ShapeType.STRING, ShapeType.BLOB)]
ODD_VALUES = st.sampled_from(
    [None, True, 0, 1.5, [], {}, b"", b"x" * 5000, "", "\ud800", "\u00e9", "\U0001f511", "x" * 9000, KEY_ID]
)


def values_for(shape):
    known = [st.sampled_from(shape.enum)] if shape.enum else []
    usual = st.text(max_size=40) if shape.type is ShapeType.STRING else st.binary(max_size=40)
    if shape.pattern is not None:
        known.append(st.from_regex(shape.pattern, fullmatch=True))
    return st.one_of(ODD_VALUES, usual, *known)


@pytest.mark.parametrize("shape", PLAIN_SHAPES, ids=lambda shape: shape.name)
@settings(max_examples=30)
@given(data=st.data())
def test_what_passes_the_quick_test_breaks_no_rule(shape, data):
    value = data.draw(values_for(shape))
    is_sound = plainly_sound(shape)
    found = []
    _checker(shape.name)(value, (), found)
    assert is_sound is not None
    if is_sound(value):
        assert found == []
    elif not found:  # the quick test may send on what is sound, if it is no plain text
        assert isinstance(value, str)
        assert not value.isascii()
