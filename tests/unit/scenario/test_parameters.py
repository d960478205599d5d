"""Parameters by AWS's shapes: every kind of value as a step may write it."""

from __future__ import annotations

import pytest

from regionsim.hsm.algorithms.importing import WrappingKey
from regionsim.kms.model import model
from regionsim.kms.wrapping import WrappingAlgorithm
from regionsim.runtime.entropy import OsEntropy
from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.known import Known
from regionsim.scenario.nodes import MappingNode, Position
from regionsim.scenario.parameters import ShapeReader
from regionsim.scenario.parse import parse
from regionsim.scenario.values import (
    AsBlob,
    AsJson,
    AsWrapped,
    Interpolation,
    Names,
    Reference,
    fill_in,
    is_literal,
)

HERE = Position(path="f.yaml", line=1, column=1)


def read(text: str, shape: str, **changes: bool) -> object:
    names = Names(defined={"key": HERE})
    reader = ShapeReader(known=Known(names=names), **changes)
    return reader.read(parse(text, "f.yaml"), model().shapes[shape], shape)


def refused(text: str, shape: str, **changes: bool) -> str:
    with pytest.raises(ScenarioError) as caught:
        read(text, shape, **changes)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "shape", "value"),
    [
        ("word", "KeyIdType", "word"),
        ("$key", "KeyIdType", Reference(name="key")),
        ("alias/$(key)", "AliasNameType", Interpolation(parts=("alias/", Reference(name="key")))),
        ("hello", "PlaintextType", b"hello"),
        ("base64:AP8=", "PlaintextType", b"\x00\xff"),
        ("$key", "PlaintextType", AsBlob(of=Reference(name="key"))),
        ("true", "BooleanType", True),
        ("$key", "BooleanType", Reference(name="key")),
        ("32", "NumberOfBytesType", 32),
        ("2026-01-01T00:00:00Z", "DateType", 1767225600.0),
        ("1767225600", "DateType", 1767225600),
        ("{to: bob, $$: x}", "EncryptionContextType", {"to": "bob", "$": "x"}),
        ("[{TagKey: a, TagValue: $key}]", "TagList", [{"TagKey": "a", "TagValue": Reference(name="key")}]),
        ("{Id: a, Statement: $key}", "PolicyType", AsJson(of={"Id": "a", "Statement": Reference(name="key")})),
        ("{Id: $key, N: [1, ~, true]}", "PolicyType", AsJson(of={"Id": Reference(name="key"), "N": [1, None, True]})),
        ("'{}'", "PolicyType", "{}"),
    ],
)
def test_values_as_they_are_written(text, shape, value):
    assert read(text, shape) == value


@pytest.mark.parametrize(
    ("text", "shape", "told"),
    [
        ("'32'", "NumberOfBytesType", "must be a whole number, this is text; write it without quotes"),
        ("true", "NumberOfBytesType", "must be a whole number, this is true or false"),
        ("99999", "NumberOfBytesType", "Member must have value less than or equal to 1024"),
        ("maybe", "BooleanType", "must be true or false, this is text"),
        ("never", "DateType", "'never' is no instant"),
        ("{}", "DateType", "must be an instant, this is a mapping"),
        ("[a]", "EncryptionContextType", "must be a mapping (key: value), this is a list"),
        ("{$key: a}", "EncryptionContextType", "a saved value cannot be a key; write the key out"),
        ("{to: 7}", "EncryptionContextType", "EncryptionContextType.to must be text, this is a number; put it between"),
        ("a b", "AliasNameType", "Member must satisfy regular expression pattern"),
        ("mars-north-1", "RegionType", "there is no Region 'mars-north-1'"),
        ("{Statement: {Effect: Allow}}", "PolicyType", "PolicyType is malformed at"),
    ],
)
def test_values_that_cannot_be(text, shape, told):
    assert told in refused(text, shape)


WRAPPED = "{material: base64:AP8=, under: $key, algorithm: RSAES_OAEP_SHA_256}"


def read_wrapped(text: str) -> object:
    reader = ShapeReader(known=Known(names=Names(defined={"key": HERE})))
    return reader.read(parse(text, "f.yaml"), model().shapes["CiphertextType"], "EncryptedKeyMaterial")


def test_key_material_is_wrapped_when_it_is_sent():
    tree = read_wrapped(WRAPPED)
    algorithm = WrappingAlgorithm.RSAES_OAEP_SHA_256
    assert tree == AsWrapped(material=b"\x00\xff", under=Reference(name="key"), algorithm=algorithm)
    assert not is_literal(tree)
    key = WrappingKey.generate(OsEntropy().stream("owner"), 2048)
    assert key.unwrap(algorithm, fill_in(tree, {"key": key.public})) == b"\x00\xff"
    with pytest.raises(ValueError, match="no public key"):
        fill_in(tree, {"key": "text"})
    assert read_wrapped("$key") == AsBlob(of=Reference(name="key"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{material: x, under: $key}", "has no 'algorithm'"),
        ("{material: x, under: $key, algorithm: ROT13}", "material is not wrapped by 'ROT13'"),
        ("{materials: x, under: $key, algorithm: ROT13}", "has no 'materials'"),
    ],
)
def test_key_material_that_cannot_be_wrapped(text, told):
    with pytest.raises(ScenarioError) as caught:
        read_wrapped(text)
    assert told in str(caught.value)


def test_a_step_that_expects_a_refusal_may_send_what_cannot_be():
    assert read("99999", "NumberOfBytesType", is_strict=False) == 99999
    assert read("{TagKey: a}", "Tag", is_strict=False) == {"TagKey": "a"}
    assert read("{Statement: {Effect: Maybe}}", "PolicyType", is_strict=False) == '{"Statement": {"Effect": "Maybe"}}'
    assert "must be a whole number" in refused("x", "NumberOfBytesType", is_strict=False)


def test_an_expectation_may_be_partial_and_want_nothing():
    assert read("{TagKey: a}", "Tag", is_request=False) == {"TagKey": "a"}
    assert read("~", "DateType", is_request=False) is None
    assert "must be text, this is nothing" in refused("~", "KeyIdType")


def test_policies_are_not_held_against_a_world_that_is_not_known():
    text = """{Statement: [{Effect: Allow, Principal: {AWS: "arn:aws:iam::111122223333:user/x"}, Action: "kms:*"}]}"""
    assert isinstance(parse(text, "f.yaml"), MappingNode)
    assert "user/x" in str(read(text, "PolicyType"))
