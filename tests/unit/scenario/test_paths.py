"""JMESPath into answers, held against AWS's shapes."""

from __future__ import annotations

import pytest

from regionsim.kms.model import model
from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.nodes import Position
from regionsim.scenario.paths import read_path

HERE = Position(path="f.yaml", line=2, column=5)
ANSWER = model().shapes["DescribeKeyResponse"]


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("KeyMetadata", "KeyMetadata"),
        ("KeyMetadata.KeyState", "KeyState"),
        ("KeyMetadata.MultiRegionConfiguration.PrimaryKey.Region", "RegionType"),
        ("KeyMetadata.MultiRegionConfiguration.ReplicaKeys[0].Region", "RegionType"),
        ("KeyMetadata.MultiRegionConfiguration.ReplicaKeys[].Region", None),
        ("length(KeyMetadata.MultiRegionConfiguration.ReplicaKeys)", None),
        ("KeyMetadata.[KeyId, Arn]", None),
    ],
)
def test_the_shape_at_the_end_is_known_where_the_path_is_plain(text, shape):
    found = read_path(text, HERE, ANSWER, "DescribeKey").shape
    assert (None if found is None else found.name) == shape


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("KeyMetadat", "f.yaml:2:5: DescribeKey has no 'KeyMetadat'; did you mean 'KeyMetadata'?"),
        ("KeyMetadata.State", "f.yaml:2:5: DescribeKey has no 'State'; did you mean"),
        ("KeyMetadata.KeyId.x", "f.yaml:2:5: DescribeKey has nothing below a string, so no 'x'"),
        ("KeyMetadata.", "f.yaml:2:5: 'KeyMetadata.' is not a JMESPath"),
        ("", "f.yaml:2:5: '' is not a JMESPath; write it like"),
        ("no such", "f.yaml:2:5: 'no such' is not a JMESPath, from its character 4 on"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(text, told):
    with pytest.raises(ScenarioError) as caught:
        read_path(text, HERE, ANSWER, "DescribeKey")
    assert str(caught.value).startswith(told)


def test_an_answer_without_a_body_has_no_parts():
    with pytest.raises(ScenarioError, match="EnableKey answers without a body, so there is no 'KeyId'; leave it out"):
        read_path("KeyId", HERE, None, "EnableKey")


def test_maps_have_any_key():
    shape = model().shapes["EncryptionContextType"]
    found = read_path("purpose", HERE, shape, "EncryptionContext").shape
    assert found is not None
    assert found.name == "EncryptionContextValue"


def test_finding_gives_the_part_or_nothing():
    path = read_path("KeyMetadata.KeyId", HERE, ANSWER, "DescribeKey")
    assert path.find({"KeyMetadata": {"KeyId": "k"}}) == "k"
    assert path.find({}) is None


def test_a_function_may_refuse_what_it_gets():
    path = read_path("length(KeyMetadata)", HERE, ANSWER, "DescribeKey")
    with pytest.raises(ValueError, match="length"):
        path.find({"KeyMetadata": 3})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("(" * 5000 + "KeyMetadata" + ")" * 5000, "deep; write it like KeyMetadata.KeyId"),
        ("!" * 3000 + "KeyMetadata", "deep; write it like KeyMetadata.KeyId"),
        ("!" * 60 + "KeyMetadata", "is nested more than 50 deep; write it like KeyMetadata.KeyId"),
        ("KeyMetadata[" + "9" * 5000 + "]", "is not a JMESPath; write it like KeyMetadata.KeyId"),
        ("lenght(KeyMetadata)", "JMESPath has no function 'lenght'; did you mean 'length'?"),
        ("[KeyMetadata, sort(lenght(@))]", "JMESPath has no function 'lenght'; did you mean 'length'?"),
        ("length()", "JMESPath's length() takes 1 arguments, here are 0"),
        ("length(@, @)", "JMESPath's length() takes 1 arguments, here are 2"),
        ("not_null()", "JMESPath's not_null() takes 1 or more arguments, here are 0"),
    ],
)
def test_what_jmespath_could_not_run_is_refused_at_its_place(text, told):
    with pytest.raises(ScenarioError) as caught:
        read_path(text, HERE, ANSWER, "DescribeKey")
    assert str(caught.value).startswith("f.yaml:2:5: ")
    assert str(caught.value).endswith(told)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "text", ["length(KeyMetadata.Enabled)", "values(KeyMetadata)[::0]", "ceil(to_number('inf'))", "not_null(abs(`[]`))"]
)
def test_a_value_that_a_path_cannot_take_is_told_in_words(text):
    with pytest.raises(ValueError, match=r"."):
        read_path(text, HERE, ANSWER, "DescribeKey").find({"KeyMetadata": {"Enabled": True, "Text": [1]}})


@pytest.mark.parametrize(
    ("text", "found"),
    [("KeyMetadata", False), ("KeyMetadata.Arn", True), ("KeyMetadata.KeyId", False), ("KeyMetadata.[Arn]", False)],
)
def test_null_that_is_there_is_not_nothing(text, found):
    assert read_path(text, HERE, ANSWER, "DescribeKey").finds_null({"KeyMetadata": {"Arn": None}}) is found
